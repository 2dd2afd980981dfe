# A plain Debian with a server's packages. ALTERNATIVES: package names, the first that installs wins.
# No heredocs and no RUN mounts here or in the other Dockerfiles: engine 20.10's builder must do.
ARG BASE
FROM ${BASE}
ARG ALTERNATIVES
RUN set -eu; \
    mkdir -p /etc/postgresql-common; \
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get update; \
    for package in $ALTERNATIVES none; do \
        [ "$package" != none ]; \
        if apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$package"; then break; fi; \
    done; \
    for program in /usr/lib/postgresql/*/bin/*; do \
        [ ! -x "$program" ] || ln -s "$program" /usr/local/bin/; \
    done; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
