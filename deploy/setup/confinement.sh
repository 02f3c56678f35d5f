#!/usr/bin/env bash
# Prepares what confines an agent's commands: the image where a Docker engine answers, bubblewrap in any case.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

"$here/packages.sh" bwrap=bubblewrap || echo "Without Docker and bubblewrap, sessions cannot run commands." >&2
if [ -z "${SANDBOX_IMAGE:-}" ] && "$here/engine.sh" answers; then
  "$here/../sandbox/build.sh" || echo "No sandbox image; commands run under bubblewrap instead." >&2
fi
