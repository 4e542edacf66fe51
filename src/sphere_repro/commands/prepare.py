"""`sphere-repro prepare`: make a dataset's image archive."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.records import stamp
from sphere_repro.commands.verb import Verb

if TYPE_CHECKING:
    from sphere_repro.study.jobs import PrepareJob


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--raw", type=Path, help="folder of the downloads (default data/raw/DATASET)")
    parser.add_argument("--state", type=Path, default=Path(".state"), help="folder of half-made archives")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    job = jobs_of.asked(o, jobs.PrepareJob, lambda study: jobs.prepare_job(study.runs[o.run]))
    return prepare(job, o.out, downloads=o.raw, state=o.state, threads=o.threads)


def prepare(
    job: PrepareJob, out: Path, *, downloads: Path | None = None, state: Path, threads: int = 1
) -> str:
    """Make the image archive of a dataset."""
    from sphere_repro.data.prepare import prepare as make
    from sphere_repro.data.report import told

    started = time.time()
    facts = make(job.dataset, out, downloads=downloads, state=state, workers=threads, content=job.content)
    stamp(out.with_suffix(".json"), job, started, [out])
    line = f"prepare {job.dataset.archive}: {facts['images']} images in {out}"
    return "; ".join(filter(None, (line, told(facts))))


VERB = Verb(
    "prepare",
    "make a dataset's image archive",
    add_options,
    run,
    torch=False,
    beside=(".json",),
    takes_turns=True,
)
