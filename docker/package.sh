#!/usr/bin/env bash
# package.sh [WHAT…]: makes what people install, in target/package/, of one release build.
#
#   wheel     quarrel-VERSION-py3-none-PLATFORM.whl: `pip install` of it gives the command quarrel.
#             By maturin, which comes from PyPI with pip
#   deb       quarrel_VERSION_ARCH.deb: the command, manual pages, completions. By dpkg-deb, from what
#             the archive holds: cargo-deb would have to be compiled for that
#   archive   quarrel-VERSION-TARGET.tar.gz
#   image     the container image quarrel/quarrel:VERSION (and :local), with Postgres, a cache
#             server and the native cluster inside
#   crates    crates/*.crate; and all of them unpacked, knowing of each other, as
#             quarrel-VERSION-source.tar.gz: `cargo install --locked --path quarrel-workloads` in it
#   sums      SHA256SUMS of all that is there (always done last)
#
# Default: all of them. With each go THIRD-PARTY.txt (the licences of every crate that is linked, and of
# OpenSSL) and quarrel.cdx.json (CycloneDX). `docker/package/try.sh` proves the packages on machines
# that have nothing of Rust.
#
# Only this machine's own architecture is built, and glibc's: other targets need a builder that has them.
# Exit: 0 done, 4 something that is needed is not there, 64 usage.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '[%4d s] %s\n' "$SECONDS" "$*" >&2; }
usage() {
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' docker/package.sh >&2
    exit 64
}

