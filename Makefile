# Needs Python >= 3.11 with pip, make and git. Everything else is installed into $(VENV), once.
PYTHON ?= $(shell for each in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint bench clean

demo: $(VENV)/installed
	@$(BIN)/python tools/demo.py

# A file of tests stays in one worker: what it builds is built once. Each worker may hold a torch or two.
test: $(VENV)/installed-dev
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@PATH="$(abspath $(BIN)):$$PATH" lint-imports

bench: $(VENV)/installed-dev
	@$(BIN)/python -m benchmarks $(FOLDERS)

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "modelint needs Python 3.11 or newer; give one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Both installs are editable: only a change of what is to be installed makes them anew. The demo builds models; an
# open range of torch would pull gigabytes of CUDA.
$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	@$(PIP) --editable '.[torch]' torch==2.13.0
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/installed
