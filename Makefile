# The same verbs for a person, a hook and CI. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENGINES := .venv-engines
ENGINES_STAMP := $(ENGINES)/.installed-$(shell cat requirements-dev.lock requirements-engines.lock | cksum | cut -d' ' -f1)
STAMP := $(VENV)/.installed-$(shell cat requirements-dev.lock | cksum | cut -d' ' -f1)
# One more than there are cores, since much of a test is waiting for servers, where each has 4 GiB of memory.
TEST_WORKERS = $(shell $(PYTHON) -c 'import os; pages, size = map(os.sysconf, ("SC_PHYS_PAGES", "SC_PAGE_SIZE")); \
	print(max(2, min(4, len(os.sched_getaffinity(0)) + 1, pages * size >> 32)))')
MAKEFLAGS += --no-print-directory
# A uv or pip of the user's own may point elsewhere: index options are theirs, never ours.
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --generate-hashes \
	--no-emit-index-url --no-emit-find-links --python-version 3.11 --universal
# Which build of torch, and the libraries that come with one: pip's arguments, such as an index of PyTorch's own.
TORCH = $(shell sed -n 's/^ *"\(torch==[^"]*\)",.*/\1/p' pyproject.toml)
# Of torch's builds for CUDA and other accelerators: not locked, because another build needs others or none.
OF_TORCH := torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc \
	nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse \
	nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx

.DEFAULT_GOAL := help
.PHONY: help setup setup-engines lint fix test test-all test-engines check demo up bench gallery load capacity lock clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

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
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock; fi
	@rm -f $(VENV)/.installed-* && touch $@
	@echo "$(VENV) is ready."

setup-engines: $(ENGINES_STAMP) ## make .venv-engines: all of it, torch and diffusers (TORCH="…", pip's arguments, for another build)

$(ENGINES_STAMP):
	@test -x $(ENGINES)/bin/python || $(PYTHON) -m venv $(ENGINES)
	@$(ENGINES)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@if command -v uv >/dev/null 2>&1 && \
		uv pip install --quiet --python $(ENGINES)/bin/python --require-hashes -r requirements-dev.lock; then :; else \
		$(ENGINES)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock; fi
	@$(ENGINES)/bin/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	@$(ENGINES)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements-engines.lock
	@rm -f $(ENGINES)/.installed-* && touch $@
	@echo "$(ENGINES) is ready."

lint: setup ## formatting, style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## correct what can be corrected by machine
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Without compiled files every worker, and every process of a stack, would compile all of the code anew.
test test-all: export PYTHONDONTWRITEBYTECODE =

test: setup ## the tests, with a real Prefect server and a real ffmpeg (ARGS="-k name")
	$(BIN)/python -m pytest -m "not slow and not engines" -n $(TEST_WORKERS) --dist loadfile $(ARGS)

test-all: setup ## the slow suites, which `make test` leaves out
	@$(BIN)/python -m pytest -m "slow and not engines" -n $(TEST_WORKERS) --dist loadfile $(ARGS) || { status=$$?; \
		[ $$status -eq 5 ] && echo "no slow tests" || exit $$status; } # 5: pytest selected none

test-engines: setup-engines ## the engine `diffusers` on tiny models of its own, with a real torch
	$(ENGINES)/bin/python -m pytest -m engines tests/tasks/providers $(ARGS)

check: lint ## lint and test
	@$(MAKE) test

# By the environment: words may hold quotes.
demo: export DEMO_PROMPT = $(PROMPT)
demo: setup ## one real video, end to end (VIDEO=path for yours, PROMPT="…" makes one of words, KEEP=1 keeps the stack up)
	@$(BIN)/python -m deployments.demo $(if $(VIDEO),--video "$(VIDEO)") $(if $(PROMPT),--prompt "$$DEMO_PROMPT") $(if $(filter-out 0,$(KEEP)),--keep)

up: setup ## the local stack: API on 127.0.0.1:8000, Prefect UI on 127.0.0.1:4200 (ARGS="--api-port 0 --minimal"; ARGS=--in-memory keeps nothing)
	@exec $(BIN)/python -m deployments.up $(ARGS)

bench: setup ## what the pipeline costs against hand-written commands, a start against the stock worker's, a batch, a storyboard, an analysis, the API
	@status=0; \
	$(BIN)/python -m tests.bench $(ARGS) || status=1; \
	$(BIN)/python -m tests.bench.starts || status=1; \
	$(BIN)/python -m tests.bench.batches || status=1; \
	$(BIN)/python -m tests.bench.storyboard || status=1; \
	$(BIN)/python -m tests.bench.analysis || status=1; \
	$(BIN)/python -m tests.bench.service || status=1; \
	$(BIN)/python -m tests.bench.cold_start || status=1; \
	exit $$status

gallery: setup ## the README's pictures of what recipes do, made anew (ARGS="vertical" for one)
	@$(BIN)/python -m tests.gallery $(ARGS)

load: setup ## a hundred users on a running API (ARGS="--host http://127.0.0.1:8000 --users 100 --run-time 1m")
	@$(BIN)/locust --locustfile tests/bench/load/locustfile.py --headless --host http://127.0.0.1:8000 \
		--users 100 --spawn-rate 20 --run-time 1m --only-summary $(ARGS)

capacity: setup ## videos a minute by size and workers, and the machines that a night takes (ARGS="--sizes 50,100,200 --workers 1,2,4")
	@$(BIN)/python -m tests.bench.load $(ARGS)

lock: ## solve the requirements anew (needs uv; -U in ARGS takes newer versions)
	$(LOCK) pyproject.toml -o requirements.lock $(ARGS)
	$(LOCK) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock $(ARGS)
	$(LOCK) --group engines -c requirements-dev.lock $(OF_TORCH:%=--no-emit-package %) -o requirements-engines.lock $(ARGS)

clean: ## remove caches and the demo's state; your own state (var/) stays
	@test ! -x $(BIN)/python || $(BIN)/python -m deployments.demo --forget
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path './$(VENV)*' -prune -o -name __pycache__ -type d -exec rm -rf {} +
