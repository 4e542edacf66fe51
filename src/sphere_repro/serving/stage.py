"""The model that is served, found by the name of a run or by its place, and the VAE beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from sphere_repro.errors import UserError, nearest
from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.models.checkpoint import Weights
from sphere_repro.sampling.opened import Opened, open_model
from sphere_repro.study.architecture import KIND_NAMES
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.places import Places


@dataclass(frozen=True)
class Found:
    """Where a model lies, as commands name it, and where the one beside it does; `why`: there is none."""

    name: str
    place: Path
    beside: Path | None
    why: str = ""


@dataclass(frozen=True)
class Stage:
    """A model that is ready to answer, and the one beside it."""

    found: Found
    weights: Weights
    device: torch.device
    opened: Opened
    beside: Opened | None
    why: str
    """Why nothing stands beside it; empty where something does."""

    @property
    def model(self) -> SphereAutoencoder:
        model = self.opened.checkpoint.model
        assert isinstance(model, SphereAutoencoder)  # `set_up` saw to it
        return model

    @property
    def beside_kind(self) -> str:
        """`VAE`, `plain autoencoder`, …; empty where there is none."""
        if self.beside is None:
            return ""
        return KIND_NAMES[self.beside.checkpoint.model.shape.kind].removeprefix("a ")


def find(asked: str | None, configfile: Path, beside: Path | None = None) -> Found:
    """The model called `asked`: a run of the study, or a place; none: the study's first Sphere Encoder.

    Args:
        asked: name or place.
        configfile: the study.
        beside: place of the model beside it; default: the run that is its baseline in the study.

    Raises:
        UserError: there is no such run or place, or the run is not finished.
    """
    place = Path(asked).expanduser() if asked else None
    try:
        study = load_study(configfile)
    except UserError as error:
        if place is None:
            raise
        if not place.exists():
            raise UserError(
                f"{asked} does not exist, and {configfile}, which may know it as a run, cannot be read: "
                f"{error}"
            ) from error
        return Found(place.name, place, beside, f"{configfile} cannot be read, which may name a VAE")
    run = asked if asked in study.runs else _run_at(study, place)
    if run is None and place is not None and place.exists():
        return Found(place.name, place, beside, f"it is the model of no run of {configfile}")
    run = run or _first(study, asked, configfile)
    model = Path(Places(study.study).model(run))
    _check_finished(model, run, configfile)
    baseline, why = _baseline(study, run)
    return Found(run, model.parent, beside or baseline, why)


def set_up(found: Found, weights: Weights, device: torch.device) -> Stage:
    """Open the models.

    Raises:
        UserError: one of them cannot be opened, or the one that is served is no Sphere Encoder.
    """
    opened = open_model(found.place, weights, device)
    shape = opened.checkpoint.model.shape
    if not isinstance(opened.checkpoint.model, SphereAutoencoder):
        raise UserError(
            f"{found.place} is {KIND_NAMES[shape.kind]}. Give the Sphere Encoder that it is the baseline of."
        )
    beside = None if found.beside is None else open_model(found.beside, weights, device)
    if beside is None:
        return Stage(found, weights, device, opened, None, found.why)
    if isinstance(beside.checkpoint.model, SphereAutoencoder):
        raise UserError(f"{found.beside} is a Sphere Encoder too. Give a VAE to stand beside it, or none.")
    other = beside.checkpoint.model.shape
    if (other.tokens, other.token_channels) != (shape.tokens, shape.token_channels):
        why = f"{found.beside} has latents of another shape, so that the two have no draw in common"
        return Stage(found, weights, device, opened, None, why)
    return Stage(found, weights, device, opened, beside, "")


def _run_at(study: Study, place: Path | None) -> str | None:
    """The run whose folder or model file `place` is."""
    if place is None:
        return None
    places = Places(study.study)
    for run in study.runs:
        model = Path(places.model(run))
        if place.resolve() in (model.resolve(), model.parent.resolve()):
            return run
    return None


def _first(study: Study, asked: str | None, configfile: Path) -> str:
    if asked is not None:
        raise UserError(
            f"'{asked}' is neither a run of {configfile} nor a model file{nearest(asked, study.runs)}"
        )
    spheres = [name for name, run in study.runs.items() if run.model.kind == "sphere"]
    if not spheres:
        raise UserError(f"{configfile} has no Sphere Encoder. Name another study with --configfile.")
    return spheres[0]


def _check_finished(model: Path, run: str, configfile: Path) -> None:
    if not model.is_file():
        raise UserError(
            f"Run '{run}' is not finished: there is no {model}. Make it first: "
            f"snakemake --cores all --configfile {configfile} {model}"
        )


def _baseline(study: Study, run: str) -> tuple[Path | None, str]:
    """Place of the run's finished baseline, a VAE before others; or why there is none."""
    named = [name for name, each in study.runs.items() if each.baseline_of == run]
    if not named:
        return None, f"no run of the study '{study.study}' is a baseline of '{run}'"
    models = {name: Path(Places(study.study).model(name)) for name in named}
    finished = [name for name in named if models[name].is_file()]
    if not finished:
        return None, f"its baseline '{named[0]}' is not finished"
    chosen = min(finished, key=lambda name: study.runs[name].model.kind != "vae")
    return models[chosen].parent, ""
