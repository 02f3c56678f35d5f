#!/usr/bin/env bash
# Ends what `make up` left: its process, and the sandboxes of this installation. Data stays.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
source "$here/environment.sh"

pid=$(running)
if [ -n "$pid" ]; then
  kill -TERM "$pid"
  timeout 20 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
  echo "ended process $pid"
else
  echo "not running"
fi
rm -f "$pid_file"

# Sandboxes outlive a service that stops: what runs in them ends here.
[ ! -d "$LUCID_DATA_DIR/helpers" ] || .venv/bin/python -m services.sandbox down

instance=$(cat "$LUCID_DATA_DIR/instance_id" 2>/dev/null || true)
if [ -n "$instance" ] && "$here/engine.sh" answers; then
  # Only this installation's: another one may share the engine.
  containers=$(docker ps -aq --filter "label=lucid.managed=true" --filter "label=lucid.instance=$instance")
  # shellcheck disable=SC2086  # one id per word
  [ -z "$containers" ] || docker rm -f $containers >/dev/null
fi
