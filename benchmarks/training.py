"""Images per second and utilisation of training: plain, eager, compiled, checkpointed, in micro batches.

Usage: training.py [--study params/paper.yaml --run cifar10-base --batch 256 --steps 20 --device auto]

Real training steps (forward, backward, clipping, AdamW, average) of a study's run on random images, without
the perceptual networks, whose weights would have to be fetched. `plain` is the same objective as one would
write it down: AdamW and the average a tensor at a time, positions as sines and cosines, memory as the system
gives it. The variants are processes that take turns, step by step, so that a noisy machine is noisy for all
of them; the device's own ceiling in matrix products is measured before and after. Adds medians and ratios to
training.json beside this file, and the share of an eager step that matrix products and convolutions take:
what they take, no rewriting of the rest can save.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from sphere_repro.data.loading import ImagesInMemory
from sphere_repro.machine import devices
from sphere_repro.machine.allocator import keep_freed_memory
from sphere_repro.machine.devices import pick_device
from sphere_repro.machine.distributed import World
from sphere_repro.models.autoencoder import parameter_count
from sphere_repro.models.layers import Attention, rotate
from sphere_repro.study import flops
from sphere_repro.study.config import load_study
from sphere_repro.study.jobs import TrainJob, train_job
from sphere_repro.study.recipe import Execution
from sphere_repro.training import optim
from sphere_repro.training.losses import PerceptualDistance
from sphere_repro.training.state import initial_state
from sphere_repro.training.stepper import Stepper

OUT = Path(__file__).with_suffix(".json")
WARM_UP = 3  # steps: compiling, and the allocator's first blocks
PRODUCTS = (
    "aten::mm",
    "aten::addmm",
    "aten::bmm",
    "aten::baddbmm",
    "aten::mkldnn_convolution",
    "aten::convolution_backward",
)


def plain_optimizer(encoder: nn.Module, decoder: nn.Module) -> torch.optim.AdamW:
    """One tensor after the other, one operation after the other."""
    groups = [{"params": list(encoder.parameters())}, {"params": list(decoder.parameters())}]
    return torch.optim.AdamW(
        groups, lr=0.0, betas=optim.BETAS, eps=optim.ADAM_EPS, weight_decay=0.0, fused=False, foreach=False
    )


@torch.no_grad()
def plain_average(into: Iterable[Tensor], weights: Iterable[Tensor], decay: float) -> None:
    for average, weight in zip(into, weights, strict=True):
        average.mul_(decay).add_(weight.detach(), alpha=1 - decay)


def plain_positions(attention: Attention, qk: Tensor) -> Tensor:
    q, k = (rotate(part, attention.cosines, attention.sines) for part in qk)
    return torch.stack([q, k])


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """What the package does faster, as it is written down."""
    with (
        mock.patch.object(optim, "optimizer", plain_optimizer),
        mock.patch.object(optim, "average", plain_average),
        mock.patch.object(Attention, "_placed", plain_positions),
    ):
        yield


def variants(batch: int) -> dict[str, Execution]:
    """What is compared, by name."""
    half = max(1, batch // 2)
    return {
        "plain": Execution(),
        "eager": Execution(),
        "compiled": Execution(compile=True),
        "checkpointing": Execution(activation_checkpointing=True),
        "two micro batches": Execution(micro_batch_size=half),
    }


def without_perceptual(job: TrainJob, batch: int) -> TrainJob:
    """The job with the terms that need no fetched weights, and another batch."""
    none = {"pix_recon_perceptual": 0.0, "pix_con_perceptual": 0.0, "perceptual": {"network": "none"}}
    loss = {key: value for key, value in job.loss.model_dump().items() if key not in none} | none
    training = job.training.model_dump() | {"batch_size": batch}
    return TrainJob.model_validate(job.model_dump() | {"loss": loss, "training": training})


def random_images(job: TrainJob, count: int) -> ImagesInMemory:
    """Noise with labels, as much as a few batches."""
    generator = torch.Generator().manual_seed(0)
    pixels = job.architecture.image_size
    images = torch.randint(256, (count, 3, pixels, pixels), generator=generator, dtype=torch.uint8)
    classes = job.architecture.classes
    return ImagesInMemory(images, torch.arange(count) % classes if classes else None)


class Variant:
    """One way to compute, with its own model, the seconds of its steps, and the log's row of the last one.

    `manner` is entered to build it and for each step; `perceptual` is the distance of a job that has one.
    """

    def __init__(
        self,
        job: TrainJob,
        images: ImagesInMemory,
        execution: Execution,
        device: torch.device,
        manner: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
        perceptual: PerceptualDistance | None = None,
    ):
        self.device, self.step, self.seconds, self.last = device, 0, list[float](), 0.0
        self.manner = manner
        with self.manner():
            state = initial_state(job, device)
            self.stepper = Stepper(job, images, state, perceptual, execution, World())
        self.memory = 0

    def take_step(self) -> None:
        with self.manner():
            self._take_step()

    def _take_step(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        began = time.perf_counter()
        self.row = self.stepper(self.step)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            self.memory = max(self.memory, torch.cuda.max_memory_allocated(self.device))
        self.last = time.perf_counter() - began
        if self.step >= WARM_UP:
            self.seconds.append(self.last)
        self.step += 1


class Apart:
    """A variant in a process of its own, which takes a step when it is told to."""

    def __init__(self, name: str, asked: argparse.Namespace) -> None:
        options = ["--study", str(asked.study), "--run", asked.run, "--batch", str(asked.batch)]
        options += ["--device", asked.device, "--threads", str(asked.threads), "--work", name]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.told: list[dict[str, float]] = []

    def take_step(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        print(file=self.process.stdin, flush=True)
        self.told.append(json.loads(self.process.stdout.readline()))

    def end(self) -> dict[str, float]:
        """What it says at its end: what only it can measure."""
        return json.loads(self.process.communicate()[0])


def work(name: str, asked: argparse.Namespace) -> None:
    """In a process of its own: a step for each line that comes, and what it took."""
    if name != "plain":
        keep_freed_memory()  # as the command line does
    job, device = asked_job(asked), pick_device(asked.device)
    manner = plainly if name == "plain" else contextlib.nullcontext
    images = random_images(job, 4 * asked.batch)
    variant = Variant(job, images, variants(asked.batch)[name], device, manner)
    for _ in sys.stdin:
        variant.take_step()
        print(json.dumps({"seconds": variant.last, "memory": variant.memory}), flush=True)
    print(json.dumps({"products": products(variant)} if name == "eager" and device.type == "cpu" else {}))


def products(variant: Variant) -> float:
    """Share of a step's CPU time that matrix products and convolutions take, their gradients' too."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        variant.take_step()
    times = {row.key: row.self_cpu_time_total for row in profiler.key_averages()}
    return sum(times.get(name, 0) for name in PRODUCTS) / sum(times.values())


