#!/usr/bin/env bash
# try.sh: proves the packages of target/package on machines that have nothing of Rust: containers of
# Debian, with servers and Python, and with nothing else.
#
# The goals are of the clock: from `pip install` to a verdict on the simulator 10 s, on native 60 s. What
# was measured is printed; QUARREL_GOALS=no does not hold it to them, for a machine that is busy.
#
# Needs an engine with quarrel/base:servers-trixie (images.sh --release trixie makes it) and a Debian mirror.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=$PWD/target/package
base=quarrel/base:servers-trixie

. docker/checks.sh
trap 'rm -rf "$scratch"' EXIT
# A machine of somebody's: Debian, servers, Python with venv. No compiler, and no Rust.
echo "making a machine"
mkdir "$scratch/machine"
cat >"$scratch/machine/Dockerfile" <<'DOCKER'
ARG BASE
FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*
DOCKER
docker build --quiet --network host --build-arg "BASE=$base" --label dev.quarrel.role=trial --tag quarrel/trial:local "$scratch/machine" >/dev/null

# on IMAGE SCRIPT: in a container without a network.
on() {
    docker run --rm --init --network none --shm-size 1g --label dev.quarrel=1 -v "$out:/package:ro" \
        --entrypoint bash "$1" -euo pipefail -c "$2"
}

in_time() { [ "${QUARREL_GOALS:-yes}" = no ] || [ "$1" -le "$2" ]; }

# A verdict is an exit code and a word; this run is violated, in any weather.
verdict='judged() { local code=0; "$@" >/tmp/said || code=$?; cat /tmp/said; [ "$code" = 1 ] && grep -q stale-read /tmp/said; }'

wheel_gives_the_command() {
    on quarrel/trial:local "$verdict"'
        ! command -v rustc cargo cc
        began=$(date +%s%N)
        since() { echo "$1 after $((($(date +%s%N) - began) / 1000000)) ms"; }
        python3 -m venv /tmp/v && /tmp/v/bin/pip install --quiet --no-index /package/quarrel-*.whl
        PATH=/tmp/v/bin:$PATH
        since installed
        judged quarrel run cache-aside --fault replica-lag --cluster sim --time 3s
        since sim
        cd /tmp && judged quarrel run cache-aside --fault replica-lag --cluster native --time 5s
        since native
        test -f /tmp/v/share/man/man1/quarrel-run.1 && test -f /tmp/v/share/doc/quarrel/THIRD-PARTY.txt
        quarrel doctor || true' >"$scratch/wheel"
    cat "$scratch/wheel"
    in_time "$(sed -n 's/^sim after \(.*\) ms$/\1/p' "$scratch/wheel")" 10000
    in_time "$(sed -n 's/^native after \(.*\) ms$/\1/p' "$scratch/wheel")" 60000
}

# All that `quarrel docker` needs is in the program, too: it makes its images without a checkout.
image_needs_nothing_else() {
    local code=0
    docker run --rm --init --network none --shm-size 1g --label dev.quarrel=1 quarrel/quarrel:local \
        run cache-aside --fault replica-lag --time 5s >"$scratch/said" 2>"$scratch/told" || code=$?
    cat "$scratch/said" "$scratch/told"
    [ "$code" = 1 ] && grep -q 'cluster native' "$scratch/said"
}

package_installs() {
    on "$base" 'dpkg --install /package/quarrel_*.deb
        quarrel --version
        test -f /usr/share/man/man1/quarrel-run.1.gz || test -d /usr/share/man
        test -f /usr/share/bash-completion/completions/quarrel
        quarrel explore cache-aside >/tmp/said || [ "$?" = 1 ]
        grep -q "breaks in" /tmp/said
        dpkg --remove quarrel && hash -r && ! command -v quarrel'
}

archive_unpacks() {
    on "$base" 'cd /package && grep -E " (quarrel-.*\.(tar\.gz|whl)|quarrel_.*\.deb|THIRD-PARTY.txt|quarrel.cdx.json)$" SHA256SUMS | sha256sum --check --quiet
        tar -xzf /package/quarrel-*-linux-gnu.tar.gz -C /tmp
        /tmp/quarrel-*/bin/quarrel --version && test -f /tmp/quarrel-*/share/doc/quarrel/LICENSE-MIT'
}

# Thirty megabytes, and of libraries glibc's alone.
program_is_slim() {
    local size
    size=$(stat --format %s "$out/stage/bin/quarrel")
    echo "$size bytes"
    ldd "$out/stage/bin/quarrel"
    [ "$size" -le 30000000 ] && ! ldd "$out/stage/bin/quarrel" | grep -E 'libssl|libcrypto'
}

# Eight machines that know nothing of each other find what one finds.
shares_in_containers() {
    local i cells=(--strategy cache-aside --strategy ttl-only --strategy write-through --fault none --fault replica-lag --fault redis-cut)
    mkdir -p "$scratch/work"
    for i in 1 2 3 4 5 6 7 8; do
        docker run --rm --init --network none --label dev.quarrel=1 -v "$scratch/work:/work" quarrel/quarrel:local \
            matrix "${cells[@]}" --partition "$i/8" --results "shares/$i" || [ "$?" = 3 ]
    done
    docker run --rm --network none -v "$scratch/work:/work" --entrypoint sh quarrel/quarrel:local -c \
        'quarrel merge shares/* --results merged && quarrel matrix '"${cells[*]}"' --results alone && chmod -R a+rwX /work'
    normalised() { sed -E '/^ *"(name|began)": /d' "$scratch/work/$1"/*-matrix-*/matrix.json; }
    cmp <(normalised merged) <(normalised alone)
    diff -r "$scratch"/work/merged/*-matrix-*/races "$scratch"/work/alone/*-matrix-*/races
}

check "the wheel gives the command, and verdicts in time" wheel_gives_the_command
[ ! -f "$scratch/wheel" ] || grep ' after ' "$scratch/wheel" | sed 's/^/      /'
check "the image storms native servers by itself" image_needs_nothing_else
check "the Debian package installs, runs and goes" package_installs
check "the archive is what SHA256SUMS says, and runs" archive_unpacks
check "the program has at most 30 MB and no libraries of its own" program_is_slim
check "eight containers find what one finds, byte for byte" shares_in_containers

count_checks
