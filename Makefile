# The only list of commands. Bare `make` prints it.
SHELL := /bin/bash
PY := .venv/bin/python
WEB := services/gateway/web
SETUP := deploy/setup
# Folders too: a file that went away shows in its folder's time only.
PROTOS := $(shell find protos/*)
WEB_SOURCES := $(wildcard $(WEB)/*.json $(WEB)/*.ts $(WEB)/*.js $(WEB)/*.html) \
               $(shell find $(WEB)/src $(WEB)/public 2>/dev/null)
CODE := services tests deploy

.PHONY: help
help: ## print this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: up down setup protos web sandbox-image
up: .venv/.run gen/.stamp $(WEB)/dist/index.html ## run Lucid AI here, in the foreground; Ctrl-C ends it
	@$(SETUP)/up.sh

down: ## end what `up` left behind; data stays
	@$(SETUP)/down.sh

setup: .venv/.run .venv/.dev gen/.stamp $(WEB)/dist/index.html ## install and build all that running, testing and checking need

protos: gen/.stamp ## generate gen/ from the protos (Python and TypeScript)

web: $(WEB)/dist/index.html ## build the page

sandbox-image: ## build the image that sessions run in (needs a Docker engine)
	@deploy/sandbox/build.sh

.PHONY: image-check
image-check: ## make that image by its Dockerfile too, and compare the two (some minutes)
	@deploy/sandbox/check.sh

.PHONY: test test-long check bench
test: setup ## all tests, with the real parts they need (ARGS='-k watch' goes to pytest)
	@$(SETUP)/test.sh $(ARGS)

test-long: export TESTS_LENGTH = long
test-long: test ## the same, with every test of chance at its full length (about twice as long)

check: fmt-check lint types imports breaking test ## the gate: what must hold before a commit is handed in

bench: setup ## measure Lucid AI beside bare chains; prints ratios
	@$(PY) -m tests.benchmarks

.PHONY: fuzz
fuzz: setup ## send 10,000 random requests of each kind to every RPC (about 20 minutes)
	@FUZZ_CALLS=10000 $(PY) -m pytest -q -s tests/service/test_rpc_fuzz.py

.PHONY: storm
storm: setup ## break everything for SECONDS=1200 while people work, then check (SEED=7 repeats a run)
	@$(PY) -m tests.faults.storm --seconds $(or $(SECONDS),1200) --seed $(or $(SEED),0)

.PHONY: chaos
chaos: setup ## kill services 50 times (KILLS=) in the midst of commands, and the engine; then look for what is left over
	@$(PY) -m tests.faults.chaos --kills $(or $(KILLS),50) --backend $(or $(BACKEND),docker)

.PHONY: fmt fmt-check lint types imports breaking
fmt: setup ## format Python and protos
	@.venv/bin/ruff check --fix --quiet $(CODE)
	@.venv/bin/ruff format $(CODE)
	@.venv/bin/buf format -w

fmt-check: setup
	@.venv/bin/ruff format --check $(CODE)
	@.venv/bin/buf format -d --exit-code

lint: setup ## ruff, buf lint, eslint
	@.venv/bin/ruff check $(CODE)
	@.venv/bin/buf lint
	@cd $(WEB) && npm run --silent lint

types: setup ## mypy and tsc, both strict
	@.venv/bin/mypy services tests/grounds tests/unit/house tests/unit/benchmarks tests/benchmarks tests/e2e tests/faults
	@cd $(WEB) && npm run --silent types

imports: setup ## who may import whom
	@.venv/bin/lint-imports

breaking: setup ## protos against the last release, or the commit before
	@$(SETUP)/breaking.sh

# Stamps: each is rebuilt when one of its inputs is newer, so the second start does nothing.
.venv/.run: requirements.lock requirements-dev.lock $(SETUP)/python.sh
	@$(SETUP)/python.sh run

.venv/.dev: requirements-dev.lock $(SETUP)/python.sh | .venv/.run
	@$(SETUP)/python.sh dev

$(WEB)/node_modules/.installed: $(WEB)/package.json $(WEB)/package-lock.json
	@echo "Installing the page's packages ..."
	@cd $(WEB) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

gen/.stamp: $(PROTOS) requirements-dev.lock $(SETUP)/protos.sh $(WEB)/package-lock.json | .venv/.run $(WEB)/node_modules/.installed
	@echo "Generating code from the protos ..."
	@$(SETUP)/protos.sh

$(WEB)/dist/index.html: $(WEB_SOURCES) gen/.stamp | $(WEB)/node_modules/.installed
	@echo "Building the page ..."
	@cd $(WEB) && npm run build --silent -- --logLevel warn
	@touch $@
