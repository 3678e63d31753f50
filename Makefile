# The whole interface for a newcomer: `make demo` and `make test`. Needs python >= 3.11 with venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt
PIP_OPTIONS := --disable-pip-version-check --quiet --progress-bar on
# Most tests wait for something rather than compute: more than two for each core keep it busy.
TESTS_AT_ONCE ?= $(shell echo $$((2 * $$(nproc) + 1)))

.PHONY: install demo test check format lock clean

install: $(VENV)/.installed

# A stamp is newer than its lock exactly when what is installed is what is locked.
$(VENV)/.installed: $(LOCK) pyproject.toml sandbox/pyproject.toml
	@echo "Installing the locked dependencies into $(VENV)…"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_OPTIONS) --require-hashes -r $(LOCK)
	$(BIN)/pip install $(PIP_OPTIONS) --no-deps --no-build-isolation -e . -e sandbox
	@touch $@ $(VENV)/.demo

# The demo needs neither the test tools nor an installed package: both lie in this folder.
$(VENV)/.demo: requirements/demo.txt
	@echo "Installing what the demo needs into $(VENV)…"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_OPTIONS) --require-hashes -r requirements/demo.txt
	@touch $@

demo: $(VENV)/.demo
	PYTHONPATH=.:sandbox $(BIN)/python -m bridge demo

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
lock: install
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --quiet pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --quiet pyproject.toml --group sandbox -o requirements/demo.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --quiet pyproject.toml --group dev -o $(LOCK)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
