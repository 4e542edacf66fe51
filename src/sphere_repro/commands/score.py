"""`sphere-repro score`: compare a run's sample sets with the real images."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.records import stamp
from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError
from sphere_repro.machine import gpus

if TYPE_CHECKING:
    from sphere_repro.study.config import Study
    from sphere_repro.study.jobs import ScoreJob


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--data", type=Path, required=True, help="prepared image archive")
    parser.add_argument("--reference", type=Path, required=True, help="features of the real images")
    parser.add_argument("--sets", type=Path, nargs="+", required=True, help="archives of the sample sets")
    parser.add_argument("--extractor", help="feature extractor, with --study")
    parser.add_argument("--state", type=Path, default=Path(".state"), help="folder of features half taken")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    def derive(study: Study) -> ScoreJob:
        return jobs.score_job(study, o.run, jobs_of.extractor(o, study))

    return score(
        jobs_of.asked(o, jobs.ScoreJob, derive), o.data, o.reference, o.sets, o.out, o.device, o.state
    )


def score(
    job: ScoreJob,
    data: Path,
    features: Path,
    sets: Sequence[Path],
    out: Path,
    device: str,
    state: Path | None = None,
) -> str:
    """Compare all sample sets of a run with the real images."""
    from sphere_repro.metrics.score import ScoreInputs, class_note, score_run
    from sphere_repro.sampling.sets import open_archive

    found = _found(job, sets)
    for path in (data, *found.values()):
        open_archive(path, job.dataset)
    inputs = ScoreInputs(
        run=job.run,
        dataset=job.dataset.archive,
        kind=job.kind,
        sets=found,
        generations=job.generations,
        real=data,
        reference=features,
        ablation=job.ablation,
        state=state,
        held_out=job.dataset.held_out,
        prior_path=job.prior_path,
    )
    with gpus.device(device) as chosen:
        started = time.time()
        doubtful = score_run(inputs, out, score=job.score, seed=job.seed, device=chosen)
    seconds = stamp(out, job, started, [out.with_suffix(".npz")])
    told = f"; scores that say nothing: {doubtful}" if doubtful else ""
    return (
        f"score {job.run}, {job.score.extractor}: {len(sets)} sets in {seconds:.1f} s{told}{class_note(out)}"
    )


def _found(job: ScoreJob, sets: Sequence[Path]) -> dict[str, Path]:
    """The archives of the job's sets, in the job's order."""
    found = {path.stem: path for path in sets}
    missing = [name for name in job.sets if name not in found]
    if missing:
        raise UserError(f"score {job.run}: the archive of '{missing[0]}' is not among --sets. Add it.")
    return {name: found[name] for name in job.sets}


VERB = Verb(
    "score",
    "compare a run's sample sets with the real images",
    add_options,
    run,
    out_of_memory="Lower score.batch_size.",
    beside=(".npz",),
    takes_turns=True,
)
