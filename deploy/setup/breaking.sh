#!/usr/bin/env bash
# Compares the protos with the last release, or with the commit before this one: the wire must stay readable.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || git rev-parse --verify --quiet 'HEAD~1' || true)
if [ -z "$base" ] || ! git cat-file -e "$base:protos" 2>/dev/null; then
  echo "breaking: no earlier protos to compare with"
  exit 0
fi
old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git archive "$base" protos buf.yaml | tar -x -C "$old"
.venv/bin/buf breaking --against "$old"
echo "breaking: none against $(git rev-parse --short "$base")"
