"""The job that draws all image sets of one run: a job for each of them would mostly load the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from sphere_repro.data.dataset import Dataset
from sphere_repro.seeds import Random, is_torch
from sphere_repro.strict import Strict
from sphere_repro.study.architecture import Kind
from sphere_repro.study.config import Study
from sphere_repro.study.image_sets import Crossover, Edit, Inputs, Interpolation, Reconstruction
from sphere_repro.study.image_sources import source_of
from sphere_repro.study.jobs import seed_for
from sphere_repro.study.replicates import NamedSeed, RunName


class ImagesJob(Strict):
    """Draw the image sets of one run.

    Attributes:
        archives: of the sets whose images come from a dataset, the archive's name.
        contents: of the places of own images, their hash: other images make the job another one.
    """

    seed: NamedSeed
    run: RunName
    kind: Kind
    dataset: Dataset
    weights: Literal["raw", "ema"]
    batch_size: int = Field(ge=1)
    edits: tuple[Edit, ...] = ()
    crossovers: tuple[Crossover, ...] = ()
    interpolations: tuple[Interpolation, ...] = ()
    reconstructions: tuple[Reconstruction, ...] = ()
    archives: dict[str, str] = Field(default_factory=dict)
    contents: dict[str, str | None] = Field(default_factory=dict)
    random: Random = Field("torch", exclude_if=is_torch)

    @property
    def sets(self) -> tuple[Edit | Crossover | Interpolation | Reconstruction, ...]:
        """All of them, in the order of the keys."""
        return (*self.edits, *self.crossovers, *self.interpolations, *self.reconstructions)


def images_job(study: Study, name: str, contents: Mapping[str, str | None] | None = None) -> ImagesJob:
    """The image sets of run `name`; `contents`: of places of own images, by place, where they are known."""
    run = study.runs[name]
    draws = run.sampling
    datasets = [each.dataset for each in study.runs.values()]
    given = [each for each in draws.image_sets if isinstance(each, Inputs)]
    return ImagesJob(
        seed=seed_for(study, name),
        run=name,
        kind=run.model.kind,
        dataset=run.dataset,
        weights=draws.weights,
        batch_size=draws.batch_size,
        edits=draws.edits,
        crossovers=draws.crossovers,
        interpolations=draws.interpolations,
        reconstructions=draws.reconstructions,
        archives={
            each.set: source_of(each, run.dataset, datasets).archive
            for each in given
            if each.dataset is not None
        },
        contents={each.inputs: (contents or {}).get(each.inputs) for each in given if each.inputs},
        random=run.random,
    )
