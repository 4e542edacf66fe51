# The only Python of the workflow: the study, its files, and what each job needs to know of Snakemake.
import functools
import os
import re
import shlex
import sys
from pathlib import Path

# Packages in ~/.local would win over those of the environment, and conda's pip would take them for installed.
os.environ.update(PYTHONNOUSERSITE="1")
PACKAGE = Path(workflow.basedir) / "src" / "sphere_repro"
sys.path.insert(0, str(PACKAGE.parent))

from sphere_repro import strict
from sphere_repro.data.hub import FETCHED as PRETRAINED
from sphere_repro.data.sources import SOURCES
from sphere_repro.errors import UserError
from sphere_repro.planning.outside import outside
from sphere_repro.provenance import code
from sphere_repro.study import catalogue, jobs, scoring
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.places import (
    DEFAULT_STUDY,
    RESULTS,
    archive_file,
    downloads_file,
    record_of,
    table_files,
    verdict_file,
)
from sphere_repro.study.paper_tables import paper_table_files, table_names


def stop(error):
    """A user's mistake has status 2, and Snakemake would turn an exception into a traceback."""
    print(f"sphere-repro: {error}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(2)


# --configfile replaces the default study; Snakemake's own default would be merged into it.
if not workflow.configfiles:

    configfile: DEFAULT_STUDY


try:
    if len(workflow.configfiles) == 1:
        load_study(workflow.configfiles[0])  # says more of a broken file than Snakemake
    study = strict.parse(Study, config, ", ".join(map(str, workflow.configfiles)))
    files = StudyFiles(study, outside(study))
except UserError as error:
    stop(error)


def braced(path):
    """A path of this machine, where Snakemake would take what stands in braces for a name."""
    return path.replace("{", "{{").replace("}", "}}")


ENVIRONMENT = braced(str(Path(workflow.basedir) / "environment.yml"))

# The package is found in the checkout, installed or not.
# The shell becomes the job, which ends when Snakemake ends, however that came about.
PYTHONPATH = braced(shlex.quote(str(PACKAGE.parent)))
PORTABLE = " SPHERE_REPRO_PORTABLE=1" if study.execution.portable else ""
shell.prefix(
    f"export PYTHONPATH={PYTHONPATH} PYTHONNOUSERSITE=1 SPHERE_REPRO_TIED=1{PORTABLE}; exec "
)

places = files.places
# where its tables and figures lie, and where they are made if `results/fid_table.csv` is asked for by this name
PLACES = list(dict.fromkeys([places.summary, RESULTS]))
STEPS = {step.record: step for step in files.steps(scoring.EXTRACTORS)}
FIGURES = catalogue.figures(files)
JOBS = ".state/jobs"  # job_files.smk
# Results that git keeps of this study; without them there is nothing to compare with.
KEPT = sorted(
    braced(path.as_posix())
    for name in ("**/*.csv", "bits.json")
    for path in Path(places.kept).glob(name)
)


def verdicts(place):
    """What says whether the results in `place` reproduce the kept ones."""
    return [verdict_file(place)] if f"{places.kept}/fid_table.csv" in KEPT else []


def one_of(names):
    """A wildcard's constraint: one of `names`, or nothing at all."""
    return "|".join(names) or "(?!)"


def reads(path):
    """What the job reads whose result is `path`, a pattern: its parameters, and files by name."""

    def found(wildcards):
        record = record_of(path.format(**wildcards))
        # a file that no job of the study makes has no maker to be found
        return {"job": f"{JOBS}/{record}"} | dict(
            STEPS[record].reads if record in STEPS else {}
        )

    return found


def job(path):
    """The parameters of the job whose result is `path`, a pattern, as a line of JSON."""
    return lambda wildcards: jobs.as_text(
        STEPS[record_of(path.format(**wildcards))].job
    )


def modules(prefixes):
    """The package's files whose change makes a cheap result old (training and sampling name none)."""
    found = [path.relative_to(PACKAGE).as_posix() for path in code.source_files()]
    return sorted(
        f"src/sphere_repro/{name}" for name in found if name.startswith(tuple(prefixes))
    )


def figure_code(*figures):
    """The files that draw figures."""
    drawn_by = [f"figures/{each.kind.replace('-', '_')}." for each in figures]
    shared = [
        f"results/{name}.py"
        for name in (
            "cost",
            "degenerate",
            "emptiness",
            "image_sets",
            "noise_angle_claim",
            "pace",
            "passes",
            "prior_gap_claims",
            "projections",
            "recognised",
            "scores",
            "structure",
            "trade_off",
            "trainings",
            "variety",
        )
    ]
    return modules([*drawn_by, "figures/style.py", *shared])


def subject(figure):
    """The option that names the run in a figure's title, where it shows one."""
    return f"--subject {figure.subject}" if figure.subject else ""


def pairs(inputs):
    """Named inputs as the command line takes them."""
    return " ".join(f"{key}={shlex.quote(path)}" for key, path in inputs.items())
