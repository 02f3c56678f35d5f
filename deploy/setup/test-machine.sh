#!/usr/bin/env bash
# Brings the real parts that the tests run against: Debian packages, a Docker engine, the sandbox image. Repeatable.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# Postgres' package would start a cluster of its own at once; the tests make theirs.
if [ "$(id -u)" -eq 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ] && [ -d /etc/apt ]; then
  mkdir -p /etc/postgresql-common
  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
fi
"$here/packages.sh" bwrap=bubblewrap dockerd=docker.io docker=docker.io iptables=iptables mmdebstrap=mmdebstrap \
  chromium-headless-shell=chromium-headless-shell redis-server=redis-server initdb=postgresql git=git busybox=busybox-static \
  mkfs.ext4=e2fsprogs mount=mount \
  /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf=fonts-dejavu-core
[ "${LUCID_TEST_DOCKER:-1}" = 0 ] && [ -z "${CI:-}" ] && exit 0
"$here/engine.sh" start
"$here/../sandbox/build.sh"
