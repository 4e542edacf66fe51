"""A study for images of one's own that fits them, the machine and the time.

The recipes that are known to work are the demo's (small networks, minutes, a high rate) and the paper's
(large ones, days, a low rate). Between them the rate falls with the width: 0.144/width is the demo's 1.5e-3
at width 96 and near the paper's 1e-4 at 768 and more. The largest network is taken that the time carries far
enough (`reach`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.devices import Device
from sphere_repro.machine.progress import duration
from sphere_repro.planning.advice import USABLE, largest_batch
from sphere_repro.planning.look import Look
from sphere_repro.planning.memory import training_bytes
from sphere_repro.planning.needs import needs
from sphere_repro.planning.plan import Plan
from sphere_repro.planning.reach import LEAST
from sphere_repro.planning.training_cost import flops_per_image
from sphere_repro.strict import parse
from sphere_repro.study.config import Run, Study
from sphere_repro.study.jobs import TrainJob, train_job
from sphere_repro.study.recipe import REFERENCE_BATCH

ENOUGH = (
    2.0  # steps · rate of a network that is taken: above the demo's digits (1.8), below Oxford-Flowers (3.1)
)
START = 180.0  # seconds that some thirty jobs take to start, and the figures and notebooks
MARGIN = 0.85  # of the time is planned: other work, reading images, writing pictures
JUDGED = 0.2  # of the time at most for samples and scores
SMALL = 64  # pixels up to which the paper's settings for small images are taken
MOST_EPOCHS = 5000  # the paper's most
FEWEST_SAMPLES = 100
SAMPLES = 50_000
PERCEPTUAL_FROM = 2 * 3600.0  # seconds from which the paper's perceptual networks (754 MB) are worth fetching


@dataclass(frozen=True)
class Rung:
    """One size of network and what belongs to it.

    Attributes:
        width, layers, heads: of encoder and decoder.
        batch: images per step.
        pixels: the largest images that it is for.
        grid: tokens along one side; None: the paper's patch size.
        assumed: share of a GPU's peak where it cannot be measured; small kernels wait for their launch.
    """

    width: int
    layers: int
    heads: int
    batch: int
    pixels: int
    grid: int | None
    assumed: float

    @property
    def rate(self) -> float:
        """Learning rate at this rung's own batch."""
        return min(1.5e-3, max(1e-4, 0.144 / self.width))


RUNGS = (
    Rung(768, 12, 12, 256, 256, None, 0.35),  # the paper's base
    Rung(512, 8, 8, 128, 128, None, 0.2),  # the paper's small
    Rung(384, 6, 6, 64, 64, 16, 0.1),
    Rung(192, 4, 6, 32, 64, 8, 0.05),
    Rung(96, 4, 3, 16, 32, 8, 0.03),  # the demo's
)


@dataclass(frozen=True)
class Proposal:
    """A study, and what was chosen in it.

    Attributes:
        look: at the images.
        rung: the networks.
        device: that it is for.
        budget: seconds that were asked for.
        data: the study, as its YAML says it.
        study: the same, checked.
        utilisation: share of the device's peak that was counted on.
        measured: whether that was measured here.
        steps: of each training.
        seconds: that it is estimated to take.
        lanes: jobs that run side by side.
        pace: images per second of the Sphere Encoder's training.
    """

    look: Look
    rung: Rung
    device: Device
    budget: float
    data: dict[str, Any]
    study: Study
    utilisation: float
    measured: bool
    steps: int = 0
    seconds: float = 0.0
    lanes: int = 1
    pace: float = 0.0


def propose(
    look: Look,
    name: str,
    device: Device,
    budget: float,
    lanes: int = 1,
    measure: Callable[[TrainJob], float] | None = None,
) -> Proposal:
    """The study of the largest network that `budget` seconds on `device` carry far enough.

    Args:
        look: at the images.
        name: of the study.
        device: what it will run on.
        budget: seconds, from the first job to the last figure.
        lanes: jobs side by side (`lanes_of`).
        measure: the share of the device's peak that a training reaches; none: it is assumed.

    Raises:
        UserError: the images are too few, or the time too short for the smallest network.
    """
    if look.images < 32:
        raise UserError(f"{look.place} holds {look.images} images; a study of them needs 32 at least.")
    made = None
    for made in _fitting(look, name, device, budget, lanes, measure):
        if made.steps * made.rung.rate >= ENOUGH:
            return made
    if made is None:
        raise UserError(f"{device.name} has too little memory for the smallest network.")
    product = made.steps * made.rung.rate
    if product < LEAST.product:
        missing = (made.budget - START) * LEAST.product / max(product, 1e-3 * LEAST.product) + START
        raise UserError(
            f"{duration(budget)} on {device.name} is too short: even the smallest network learns next to "
            f"nothing in it. Give it about {duration(missing)}, or another --device."
        )
    return made


