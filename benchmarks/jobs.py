"""What jobs of the workflow cost besides their work: CPU seconds. Usage: jobs.py [repeats]

In a temporary folder, with the smoke study's digits and an untrained model: sample sets drawn by a job each
and by one job; four figures with their notebooks likewise; and Snakemake's dry run of studies of 50 and 500
runs, which mostly says what Snakemake takes. Variants take turns. Writes jobs.json beside this file.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
VERB = [sys.executable, "-m", "sphere_repro"]
STEPS = (1, 2, 4)  # with the reconstructions, four sets
FIGURES = 4
RUNS = (50, 500)
CURVES = "step,epoch,learning_rate,grad_norm,loss,kl\n1,1,1,1,2,0.5\n2,2,1,1,1,0.25\n"


def cpu_seconds(folder: Path, *commands: list[str]) -> float:
    """User and system time of commands that must succeed, one after another, and of their children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    variables = {"PYTHONPATH": str(ROOT / "src"), "JUPYTER_PATH": str(ROOT / "workflow/jupyter")}
    for command in commands:
        subprocess.run(command, cwd=folder, env=os.environ | variables, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def a_study(folder: Path) -> list[str]:
    """A study, a model of its digits and their archive in `folder`; the options that name the latter two."""
    import torch

    from sphere_repro.models.autoencoder import build
    from sphere_repro.models.checkpoint import save_model
    from sphere_repro.study.config import load_study

    raw = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
    raw["runs"]["digits"]["sampling"]["generations"] = [{"steps": steps} for steps in STEPS]
    (folder / "study.yaml").write_text(yaml.safe_dump(raw))
    shape = load_study(folder / "study.yaml").runs["digits"].architecture
    state = build(shape, generator=torch.Generator().manual_seed(0)).state_dict()
    save_model(folder / "model.safetensors", state, state, shape, 85.0)
    cpu_seconds(folder, [*VERB, "prepare", "--study", "study.yaml", "--run", "digits", "--out", "data.zip"])
    return ["--model", "model.safetensors", "--data", "data.zip"]


def sampling(folder: Path) -> dict[str, Callable[[], float]]:
    """Ways to draw the sets of a run."""
    from sphere_repro.study.config import load_study

    files = a_study(folder)
    asked = ["--study", "study.yaml", "--run", "digits", *files]
    sets = load_study(folder / "study.yaml").runs["digits"].sets

    def anew() -> None:
        for name in ("alone", "together", ".state"):
            shutil.rmtree(folder / name, ignore_errors=True)

    def alone() -> float:
        anew()
        commands = [[*VERB, "sample", *asked, "--set", name, "--out", f"alone/{name}.zip"] for name in sets]
        return cpu_seconds(folder, *commands)

    def together() -> float:
        anew()
        return cpu_seconds(folder, [*VERB, "samples", *asked, "--folder", "together"])

    return {f"{len(sets)} sets, a job each": alone, f"{len(sets)} sets, one job": together}


def drawing(folder: Path) -> dict[str, Callable[[], float]]:
    """Ways to draw figures and run their notebooks: training curves, whose drawing takes as long as most."""
    from sphere_repro.study.figures_job import FigureJob, FiguresJob

    (folder / "curves.csv").write_text(CURVES)
    curves = {"digits": "curves.csv"}
    figures = [FigureJob(kind="training-curves", subject=str(n), inputs=curves) for n in range(FIGURES)]
    notebooks = ROOT / "notebooks"

    def alone() -> float:
        return cpu_seconds(folder, *(by_itself(figure) for figure in figures))

    def by_itself(figure: FigureJob) -> list[str]:
        inputs = [f"{name}={path}" for name, path in figure.inputs.items()]
        source, executed = notebooks / f"{figure.kind}.ipynb", f"drawn-alone/notebooks/{figure.name}.ipynb"
        named = ["--subject", figure.subject, "--out", f"drawn-alone/figures/{figure.name}.png"]
        return [
            *(*VERB, "figure", figure.kind, *inputs, *named),
            *("--notebook", str(source), "--executed", executed),
        ]

    def together() -> float:
        job = ["--job", FiguresJob(figures=figures).as_text()]
        places = ["--notebooks", str(notebooks), "--folder", "drawn-together"]
        return cpu_seconds(folder, [*VERB, "figures", *job, *places])

    return {"figures and notebooks, a job each": alone, "figures and notebooks, one job": together}


def planning(folder: Path) -> dict[str, Callable[[], float]]:
    """Dry runs of large studies, in a clone of the last commit."""
    checkout = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(checkout)], check=True)
    return {f"dry run, {runs} runs": dry_run(checkout, runs) for runs in RUNS}


def dry_run(checkout: Path, runs: int) -> Callable[[], float]:
    """The dry run of the smoke study with its digits so many times, each with another learning rate."""
    study = yaml.safe_load((checkout / "params/smoke.yaml").read_text())
    run = study["runs"]["digits"]
    study |= {"study": f"many-{runs}", "figures": []}
    study["runs"] = {
        f"digits-{number}": run | {"training": run["training"] | {"learning_rate": 1e-3 + number * 1e-6}}
        for number in range(runs)
    }
    path = checkout / f"params/many-{runs}.yaml"
    path.write_text(yaml.safe_dump(study))
    program = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        str(path),
        "--cores",
        "2",
        "-n",
        "-q",
        "all",
    ]
    return lambda: cpu_seconds(checkout, program)


def measured(variants: dict[str, Callable[[], float]], repeats: int) -> dict[str, dict[str, float]]:
    """Median and least CPU seconds of each variant."""
    turns = [{name: variant() for name, variant in variants.items()} for _ in range(repeats)]
    times = {name: [turn[name] for turn in turns] for name in variants}
    return {
        name: {"median": round(statistics.median(found), 2), "least": round(min(found), 2)}
        for name, found in times.items()
    }


def main(repeats: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        variants = sampling(Path(place)) | drawing(Path(place)) | planning(Path(place))
        report: dict[str, Any] = {
            "machine": {
                "cores": os.cpu_count(),
                "processor": platform.machine(),
                "python": platform.python_version(),
            },
            "load_before": os.getloadavg()[0],
            "repeats": repeats,
            "cpu_seconds": measured(variants, repeats),
        }
    text = json.dumps(report, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
