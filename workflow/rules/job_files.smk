# What each result was made by, held against what the study asks for today.
from sphere_repro.machine.files import read_json
from sphere_repro.provenance import integrity, job_file


def made_by(record):
    """The job that a result says it was made by; None where there is no result or it does not say."""
    try:
        content = read_json(record)
    except UserError as error:
        return stop(error) if Path(record).exists() else None
    return content.get("job") if isinstance(content, dict) else None


def refuse_edited(record):
    """Stop before a job reads, or Snakemake removes, what somebody has edited."""
    try:
        integrity.refuse_edited(Path(record))
    except UserError as error:
        stop(error)


def keep_job_file(step, stands):
    job_file.keep(
        Path(JOBS, step.record),
        jobs.as_text(step.job),
        stands=stands,
        found=Path(step.record).exists(),
    )


def jobs_together(rule, wildcards):
    """The job files of a run's sets; those of sets that the user has made anew say that nothing stands."""
    steps = steps_together(wildcards)
    for step in steps:
        if workflow.is_main_process and forced(rule, step):
            keep_job_file(step, stands=False)
    return [f"{JOBS}/{step.record}" for step in steps]


def forced(rule, step):
    """Whether Snakemake was given the result, or its rule, with -f, -F or -R."""
    settings = workflow.dag_settings
    named = {*settings.forcerun, *(settings.targets if settings.forcetargets else ())}
    return settings.forceall or not named.isdisjoint({rule, *step.makes})


# Snakemake's own records may be missing (dvc exp run --temp, a clone without them), or belong to other results
# than those that lie there (dvc checkout of another revision). So each job is an input file as well: older than
# everything where the result says of itself that it was made by this very job, else new, and with a content that
# no checksum recorded before can match. Old results never pass for those of new parameters. (Jobs that Snakemake
# starts on a cluster read this as well, and leave the files to who started them.)
for record, step in STEPS.items() if workflow.is_main_process else ():
    stands = made_by(record) == step.job.model_dump(mode="json")
    if stands:
        refuse_edited(record)
    keep_job_file(step, stands)

for place in PLACES:
    for path in (
        *table_files(place),
        f"{place}/tables/tables.json",
        *catalogue.figure_files(files, place),
        *catalogue.page_files(files, place),
    ):
        if Path(record_of(path)).is_file():
            refuse_edited(record_of(path))
