# The only Python of the workflow: the study, its paths, and what each job needs to know.
import json
import os
import shlex
import sys
from pathlib import Path

PACKAGE = Path(workflow.basedir) / "src" / "sphere_repro"
sys.path.insert(0, str(PACKAGE.parent))

from sphere_repro import strict
from sphere_repro.models import released
from sphere_repro.provenance import code
from sphere_repro.study import config as schema
from sphere_repro.study import jobs, scoring
from sphere_repro.data.prepare import planned_content
from sphere_repro.data.sources import SOURCES
from sphere_repro.errors import UserError


def stop(error):
    """A user's mistake has status 2, and Snakemake would turn an exception into a traceback."""
    print(f"sphere-repro: {error}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(2)


# --configfile replaces the default study; Snakemake's own default would be merged into it.
if not workflow.configfiles:

    configfile: "params/demo.yaml"


try:
    if len(workflow.configfiles) == 1:
        schema.load_study(
            workflow.configfiles[0]
        )  # says more of a broken file than Snakemake's reader
    study = strict.parse(
        schema.Study, config, ", ".join(map(str, workflow.configfiles))
    )
    contents = {
        run.dataset.archive: planned_content(run.dataset, Path("data/prepared"))
        for run in study.runs.values()
    }
    checkpoints = {
        name: released.planned_content(
            Path(run.released), Path("results", study.study, name, "model.json")
        )
        for name, run in study.runs.items()
        if run.released
    }
except UserError as error:
    stop(error)

# The package is found in the checkout, installed or not.
# The shell becomes the job, which ends when Snakemake ends, however that came about.
shell.prefix(
    f"export PYTHONPATH={shlex.quote(str(PACKAGE.parent))} SPHERE_REPRO_TIED=1; exec "
)

HOME = f"results/{study.study}"
UNIFORMITY = f"results/uniformity/{study.study}"
# Tables and figures lie in results/, those of whichever study was asked for last, or apart in a place of their
# study, where its own DVC pipeline (make pipeline) keeps them.
APART = f"results/studies/{study.study}"
TRAINED_RUNS = [name for name in study.runs if name not in checkpoints]
SPHERE_RUNS = [name for name, run in study.runs.items() if run.model.kind == "sphere"]
# The paper says nothing of the latents of ablations.
JUDGED_RUNS = [name for name in SPHERE_RUNS if study.runs[name].ablation is None]


def single_step(run):
    """The run's first set of one step (guided or not), which shows random points of the sphere."""
    found = study.runs[run].sampling.generations
    return next(
        (generation.name for generation in found if generation.steps == 1), None
    )


PAIRED_RUNS = [
    name for name in SPHERE_RUNS if jobs.baseline(study, name) and single_step(name)
]


def archive_of(run):
    return f"data/prepared/{study.runs[run].dataset.archive}.zip"


def run_with(archive):
    return next(run for run in study.runs.values() if run.dataset.archive == archive)


def raw_record(run):
    """What `prepare` reads beside its job: the record of the downloads, where there are any."""
    return [f"data/raw/{run.dataset.name}.json"] if run.dataset.source.files else []


def preparing_threads(run):
    """Files are decoded by several processes; what lies in memory by one."""
    return 1 if run.dataset.source.loader == "embedded" else 8


def execution_of(wildcards):
    return study.runs[wildcards.run].execution


def of_one_machine(wildcards):
    """GPUs of a training on one machine. Not of one on several: the plugin wants them all on the first."""
    execution = execution_of(wildcards)
    return execution.processes if execution.nodes == 1 else None


def of_machines(wildcards, value):
    """What only a training on several machines asks of the cluster (Snakemake leaves out None)."""
    return value if execution_of(wildcards).nodes > 1 else None


def planned(run):
    """The job that prepares a run's dataset: own images are part of it, so that changed ones make it old."""
    return jobs.prepare_job(run, contents[run.dataset.archive])


def model_job(run):
    """The job that makes a run's model: a training, or an import whose checkpoint is part of it."""
    if run in checkpoints:
        return jobs.released_job(study, run, checkpoints[run])
    return jobs.train_job(study, run)


def one_of(names):
    """A wildcard's constraint: one of `names`, or nothing at all."""
    return "|".join(names) or "(?!)"


def set_files(run):
    return [f"{HOME}/{run}/samples/{name}.zip" for name in study.runs[run].sets]


def score_files(*extractors):
    return [
        f"{HOME}/{run}/scores.{extractor}.json"
        for extractor in extractors
        for run in study.runs
    ]


def reference_files():
    archives = sorted({run.dataset.archive for run in study.runs.values()})
    return [
        f"{HOME}/reference/{archive}.{extractor}.npz"
        for extractor in study.score.extractors
        for archive in archives
    ]


def uniformity_files():
    return [f"{UNIFORMITY}/{run}.json" for run in JUDGED_RUNS]


def baseline_latents(run):
    other = jobs.baseline(study, run)
    return [f"{HOME}/{other}/latents.npz"] if other else []


def modules(*names):
    """Files of the package whose change makes a cheap result old (training and sampling name none)."""
    return [f"src/sphere_repro/{name}.py" for name in names]


def made_by_files():
    """Records that say which code trained and drew what the table shows."""
    models = [f"{HOME}/{run}/model.json" for run in study.runs]
    sets = [
        path.replace(".zip", ".json") for run in study.runs for path in set_files(run)
    ]
    return models + sets


# The table says of each row whether this code is still the one that made it.
MODEL_MODULES = sorted(
    path.relative_to(workflow.basedir).as_posix()
    for prefix in {
        *code.SAMPLE,
        *(code.MODEL if TRAINED_RUNS else ()),
        *(code.IMPORT if checkpoints else ()),
    }
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).as_posix().startswith(prefix)
)

