"""`sphere-repro encode`: encode training images to latents."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands import sample
from sphere_repro.commands.records import timed
from sphere_repro.commands.verb import Verb
from sphere_repro.provenance import code

if TYPE_CHECKING:
    from sphere_repro.study.jobs import EncodeJob


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    sample.add_inputs(parser)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    job = jobs_of.asked(o, jobs.EncodeJob, lambda study: jobs.encode_job(study, o.run))
    return encode(job, o.model, o.data, o.out, o.device, o.state)


def encode(job: EncodeJob, model: Path, data: Path, out: Path, device: str, state: Path | None = None) -> str:
    """Encode training images to latents."""
    from sphere_repro.sampling.encoding import encode_set

    return timed(
        lambda chosen: {"count": encode_set(job, model, data, out, chosen, state)},
        job,
        out,
        {"model": model, "data": data},
        code=code.SAMPLE,
        device=device,
        label=f"encode {job.run}",
    )


VERB = Verb(
    "encode",
    "encode training images to latents",
    add_options,
    run,
    beside=(".json",),
    takes_turns=True,
)
