# Everything starts here, from nothing but python3 (3.11 or newer, with venv) and make.

PYTHON ?= python3
SEEDS  ?= 2000

BIN    := .venv/bin
PYTEST := $(BIN)/python -m pytest
SYNC   := $(BIN)/uv pip sync --quiet --require-hashes
# no address and no path may enter a pinned file: it is installed from wherever the machine says
PIN    := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-header --no-annotate --no-emit-index-url --no-emit-find-links

.PHONY: help run demo demo-carriers demo-real test quick check tiers sim sim-mutants bench bench-channels bench-cluster cluster cluster-stop docs soak pins clean
.NOTPARALLEL:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s%s\n", $$1, $$2 }' Makefile

run: .venv/run.stamp  ## the hub with sample data, on one page
	$(BIN)/python -m hub up --sample

demo: .venv/run.stamp  ## the six services, end to end, in the terminal
	$(BIN)/python -m hub demo

test: check quick tiers  ## everything this machine has the parts for

check: .venv/test.stamp  ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: .venv/test.stamp  ## the tests that need no parts, and 200 seeds; under 3 minutes
	$(PYTEST) -n 4 -m "not (whole or cluster or crash or peers or browser or soak)"
	$(BIN)/python -m tests.simulation --seeds 200

tiers: .venv/test.stamp
	$(BIN)/python -m tests.tiers

sim: .venv/test.stamp  ## the seeded simulator; SEEDS=2000
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

sim-mutants: .venv/test.stamp  ## does the simulator find what it must?
	$(BIN)/python -m tests.simulation --mutants

demo-carriers: .venv/test.stamp  ## 20,000 texts to carriers' gateways by others, counted on both sides
	$(BIN)/python -m tests.demonstration carriers

demo-real: .venv/test.stamp  ## 5,000 messages by many channels at once, counted on both sides
	$(BIN)/python -m tests.demonstration real

bench: .venv/test.stamp  ## what a notification costs
	$(BIN)/python -m bench

bench-channels: .venv/test.stamp  ## what a message costs by a carrier's own protocol
	$(BIN)/python -m bench.channels

bench-cluster: .venv/test.stamp  ## the same on Kafka and PostgreSQL, and what a cluster carries; over an hour
	$(BIN)/python -m bench.cluster
	$(BIN)/python -m bench.cluster --carrier smpp --parts flow

cluster: .venv/test.stamp  ## Kafka, PostgreSQL and every worker, left running here; GATEWAY=1 for texts over SMPP
	@$(BIN)/python -m tests.cluster start $(if $(GATEWAY),--gateway)

cluster-stop: .venv/test.stamp  ## end that cluster
	@$(BIN)/python -m tests.cluster stop

docs: .venv/test.stamp  ## write the tables of docs/ that are made from the code
	$(BIN)/python -m tests.reference

soak: .venv/test.stamp  ## hours under load
	$(PYTEST) -m soak -o faulthandler_timeout=900

pins: .venv/uv.stamp  ## pin the dependencies again; UP=--upgrade for newer ones
	$(PIN) $(UP) pyproject.toml -o requirements.txt
	$(PIN) $(UP) --group test --constraints requirements.txt pyproject.toml -o requirements-test.txt

clean:  ## remove what make made; var/ is data and stays
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The run set comes first, so that `make run` is quick; the test set contains it.

.venv/uv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Fenghuo needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo 'This Python has no venv (Debian: apt-get install python3-venv).' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==0.13.9
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s/$(BIN)/python" -P -m hub "$$@"\n' \
	  '$(CURDIR)' '$(CURDIR)' > $(BIN)/hub && chmod +x $(BIN)/hub
	@touch $@

.venv/run.stamp: requirements.txt | .venv/uv.stamp
	$(SYNC) requirements.txt
	@touch $@

.venv/test.stamp: requirements-test.txt .venv/run.stamp
	$(SYNC) requirements-test.txt
	@touch $@
