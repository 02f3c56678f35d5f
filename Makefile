# The only list of commands. Bare `make` prints it.
SHELL := /bin/bash
PY := .venv/bin/python
PROTOS := $(shell find protos/lucid -name '*.proto' | sort)
WEB := services/gateway/web

.PHONY: help
help: ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: protos
protos: gen/.stamp ## generate gen/ from the protos (Python and TypeScript)

gen/.stamp: $(PROTOS) requirements-dev.lock buf.gen.yaml | .venv/.stamp $(WEB)/node_modules/.stamp
	rm -rf gen && mkdir -p gen/python gen/ts
	$(PY) -m grpc_tools.protoc -I protos -I protos/third_party --plugin=protoc-gen-mypy=.venv/bin/protoc-gen-mypy \
	  --plugin=protoc-gen-mypy_grpc=.venv/bin/protoc-gen-mypy_grpc --python_out=gen/python --grpc_python_out=gen/python \
	  --mypy_out=gen/python --mypy_grpc_out=gen/python $(PROTOS:protos/%=%) buf/validate/validate.proto
	.venv/bin/buf generate
	touch $@
