"""What is drawn from a trained model: guidance, noise schemes, sets of images (section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sphere_repro.ledger import EACH, by_dataset, ledger
from sphere_repro.strict import MOST, MOST_BATCH, MOST_IMAGES, MOST_PROCESSES, Strict

Precision = Literal["float32", "tf32", "bfloat16"]
USUAL = ("fixed", "shared")  # strength and noise of the paper's scheme


class Guidance(Strict):
    """Classifier-free guidance (section 4)."""

    scale: Annotated[float, Field(ge=1, le=MOST)] = Field(
        1.0,
        description="s; 1 is one conditional pass",
        json_schema_extra=ledger(
            unit="1", section="sampling, guidance", released=by_dataset(1.2, 1.0, 1.6, 1.4), reason=EACH
        ),
    )
    position: Literal["enc", "dec", "combo"] = Field(
        "combo",
        description="where it acts",
        json_schema_extra=ledger(section="sampling, guidance", released="combo"),
    )


class Scheme(Strict):
    """How the noise of the later steps is scaled and drawn (section 4)."""

    strength: Literal["fixed", "linear"] = Field(
        "fixed",
        description="ρ = 1, or ρ_t = 1 - t/T; in edits and crossovers 1 - t/(T+1)",
        json_schema_extra=ledger(section="sampling, schemes", released="fixed"),
    )
    noise: Literal["shared", "independent", "initial"] = Field(
        "shared",
        description="one noise for all steps, or one each, or the very first draw again (initial: a reading "
        "of the paper that the released code does not take)",
        json_schema_extra=ledger(
            section="sampling, schemes",
            released=by_dataset("shared", "shared", "independent", "shared"),
            reason=EACH,
        ),
    )


class Generation(Scheme):
    """One set of generated images (section 4)."""

    steps: int = Field(
        ge=1,
        le=1000,
        description="T; 1 decodes once",
        json_schema_extra=ledger(
            unit="steps", section="sampling", reason="published are 1 and 4; every set says its own"
        ),
    )
    guidance: Guidance = Guidance()

    @property
    def name(self) -> str:
        """Name of the set in paths and tables; combinations that coincide have one name."""
        parts = [f"generation-{self.steps}"]
        if self.steps > 1:
            parts += [self.strength, self.noise]
        if self.guidance.scale > 1:
            parts.append(f"{self.guidance.position}{self.guidance.scale:g}")
        return "-".join(parts)


def single_step(generations: Iterable[Generation]) -> Generation | None:
    """The set of one step, which shows random points of the sphere: the unguided one, as a VAE's draws are
    unguided; else the first."""
    found = [each for each in generations if each.steps == 1]
    return min(found, key=lambda each: each.guidance.scale > 1) if found else None


def remembered(generations: Sequence[Generation]) -> list[str]:
    """Sets that are held against the training images: of one step, and of most steps in the usual scheme.

    Copies would show in any; these are the two ends of what the model draws. Unguided ones go first.
    """
    usual = [each for each in generations if each.steps > 1 and (each.strength, each.noise) == USUAL]
    most = max(usual, key=lambda each: (each.steps, each.guidance.scale == 1), default=None)
    return [each.name for each in (single_step(generations), most) if each is not None]


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
        description="processes that share each set, on GPUs one each; changes no image",
        json_schema_extra=ledger(unit="processes", reason="no image depends on it"),
    )
    generations: tuple[Generation, ...] = Field((Generation(steps=1), Generation(steps=4)), min_length=1)

    @field_validator("generations")
    @classmethod
    def _unique(cls, generations: tuple[Generation, ...]) -> tuple[Generation, ...]:
        names = [generation.name for generation in generations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice (a single step has no scheme)")
        return generations
