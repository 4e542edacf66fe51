"""The objective's weights and angles, as a study gives them (section 3); `losses` computes with them."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from sphere_repro.ledger import EACH, by_dataset, ledger
from sphere_repro.strict import Fraction, Limited, NonNegative, Strict
from sphere_repro.study.architecture import KIND_NAMES


class HardCases(Strict):
    """Noise beyond α_max for a fraction of the images (section 3)."""

    probability: Fraction = Field(
        0.1,
        description="q; 0 switches hard cases off",
        json_schema_extra=ledger(unit="1", section="objective, hard cases", released=0.1),
    )
    extra_angle: NonNegative = Field(
        5.0,
        description="degrees above α_max, capped at 89°",
        json_schema_extra=ledger(unit="degrees", section="objective, hard cases", released=5.0),
    )
    independent_draw: bool = Field(
        False,
        description="draw the strength separately from the choice",
        json_schema_extra=ledger(section="objective, hard cases", released=False),
    )


PerceptualPrecision = Literal["training", "float32", "tf32", "bfloat16"]
LPIPS_PIXELS = 16  # VGG-16 halves them four times before the last maps that LPIPS compares


class Perceptual(Strict):
    """The perceptual distance P (section 3)."""

    network: Literal["none", "efficientnet-lite1", "lpips-convnext"] = Field(
        "none",
        description="frozen networks of the distance; the paper's is lpips-convnext",
        json_schema_extra=ledger(
            section="objective, P",
            released="lpips-convnext",
            reason="the paper's needs a download of 754 MB; the demo goes without one",
        ),
    )
    size: int = Field(
        32,
        ge=16,
        le=1024,
        description="pixels to which images are enlarged for EfficientNet-Lite1",
        json_schema_extra=ledger(
            unit="pixels",
            reason="EfficientNet-Lite1 is a stand-in of ours for images of any size",
        ),
    )
    lpips_weight: NonNegative = Field(
        1.0,
        description="LPIPS (VGG-16) in lpips-convnext, before the mean",
        json_schema_extra=ledger(unit="1", section="objective, P", released=1.0),
    )
    convnext_weight: NonNegative = Field(
        0.1,
        description="squared difference of ConvNeXt-Small's logits in lpips-convnext, before the mean",
        json_schema_extra=ledger(unit="1", section="objective, P", released=0.1),
    )

    precision: PerceptualPrecision = Field(
        "training",
        description="numbers in which its networks compute; training: those of training.precision; "
        "tf32 is of NVIDIA GPUs since Ampere",
        json_schema_extra=ledger(
            section="objective, P",
            released="bfloat16",
            reason="released: bfloat16 autocast, as the rest of the training; what each costs in loss and "
            "gradient: docs/performance.md",
        ),
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

    def in_half(self, training: str) -> bool:
        """Whether its networks compute in bfloat16; `training`: the training's precision."""
        return self.precision == "bfloat16" or (self.precision, training) == ("training", "bfloat16")

    @property
    def _foreign_keys(self) -> set[str]:
        match self.network:
            case "lpips-convnext":
                return {"size"}
            case "efficientnet-lite1":
                return {"lpips_weight", "convnext_weight"}
        return {"lpips_weight", "convnext_weight", "precision"}


SMALLEST_ANGLE = 0.001  # degrees
CONSISTENCY_KEYS = ("pix_con_l1", "pix_con_perceptual", "lat_con", "hard_cases", "alpha_max")


def _no_tiny_angle(angle: float) -> float:
    """Hard cases are measured in the largest angle: of a tiny one they leave the range of float32."""
    if 0 < angle < SMALLEST_ANGLE:
        raise ValueError(f"is {angle:g}: set it to 0 (no noise), or to {SMALLEST_ANGLE:g} degrees at least")
    return angle


class Loss(Strict):
    """Weights of the objective (section 3)."""

    alpha_max: Annotated[float, AfterValidator(_no_tiny_angle)] = Field(
        80.0,
        ge=0,
        lt=90,
        description="largest noise angle of the large noise, degrees: 0 (no noise), or 0.001 and more",
        json_schema_extra=ledger(
            unit="degrees", section="objective", released=by_dataset(80.0, 85.0, 85.0, 85.0), reason=EACH
        ),
    )
    pix_recon_l1: Limited = Field(
        1.0,
        description="a₁, smooth L1 of the reconstruction",
        json_schema_extra=ledger(
            unit="1",
            section="objective, L_pix-recon",
            released=by_dataset(1.0, 25.0, 25.0, 50.0),
            reason=EACH,
        ),
    )
    pix_recon_perceptual: Limited = Field(
        1.0,
        description="a₂, perceptual part of the reconstruction",
        json_schema_extra=ledger(unit="1", section="objective, L_pix-recon", released=1.0),
    )
    pix_con_l1: Limited = Field(
        0.5,
        description="b₁, smooth L1 of pixel consistency",
        json_schema_extra=ledger(
            unit="1", section="objective, L_pix-con", released=by_dataset(0.5, 1.0, 1.0, 25.0), reason=EACH
        ),
    )
    pix_con_perceptual: Limited = Field(
        0.5,
        description="b₂, perceptual part of pixel consistency",
        json_schema_extra=ledger(
            unit="1", section="objective, L_pix-con", released=by_dataset(0.5, 1.0, 1.0, 1.0), reason=EACH
        ),
    )
    lat_con: Limited = Field(
        0.1,
        description="c, latent consistency",
        json_schema_extra=ledger(
            unit="1",
            section="objective, L_lat-con",
            released=0.1,
            reason="the released flag cannot be 0; here 0 leaves the term out, as an ablation needs it",
        ),
    )
    label_dropout: Fraction = Field(
        0.1,
        description="probability of the null class, drawn anew in every call",
        json_schema_extra=ledger(unit="1", section="networks, class embedding", released=0.1),
    )
    hard_cases: HardCases = HardCases()
    perceptual: Perceptual = Perceptual()
    kl: Limited = Field(
        0.0,
        description="weight of the KL divergence per latent number; VAE only",
        json_schema_extra=ledger(
            unit="1", reason="of the VAE baseline, which is ours; other models have none"
        ),
    )


def check_perceptual_precision(perceptual: Perceptual, training: str) -> None:
    """Refuse TF32 in the perceptual networks where it would be that of the whole training.

    Raises:
        ValueError: `training`, its precision, is float32.
    """
    if perceptual.precision == "tf32" and training == "float32":
        raise ValueError(
            "loss.perceptual.precision tf32 needs training.precision bfloat16: a GPU knows one setting for "
            "all products in float32"
        )


def check_terms(loss: Loss, kind: str) -> None:
    """Refuse weights of terms that a model of `kind` would be trained without.

    Raises:
        ValueError: a perceptual term without a network, the KL divergence of another model than a VAE, or
            hard cases of no noise.
    """
    if loss.perceptual.network == "none":
        for key in ("pix_recon_perceptual", "pix_con_perceptual")[: 2 if kind == "sphere" else 1]:
            if getattr(loss, key) > 0:
                raise ValueError(f"loss.{key} must be 0 where loss.perceptual.network is none")
    if kind != "vae" and loss.kl > 0:
        raise ValueError(f"loss.kl must be 0 for {KIND_NAMES[kind]}")
    if kind == "sphere" and loss.alpha_max == 0 and loss.hard_cases.probability > 0:
        raise ValueError(
            "loss.hard_cases.probability must be 0 where loss.alpha_max is 0: hard cases are more "
            "noise, and there is none"
        )
