# shellcheck shell=bash
# closure.sh: an image out of programs of this machine and everything they load. Sourced, never run.
#
# A tree is filled with copies (never links) and handed to `docker import`: no registry, no network,
# no builder, a few seconds. Nothing here needs root.

# The servers inside run as other users than the one who builds.
umask 022

# new_tree TREE: the skeleton of a root file system, laid out as on this machine, where /bin, /lib
# and their kin may be links into /usr.
new_tree() {
    local name
    mkdir -p "$1"/{etc,tmp,root,proc,sys,dev,run,quarrel} "$1"/usr/{bin,sbin,lib,local/bin} "$1"/var/{run,lib,tmp}
    chmod 1777 "$1/tmp" "$1/var/tmp"
    for name in bin sbin lib lib32 lib64 libx32; do
        [ ! -L "/$name" ] || { mkdir -p "$1/usr/$name"; ln -s "usr/$name" "$1/$name"; }
    done
    printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$1/etc/nsswitch.conf"
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
    printf 'root:x:0:\n' >"$1/etc/group"
}

# add_user TREE NAME ID
add_user() {
    printf '%s:x:%s:%s::/tmp:/bin/sh\n' "$2" "$3" "$3" >>"$1/etc/passwd"
    printf '%s:x:%s:\n' "$2" "$3" >>"$1/etc/group"
}

# libraries FILE…: the shared libraries and loaders these files need, one a line. Name resolution
# of an older libc loads its modules by name at run time, so ldd does not see them.
libraries() {
    local file found libc
    found=$(for file in "$@"; do ldd "$file" 2>/dev/null || true; done |
        awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $1 !~ /:$/ { print $1 }' | sort -u)
    printf '%s\n' "$found"
    libc=$(grep -m1 '/libc\.so\.6$' <<<"$found") || return 0
    ls "${libc%/*}"/libnss_{files,dns}.so.2 "${libc%/*}/libresolv.so.2" 2>/dev/null || true
}

# require_complete FILE…: fails, naming it, when a library cannot be found.
require_complete() {
    local file missing
    for file in "$@"; do
        missing=$(ldd "$file" 2>/dev/null | awk '/=> not found/ { print $1 }' | tr '\n' ' ') || true
        [ -z "$missing" ] || { echo "$file needs libraries that are not there: $missing" >&2; return 1; }
    done
}

# add_files TREE: copies the files and folders named on stdin, one a line, to the same places.
add_files() {
    sed 's|^/||' | tar -C / --create --dereference --hard-dereference --file=- --files-from=- |
        tar -C "$1" --extract --file=- --no-same-owner --same-permissions --keep-directory-symlink
}

# import_tree TREE TAG CHANGE…: owned by root inside, whoever runs this.
import_tree() {
    local tree=$1 tag=$2 changes=() change
    shift 2
    for change in "$@"; do changes+=(--change "$change"); done
    tar -C "$tree" --create --owner=0 --group=0 --numeric-owner --file=- . |
        docker import "${changes[@]}" - "$tag" >/dev/null
}
