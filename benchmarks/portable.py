"""What `execution.portable` costs, and whether it keeps its promise.

Usage: portable.py [repeats] [EMULATOR …]

Trains the demo's digits for four epochs with each setting in turn, and prints the medians of the CPU seconds
over those of libraries that choose for themselves. Beside `portable` stands what else was tried: MKL's AVX2
mode, which costs less, but in which narrow products depend on the processor's maker.

Each EMULATOR is a command that runs a program as another processor would, e.g. "qemu-x86_64 -cpu Haswell": a
few steps of the digits and of their VAE, and images drawn, here and there, are then compared bit by bit
(minutes each). Writes portable.json beside this file.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.machine.portable import SWITCH, VARIABLES  # noqa: E402

SETTINGS: dict[str, dict[str, str]] = {
    "own choice": {},
    "portable": {SWITCH: "1"},
    "portable, but MKL's AVX2 mode": {SWITCH: "1", "MKL_CBWR": "AVX2,STRICT"},
}
EPOCHS, FEW = 4.0, 0.1  # of the timed training, and of an emulated one: six steps
RUNS = ("digits", "digits-vae")


def study(folder: Path, epochs: float) -> Path:
    """The demo's study with trainings of so many epochs, and few images."""
    content = yaml.safe_load((ROOT / "params/demo.yaml").read_text())
    runs = {name: content["runs"][name] for name in RUNS}
    for run in runs.values():
        run["training"] |= {"epochs": epochs, "warmup_epochs": epochs / 10}
        run["sampling"] = {"count": 64}
    path = folder / f"study-{epochs:g}.yaml"
    path.write_text(yaml.safe_dump(content | {"runs": runs, "figures": ["samples"]}))
    return path


def python(arguments: Sequence[str], setting: Mapping[str, str], emulator: Sequence[str] = ()) -> None:
    """Run the package in one process; an emulator takes the interpreter itself, without its environment."""
    plain = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, SWITCH)}
    places = [str(ROOT / "src"), *([sysconfig.get_path("purelib")] if emulator else [])]
    program = os.path.realpath(sys.executable) if emulator else sys.executable
    subprocess.run(
        [*emulator, program, "-m", "sphere_repro", *arguments],
        cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env=plain | setting | {"PYTHONPATH": os.pathsep.join(places), "PYTHONNOUSERSITE": "1"},
    )  # fmt: skip


def train(
    folder: Path, run: str, epochs: float, setting: Mapping[str, str], emulator: Sequence[str] = ()
) -> Path:
    """A model, trained anew from `folder`'s archive."""
    with tempfile.TemporaryDirectory(dir=folder) as new:
        model = folder / f"{run}.safetensors"
        python(
            [
                *("train", "--study", str(study(folder, epochs)), "--run", run),
                *("--data", str(folder / "data.zip"), "--out", str(model)),
                *("--curves", f"{new}/curves.csv", "--state", f"{new}/state"),
            ],
            setting,
            emulator,
        )
    return model


def cpu_seconds(folder: Path, epochs: float, setting: Mapping[str, str]) -> float:
    """Of one training with its start."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    train(folder, RUNS[0], epochs, setting)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def costs(folder: Path, repeats: int, epochs: float) -> dict[str, dict[str, float]]:
    """Median CPU seconds of each setting, and how they compare with libraries of their own choice."""
    turns = [
        {name: cpu_seconds(folder, epochs, setting) for name, setting in SETTINGS.items()}
        for _ in range(repeats)
    ]
    medians = {name: statistics.median(turn[name] for turn in turns) for name in SETTINGS}
    least = medians["own choice"]
    return {
        name: {"cpu_seconds": round(found, 2), "over_own_choice": round(found / least, 3)}
        for name, found in medians.items()
    }


def bits(folder: Path, setting: Mapping[str, str], emulator: Sequence[str] = ()) -> dict[str, str]:
    """SHA-256 of two models after a few steps, and of images that the first draws."""
    found = {run: train(folder, run, FEW, setting, emulator) for run in RUNS}
    images = folder / "images.zip"
    images.unlink(missing_ok=True)
    python(["generate", str(found[RUNS[0]]), str(images), "--count", "32", "--steps", "2"], setting, emulator)
    files = {**found, "images": images}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in files.items()}


def main(repeats: int, emulators: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = ["--study", str(study(folder, EPOCHS)), "--run", RUNS[0]]
        python(["prepare", *options, "--out", str(folder / "data.zip")], {})
        report: dict[str, Any] = {
            "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
            "load_before": os.getloadavg()[0],
            "repeats": repeats,
            "training": costs(folder, repeats, EPOCHS),
        }
        for setting in ("portable", "portable, but MKL's AVX2 mode") if emulators else ():
            here = bits(folder, SETTINGS[setting])
            there = {words: bits(folder, SETTINGS[setting], shlex.split(words)) for words in emulators}
            report.setdefault("same_bits", {})[setting] = {
                words: {name: found[name] == here[name] for name in here} for words, found in there.items()
            }
    text = json.dumps(report, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2:])
