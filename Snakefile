# Table of contents. One rule is one shell line that calls a verb of the package; what a study may say is
# described and checked in src/sphere_repro/study/config.py, what the rules need to know in workflow/rules/common.smk.
from snakemake.utils import min_version

min_version("9.20.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/job_files.smk"


report: "workflow/report/workflow.rst"


wildcard_constraints:
    run="|".join(study.runs),
    set="[a-z0-9.-]+",
    archive="[a-z0-9-]+px",
    extractor="|".join(scoring.EXTRACTORS),
    place=f"results|{APART}",


rule all:
    input:
        table_files("results"),
        figure_files("results"),
        notebook_files("results"),


# What dvc.yaml asks for, one stage each.
rule data:
    input:
        sorted({archive_of(run) for run in study.runs}),


rule references:
    input:
        reference_files(),


rule uniformities:
    input:
        uniformity_files(),


rule tables:
    input:
        table_files("results"),


rule tables_apart:
    input:
        table_files(APART),


rule figures:
    input:
        figure_files("results"),
        notebook_files("results"),


rule figures_apart:
    input:
        figure_files(APART),
        notebook_files(APART),


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/uniformity.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/notebooks.smk"
