"""The paper's models on a GPU: training, sampling, and what the card might wait for. Usage: gpu.py [CASE …]

CIFAR-10 base at batch 256 without and with the perceptual networks (of drawn weights), ImageNet large with
activation checkpointing, each eager, compiled, and as CUDA graphs; four steps of sampling in bfloat16; and
the seconds of a step's images and draws, by either generator: on the CPU, ahead of the step, and on the
card. Shares are of the card's own rate of matrix products, measured in the same run; memory stands beside
the planner's word. Adds a row for each device to gpu.json beside this file. On a CPU all of it runs too, in
hours but for the cases that `wait`; seconds are those of the processor then.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "benchmarks")]

from perceptual import distance  # noqa: E402

from sphere_repro.machine import devices  # noqa: E402
from sphere_repro.machine.allocator import keep_freed_memory  # noqa: E402
from sphere_repro.machine.devices import Device, pick_device  # noqa: E402
from sphere_repro.models.autoencoder import build  # noqa: E402
from sphere_repro.models.checkpoint import Checkpoint  # noqa: E402
from sphere_repro.planning.memory import training_bytes  # noqa: E402
from sphere_repro.planning.training_cost import flops_per_image  # noqa: E402
from sphere_repro.sampling import precision, refine  # noqa: E402
from sphere_repro.sampling.painting import generations  # noqa: E402
from sphere_repro.study import flops  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.generation import Generation  # noqa: E402
from sphere_repro.study.jobs import TrainJob, train_job  # noqa: E402
from sphere_repro.study.recipe import Execution  # noqa: E402
from sphere_repro.training.batches import read_batch  # noqa: E402
from training import WARM_UP, Variant, random_images, without_perceptual  # noqa: E402

OUT = Path(__file__).with_suffix(".json")
PAPER = ROOT / "params/paper.yaml"
WAYS = ("eager", "compiled", "CUDA graphs")
FOUR_STEPS = Generation(steps=4)


@dataclass(frozen=True)
class Case:
    """A run of a study, at a batch."""

    run: str
    batch: int
    perceptual: bool = False
    execution: Execution = field(default_factory=Execution)
    study: Path = PAPER

    @property
    def job(self) -> TrainJob:
        job = train_job(load_study(self.study), self.run)
        if not self.perceptual:
            return without_perceptual(job, self.batch)
        return job.model_copy(update={"training": job.training.model_copy(update={"batch_size": self.batch})})


LARGE = Execution(activation_checkpointing=True, micro_batch_size=32)
TRAINED = {
    "train cifar10-base": Case("cifar10-base", 256),
    "train cifar10-base, perceptual": Case("cifar10-base", 256, True, Execution(micro_batch_size=128)),
    "train imagenet-large": Case("imagenet-large", 256, execution=LARGE),
}
SAMPLED = {
    "sample cifar10-base": Case("cifar10-base", 512),
    "sample imagenet-large": Case("imagenet-large", 64),
}
AWAITED = {
    "wait cifar10-base": Case("cifar10-base", 256),
    "wait animal-faces-base": Case("animal-faces-base", 256),  # the most numbers of all
}


@contextlib.contextmanager
def as_graphs() -> Iterator[None]:
    """Networks compiled as CUDA graphs, which are told where a step begins."""
    compiling = functools.partialmethod(nn.Module.compile, mode="reduce-overhead")
    torch.compiler.cudagraph_mark_step_begin()
    with mock.patch.object(nn.Module, "compile", compiling):
        yield


def clock(device: torch.device) -> float:
    """Seconds of the wall, after all that the device was given; of this process where it is the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


def trained(case: Case, way: str, steps: int, device: torch.device, peak: float) -> dict[str, Any]:
    """One way to compute the steps; what it held is let go of afterwards."""
    job = case.job
    execution = case.execution.model_copy(update={"compile": way != "eager"})
    perceptual = distance("training", device) if case.perceptual else None
    variant = Variant(
        job,
        random_images(job, 2 * case.batch),
        execution,
        device,
        as_graphs if way == "CUDA graphs" else contextlib.nullcontext,
        perceptual,
    )
    for _ in range(WARM_UP + steps):
        variant.take_step()
    variant.stepper.close()
    seconds = statistics.median(variant.seconds)
    planned = training_bytes(
        job.architecture,
        job.loss,
        execution.micro_batch_size or case.batch,
        half=job.training.precision == "bfloat16",
        checkpointing=execution.activation_checkpointing,
        processes=1,
    )
    return {
        "seconds_per_step": round(seconds, 4),
        "images_per_second": round(case.batch / seconds, 2),
        "utilisation": round(case.batch * flops_per_image(job) / seconds / peak, 4),
        "peak_bytes": variant.memory or None,  # of a GPU only
        "planned_bytes": planned,
    }


