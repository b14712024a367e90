# make demo   everything a newcomer sees: search, retraining, results (about 6 minutes on 2 cores, set-up aside)
# make test   the tests      make unit   the quick ones alone      make check   lint, types, import contracts
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_HOME ?= $(CURDIR)/.demo

.DEFAULT_GOAL := help
.PHONY: help install demo test unit check format mutants lock clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -2

install: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $(READY)

demo: $(READY)
	$(BIN)/hico-platform search --space level_weights.yaml --resume --home $(DEMO_HOME)
	$(BIN)/hico-platform retrain level_weights --seeds 1 --home $(DEMO_HOME)
	@echo
	@echo "Browse every run, metric and checkpoint:  $(BIN)/hico-platform ui --home $(DEMO_HOME)"
	@echo "Start again from nothing:                 make clean"

test: $(READY)
	$(BIN)/python -m pytest

unit: $(READY)
	$(BIN)/python -m pytest -m "not e2e"

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Changes the code a line at a time and shows which changes no unit test notices (docs/mutants.md): hours, so not CI's.
mutants: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'mutmut>=3.8,<4'
	nice $(BIN)/mutmut run $(if $(ONLY),'$(ONLY)')
	$(BIN)/mutmut results

# The lock holds what was tested: every package in .venv at its version, none of an index's addresses.
lock: $(READY)
	( echo "# What was tested. Written by: make lock"; \
	  $(BIN)/python -m pip freeze --exclude-editable --exclude hico-platform | sed 's/+cpu$$//' ) > requirements.lock

clean:
	rm -rf $(DEMO_HOME) build dist *.egg-info
