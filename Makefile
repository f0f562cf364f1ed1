# Each target bootstraps what it needs on a bare Debian 12 with Python 3.11: uv into .uv/ where there is none, the
# locked Python packages into .venv/, and (for tests and rehearsals) the Debian packages of tests/apt-packages.txt
# where root or a password-less sudo may install them.

PYTHON ?= $(shell test -x /usr/bin/python3.11 && echo /usr/bin/python3.11 || command -v python3.11 || command -v python3)
UV := $(shell command -v uv || echo .uv/bin/uv)
RUN := $(UV) run --frozen --python $(PYTHON)
export UV_LINK_MODE ?= copy

# Tests that measure time or own the machine: one after the other. All others share its cores.
ALONE := $(addprefix tests/,acceptance/test_emulation.py acceptance/test_rehearsal.py bench kinds real rehearsal service)

.DEFAULT_GOAL := help
.PHONY: help rehearse test lint fuzz bench bench-attribution dashboards sample clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 30

rehearse: .venv/ready apt  ## a morning of faults on an emulated province; open the board it names (ARGS="--everyone")
	$(RUN) diemcau rehearse $(ARGS)

test: .venv/ready apt lint  ## everything: style, types, floors, units, real peers, browser, a short rehearsal
ifdef ARGS
	$(RUN) pytest $(ARGS)
else
	$(RUN) pytest --numprocesses=2 --dist=loadfile $(addprefix --ignore=,$(ALONE))
	$(RUN) pytest $(ALONE)
endif

lint: .venv/ready  ## ruff, mypy --strict, import floors
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

fuzz: .venv/ready  ## every codec under a million spoilt messages (ARGS="sip nut --inputs 100000")
	$(RUN) python tests/fuzz $(ARGS)

bench: .venv/ready apt  ## the prober side by side with its peers, then how much it and the service bear
	$(RUN) diemcau bench icmp --targets 5000
	$(RUN) diemcau bench engine --checks 100000 --interval 10s --duration 60s
	$(RUN) diemcau bench hls --checks 1000 --interval 10s --duration 60s
	$(RUN) diemcau bench pages --pages 5000 --duration 30s --restart
	$(RUN) diemcau bench check-ins

bench-attribution: .venv/ready  ## who is to blame: drawn scenarios, beside SCORE, greedy and nearest parent
	$(RUN) diemcau bench attribution $(ARGS)

dashboards: .venv/ready  ## build dashboards/json from dashboards/*.py
	$(RUN) python dashboards/build.py

sample: .venv/ready  ## write config/ anew from the generator
	$(RUN) diemcau sample config --force

clean:  ## remove what the targets made
	rm -rf .venv .uv out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.uv/bin/uv:
	$(PYTHON) -m venv .uv || { tests/apt-install python3-venv && $(PYTHON) -m venv --clear .uv; }
	.uv/bin/pip install --quiet --disable-pip-version-check uv

.venv/ready: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --quiet --python $(PYTHON)
	touch $@

.PHONY: apt
apt:
	@tests/apt-install $$(cat tests/apt-packages.txt)
