"""The objective's weights and angles, as a study gives them (section 3); `losses` computes with them."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from sphere_repro.strict import Fraction, Limited, NonNegative, Strict


class HardCases(Strict):
    """Noise beyond α_max for a fraction of the images (section 3)."""

    probability: Fraction = Field(0.1, description="q; 0 switches hard cases off")
    extra_angle: NonNegative = Field(5.0, description="degrees above α_max, capped at 89°")
    independent_draw: bool = Field(False, description="draw the strength separately from the choice")


LPIPS_PIXELS = 16  # VGG-16 halves them four times before the last maps that LPIPS compares


class Perceptual(Strict):
    """The perceptual distance P (section 3)."""

    network: Literal["none", "efficientnet-lite1", "lpips-convnext"] = Field(
        "none", description="frozen networks of the distance; the paper's is lpips-convnext"
    )
    size: int = Field(
        32, ge=16, le=1024, description="pixels to which images are enlarged for EfficientNet-Lite1"
    )
    lpips_weight: NonNegative = Field(1.0, description="LPIPS (VGG-16) in lpips-convnext, before the mean")
    convnext_weight: NonNegative = Field(
        0.1, description="squared difference of ConvNeXt-Small's logits in lpips-convnext, before the mean"
    )

    @model_validator(mode="after")
    def _only_own_keys(self) -> Self:
        for key in sorted(self._foreign_keys & self.model_fields_set):
            raise ValueError(f"{key} has no meaning for network {self.network}: remove it")
        if not 0 < self.lpips_weight + self.convnext_weight < math.inf:
            raise ValueError("the sum of lpips_weight and convnext_weight must be above 0 and finite")
        return self

    @model_serializer(mode="wrap")
    def _own_keys(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A job's text has no keys of other networks: that of a job from before these networks is kept."""
        return {key: value for key, value in serialize(self).items() if key not in self._foreign_keys}

    def check_pixels(self, pixels: int) -> None:
        """Raises ValueError where images of this size are too small for the networks."""
        if self.network == "lpips-convnext" and self.lpips_weight > 0 and pixels < LPIPS_PIXELS:
            raise ValueError(
                f"loss.perceptual: LPIPS needs images of at least {LPIPS_PIXELS} pixels, not {pixels}; set "
                "lpips_weight to 0 or use another network"
            )

    @property
    def _foreign_keys(self) -> set[str]:
        return {"size"} if self.network == "lpips-convnext" else {"lpips_weight", "convnext_weight"}


CONSISTENCY_KEYS = ("pix_con_l1", "pix_con_perceptual", "lat_con", "hard_cases", "alpha_max")


class Loss(Strict):
    """Weights of the objective (section 3)."""

    alpha_max: float = Field(
        80.0, ge=0.001, lt=90, description="largest noise angle of the large noise, degrees"
    )
    pix_recon_l1: Limited = Field(1.0, description="a₁, smooth L1 of the reconstruction")
    pix_recon_perceptual: Limited = Field(1.0, description="a₂, perceptual part of the reconstruction")
    pix_con_l1: Limited = Field(0.5, description="b₁, smooth L1 of pixel consistency")
    pix_con_perceptual: Limited = Field(0.5, description="b₂, perceptual part of pixel consistency")
    lat_con: Limited = Field(0.1, description="c, latent consistency")
    label_dropout: Fraction = Field(
        0.1, description="probability of the null class, drawn anew in every call"
    )
    hard_cases: HardCases = HardCases()
    perceptual: Perceptual = Perceptual()
    kl: Limited = Field(0.0, description="weight of the KL divergence per latent number; VAE only")


def check_terms(loss: Loss, kind: str) -> None:
    """Refuse weights of terms that a model of `kind` would be trained without.

    Raises:
        ValueError: a perceptual term without a network, or the KL divergence of a Sphere Encoder.
    """
    if loss.perceptual.network == "none":
        for key in ("pix_recon_perceptual", "pix_con_perceptual")[: 1 if kind == "vae" else 2]:
            if getattr(loss, key) > 0:
                raise ValueError(f"loss.{key} must be 0 where loss.perceptual.network is none")
    if kind == "sphere" and loss.kl > 0:
        raise ValueError("loss.kl must be 0 for a Sphere Encoder")
