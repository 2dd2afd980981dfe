#!/bin/sh
# node.sh: starts a Postgres node, in our images and (copied in with supervise.sh) in official ones.
#
#   sh /quarrel/node.sh primary    be the primary
#   sh /quarrel/node.sh replica    be a streaming replica of QUARREL_UPSTREAM_HOST
#   sh /quarrel/node.sh template   while an image is built: make the template that both start from
#   sh /quarrel/node.sh crash|stop|start|restart|ready   talk to the running one: see supervise.sh
#   sh /quarrel/node.sh follow HOST PORT [UPSTREAM_HOST UPSTREAM_PORT]
#                                  a crashed or stopped node throws its data away and takes a copy of
#                                  what runs at HOST:PORT, to be its replica by way of the upstream once
#                                  it is started: the old primary's return after a failover
#
# Both are copies of one template when the image has it: a clean copy of the primary's own files is
# a valid standby, so no base backup is needed. Otherwise: initdb, and pg_basebackup.
#
#   QUARREL_DATA             /quarrel/data       folder for the data; may be a tmpfs or a volume.
#                                                Data found there are used as they are.
#   QUARREL_TEMPLATE         /quarrel/template   `none` forces initdb and pg_basebackup
#   QUARREL_UPSTREAM_HOST    primary             replica: where the primary (or the proxy) is
#   QUARREL_UPSTREAM_PORT    5432
#   QUARREL_SLOT             replica             replica: its physical slot on the primary
#   QUARREL_SLOTS            replica             primary: slots of the template to keep, of
#                                                replica, replica2, replica3. One kept and not used
#                                                retains WAL for ever.
#   QUARREL_NAME             replica             replica: application_name
#   QUARREL_FSYNC            off                 on: survive a crash of the machine too
#   QUARREL_MAX_CONNECTIONS  1200                the same on both nodes (a standby insists)
#   QUARREL_SHARED_BUFFERS   64MB
#   QUARREL_SETTINGS         (none)              more lines for postgresql.conf
#   QUARREL_PATIENCE         60                  seconds to wait for the server, or for the primary
#
# Settings go into quarrel.conf, included by postgresql.conf, and never onto the command line:
# there they would beat ALTER SYSTEM.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=supervise.sh
. "$here/supervise.sh"

port=5432
data=${QUARREL_DATA:-/quarrel/data}
cluster=$data/postgres
template=${QUARREL_TEMPLATE:-/quarrel/template}
slot=${QUARREL_SLOT:-replica}
upstream_host=${QUARREL_UPSTREAM_HOST:-primary}
upstream_port=${QUARREL_UPSTREAM_PORT:-5432}
sockets=/var/run/postgresql

for bin in /usr/lib/postgresql/*/bin; do
    [ ! -x "$bin/postgres" ] || PATH=$bin:$PATH
done
export PATH

# What supervise.sh asks of us. SIGINT is Postgres' fast shutdown.
# shellcheck disable=SC2034
server_name=postgres
# shellcheck disable=SC2034
soft_signal=INT
launch() { become postgres postgres -D "$cluster"; }
answers() { pg_isready -q -h 127.0.0.1 -p "$port" -U postgres -d postgres -t 1; }

as_postgres() { (become postgres "$@"); }

# own FOLDER: makes it, for the server's user alone.
own() {
    mkdir -p "$1"
    [ "$(id -u)" != 0 ] || chown postgres "$1"
    chmod 700 "$1"
}

settings() {
    cat <<CONF
listen_addresses = '*'
port = $port
unix_socket_directories = '$sockets'
max_connections = $1
shared_buffers = ${QUARREL_SHARED_BUFFERS:-64MB}
fsync = ${QUARREL_FSYNC:-off}
full_page_writes = ${QUARREL_FSYNC:-off}
jit = off
# Only commits that ask for remote_apply wait for the replica.
synchronous_commit = local
synchronous_standby_names = '${QUARREL_NAME:-replica}'
# A short run needs no vacuum, and a vacuum would cancel reads on the replica now and then.
autovacuum = off
wal_level = logical
max_wal_size = 256MB
max_wal_senders = 10
max_replication_slots = 10
hot_standby = on
max_standby_streaming_delay = 1s
# A healed link streams again within 0.1 s, a silent one is given up after 5 s.
wal_retrieve_retry_interval = 100ms
wal_receiver_status_interval = 1s
wal_receiver_timeout = 5s
wal_sender_timeout = 5s
log_line_prefix = '%m [%p] %a '
${QUARREL_SETTINGS:-}
CONF
}

configure() { settings "${QUARREL_MAX_CONNECTIONS:-1200}" >"$cluster/quarrel.conf"; }

# initialize FOLDER: an empty cluster. One-megabyte WAL segments keep copies small.
initialize() {
    own "$1"
    for locale in C.UTF-8 C; do
        if as_postgres initdb -D "$1" -U postgres -A trust -E UTF8 --locale="$locale" \
            --wal-segsize=1 --no-sync --no-instructions >/dev/null; then
            break
        fi
        [ "$locale" != C ] || die "initdb failed"
    done
    printf "\ninclude = 'quarrel.conf'\n" >>"$1/postgresql.conf"
    printf 'local all all trust\nhost all all all trust\nhost replication all all trust\n' >"$1/pg_hba.conf"
}

# make_template: initdb done, slots made, cleanly stopped. Few connections, for a standby may allow
# more than its template ever had, but not fewer. In memory first: file systems of image builds are slow.
make_template() {
    wanted=$template
    [ ! -w /dev/shm ] || template=/dev/shm/quarrel-template
    own "$sockets"
    initialize "$template"
    settings 20 >"$template/quarrel.conf"
    as_postgres pg_ctl -D "$template" -s -w -o "-c listen_addresses=''" start >/dev/null
    for name in replica replica2 replica3; do
        as_postgres psql -h "$sockets" -U postgres -qAtc \
            "select pg_create_physical_replication_slot('$name', true)" >/dev/null
    done
    as_postgres pg_ctl -D "$template" -s -w -m fast stop
    rm -f "$template/postmaster.opts"
    [ "$template" = "$wanted" ] || { cp -a "$template" "$wanted" && rm -rf "$template"; }
}

copy_template() {
    mkdir -p "$data"
    cp -a "$template" "$cluster.partial"
    mv "$cluster.partial" "$cluster"
}

make_primary() {
    if [ ! -f "$template/PG_VERSION" ]; then
        initialize "$cluster"
        configure
        return
    fi
    copy_template
    for kept in "$cluster"/pg_replslot/*; do
        case " ${QUARREL_SLOTS:-replica} " in
            *" ${kept##*/} "*) ;;
            *) rm -rf "$kept" ;;
        esac
    done
    configure
}

