#!/usr/bin/env bash
# images.sh [--rebuild] [--source auto|registry|debian|host] [--release NAME] [ROLE…]
#
# Makes sure that the images exist, on an engine with or without a registry. Roles: postgres (serves
# primary and replica) and cache; default both. Prints one line `ROLE IMAGE` for each on stdout, and
# what it is doing on stderr. Every image is also tagged quarrel/ROLE:local.
#
# auto takes the first that works of
#   an image of this very recipe that is there already (from any source; at once),
#   registry  the official image; an unreachable registry is given up after a few seconds,
#   host      a copy of the programs installed on this machine (2 to 5 s, no network),
#   debian    debootstrap and Debian's packages (about a minute; needs root and a mirror).
#
# With --release (a code name of Debian's, such as trixie) the packages are those of that release, Valkey
# in place of Redis, and the images are tagged quarrel/ROLE:NAME: to try servers of other versions, which
# quarrel takes by QUARREL_POSTGRES_IMAGE and QUARREL_CACHE_IMAGE.
#
# Exit: 0 done, 4 no image could be made (or no engine), 64 usage.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Fixed, for a run should mean the same next year. Redis 7.2 is the last under its old licence.
declare -A official=([postgres]=postgres:17-bookworm [cache]=redis:7.2-bookworm)
declare -A packages=([postgres]=postgresql [cache]='redis-server valkey-server')
packages_of_a_release=(postgresql valkey-server)
# How long a registry may take to say anything at all, and then to deliver.
contact_s=${QUARREL_REGISTRY_PATIENCE:-5}
delivery_s=600

started_us=${EPOCHREALTIME/[.,]/}
say() {
    local ms=$(((${EPOCHREALTIME/[.,]/} - started_us) / 1000))
    printf '[%3d.%d s] %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$*" >&2
}
usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
    exit 64
}

# recipe ROLE: a hash of everything the role's image is made of, but the packages themselves.
recipe() {
    local script=node.sh
    [ "$1" = postgres ] || script=cache.sh
    (cd "$here" && cat images.sh closure.sh host-base.sh debian-base.sh packages.Dockerfile supervise.sh "$script" "$1.Dockerfile" &&
        echo "$release") | sha256sum | cut -c1-12
}

# present ROLE SOURCE: the id of an image of today's recipe, from SOURCE (`auto`: from any).
present() {
    local filters=(--filter "label=dev.quarrel.role=$1" --filter "label=dev.quarrel.recipe=$(recipe "$1")")
    [ "$2" = auto ] || filters+=(--filter "label=dev.quarrel.source=$2")
    docker image ls --quiet --no-trunc "${filters[@]}" | head -n 1
}

# logged COMMAND…: quiet when it works; the end of what it said when it does not.
logged() {
    local status=0
    "$@" >"$scratch/log" 2>&1 || status=$?
    [ "$status" = 0 ] || { tail -n 20 "$scratch/log" | sed 's/^/    /' >&2; }
    return "$status"
}

# pull IMAGE: an engine without a registry may answer at once, or never. So it has contact_s to show
# its first line, and delivery_s for the rest.
pull() {
    local puller waited=0
    ! docker image inspect "$1" >/dev/null 2>&1 || return 0
    timeout "$delivery_s" docker pull "$1" >"$scratch/pull" 2>"$scratch/pull.error" &
    puller=$!
    while kill -0 "$puller" 2>/dev/null && [ ! -s "$scratch/pull" ]; do
        if [ "$waited" -ge $((contact_s * 10)) ]; then
            kill "$puller" 2>/dev/null || true
            echo "no answer within $contact_s s" >"$scratch/pull.error"
            break
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
    wait "$puller" 2>/dev/null && return 0
    say "  the registry has no answer for us: $(tail -n 1 "$scratch/pull.error")"
    return 1
}

# build DOCKERFILE BASE TAG OPTION…: engines of old have one builder only, and newer ones that
# dropped it have the other.
build() {
    local arguments=(--file "$here/$1.Dockerfile" --build-arg "BASE=$2" --tag "$3"
        --network host --shm-size 256m --force-rm "${@:4}" "$here")
    [ "$rebuild" = no ] || arguments=(--no-cache "${arguments[@]}")
    DOCKER_BUILDKIT=0 logged docker build "${arguments[@]}" && return 0
    docker buildx version >/dev/null 2>&1 || return 1
    say "  trying the other builder"
    DOCKER_BUILDKIT=1 logged docker build "${arguments[@]}"
}

# finish ROLE BASE TAG: scripts, and for Postgres the template, on an image with the programs.
finish() {
    build "$1" "$2" "$3" --label "dev.quarrel.role=$1" --label "dev.quarrel.source=$source" \
        --label "dev.quarrel.recipe=$(recipe "$1")"
}

from_registry() {
    [ "$registry" != down ] || return 1
    say "$1: pulling ${official[$1]}"
    pull "${official[$1]}" || { registry=down; return 1; }
    say "$1: building on ${official[$1]}"
    finish "$1" "${official[$1]}" "$2"
}

from_host() {
    bash "$here/host-base.sh" --probe "$1" || { say "$1: not installed on this machine"; return 1; }
    say "$1: copying this machine's programs"
    logged bash "$here/host-base.sh" "$1" "quarrel/base:host-$1" || return 1
    say "$1: building on the copy"
    finish "$1" "quarrel/base:host-$1" "$2"
}

