# What each result was made by, held against what the study asks for today.
import time

from sphere_repro.provenance import integrity
from sphere_repro.machine.files import read_json, write_text


def recorded_jobs():
    """Every record that names its job, with the job the study asks for today."""
    found = {}
    for name, run in study.runs.items():
        # runs may spell one dataset in two ways: the rules ask for the first, and so do these
        first = run_with(run.dataset.archive)
        found[archive_of(name).replace(".zip", ".json")] = planned(first)
        found[f"{HOME}/{name}/model.json"] = model_job(name)
        found[f"{HOME}/{name}/latents.json"] = jobs.encode_job(study, name)
        for item in run.sets:
            found[f"{HOME}/{name}/samples/{item}.json"] = jobs.sample_job(
                study, name, item
            )
        for extractor in scoring.EXTRACTORS:
            reference = f"{HOME}/reference/{run.dataset.archive}.{extractor}.json"
            found[reference] = jobs.reference_job(study, first, extractor)
            found[f"{HOME}/{name}/scores.{extractor}.json"] = jobs.score_job(
                study, name, extractor
            )
        if name in SPHERE_RUNS:
            found[f"{UNIFORMITY}/{name}.json"] = jobs.uniformity_job(study, name)
    return found


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


JOBS = ".state/jobs"

# Snakemake's own records may be missing (dvc exp run --temp, a clone without them), or belong to other results
# than those that lie there (dvc checkout of another revision). So each job is an input file as well: older than
# everything where the result says of itself that it was made by this very job, else new, and with a content that
# no checksum recorded before can match. Old results never pass for those of new parameters.
for record, job in recorded_jobs().items():
    job_file = Path(JOBS, record)
    text = jobs.as_text(job)
    present = job_file.read_text(encoding="utf-8") if job_file.is_file() else ""
    if made_by(record) == job.model_dump(mode="json"):
        refuse_edited(record)
        if present != text:
            write_text(job_file, text)
        os.utime(job_file, (1, 1))
    elif Path(record).exists() or not present.startswith(f"{text}\n"):
        write_text(job_file, f"{text}\nno result of this job at {time.time_ns()}\n")

for place in ("results", APART):
    for path in (*table_files(place), *figure_files(place)):
        if Path(path).with_suffix(".json").is_file():
            refuse_edited(Path(path).with_suffix(".json"))
