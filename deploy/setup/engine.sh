#!/usr/bin/env bash
# The machine's Docker engine. A machine bears one: a second would delete the first one's bridge.
# Usage: engine.sh answers    is there one?
#        engine.sh start      start one if none answers (root)
#        engine.sh stop       end the one that `start` started
set -euo pipefail
pid_file=/run/lucid-test-dockerd.pid
log=/var/log/lucid-test-dockerd.log

answers() { timeout 10 docker info --format '{{.ServerVersion}}' 2>/dev/null | grep -q .; }

start() {
  answers && return
  if [ "$(id -u)" -ne 0 ] || ! command -v dockerd >/dev/null; then
    echo "No Docker engine answers, and starting one needs root and docker.io." >&2
    return 1
  fi
  # An engine that was killed leaves its number behind, and dockerd refuses to start once that belongs to another process.
  local left=/var/run/docker.pid
  if [ -f "$left" ] && [ "$(cat "/proc/$(cat "$left")/comm" 2>/dev/null)" != dockerd ]; then rm -f "$left"; fi
  # In a session of its own, so that Ctrl-C on the tests does not take it away under them.
  setsid dockerd >"$log" 2>&1 &
  echo $! >"$pid_file"
  for _ in $(seq 60); do
    answers && return
    sleep 0.5
  done
  echo "The Docker engine did not come up:" >&2
  tail -n 15 "$log" >&2
  return 1
}

stop() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 0
  rm -f "$pid_file"
  if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
    kill "$pid"
    timeout 30 tail --pid="$pid" -f /dev/null || true
  fi
}

"$1"
