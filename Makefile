# Everything a person or CI runs. `make` alone says what there is.
SHELL := /bin/bash
PY := .venv/bin/python
UV := .venv/bin/uv pip

.DEFAULT_GOAL := help
.PHONY: help setup peers demo test alone public check grid compared bench nightly docs clean

help:  ## say what there is
	@grep -hE '^[a-z%-]+[a-z0-9%-]*:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.done  ## make .venv with the locked dependencies

.venv/.done: requirements.lock pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tidings needs Python 3.11 or newer; python3 here is $$(python3 --version)"; exit 1; }
	@python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "this Python has no venv module; install it first, on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "installing the locked dependencies into .venv (once)"
	@test -x $(PY) || python3 -m venv .venv
	@$(PY) -m pip install -q 'uv==0.13.9'
	@$(UV) sync -q --python $(PY) --require-hashes requirements.lock
	@$(UV) install -q --python $(PY) --no-deps --no-build-isolation -e .
	@touch $@

peers: setup  ## the mock servers of npm that some tests talk to: contracts as servers, an SMS centre
	@command -v npm >/dev/null || { echo "npm is missing: the tests against Prism and the SMS centre would be skipped"; exit 1; }
	@test -d .venv/node/node_modules/smpp || npm install --silent --no-fund --no-audit --no-save --no-package-lock --prefix .venv/node @stoplight/prism-cli@5.14.2 smpp@0.5.1

demo: setup  ## one campaign from segment to measured effect, on seeded customers, in a minute
	@$(PY) -m tidings.cli.main demo

test: setup  ## the suite, in parallel; what needs public data or the machine for itself comes in `make public` and `make alone`
	@$(PY) -m pytest -q -n 3 -o tmp_path_retention_policy=failed -o tmp_path_retention_count=1 tests

alone: setup  ## the tests that need the machine for themselves: Prefect with workers, processes killed by the clock
	@$(PY) -m pytest -q -m 'alone and not nightly' tests

public: setup  ## the tests on public data sets, in the folder that TIDINGS_REFERENCE_DATA names
	@$(PY) -m pytest -q -rs -n 2 -m 'public and not nightly' tests

check: setup  ## lint, types, import order, module sizes, banned calls
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/mypy
	@# Benchmarks run seldom: what they name must be there still.
	@MYPYPATH=tests:benchmarks .venv/bin/mypy --ignore-missing-imports --allow-untyped-defs --allow-untyped-calls --allow-incomplete-defs --no-warn-return-any --implicit-reexport --follow-imports=silent --disable-error-code arg-type --disable-error-code misc --disable-error-code assignment --disable-error-code operator --disable-error-code index --disable-error-code comparison-overlap --disable-error-code return-value benchmarks
	@.venv/bin/lint-imports
	@$(PY) -m pytest -q tests/house

grid: setup  ## every adapter against every behaviour of the other side
	@$(PY) tests/shown/grid.py

compared: .venv/compared/.done  ## ChannelAttribution (GPL-3) in an environment of its own, to be measured beside ours

# Built from its source by what the lock pins.
.venv/compared/.done: requirements-bench.lock | setup
	@echo "building ChannelAttribution in .venv/compared (once, a minute)"
	@$(PY) -m venv --clear --without-pip .venv/compared
	@$(UV) install -q --python .venv/compared/bin/python --no-build-isolation --require-hashes -r requirements-bench.lock
	@touch $@

bench: setup  ## ratios to a baseline of the same run; some of them by ONLY="delivery sms"
	@test -n "$(ONLY)" || $(MAKE) -s compared || echo "ChannelAttribution could not be installed, as said above (it takes the network once, and a C++ compiler): the comparison with it is left out"
	@$(PY) benchmarks/run.py $(ONLY)

nightly: setup  ## the long runs: 2,000 kills on each database, `serve` at work for long, 20 million events, intervals counted 5,000 times
	@$(PY) -m pytest -q -m nightly --timeout 7200 tests

docs: setup  ## write docs/reference/ from the models
	@$(PY) -m tidings.cli.main docs --write docs/reference

shown-%: setup  ## claim, command, figure for each point of an issue, e.g. make shown-02
	@$(PY) tests/shown/shown_$*.py

clean:  ## remove what can be made again
	@rm -rf .venv .tidings dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
