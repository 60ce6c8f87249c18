# Two commands do everything, set-up included:  make edit  and  make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: edit test coverage lint test-reference docs benchmark clean

edit: $(VENV)/.run  ## edit the photo that ships with the repository
	$(BIN)/python -m experiments.edit --out=out/edit

test: $(VENV)/.test lint  ## lint, types and the default test suite
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m "not long"

coverage: $(VENV)/.test  ## the default tests once more, counting the lines that they run
	$(BIN)/python -m pytest -n 2 --dist loadfile -q -m "not long" --cov --cov-report=term

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-reference: $(VENV)/.reference  ## parity with PyTorch, and the tests that take minutes
	$(BIN)/python -m pytest -q -o addopts="--strict-markers --import-mode=importlib" tests/reference
	$(BIN)/python -m pytest -n 2 --dist worksteal -q -m long

docs: $(VENV)/.docs  ## the documentation site; warnings and broken links are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "open out/docs/index.html"

benchmark: $(VENV)/.sintel  ## times on the device at hand, all that needs no clone; tiny networks
	$(BIN)/python -m experiments.benchmark --out=out/benchmark

$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "make: PYTHON=$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.venv setup.cfg
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[test,studio]'
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --editable '.[docs,studio]'
	@touch $@

$(VENV)/.sintel: $(VENV)/.run
	$(BIN)/python -m experiments.fetch_weights --name=raft-sintel
	@touch $@

$(VENV)/.reference: $(VENV)/.test
	$(BIN)/python -m pip install --quiet torch==2.13.0 torchvision==0.28.0
	$(BIN)/python -m pip install --quiet --editable '.[reference]'
	@touch $@

clean:
	rm -rf $(VENV) out build *.egg-info
