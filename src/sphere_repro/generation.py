"""What is drawn from a trained model: guidance, noise schemes, sets of images (section 4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from sphere_repro.strict import Strict


class Guidance(Strict):
    """Classifier-free guidance (section 4)."""

    scale: Annotated[float, Field(ge=1)] = Field(1.0, description="s; 1 is one conditional pass")
    position: Literal["enc", "dec", "combo"] = Field("combo", description="where it acts")


class Scheme(Strict):
    """How the noise of the later steps is scaled and drawn (section 4)."""

    strength: Literal["fixed", "linear"] = Field("fixed", description="ρ = 1, or ρ_t = 1 - t/T")
    noise: Literal["shared", "independent"] = Field(
        "shared", description="one noise for all steps, or one each"
    )


class Generation(Scheme):
    """One set of generated images (section 4)."""

    steps: int = Field(ge=1, le=1000, description="T; 1 decodes once")
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


class Sampling(Strict):
    """What to draw from a trained model."""

    weights: Literal["raw", "ema"] = Field("raw", description="trained weights or their average")
    count: int = Field(50_000, ge=2, description="images per set")
    batch_size: int = Field(250, gt=0, description="images per pass; changes no image")
    generations: tuple[Generation, ...] = Field((Generation(steps=1), Generation(steps=4)), min_length=1)

    @field_validator("generations")
    @classmethod
    def _unique(cls, generations: tuple[Generation, ...]) -> tuple[Generation, ...]:
        names = [generation.name for generation in generations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice (a single step has no scheme)")
        return generations
