# The whole interface for a newcomer: `make demo` and `make test`. Needs python >= 3.11 with venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Most tests wait for something rather than compute: four for each core keep it busy.
TESTS_AT_ONCE ?= $(shell echo $$((4 * $$(nproc))))

.PHONY: install demo test check format lock clean

install: $(VENV)/.installed

# A stamp is newer than its lock exactly when what is installed is what is locked.
$(VENV)/.installed: $(LOCK) pyproject.toml sandbox/pyproject.toml $(VENV)/.pip
	@echo "Installing the bridge and what its tests need…"
	$(PIP) install --require-hashes -r $(LOCK)
	$(PIP) install --no-deps --no-build-isolation -e . -e sandbox
	@touch $@ $(VENV)/.demo

# The demo needs neither the test tools nor an installed package: both lie in this folder.
# Python compiles what it imports, and keeps it: less than pip would compile beforehand.
$(VENV)/.demo: requirements/demo.txt $(VENV)/.pip
	@echo "2/3  Installing what the demo needs…"
	$(PIP) install --no-compile --require-hashes -r requirements/demo.txt
	@touch $@

# The pip that Python brings along takes three times as long to find the files of an index.
$(VENV)/.pip: requirements/pip.txt
	@echo "1/3  Making a virtual environment in $(VENV), with pip…"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-compile --require-hashes -r requirements/pip.txt
	@touch $@

demo: $(VENV)/.demo
	@echo "3/3  Starting the demo…"
	@PYTHONPATH="$(CURDIR):$(CURDIR)/sandbox" $(BIN)/python -m bridge demo

test: install check
	$(BIN)/pytest --numprocesses $(TESTS_AT_ONCE) --dist worksteal

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Hashes, and no index address: whoever installs asks the index that their own pip is set up for.
# What is tested is what runs: the other two take their versions from the first.
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --quiet

lock: install
	$(COMPILE) pyproject.toml --group dev -o $(LOCK)
	$(COMPILE) pyproject.toml --constraint $(LOCK) -o requirements/run.txt
	$(COMPILE) pyproject.toml --constraint $(LOCK) --group sandbox -o requirements/demo.txt
	echo pip | $(COMPILE) - -o requirements/pip.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
