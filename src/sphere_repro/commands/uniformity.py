"""`sphere-repro uniformity`: how uniform a run's latents are on the sphere."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.records import stamp
from sphere_repro.commands.verb import Verb

if TYPE_CHECKING:
    from sphere_repro.study.jobs import UniformityJob


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--latents", type=Path, required=True, help="latents of the run")
    parser.add_argument("--baseline", type=Path, help="latents of the VAE baseline")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    job = jobs_of.asked(o, jobs.UniformityJob, lambda study: jobs.uniformity_job(study, o.run))
    return uniformity(job, o.latents, o.baseline, o.out)


def uniformity(job: UniformityJob, latents: Path, baseline: Path | None, out: Path) -> str:
    """Judge a run's latents against their controls."""
    from sphere_repro.metrics.uniformity import uniformity as judge

    started = time.time()
    judge(
        latents,
        out,
        run=job.run,
        classes=job.classes,
        settings=job.uniformity,
        seed=job.seed,
        baseline=baseline,
        baseline_run=job.baseline,
        alpha_max=job.alpha_max,
    )
    seconds = stamp(out, job, started, [out.with_suffix(".npz")])
    return f"uniformity {job.run}: {seconds:.1f} s"


VERB = Verb(
    "uniformity",
    "how uniform the latents are on the sphere",
    add_options,
    run,
    torch=False,
    beside=(".npz",),
)
