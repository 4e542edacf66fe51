"""`sphere-repro reference`: features of the real images."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.records import stamp
from sphere_repro.commands.verb import Verb
from sphere_repro.machine import gpus

if TYPE_CHECKING:
    from sphere_repro.study.config import Study
    from sphere_repro.study.jobs import ReferenceJob


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--data", type=Path, required=True, help="prepared image archive")
    parser.add_argument("--extractor", help="feature extractor, with --study")
    parser.add_argument("--state", type=Path, default=Path(".state"), help="folder of features half taken")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    def derive(study: Study) -> ReferenceJob:
        return jobs.reference_job(study, study.runs[o.run], jobs_of.extractor(o, study))

    return reference(jobs_of.asked(o, jobs.ReferenceJob, derive), o.data, o.out, o.device, o.state)


def reference(job: ReferenceJob, data: Path, out: Path, device: str, state: Path | None = None) -> str:
    """Make the reference statistics of a dataset, or take over those that others made."""
    from sphere_repro.metrics.reference import make_reference, take_reference
    from sphere_repro.sampling.sets import open_archive

    open_archive(data, job.dataset, job.dataset.source.classes)
    with gpus.device(device) as chosen:
        started = time.time()
        if job.score.reference is None:
            make_reference(
                data,
                out,
                dataset=job.dataset.archive,
                score=job.score,
                device=chosen,
                state=state,
                held_out=job.dataset.held_out,
            )
        else:
            take_reference(job, data, out, device=chosen)
    seconds = stamp(out.with_suffix(".json"), job, started, [out])
    return f"reference {job.dataset.archive}, {job.score.extractor}: {seconds:.1f} s"


VERB = Verb(
    "reference",
    "features of the real images",
    add_options,
    run,
    beside=(".json",),
    out_of_memory="Lower score.batch_size.",
    takes_turns=True,
)