METRICS = modules(
    *[
        f"metrics/{name}"
        for name in ("features", "frechet", "inception", "inception_score", "kernel")
    ],
    *["metrics/reconstruction", "metrics/reference", "metrics/score"],
    *["metrics/statistics", "results/degenerate", "results/variety"],
)


def table_files(place):
    return [f"{place}/fid_table.csv", f"{place}/claims.json"]


def figure_files(place):
    wanted = {
        "samples": [f"samples-{run}" for run in SPHERE_RUNS],
        "posterior-hole": [f"posterior-hole-{run}" for run in PAIRED_RUNS],
        "uniformity": [f"uniformity-{run}" for run in JUDGED_RUNS],
        "distance-by-steps": ["distance-by-steps"],
        "training-curves": ["training-curves"] if TRAINED_RUNS else [],
        "ablations": ["ablations"],
    }
    return [
        f"{place}/figures/{name}.png"
        for figure in study.figures
        for name in wanted[figure]
    ]


def notebook_files(place):
    return [
        path.replace("figures/", "notebooks/").replace(".png", ".ipynb")
        for path in figure_files(place)
    ]


def samples_inputs(run):
    return {"real": archive_of(run)} | dict(
        zip(study.runs[run].sets, set_files(run), strict=True)
    )


def posterior_hole_inputs(run):
    found = {"real": archive_of(run)}
    for kind, name in (
        ("sphere", run),
        ("vae", jobs.baseline(study, run)),
    ):  # only asked of PAIRED_RUNS
        wanted = (
            ("reconstruction", single_step(name))
            if kind == "sphere"
            else study.runs[name].sets
        )
        found |= {
            f"{kind}.{item}": f"{HOME}/{name}/samples/{item}.zip" for item in wanted
        }
        found[f"scores.{kind}"] = f"{HOME}/{name}/scores.{study.score.extractor}.json"
    return found


def all_scores_inputs(_run=None):
    return dict(zip(study.runs, score_files(study.score.extractor), strict=True))


def all_curves_inputs(_run=None):
    return {run: f"{HOME}/{run}/training.csv" for run in TRAINED_RUNS}


def notebook_inputs(figure, run):
    """What the notebook of a figure reads, in the form of its parameters cell."""
    if figure == "samples":
        sets = dict(zip(study.runs[run].sets, set_files(run), strict=True))
        scores = f"{HOME}/{run}/scores.{study.score.extractor}.json"
        return {"run": run, "real": archive_of(run), "sets": sets, "scores": scores}
    if figure == "posterior-hole":
        found = posterior_hole_inputs(run)
        sets = {
            f"{kind}_sets": {
                key[len(kind) + 1 :]: path
                for key, path in found.items()
                if key.startswith(f"{kind}.")
            }
            for kind in ("sphere", "vae")
        }
        scores = {
            f"{kind}_scores": found[f"scores.{kind}"] for kind in ("sphere", "vae")
        }
        return {"run": run, "real": found["real"], **sets, **scores}
    if figure == "uniformity":
        return {"uniformity": f"{UNIFORMITY}/{run}.json"}
    if figure in ("distance-by-steps", "ablations"):
        return {"scores": list(all_scores_inputs().values())}
    return {"training": all_curves_inputs()}


def paths_in(value):
    """Every file named in a notebook's parameters."""
    if isinstance(value, str):
        return [value] if value.startswith(("results/", "data/")) else []
    items = value.values() if isinstance(value, dict) else value
    return [path for item in items for path in paths_in(item)]


def notebook_text(figure, run):
    return json.dumps({"inputs": notebook_inputs(figure, run)}, sort_keys=True)


def pairs(inputs):
    """Named inputs as the command line takes them."""
    return " ".join(f"{key}={shlex.quote(path)}" for key, path in inputs.items())
