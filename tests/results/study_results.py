"""Scores and latent statistics of made-up runs, for tests of claims."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sphere_repro.results.scores import RunScores, SetScore
from sphere_repro.study.config import Ablation
from sphere_repro.study.replicates import name_of

METRIC = "frechet-efficientnet-lite0-128px-bicubic"


def sphere(se: float = 1.0, guidance: float = 1.0, **distances: float) -> RunScores:
    found = {"reconstruction": 50.0, "one": 200.0, "shared": 120.0, "independent": 150.0} | distances
    more = {"count": 100, "frechet_se": se, "guidance_scale": guidance, "guidance_position": "combo"}
    four = {"steps": 4, "strength": "fixed"}
    records = (
        SetScore("reconstruction", "reconstruction", found["reconstruction"], se, 100),
        SetScore(set="generation-1", kind="generation", frechet=found["one"], steps=1, **more),
        SetScore(set="a", kind="generation", frechet=found["shared"], noise="shared", **four, **more),
        SetScore(
            set="b", kind="generation", frechet=found["independent"], noise="independent", **four, **more
        ),
    )
    return RunScores("digits", "digits-8px", "sphere", METRIC, 10.0, records, Path("a.json"))


def vae(se: float = 1.0, reconstruction: float = 50.0, prior: float = 600.0) -> RunScores:
    records = (
        SetScore("reconstruction", "reconstruction", reconstruction, se, 100),
        SetScore("prior", "prior", prior, se, 100),
    )
    return RunScores("digits-vae", "digits-8px", "vae", METRIC, 10.0, records, Path("b.json"))


def varied(axis: str, value: str, distance: float, se: float = 1.0) -> RunScores:
    """A run like `sphere()` with something changed, judged by its set of 4 steps."""
    run = sphere(se=se, shared=distance)
    return RunScores(**run.__dict__ | {"run": value, "ablation": Ablation(axis=axis, value=value)})


def trained(run: RunScores, *distances: float) -> list[RunScores]:
    """The run's trainings, whose sets are as far as these from its own."""
    return [
        replace(
            run,
            run=name_of(run.run, number),
            records=tuple(replace(record, frechet=record.frechet + by) for record in run.records),
        )
        for number, by in enumerate(distances)
    ]


def thrice(*runs: RunScores) -> list[RunScores]:
    """Three trainings of each, hardly apart: what is left are the errors of their images."""
    return [training for run in runs for training in trained(run, 0.0, 1e-3, -1e-3)]


def cloud(key: str, cosine: float, anisotropy: float, se: float = 1e-4, classes: int = 3) -> dict[str, Any]:
    group: dict[str, Any] = {"count": 100}
    group |= {"mean_cosine": {"value": cosine, "se": se}, "anisotropy": {"value": anisotropy, "se": se}}
    return {"key": key, "overall": group, "classes": [{"class": label, **group} for label in range(classes)]}


def angles(full: float, some: float, draws: int = 10_000) -> dict[str, Any]:
    """What a uniformity result says of noise angles, by their distances from the law."""
    parts = {
        key: {"distance": distance, "draws": draws, "reached": [71.8, 79.9, 88.1]}
        for key, distance in (("full", full), ("any", some))
    }
    return {"spherification": {"alpha_max": 80.0, "dimension": 128, **parts}}


def uniformity(latents: dict[str, Any], pixels: float = 0.6, uniform: float = 0.0) -> dict[str, Any]:
    clouds = [latents, cloud("pixels", pixels, 40.0), cloud("uniform", uniform, 1.0)]
    return {"run": "digits", "classes": 3, "clouds": {entry["key"]: entry for entry in clouds}}
