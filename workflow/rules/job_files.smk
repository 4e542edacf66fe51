# What each result was made by, held against what the study asks for today.
import time

from sphere_repro.machine.files import read_json, write_text
from sphere_repro.provenance import integrity


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


# Snakemake's own records may be missing (dvc exp run --temp, a clone without them), or belong to other results
# than those that lie there (dvc checkout of another revision). So each job is an input file as well: older than
# everything where the result says of itself that it was made by this very job, else new, and with a content that
# no checksum recorded before can match. Old results never pass for those of new parameters.
for record, step in STEPS.items():
    job_file = Path(JOBS, record)
    text = jobs.as_text(step.job)
    present = job_file.read_text(encoding="utf-8") if job_file.is_file() else ""
    if made_by(record) == step.job.model_dump(mode="json"):
        refuse_edited(record)
        if present != text:
            write_text(job_file, text)
        os.utime(job_file, (1, 1))
    elif Path(record).exists() or not present.startswith(f"{text}\n"):
        write_text(job_file, f"{text}\nno result of this job at {time.time_ns()}\n")

for place in ("results", places.apart):
    for path in (
        *table_files(place),
        f"{place}/tables/tables.json",
        *catalogue.figure_files(files, place),
        *catalogue.page_files(files, place),
    ):
        if Path(record_of(path)).is_file():
            refuse_edited(record_of(path))
