# Works on a fresh clone with Python 3.11+, make and a package index. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header

.PHONY: help run demo test check quick install dev format bench lock provision
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: install ## Start the server on http://localhost:8000 with the embedded database
	@exec $(BIN)/ostiary serve

demo: dev node_modules/.stamp ## Start the server and the example clients, ready to click through
	@exec $(BIN)/python examples/demo.py

test: dev provision node_modules/.stamp ## Run every test, on SQLite and PostgreSQL, in Chromium, with foreign clients
	@$(BIN)/python -m pytest

check: dev ## Check format, lint, types and import rules, then run the quick tests
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .import-linter.log || { cat .import-linter.log; exit 1; }
	@$(BIN)/python -m pytest -q -m "not slow and not browser and not interop" -k "not postgresql" tests

format: dev ## Format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

bench: dev ## Measure
	@$(BIN)/python benchmarks/run.py

install: $(VENV)/.runtime ## Make the virtual environment with the runtime dependencies
dev: $(VENV)/.dev

provision:
	@sh scripts/provision

lock: dev ## Renew the lock files
	@echo "setuptools>=84" | $(LOCK) - -o requirements-build.lock
	@$(LOCK) pyproject.toml -o requirements.lock
	@$(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock requirements-build.lock pyproject.toml | $(VENV)/bin/python
	@echo "Installing the locked dependencies ..."
	@$(PIP) install --require-hashes -r requirements-build.lock -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the locked development dependencies ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

node_modules/.stamp: package.json package-lock.json
	@command -v npm > /dev/null || sh scripts/provision
	@npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@
