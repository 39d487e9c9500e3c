# GeneQueue: what a person types. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test check bench chaos pins clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything, development tools included

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "GeneQueue needs Python 3.11 or later; this is $$($(PYTHON) --version). Try: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

demo: $(READY) ## Start everything on a temporary folder, ask real questions, draw the answers
	$(BIN)/python -m tests.demo

test: $(READY) ## The whole suite, real servers included
	$(BIN)/python -m pytest

check: $(READY) ## Style, types, import contracts, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/unit/architecture

bench: $(READY) ## Measure; prints the rows of docs/benchmarks.md
	$(BIN)/python -m tests.benchmarks

MINUTES ?= 10
SEED ?=
chaos: $(READY) ## Storms while processes die, MINUTES each, of SEED (several: "1 2 3"); writes docs/reliability.md
	$(BIN)/python -m tests.system.chaos --minutes $(MINUTES) $(addprefix --seed ,$(SEED)) --report docs/reliability.md

pins: ## Write constraints.txt from what .venv holds
	@(echo "# Every version that GeneQueue is built and tested with. Made with: make pins"; \
	  $(BIN)/python -m pip list --format=freeze --disable-pip-version-check 2>/dev/null \
	  | grep -viE '^(pip|genequeue)==' | sed 's/+cpu$$//') > constraints.txt

clean: ## Remove .venv and what tools left behind
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
