"""`sphere-repro samples`: draw the sample sets of a run that are missing or old, in one process."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands import sample
from sphere_repro.commands.records import plain
from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError, nearest
from sphere_repro.machine import gpus
from sphere_repro.machine.files import atomic_output, read_json
from sphere_repro.machine.locks import only_one
from sphere_repro.provenance import job_file
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.provenance.integrity import refuse_edited
from sphere_repro.provenance.stamps import known_hash

if TYPE_CHECKING:
    from sphere_repro.study.jobs import SampleJob


@dataclass(frozen=True)
class Wanted:
    """A set that is wanted, and whether one that was made by this very job may stay."""

    job: SampleJob
    may_stay: bool = True


@dataclass(frozen=True)
class Drawing:
    """What sets are drawn with: the run's model, the dataset's archive, the place of half-done work."""

    model: Path
    data: Path
    state: Path

    @property
    def inputs(self) -> dict[str, str]:
        """SHA-256 of what is read, by the names under which records tell of it.

        Raises:
            UserError: a file is missing.
        """
        for path in (self.model, self.data):
            if not path.is_file():
                raise UserError(f"{path} does not exist. Make it first, or check the path.")
        return {"model": known_hash(self.model), "data": known_hash(self.data)}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs",
        type=Path,
        nargs="+",
        help="the sets' job files (what the workflow passes); one that says that there is no result of its "
        "job has the set drawn whatever lies there",
    )
    parser.add_argument("--study", type=Path, help="a study file, with --run, instead of --jobs")
    parser.add_argument("--run", help="name of the run in the study")
    parser.add_argument(
        "--folder", type=Path, required=True, help="where the sets belong, as NAME.zip and NAME.json"
    )
    sample.add_inputs(parser)


def run(o: argparse.Namespace) -> str:
    return samples(_wanted(o), Drawing(o.model, o.data, o.state), o.folder, o.device)


def samples(wanted: Sequence[Wanted], drawing: Drawing, folder: Path, device: str) -> str:
    """Have every wanted set of a run in `folder`; those that were made by their job of the same files stay.

    They come to `folder` when all are drawn: Snakemake deletes what a job that fails has made, and finished
    sets wait elsewhere, where the same command finds them.
    """
    from sphere_repro.sampling.known_steps import KnownSteps

    started = time.time()
    inputs, name = drawing.inputs, wanted[0].job.run
    waiting = drawing.state / "samples" / f"{name}-{value_hash([inputs, str(folder.absolute())])[:16]}"
    left = [
        each.job
        for each in wanted
        if not (each.may_stay and stands(each.job, _file(folder, each.job), inputs))
    ]
    with only_one(waiting.with_name(f"{waiting.name}.lock"), f"the sample sets of {name} are being drawn"):
        with gpus.device(device) as chosen:
            known: dict[str, KnownSteps] = {}  # by all that a job says but its set
            for job in left:
                if not stands(job, _file(waiting, job), inputs):
                    others = job.model_copy(update={"set": "", "generation": None}).model_dump_json()
                    alike = known.setdefault(others, KnownSteps())
                    paths = (drawing.model, drawing.data, _file(waiting, job))
                    sample.sample(job, *paths, str(chosen), drawing.state, alike)
        for job in left:
            _deliver(_file(waiting, job), folder)
        shutil.rmtree(waiting, ignore_errors=True)
    return f"samples {name}: {len(left)} of {len(wanted)} sets drawn in {time.time() - started:.1f} s"


def stands(job: SampleJob, path: Path, inputs: dict[str, str]) -> bool:
    """Whether the set at `path` was made by this very job, of inputs with these hashes.

    Raises:
        UserError: it was edited since.
    """
    record = path.with_suffix(".json")
    if not (path.is_file() and record.is_file()):
        return False
    found = read_json(record)
    if not isinstance(found, dict) or found.get("job") != plain(job):
        return False
    refuse_edited(record)
    return {key: one["sha256"] for key, one in found["inputs"].items()} == inputs


def _wanted(o: argparse.Namespace) -> list[Wanted]:
    """What is asked for, by job files or by a study and a run.

    Raises:
        UserError: the options name no sets, or sets of several runs.
    """
    from sphere_repro.strict import parse
    from sphere_repro.study.config import load_study
    from sphere_repro.study.jobs import SampleJob
    from sphere_repro.study.samples_job import samples_job

    if o.jobs:
        if o.study or o.run:
            raise UserError("--jobs says everything: leave out --study and --run, or --jobs.")
        found = []
        for path in o.jobs:
            text, stood = job_file.read(path)
            job = parse(SampleJob, jobs_of.json_object(text, str(path)), str(path))
            found.append(Wanted(job, stood))
        if len({each.job.run for each in found}) > 1:
            raise UserError(
                "--jobs names sets of several runs, but --model is of one. Give those of one run."
            )
        return found
    if o.study is None or o.run is None:
        raise UserError("samples needs either --jobs FILE …, or --study FILE and --run NAME.")
    study = load_study(o.study)
    if o.run not in study.runs:
        raise UserError(f"{o.study}: no run is called '{o.run}'{nearest(o.run, study.runs)}")
    return [Wanted(job) for job in samples_job(study, o.run)]


def _file(folder: Path, job: SampleJob) -> Path:
    return folder / f"{job.set}.zip"


def _deliver(path: Path, folder: Path) -> None:
    """Bring a finished set to its place, the record last: the place may be on another disk."""
    for part in (path, path.with_suffix(".json")):
        with atomic_output(folder / part.name) as temporary:
            shutil.copyfile(part, temporary)


VERB = Verb(
    "samples",
    "draw the sample sets of a run that are missing or old",
    add_options,
    run,
    out_of_memory="Lower sampling.batch_size.",
    takes_turns=True,
)
