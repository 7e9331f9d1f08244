# Every target sets up what it needs: a virtual environment in .venv with the versions of requirements.lock.
# PIP_ARGS is passed to pip, for example PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu" for the CPU
# build of torch if the default index has the CUDA build.

PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet $(PIP_ARGS)
export NO_ALBUMENTATIONS_UPDATE := 1
# On a busy machine, threads that spin while they wait for each other are ten times slower.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: setup demo docs test test-slow test-faults test-browser lint format lock clean fuzz-extract

setup: .venv/installed

.venv/installed: requirements.lock requirements-timm.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] <= (3, 12) else f"m3w needs Python 3.11 or 3.12, this is {sys.version.split()[0]}; run make PYTHON=python3.11 ...")'
	test -d .venv || $(PYTHON) -m venv .venv
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --upgrade --target .venv/timm -r requirements-timm.lock
	$(PIP) --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/m3w demo demo

test: setup
	$(BIN)/python -m pytest -m "not slow and not gpu and not browser"

test-slow: setup
	$(BIN)/python -m pytest -m "slow and not gpu"

# Injects the failures of a cluster and prints the table of docs/faults.md; `make test` has a small form of each.
test-faults: setup
	$(BIN)/python -m tests.faults

# Needs Chromium (apt-get install chromium); skipped with a message without it.
test-browser: setup
	$(BIN)/python -m pytest -m browser

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The peers that benchmarks compare with are not part of the product.
.venv/installed-bench: .venv/installed
	$(PIP) -c requirements.lock -e '.[bench]'
	$(PIP) --no-deps --upgrade --target .venv/streaming mosaicml-streaming==0.13.0 catalogue==2.0.10 cramjam==2.14.0 python-snappy==0.7.3 zstd==1.5.7.2
	touch $@

bench-%: .venv/installed-bench
	$(BIN)/python -m benchmarks.$*

docs: setup
	$(BIN)/python -m m3w.cli.reference > docs/commands.md
	$(BIN)/python -m mkdocs build --strict --site-dir site

# Coverage-guided fuzzing, until it finds something or ten minutes are over.
fuzz-extract: setup
	$(PIP) atheris
	PYTHONPATH=. $(BIN)/python tests/pipeline/extract/fuzz.py -max_total_time=600 -max_len=20000

# Updates the pinned versions: a fresh environment with the newest versions that pyproject.toml allows. torch is pinned
# without its local version, so that each index provides its build.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --disable-pip-version-check --quiet $(PIP_ARGS) torch==2.13.0
	.venv-lock/bin/pip install --disable-pip-version-check --quiet $(PIP_ARGS) -e '.[dev,s3]'
	.venv-lock/bin/pip freeze --all --exclude-editable --exclude pip | sed 's/^\(torch==[0-9.]*\)+.*/\1/' > requirements.lock
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock demo runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache
