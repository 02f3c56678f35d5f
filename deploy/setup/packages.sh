#!/usr/bin/env bash
# Installs Debian packages that are missing, where that is allowed; elsewhere says what to type and fails.
# Usage: packages.sh <command or /path>=<package> ...     A package counts as there when its command or path is.
set -euo pipefail
shopt -s nullglob
for bin in /usr/lib/postgresql/*/bin; do PATH="$PATH:$bin"; done
PATH="$PATH:/usr/sbin:/sbin"

there() { case "$1" in /*) [ -e "$1" ] ;; *) command -v "$1" >/dev/null ;; esac; }

missing=()
for pair in "$@"; do
  there "${pair%%=*}" || [[ " ${missing[*]:-} " == *" ${pair#*=} "* ]] || missing+=("${pair#*=}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

by_hand="sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
  echo "Missing: ${missing[*]} (Debian's names). Install them with this system's package manager." >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    printf 'Missing: %s. Install with:\n  %s\n' "${missing[*]}" "$by_hand" >&2
    exit 1
  fi
  as_root=(sudo -n)
fi
echo "Installing ${missing[*]} ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# RUNLEVEL=1 keeps packages of servers from starting them: the tests start their own.
apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq "$@" >>"$log" 2>&1; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
  tail -n 15 "$log" >&2
  printf 'That did not work. By hand:\n  %s\n' "$by_hand" >&2
  exit 1
fi
