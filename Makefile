# make demo   everything a newcomer sees: search, retraining, results (about 6 minutes on 2 cores, set-up aside)
# make test   the tests      make unit   the quick ones alone      make check   lint, types, import contracts
# make docs   the documentation's site, in site/      make docs-serve   shows it while pages are edited
# make lock   pins and hashes of all packages      make sbom   the bill of materials      make release   dist/, tried
PYTHON ?= python3
VENV := .venv
TOOLS := .venv-tools
# cpu or cuda: which torch. By default the CPU's where pip finds that build (a matter of its index), CUDA's elsewhere on Linux.
LOCK ?=
BIN := $(VENV)/bin
RUNS := $(VENV)/.ready-to-run
READY := $(VENV)/.ready
DEMO_HOME ?= $(CURDIR)/.demo

.DEFAULT_GOAL := help
.PHONY: help install demo test unit stack check format docs docs-serve docs-outputs mutants lock sbom release pictures clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -4

install: $(READY)

# What no lock lists is refused, and so is a package that would have to be built; setuptools is in the lock as torch needs it.
PIP := -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP) --require-hashes --only-binary=:all:
$(RUNS): requirements/cpu.lock requirements/cuda.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@lock=$(LOCK); \
	if [ -z "$$lock" ]; then \
	  torch=$$(sed -n 's/^torch==\([^ ]*+cpu\) .*/\1/p' requirements/cpu.in); lock=cuda; \
	  if [ "$$(uname)" != Linux ] || $(BIN)/python -m pip index versions torch 2>/dev/null | grep -qF "$$torch"; then lock=cpu; fi; \
	fi; \
	echo "installing what requirements/$$lock.lock lists"; \
	$(BIN)/python $(LOCKED) -r requirements/$$lock.lock
	@$(BIN)/python $(PIP) --no-deps --no-build-isolation --editable .
	@touch $(RUNS)

# The demo needs none of the tools.
$(READY): $(RUNS) requirements/dev.lock
	@echo "installing what requirements/dev.lock lists"
	@$(BIN)/python $(LOCKED) -r requirements/dev.lock
	@touch $(READY)

demo: $(RUNS)
	$(BIN)/hico-platform search --space level_weights.yaml --resume --home $(DEMO_HOME)
	$(BIN)/hico-platform retrain level_weights --seeds 1 --home $(DEMO_HOME)
	@echo
	@echo "Browse every run, metric and checkpoint:  $(BIN)/hico-platform ui --home $(DEMO_HOME)"
	@echo "Start again from nothing:                 make clean"

# Tests start clusters and servers and wait for them: two files at a time.
WORKERS := 2
# What Python compiles is kept, also where the environment forbids it: each worker would compile all tests anew, and each of the
# hundreds of processes that they start the package.
test unit: export PYTHONDONTWRITEBYTECODE :=
test: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

unit: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) -m "not e2e and not slow" --ignore=tests/e2e

# The services of docker/compose.yaml from installed packages: a search and a retraining through restarts, in minutes.
stack: $(READY)
	HICO_STACK=1 $(BIN)/python -m pytest tests/e2e/test_stack.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Strict: a link or an anchor that leads nowhere is an error. Nothing is fetched, in the build or by the pages.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "site/index.html"

docs-serve: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

# Runs the tutorial's commands and writes what they print into its page: some ten minutes on two cores.
docs-outputs: $(READY)
	$(BIN)/python docs/generate/outputs.py

# Changes the code a line at a time and shows which changes no unit test notices (docs/mutants.md): hours, so not CI's.
mutants: $(READY)
	$(BIN)/python $(LOCKED) -r requirements/mutants.lock
	nice $(BIN)/mutmut run $(if $(ONLY),'$(ONLY)')
	$(BIN)/mutmut results

$(TOOLS)/.ready: requirements/tools.lock
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python $(LOCKED) -r requirements/tools.lock
	@touch $@

# The locks hold every package at its version with the hashes of all its files, and none of an index's addresses. Versions stay
# unless UPGRADE=--upgrade. torch's build for CPUs: make lock CPU_INDEX=ADDRESS of an index that has it and lists its hashes.
COMPILE = $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
          --custom-compile-command "make lock" $(UPGRADE)
RUNTIME := --extra cmaes --extra postgres --extra server --extra dashboard --extra onnx --extra notify --extra kuberay pyproject.toml
lock: $(TOOLS)/.ready
	$(COMPILE) $(RUNTIME) requirements/cpu.in -o requirements/cpu.lock >/dev/null \
	  $(if $(CPU_INDEX),--index $(CPU_INDEX) --index-strategy unsafe-best-match)
	sed -n '/^[a-z]/{/^torch==/!s/ \\$$//p}' requirements/cpu.lock > $(TOOLS)/shared.txt
	$(COMPILE) $(RUNTIME) requirements/cuda.in -c $(TOOLS)/shared.txt -o requirements/cuda.lock >/dev/null
	$(COMPILE) --group dev -c $(TOOLS)/shared.txt -o requirements/dev.lock >/dev/null
	$(COMPILE) --group mutants -c $(TOOLS)/shared.txt -o requirements/mutants.lock >/dev/null
	$(COMPILE) --group tools -o requirements/tools.lock >/dev/null

# What runs, with its hashes, as CycloneDX. LOCK=cpu for the build without CUDA.
sbom: $(TOOLS)/.ready
	PYTHONWARNINGS=ignore $(TOOLS)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o sbom.cdx.json \
	  requirements/$(or $(LOCK),cuda).lock

# Wheel and source distribution of a clean checkout, tried in environments of their own under every Python that is here, and the
# bill of materials: dist/. Nothing is uploaded. LOCK=cuda where an index has torch's CPU build for some of the Pythons alone.
PYTHONS ?= python3.11 python3.12 python3.13
release: $(READY) sbom
	@test -z "$$(git status --porcelain)" || { echo "expected a clean checkout, got changed files; commit them first"; exit 2; }
	rm -rf dist build *.egg-info
	$(BIN)/python -m build --quiet --no-isolation --outdir dist .
	$(BIN)/python tests/release.py --dist dist --lock requirements/$(or $(LOCK),cpu).lock $(PYTHONS)
	mv sbom.cdx.json dist/ && cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

# The pictures of the README, from what make demo leaves: three minutes, tmux and Chromium.
pictures: $(READY)
	$(BIN)/python docs/pictures/make.py --home $(DEMO_HOME)

clean:
	rm -rf $(DEMO_HOME) site build dist *.egg-info
