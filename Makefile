# Two commands do everything: `make book` builds the site, `make test` proves it. `make` alone lists the rest.

PYTHON ?= python3
VENV ?= .venv
# The exact versions under which the stored outputs were made; `make CONSTRAINTS= ...` takes the newest instead.
CONSTRAINTS ?= constraints.txt
# One page of the book: `make notebooks PAGE=pooling`. One experiment: `make experiments EXPERIMENT=hidden_filter`.
PAGE ?=
EXPERIMENT ?=
# `make nbval NBVAL=--nbval-lax` runs the notebooks without comparing their outputs.
NBVAL ?= --nbval
PORT ?= 8000

# The executor (book/tools/execute_notebooks.py) and nbval must agree on both, or the last digits differ.
export OMP_NUM_THREADS := 2
# A thread that waits for the others sleeps. Spinning, it took the core from the process it waited for whenever more
# than two threads ran: a training cell then needed ten times as long.
export OMP_WAIT_POLICY := PASSIVE
unexport MPLBACKEND

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SITE := _build/html
PYTEST := $(BIN)/python -m pytest
UNIT := $(PYTEST) tests --ignore tests/browser --ignore tests/faults -n 2 -q
EXPERIMENTS := $(filter-out __init__,$(basename $(notdir $(wildcard benchmarks/experiments/*.py))))
# Each writes a page of book/ from others.
GENERATORS := equation_ledger coverage_table solutions_list
# Sphinx does not notice when one of these changes.
SITE_SOURCES := _config.yml _toc.yml $(wildcard book/assets/* book/tools/*.py)

define NEEDS_PYTHON
command -v $(PYTHON) >/dev/null || { \
	echo "$(PYTHON) was not found. Install Python 3.11 or newer, or name yours: make ... PYTHON=python3.12"; \
	exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "Python 3.11 or newer is needed, but $(PYTHON) is $$($(PYTHON) --version 2>&1)."; \
	echo "If you have a newer one: make ... PYTHON=python3.12"; \
	exit 1; }
endef

.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help book test check lint types imports generated unit shapecheck faults nbval site cleansite browser \
	notebooks equations pages experiments bench lab serve archive address clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

book: site ## build the site, and say where to open it
	@echo
	@echo "The site is built. Open"
	@echo "    file://$(CURDIR)/$(SITE)/index.html"
	@echo "or run 'make serve'."

test: check shapecheck faults nbval cleansite site browser ## everything that CI runs

check: lint types imports generated unit ## the quick part, for every commit: under 3 minutes

lint: $(INSTALLED) ## ruff: style and formatting; codespell: spelling
	@echo "==> Style and formatting (ruff)"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> Spelling (codespell)"
	@$(BIN)/codespell

types: $(INSTALLED) ## mypy: type annotations
	@echo "==> Types (mypy)"
	@$(BIN)/mypy

imports: $(INSTALLED) ## import-linter: who may import whom
	@echo "==> Import rules (import-linter)"
	@$(BIN)/lint-imports

generated: $(INSTALLED) ## the equation ledger and the coverage agree, and the generated pages are up to date
	@echo "==> Generated pages"
	@set -e; for tool in $(GENERATORS); do $(BIN)/python -m book.tools.$$tool --check; done

unit: $(INSTALLED) ## unit tests
	@echo "==> Unit tests"
	@$(UNIT)

shapecheck: $(INSTALLED) ## unit tests again, with every array's shape checked at run time
	@echo "==> Unit tests with shape checks (jaxtyping, beartype)"
	@$(UNIT) --jaxtyping-packages=cnnkit,beartype.beartype -m "not compile and not bad_input"

faults: $(INSTALLED) ## training that is killed, stopped, starved and poisoned, in real processes
	@echo "==> Faults of training"
	@$(PYTEST) tests/faults -q

nbval: $(INSTALLED) ## execute the notebooks and compare with their stored outputs (PAGE=)
	@echo "==> Notebooks ($(NBVAL))"
	@$(PYTEST) $(NBVAL) --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg \
		--nbval-cell-timeout=300 -n 2 --dist loadscope -q $(if $(PAGE),book/$(PAGE:.ipynb=).ipynb,book)

site: $(INSTALLED) _build/.sources ## build the site; a warning is an error
	@echo "==> Site"
	@$(BIN)/jupyter-book build . -W -n --keep-going

_build/.sources: $(SITE_SOURCES)
	@rm -rf _build
	@mkdir -p _build
	@touch $@

cleansite:
	@rm -rf _build

browser: $(INSTALLED) $(SITE)/index.html ## browser tests on the built site
	@echo "==> Browser tests"
	@$(PYTEST) tests/browser -q

$(SITE)/index.html:
	@$(MAKE) site

notebooks: $(INSTALLED) ## execute the notebooks and store their outputs (PAGE=)
	@echo "==> Notebooks: executing"
	@$(BIN)/python book/tools/execute_notebooks.py $(PAGE)

equations: $(INSTALLED) ## write the equation index
	@echo "==> Equation index"
	@$(BIN)/python -m book.tools.equation_ledger

pages: $(INSTALLED) ## write all generated pages: equation index, coverage, solutions
	@echo "==> Generated pages"
	@status=0; for tool in $(GENERATORS); do $(BIN)/python -m book.tools.$$tool || status=1; done; exit $$status

experiments: $(INSTALLED) ## run the long experiments and store their results (EXPERIMENT=)
	@set -e; for name in $(or $(EXPERIMENT),$(EXPERIMENTS)); do \
		echo "==> Experiment $$name"; \
		$(BIN)/python -m benchmarks.experiments.$$name; \
	done

# Nothing else runs beside a benchmark, so threads may wait as PyTorch lets them: waking them costs a third of the speed.
BENCH := env -u OMP_WAIT_POLICY $(BIN)/python -m
bench: $(INSTALLED) $(SITE)/index.html ## measure convolution, training, inference and the site, and store the figures
	@echo "==> Benchmarks"
	@$(BENCH) benchmarks.convolution
	@$(BENCH) benchmarks.training
	@$(BENCH) benchmarks.inference
	@$(BENCH) benchmarks.site

lab: $(INSTALLED) ## open the notebooks in JupyterLab
	@echo "==> JupyterLab"
	@$(BIN)/jupyter lab --notebook-dir book

serve: $(INSTALLED) $(SITE)/index.html ## serve the built site on this machine only (PORT=)
	@echo "==> http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

archive: site ## pack the site into one zip that opens without a server
	@echo "==> Archive"
	@$(BIN)/python book/tools/archive.py

address: ## set the public address of the repository (OWNER=, REPOSITORY=)
	@$(NEEDS_PYTHON)
	@$(PYTHON) book/tools/address.py --owner "$(OWNER)" --repository "$(REPOSITORY)"

clean: ## remove what was built and cached; the environment stays, 'rm -rf .venv' removes it
	@rm -rf _build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find book cnnkit tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	@find book cnnkit tests benchmarks -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.txt pyproject.toml $(CONSTRAINTS)
	@echo "==> Environment in $(VENV) (the first time this downloads PyTorch and takes some minutes)"
	@$(NEEDS_PYTHON)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv"; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -q \
		$(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -r requirements.txt
	@touch $@
