"""A tiny finished study, and good commands of every verb that tests spoil."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from sphere_repro.cli import main
from sphere_repro.data.archive_writing import image_name
from sphere_repro.study import jobs
from sphere_repro.study.config import load_study

SIZE = {"width": 16, "layers": 1, "heads": 2}
MODEL = {
    "encoder": SIZE,
    "decoder": SIZE,
    "pixel_head": "conv",
    "encoder_mixer_depth": 1,
    "decoder_mixer_depth": 1,
}
TRAINING = {
    "epochs": 2,
    "warmup_epochs": 0.1,
    "batch_size": 16,
    "learning_rate": 8e-3,
    "precision": "float32",
    "ema_decay": 0.9,
}
STUDY: dict[str, Any] = {
    "study": "test",
    "runs": {
        "digits": {
            "dataset": {"name": "digits"},
            "model": MODEL,
            "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
            "training": TRAINING,
            "sampling": {"count": 24, "batch_size": 8, "generations": [{"steps": 1}, {"steps": 2}]},
        },
        "digits-vae": {
            "dataset": {"name": "digits"},
            "model": MODEL | {"kind": "vae"},
            "loss": {"pix_recon_perceptual": 0, "kl": 1e-4},
            "training": TRAINING,
            "sampling": {"count": 24, "batch_size": 8},
            "baseline_of": "digits",
        },
    },
    "score": {
        "extractor": "efficientnet-lite0",
        "reference_count": 32,
        "kid_subsets": 5,
        "kid_subset_size": 10,
        "jackknife_groups": 4,
    },
    "uniformity": {"count": 48, "null_draws": 20},
}
SETS = ("reconstruction", "generation-1", "generation-2-fixed-shared")
OLD = b"what was here before"
OLDER = ("a.zip", "a.safetensors", "a.csv", "a.npz", "a.json", "a.png")
INTERRUPTED = "sphere-repro: interrupted. The same command takes up the work again.\n"


class Bench:
    """A finished tiny study in a folder, and the command line beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study = folder / "study.yaml"
        self.data = folder / "digits.zip"
        self.model = folder / "digits" / "model.safetensors"
        self.vae = folder / "digits-vae" / "model.safetensors"
        self.reference = folder / "reference.npz"
        self.scores = folder / "digits" / "scores.json"
        self.curves = folder / "digits" / "training.csv"
        self.latents = folder / "digits" / "latents.npz"
        self.uniformity = folder / "digits" / "uniformity.json"
        self.out = folder / "out"

    def samples(self, run: str = "digits") -> list[Path]:
        return sorted((self.folder / run / "samples").glob("*.zip"))

    def set(self, name: str) -> Path:
        return self.folder / "digits" / "samples" / f"{name}.zip"

    def own_reference(self) -> Path:
        """The reference as a file of its own, which may be spoilt."""
        whole = self.reference.read_bytes()
        self.reference.unlink()
        self.reference.write_bytes(whole)
        return self.reference

    def with_study(self, change: Callable[[dict[str, Any]], object]) -> Path:
        """The study's file, changed."""
        study = yaml.safe_load(self.study.read_text())
        change(study)
        self.study.write_text(yaml.safe_dump(study))
        return self.study

    def command(self, verb: str, **changes: Any) -> list[str]:
        """A good command of `verb`; `changes` replace option values (None: the option is left out)."""
        out = self.out
        job = {"study": self.study, "run": "digits"}
        options: dict[str, dict[str, Any]] = {
            "prepare": {**job, "out": out / "a.zip"},
            "train": {
                **job,
                "data": self.data,
                "out": out / "a.safetensors",
                "curves": out / "a.csv",
                "state": out / "state",
            },
            "sample": {**job, "set": SETS[1], "data": self.data, "model": self.model, "out": out / "a.zip"},
            "encode": {**job, "data": self.data, "model": self.model, "out": out / "a.npz"},
            "reference": {**job, "data": self.data, "out": out / "a.npz"},
            "score": {
                **job,
                "data": self.data,
                "reference": self.reference,
                "sets": self.samples(),
                "out": out / "a.json",
            },
            "uniformity": {**job, "latents": self.latents, "out": out / "a.json"},
            "figure": {"out": out / "a.png"},
            "table": {"out": out / "a.csv"},
            "claims": {"scores": [self.scores], "uniformity": [self.uniformity], "out": out / "a.json"},
            "generate": {"count": 3, "steps": 2},
            "check": {},
            "plan": {"device": "h100"},
        }
        places: dict[str, list[Any]] = {
            "figure": ["training-curves", f"digits={self.curves}"],
            "table": [self.scores],
            "generate": [self.model, out / "a.zip"],
            "check": [self.study],
            "plan": [self.study],
        }
        if "places" in changes:
            places[verb] = changes.pop("places")
        words = [verb, *places.get(verb, [])]
        for name, value in (options[verb] | changes).items():
            if value is not None:
                words += [f"--{name}", *(value if isinstance(value, list) else [value])]
        return [str(word) for word in words]

    def run(self, verb: str, **changes: Any) -> int:
        return main(self.command(verb, **changes))


VERBS = (
    *("prepare", "train", "sample", "encode", "reference", "score", "uniformity"),
    *("figure", "table", "claims", "generate"),
)


def contents(folder: Path) -> dict[str, Any]:
    """Every file's bytes, or the time of the last change of a large one."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        if path.stat().st_size > 10**6
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def in_run(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(study: dict[str, Any]) -> None:
        place = study["runs"]["digits"]
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value

    return change


def job_text(bench: Bench, **changes: Any) -> str:
    job = json.loads(jobs.as_text(jobs.train_job(load_study(bench.study), "digits")))
    for path, value in changes.items():
        place = job
        *parents, last = path.split("__")
        for parent in parents:
            place = place[parent]
        place[last] = value
    return json.dumps(job)


def spoil(path: Path, kept: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if 0 < kept < 1 else int(kept)])


def archive_of(path: Path, images: list[Any], labels: Any = ...) -> None:
    """An archive of PIL images or raw bytes; labels count from 0 to 9 unless given."""
    rows = [[image_name(index), index % 10] for index in range(len(images))] if labels is ... else labels
    with zipfile.ZipFile(path, "w") as archive:
        for index, image in enumerate(images):
            buffer = io.BytesIO()
            if isinstance(image, bytes):
                buffer.write(image)
            else:
                image.save(buffer, "PNG")
            archive.writestr(image_name(index), buffer.getvalue())
        archive.writestr("dataset.json", json.dumps({"labels": rows}))


def picture(mode: str = "RGB", side: int = 8) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return Image.fromarray(noise).convert(mode)