def _fitting(
    look: Look,
    name: str,
    device: Device,
    budget: float,
    lanes: int,
    measure: Callable[[TrainJob], float] | None,
) -> Iterator[Proposal]:
    """A proposal for each rung that the device has the memory for, the largest network first."""
    for rung in RUNGS:
        rung = _for_images(rung, look)
        data = study_data(look, name, rung, device, budget)
        if rung.width != RUNGS[-1].width and _too_slow(
            train_job(_study(data), "sphere"), rung, device, budget
        ):
            continue
        with_memory = _with_memory(data, device)
        if with_memory is None:
            continue
        study = _study(with_memory)
        share = measure(train_job(study, "sphere")) if measure else rung.assumed
        measured = measure is not None
        yield _timed(Proposal(look, rung, device, budget, with_memory, study, share, measured, lanes=lanes))


def _too_slow(job: TrainJob, rung: Rung, device: Device, budget: float) -> bool:
    """Whether the time is too short even at the device's peak: then there is nothing to measure."""
    half = job.training.precision == "bfloat16" and device.bfloat16
    step = flops_per_image(job) * rung.batch / (half or device.float32)  # seconds
    return budget / step * rung.rate < ENOUGH


def _for_images(rung: Rung, look: Look) -> Rung:
    """No batch larger than a quarter of the images, and a power of two."""
    return replace(rung, batch=min(rung.batch, 2 ** int(math.log2(look.images / 4))))


def lanes_of(device: Device) -> int:
    """Jobs of one thread that run side by side: both trainings on a CPU with several cores, one on a GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 if device.shares_host and cores > 1 else 1


def resolution(look: Look, rung: Rung) -> int:
    """The largest power of two that most images have on both sides and that the rung is for; at least 8."""
    return int(min(rung.pixels, max(8, 2 ** int(math.log2(max(1, look.short_side))))))


def study_data(look: Look, name: str, rung: Rung, device: Device, budget: float) -> dict[str, Any]:
    """The study with a training of one epoch, as plain data in the order of the file."""
    pixels, on_cpu = resolution(look, rung), device.shares_host
    perceptual = not on_cpu and budget >= PERCEPTUAL_FROM and rung.grid is None and pixels >= 16
    model, training = _model(rung, pixels), _training(rung, device)
    loss, vae_loss = _losses(pixels, perceptual=perceptual)
    dataset = {"folder": look.place, "resolution": pixels}
    count = min(look.images, SAMPLES)
    generations = [{"steps": 1}, {"steps": 4}, {"steps": 4, "noise": "independent"}]
    sphere: dict[str, Any] = {
        "dataset": dataset,
        "model": model,
        "loss": loss,
        "training": training,
        "execution": {},
    }
    sphere |= {"sampling": {"count": count, "generations": generations}}
    vae: dict[str, Any] = {"dataset": dataset, "model": {"kind": "vae", **model}, "loss": vae_loss}
    vae |= {"training": training}
    vae |= {"execution": {}, "sampling": {"count": count}, "baseline_of": "sphere"}
    score: dict[str, Any] = {"extractor": "efficientnet-lite0" if on_cpu else "inception"}
    if on_cpu:
        score["reference_count"] = 5000
    return {"study": name, "seed": 0, "runs": {"sphere": sphere, "vae": vae}, "score": score}


def _model(rung: Rung, pixels: int) -> dict[str, Any]:
    size = {"width": rung.width, "layers": rung.layers, "heads": rung.heads}
    patch = {"patch_size": max(2, pixels // rung.grid)} if rung.grid else {}
    depth = 2 if pixels <= SMALL else 4
    return {
        "encoder": size,
        "decoder": size,
        "ratio": 1.5,
        **patch,
        "pixel_head": "conv" if pixels <= SMALL else "linear",
        "encoder_mixer_depth": depth,
        "decoder_mixer_depth": depth,
    }


def _losses(pixels: int, *, perceptual: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the Sphere Encoder and of its VAE: the paper's weights for small datasets."""
    weight = 1.0 if perceptual else 0.0
    network = {"perceptual": {"network": "lpips-convnext"}} if perceptual else {}
    both = {"pix_recon_l1": 25, "pix_recon_perceptual": weight}
    angle = {"alpha_max": 80 if pixels <= SMALL else 85}
    consistency = {"pix_con_l1": 1, "pix_con_perceptual": weight, "lat_con": 0.1}
    return {**angle, **both, **consistency, **network}, {**both, "kl": 1e-3, **network}


