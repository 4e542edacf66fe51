"""`sphere-repro import`: make the model of a run that is not trained. (`import` is a word of Python's.)"""

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
    from sphere_repro.study.config import Study
    from sphere_repro.study.jobs import PretrainedJob, ReleasedJob


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    def derive(study: Study) -> ReleasedJob | PretrainedJob:
        if study.runs[o.run].model.kind == "pretrained-vae":
            return jobs.pretrained_job(study, o.run)
        return jobs.released_job(study, o.run)

    pretrained = o.job is not None and "pretrained" in jobs_of.json_object(o.job, "--job")
    record: type[ReleasedJob | PretrainedJob] = jobs.PretrainedJob if pretrained else jobs.ReleasedJob
    job = jobs_of.asked(o, record, derive)
    return import_pretrained(job, o.out) if isinstance(job, jobs.PretrainedJob) else import_run(job, o.out)


def import_run(job: ReleasedJob, out: Path) -> str:
    """Make the model file of a run that is scored as it was released."""
    from sphere_repro.models.autoencoder import parameter_count
    from sphere_repro.models.released import import_run as make

    started = time.time()
    inputs = make(job, out)
    count = parameter_count(job.architecture)
    facts = {"parameter_count": count, "sha256": known_hash(out)}
    origin = provenance_of(records.plain(job), inputs=inputs, code=code.IMPORT, device="cpu", **facts)
    records.write(job, started, origin, [out])
    return f"import {job.run}: {count} parameters of {job.released}"


def import_pretrained(job: PretrainedJob, out: Path) -> str:
    """Make the model file of a run whose autoencoder others trained."""
    from sphere_repro.models.pretrained_import import import_pretrained as make

    started = time.time()
    inputs, facts = make(job, out)
    facts |= {"sha256": known_hash(out)}
    origin = provenance_of(records.plain(job), inputs=inputs, code=code.IMPORT, device="cpu", **facts)
    records.write(job, started, origin, [out])
    return (
        f"import {job.run}: {facts['parameter_count']} parameters of {job.pretrained}, "
        f"{facts['normalisation']}"
    )


VERB = Verb(
    "import",
    "make a run's model of the released checkpoint, or of the pretrained autoencoder, that the study names",
    jobs_of.add_options,
    run,
    beside=(".json",),
)
