"""`sphere-repro import`: make a run's model of a released checkpoint. (`import` is a word of Python's.)"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands import records
from sphere_repro.commands.verb import Verb
from sphere_repro.provenance import code
from sphere_repro.provenance.record import provenance_of
from sphere_repro.provenance.stamps import known_hash

if TYPE_CHECKING:
    from sphere_repro.study.jobs import ReleasedJob


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    job = jobs_of.asked(o, jobs.ReleasedJob, lambda study: jobs.released_job(study, o.run))
    return import_run(job, o.out)


def import_run(job: ReleasedJob, out: Path) -> str:
    """Make the model file of a run that is not trained."""
    from sphere_repro.models.autoencoder import parameter_count
    from sphere_repro.models.released import import_run as make

    started = time.time()
    inputs = make(job, out)
    count = parameter_count(job.architecture)
    facts = {"parameter_count": count, "sha256": known_hash(out)}
    origin = provenance_of(records.plain(job), inputs=inputs, code=code.IMPORT, device="cpu", **facts)
    records.write(job, started, origin, [out])
    return f"import {job.run}: {count} parameters of {job.released}"


VERB = Verb(
    "import",
    "make a run's model of the released checkpoint that the study names",
    jobs_of.add_options,
    run,
    beside=(".json",),
)
