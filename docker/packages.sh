#!/usr/bin/env bash
# Installs what building and testing need beside Rust and a C compiler:
# OpenSSL's headers (the Toxiproxy client links it), Postgres and Redis (the
# native cluster), a pooler (guests behind one), Chromium with its driver (the
# report's tests), what the sample applications are written with (Python, Node,
# PHP, Go and Ruby with their frameworks and drivers), and drivers for the fault
# proxy to be tried with. What axe has to say of the pages comes from PyPI, with pip,
# when the tests run.
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
  "python3-fastapi:/usr/lib/python3/dist-packages/fastapi/__init__.py"
  "python3-uvicorn:/usr/lib/python3/dist-packages/uvicorn/__init__.py"
  "python3-django:/usr/lib/python3/dist-packages/django/__init__.py"
  "python3-pytest:/usr/lib/python3/dist-packages/pytest/__init__.py"
  "python3-setuptools:/usr/lib/python3/dist-packages/setuptools/__init__.py"
  "python3-wheel:/usr/lib/python3/dist-packages/wheel/__init__.py"
  "python3-venv:/usr/lib/python3*/ensurepip/__init__.py"
  "nodejs:node"
  "node-express:/usr/share/nodejs/express/package.json"
  "node-redis:/usr/share/nodejs/redis/package.json"
  "php-cli:php"
  "php-pgsql:/usr/lib/php/*/pdo_pgsql.so"
  "php-redis:/usr/lib/php/*/redis.so"
  "golang-go:go"
  "golang-github-lib-pq-dev:/usr/share/gocode/src/github.com/lib/pq/conn.go"
  "golang-github-gomodule-redigo-dev:/usr/share/gocode/src/github.com/gomodule/redigo/redis/conn.go"
  "ruby-rails:/usr/share/rubygems-integration/all/specifications/rails-*.gemspec"
  "ruby-redis:/usr/share/rubygems-integration/all/specifications/redis-*.gemspec"
  "ruby-pg:/usr/share/rubygems-integration/*/specifications/pg-*.gemspec"
  "puma:puma"
)
# These are unpacked rather than installed: what they depend on wants Debian's
# own Node, which a Node from elsewhere keeps out, and the sample needs none of it.
unpacked=(node-pg node-split2 node-xtend)
unpacked_to=/usr/local/share/nodejs

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
unpack=()
for package in "${unpacked[@]}"; do
  name=${package#node-}
  is_there "$unpacked_to/$name/package.json" || is_there "/usr/share/nodejs/$name/package.json" ||
    unpack+=("$package")
done
if [ ${#missing[@]} -eq 0 ] && [ ${#unpack[@]} -eq 0 ]; then
  echo "packages: all there"
  exit 0
fi
install="apt-get install --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  if [ ${#missing[@]} -gt 0 ]; then
    echo "packages: missing ${missing[*]}; on Debian: sudo $install" >&2
  fi
  if [ ${#unpack[@]} -gt 0 ]; then
    echo "packages: missing below $unpacked_to: ${unpack[*]#node-}; as root this script unpacks them" >&2
  fi
  exit 4
fi
echo "packages: installing ${missing[*]} ${unpack[*]}"

# The servers are wanted as programs, not running: no default database, and no
# service started while the packages unpack.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
  mkdir -p /etc/postgresql-common
  echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
made=()
trap 'rm -rf "${made[@]}"' EXIT
if [ ! -e /usr/sbin/policy-rc.d ]; then
  made+=(/usr/sbin/policy-rc.d)
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
[ ${#missing[@]} -eq 0 ] || apt-get install -y -qq --no-install-recommends \
  -o Dpkg::Options::=--force-confold "${missing[@]}" >/dev/null
if [ ${#unpack[@]} -gt 0 ]; then
  packages=$(mktemp -d)
  made+=("$packages")
  # Whoever apt fetches as must be able to write there.
  chmod 777 "$packages"
  (
    cd "$packages"
    apt-get download -qq "${unpack[@]}"
    for package in *.deb; do dpkg -x "$package" unpacked; done
  )
  mkdir -p "$unpacked_to"
  cp -r "$packages"/unpacked/usr/share/nodejs/. "$unpacked_to"
  for package in "${unpack[@]}"; do
    wanted+=("$package:$unpacked_to/${package#node-}/package.json")
  done
fi
for entry in "${wanted[@]}"; do
  if ! is_there "${entry#*:}"; then
    echo "packages: ${entry%%:*} was installed, yet ${entry#*:} is not there" >&2
    exit 4
  fi
done
echo "packages: installed"
