#!/usr/bin/env bash
# Makes .venv from the lock files.
# Usage: python.sh run    what the services and the proto generator need
#        python.sh dev    and what tests and checks need
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

interpreter() {
  local candidate
  for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "Python 3.11 or newer is needed; none was found. On Debian 12: sudo apt-get install python3 python3-venv" >&2
  return 1
}

make_venv() {
  local python=$1
  rm -rf .venv
  # Debian keeps ensurepip, without which a venv has no pip, in a package of its own.
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    "$here/packages.sh" "/missing/ensurepip=python3-venv" || return 1
  fi
  "$python" -m venv .venv && return
  echo "This Python cannot make a virtual environment. On Debian: sudo apt-get install python3-venv" >&2
  return 1
}

pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input -qq "$@"; }

# The named packages' entries of the development lock, with their hashes.
locked() { awk -v names="$*" '/^[a-z]/ { split($1, at, "=="); on = index(" " names " ", " " at[1] " ") } on' requirements-dev.lock; }

.venv/bin/python -m pip --version >/dev/null 2>&1 || make_venv "$(interpreter)"
case "$1" in
  run)
    echo "Installing the Python packages of the services ..."
    pip install --require-hashes -r requirements.lock
    # The generator belongs to development, but a checkout cannot run without generated code.
    pip install --no-deps --require-hashes -r <(locked grpcio-tools setuptools mypy-protobuf types-protobuf)
    ;;
  dev)
    echo "Installing the Python packages of tests and checks ..."
    pip install --require-hashes -r requirements-dev.lock
    ;;
esac
# Not an editable install: that would build in isolation and fetch a build backend past the locks.
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n%s\n' "$PWD" "$PWD/gen/python" > "$site/lucid.pth"
touch ".venv/.$1"
