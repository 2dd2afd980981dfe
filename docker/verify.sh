#!/usr/bin/env bash
# Passes every test of the project, on a machine that may have nothing but
# Rust, a C compiler and a running Docker engine.
#
#   bash docker/verify.sh
#
# What is missing is installed (as root, from Debian's packages) or named (else).
# Container images are built here if they can be pulled from nowhere; those of
# another Debian release (Postgres 17, Valkey) always, which takes root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }

say "packages"
bash docker/packages.sh

say "images"
bash docker/images.sh
# Postgres 17 and Valkey, which this machine may not have.
bash docker/images.sh --release trixie

say "format"
cargo fmt --all --check

say "lints"
cargo clippy --locked --workspace --all-targets -- -D warnings

say "tests"
# One list of failures at the end rather than a stop at the first.
cargo test --locked --workspace --no-fail-fast

say "images and start scripts"
bash docker/test.sh

say "done; pictures of the pages are in target/tmp/screenshots"
