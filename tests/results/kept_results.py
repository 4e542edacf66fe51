"""Small result folders, as a run writes them, for tests that hold two against each other."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sphere_repro.results.result_tree import CLAIMS, TABLE

METRIC = "frechet-efficientnet-lite0-128px-bicubic"
CLAIM = "few-steps-beat-one"


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def scores(run: str, name: str, distance: float, replicate: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "study": "demo",
        "run": run,
        "replicate": replicate,
        "set": name,
        "metric": METRIC,
        "count": 100,
        "frechet": distance,
        "frechet_se": 1.0,
        "psnr": "",
        "code": "abc",
        "code_changed": "",
    } | more


def record(result: str, content: str, **changes: Any) -> dict[str, Any]:
    machine = {"processor": "A", "system": "Linux 1", "instructions": "AVX2", "threads": 1}
    return {
        "files": {result: content},
        "parameters": {"seed": 0},
        "code": {"sha256": "c0de"},
        "versions": {"torch": "2"},
        "machine": machine,
        "device": "cpu",
        "inputs": {"data": {"path": "data.zip", "sha256": "da7a"}},
    } | changes


def write_results(folder: Path, rows: Sequence[Mapping[str, Any]] = (), verdict: str = "holds") -> Path:
    """Two sets of one run, a claim, a figure, the records of a model and of its sets."""
    rows = rows or [
        scores("digits", "generation-1", 170.0),
        scores("digits", "generation-4", 140.0, psnr=20.5),
    ]
    write_rows(folder / TABLE, rows)
    write_rows(folder / CLAIMS, [{"claim": CLAIM, "run": "digits", "metric": METRIC, "verdict": verdict}])
    points = [{"": 0, "set": "1 step", "x": 1.5}, {"": 1, "set": "1 step", "x": 2.5}]
    write_rows(folder / "figures/refinement.csv", points)
    write_rows(folder / "tables/uniformity.csv", [{"run": "digits", "cloud": "latents", "mean cosine": 0.2}])
    write_rows(folder / "tables/scores-digits.csv", [{"run": "digits", "distance": 170.0}])
    home = folder / "demo/digits"
    (home / "samples").mkdir(parents=True)
    (home / "model.json").write_text(json.dumps(record("model.safetensors", "m0")))
    (home / "samples/generation-1.json").write_text(json.dumps(record("generation-1.zip", "s0")))
    return folder
