# Table of contents. One rule is one shell line that calls a verb of the package; what a study may say is
# described in src/sphere_repro/study/config.py, which files its jobs read and make in study/files.py.
from snakemake.utils import min_version

min_version("9.20.0")


include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/job_files.smk"
include: "workflow/rules/figure_jobs.smk"


report: "workflow/report/workflow.rst"


wildcard_constraints:
    run="|".join(study.runs),
    set="[a-z0-9.-]+",
    archive=one_of(files.archives),
    extractor="|".join(scoring.EXTRACTORS),
    figure=one_of(FIGURES),
    place="|".join(PLACES),


rule all:
    input:
        table_files(places.summary),
        [places.images_record(run) for run in files.shown],
        paper_table_files(files, places.summary),
        catalogue.figure_files(files, places.summary),
        catalogue.page_files(files, places.summary),
        catalogue.notebook_files(files, places.summary),
        verdicts(places.summary),


# Parts of it, by name.
rule data:
    input:
        [archive_file(name) for name in files.archives],


rule references:
    input:
        [
            places.reference(name, each)
            for name in files.archives
            for each in study.score.extractors
        ],


rule image_sets:
    input:
        [places.images_record(run) for run in files.shown],


rule uniformities:
    input:
        [places.uniformity(run) for run in files.measured],


rule tables:
    input:
        table_files(places.summary),
        paper_table_files(files, places.summary),


rule figures:
    input:
        catalogue.figure_files(files, places.summary),
        catalogue.page_files(files, places.summary),
        catalogue.notebook_files(files, places.summary),


include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/sample.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/uniformity.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/reproduction.smk"