from_debian() {
    local suite base
    if [ -n "$release" ]; then
        from_release "$1" "$2"
        return
    fi
    suite=$(bash "$here/debian-base.sh" --suite) || return 1
    base=quarrel/base:debian-$suite
    if [ "$base_made" = no ] && { [ "$rebuild" = yes ] || ! docker image inspect "$base" >/dev/null 2>&1; }; then
        say "base: making a minimal $suite (the longest part)"
        bash "$here/debian-base.sh" "$base" || return 1
    fi
    base_made=yes
    say "$1: installing packages"
    build packages "$base" "$base-$1" --build-arg "ALTERNATIVES=${packages[$1]}" || return 1
    say "$1: building on Debian's packages"
    finish "$1" "$base-$1" "$2"
}

# from_release ROLE TAG: both roles on one base, so that packages are unpacked once, and not by a builder.
from_release() {
    local base=quarrel/base:servers-$release
    if [ "$base_made" = no ] && { [ "$rebuild" = yes ] || ! docker image inspect "$base" >/dev/null 2>&1; }; then
        say "base: making a $release with ${packages_of_a_release[*]}"
        bash "$here/debian-base.sh" "$base" "$release" "${packages_of_a_release[@]}" || return 1
    fi
    base_made=yes
    say "$1: building on $release"
    finish "$1" "$base" "$2"
}

# version ROLE IMAGE: the major version, asked of the image itself: a proof that its programs run.
version() {
    local ask='postgres --version || /usr/lib/postgresql/*/bin/postgres --version'
    [ "$1" = postgres ] || ask='redis-server --version || valkey-server --version'
    docker run --rm --label dev.quarrel=1 --label "dev.quarrel.run=images-$$" --network none \
        --entrypoint sh "$2" -c "{ $ask; } 2>/dev/null" | grep -oE '[0-9]+(\.[0-9]+)?' | head -n 1 | cut -d. -f1
}

# make_image ROLE: tries the sources in turn; sets `image`, or ends the script. The sources run as
# conditions, where `set -e` is off, so each of their steps says what its failure means.
make_image() {
    local role=$1 candidate="quarrel/$1:building-$$" source major
    local order=(registry host debian)
    [ "$wanted" = auto ] || order=("$wanted")
    for source in "${order[@]}"; do
        "from_$source" "$role" "$candidate" || { say "$role: nothing from source $source"; continue; }
        if ! major=$(version "$role" "$candidate") || [ -z "$major" ]; then
            say "$role: the image made from source $source does not run"
            docker image rm "$candidate" >/dev/null 2>&1 || true
            continue
        fi
        image=quarrel/$role:$major-$source-$(recipe "$role")
        docker tag "$candidate" "$image"
        docker image rm "$candidate" >/dev/null
        say "$role: $image is ready"
        return 0
    done
    say "$role: no image could be made; root with a Debian mirror, or a registry, or installed programs would do:"
    say "  sudo apt-get install postgresql redis-server && $here/images.sh --source host"
    exit 4
}

# all_tagged: succeeds when every role's image of our tag is of today's recipe already. One question to the
# engine, because this is what every later run waits for.
all_tagged() {
    local role names=() expected='' found
    for role in "${roles[@]}"; do
        names+=("quarrel/$role:$tag")
        expected+="$role $(recipe "$role")"$'\n'
    done
    found=$(docker image inspect --format \
        '{{index .Config.Labels "dev.quarrel.role"}} {{index .Config.Labels "dev.quarrel.recipe"}}' \
        "${names[@]}" 2>/dev/null) && [ "$found" = "${expected%$'\n'}" ]
}

ensure() {
    local role=$1 id=''
    image=quarrel/$role:$tag
    [ "$rebuild" = yes ] || id=$(present "$role" "$wanted")
    if [ -z "$id" ]; then
        make_image "$role"
        id=$image
    fi
    docker tag "$id" "quarrel/$role:$tag"
}

report() { printf '%s\n' "${roles[@]}" | sed "s|.*|& quarrel/&:$tag|"; }

rebuild=no wanted=auto registry=untried base_made=no release='' roles=()
while [ $# -gt 0 ]; do
    case $1 in
        --rebuild) rebuild=yes ;;
        --source) [ $# -ge 2 ] || usage; wanted=$2; shift ;;
        --source=*) wanted=${1#--source=} ;;
        --release) [ $# -ge 2 ] || usage; release=$2; shift ;;
        --release=*) release=${1#--release=} ;;
        postgres | cache) roles+=("$1") ;;
        *) usage ;;
    esac
    shift
done
case $wanted in auto | registry | debian | host) ;; *) usage ;; esac
case $release in '') tag=local ;; *[!a-z]*) usage ;; *) tag=$release wanted=debian ;; esac
[ ${#roles[@]} -gt 0 ] || roles=(postgres cache)

if [ "$rebuild" = no ] && { [ "$wanted" = auto ] || [ -n "$release" ]; } && all_tagged; then
    report
    exit
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if ! timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>"$scratch/log"; then
    say "no container engine answers: $(tail -n 1 "$scratch/log")"
    exit 4
fi
# Two runs at once would do the same work twice; the second finds it done.
exec 9<"${BASH_SOURCE[0]}"
flock 9
for role in "${roles[@]}"; do ensure "$role"; done
# What a rebuild replaced has no name any more.
docker image prune --force --filter label=dev.quarrel.role >/dev/null
report
