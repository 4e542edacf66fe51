"""How far images drawn in lower precision are from float32, and how fast they are drawn.

Usage: sampling.py NAME=MODEL.safetensors [--reference STATISTICS.npz] [--count 200] [--device cpu] …

For each model: the same samples (same noise, same classes) of one step and of four in every precision that
the device has, held against those in float32: PSNR in dB (mean over images, and the worst image), the mean
difference in grey levels, images per second (on a busy machine they say little: `load_before`); with the
reference statistics of a study, the Fréchet distance with its standard error too. Adds a row for each model
and device to sampling.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.data.archive import ImageArchive  # noqa: E402
from sphere_repro.data.archive_writing import write_archive  # noqa: E402
from sphere_repro.machine.files import read_json  # noqa: E402
from sphere_repro.metrics.features import extract, make_extractor  # noqa: E402
from sphere_repro.metrics.frechet import FrechetReference, frechet_estimate  # noqa: E402
from sphere_repro.metrics.statistics import jackknife_groups, load_statistics  # noqa: E402
from sphere_repro.models.checkpoint import load_model  # noqa: E402
from sphere_repro.sampling import precision, refine  # noqa: E402
from sphere_repro.sampling.painting import generations  # noqa: E402
from sphere_repro.study.generation import Generation, Precision  # noqa: E402

STEPS = (1, 4)


def precisions(device: torch.device) -> tuple[Precision, ...]:
    """What the device has, float32 first."""
    return ("float32", "tf32", "bfloat16") if device.type == "cuda" else ("float32", "bfloat16")


def drawn(
    model: Path, kind: Precision, steps: int, batches: list[range], device: torch.device
) -> tuple[np.ndarray, float]:
    """Images uint8 (N, H, H, 3) and the seconds that they took; the model is loaded before."""
    with precision.computing(kind, device):
        checkpoint = load_model(model, "raw", device)
        precision.lower(checkpoint.model, kind)
        classes = checkpoint.model.shape.classes
        labels = np.arange(batches[-1].stop) % classes if classes else None
        paint = generations(checkpoint, (0, "benchmark"), Generation(steps=steps), labels)
        paint(batches[0][:2])  # the first call of a kernel is slow
        began = time.perf_counter()
        images = [refine.to_bytes(paint(indices)).numpy() for indices in batches]
        return np.concatenate(images), time.perf_counter() - began


def apart(images: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """PSNR and mean difference; an image without any error counts as one grey level off in one number."""
    difference = images.astype(float) - exact
    least = 1 / difference[0].size
    errors = np.maximum((difference**2).mean((1, 2, 3)), least)
    found = 10 * np.log10(255**2 / errors)
    return {
        "psnr_db": round(float(found.mean()), 2),
        "worst_psnr_db": round(float(found.min()), 2),
        "mean_difference": round(float(np.abs(difference).mean()), 4),
    }


def distance(images: np.ndarray, reference: Path | None) -> dict[str, float]:
    """Fréchet distance to a study's reference, by the extractor of that; nothing without one."""
    if reference is None:
        return {}
    extractor = make_extractor(read_json(reference.with_suffix(".json"))["extractor"])
    with tempfile.TemporaryDirectory() as folder:
        write_archive(Path(folder, "a.zip"), images, None)
        features = extract(ImageArchive(Path(folder, "a.zip")), extractor, batch_size=64)
    groups = jackknife_groups(len(images), 10, np.random.default_rng(0))
    compared = FrechetReference.of(load_statistics(reference))
    found = frechet_estimate(compared, features, groups)
    return {"frechet": round(found.value, 3), "frechet_se": round(found.standard_error, 3)}


def measured(
    model: Path, count: int, batch: int, device: torch.device, reference: Path | None = None
) -> dict[str, Any]:
    """By steps and precision: how far from float32, and how fast."""
    batches = [range(start, min(start + batch, count)) for start in range(0, count, batch)]
    report: dict[str, Any] = {}
    for steps in STEPS:
        found = {kind: drawn(model, kind, steps, batches, device) for kind in precisions(device)}
        exact, _ = found["float32"]
        report[f"{steps} step{'s' if steps > 1 else ''}"] = {
            kind: {"images_per_second": round(count / seconds, 2)}
            | (apart(images, exact) if kind != "float32" else {})
            | distance(images, reference)
            for kind, (images, seconds) in found.items()
        }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="NAME=MODEL.safetensors")
    parser.add_argument("--reference", type=Path, help="of the models' study, with its JSON beside it")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device = torch.device(asked.device)
    path = Path(__file__).with_suffix(".json")
    report = json.loads(path.read_text()) if path.exists() else {}
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"this CPU, {asked.threads} threads"
    for item in asked.models:
        name, _, model = item.partition("=")
        report[f"{name}, {on}"] = {
            "count": asked.count,
            "batch": asked.batch,
            "torch": torch.__version__,
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "load_before": round(os.getloadavg()[0], 2),
            "by_steps": measured(Path(model), asked.count, asked.batch, device, asked.reference),
        }
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(path.read_text(), end="")


if __name__ == "__main__":
    main()
