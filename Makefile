# `make run` starts the gallery, `make test` runs everything that proves it. Both set up what they need.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Of the tests. More than four find nothing to share out, and each has a PostgreSQL of its own.
PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))

.PHONY: run test check bench setup setup-dev system lock clean

run: setup
	@exec $(BIN)/python manage.py run --port $(PORT) $(ARGS)

test: setup-dev system check
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --ignore=tests/browser $(ARGS)
	$(BIN)/python -m pytest tests/browser $(ARGS)

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy gallery search ingestion
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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/gallery.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
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
