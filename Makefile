# `make run` starts the gallery, `make test` runs everything that proves it. Both set up what they need.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Of the tests, each with a PostgreSQL of its own.
PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 2 ? 2 : n > 4 ? 4 : n)))

# Modules are compiled when they are first used: to compile all of them takes longer than to install them. Where this
# is set, every process of a test would do it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test tests check bench setup setup-dev system lock clean

run: setup
	@exec $(BIN)/python manage.py run --port $(PORT) $(ARGS)

# What is checked is checked beside the tests. Those with a browser come after the others: what drives it keeps a loop
# of asyncio running in its process, and each worker starts a whole gallery.
test: setup-dev system
	@$(MAKE) --no-print-directory --jobs=2 check tests

tests: setup-dev
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --ignore=tests/browser $(ARGS)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/browser $(ARGS)

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy gallery search ingestion
	$(BIN)/mypy --strict search/client
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

bench: setup-dev
	$(BIN)/python -m tests.bench $(ARGS)

setup: $(VENV)/gallery.stamp
setup-dev: $(VENV)/dev.stamp

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lookalike needs Python 3.11 or newer; set PYTHON=/path/to/it.")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/gallery.stamp: requirements/gallery.txt | $(VENV)/python.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r $<
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/gallery.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r $<
	@touch $@

# Debian packages that tests need: installed where we are allowed to, named where we are not.
system:
	@sh requirements/debian.sh

lock: setup-dev
	$(BIN)/python -m pip install --quiet uv
	for name in gallery dev; do \
		$(BIN)/python -m uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header \
			--excludes requirements/left_out.txt --upgrade requirements/$$name.in -o requirements/$$name.txt && \
		sed -i "1i # Locked by 'make lock' from $$name.in; do not edit." requirements/$$name.txt; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
