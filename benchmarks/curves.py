"""Does what computes faster train the same? Curves of loss from the same draws, each way to compute.

Usage: curves.py [--study params/demo.yaml --run digits --steps 300]

The run's own recipe on the digits, from the same initial weights and with the same draws: `plain` as the
objective would be written down (see training.py), `eager` as the workflow computes on a CPU, `compiled` as it
computes long trainings; and `eager` with another seed, as a measure of what a training's chance moves. Writes
the losses to curves.csv beside this file, and docs/pictures/ways-to-compute.png.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import seaborn as sns
import torch
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

from sphere_repro.data.embedded import digits  # noqa: E402
from sphere_repro.data.loading import ImagesInMemory  # noqa: E402
from sphere_repro.figures import style  # noqa: E402
from sphere_repro.machine.allocator import keep_freed_memory  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.jobs import TrainJob, train_job  # noqa: E402
from training import Variant, plainly, variants, without_perceptual  # noqa: E402

OUT = Path(__file__).with_suffix(".csv")
PICTURE = ROOT / "docs/pictures/ways-to-compute.png"
OTHER_SEED = "eager, another seed"
WAYS = ("eager", "plain", "compiled", OTHER_SEED)
SMOOTHED = 10  # steps whose mean the left panel shows


def losses(job: TrainJob, images: ImagesInMemory, way: str, steps: int) -> list[float]:
    """The loss of each step, before it is taken."""
    if way == OTHER_SEED:
        job = job.model_copy(update={"seed": (*job.seed, "another")})
    execution = variants(job.training.batch_size)[way.partition(",")[0]]
    manner = plainly if way == "plain" else contextlib.nullcontext
    variant = Variant(job, images, execution, torch.device("cpu"), manner)
    found = []
    for _ in range(steps):
        variant.take_step()
        found.append(float(variant.row["loss"]))
    variant.stepper.close()
    torch.compiler.reset()
    return found


def relative(curves: Mapping[str, Sequence[float]], way: str) -> np.ndarray:
    """|difference from `eager`| over the loss of `eager`, by step."""
    eager = np.array(curves["eager"])
    return np.abs(np.array(curves[way]) - eager) / eager


@style.house()
def drawn(curves: Mapping[str, Sequence[float]]) -> Figure:
    """Losses, and how far each is from `eager`."""
    figure = style.figure(3.4)
    left, right = figure.subplots(1, 2)
    colours = style.colours(list(curves))
    for way, found in curves.items():
        mean = np.convolve(found, np.full(SMOOTHED, 1 / SMOOTHED), "valid")
        dashes = "--" if way == OTHER_SEED else "-"
        left.plot(np.arange(len(mean)) + SMOOTHED, mean, dashes, color=colours[way], label=way)
        if way != "eager":
            right.plot(np.arange(1, len(found) + 1), relative(curves, way), dashes, color=colours[way])
    left.set(xlabel="optimizer step", ylabel=f"loss, mean of {SMOOTHED} steps", yscale="log")
    right.set(xlabel="optimizer step", ylabel="|loss - eager's| / eager's", yscale="log")
    left.legend(frameon=False)
    sns.despine(fig=figure)
    style.plain_log_ticks(left)
    title = f"Ways to compute one training: {len(curves['eager'])} steps of the demo's digits"
    style.heading(
        figure, title, "From the same weights, images and draws; another seed shows what chance moves."
    )
    return figure


def written(curves: Mapping[str, Sequence[float]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow(["step", *curves])
        for step, values in enumerate(zip(*curves.values(), strict=True), 1):
            rows.writerow([step, *(f"{value:.7g}" for value in values)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--study", type=Path, default=ROOT / "params/demo.yaml")
    parser.add_argument("--run", default="digits")
    parser.add_argument("--steps", type=int, default=300)
    asked = parser.parse_args()
    keep_freed_memory()  # as the command line does
    torch.set_num_threads(1)
    whole = train_job(load_study(asked.study), asked.run)
    job = without_perceptual(whole, whole.training.batch_size)
    pixels, labels = digits()
    images = ImagesInMemory(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels))
    curves = {way: losses(job, images, way, asked.steps) for way in WAYS}
    written(curves, OUT)
    PICTURE.write_bytes(style.png(drawn(curves)))
    for way in WAYS[1:]:
        apart = relative(curves, way)
        print(f"{way}: at most {apart.max():.2g} of the loss, {apart[-SMOOTHED:].mean():.2g} at the end")


if __name__ == "__main__":
    main()
