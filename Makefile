# The front door. Every target does its own set-up; nothing but Python 3.11+ is needed.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench fuzz lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The tests start hundreds of processes: each would compile everything anew if Python might not keep bytecode.
unexport PYTHONDONTWRITEBYTECODE

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

setup: $(READY) ## make .venv with the locked dependencies

$(READY): requirements-uv.lock requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "tapstack needs Python 3.11 or later; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## run the whole pipeline on this machine for about a minute
	$(BIN)/tapstack local --exit $(ARGS)

test: $(READY) ## run the tests (the stack's own are `make infra-test`)
	$(BIN)/python -m pytest -n 2 --dist worksteal --ignore=tests/infrastructure --ignore=tests/least_privilege --ignore=tests/wheel --ignore=tests/sdk --ignore=tests/producer/test_embedded_crashes.py $(ARGS)

check: $(READY) ## lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports

bench: $(READY) ## run the benchmarks, one JSON object each (guarantees takes half an hour, insights installs Feast: by themselves)
	@for name in consumer collector producer parsing calls draining imports write_units attributes end_to_end; do $(BIN)/python -m benchmarks.$$name --json || exit 1; done

fuzz: $(READY) ## send 100,000 spoiled requests of every wire format to the collector (ARGS="--seed 2")
	PYTHONPATH=tests $(BIN)/python -m tests.collector.fuzz $(ARGS)

lock: $(READY) ## choose the newest versions that pyproject.toml allows and lock them with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --all-extras --group dev --group bench --group mutation --group build pyproject.toml -o requirements.lock
	echo uv | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	  - -o requirements-uv.lock

-include tests/infrastructure/infra.mk
-include tests/simulation/simulation.mk
-include tests/emulator/clients.mk
-include tests/entrypoints/openapi.mk
-include tests/sdk/sdk.mk
-include tests/producer/producer.mk
-include tests/mutation/mutation.mk
-include benchmarks/recommender/recommender.mk
-include packaging.mk

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-infra dist build .mypy_cache .ruff_cache .hypothesis .import_linter_cache .tapstack
