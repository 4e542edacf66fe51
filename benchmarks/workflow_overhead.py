"""What the two workflow tools cost when there is nothing to do. Usage: workflow_overhead.py [repeats]

In a temporary clone: the smoke study is run once, then no-op `snakemake` and no-op `dvc repro` are timed
beside the mere start of each tool; then `snakemake -n` on a generated study of 500 runs. Writes
workflow_overhead.json beside this file.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
RUNS = 500
SNAKEMAKE = ["snakemake", "--configfile", "params/smoke.yaml", "--cores", "2"]


def seconds(folder: Path, *command: str) -> float:
    """Wall time of a command that must succeed."""
    began = time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": "src"}, check=True, capture_output=True
    )
    return time.perf_counter() - began


def checkout(folder: Path) -> Path:
    """A clone of the last commit whose default study is the smoke study."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    for name in ("dvc.yaml", "workflow/rules/common.smk"):
        text = (folder / name).read_text().replace("params/demo.yaml", "params/smoke.yaml")
        (folder / name).write_text(text.replace(", photo-patches-16px]", "]"))
    return folder


def many_runs(folder: Path) -> str:
    """A study of 500 runs: the smoke study's, with seeds of their own in their learning rates."""
    study = yaml.safe_load((folder / "params/smoke.yaml").read_text())
    run = study["runs"]["digits"]
    study |= {"study": "many", "figures": []}
    study["runs"] = {
        f"digits-{number}": run | {"training": run["training"] | {"learning_rate": 1e-3 + number * 1e-6}}
        for number in range(RUNS)
    }
    (folder / "params/many.yaml").write_text(yaml.safe_dump(study))
    return "params/many.yaml"


def main(repeats: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = checkout(Path(place) / "clone")
        seconds(folder, *SNAKEMAKE)
        seconds(folder, "dvc", "repro", "-q")
        many = many_runs(folder)
        commands = {
            "snakemake --version": ["snakemake", "--version"],
            "snakemake, nothing to do": SNAKEMAKE,
            "dvc --version": ["dvc", "--version"],
            "dvc repro, nothing to do": ["dvc", "repro", "-q"],
            f"snakemake -n, {RUNS} runs": [
                "snakemake",
                "--configfile",
                many,
                "--cores",
                "2",
                "-n",
                "-q",
                "all",
            ],
        }
        times = {
            name: [seconds(folder, *command) for _ in range(repeats)] for name, command in commands.items()
        }
    report = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
        },
        "load_before": os.getloadavg()[0],
        "seconds": {
            name: {"median": round(statistics.median(found), 2), "least": round(min(found), 2)}
            for name, found in times.items()
        },
    }
    text = json.dumps(report, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
