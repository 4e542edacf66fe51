"""`sphere-repro images`: draw the image sets of a run: edits, crossovers, interpolations, reconstructions."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.records import plain, times
from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError
from sphere_repro.machine import gpus
from sphere_repro.provenance import code
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of

if TYPE_CHECKING:
    from sphere_repro.sampling.image_files import Made
    from sphere_repro.study.config import Study
    from sphere_repro.study.image_job import ImagesJob


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--model", type=Path, required=True, help="model file of the run")
    parser.add_argument(
        "--data", type=Path, nargs="*", default=[], help="prepared archives that images are taken from"
    )


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study.image_job import ImagesJob, images_job

    def derive(study: Study) -> ImagesJob:
        return images_job(study, o.run)

    return images(jobs_of.asked(o, ImagesJob, derive), o.model, o.data, o.out, o.device)


def images(job: ImagesJob, model: Path, data: Sequence[Path], out: Path, device: str) -> str:
    """Draw the image sets of a run into the folder beside `out`, the record of them all."""
    from sphere_repro.sampling.image_files import draw_images

    if not job.sets:
        raise UserError(f"Run '{job.run}' has no image sets. Add some under sampling: edits, crossovers, ….")
    started = time.time()
    folder = out.with_suffix("")
    with gpus.device(device) as chosen:
        made = draw_images(job, model, data, folder, chosen)
    for each in made:
        _write_set(job, each, started, str(chosen))
    files = [path for each in made for path in (each.archive, each.archive.with_suffix(".json"))]
    inputs = {name: path for each in made for name, path in _named(each).items()}
    origin = provenance_of(plain(job), inputs=inputs, code=code.IMAGES, device=str(chosen))
    sets = {each.settings.set: each.facts["count"] for each in made}
    write_record(out, {**origin, "job": plain(job), "sets": sets, **times(started)}, files)
    count = sum(sets.values())
    return f"images {job.run}: {count} images in {len(made)} sets in {time.time() - started:.1f} s"


def _named(made: Made) -> dict[str, Path]:
    """Input files under names that differ where the files do."""
    return {name if name == "model" else path.stem: path for name, path in made.inputs.items()}


def _write_set(job: ImagesJob, made: Made, started: float, device: str) -> None:
    said = {
        "run": job.run,
        "set": made.settings.set,
        "weights": job.weights,
        "seed": job.seed,
        "settings": plain(made.settings),
    }
    origin = provenance_of(
        said, inputs=made.inputs, code=code.IMAGES, device=device, sha256=file_hash(made.archive)
    )
    facts = {name: value for name, value in made.facts.items() if name != "seed"}
    record = {**origin, **facts, "noise": made.facts["seed"], **times(started)}
    write_record(made.archive.with_suffix(".json"), record, [made.archive])


VERB = Verb(
    "images",
    "draw image sets: edits, crossovers, interpolations, reconstructions",
    add_options,
    run,
    out_of_memory="Lower sampling.batch_size.",
)