def asked_job(asked: argparse.Namespace) -> TrainJob:
    return without_perceptual(train_job(load_study(asked.study), asked.run), asked.batch)


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """Every variant's numbers, and the machine's ceiling."""
    job, device = asked_job(asked), pick_device(asked.device)
    ceilings = [devices.measure(str(device))]
    made = {name: Apart(name, asked) for name in asked.variants}
    for _ in range(WARM_UP + asked.steps):
        for variant in made.values():
            variant.take_step()
    ends = {name: variant.end() for name, variant in made.items()}
    ceilings.append(devices.measure(str(device)))
    half = job.training.precision == "bfloat16"
    peak = max(found.bfloat16 or found.float32 if half else found.float32 for found in ceilings)
    cost, first = flops.training_flops(job.architecture, job.loss), asked.variants[0]
    medians = {
        name: statistics.median(told["seconds"] for told in variant.told[WARM_UP:])
        for name, variant in made.items()
    }
    rows = {}
    for name, median in medians.items():
        memory = max(told["memory"] for told in made[name].told)
        rows[name] = {
            "seconds_per_step": round(median, 4),
            "images_per_second": round(asked.batch / median, 2),
            "utilisation": round(asked.batch * cost / median / peak, 4),
            f"speed_over_{first}": round(medians[first] / median, 3),
            **({"peak_bytes": memory} if memory else {}),
            **{key: round(value, 3) for key, value in ends[name].items()},
        }
    return {"device": ceilings[0].name, "peak_flops": round(peak), "flops_per_image": cost, "variants": rows}


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--study", type=Path, default=Path("params/paper.yaml"))
    parser.add_argument("--run", default="cifar10-base")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each variant (default 20)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variants", nargs="+", default=list(variants(1)))
    parser.add_argument("--work", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    asked = parsed()
    torch.set_num_threads(asked.threads)
    if asked.work:
        work(asked.work, asked)
        return
    job = asked_job(asked)
    report = {
        "study": load_study(asked.study).study,
        "run": asked.run,
        "parameters": parameter_count(job.architecture),
        "batch": asked.batch,
        "precision": job.training.precision,
        "steps": asked.steps,
        "torch": torch.__version__,
        **measured(asked),
    }
    found = json.loads(OUT.read_text()) if OUT.is_file() else {}
    key = f"{report['study']}/{asked.run}, batch {asked.batch}, {report['device']}"
    OUT.write_text(json.dumps(found | {key: report}, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
