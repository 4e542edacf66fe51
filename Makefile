# make demo    the environment, then the demo study: results/fid_table.csv, claims, figures, notebooks
# make test    the environment, then lint, formats, types and every test
# make help    this list and the rest of it
#
# The environment lies in .venv (ENV=…), exactly as pinned in requirements.lock, with this package. It is made with uv where
# there is one; otherwise pip fetches uv into the environment first.

ENV ?= .venv
# the build of torch: cpu saves the GPU's libraries; an environment keeps the one it was made with
made_with = $(or $(shell cat "$(ENV)/torch.txt" 2>/dev/null),default)
TORCH ?= $(made_with)
STUDY ?= params/demo.yaml
CORES ?= all
# processes that run tests; 0 runs them in one
TESTERS ?= logical
SHELL := /bin/bash
# every line below runs where HOME cannot be written, too
.SHELLFLAGS := workflow/scripts/home.sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# not abspath, which splits paths at spaces
export PATH := $(if $(filter /%,$(ENV)),$(ENV),$(CURDIR)/$(ENV))/bin:$(PATH)
# the package of this checkout, also where ENV was made by another one
export PYTHONPATH := $(CURDIR)/src
# packages in ~/.local are no part of the environment, and would win over it
export PYTHONNOUSERSITE := 1

quoted = '$(subst ','\'',$(1))'
run_study = exec python workflow/scripts/run.py --configfile $(call quoted,$(1)) --cores $(CORES)
SNAKEMAKE = $(call run_study,$(STUDY))
# last lines of a study that has results to be held against
tell_verdict = exec python workflow/scripts/tell_verdict.py $(call quoted,$(1))

.PHONY: help env parameters demo demo-inception gallery evening deviations pipeline report reference docs test lint format lock clean other-torch

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo 'make env              only the environment (TORCH=cpu: without the libraries of a GPU)'
	@echo 'make demo-inception   score the finished demo with Inception as well (about an hour on 2 cores)'
	@echo 'make gallery          curves that the demo has no time for: schemes, guidance, the trade-off of VAEs (15 minutes on 2 cores)'
	@echo 'make evening          the demo trained ten times as long: what the method does (about an hour on 2 cores)'
	@echo 'make deviations       how far trainings of the demo lie apart: five of each run (about an hour on 2 cores)'
	@echo 'make report           report.html and index.html beside the tables of the finished demo (STUDY=…: of another study)'
	@echo 'make pipeline         the DVC pipeline of another study (STUDY=params/mine.yaml)'
	@echo 'make reference        keep the finished demo in reference/demo, which later results are held against'
	@echo 'make docs             put reference/demo into README.md and docs, draw the packages'
	@echo 'make lint             every check of make test but the tests'
	@echo 'make format           format Python and Snakemake files'
	@echo 'make parameters       write params/README.md and params/schema.json anew'
	@echo 'make lock             resolve requirements.lock and environment.yml anew'

env: $(ENV)/.ready

$(ENV)/.ready: requirements.lock pyproject.toml $(if $(filter-out $(made_with),$(TORCH)),other-torch)
	@bash workflow/scripts/make_env.sh "$(ENV)" requirements.lock $(TORCH)
	@touch $@

other-torch: # than the environment was made with

demo: env
	$(SNAKEMAKE)
	@$(call tell_verdict,$(STUDY))

demo-inception: env demo
	$(SNAKEMAKE) results/fid_table.inception.csv

gallery: env
	$(call run_study,params/gallery.yaml)
	@$(call tell_verdict,params/gallery.yaml)
	$(call run_study,params/holes-small.yaml)
	@$(call tell_verdict,params/holes-small.yaml)

evening: STUDY = params/evening.yaml
evening: env
	$(SNAKEMAKE)
	@$(call tell_verdict,$(STUDY))

deviations: STUDY = params/demo-replicates.yaml
deviations: env
	$(SNAKEMAKE) tables
	python workflow/scripts/keep_deviations.py $(call quoted,$(STUDY)) params/demo.yaml

report: env demo
	@place="$$(python workflow/scripts/print_place.py $(call quoted,$(STUDY)))" && set -x && \
	  $(subst exec ,,$(SNAKEMAKE)) --report "$$place/report.html" && \
	  sphere-repro overview "$$place"$(if $(filter params/demo.yaml,$(STUDY)),, --configfile $(call quoted,$(STUDY)))

reference: env
	python workflow/scripts/keep_reference.py $(call quoted,$(STUDY))

pipeline: env
	python workflow/scripts/write_pipeline.py $(call quoted,$(STUDY))

docs: env
	python workflow/scripts/fill_docs.py

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
