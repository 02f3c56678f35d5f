#!/usr/bin/env bash
# Runs everything in one process in the foreground; Ctrl-C ends it. `make up` has built what it needs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
source "$here/environment.sh"

if pid=$(running) && [ -n "$pid" ]; then
  echo "Lucid AI is already running on this data folder (process $pid). \`make down\` ends it." >&2
  exit 1
fi
"$here/confinement.sh" || true

# Sign-in by any e-mail address and a seeded first repository are for one's own machine only.
case "$HOST" in 127.* | ::1 | localhost) own_machine=1 ;; *) own_machine=0 ;; esac
export AUTH_DEV_LOGIN=${AUTH_DEV_LOGIN:-$own_machine} LUCID_SEED=${LUCID_SEED:-$own_machine}

mkdir -p -m 700 "$LUCID_DATA_DIR"
# Unset, not empty: who sets it to nothing wants nothing. Asking the clients takes seconds, so it is kept for a day.
if [ -z "${EGRESS_REGISTRIES+set}" ]; then
  known=$LUCID_DATA_DIR/registries
  if [ -z "$(find "$known" -mtime -1 -size +1c 2>/dev/null)" ]; then
    .venv/bin/python "$here/registries.py" > "$known.new" && mv "$known.new" "$known"
  fi
  EGRESS_REGISTRIES=$(cat "$known")
  export EGRESS_REGISTRIES
fi
echo $$ > "$pid_file"
exec .venv/bin/python -m services "$@"
