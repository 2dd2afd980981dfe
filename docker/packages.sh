#!/usr/bin/env bash
# Installs what building and testing need beside Rust and a C compiler:
# OpenSSL's headers (the Toxiproxy client links it), Postgres and Redis (the
# native cluster), a pooler (guests behind one), Chromium with its driver (the
# report's tests), what the sample applications are written with, and drivers
# for the fault proxy to be tried with.
#
#   bash docker/packages.sh
#
# As root on Debian or a child of it; on other systems it says what to install.
set -euo pipefail

# Package, and a file or program that shows that it is there.
wanted=(
  "pkg-config:pkg-config"
  "openssl:openssl"
  "libssl-dev:/usr/include/openssl/ssl.h"
  "postgresql:/usr/lib/postgresql/*/bin/postgres"
  "redis-server:redis-server"
  "pgbouncer:pgbouncer"
  "chromium:chromium"
  "chromium-driver:chromedriver"
  "python3-flask:/usr/lib/python3/dist-packages/flask/__init__.py"
  "python3-sqlalchemy:/usr/lib/python3/dist-packages/sqlalchemy/__init__.py"
  "python3-psycopg2:/usr/lib/python3/dist-packages/psycopg2/__init__.py"
  "python3-redis:/usr/lib/python3/dist-packages/redis/__init__.py"
  "python3-psycopg:/usr/lib/python3/dist-packages/psycopg/__init__.py"
  "python3-asyncpg:/usr/lib/python3/dist-packages/asyncpg/__init__.py"
  "python3-waitress:/usr/lib/python3/dist-packages/waitress/__init__.py"
)

is_there() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
for entry in "${wanted[@]}"; do
  is_there "${entry#*:}" || missing+=("${entry%%:*}")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "packages: all there"
  exit 0
fi
install="apt-get install --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "packages: missing ${missing[*]}; on Debian: sudo $install" >&2
  exit 4
fi
echo "packages: installing ${missing[*]}"

# The servers are wanted as programs, not running: no default database, and no
# service started while the packages unpack.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  mkdir -p /etc/postgresql-common
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends \
  -o Dpkg::Options::=--force-confold "${missing[@]}" >/dev/null
for entry in "${wanted[@]}"; do
  if ! is_there "${entry#*:}"; then
    echo "packages: ${entry%%:*} was installed, yet ${entry#*:} is not there" >&2
    exit 4
  fi
done
echo "packages: installed"
