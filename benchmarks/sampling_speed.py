"""Images per CPU second of sampling, beside the plain form. Usage: sampling_speed.py [--study S --run R] …

Four steps of a study's model on one thread, by batch. `plain` is sampling as one would write it down: no
gradients, positions as sines and cosines, memory as the system gives it; `ours` is what the workflow runs,
with the same images. Processes of the two take turns. Adds a row to sampling_speed.json beside this file,
with the share of the time that matrix products take: what they take, no rewriting of the rest can save.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.machine.allocator import keep_freed_memory  # noqa: E402
from sphere_repro.models.autoencoder import build  # noqa: E402
from sphere_repro.models.checkpoint import Checkpoint  # noqa: E402
from sphere_repro.models.layers import Attention, rotate  # noqa: E402
from sphere_repro.sampling import refine  # noqa: E402
from sphere_repro.sampling.painting import Paint, generations  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.generation import Generation  # noqa: E402
from sphere_repro.study.jobs import train_job  # noqa: E402

OUT = Path(__file__).with_suffix(".json")
VARIANTS = ("plain", "ours")
PRODUCTS = ("aten::addmm", "aten::mm", "aten::bmm", "aten::mkldnn_convolution")


def plain_positions(attention: Attention, qk: Tensor) -> Tensor:
    return torch.stack([rotate(part, attention.cosines, attention.sines) for part in qk])


def painted(study: Path, run: str) -> Paint:
    """What draws four steps of a run's architecture, with weights of noise."""
    shape = train_job(load_study(study), run).architecture
    generator = torch.Generator().manual_seed(0)
    model = build(shape, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():  # a new model's heads are zero: one grey image
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    labels = np.arange(2**16) % shape.classes if shape.classes else None
    checkpoint = Checkpoint(model.eval().requires_grad_(False), 80.0, None)
    return generations(checkpoint, (0, "benchmark"), Generation(steps=4), labels)


def work(variant: str, study: Path, run: str, batches: list[int], count: int) -> dict[str, Any]:
    """In a process of its own: CPU seconds of `count` images by batch, and a digest of the last ones."""
    torch.set_num_threads(1)
    if variant == "ours":
        keep_freed_memory()
    plainly = mock.patch.object(Attention, "_placed", plain_positions)
    with plainly if variant == "plain" else contextlib.nullcontext():
        paint, seconds = painted(study, run), {}
        for batch in batches:
            paint(range(batch))  # the first call of a kernel is slow
            began = time.process_time()
            for start in range(0, max(count, batch), batch):
                images = refine.to_bytes(paint(range(start, start + batch)))
            seconds[batch] = (time.process_time() - began) / max(count, batch)
        return {"seconds": seconds, "sum": int(images.sum()), "products": products(paint, batches[-1])}


def products(paint: Paint, batch: int) -> float:
    """Share of the CPU time that matrix products and convolutions take."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        paint(range(batch))
    times = {row.key: row.self_cpu_time_total for row in profiler.key_averages()}
    return sum(times.get(name, 0) for name in PRODUCTS) / sum(times.values())


def measured(study: Path, run: str, batches: list[int], count: int, rounds: int) -> dict[str, Any]:
    """By batch: images per CPU second of each variant and ours over plain, medians over rounds."""
    found: dict[str, list[dict[str, Any]]] = {variant: [] for variant in VARIANTS}
    for _ in range(rounds):
        for variant in VARIANTS:
            order = json.dumps([variant, str(study), run, batches, count])
            told = subprocess.run(
                [sys.executable, __file__, "--work", order], check=True, stdout=subprocess.PIPE
            )
            found[variant].append(json.loads(told.stdout.splitlines()[-1]))
    rows = {}
    for batch in batches:
        plain, ours = (
            statistics.median(each["seconds"][str(batch)] for each in found[variant]) for variant in VARIANTS
        )
        rows[str(batch)] = {"plain": round(1 / plain, 1), "ours": round(1 / ours, 1), "ratio": plain / ours}
    return {
        "images_per_cpu_second": rows,
        "products": statistics.median(each["products"] for each in found["ours"]),
        "same_images": len({each["sum"] for each in found["plain"] + found["ours"]}) == 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, default=ROOT / "params/demo.yaml")
    parser.add_argument("--run", default="digits")
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 64, 256, 512])
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    row = measured(asked.study, asked.run, asked.batches, asked.count, asked.rounds)
    for each in row["images_per_cpu_second"].values():
        each["ratio"] = round(each["ratio"], 3)
    row["products"] = round(row["products"], 3)
    report = json.loads(OUT.read_text()) if OUT.is_file() else {}
    name = f"{load_study(asked.study).study}/{asked.run}"
    report[name] = {"rounds": asked.rounds, "load_before": round(load, 2), **row}
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(OUT.read_text(), end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        variant, study, *rest = json.loads(sys.argv[2])
        print(json.dumps(work(variant, Path(study), *rest)))
    else:
        main()
