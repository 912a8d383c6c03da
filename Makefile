# Every target prepares what it needs: .venv, from PyPI, once, and again when pyproject.toml changes.
.DEFAULT_GOAL := help
.PHONY: help setup demo test smoke resilience faults soak chaos mutants stateful lint bench bench-peers check clean

export SQUIDIE_PYTHON
PYTHON := .venv/bin/python
ARGS ?=
SEED ?= 1
# Real workers are killed and awaited there, so two at a time do; of all other tests four run side by side.
PROCESSES := $(addprefix tests/,benchmarks celery cli/test_process.py delivery demo evidence notify pytest_celery services)
SIDE_BY_SIDE := -q -n auto --maxprocesses 4 --dist loadfile $(addprefix --ignore=,$(PROCESSES))
IN_PAIRS := -q -n 2 --dist loadfile
EVERY_BRANCH := --cov=squidie.history --cov=squidie.decide --cov-branch --cov-fail-under=100

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  ARGS=… is passed on: make test ARGS='tests/pure -k retry'"

setup: ## make .venv and install everything into it
	@sh .ci/setup

demo: setup ## watch a workflow survive kill -9, on real services started just for it
	@.venv/bin/squidie demo $(ARGS)

test: setup ## run the tests, on a private Postgres and Redis
	@$(if $(ARGS),,$(PYTHON) -m pytest -q tests/pure/history tests/pure/decide $(EVERY_BRANCH))
	@$(PYTHON) -m pytest $(if $(ARGS),$(ARGS),$(SIDE_BY_SIDE))
	@$(if $(ARGS),,$(PYTHON) -m pytest $(IN_PAIRS) $(PROCESSES))

smoke: setup ## play every reference workflow once, on a PostgreSQL started just for it
	@$(PYTHON) -m examples.reference.smoke

resilience: setup ## kill everything at every boundary, and count what was lost
	@$(PYTHON) -m evidence resilience $(ARGS)

faults: setup ## every fault of the list once, at Redis, Postgres, clocks, deploys, people and turns
	@$(PYTHON) -m evidence faults $(ARGS)

soak: setup ## a steady load of mixed runs under faults on a budget, for SECONDS=60
	@$(PYTHON) -m evidence soak --seed $(SEED) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

chaos: setup ## random programs with predicted totals under every kind of fault, by SEED=1, for SECONDS=120
	@$(PYTHON) -m evidence chaos --seed $(SEED) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

mutants: setup ## switch off every guard, one at a time, and look whether a test notices
	@$(PYTHON) -m evidence.mutants $(ARGS)

stateful: setup ## whole graphs and everything that can be asked, in any order: Postgres beside the pure half
	@SQUIDIE_EXAMPLES=$${SQUIDIE_EXAMPLES:-200} $(PYTHON) -m pytest -q tests/journeys/test_stateful.py $(ARGS)

lint: setup ## ruff, mypy, the import contracts, the budgets, the code in the docs
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m mypy
	@PYTHONPATH=.:backends .venv/bin/lint-imports
	@$(PYTHON) -m pytest -q tests/architecture tests/docs

bench: setup ## what it costs, beside hand-written loops; ARGS="--only W2 --scale 0.1"
	@$(PYTHON) -m benchmarks $(ARGS)

bench-peers: setup ## the same beside its peers, each from PyPI in an environment of its own
	@$(PYTHON) -m benchmarks --peers $(ARGS)

check: test lint ## what CI runs

clean: ## remove .venv and everything that was generated
	@rm -rf .venv .bench dist build htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
