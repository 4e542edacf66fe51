"""The published numbers, `params/expected.yaml`, and which of them a row of the table may be held against.

A published number stands beside a measured one only where everything that is stated agrees: dataset and
resolution, the whole architecture, which weights were drawn from, steps, guidance and scheme, the measure,
the reference images, and the number of samples. What is not known is absent and is not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from sphere_repro.data.dataset import Dataset
from sphere_repro.errors import UserError
from sphere_repro.strict import Positive, Strict, UniqueKeys, parse
from sphere_repro.study.architecture import Architecture, Model
from sphere_repro.study.generation import Generation


class Reference(Strict):
    """The real images that the distances were taken to."""

    split: str
    count: int | None = Field(None, ge=2, description="images, a random choice; absent: the whole split")


class Published(Strict):
    """Numbers of one sample set."""

    generation: Generation | None = Field(None, description="absent: reconstructions, without noise")
    count: int | None = Field(None, ge=2, description="images drawn")
    frechet: Positive | None = Field(None, description="rFID or gFID")
    inception_score: Positive | None = None

    @property
    def set(self) -> str:
        """The set's name in paths and tables."""
        return self.generation.name if self.generation else "reconstruction"


class PublishedModel(Strict):
    """One model with published numbers, and how they were measured."""

    dataset: Dataset
    model: Model
    weights: Literal["raw", "ema"]
    metric: str = Field(description="as the table's column of this name")
    reference: Reference
    inception_score_splits: int | None = Field(None, ge=1, description="parts of a set, averaged")
    source: str
    sets: tuple[Published, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_set_once(self) -> Self:
        _ = self.architecture  # raises where the shapes do not fit
        names = [published.set for published in self.sets]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the set '{name}' is listed twice")
        return self

    @property
    def architecture(self) -> Architecture:
        return self.model.architecture(self.dataset)

    @property
    def reference_count(self) -> int | None:
        """Images of the reference: as stated, else all of the dataset."""
        return self.reference.count or self.dataset.source.images


class Unplaced(Strict):
    """A published number whose model or sampling is not fully known: kept for people, never judged by."""

    dataset: Dataset
    about: str
    steps: int | None = Field(None, ge=1, description="absent: not known")
    frechet: Positive
    precision: float | None = Field(None, ge=0, le=1, description="improved precision")
    recall: float | None = Field(None, ge=0, le=1, description="improved recall")
    unknown: str = Field(description="what would have to be known to hold a row against it")
    source: str


class Expected(Strict):
    """Every published number that is known."""

    models: tuple[PublishedModel, ...]
    unplaced: tuple[Unplaced, ...] = ()


def load_expected(path: Path) -> Expected:
    """Read and check the published numbers.

    Raises:
        UserError: the file is missing, is not YAML, or says something unknown.
    """
    return parse(Expected, read_published(path), str(path))


def read_published(path: Path) -> object:
    """A file of published numbers as YAML.

    Raises:
        UserError: the file is missing or is not YAML.
    """
    try:
        data: object = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except FileNotFoundError as error:
        raise UserError(f"{path}, the published numbers, does not exist. Restore it from git.") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path} is not readable YAML: {' '.join(str(error).split())}.") from error
    return data


def find(
    expected: Expected, row: Mapping[str, Any], model_job: object, sample_job: object
) -> tuple[Published, str] | None:
    """The published numbers of a row and their source; None where none is comparable.

    Args:
        expected: the published numbers.
        row: the row's cells: dataset, metric, reference_split, reference_count, count, kind, how the set was
            drawn, inception_score_splits (another number of parts is another score: it has no published one).
        model_job: the job in the record of the model: of a training its `model`, else its `architecture`.
        sample_job: the job in the record of the set: which weights were drawn from.
    """
    drawn = _drawn(row)
    for model in expected.models:
        if not (_same_measure(model, row) and _same_model(model, row, model_job)):
            continue
        if not isinstance(sample_job, Mapping) or sample_job.get("weights") != model.weights:
            continue
        for published in model.sets:
            if published.set == drawn and published.count in (None, row["count"]):
                splits = (row["inception_score_splits"], model.inception_score_splits)
                kept = {} if splits[0] == splits[1] else {"inception_score": None}
                return published.model_copy(update=kept), model.source
    return None


def _drawn(row: Mapping[str, Any]) -> str | None:
    """The set's name by what is recorded of its sampling; None for what no model of the paper draws."""
    if row["kind"] != "generation":
        return "reconstruction" if row["kind"] == "reconstruction" else None
    position = row["guidance_position"]
    guidance = {"scale": row["guidance_scale"]} | ({"position": position} if position else {})
    scheme = {key: row[key] for key in ("strength", "noise") if row[key]}
    try:
        return Generation.model_validate({"steps": row["steps"], "guidance": guidance, **scheme}).name
    except ValidationError:
        return None


def _same_measure(model: PublishedModel, row: Mapping[str, Any]) -> bool:
    stated = (model.metric, model.reference.split, model.reference_count)
    return stated == (row["metric"], row["reference_split"], row["reference_count"])


def _same_model(model: PublishedModel, row: Mapping[str, Any], job: object) -> bool:
    """Whether the run has the published model's dataset and every one of its shapes.

    One that started from another model's weights is none of the published ones.
    """
    if row["dataset"] != model.dataset.archive or not isinstance(job, Mapping) or job.get("init_from"):
        return False
    try:
        if "model" in job:
            return Model.model_validate(job["model"]).architecture(model.dataset) == model.architecture
        return Architecture.model_validate(job["architecture"]) == model.architecture
    except (KeyError, ValueError):  # a record that names no shapes, or shapes that do not fit the dataset
        return False


def unplaced_table(expected: Expected) -> str:
    """The numbers without a place as a Markdown table, in the file's order."""
    head = "| dataset | what | steps | gFID | not known | source |\n|---|---|--:|--:|---|---|\n"
    lines = []
    for number in expected.unplaced:
        more = {"precision": number.precision, "recall": number.recall}
        beside = "".join(f", {name} {value:g}" for name, value in more.items() if value is not None)
        cells = (
            number.dataset.archive,
            number.about,
            number.steps or "?",
            f"{number.frechet:.2f}{beside}",
            number.unknown,
            number.source,
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |\n")
    return head + "".join(lines)
