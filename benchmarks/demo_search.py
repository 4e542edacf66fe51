"""What the demo's time buys with other sizes, rates, angles and weights: a search by the workflow itself.

Usage: demo_search.py [--table benchmarks/demo_search.yaml] [--only NAME …] [--cores 2] [--seed 0]

Each variant of the table is a run of one study: one training, 1 000 samples of three schemes, scored with
the demo's extractor. A search that was stopped goes on where it was; what it trained lies in
results/demo-search. Then a step of each variant is timed, the variants taking turns, in seconds of CPU of
one thread. One training each: small differences mean nothing. Writes demo_search.csv beside this file.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

import training as steps_of  # noqa: E402
from sphere_repro.data.archive import ImageArchive  # noqa: E402
from sphere_repro.machine.allocator import keep_freed_memory  # noqa: E402
from sphere_repro.machine.files import write_text  # noqa: E402
from sphere_repro.results.scores import read_uniformity  # noqa: E402
from sphere_repro.study.config import Study, load_study  # noqa: E402
from sphere_repro.study.files import StudyFiles  # noqa: E402
from sphere_repro.study.jobs import train_job  # noqa: E402
from sphere_repro.study.places import Places  # noqa: E402
from sphere_repro.study.recipe import Execution  # noqa: E402

TABLE = Path(__file__).with_suffix(".yaml")
OUT = Path(__file__).with_suffix(".csv")
STUDY = Path(".state/demo-search.yaml")
COUNT = 1000  # images of each set
SETS = {
    "reconstruction": "reconstruction",
    "1 step": "generation-1",
    "4 fixed": "generation-4-fixed-shared",
    "4 linear": "generation-4-linear-shared",
}
PARTS = ("model", "loss", "training")


def resolved(table: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """A variant with what it has from others: `of`, and a mapping of each part."""
    variant = table[name]
    base = resolved(table, variant["from"]) if "from" in variant else {"of": variant["of"]}
    return base | {part: base.get(part, {}) | variant.get(part, {}) for part in PARTS}


def search_study(
    demo: Mapping[str, Any], table: Mapping[str, Any], names: list[str], seed: int
) -> dict[str, Any]:
    """A study with a run for each variant; everything that the table does not name is the demo's."""
    runs = {}
    for name in names:
        variant = resolved(table, name)
        run = demo["runs"][variant["of"]]
        generations = [{"steps": 1}, {"steps": 4}, {"steps": 4, "strength": "linear"}]
        runs[name] = {
            "dataset": run["dataset"],
            **{part: run[part] | variant[part] for part in PARTS},
            "sampling": {"count": COUNT, "generations": generations},
        }
    score = {"extractor": demo["score"]["extractor"], "kid_subsets": 2, "jackknife_groups": 4}
    uniformity = {"count": COUNT, "null_draws": 20}
    return {
        "study": "demo-search",
        "seed": seed,
        "runs": runs,
        "score": score,
        "uniformity": uniformity,
        "figures": [],
    }


def seconds_of_a_step(study: Study, rounds: int = 12) -> dict[str, float]:
    """Median CPU seconds of a training step on one thread, by run, without the perceptual network's."""
    keep_freed_memory()
    torch.set_num_threads(1)
    device = torch.device("cpu")
    variants = {}
    for run in study.runs:
        job = train_job(study, run)
        job = steps_of.without_perceptual(job, job.training.batch_size)
        images = steps_of.random_images(job, 4 * job.training.batch_size)
        variants[run] = steps_of.Variant(job, images, Execution(), device, plain=False)
    found: dict[str, list[float]] = {run: [] for run in variants}
    for _ in range(rounds):
        for run, variant in variants.items():
            began = time.process_time()
            variant.take_step()
            found[run].append(time.process_time() - began)
    return {run: statistics.median(seconds[steps_of.WARM_UP :]) for run, seconds in found.items()}


def row(
    study: Study, run: str, scores: Mapping[str, Mapping[str, str]], step_seconds: float
) -> dict[str, Any]:
    """What is said of a variant."""
    training = study.runs[run].training
    assert training is not None
    images = len(ImageArchive(Path(StudyFiles(study).archive_of(run))))
    steps = round(training.epochs * images / training.batch_size)
    found = read_uniformity(Path(Places(study.study).uniformity(run)))
    ours = found["clouds"]["latents"]["overall"]
    said = {f"distance, {title}": round(float(scores[name]["frechet"]), 1) for title, name in SETS.items()}
    shares = {title: scores[name]["share_recognised"] for title, name in SETS.items()}
    said |= {
        f"recognised, {title}": f"{float(share):.3f}" if share else "" for title, share in shares.items()
    }
    return {
        "variant": run,
        "steps": steps,
        "cpu_seconds": round(steps * step_seconds),
        **said,
        "mean_cosine": round(ours["mean_cosine"]["value"], 3),
        "anisotropy": round(ours["anisotropy"]["value"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--only", nargs="+", help="these variants (default: all)")
    parser.add_argument("--cores", default="2")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = yaml.safe_load(options.table.read_text())
    demo = yaml.safe_load(Path("params/demo.yaml").read_text())
    names = options.only or list(table)
    STUDY.parent.mkdir(exist_ok=True)
    write_text(STUDY, yaml.safe_dump(search_study(demo, table, names, options.seed), sort_keys=False))
    study = load_study(STUDY)
    places = Places(study.study)
    targets = [f"{places.summary}/fid_table.csv", *(places.uniformity(run) for run in names)]
    command = [
        "workflow/scripts/run.py",
        *targets,
        "--configfile",
        str(STUDY),
        "--cores",
        options.cores,
        "--keep-going",
    ]
    subprocess.run([sys.executable, *command], check=True)
    with Path(targets[0]).open() as lines:
        scores: dict[str, dict[str, dict[str, str]]] = {}
        for line in csv.DictReader(lines):
            scores.setdefault(line["run"], {})[line["set"]] = line
    seconds = seconds_of_a_step(study)
    rows = [row(study, run, scores[run], seconds[run]) for run in names]
    with OUT.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(OUT.read_text())


if __name__ == "__main__":
    main()
