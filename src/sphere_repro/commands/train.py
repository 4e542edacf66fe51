"""`sphere-repro train`: train a run, in one process or as the launcher of several."""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands import records
from sphere_repro.commands.verb import Verb
from sphere_repro.commands.workers import launched
from sphere_repro.machine import gpus
from sphere_repro.machine.launch import Workers
from sphere_repro.machine.notes import note, notice
from sphere_repro.provenance import code
from sphere_repro.provenance.record import provenance_of
from sphere_repro.provenance.stamps import known_hash

if TYPE_CHECKING:
    from sphere_repro.study.config import Study
    from sphere_repro.study.jobs import TrainJob
    from sphere_repro.study.recipe import Execution
    from sphere_repro.training.loop import Estimates, Files


def add_options(parser: argparse.ArgumentParser) -> None:
    jobs_of.add_options(parser)
    parser.add_argument("--data", type=Path, required=True, help="prepared image archive")
    parser.add_argument("--curves", type=Path, required=True, help="CSV of the losses to write")
    parser.add_argument("--live", type=Path, help="folder of curves that grow during training (DVCLive)")
    parser.add_argument("--state", type=Path, default=Path(".state"), help="folder of half-trained models")
    parser.add_argument("--execution", help="how to compute, as JSON: processes, micro_batch_size, …")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.study import jobs

    def derive(study: Study) -> TrainJob:
        from sphere_repro.planning.outside import beginning

        return jobs.train_job(study, o.run, beginning(study, o.run))

    job = jobs_of.asked(o, jobs.TrainJob, derive)
    execution = _execution(o)
    if launched(o, Workers(execution.processes, execution.nodes)):
        return ""
    from sphere_repro.training.loop import Files

    files = Files(archive=o.data, model=o.out, curves=o.curves, state=o.state, live=o.live)
    return train(job, files, o.device, execution, o.log)


def _execution(o: argparse.Namespace) -> Execution:
    """How to compute: from `--execution JSON`, which wins, or as the study says."""
    from sphere_repro.strict import parse
    from sphere_repro.study.config import load_study
    from sphere_repro.study.recipe import Execution

    if o.execution is not None:
        return parse(Execution, jobs_of.json_object(o.execution, "--execution"), "--execution")
    return load_study(o.study).runs[o.run].execution if o.study is not None else Execution()


def train(job: TrainJob, files: Files, device: str, execution: Execution, log: Path | None = None) -> str:
    """Train a run: model file, training curves, provenance; lines on progress go to `log`.

    A process that only helps others writes nothing.
    """
    from sphere_repro.models.autoencoder import parameter_count
    from sphere_repro.models.checkpoint import read_class_names
    from sphere_repro.results.degenerate import moved_in
    from sphere_repro.training.loop import train as run

    with gpus.device(device) as chosen:
        started = time.time()
        tell = functools.partial(note, log=log)
        result = run(job, files, chosen, execution, tell, estimates(job, execution))
    if result is None:
        return ""
    facts: dict[str, Any] = {
        "steps": result.steps,
        "resumed_at_step": result.resumed_at,
        "training_seconds": round(result.seconds, 3),
        "images_per_second": round(result.images_per_second, 1),
        "utilisation": result.utilisation and round(result.utilisation, 4),
        "processes": result.processes,
        "compiled": result.compiled,
        "execution": records.plain(execution),
        "parameter_count": parameter_count(job.architecture),
        "segments": result.segments,
        **({"class_names": names} if (names := read_class_names(files.model)) else {}),
        "last": result.last,
        "moved": moved_in(files.curves),
        "sha256": known_hash(files.model),
    }
    origin = provenance_of(
        records.plain(job),
        inputs={"data": files.archive, **result.began_from},
        code=code.MODEL,
        device=str(chosen),
        **facts,
    )
    records.write(job, started, origin, [files.model, files.curves])
    return (
        f"train {job.run}: {result.steps} steps in {result.seconds:.0f} s "
        f"({result.images_per_second:.0f} images/s), loss {result.last['loss']:.4f}"
        f"{_nothing_learned(job.run, facts['moved'])}"
    )


def _nothing_learned(run: str, moved: Mapping[str, Any]) -> str:
    """Tell people that a training's loss hardly moved; the end of its line in the log."""
    from sphere_repro.results.degenerate import unmoved

    found = unmoved(moved)
    if not found:
        return ""
    notice(f"{run} learned nothing: {found}. Train it longer or at a higher rate; 'check' shows both.")
    return f"; it learned nothing: {found}"


def estimates(job: TrainJob, execution: Execution) -> Estimates:
    """The planner's, which is loaded when it is asked."""
    from sphere_repro.training.loop import Estimates

    def flops_per_image() -> int:
        from sphere_repro.planning.training_cost import flops_per_image

        return flops_per_image(job)

    def memory_advice(free: int) -> str:
        from sphere_repro.planning.advice import memory_advice

        return memory_advice(job, execution, free)

    return Estimates(flops_per_image, memory_advice)


VERB = Verb("train", "train a run", add_options, run, beside=(".json",), takes_turns=True)
