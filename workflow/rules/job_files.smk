# What each result was made by, held against what the study asks for today.
from sphere_repro import integrity


def recorded_jobs():
    """Every record that names its job, with the job the study asks for today."""
    found = {}
    for name, run in study.runs.items():
        found[archive_of(name).replace(".zip", ".json")] = jobs.prepare_job(run)
        found[f"{HOME}/{name}/model.json"] = jobs.train_job(study, name)
        found[f"{HOME}/{name}/latents.json"] = jobs.encode_job(study, name)
        for item in run.sets:
            found[f"{HOME}/{name}/samples/{item}.json"] = jobs.sample_job(
                study, name, item
            )
        for extractor in ("inception", "efficientnet-lite0"):
            reference = f"{HOME}/reference/{run.dataset.archive}.{extractor}.json"
            found[reference] = jobs.reference_job(study, run, extractor)
            found[f"{HOME}/{name}/scores.{extractor}.json"] = jobs.score_job(
                study, name, extractor
            )
        if name in SPHERE_RUNS:
            found[f"{UNIFORMITY}/{name}.json"] = jobs.uniformity_job(study, name)
    return found


def made_otherwise(record, job):
    """Whether a result is missing, or says of itself that it was made by another job."""
    try:
        made_by = json.loads(Path(record).read_text(encoding="utf-8"))["job"]
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return made_by != job.model_dump(mode="json")


def refuse_edited(record):
    """Stop before a job reads, or Snakemake removes, what somebody has edited."""
    try:
        integrity.refuse_edited(Path(record))
    except UserError as error:
        stop(error)


JOBS = ".state/jobs"

# Snakemake's own records may be missing (dvc exp run --temp, a clone without them), and it would then take
# whatever lies there. So each job is an input file as well, older than everything where the result says of
# itself that it was made by this very job, else new: old results never pass for those of new parameters.
for record, job in recorded_jobs().items():
    job_file = Path(JOBS, record)
    job_file.parent.mkdir(parents=True, exist_ok=True)
    if not job_file.is_file() or job_file.read_text(encoding="utf-8") != jobs.as_text(
        job
    ):
        job_file.write_text(jobs.as_text(job), encoding="utf-8")
    if not made_otherwise(record, job):
        refuse_edited(record)
        os.utime(job_file, (1, 1))
    elif job_file.stat().st_mtime < 2:
        os.utime(job_file)

for place in ("results", APART):
    for path in (*table_files(place), *figure_files(place)):
        if Path(path).with_suffix(".json").is_file():
            refuse_edited(Path(path).with_suffix(".json"))
