# shellcheck shell=sh
# supervise.sh: the part node.sh and cache.sh share. Sourced, never run.
#
# The start script stays as PID 1 and keeps one server process under it. A `docker kill` would
# lose a tmpfs together with the container; a server killed *inside* a living container keeps its
# data, its address and its published ports. So crashes are made here, on request:
#
#   by `docker exec CONTAINER sh /quarrel/SCRIPT.sh VERB` (returns when it is done):
#     crash    kill -9 every server process, and stay down
#     stop     clean stop, and stay down
#     start    start again, return when the server answers (at most QUARREL_PATIENCE seconds)
#     restart  crash, then start
#     ready    exit 0 when the server answers, 1 when not (the health check)
#   by signal to PID 1 (`docker kill --signal=USR1 CONTAINER`; cheaper than an exec, returns at once):
#     USR1 = crash    USR2 = start    TERM, INT = clean stop and exit
#   by hand: while the file /quarrel/run/hold exists the server stays down once it is down;
#     without it a server that dies is started again at once. /quarrel/run/pid holds its pid.
#
# The including script defines: server_name (the process name), soft_signal (a clean stop),
# launch (becomes the server by exec) and answers (succeeds when the server answers).

# shellcheck disable=SC2154 # server_name, soft_signal: set by the including script
run_dir=/quarrel/run
patience_s=${QUARREL_PATIENCE:-60}

complain() { echo "${0##*/}: $*" >&2; }
die() { complain "$@"; exit 1; }

# become USER COMMAND…: exec COMMAND as USER. Which tool can do that differs between images:
# official ones carry gosu or su-exec, Debian has setpriv.
become() {
    user=$1
    shift
    [ "$(id -u)" = 0 ] || exec "$@"
    for tool in gosu su-exec; do
        ! command -v "$tool" >/dev/null || exec "$tool" "$user" "$@"
    done
    exec setpriv --reuid="$user" --regid="$user" --clear-groups -- "$@"
}

# Pids of all processes of the server: the main one and those it forked.
server_pids() {
    for entry in /proc/[0-9]*; do
        if read -r name <"$entry/comm" && [ "$name" = "$server_name" ]; then
            printf '%s ' "${entry#/proc/}"
        fi
    done 2>/dev/null
}

# kill_all: one kill for all of them, so that no backend finishes a commit after its parent died.
kill_all() {
    # The list is split on purpose.
    # shellcheck disable=SC2046
    kill -9 $(server_pids) 2>/dev/null || true
}

# await_gone: returns when no server process is left; after five seconds it insists.
await_gone() {
    tries=0
    while [ -n "$(server_pids)" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 250 ] || kill_all
        [ "$tries" -lt 500 ] || die "server processes will not die: $(server_pids)"
        sleep 0.02
    done
}

await_answer() {
    deadline=$(($(date +%s) + patience_s))
    until answers; do
        [ "$(date +%s)" -lt "$deadline" ] || die "$server_name does not answer after $patience_s s"
        sleep 0.02
    done
}

# control VERB: what a `docker exec` asks for. Returns 64 for a word that is no verb.
control() {
    case $1 in
        crash) touch "$run_dir/hold"; kill_all; await_gone ;;
        stop) touch "$run_dir/hold"; kill -"$soft_signal" "$(cat "$run_dir/pid")" 2>/dev/null || true; await_gone ;;
        start) rm -f "$run_dir/hold"; await_answer ;;
        restart) control crash; control start ;;
        ready) answers ;;
        *) return 64 ;;
    esac
}

# supervise: PID 1's loop; never returns.
supervise() {
    mkdir -p "$run_dir"
    rm -f "$run_dir/hold"
    server='' stopping='' failures=0
    trap 'touch "$run_dir/hold"; kill_all' USR1
    trap 'rm -f "$run_dir/hold"' USR2
    trap 'stopping=yes; [ -z "$server" ] || kill -"$soft_signal" "$server" 2>/dev/null || true' TERM INT
    while [ -z "$stopping" ]; do
        if [ -e "$run_dir/hold" ]; then
            sleep 0.05
            continue
        fi
        (launch) &
        server=$!
        echo "$server" >"$run_dir/pid"
        status=0
        # A trapped signal ends `wait` early, with the server still there: then wait again.
        while kill -0 "$server" 2>/dev/null; do
            status=0
            wait "$server" || status=$?
        done
        server=''
        # Orphans of a killed server hold its shared memory; a new one would refuse to start.
        await_gone
        case $status in
            0 | 137) failures=0 ;;
            *)
                failures=$((failures + 1))
                complain "$server_name ended with status $status ($failures in a row)"
                [ "$failures" -lt 5 ] || die "$server_name cannot stay up; giving up"
                ;;
        esac
    done
}
