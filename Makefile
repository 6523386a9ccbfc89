# The front door. `make demo` runs a small province; `make test` passes the tests; `make` lists the rest.
UV := .tools/bin/uv
export UV_PYTHON_DOWNLOADS = never
# The console is built by `make web`; installing the Python side must not build it a second time.
SYNC := DATLANH_SKIP_WEB=1 $(UV) sync --quiet --frozen
RUN := $(UV) run --no-sync

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t14

$(UV):
	@python3 -m venv .tools && .tools/bin/pip install --quiet --disable-pip-version-check uv==0.13.9

.venv/.synced: uv.lock pyproject.toml | $(UV)
	@$(SYNC) && touch $@

install: .venv/.synced ## install what the program needs, from the lock

web: .venv/.synced ## build the console
	@$(RUN) python hatch_build.py

demo: .venv/.synced web ## set up what is missing and run a small province
	@$(RUN) datlanh demo

setup: .venv/.synced ## install what the tests need: chromium, mosquitto, web packages
	@$(RUN) python -m datlanh.app.dev.setup

test: setup web ## pass the tests
	@$(RUN) python -m datlanh.app.dev.test

check: .venv/.synced ## lint, types, floors
	@$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) mypy && $(RUN) lint-imports --no-logo

fix: .venv/.synced ## put in order what a machine can
	@$(RUN) ruff check --fix -q . ; $(RUN) ruff format -q .

types: .venv/.synced ## make the generated files: API types of the console, pages of reference
	@$(RUN) python -m datlanh.app.dev.generate

bench: .venv/.synced ## measure speed, as ratios in one run
	@$(RUN) python -m bench

.PHONY: help install web demo setup test check fix types bench
