# radlas: `make demo` runs the whole study on a synthetic cohort, `make test` proves the house.
PYTHON   ?= python3
SUBJECTS ?= 60
BIN      := .venv/bin
PIP      := $(BIN)/python -m pip --disable-pip-version-check
export PYTHONWARNINGS ?= ignore:load_module:DeprecationWarning
# Where Python may not keep bytecode, every process would compile anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint bench constraints clean

help:
	@echo "make demo [SUBJECTS=60]  set up, then the whole study on a synthetic cohort -> demo/report.html"
	@echo "make test                set up, then lint, types, floors and tests"
	@echo "make setup               only set up .venv (idempotent)"
	@echo "make bench               heavy measurements, printed as ratios"

setup: .venv/.ready

# PyRadiomics is built here against the installed numpy: its wheel for this numpy does not exist.
# Nothing is installed meanwhile: torch had brought another setuptools while this one was building.
# Python's own bytecode is left to the first import: most of what is installed is never imported.
.venv/.installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "radlas needs Python 3.11, 3.12 or 3.13, found " + sys.version.split()[0] + "; set PYTHON=python3.11")'
	@echo "[setup] 1/5 virtual environment in .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install -q --upgrade pip
	@echo "[setup] 2/5 build tools and numpy"
	@$(PIP) install -q -c constraints.txt numpy setuptools wheel versioneer cython hatchling editables
	@echo "[setup] 3/5 PyRadiomics, compiled against that numpy (needs a C compiler), then torch"
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$(CURDIR)/infra/pyradiomics" $(PIP) wheel -q -c constraints.txt --no-deps --no-build-isolation -w .venv/wheels pyradiomics==3.0.1
	@$(PIP) install -q --no-compile -c constraints.txt torch
	@echo "[setup] 4/5 radlas and what it needs, as pinned in constraints.txt"
	@$(PIP) install -q --no-compile -c constraints.txt --no-build-isolation -f .venv/wheels -e '.[dev]'
	@touch $@

.venv/.ready: .venv/.installed
	@echo "[setup] 5/5 the extraction's loops, compiled for this processor"
	@$(BIN)/radlas doctor --compile > /dev/null
	@touch $@
	@echo "[setup] done: $(BIN)/radlas"

demo: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" SUBJECTS=$(SUBJECTS) bash jobs/demo.sh

# Two halves that take as long, a core for each: threads of one would wait for those of the other, and
# so do three parts, though a core is idle now and then: 760 s for 670.
BESIDE := $(addprefix tests/unit/,engine features ingest learn report roi store volumes)
PYTEST := OMP_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 $(BIN)/python -m pytest

test:
	@$(MAKE) --no-print-directory -j2 lint setup
	@$(PYTEST) $(BESIDE) > .tests-beside.log 2>&1 & beside=$$!; \
	$(PYTEST) $(addprefix --ignore=,$(BESIDE)); rest=$$?; \
	wait $$beside; other=$$?; cat .tests-beside.log; exit $$((rest || other))

lint: .venv/.installed
	@$(BIN)/ruff check platform tests jobs infra
	@$(BIN)/ruff format --check platform tests jobs infra
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: setup
	@$(BIN)/python -m pytest tests/bench -s

constraints: setup
	@{ grep '^#' constraints.txt; $(PIP) freeze --all --exclude pip --exclude-editable | sed 's/+cpu//'; } > .venv/constraints.txt
	@mv .venv/constraints.txt constraints.txt

clean:
	rm -rf .venv demo .tests-beside.log .pytest_cache .mypy_cache .ruff_cache
