# `make demo` and `make test` need Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIGHT := .venv-light
SAMPLE ?= digits

.PHONY: demo test test-ray test-light fast lint fix clean

demo: $(VENV)/ready
	PATH="$(abspath $(BIN)):$$PATH" sh sample_data/demo.sh demo $(SAMPLE)

test: lint
	$(BIN)/pytest -n auto --dist worksteal

# Below a minute on two cores: what is marked as slow is left out.
fast: $(VENV)/ready
	$(BIN)/pytest -n auto --dist worksteal -m 'not slow'

# The same as people have altool who install it alone: what needs an extra is skipped, with a word (pytest -rs shows which).
test-light: $(LIGHT)/ready
	$(LIGHT)/bin/pytest -n auto --dist worksteal -m 'not slow'

# What needs a Ray cluster of three nodes on this machine: a minute or two. `make test` leaves it out, as the cluster slows all else down.
test-ray: $(VENV)/ready
	RAY_TESTS=1 $(BIN)/pytest -n 0 tests/engines/test_ray.py tests/commands/test_score_ray.py

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fix: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[all,dev]'
	touch $@

$(LIGHT)/ready: pyproject.toml
	$(PYTHON) -m venv $(LIGHT)
	$(LIGHT)/bin/pip install --quiet --editable '.[dev]'
	touch $@

# The manual: open site/index.html. With the environment made, nothing is fetched, neither to build it nor to read it.
.PHONY: docs
docs: $(VENV)/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(VENV)/docs: $(VENV)/ready
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) $(LIGHT) demo site