# base_backup HOST PORT: copies the primary over the wire, as soon as there is one.
base_backup() {
    deadline=$(($(date +%s) + patience_s))
    own "$cluster"
    for create in --create-slot ''; do
        until pg_isready -q -h "$1" -p "$2" -U postgres -d postgres -t 1; do
            [ "$(date +%s)" -lt "$deadline" ] || die "no primary at $1:$2 after $patience_s s"
            sleep 0.05
        done
        # $create is one word or none.
        # shellcheck disable=SC2086
        if as_postgres pg_basebackup -h "$1" -p "$2" -U postgres -D "$cluster" \
            --checkpoint=fast --wal-method=stream --no-sync --no-manifest --slot="$slot" $create; then
            return
        fi
        # The slot may be there already: the second round uses it.
    done
    die "pg_basebackup from $1:$2 failed"
}

# stand_by HOST PORT: the data become those of a replica of what is there.
stand_by() {
    configure
    cat >>"$cluster/quarrel.conf" <<CONF
primary_conninfo = 'host=$1 port=$2 user=postgres application_name=${QUARREL_NAME:-replica} connect_timeout=2'
primary_slot_name = '$slot'
CONF
    touch "$cluster/standby.signal"
}

make_replica() {
    if [ -f "$template/PG_VERSION" ]; then
        copy_template
        # The template's slots are the primary's; here they would only hold back WAL.
        rm -rf "$cluster"/pg_replslot/*
    else
        base_backup "$upstream_host" "$upstream_port"
    fi
    stand_by "$upstream_host" "$upstream_port"
}

# follow HOST PORT [UPSTREAM_HOST UPSTREAM_PORT]: see the head.
follow() {
    [ -e "$run_dir/hold" ] && [ -z "$(server_pids)" ] || die "this node still runs: crash or stop it first"
    rm -rf "$cluster"
    base_backup "$1" "$2"
    # What ALTER SYSTEM set was the other's.
    : >"$cluster/postgresql.auto.conf"
    stand_by "${3:-$1}" "${4:-$2}"
}

serve() {
    own "$sockets"
    if [ ! -f "$cluster/quarrel.conf" ]; then
        # Whatever an interrupted start left is worth nothing.
        rm -rf "$cluster" "$cluster.partial"
        "make_$1"
    fi
    supervise
}

case ${1:-} in
    primary | replica) serve "$1" ;;
    template) make_template ;;
    follow)
        [ $# = 3 ] || [ $# = 5 ] || { complain "usage: node.sh follow HOST PORT [UPSTREAM_HOST UPSTREAM_PORT]"; exit 64; }
        shift
        follow "$@"
        ;;
    *)
        control "${1:-}" || {
            status=$?
            [ "$status" != 64 ] || complain "usage: node.sh primary|replica|template|follow|crash|stop|start|restart|ready"
            exit "$status"
        }
        ;;
esac