def _training(rung: Rung, device: Device) -> dict[str, Any]:
    stated = _three(rung.rate * REFERENCE_BATCH / rung.batch)
    half = device.bfloat16 is not None and not device.shares_host
    return {
        "epochs": 1.0,
        "warmup_epochs": 0.0,
        "batch_size": rung.batch,
        "learning_rate": stated,
        "minimum_learning_rate": _three(stated / 100),
        "encoder_learning_rate_factor": 1.0,
        "ema_decay": 0.99,
        "precision": "bfloat16" if half else "float32",
    }


def _with_memory(data: dict[str, Any], device: Device) -> dict[str, Any] | None:
    """The same with micro batches that fit into the device's memory; None where not even one image does."""
    run = _study(data).runs["sphere"]
    batch = run.recipe.batch_size
    largest = largest_batch(lambda count: _bytes(run, count), int(USABLE * device.memory), batch)
    if not largest:
        return None
    execution = {"micro_batch_size": 2 ** int(math.log2(largest))} if largest < batch else {}
    runs = {name: one | {"execution": execution} for name, one in data["runs"].items()}
    return data | {"runs": runs}


def _bytes(run: Run, batch: int) -> int:
    half = run.recipe.precision == "bfloat16"
    return training_bytes(run.architecture, run.loss, batch, half=half, checkpointing=False, processes=1)


def _timed(asked: Proposal) -> Proposal:
    """Epochs that fill the time, and samples that leave most of it to the training."""
    made = Plan("", asked.device, asked.utilisation, needs(asked.study, Path()), [])
    jobs = [(need, made.seconds(need)) for need in made.needs]
    training = {need.run: seconds for need, seconds in jobs if need.job == "train"}
    rest = sum(seconds for need, seconds in jobs if need.job != "train") / asked.lanes
    runs = asked.data["runs"]
    share = min(1.0, JUDGED * asked.budget / max(rest, 1e-9))
    count = max(min(FEWEST_SAMPLES, asked.look.images), int(share * runs["sphere"]["sampling"]["count"]))
    rest *= count / runs["sphere"]["sampling"]["count"]
    per_epoch = max(training.values()) if asked.lanes > 1 else sum(training.values())
    left = max(0.0, MARGIN * (asked.budget - START) - rest)
    epochs = _epochs(left / per_epoch, asked.look.images // asked.rung.batch)
    steps = max(1, round(epochs * (asked.look.images // asked.rung.batch)))
    changed = {name: _run(one, epochs, steps, count) for name, one in runs.items()}
    data = asked.data | {"runs": changed}
    seconds = START + (rest + epochs * per_epoch) / MARGIN
    pace = next(need.images for need in made.needs if need.job == "train") / training["sphere"]
    return replace(asked, data=data, study=_study(data), steps=steps, seconds=seconds, pace=pace)


def _epochs(affordable: float, steps_per_epoch: int) -> float:
    """Whole epochs where there are several; at least one step."""
    if affordable >= 4:
        return float(min(MOST_EPOCHS, math.floor(affordable)))
    return max(math.floor(100 * affordable) / 100, math.ceil(100 / steps_per_epoch) / 100)


def _run(run: Mapping[str, Any], epochs: float, steps: int, count: int) -> dict[str, Any]:
    """One run with its length, and what follows from it: near the demo's and the paper's at theirs."""
    warm_up = _three(min(10.0, epochs / 16))
    decay = min(0.9997, max(0.9, round(1 - 5 / steps, 4)))
    length = {"epochs": epochs, "warmup_epochs": warm_up, "ema_decay": decay}
    if steps >= 30_000:
        length |= {"encoder_learning_rate_factor": 0.1}
    return {
        **run,
        "training": run["training"] | length,
        "sampling": run["sampling"] | {"count": count},
    }


def _study(data: Mapping[str, Any]) -> Study:
    return parse(Study, data, "the proposed study")


def _three(value: float) -> float:
    """Three significant digits."""
    return float(f"{value:.3g}")
