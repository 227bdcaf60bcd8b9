# Works on a fresh clone with Python 3.11+, make and a package index. `make help` lists the targets.

PYTHON ?= python3
# What `make check` runs: `make check QUICK=tests/flows` narrows it down.
QUICK ?= tests
# The tests wait for other processes and for the disk as long as they compute: two for each core, at most eight.
TEST_PROCESSES ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) > 4 ? 8 : $$(getconf _NPROCESSORS_ONLN) * 2 )))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

.PHONY: help run demo test check quick install dev format catalogues bench lock provision
.DEFAULT_GOAL := help
# Two package managers at once would wait for each other's locks.
.NOTPARALLEL:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install ## Start the server on http://localhost:8000 with the embedded database
	@exec $(BIN)/ostiary serve

demo: dev node_modules/.stamp ## Start the server and the example clients, ready to click through
	@exec $(BIN)/python examples/demo.py

test: dev provision node_modules/.stamp ## Run every test, on SQLite and PostgreSQL, in Chromium, with foreign clients
	@$(BIN)/python -m pytest -p tests.support.complete_run -n $(TEST_PROCESSES) --dist worksteal

check: dev ## Check format, lint, types and import rules, then run the quick tests
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .import-linter.log || { cat .import-linter.log; exit 1; }
	@$(BIN)/python -m pytest -q -m "not slow and not browser and not interop" -k "not postgresql" $(QUICK)

format: dev ## Format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

catalogues: dev ## Collect the texts for people and bring the translations up to date
	@$(BIN)/python -m scripts.catalogues

bench: dev provision ## Measure
	@$(BIN)/python benchmarks/run.py

install: $(VENV)/.runtime ## Make the virtual environment with the runtime dependencies
dev: $(VENV)/.dev

provision:
	@sh scripts/provision

lock: dev ## Renew the lock files: UPGRADE=--upgrade moves every pin to the newest version
	@echo "setuptools>=84" | $(LOCK) $(UPGRADE) - -o requirements-build.lock
	@$(LOCK) $(UPGRADE) pyproject.toml -o requirements.lock
	@$(LOCK) $(UPGRADE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	@npm install --package-lock-only --ignore-scripts --loglevel=error > /dev/null

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2> /dev/null || { echo "This Python cannot make virtual environments: install its venv package (Debian: python3-venv)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.runtime: requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	@echo "Installing the locked dependencies ..."
	@$(PIP) install --require-hashes -r requirements-build.lock -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the locked development dependencies ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

node_modules/.stamp: package.json package-lock.json
	@command -v npm > /dev/null || sh scripts/provision npm
	@if command -v npm > /dev/null; then npm ci --no-audit --no-fund --ignore-scripts --loglevel=error && touch $@; \
	else echo "npm is missing: the tests with JavaScript clients will fail"; test "$$CI" != true; fi
