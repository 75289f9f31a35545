# The same verbs for a person, a hook and CI. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(shell cat requirements-dev.lock | cksum | cut -d' ' -f1)
MAKEFLAGS += --no-print-directory
# A uv or pip of the user's own may point elsewhere: index options are theirs, never ours.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile pyproject.toml --quiet --generate-hashes \
	--no-emit-index-url --no-emit-find-links --python-version 3.11 --universal

.DEFAULT_GOAL := help
.PHONY: help setup lint fix test test-all check demo up bench lock clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with the locked requirements (PYTHON=python3.12 to choose the interpreter)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Dailies needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make setup PYTHON=python3.12" >&2; \
		exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null 2>&1 && \
		uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock; then :; else \
		$(BIN)/python -m ensurepip --upgrade >/dev/null 2>&1; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock; fi
	@rm -f $(VENV)/.installed-* && touch $@
	@echo "$(VENV) is ready."

lint: setup ## formatting, style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## correct what can be corrected by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup ## the tests, with a real Prefect server and a real ffmpeg (ARGS="-k name")
	$(BIN)/python -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile $(ARGS)

test-all: setup ## the slow suites, which `make test` leaves out
	@$(BIN)/python -m pytest -m slow $(ARGS) || { status=$$?; \
		[ $$status -eq 5 ] && echo "no slow tests" || exit $$status; } # 5: pytest selected none

check: lint ## lint and test
	@$(MAKE) test

demo: setup ## one real video, end to end (VIDEO=path for yours, KEEP=1 keeps the stack up)
	@$(BIN)/python -m deployments.demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(filter-out 0,$(KEEP)),--keep)

up: setup ## the local stack: API on 127.0.0.1:8000, Prefect UI on 127.0.0.1:4200 (ARGS="--api-port 0 --minimal")
	@exec $(BIN)/python -m deployments.up $(ARGS)

bench: setup ## what the pipeline costs against hand-written commands, and a start against the stock worker's
	@status=0; \
	$(BIN)/python -m tests.bench $(ARGS) || status=1; \
	$(BIN)/python -m tests.bench.starts || status=1; \
	exit $$status

lock: ## solve the requirements anew (needs uv; -U in ARGS takes newer versions)
	$(LOCK) -o requirements.lock $(ARGS)
	$(LOCK) --group dev -c requirements.lock -o requirements-dev.lock $(ARGS)

clean: ## remove caches and the demo's state; your own state (var/) stays
	@test ! -x $(BIN)/python || $(BIN)/python -m deployments.demo --forget
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
