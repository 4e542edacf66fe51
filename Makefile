# make demo    the environment, then the demo study: results/fid_table.csv, claims, figures, notebooks
# make test    the environment, then lint, formats, types and every test
# make help    this list and the rest of it
#
# The environment lies in .venv (ENV=…), exactly as pinned in requirements.lock, with this package. It is made with uv where
# there is one; otherwise pip fetches uv into the environment first.

ENV ?= .venv
STUDY ?= params/demo.yaml
CORES ?= all
# processes that run tests; 0 runs them in one
TESTERS ?= logical
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

export PATH := $(abspath $(ENV))/bin:$(PATH)
# the package of this checkout, also where ENV was made by another one
export PYTHONPATH := $(CURDIR)/src

SNAKEMAKE = exec python workflow/scripts/run.py --configfile $(STUDY) --cores $(CORES)

.PHONY: help env parameters demo demo-inception pipeline report readme test lint format lock clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo 'make env              only the environment'
	@echo 'make demo-inception   score the finished demo with Inception as well (about an hour on 2 cores)'
	@echo 'make report           results/report.html, of the finished demo'
	@echo 'make pipeline         the DVC pipeline of another study (STUDY=params/mine.yaml)'
	@echo 'make readme           put the demo'\''s tables and figures into README.md'
	@echo 'make lint             every check of make test but the tests'
	@echo 'make format           format Python and Snakemake files'
	@echo 'make parameters       write params/README.md and params/schema.json anew'
	@echo 'make lock             resolve requirements.lock and environment.yml anew'

env: $(ENV)/.ready

$(ENV)/.ready: requirements.lock pyproject.toml
	@bash workflow/scripts/make_env.sh "$(ENV)" requirements.lock
	@touch $@

demo: env
	$(SNAKEMAKE)

demo-inception: env demo
	$(SNAKEMAKE) results/fid_table.inception.csv

report: env demo
	$(SNAKEMAKE) --report results/report.html

pipeline: env
	python workflow/scripts/write_pipeline.py $(STUDY)

readme: env
	python workflow/scripts/fill_readme.py README.md

test: env lint
	pytest -n $(TESTERS) --dist worksteal

lint: env
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint

format: env
	ruff check --fix .
	ruff format .
	snakefmt Snakefile workflow

lock: env
	uv pip compile --quiet pyproject.toml --all-extras --universal --python-version 3.11 --no-header \
	  --no-annotate --no-emit-index-url --upgrade --output-file requirements.lock
	python workflow/scripts/write_environment.py
	@rm -f $(ENV)/.ready

parameters: env
	python workflow/scripts/write_parameters.py

clean:
	rm -rf .state logs results/demo results/smoke data/prepared