def sampled(case: Case, rounds: int, device: torch.device, peak: float) -> dict[str, Any]:
    """Four steps of a new model in bfloat16, by Philox where the model is."""
    job = case.job
    shape = job.architecture
    model = build(shape, generator=torch.Generator().manual_seed(0)).to(device).eval().requires_grad_(False)
    precision.lower(model, "bfloat16")
    labels = np.arange(case.batch) % shape.classes if shape.classes else None
    paint = generations(Checkpoint(model, 80.0), (0, "benchmark"), FOUR_STEPS, labels, random="philox")
    seconds = median_of(lambda: refine.to_bytes(paint(range(case.batch))), rounds, device)
    cost = flops.forward_flops(shape, flops.generation_calls(FOUR_STEPS))
    return {
        "images_per_second": round(case.batch / seconds, 2),
        "utilisation": round(case.batch * cost / seconds / peak, 4),
    }


def awaited(case: Case, rounds: int, device: torch.device) -> dict[str, Any]:
    """Seconds of a step's images and draws by each generator: read ahead on the CPU, and on the device."""
    images, host = random_images(case.job, 2 * case.batch), torch.device("cpu")
    rows = {}
    for random in ("torch", "philox"):
        job = case.job.model_copy(update={"random": random})
        read = functools.partial(read_batch, job, images, 0, range(case.batch), pinned=device.type == "cuda")
        ready = functools.partial(read().on, device)
        rows[random] = {
            "seconds_ahead": round(median_of(read, rounds, host), 6),
            "seconds_on_the_device": round(median_of(ready, rounds, device), 6),
        }
    return rows


def median_of(work: Callable[[], object], rounds: int, device: torch.device) -> float:
    """Median seconds of a piece of work, after one that warms up."""
    seconds = []
    for _ in range(rounds + 1):
        began = clock(device)
        work()
        seconds.append(clock(device) - began)
    return statistics.median(seconds[1:])


def measured(
    name: str, steps: int, device: torch.device, ceiling: Device, ways: tuple[str, ...] = WAYS
) -> dict[str, Any]:
    """The rows of one case."""
    if name in AWAITED:
        return awaited(AWAITED[name], steps, device)
    peak = ceiling.bfloat16 or ceiling.float32
    if name in SAMPLED:
        return {"eager": sampled(SAMPLED[name], steps, device, peak)}
    if TRAINED[name].job.training.precision == "float32":
        peak = ceiling.float32
    rows = {}
    for way in ways:
        rows[way] = trained(TRAINED[name], way, steps, device, peak)
        torch.compiler.reset()
        gc.collect()
        torch.cuda.empty_cache()
    return rows


def main() -> None:
    cases = [*TRAINED, *SAMPLED, *AWAITED]
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", help=f"default: all, which are {', '.join(cases)}")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each (default 20)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1, help="of a CPU (default 1)")
    options = parser.parse_args()
    if unknown := sorted({*options.cases} - {*cases}):
        parser.error(f"no case is called '{unknown[0]}'; there are {', '.join(cases)}")
    keep_freed_memory()  # as the command line does
    torch.set_num_threads(options.threads)
    device = pick_device(options.device)
    ceiling = devices.measure(str(device))
    found = json.loads(OUT.read_text()) if OUT.is_file() else {}
    report = found.setdefault(ceiling.name, {"cases": {}})
    report |= {"torch": torch.__version__, "peak_flops": round(ceiling.bfloat16 or ceiling.float32)}
    for name in options.cases or cases:
        report["cases"][name] = measured(name, options.steps, device, ceiling)
        print(name, json.dumps(report["cases"][name]), flush=True)
        OUT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
