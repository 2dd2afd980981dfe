# A Postgres node, primary or replica. BASE has the programs: the official image, Debian's packages
# (packages.Dockerfile), or a copy of this machine's (host-base.sh). Few steps, for each one costs a
# second with the builder of engine 20.10.
ARG BASE
FROM ${BASE}
COPY supervise.sh node.sh /quarrel/
RUN sh /quarrel/node.sh template
CMD ["sh", "/quarrel/node.sh", "primary"]
