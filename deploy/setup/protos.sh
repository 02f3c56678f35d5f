#!/usr/bin/env bash
# Generates gen/ from protos/: Python with typed stubs, and TypeScript for the page.
set -euo pipefail
cd "$(dirname "$0")/../.."
fresh=$(mktemp -d gen.XXXXXX)
trap 'rm -rf "$fresh"' EXIT
mkdir -p "$fresh/python" "$fresh/ts"
mapfile -t files < <(cd protos && find lucid -name '*.proto' | LC_ALL=C sort)
files+=(buf/validate/validate.proto)
.venv/bin/python -m grpc_tools.protoc -I protos -I protos/third_party \
  --plugin=protoc-gen-mypy=.venv/bin/protoc-gen-mypy \
  --plugin=protoc-gen-mypy_grpc=.venv/bin/protoc-gen-mypy_grpc \
  --plugin=protoc-gen-es=services/gateway/web/node_modules/.bin/protoc-gen-es \
  --python_out="$fresh/python" --grpc_python_out="$fresh/python" \
  --mypy_out=quiet:"$fresh/python" --mypy_grpc_out=quiet:"$fresh/python" \
  --es_out="$fresh/ts" --es_opt=target=ts \
  "${files[@]}"
# The old tree stays whole until the new one is.
rm -rf gen
mv "$fresh" gen
chmod 755 gen
touch gen/.stamp
