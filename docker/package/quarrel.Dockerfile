# quarrel with all that it storms: BASE has Postgres, a cache server and their libraries.
#
#   docker run --rm --shm-size 1g -v "$PWD/results:/work/results" quarrel/quarrel run cache-aside --fault replica-lag
#
# Servers of the native cluster run in the same container. Their data live in /dev/shm.
ARG BASE
FROM ${BASE}
COPY bin/quarrel /usr/local/bin/quarrel
COPY share/doc/quarrel/ /usr/share/doc/quarrel/
WORKDIR /work
ENTRYPOINT ["quarrel"]
CMD ["--help"]
