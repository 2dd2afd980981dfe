#!/usr/bin/env bash
# proxy-image.sh EXE [TAG]: an image of one executable, its shared libraries and its loader, for the
# fault proxy (`quarrel proxy`). The program is on PATH under its own name; no entrypoint, no shell.
# A TAG that already holds this very file is left alone. Without a TAG the image is called
# quarrel/proxy:CONTENT, the name is printed, and what EXE was before it was built anew is removed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=closure.sh
. "$here/closure.sh"

[ $# = 1 ] || [ $# = 2 ] || { echo "usage: proxy-image.sh EXE [TAG]" >&2; exit 64; }
exe=$(readlink -f "$1")
name=${1##*/}
[ -x "$exe" ] || { echo "proxy-image.sh: $1 is not an executable" >&2; exit 64; }

# The name counts as well: one file may be called by several.
content=$({ echo "$name"; cat "$exe" "$here/closure.sh" "${BASH_SOURCE[0]}"; } | sha256sum | cut -c1-16)
tag=${2:-quarrel/proxy:$content}
[ $# = 2 ] || echo "$tag"
present=$(docker image inspect --format '{{index .Config.Labels "dev.quarrel.recipe"}}' "$tag" 2>/dev/null || true)
[ "$present" != "$content" ] || exit 0
[ $# = 2 ] || echo "proxy: copying $exe into an image" >&2

require_complete "$exe"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
new_tree "$tree"
libraries "$exe" | grep . | add_files "$tree"
# Debug information is most of an unoptimized build, and of no use in there.
strip --strip-debug -o "$tree/usr/local/bin/$name" "$exe" 2>/dev/null || cp -L "$exe" "$tree/usr/local/bin/$name"
chmod 755 "$tree/usr/local/bin/$name"
import_tree "$tree" "$tag" 'ENV PATH=/usr/local/bin:/usr/bin:/bin' "CMD [\"$name\"]" \
    "LABEL dev.quarrel.recipe=$content dev.quarrel.role=proxy dev.quarrel.exe=$(printf '%s' "$exe" | tr -c 'A-Za-z0-9/._-' _)"

# remove_predecessors: images this script named for files that have been built anew or are gone. One
# that a cluster still uses stays, as the engine refuses.
remove_predecessors() {
    docker image ls --filter label=dev.quarrel.exe --format '{{.Repository}}:{{.Tag}}' quarrel/proxy |
        while read -r image; do
            was=$(docker image inspect --format '{{index .Config.Labels "dev.quarrel.exe"}} {{index .Config.Labels "dev.quarrel.recipe"}}' "$image") || continue
            if [ "$image" != "quarrel/proxy:${was##* }" ] || [ "$image" = "$tag" ]; then continue; fi
            if [ "${was% *}" = "$exe" ] || [ ! -e "${was% *}" ]; then
                docker image rm "$image" >/dev/null 2>&1 || true
            fi
        done
}
[ $# = 2 ] || remove_predecessors
