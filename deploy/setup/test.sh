#!/usr/bin/env bash
# All tests. Arguments go to pytest. In CI a machine that lacks a real part fails; elsewhere the tests that need it do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
trap '"$here/engine.sh" stop' EXIT
if ! "$here/test-machine.sh"; then
  [ -z "${CI:-}" ] || exit 1
  echo "This machine lacks something (above); the tests that need it will fail." >&2
fi
# What is compiled once is kept: five at a time load the same tests.
unset PYTHONDONTWRITEBYTECODE
# Five at a time on two cores: many tests wait for processes. A file's tests stay together, they share their grounds.
.venv/bin/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder "$@"
