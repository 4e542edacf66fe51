"""`sphere-repro sample`: draw a sample set of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.records import timed
from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError, nearest
from sphere_repro.provenance import code

if TYPE_CHECKING:
    import torch

    from sphere_repro.study.config import Study
    from sphere_repro.study.jobs import SampleJob


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--set", help="name of the sample set, with --study")
    parser.add_argument("--model", type=Path, required=True, help="model file of the run")
    parser.add_argument("--data", type=Path, required=True, help="prepared image archive")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    def derive(study: Study) -> SampleJob:
        sets = study.runs[o.run].sets
        if o.set is None:
            raise UserError(f"sample needs --set NAME; run '{o.run}' has {', '.join(sets)}.")
        if o.set not in sets:
            raise UserError(f"{o.study}: run '{o.run}' has no sample set '{o.set}'{nearest(o.set, sets)}")
        return jobs.sample_job(study, o.run, o.set)

    return sample(jobs_of.asked(o, jobs.SampleJob, derive), o.model, o.data, o.out, o.device)


def sample(job: SampleJob, model: Path, data: Path, out: Path, device: str) -> str:
    """Draw one sample set of a trained run."""
    from sphere_repro.sampling.sets import draw_set

    def work(chosen: torch.device) -> dict[str, Any]:
        return {"count": draw_set(job, model, data, out, chosen)} | _chosen(job, data)

    return timed(
        work,
        job,
        out,
        {"model": model, "data": data},
        code=code.SAMPLE,
        device=device,
        label=f"sample {job.run}/{job.set}",
    )


def _chosen(job: SampleJob, data: Path) -> dict[str, list[int]]:
    """Which images were reconstructed, for the record; nothing where all were."""
    from sphere_repro.data.archive import ImageArchive
    from sphere_repro.data.choice import choose

    if job.set != "reconstruction":
        return {}
    total = len(ImageArchive(data))
    return {"indices": choose(total, job.count).tolist()} if job.count < total else {}


VERB = Verb(
    "sample",
    "draw a sample set",
    add_options,
    run,
    beside=(".json",),
    out_of_memory="Lower sampling.batch_size.",
)
