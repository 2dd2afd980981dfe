# The cache: Redis, or Valkey where Debian has no Redis. BASE as in postgres.Dockerfile.
ARG BASE
FROM ${BASE}
COPY supervise.sh cache.sh /quarrel/
CMD ["sh", "/quarrel/cache.sh", "serve"]
