# The tasks of a checkout. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-all soak check generated pictures fmt bench dist packages clean
.DELETE_ON_ERROR:
SHELL := /bin/sh

# The first Python that starts (the shim of a version manager may not), is 3.10 or newer and can create an environment.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3.10 python3; do \
	"$$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 \
	&& echo "$$python" && break; done)

VENV := .venv
BIN := $(VENV)/bin
PROGRAM := $(VENV)/program.stamp
TOOLS := $(VENV)/tools.stamp
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
WORKERS ?= auto
OPTIONS ?=
PYTEST = $(BIN)/python -m pytest -q $(OPTIONS)
# Some of these tests run for an hour, so the timeout for dumping stacks is longer.
LONG_TESTS := -o faulthandler_timeout=3900
# Keep the bytecode of tests, so that not every worker of every run compiles them.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: $(TOOLS) ## Create .venv with the programs and the development tools

demo: $(PROGRAM) ## Run a first script on this machine and show its record in the history
	@sh docs/demo.sh $(BIN)

test: check ## Run the checks, then the tests (in parallel, in random order)
	@$(PYTEST) -n $(WORKERS)

test-fast: WORKERS := logical
test-fast: $(TOOLS) ## Run the tests that start no process: less than a minute
	@$(PYTEST) -n $(WORKERS) -m 'not process and not long and not soak'

test-all: check ## The same as test, and the tests that take minutes
	@$(PYTEST) -n $(WORKERS) -m 'not soak' $(LONG_TESTS)

soak: $(TOOLS) ## Kill and fuzz the agent for an hour, and run it under every Python from 3.6 on
	@$(PYTEST) -m soak $(LONG_TESTS)

check: $(TOOLS) ## Check style, format, types, imports between modules, words, and that generated files are fresh
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python docs/phrases.py
	@$(BIN)/python docs/vendor.py --check

generated: $(TOOLS) ## Generate completion, reference, man pages and tables of error codes
	@$(BIN)/python docs/generate.py

pictures: $(TOOLS) ## Take the pictures of the documentation (needs chromium)
	@$(PYTEST) -m long tests/web/test_pictures.py --pictures docs/pictures

fmt: $(TOOLS) ## Format the code
	@$(BIN)/ruff check --fix --select I --quiet
	@$(BIN)/ruff format

bench: $(TOOLS) ## Measure the cost of start, run and idle; fail if a promise is broken (OPTIONS="fanout api": others)
	@$(BIN)/python -m benchmarks $(OPTIONS)

dist: $(TOOLS) ## Build dist/assist, which needs only a Python, the wheel, agentd.pyz and their SHA256SUMS
	@rm -rf dist
	@$(PIP) 'uv>=0.11'
	@$(BIN)/python -m pip --disable-pip-version-check --quiet wheel --no-deps --wheel-dir dist .
	@$(BIN)/python -m assist_cli.deploy.bundle dist/agentd.pyz >/dev/null
	@$(BIN)/python -m assist_cli.deploy.onefile.build dist/assist_cli-*.whl dist/assist
	@cd dist && sha256sum -- * >SHA256SUMS && cat SHA256SUMS

packages: dist ## Build .deb and .rpm packages of the agent and of assist in dist (needs dpkg-deb and rpmbuild)
	@$(BIN)/python -m assist_cli.deploy.packages . dist
	@cd dist && rm SHA256SUMS && sha256sum -- * >SHA256SUMS && cat SHA256SUMS

clean: ## Remove what the other targets created
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find assist_cli agentd tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment whose Python or pip is missing (a moved checkout, an interrupted build) is created again.
$(PROGRAM): pyproject.toml
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		test -n "$(PYTHON)" || { echo "make: cannot find a Python 3.10 or newer with venv (on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }; \
		echo "Making $(VENV) with $(PYTHON)" >&2; \
		"$(PYTHON)" -m venv --clear $(VENV); \
	fi
	@echo "Installing Assist and the packages it needs into $(VENV); the first time takes about a minute" >&2
	@$(PIP) -e .
	@touch $@

$(TOOLS): $(PROGRAM)
	@echo "Installing the tools into $(VENV)" >&2
	@$(PIP) -e '.[dev]'
	@touch $@
