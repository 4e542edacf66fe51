"""`sphere-repro sample`: draw a sample set of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.records import timed
from sphere_repro.commands.verb import Verb, at_most
from sphere_repro.commands.workers import launched
from sphere_repro.errors import UserError, nearest
from sphere_repro.machine import gpus
from sphere_repro.machine.launch import Workers
from sphere_repro.provenance import code

if TYPE_CHECKING:
    import torch

    from sphere_repro.sampling.known_steps import KnownSteps
    from sphere_repro.study.config import Study
    from sphere_repro.study.jobs import SampleJob


MOST_PROCESSES = 4096


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--set", help="name of the sample set, with --study")
    parser.add_argument(
        "--processes",
        type=processes,
        help="that share the set, on GPUs one each, or all: as many as there are GPUs (default 1, or as the "
        "study says)",
    )
    add_inputs(parser)


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """What is read, and where lies what is half done."""
    parser.add_argument("--model", type=Path, required=True, help="model file of the run")
    parser.add_argument("--data", type=Path, required=True, help="prepared image archive")
    parser.add_argument("--state", type=Path, default=Path(".state"), help="folder of half-drawn sets")


def processes(text: str) -> int:
    """A number of processes; 0 for `all`."""
    return 0 if text == "all" else at_most(MOST_PROCESSES)(text)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    def derive(study: Study) -> SampleJob:
        sets = study.runs[o.run].drawn
        if o.set is None:
            raise UserError(f"sample needs --set NAME; run '{o.run}' has {', '.join(sets)}.")
        if o.set not in sets:
            raise UserError(f"{o.study}: run '{o.run}' has no sample set '{o.set}'{nearest(o.set, sets)}")
        return jobs.sample_job(study, o.run, o.set)

    job = jobs_of.asked(o, jobs.SampleJob, derive)
    lower = ("sampling.processes", "sampling.processes")
    if launched(o, Workers(_processes(o), work=f"drawing of {job.run}/{job.set}", lower=lower)):
        return ""
    return sample(job, o.model, o.data, o.out, o.device, o.state)


def _processes(o: argparse.Namespace) -> int:
    """How many share the work: as asked, one for each GPU, or as the study says."""
    from sphere_repro.study.config import load_study

    if o.processes is not None:
        return o.processes or max(1, len(gpus.visible()))
    return load_study(o.study).runs[o.run].sampling.processes if o.study is not None else 1


def sample(
    job: SampleJob,
    model: Path,
    data: Path,
    out: Path,
    device: str,
    state: Path | None = None,
    known: KnownSteps | None = None,
) -> str:
    """Draw one sample set of a trained run; in a worker, this process's share of it.

    `known`: what other sets of this very model have drawn.
    """
    from sphere_repro.machine.distributed import joined
    from sphere_repro.sampling.sets import STATE, Files, draw

    files = Files(model, data, out, state or out.parent / STATE)

    def work(chosen: torch.device) -> dict[str, Any] | None:
        with joined(chosen) as world:
            drawn = draw(job, files, chosen, world, known)
        if drawn is None:
            return None
        facts: dict[str, Any] = {"count": drawn.count, "machine": drawn.machine}
        if drawn.machines:
            facts["machines"] = drawn.machines
        return facts | _chosen(job, data)

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
    from sphere_repro.data.choice import chosen

    if job.set != "reconstruction":
        return {}
    archive = ImageArchive(data)
    indices = chosen(archive, job.dataset.held_out, job.count)
    return {"indices": indices.tolist()} if len(indices) < len(archive) else {}


VERB = Verb(
    "sample",
    "draw a sample set",
    add_options,
    run,
    beside=(".json",),
    out_of_memory="Lower sampling.batch_size.",
    takes_turns=True,
)
