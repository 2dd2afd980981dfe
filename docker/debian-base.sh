#!/usr/bin/env bash
# debian-base.sh TAG [RELEASE [PACKAGE…]]: a minimal Debian (or Ubuntu) image of this machine's own
# release, or of RELEASE (a code name such as trixie) with these packages, made with debootstrap from the
# mirrors this machine's apt is set up for. `debian-base.sh --suite` prints this machine's code name.
# Needs root; installs debootstrap when it is missing.
set -euo pipefail

say() { echo "debian-base.sh: $*" >&2; }
die() { say "$@"; exit 1; }

command -v apt-get >/dev/null || die "this machine has no apt, so no Debian mirror is known"

# Archives apt knows, as `URI SUITE`, one a line, those with a `main` component only. apt itself is
# asked, so both styles of source files, and lists never fetched, are no special case.
known_archives() {
    apt-get update --print-uris 2>/dev/null |
        sed -nE "s|^'(.*)/dists/(.+)/main/binary-[a-z0-9]+/Packages[^/]*' .*|\1 \2|p" | awk '!seen[$0]++' |
        while read -r uri suite; do printf '%s %s\n' "$(plain_uri "$uri")" "$suite"; done
}

# The same, where this machine's release stands for another that was asked for: its mirrors have both.
archives() {
    if [ "$suite" = "$own" ]; then
        known_archives
    else
        known_archives | awk -v own="$own" -v suite="$suite" '
            index($2, own) == 1 { print $1, suite substr($2, length(own) + 1) }'
    fi
}

# plain_uri URI: cloud images name a file with mirrors in it instead of a mirror.
plain_uri() {
    case $1 in
        mirror+file:*) grep -m1 -oE '^https?://[^[:space:]]+' "${1#mirror+file:}" || true ;;
        *) printf '%s\n' "$1" ;;
    esac
}

release() { (. /etc/os-release && printf '%s\n' "${VERSION_CODENAME:-}"); }

# The suite to install: the machine's release as apt names it, else the first plain suite there is.
base_suite() {
    local wanted
    wanted=$(release)
    known_archives | awk -v wanted="$wanted" '
        $2 == wanted { print $2; found = 1; exit }
        first == "" && $2 !~ /[-\/]/ { first = $2 }
        END { if (!found && first != "") print first }'
}

own=$(base_suite)
[ -n "$own" ] || die "apt has no source with a main component; see /etc/apt/sources.list.d"
if [ "${1:-}" = --suite ]; then
    echo "$own"
    exit
fi
tag=${1:?usage: debian-base.sh TAG [RELEASE [PACKAGE…]]}
suite=${2:-$own}
packages=$(IFS=,; echo "ca-certificates${3:+,${*:3}}")
[ "$(id -u)" = 0 ] || die "debootstrap needs root; run: sudo $(cd "$(dirname "$0")" && pwd)/images.sh --source debian"

install_debootstrap() {
    say "installing debootstrap"
    export DEBIAN_FRONTEND=noninteractive
    local log
    # Lists of old, or none at all, are the usual reason for a first failure.
    log=$(apt-get install -y --no-install-recommends debootstrap 2>&1) ||
        log=$({ apt-get update && apt-get install -y --no-install-recommends debootstrap; } 2>&1) ||
        { tail -n 5 <<<"$log" >&2; die "apt-get install debootstrap failed"; }
}

# bootstrap TREE: third parties may publish for the same suite, so each archive gets its turn.
bootstrap() {
    local uri log=$1.log
    for uri in $(archives | awk -v suite="$suite" '$2 == suite { print $1 }'); do
        say "debootstrap of $suite"
        rm -rf --one-file-system "$1"
        if debootstrap --variant=minbase --include="$packages" "$suite" "$1" "$uri" >"$log" 2>&1; then
            rm -f "$log"
            return
        fi
        tail -n 5 "$log" >&2
    done
    die "debootstrap of $suite failed from every mirror apt knows"
}

# configure TREE: apt's sources as here, security updates included; and nothing an image never uses.
configure() {
    local components=main
    ! grep -q '^ID=ubuntu' /etc/os-release || components="main universe"
    archives | awk -v suite="$suite" -v components="$components" '
        $2 == suite || $2 == suite "-updates" || $2 == suite "-security" || $2 == suite "/updates" {
            print "deb", $1, $2, components }' >"$1/etc/apt/sources.list"
    rm -f "$1"/etc/apt/sources.list.d/*
    mkdir -p "$1/etc/dpkg/dpkg.cfg.d" "$1/etc/apt/apt.conf.d"
    cat >"$1/etc/dpkg/dpkg.cfg.d/slim" <<'SLIM'
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/lib/llvm-*/*
path-exclude=/usr/lib/*/libLLVM*
path-exclude=/usr/lib/postgresql/*/lib/bitcode/*
force-unsafe-io
SLIM
    printf 'Acquire::Languages "none";\n' >"$1/etc/apt/apt.conf.d/slim"
    # Postgres makes itself a database when it is installed; nobody asked for that one.
    rm -rf "$1"/var/lib/postgresql/* "$1"/etc/postgresql/* "$1"/var/lib/valkey/*
    # How this machine reaches its mirrors (a proxy, time-outs) holds for the image's build too.
    apt-config dump | grep -iE '^Acquire::(https?::|Check-)' >>"$1/etc/apt/apt.conf.d/slim" || true
    rm -rf "$1"/usr/lib/llvm-* "$1"/usr/lib/*/libLLVM* "$1"/usr/lib/postgresql/*/lib/bitcode
    rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/usr/share/{doc,man,locale}/* "$1"/var/log/*
}

command -v debootstrap >/dev/null || install_debootstrap
# debootstrap downloads by itself: give it the proxy that apt uses.
http_proxy=${http_proxy:-$(apt-config dump Acquire::http::Proxy | sed -nE 's/^Acquire::http::Proxy "(.*)";$/\1/p')}
export http_proxy
# /tmp may be mounted without devices, which debootstrap refuses.
work=$(mktemp -d -p /var/tmp quarrel-debian.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
bootstrap "$work/root"
configure "$work/root"
say "importing the base"
tar -C "$work/root" --create --numeric-owner --file=- . |
    docker import --change 'CMD ["sh"]' --change 'ENV LANG=C.UTF-8' - "$tag" >/dev/null
