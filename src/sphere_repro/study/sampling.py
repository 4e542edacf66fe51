"""What is drawn from a trained model, and how much of it (section 4)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from sphere_repro.ledger import EACH, by_dataset, ledger
from sphere_repro.strict import MOST_BATCH, MOST_IMAGES, MOST_PROCESSES, Strict, is_none
from sphere_repro.study.generation import Generation, Precision
from sphere_repro.study.generation_grid import GRID, Generations
from sphere_repro.study.prior_path import PriorPath


class Sampling(Strict):
    """What to draw from a trained model."""

    weights: Literal["raw", "ema"] = Field(
        "raw",
        description="trained weights or their average",
        json_schema_extra=ledger(section="objective", released="raw"),
    )
    count: int = Field(
        50_000,
        ge=2,
        le=MOST_IMAGES,
        description="images per set",
        json_schema_extra=ledger(
            unit="images", section="sampling", released=by_dataset(50000, 50000, 51000, 50000), reason=EACH
        ),
    )
    batch_size: int = Field(
        250,
        gt=0,
        le=MOST_BATCH,
        description="images per pass; changes no image",
        json_schema_extra=ledger(unit="images", reason="no image depends on it"),
    )
    labels: Literal["balanced", "dataset"] = Field(
        "balanced",
        exclude_if=lambda value: value == "balanced",
        description="classes that are drawn: each as often as the others, or as often as the dataset has it",
        json_schema_extra=ledger(section="sampling", released="balanced"),
    )
    precision: Precision = Field(
        "float32",
        exclude_if=lambda value: value == "float32",
        description="numbers in which the networks compute; bfloat16 casts the weights, tf32 is of NVIDIA "
        "GPUs since Ampere",
        json_schema_extra=ledger(
            section="sampling",
            released="bfloat16",
            reason="images that are the model's own; how far the others differ: docs/large-models.md",
        ),
    )
    processes: int = Field(
        1,
        ge=1,
        le=MOST_PROCESSES,
        exclude_if=lambda value: value == 1,
        description="processes that share each set, on GPUs one each; changes no image; "
        "small sets (some minutes of a processor) are drawn by one",
        json_schema_extra=ledger(unit="processes", reason="no image depends on it"),
    )
    generations: Generations = Field(
        (Generation(steps=1), Generation(steps=4)),
        min_length=1,
        description="sets of generated images; a list in place of one value is one set for each of them",
        json_schema_extra=GRID,
    )

    prior_path: PriorPath | None = Field(
        None,
        exclude_if=is_none,
        description="images on the way from the posterior to the prior; default: none",
        json_schema_extra=ledger(reason="not in the paper: where a prior begins to decode to nothing"),
    )

    @field_validator("generations")
    @classmethod
    def _unique(cls, generations: tuple[Generation, ...]) -> tuple[Generation, ...]:
        names = [generation.name for generation in generations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice (a single step has no scheme)")
        return generations
