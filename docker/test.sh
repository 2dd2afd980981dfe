#!/usr/bin/env bash
# test.sh [--source SOURCE]: proves the images and start scripts on this machine's engine: one
# topology, its crashes and its fallbacks. Prints measured times and `N passed, N failed`.
#
# The links go through a fault proxy when there is an image of one (QUARREL_PROXY_IMAGE, default
# quarrel/proxy:local), else straight to the servers. All it starts is labelled and removed at the end.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

run=test-$$
label=(--label dev.quarrel=1 --label "dev.quarrel.run=$run")
. "$here/checks.sh"

clean_up() {
    local made
    mapfile -t made < <(docker ps --all --quiet --filter "label=dev.quarrel.run=$run")
    [ ${#made[@]} = 0 ] || docker rm --force --volumes "${made[@]}" >/dev/null
    mapfile -t made < <(docker network ls --quiet --filter "label=dev.quarrel.run=$run")
    [ ${#made[@]} = 0 ] || docker network rm "${made[@]}" >/dev/null
    docker image rm "quarrel/proxy:$run" >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

now_ms() { local us=${EPOCHREALTIME/[.,]/}; echo $((us / 1000)); }

# within SECONDS COMMAND…: succeeds as soon as the command does.
within() {
    local deadline=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do [ "$(now_ms)" -lt "$deadline" ] || return 1; done
}

is() { [ "$1" = "$2" ] || { echo "got '$1', expected '$2'"; return 1; }; }
not() { ! "$@"; }

sql() { docker exec "$run-$1" psql -U postgres -qAtX -v ON_ERROR_STOP=1 -c "$2"; }
answers_sql() { is "$(sql "$1" "$2" 2>&1)" "$3"; }
redis() { docker exec "$run-cache" sh -c 'redis-cli "$@" 2>&1 || valkey-cli "$@"' - "$@"; }
answers_redis() { is "$(redis "${@:2}")" "$1"; }
node() { docker exec "$run-$1" sh /quarrel/node.sh "${@:2}"; }
cache() { docker exec "$run-cache" sh /quarrel/cache.sh "$@"; }

# start NAME OPTIONS IMAGE COMMAND…, the last three from the caller.
start() { docker run --detach --name "$run-$1" --network "$run" --network-alias "$1" "${label[@]}" "${@:2}" >/dev/null; }

# A subnet so small that many fit, and the first that nobody has.
make_network() {
    local third
    for third in $(seq 100 120); do
        ! docker network create --subnet "10.213.$third.0/28" "${label[@]}" "$run" >/dev/null 2>"$scratch/said" || return 0
    done
    cat "$scratch/said"
    return 1
}

# port NAME INNER: the published port, which must be on the loopback address and nowhere else.
port() {
    local mapped
    mapped=$(docker port "$run-$1" "$2/tcp")
    case $mapped in
        *$'\n'* | [!1]*) echo "published as $mapped" >&2; return 1 ;;
        127.0.0.1:*) echo "${mapped##*:}" ;;
        *) return 1 ;;
    esac
}

# Postgres answers a request for TLS by one letter, Redis a PING by PONG: enough to know a link works.
postgres_at() {
    local reply
    exec 3<>"/dev/tcp/127.0.0.1/$1" && printf '\0\0\0\10\4\322\26\57' >&3 && read -r -t 3 -n 1 reply <&3
    exec 3>&-
    [[ $reply = [NS] ]]
}
redis_at() {
    local reply
    exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'PING\r\n' >&3 && read -r -t 3 reply <&3
    exec 3>&-
    is "$reply" $'+PONG\r'
}

start_topology() {
    local upstream=(-e QUARREL_UPSTREAM_HOST=primary) memory=(--tmpfs /quarrel/data)
    local publish_postgres=(-p 127.0.0.1::5432) publish_cache=(-p 127.0.0.1::6379) command
    if [ -n "$proxy_image" ]; then
        upstream=(-e QUARREL_UPSTREAM_HOST=proxy -e QUARREL_UPSTREAM_PORT=15434)
        publish_postgres=() publish_cache=()
        read -ra command <<<"${QUARREL_PROXY_COMMAND:-quarrel proxy -host 0.0.0.0 -config /proxy.json}"
        start proxy -p 127.0.0.1::15432 -p 127.0.0.1::15433 -p 127.0.0.1::16379 \
            -v "$here/proxy.json:/proxy.json:ro" "$proxy_image" "${command[@]}" &
    fi
    start primary "${memory[@]}" "${publish_postgres[@]}" "$postgres_image" sh /quarrel/node.sh primary &
    start replica "${memory[@]}" "${publish_postgres[@]}" "${upstream[@]}" "$postgres_image" sh /quarrel/node.sh replica &
    start cache -e QUARREL_CACHE_MAXMEMORY=64mb "${memory[@]}" "${publish_cache[@]}" "$cache_image" sh /quarrel/cache.sh serve &
    wait
}

link() {
    local -A through=([primary]=15432 [replica]=15433 [cache]=16379) straight=([primary]=5432 [replica]=5432 [cache]=6379)
    if [ -n "$proxy_image" ]; then port proxy "${through[$1]}"; else port "$1" "${straight[$1]}"; fi
}

# The delay must hold a row back for about its length, from a reload alone.
delay_holds() {
    local before after
    sql replica "alter system set recovery_min_apply_delay = '800ms'" && sql replica "select pg_reload_conf()" &&
        within 5 answers_sql replica "show recovery_min_apply_delay" 800ms || return 1
    before=$(now_ms)
    sql primary "insert into t values (2, 'late')" &&
        within 10 answers_sql replica "select v from t where k = 2" late || return 1
    after=$(now_ms)
    echo "visible after $((after - before)) ms"
    sql replica "alter system reset recovery_min_apply_delay" && sql replica "select pg_reload_conf()" &&
        [ $((after - before)) -ge 800 ]
}

decodes() {
    sql primary "select pg_create_logical_replication_slot('changes', 'test_decoding')" &&
        sql primary "insert into t values (3, 'decoded')" &&
        sql primary "select data from pg_logical_slot_get_changes('changes', null, null)" | grep "v\[text\]:'decoded'" &&
        sql primary "select pg_drop_replication_slot('changes')"
}

replicates() {
    sql primary "insert into t values ($1, 'row $1')" && within 10 answers_sql replica "select v from t where k = $1" "row $1"
}

# A server killed by hand is back by itself, and knows what it knew.
revives() {
    local before after
    before=$(sql primary "select pg_postmaster_start_time()") &&
        docker exec "$run-primary" sh -c 'kill -9 $(cat /quarrel/run/pid)' &&
        within 10 answers_sql primary "select v from t where k = 1" first || return 1
    after=$(sql primary "select pg_postmaster_start_time()") && [ "$after" != "$before" ]
}

stays_down() {
    docker kill --signal USR1 "$run-primary" && within 5 not node primary ready && sleep 0.5 && not node primary ready
}

# A write that nobody else has, then the other is promoted: the old primary must come back without it.
fails_over() {
    node "$1" crash && sql "$2" "select pg_promote(true, 10)" && sql "$2" "insert into t values ($3, 'after')" &&
        not node "$2" follow "$1" 5432 && node "$1" follow "$2" 5432 && node "$1" start &&
        within 10 answers_sql "$1" "select v from t where k = $3" after &&
        answers_sql "$1" "select pg_is_in_recovery()" t
}

# Commits that ask for it wait until the replica shows them; a replica that is gone holds them up.
remote_apply_waits() {
    sql primary "set synchronous_commit = remote_apply; insert into t values (20, 'applied')" &&
        answers_sql replica "select v from t where k = 20" applied && node replica crash &&
        not timeout 2 docker exec "$run-primary" psql -U postgres -qAtXc \
            "set synchronous_commit = remote_apply; insert into t values (21, 'held')" &&
        sql primary "insert into t values (22, 'local')" && node replica start && replicates 23
}

# A plain image has neither our scripts nor a template: scripts in another place and no template
# are the same to node.sh. The replica starts first, when there is no primary to copy from.
fallback() {
    local role
    mkdir "$scratch/elsewhere" && cp "$here/node.sh" "$here/supervise.sh" "$scratch/elsewhere" || return 1
    for role in replica primary; do
        docker create --name "$run-plain-$role" --network "$run" --network-alias "plain-$role" "${label[@]}" \
            --tmpfs /quarrel/data -e QUARREL_TEMPLATE=none -e QUARREL_UPSTREAM_HOST=plain-primary \
            "$postgres_image" sh /elsewhere/node.sh "$role" &&
            docker cp "$scratch/elsewhere" "$run-plain-$role:/" && docker start "$run-plain-$role" || return 1
    done
    within 60 docker exec "$run-plain-primary" sh /elsewhere/node.sh ready &&
        sql plain-primary "create table t (k int primary key, v text)" &&
        sql plain-primary "insert into t values (1, 'copied')" &&
        within 60 answers_sql plain-replica "select v from t where k = 1" copied &&
        answers_sql plain-replica "select pg_is_in_recovery()" t
}

# A server that cannot start must end its container, and say why.
gives_up() {
    start broken -e QUARREL_SETTINGS='nonsense = 1' "$postgres_image" sh /quarrel/node.sh primary &&
        is "$(timeout 30 docker wait "$run-broken")" 1 && docker logs "$run-broken" 2>&1 | grep nonsense
}

stops_cleanly() {
    local nodes=("$run-primary" "$run-replica" "$run-cache")
    docker stop --time 20 "${nodes[@]}" &&
        is "$(docker inspect --format '{{.State.ExitCode}}' "${nodes[@]}" | tr '\n' ' ')" "0 0 0 " &&
        docker logs "$run-primary" 2>&1 | tail -n 3 | grep 'database system is shut down'
}

# Any program with shared libraries will do as the executable.
proxy_image_works() {
    "$here/proxy-image.sh" "$(type -P tar)" "quarrel/proxy:$run" &&
        docker run --rm "${label[@]}" --network none "quarrel/proxy:$run" tar --version | grep tar
}

proxy_image_is_kept() {
    local before after
    before=$(docker image inspect --format '{{.Id}}' "quarrel/proxy:$run") &&
        "$here/proxy-image.sh" "$(type -P tar)" "quarrel/proxy:$run" &&
        after=$(docker image inspect --format '{{.Id}}' "quarrel/proxy:$run") && is "$after" "$before"
}

images_began=$(now_ms)
"$here/images.sh" "$@" >"$scratch/images"
images_ended=$(now_ms)
postgres_image=$(awk '$1 == "postgres" { print $2 }' "$scratch/images")
cache_image=$(awk '$1 == "cache" { print $2 }' "$scratch/images")
check "images.sh names an image for each role" test -n "$postgres_image" -a -n "$cache_image"
proxy_image=${QUARREL_PROXY_IMAGE:-quarrel/proxy:local}
if docker image inspect "$proxy_image" >/dev/null 2>&1; then
    echo "        links: through $proxy_image"
else
    proxy_image=''
    echo "        links: straight, for there is no image of a proxy"
fi

make_network
topology_began=$(now_ms)
start_topology
within 60 node primary ready || true
sql primary "create table t (k int primary key, v text); insert into t values (1, 'first')"
check "a row written on the primary is read on the replica" within 60 answers_sql replica "select v from t where k = 1" first
topology_ended=$(now_ms)
check "the replica is a standby" answers_sql replica "select pg_is_in_recovery()" t
check "the primary is published on 127.0.0.1 only, and answers" within 10 postgres_at "$(link primary)"
check "the replica is published on 127.0.0.1 only, and answers" within 10 postgres_at "$(link replica)"
check "the cache is published on 127.0.0.1 only, and answers" within 10 redis_at "$(link cache)"
check "1,200 clients may connect" answers_sql primary "show max_connections" 1200
check "ALTER SYSTEM and a reload make recovery_min_apply_delay hold" delay_holds
check "changes can be decoded" decodes
check "a slot not asked for is not there to hold back WAL" answers_sql primary "select string_agg(slot_name, ',') from pg_replication_slots" replica

check "a crashed primary is down" node primary crash
check "a crashed primary stays down" not node primary ready
check "a started primary is up" node primary start
check "the primary kept its rows through kill -9" answers_sql primary "select v from t where k = 1" first
check "the replica follows again" replicates 10
check "a primary killed by hand comes back by itself" revives
check "signal USR1 takes the primary down for good" stays_down
docker kill --signal USR2 "$run-primary" >/dev/null
check "signal USR2 brings it back" within 10 answers_sql primary "select v from t where k = 1" first
check "a replica restarts by kill -9" node replica restart
check "the restarted replica still streams" replicates 11
check "a primary stops on request" node primary stop
check "a stopped primary is down" not node primary ready
check "a stopped primary starts" node primary start
check "a stopped primary kept its rows" answers_sql primary "select v from t where k = 1" first
check "the replica follows after a clean stop" replicates 12

check "remote_apply waits for the replica, and only remote_apply" remote_apply_waits
check "the old primary follows the promoted replica" fails_over primary replica 30
check "and back again" fails_over replica primary 31

check "the cache takes a value" answers_redis OK set a 1
check "the cache keeps a snapshot" cache snapshot early
check "the cache takes a newer value" answers_redis OK set a 2
check "the cache rolls back to the snapshot" cache restore early
check "the rolled back cache holds the older value" answers_redis 1 get a
check "the cache restarts by kill -9" cache restart
check "a crash leaves the cache empty" answers_redis 0 dbsize
check "SAVE is obeyed" answers_redis OK save
redis set b 3 >/dev/null && redis save >/dev/null && cache restart
check "what was saved survives kill -9" answers_redis 3 get b
check "the cache limits its memory as told" answers_redis $'maxmemory\n67108864' config get maxmemory

check "without a template: initdb and pg_basebackup" fallback
check "a node that cannot start ends, and says why" gives_up
check "everything stops cleanly" stops_cleanly
check "an image of an executable and its libraries runs it" proxy_image_works
check "the same executable makes no second image" proxy_image_is_kept

echo "images: $((images_ended - images_began)) ms; from images to the first row on the replica: $((topology_ended - topology_began)) ms"
count_checks
