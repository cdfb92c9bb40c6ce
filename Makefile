# Everything runs in .venv, made on first use with the newest Python >= 3.11 that is found.
# ARGS="…" passes options on:  make demo ARGS="--port 9000",  make test ARGS="-k alarm",  make bench ARGS="--json bench.json"

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
# Let the packages' wheels be found by pip alone; say nothing about its own version.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test check bench chaos services console clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Sanfang needs Python 3.11 or newer; none was found (set PYTHON=/path/to/python3)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian: apt install python3-venv)" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.runs: pyproject.toml | $(BIN)/python
	@echo "installing Sanfang into $(VENV)"
	@$(PIP) install -e '.[embedded,console]'
	@touch $@

$(VENV)/.develops: pyproject.toml | $(VENV)/.runs
	@echo "installing the development tools into $(VENV)"
	@$(PIP) install -e '.[embedded,console,dev]'
	@touch $@ $(VENV)/.runs

console: $(VENV)/.runs  ## build the console (only when its sources have changed)
	@$(BIN)/python -m sanfang.console

demo: $(VENV)/.runs console  ## a whole school on this machine; Ctrl-C ends it
	@$(BIN)/sanfang demo $(ARGS)

test: $(VENV)/.develops console  ## all tests; the last lines name what was left out
	@$(BIN)/python -m tests $(ARGS)

check: $(VENV)/.develops  ## style, types, walls between packages, nothing private in tracked files
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m sanfang.console check
	@$(BIN)/pytest -q -p no:cacheprovider tests/architecture

bench: $(VENV)/.develops console  ## latency, throughput and memory of the street on this machine
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: $(VENV)/.develops console  ## break everything while thousands of devices speak: ROUNDS=200 SEED=7 FAULTS=kill_hub,…
	@$(BIN)/python -m tests.chaos

services: $(VENV)/.develops  ## set up the real services for the tests (TimescaleDB, Mosquitto, Chromium)
	@$(BIN)/python -m tests.services

clean:  ## remove what was built and cached; the demo's data and .services stay
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf hub/console/dist hub/console/node_modules
	find . -name __pycache__ -type d -not -path './.services/*' -exec rm -rf {} +
