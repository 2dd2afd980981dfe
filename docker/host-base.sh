#!/usr/bin/env bash
# host-base.sh postgres|cache TAG: an image of this machine's own Postgres or Redis, in 2 to 5 s and
# without any network. `host-base.sh --probe ROLE` exits 0 when the role's programs are installed.
set -euo pipefail
shopt -s nullglob
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=closure.sh
. "$here/closure.sh"

# What the start scripts, and a person at `docker exec`, call.
tools=()
for name in sh cat chmod chown cp date dirname env grep head id kill ls mkdir mv ps rm rmdir sed sleep \
    sort tail test touch tr setpriv; do
    tools+=("$(type -P "$name")")
done

# The newest Postgres that has its server programs: Debian's and Red Hat's places, then PATH.
postgres_bin() {
    local folder
    for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -rV) \
        "$(dirname "$(readlink -f "$(command -v postgres || echo /nowhere/postgres)")")"; do
        if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then
            echo "$folder"
            return
        fi
    done
    return 1
}

cache_server() { command -v redis-server || command -v valkey-server; }

probe() {
    case $1 in
        postgres) postgres_bin >/dev/null ;;
        cache) cache_server >/dev/null ;;
    esac
}

add_postgres() {
    local tree=$1 bin lib share programs=() modules=() module program
    bin=$(postgres_bin)
    lib=$("$bin/pg_config" --pkglibdir)
    share=$("$bin/pg_config" --sharedir)
    for program in postgres initdb pg_ctl pg_isready psql pg_basebackup pg_rewind pg_controldata pg_waldump; do
        [ ! -x "$bin/$program" ] || programs+=("$bin/$program")
    done
    # Without the JIT compiler the image is a third of the size; other languages drag in runtimes.
    for module in "$lib"/*.so; do
        case ${module##*/} in *llvmjit* | *plpython* | *plperl* | *pltcl*) ;; *) modules+=("$module") ;; esac
    done
    require_complete "${programs[@]}"
    {
        printf '%s\n' "${tools[@]}" "${programs[@]}" "${modules[@]}"
        libraries "${tools[@]}" "${programs[@]}" "${modules[@]}"
        find "$share" -mindepth 1 -maxdepth 1 ! -name man
        ls -d /usr/share/zoneinfo /usr/lib/locale/C.utf8 2>/dev/null || true
    } | sort -u | add_files "$tree"
    for program in "${programs[@]}"; do
        ln -sf "$program" "$tree/usr/local/bin/${program##*/}"
    done
    add_user "$tree" postgres 999
}

add_cache() {
    local tree=$1 server cli
    server=$(cache_server)
    cli=${server%-server}-cli
    [ -x "$cli" ] || { echo "$server has no ${cli##*/} beside it: apt-get install redis-tools" >&2; return 1; }
    require_complete "$server" "$cli"
    {
        printf '%s\n' "${tools[@]}" "$server" "$cli"
        libraries "${tools[@]}" "$server" "$cli"
    } | sort -u | add_files "$tree"
    server=${server##*/}
    add_user "$tree" "${server%-server}" 999
}

if [ "${1:-}" = --probe ]; then
    probe "$2"
    exit
fi
case ${1:-} in
    postgres | cache) ;;
    *) echo "usage: host-base.sh postgres|cache TAG" >&2; exit 64 ;;
esac
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
new_tree "$tree"
"add_$1" "$tree"
import_tree "$tree" "$2" 'ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin' 'ENV LANG=C.UTF-8'
