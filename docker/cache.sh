#!/bin/sh
# cache.sh: starts Redis, in our images and (copied in with supervise.sh) in official ones.
#
#   sh /quarrel/cache.sh serve            serve on port 6379
#   sh /quarrel/cache.sh crash|stop|start|restart|ready   talk to the running one: see supervise.sh
#   sh /quarrel/cache.sh snapshot [NAME]  keep what it holds now as NAME (default: snapshot)
#   sh /quarrel/cache.sh restore [NAME]   crash, come back holding that snapshot: a rollback
#
# Nothing else persists: after a crash and a start the cache is empty. (Out of the box Redis saves
# on its own and would bring deleted entries back.) A client may still send SAVE, which leaves
# dump.rdb, loaded at every later start until `sh cache.sh wipe` removes it.
#
#   QUARREL_DATA              /quarrel/data  folder for dump.rdb and snapshots; may be a tmpfs
#   QUARREL_CACHE_MAXMEMORY   0              bytes, or with kb, mb, gb; 0 is no limit
#   QUARREL_CACHE_POLICY      noeviction     what to evict at the limit (allkeys-lru, …)
#   QUARREL_CACHE_APPENDONLY  no             yes: every write survives a crash
#   QUARREL_PATIENCE          60             seconds to wait for the server
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=supervise.sh
. "$here/supervise.sh"

port=6379
data=${QUARREL_DATA:-/quarrel/data}
brand=redis
command -v redis-server >/dev/null || brand=valkey

# What supervise.sh asks of us.
# shellcheck disable=SC2034
server_name=$brand-server
# shellcheck disable=SC2034
soft_signal=TERM
launch() {
    become "$brand" "$brand-server" --port "$port" --bind 0.0.0.0 --protected-mode no --dir "$data" \
        --save '' --appendonly "${QUARREL_CACHE_APPENDONLY:-no}" --appendfsync always \
        --maxmemory "${QUARREL_CACHE_MAXMEMORY:-0}" --maxmemory-policy "${QUARREL_CACHE_POLICY:-noeviction}"
}
ask() { "$brand-cli" -h 127.0.0.1 -p "$port" "$@"; }
answers() { [ "$(ask ping 2>/dev/null)" = PONG ]; }

serve() {
    mkdir -p "$data"
    [ "$(id -u)" != 0 ] || chown "$brand" "$data"
    supervise
}

# snapshot NAME: SAVE blocks the server while it writes, so the file is one instant's truth.
snapshot() {
    [ "$(ask save)" = OK ] || die "SAVE failed"
    mv "$data/dump.rdb" "$data/$1.rdb"
}

restore() {
    [ -f "$data/$1.rdb" ] || die "no snapshot named $1"
    control crash
    cp -p "$data/$1.rdb" "$data/dump.rdb"
    control start
    # Once loaded it must not come back at the next start.
    rm -f "$data/dump.rdb"
}

case ${1:-} in
    serve) serve ;;
    snapshot | restore) "$1" "${2:-snapshot}" ;;
    wipe) rm -rf "$data/dump.rdb" "$data/appendonlydir" ;;
    *)
        control "${1:-}" || {
            status=$?
            [ "$status" != 64 ] || complain "usage: cache.sh serve|crash|stop|start|restart|ready|snapshot|restore|wipe"
            exit "$status"
        }
        ;;
esac
