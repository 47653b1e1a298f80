# Everything lives in .venv and node_modules of this checkout. Each step leaves a file, so what is
# done is not done again, and a changed lock installs anew. Kept to GNU make 3.81 (macOS).

PORT ?= 8050
ARGS ?=
BIN := .venv/bin
PACKAGES := api billing components data exports pages
FOLDERS := $(PACKAGES) tests benchmarks scripts
CODE := $(wildcard app.py) $(foreach folder,$(FOLDERS),$(if $(wildcard $(folder)/*.py),$(folder)))
BROWSER_TESTS := $(wildcard tests/browser/test_*.py)
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# Each process that a test starts would compile the whole program again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv/checkout
LOCKED := .venv/locked
PROGRAM := .venv/program
NODE := node_modules/.package-lock.json
VENDOR := assets/vendor/versions.json

# A virtual environment breaks when its Python is removed or its folder moves: then make it again.
$(shell [ -x $(BIN)/python ] && [ "$$(cat $(VENV) 2>/dev/null)" = "$$(pwd)" ] || rm -f $(VENV))

.DEFAULT_GOAL := help
.PHONY: help install run test test-long check bench screenshots lock clean chromium
.DELETE_ON_ERROR:

help: ## shows this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: $(PROGRAM) $(VENDOR) ## sets up .venv and the front-end files, nothing else

run: install ## serves a seeded demo on http://127.0.0.1:8050 (PORT=8051 for another port)
	@exec $(BIN)/usage-dashboard serve --demo --port $(PORT) $(ARGS)

test: install chromium ## runs all tests but the long ones, the browser's included
	@$(PYTEST) --ignore=tests/browser $(ARGS); status=$$?; \
	if [ -n "$(BROWSER_TESTS)" ]; then \
		$(PYTEST) tests/browser $(ARGS) || status=$$?; \
	fi; \
	exit $$status

test-long: install chromium ## runs the long tests: storms, soak, millions of rows
	@$(BIN)/python -m pytest -m long $(ARGS)

check: install ## linters and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(CODE)

bench: install ## measures, and prints the figures
	@$(BIN)/python -m benchmarks $(ARGS)

screenshots: install chromium ## pictures of every screen, into screenshots/
	@$(BIN)/python -m scripts.screenshots $(ARGS)

lock: $(VENV) ## resolves the newest versions that pyproject.toml and package.json admit
	@scripts/lock.sh

clean: ## removes what was installed and what tools left; never var/
	rm -rf .venv .lock-venv node_modules assets/vendor build ./*.egg-info test-results screenshots
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache

chromium: $(LOCKED) ## finds a Chromium, or installs one
	@$(BIN)/python tests/chromium.py >/dev/null

$(VENV):
	@scripts/setup.sh venv

$(LOCKED): requirements.lock $(VENV)
	@echo "Installing requirements.lock (a minute the first time)"
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements.lock
	@touch $@

# A new package is only importable once the program is installed again, which takes two seconds.
$(PROGRAM): pyproject.toml $(LOCKED) $(wildcard $(PACKAGES:=/__init__.py))
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE): package.json package-lock.json .npmrc $(LOCKED)
	@scripts/setup.sh node
	@touch $@

$(VENDOR): $(NODE) scripts/vendor.py
	@$(BIN)/python scripts/vendor.py
