# Every target works as the first command on a bare clone: only make and Python 3.11+ are needed.
# Paths are relative and tools run as `python -m`, so that the clone may lie anywhere.
# Choose a Python with PYTHON=…, a port with PORT=….

python := .venv/bin/python
pip := $(python) -m pip --disable-pip-version-check
code := carelink_api tests wsgi.py
# Only browser tests and the type check of session.js use node; what is served needs none.
npm_packages := $(if $(shell command -v npm),tests/browser/node_modules/.installed)

.DEFAULT_GOAL := help
.PHONY: help install run test lint bench soak

help:
	@echo "make run      start CareLink on http://localhost:5000 (PORT=5001 for another port)"
	@echo "make test     run every test against real stores"
	@echo "make lint     check style, types and the direction of imports"
	@echo "make bench    measure latency and throughput"
	@echo "make soak     let 2000 workstations work for ten minutes while things go wrong"
	@echo "make install  install everything into .venv, as test, lint and bench do by themselves"

install: .venv/installed-all

run: .venv/installed-run
	@$(python) -m carelink_api.development

test: .venv/installed-all $(npm_packages)
	@PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v nginx >/dev/null || echo "nginx is missing, so tests of the production shape will fail: install it (Debian, Ubuntu: apt-get install nginx-light; macOS: brew install nginx)."
	@$(python) -m pytest -n logical --maxprocesses 8 --dist worksteal --cov --cov-report term

lint: .venv/installed-all $(npm_packages)
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m mypy
	@$(python) -c "from importlinter.cli import lint_imports_command; lint_imports_command()" --config setup.cfg
	@if [ -n "$(npm_packages)" ]; then tests/browser/node_modules/.bin/tsc -p tests/browser; \
	else echo "node and npm are missing, so the types of session.js were not checked."; fi

bench: .venv/installed-all
	@$(python) -m tests.bench

soak: .venv/installed-all
	@$(python) -m tests.soak

# Installed again only when one of these two changes.
.venv/installed-run: requirements.txt pyproject.toml | $(python)
	@echo "Installing what running needs into .venv ..."
	@$(pip) install -qq -c requirements.txt -e ".[development]"
	@touch $@

.venv/installed-all: requirements.txt pyproject.toml | $(python)
	@echo "Installing what running and testing need into .venv ..."
	@$(pip) install -qq -r requirements.txt
	@$(pip) install -qq --no-deps -e .
	@touch $@ .venv/installed-run

tests/browser/node_modules/.installed: tests/browser/package-lock.json
	@echo "Installing the browser tests' packages into tests/browser/node_modules ..."
	@cd tests/browser && npm ci --silent
	@cp tests/browser/package-lock.json $@

$(python):
	@PYTHON="$(PYTHON)" sh .ci/make-venv
