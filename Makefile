# `make run` and `make test` are all a newcomer needs, with python3 (3.11 or newer) and make on the machine.
# Everything is installed into .venv from the hashed locks; nothing outside this folder is touched (but by `interop` and `bench`, as root).

.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Tests start hundreds of processes: each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo test check interop fuzz chaos measure bench lock clean

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run ## Start every service with no configuration, until Ctrl-C
	@python -m app dev

demo: $(VENV)/.run ## With `make run` up: send one mail, click it, see the next one suppressed
	@python -m app demo

test: $(VENV)/.dev ## Run the whole test suite on TEST_WORKERS processes (one a core; 0: no others)
	@python -m pytest -q -m "not interop" -n $${TEST_WORKERS:-auto} --dist loadfile

check: $(VENV)/.dev ## Lint, types, and the tests of the architecture
	@ruff check . && ruff format --check . && mypy && python -m pytest -q tests/architecture

interop: $(VENV)/.dev ## The tests that need Debian packages; installs them when root, fails without them
	@sh .ci/debian-packages postfix opendkim opendkim-tools redis-server strace chromium fonts-lohit-deva wrk curl $$(python -m tests.support.foreign_mails)
	@sh .ci/exim && sh .ci/nodemailer
	@python -m pytest -q -m interop

fuzz: $(VENV)/.dev ## Try new inputs on every parser and listener for FUZZ_SECONDS (180); `make test` tries a few
	@python -m tests.fuzz --seconds $${FUZZ_SECONDS:-180}

chaos: $(VENV)/.dev ## Break a whole installation under load for CHAOS_SECONDS (120), then close the books; CHAOS_SEED repeats one
	@python -m tests.chaos --seconds $${CHAOS_SECONDS:-120} $${CHAOS_SEED:+--seed $$CHAOS_SEED}

measure: $(VENV)/.dev ## Count the calls and files that one promotional mail and one click pass
	@python -m tests.support.measure

bench: $(VENV)/.dev ## Measure against the peers on this machine, side by side; installs them when root
	@sh .ci/debian-packages postfix opendkim opendkim-tools wrk
	@python -m bench

lock: $(VENV)/.dev ## Write the hashed locks anew from pyproject.toml
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header pyproject.toml --group run -o requirements.lock
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header pyproject.toml --group run --group dev -o requirements-dev.lock

clean: ## Remove the virtual environment and all caches; var/ with its keys and state stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis *.egg-info
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +

$(VENV)/.run: requirements.lock pyproject.toml
	@$(call install,requirements.lock)
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	@$(call install,requirements-dev.lock)
	@touch $@ $(VENV)/.run

# Debian ships python3 without ensurepip: then a pip outside the environment serves, and without one we say what to install.
define install
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Signoff needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) -V`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }; \
	pip="$(BIN)/python -m pip"; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Setting up $(VENV) (once; about a minute)"; \
		rm -rf $(VENV); \
		$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) || exit 1; }; \
	fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		$(PYTHON) -m pip --version >/dev/null 2>&1 || { rm -rf $(VENV); echo "This python3 has no pip. Install it once: apt-get install python3-venv (or python3-pip)" >&2; exit 1; }; \
		pip="$(PYTHON) -m pip --python $(BIN)/python"; \
	fi; \
	$$pip install -q --disable-pip-version-check --use-pep517 --require-hashes -r $(1) && \
	$$pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
endef
