# Thin: each target is one line of real work. The first use sets up .venv, later ones are fast.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS := demo,build,imagenet,export,import,cluster,docs,lessons,test
WORKERS ?= auto
# EXHAUSTIVE=1 runs every variant of every test, as continuous integration does; SEARCH=SEED draws other examples for property tests.
EXHAUSTIVE ?=
SEARCH ?=
# The GPU targets may run in an interpreter that has what they need already (GPU_PYTHON=python3): then nothing is installed.
GPU_PYTHON ?= $(BIN)/python
GPU_WORKERS ?= 4
OWN_PYTHON := $(filter $(BIN)/python,$(GPU_PYTHON))

.PHONY: demo exhibit wheel test test-browser test-containers test-gpu bench bench-convert bench-native bench-gpu bench-smoke fuzz kills lint python2 setup setup-bench setup-fuzz clean docs docs-site lessons

setup: .venv/.ready

.venv/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14) and "Python 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@

.venv/.bench: .venv/.ready
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	touch $@

setup-bench: .venv/.bench

.venv/.fuzz: .venv/.ready
	$(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	touch $@

setup-fuzz: .venv/.fuzz

# Python 2.7 for the tests of the 2012 side: PYTHON2 names an interpreter, its packages go to .py2 alone.
PYTHON2 ?= python2.7
.py2/.ready: .venv/.ready
	$(BIN)/python -m venv .py2/maker
	.py2/maker/bin/python -m pip install --quiet 'virtualenv<20.22' 'setuptools<81'
	.py2/maker/bin/python -m virtualenv --quiet --python $(PYTHON2) .py2/env
	.py2/env/bin/python -m pip install --quiet numpy==1.16.6 matplotlib==2.2.5 Pillow==6.2.2
	touch $@

python2: .py2/.ready

demo: setup exhibit
	$(BIN)/alexnet-archive demo --out demo-out

# The page of the interactive exhibit, from its sources; what is there already and newer is not built again.
exhibit: exhibit/dist/index.html

exhibit/dist/index.html: .venv/.ready $(shell find exhibit -path exhibit/node_modules -prune -o -path exhibit/dist -prune -o -type f -print)
	PYTHON=$(CURDIR)/$(BIN)/python sh exhibit/build.sh && touch $@

wheel: exhibit
	ALEXNET_ARCHIVE_REQUIRE=exhibit $(BIN)/python -m pip wheel --no-deps --wheel-dir build .

test: setup
	ALEXNET_ARCHIVE_EXHAUSTIVE=$(EXHAUSTIVE) $(BIN)/python -m pytest tests $(addprefix --ignore=tests/,browser containers gpu) -n $(WORKERS) --dist loadgroup -m 'not container and not gpu and not browser' $(if $(SEARCH),--hypothesis-profile=search --hypothesis-seed=$(SEARCH))

.venv/.browser: .venv/.ready
	$(BIN)/python -m pip install --quiet --editable '.[browser]'
	touch $@

test-browser: .venv/.browser exhibit
	ALEXNET_ARCHIVE_REQUIRE="$$ALEXNET_ARCHIVE_REQUIRE,browser" $(BIN)/python -m pytest tests/browser -m browser

test-containers: setup
	$(BIN)/python -m tests.containers.private_engine prepare && ALEXNET_ARCHIVE_REQUIRE="$$ALEXNET_ARCHIVE_REQUIRE,containers" $(BIN)/python -m pytest tests/containers -m container

test-gpu: $(if $(OWN_PYTHON),setup)
	PYTHONPATH=$(CURDIR)/harness:$$PYTHONPATH $(GPU_PYTHON) -m tests.cuda
	PYTHONPATH=$(CURDIR)/harness:$$PYTHONPATH $(GPU_PYTHON) -m pytest tests/gpu -m gpu -n $(GPU_WORKERS) --dist loadgroup

bench: setup-bench
	$(BIN)/python -m tests.bench.training_step

bench-convert: setup
	$(BIN)/python -m tests.bench.convert

bench-native: setup-bench
	$(BIN)/python -m tests.bench.native

bench-smoke: setup-bench
	$(BIN)/python -m tests.bench.smoke

bench-gpu: $(if $(OWN_PYTHON),setup-bench)
	PYTHONPATH=$(CURDIR)/harness:$$PYTHONPATH $(GPU_PYTHON) -m tests.bench.gpu

lessons: setup
	mkdir -p build/lessons && cp lessons/[0-9]*.md build/lessons && $(BIN)/jupytext --to notebook build/lessons/*.md

# What is read from outside under mutation, and commands killed at random instants: docs/reliability.md has the tables.
MINUTES ?= 10
fuzz: setup-fuzz
	$(BIN)/python -m tests.fuzz.campaign --minutes $(MINUTES)

N ?= 1000
kills: setup
	$(BIN)/python -m tests.fuzz.kills --kills $(N)

lint: setup
	$(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

clean:
	rm -rf .venv build demo-out

docs: setup
	$(BIN)/python -m tests.docs.generate

docs-site: docs
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/docs-site.trees . build/docs-site
	@echo build/docs-site/index.html