all=(wheel deb archive image crates sums)
for what; do case " ${all[*]} " in *" $what "*) ;; *) usage ;; esac; done
[ $# -gt 0 ] || set -- "${all[@]}"

out=$PWD/target/package
stage=$out/stage
python=${PYTHON:-python3}
version=$(sed -nE '/^\[workspace.package\]/,/^\[/s/^version = "(.*)"/\1/p' Cargo.toml)
target=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$stage" "$out/crates"

# OpenSSL goes into the program: a machine that installs it may have another one, or none.
libraries=$(pkg-config --variable=libdir openssl) || { echo "package.sh: OpenSSL's headers are missing; bash docker/packages.sh" >&2; exit 4; }
export OPENSSL_STATIC=1 OPENSSL_LIB_DIR=$libraries
OPENSSL_INCLUDE_DIR=$(pkg-config --variable=includedir openssl)
export OPENSSL_INCLUDE_DIR

# The one build that every package shares; maturin and a developer's own release build find it done.
program() {
    say "the program"
    cargo build --release --locked --package quarrel-workloads --bin quarrel
    install -D "target/release/quarrel" "$stage/bin/quarrel"
}

# Everything but the wheel takes it from here.
documents() {
    say "manual pages, completions, licences"
    rm -rf "$stage/share"
    "$stage/bin/quarrel" man "$stage/share/man/man1" >/dev/null
    local completions=$stage/share/bash-completion/completions
    mkdir -p "$completions" "$stage/share/zsh/site-functions" "$stage/share/fish/vendor_completions.d"
    "$stage/bin/quarrel" completions bash >"$completions/quarrel"
    "$stage/bin/quarrel" completions zsh >"$stage/share/zsh/site-functions/_quarrel"
    "$stage/bin/quarrel" completions fish >"$stage/share/fish/vendor_completions.d/quarrel.fish"
    local documents=$stage/share/doc/quarrel
    mkdir -p "$documents"
    cp LICENSE-MIT LICENSE-APACHE README.md CHANGELOG.md "$documents"
    "$python" docker/package/contents.py "$target" "$documents/THIRD-PARTY.txt" "$documents/quarrel.cdx.json"
    cp "$documents/THIRD-PARTY.txt" "$documents/quarrel.cdx.json" "$out"
}

make_wheel() {
    say "wheel"
    [ -x "$out/tools/bin/maturin" ] || {
        "$python" -m venv "$out/tools"
        "$out/tools/bin/pip" install --quiet --disable-pip-version-check 'maturin>=1.9,<2'
    }
    rm -f "$out"/*.whl
    # Beside the command: manual pages, completions and licences, below the environment's share/.
    rm -rf "$out/wheel" && mkdir -p "$out/wheel/data"
    cp -r "$stage/share" "$out/wheel/data/share"
    "$out/tools/bin/maturin" build --release --locked --manifest-path workloads/Cargo.toml \
        --target-dir target --out "$out" --interpreter "$python" --quiet
}

make_deb() {
    say "Debian package"
    local tree=$out/deb architecture glibc
    architecture=$(dpkg --print-architecture)
    # The newest version of a symbol that the program asks of glibc is the least that it runs with.
    glibc=$(least_glibc)
    rm -rf "$tree" && mkdir -p "$tree/DEBIAN" "$tree/usr"
    cp -r "$stage/bin" "$stage/share" "$tree/usr/"
    mkdir -p "$tree/usr/share/zsh/vendor-completions"
    mv "$tree/usr/share/zsh/site-functions/_quarrel" "$tree/usr/share/zsh/vendor-completions/"
    rmdir "$tree/usr/share/zsh/site-functions"
    gzip -9n "$tree"/usr/share/man/man1/*.1 "$tree/usr/share/doc/quarrel/CHANGELOG.md"
    mv "$tree/usr/share/doc/quarrel/CHANGELOG.md.gz" "$tree/usr/share/doc/quarrel/changelog.gz"
    { cat "$tree/usr/share/doc/quarrel/LICENSE-MIT"; printf '\nor, as you like,\n\n'; cat "$tree/usr/share/doc/quarrel/LICENSE-APACHE"; } >"$tree/usr/share/doc/quarrel/copyright"
    rm "$tree"/usr/share/doc/quarrel/LICENSE-*
    cat >"$tree/DEBIAN/control" <<CONTROL
Package: quarrel
Version: $version
Architecture: $architecture
Maintainer: the authors of quarrel <quarrel@localhost>
Section: database
Priority: optional
Depends: libc6 (>= $glibc), libgcc-s1
Recommends: postgresql, redis-server | valkey-server
Installed-Size: $(du -sk "$tree/usr" | cut -f1)
Description: finds out when a cache and its database disagree
 Runs a caching strategy, or an application as it is, against Postgres with a
 replica and Redis, injects faults between them, and proves from the history
 whether clients could see stale, lost or time-travelling data.
CONTROL
    chmod -R u=rwX,go=rX "$tree"
    rm -f "$out"/*.deb
    dpkg-deb --root-owner-group -Zgzip --build "$tree" "$out/quarrel_${version}_$architecture.deb" >/dev/null
}

# least_glibc: such as 2.34.
least_glibc() {
    "$python" docker/package/contents.py --glibc "$stage/bin/quarrel"
}

make_archive() {
    say "archive"
    local name=quarrel-$version-$target
    tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 \
        --transform "s|^\.|$name|" -czf "$out/$name.tar.gz" .
}

make_image() {
    say "image"
    local base=quarrel/base:servers-${QUARREL_IMAGE_RELEASE:-trixie}
    docker image inspect "$base" >/dev/null 2>&1 ||
        bash docker/images.sh --release "${base##*-}" >/dev/null
    cp docker/package/quarrel.Dockerfile "$stage"
    local arguments=(--file "$stage/quarrel.Dockerfile" --build-arg "BASE=$base" --force-rm
        --label dev.quarrel.role=quarrel --tag "quarrel/quarrel:$version" --tag quarrel/quarrel:local "$stage")
    DOCKER_BUILDKIT=0 docker build --quiet "${arguments[@]}" >/dev/null 2>&1 ||
        DOCKER_BUILDKIT=1 docker build --quiet "${arguments[@]}" >/dev/null
    rm "$stage/quarrel.Dockerfile"
    # Made elsewhere than here it must still be known to start.
    docker run --rm quarrel/quarrel:local --version >/dev/null
}

make_crates() {
    say "crates"
    rm -rf "$out"/crates/*.crate "$out/cargo/package"
    # Not compiled here: that is a second build of everything. Without a lock file of each, for which cargo
    # would look for the others in a registry.
    cargo package --workspace --no-verify --exclude-lockfile --allow-dirty --target-dir "$out/cargo" 2>"$out/crates.log" ||
        { cat "$out/crates.log" >&2; exit 4; }
    cp "$out"/cargo/package/*.crate "$out/crates/"

    local name=quarrel-$version-source crate file
    local tree=$out/cargo/$name
    rm -rf "$tree" && mkdir -p "$tree/.cargo"
    echo '[patch.crates-io]' >"$tree/.cargo/config.toml"
    for file in "$out"/crates/*.crate; do
        crate=$(basename "$file" "-$version.crate")
        mkdir "$tree/$crate"
        tar -C "$tree/$crate" --strip-components 1 -xzf "$file"
        # Paths in a configuration begin where its folder stands.
        echo "$crate = { path = \"$crate\" }" >>"$tree/.cargo/config.toml"
    done
    cp Cargo.lock "$tree/quarrel-workloads/"
    # The versions of here, less what only tests of the others need.
    (cd "$tree/quarrel-workloads" && cargo update --quiet --workspace --offline &&
        cargo metadata --locked --offline --filter-platform "$target" --format-version 1 >/dev/null)
    tar -C "$out/cargo" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -czf "$out/$name.tar.gz" "$name"
}

make_sums() {
    say "sums"
    (cd "$out" && find . -maxdepth 2 -type f \( -name '*.whl' -o -name '*.deb' -o -name '*.tar.gz' \
        -o -name '*.crate' -o -name THIRD-PARTY.txt -o -name quarrel.cdx.json \) -not -path './cargo/*' |
        sed 's|^\./||' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
}

program
documents
for what; do "make_$what"; done
case " $* " in *" sums "*) ;; *) make_sums ;; esac
say "in $out: $(cd "$out" && ls -- *.whl *.deb *.tar.gz 2>/dev/null | tr '\n' ' ')"
