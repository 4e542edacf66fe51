"""How a set of images is drawn from a trained model: guidance, noise schemes, steps (section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from sphere_repro.ledger import EACH, by_dataset, ledger
from sphere_repro.strict import MOST, Strict

Precision = Literal["float32", "tf32", "bfloat16"]
USUAL = ("fixed", "shared")  # strength and noise of the paper's scheme
Position = Literal["enc", "dec", "combo"]
Strength = Literal["fixed", "linear"]
Sharing = Literal["shared", "independent", "initial"]


class Guidance(Strict):
    """Classifier-free guidance (section 4)."""

    scale: Annotated[float, Field(ge=1, le=MOST)] = Field(
        1.0,
        description="s; 1 is one conditional pass",
        json_schema_extra=ledger(
            unit="1", section="sampling, guidance", released=by_dataset(1.2, 1.0, 1.6, 1.4), reason=EACH
        ),
    )
    position: Position = Field(
        "combo",
        description="where it acts",
        json_schema_extra=ledger(section="sampling, guidance", released="combo"),
    )


class Scheme(Strict):
    """How the noise of the later steps is scaled and drawn (section 4)."""

    strength: Strength = Field(
        "fixed",
        description="ρ = 1, or ρ_t = 1 - t/T; in edits and crossovers 1 - t/(T+1)",
        json_schema_extra=ledger(section="sampling, schemes", released="fixed"),
    )
    noise: Sharing = Field(
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
