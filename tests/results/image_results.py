"""Made-up image sets of runs, for tests of claims on them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphere_repro.data.archive_writing import write_archive

SIDE, PASSES = 8, 12
Axes = Sequence[tuple[str, Sequence[Any]]]
Values = NDArray[np.float64]


def pictures(count: int, seed: int = 0) -> Values:
    """(count, H, H, 3) of middling grey levels."""
    return np.random.default_rng(seed).uniform(60, 190, (count, SIDE, SIDE, 3))


def images_record(folder: Path, run: str, kind: str, sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """The images.json of a run on the digits; `sets`: as its job lists them, by key."""
    words = {"edits": "edit", "crossovers": "crossover", "interpolations": "interpolation"}
    words |= {"reconstructions": "reconstruction"}
    names = [f"{words[key]}-{each['name']}" for key, listed in sets.items() for each in listed]
    job = {"seed": 0, "run": run, "kind": kind, "dataset": {"name": "digits", "resolution": 8}}
    job |= {"weights": "ema", "batch_size": 8, **sets}
    path = folder / run / "images.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"sets": dict.fromkeys(names, 1), "job": job}))
    return path


def write_images(record: Path, name: str, axes: Axes, images: Values, **more: Any) -> None:
    """A set beside the record of its run; images of grey levels, one leading axis for each of `axes`."""
    folder = record.with_suffix("")
    folder.mkdir(exist_ok=True)
    flat = images.reshape(-1, SIDE, SIDE, 3).round().clip(0, 255).astype(np.uint8)
    write_archive(folder / f"{name}.zip", flat, None)
    settings = {"strength": 0.0, "later_noise": "shared", "negatives": False} | more.pop("settings", {})
    about = {"axes": [[key, list(along)] for key, along in axes], "parameters": {"settings": settings}}
    about |= {"measures": {}, "begins_with": ["a", "b"]} | more
    (folder / f"{name}.json").write_text(json.dumps(about))


def looped(
    inputs: Values,
    growth: float,
    left: float,
    passes: int = PASSES,
    first: float = 20.0,
    spread: float = 0.02,
) -> Values:
    """(n, passes + 1, H, H, 3): inputs that are `first` grey levels off after one pass and about `growth`
    times that after the last, which changes about `left` times what the first one does."""
    generator = np.random.default_rng(5)
    signs = generator.choice([-1.0, 1.0], inputs.shape)
    growths, lefts = ([each * (1 + spread * generator.normal(size=len(inputs)))] for each in (growth, left))
    before = np.linspace(1, growths[0] - lefts[0], passes - 1)  # (passes - 1, n)
    along = np.concatenate([np.zeros((1, len(inputs))), before, growths])
    firsts = first * (1 + 10 * spread * np.linspace(0, 1, len(inputs)))  # or all would be rounded alike
    moved = (firsts * along).T[..., None, None, None] * signs[:, None]
    return inputs.round()[:, None] + moved


def edited(inputs: Values, kept: float, classes: int = 2, steps: int = 3) -> Values:
    """(2 schemes, classes, n, steps + 1, H, H, 3): of the inputs a share `kept` is left after every step."""
    noise = np.stack([pictures(len(inputs), 100 + number) for number in range(2 * classes)])
    after = kept * inputs + (1 - kept) * noise
    after = after.reshape(2, classes, *inputs.shape)
    return np.stack([np.broadcast_to(inputs, after.shape), *([after] * steps)], axis=3)


def speeds(paths: int, points: int, jump: float, seed: int = 0) -> list[dict[str, Any]]:
    """Of each path: latents that move evenly, and encodings of which one step is `jump` times as fast."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(paths):
        encoding = 1 + 0.05 * generator.random(points - 1)
        encoding[generator.integers(points - 1)] *= jump
        found.append({"encoding": encoding.tolist(), "latent": [1.0] * (points - 1), "pixels": [1.0]})
    return found
