"""The configuration beside a released checkpoint: what of it says which model it is.

It holds every flag of the authors' training; what is not named here belongs to the training alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sphere_repro.errors import UserError, nearest
from sphere_repro.machine.files import read_json
from sphere_repro.study.architecture import SIZES, Architecture, Size

OFF = ("in_context_size", "halve_model_size", "spherify_model")  # of other models than the method's


class ReleasedConfig(BaseModel):
    """The released configuration's own keys, as far as they say what the model is."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    image_size: int
    patch_size: int
    token_channels: int
    num_classes: int  # of the dataset, whether the model uses them or not
    cond_generator: bool
    pixel_head_type: Literal["linear", "conv"]
    vit_enc_model_size: str
    vit_dec_model_size: str
    vit_enc_latent_mlp_mixer_depth: int
    vit_dec_latent_mlp_mixer_depth: int
    affine_latent_mlp_mixer: bool = True
    noise_sigma_max_angle: float = Field(ge=0, lt=90)  # degrees
    latent_resolution: int | None = None  # g
    compression_ratio: float | None = Field(None, gt=0)
    sizes: dict[str, dict[str, int]] = {}  # further sizes by name

    @model_validator(mode="before")
    @classmethod
    def _refuse_other_models(cls, data: Any) -> Any:
        for key in OFF:
            if isinstance(data, dict) and data.get(key):
                raise ValueError(f"{key} is {data[key]!r:.40}, but only models without it can be imported")
        return data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.cond_generator and self.num_classes < 1:
            raise ValueError(f"cond_generator is true, but num_classes is {self.num_classes}")
        if self.latent_resolution is not None and self.latent_resolution * self.patch_size != self.image_size:
            raise ValueError(
                f"latent_resolution {self.latent_resolution} times patch_size {self.patch_size} is not "
                f"image_size {self.image_size}"
            )
        if self.compression_ratio is not None:
            channels = int(3 * self.patch_size**2 / self.compression_ratio)
            if channels != self.token_channels:
                raise ValueError(
                    f"token_channels is {self.token_channels}, but compression_ratio "
                    f"{self.compression_ratio} makes it {channels}"
                )
        return self

    @property
    def architecture(self) -> Architecture:
        """Our words for it. Raises ValueError where the numbers make no model."""
        return Architecture(
            image_size=self.image_size,
            patch_size=self.patch_size,
            token_channels=self.token_channels,
            classes=self.num_classes if self.cond_generator else 0,
            pixel_head=self.pixel_head_type,
            encoder=self._size(self.vit_enc_model_size),
            decoder=self._size(self.vit_dec_model_size),
            encoder_mixer_depth=self.vit_enc_latent_mlp_mixer_depth,
            decoder_mixer_depth=self.vit_dec_latent_mlp_mixer_depth,
            affine=self.affine_latent_mlp_mixer,
        )

    def _size(self, name: str) -> Size:
        if name in self.sizes:
            return Size.model_validate(self.sizes[name])
        if name not in SIZES:
            raise ValueError(f"unknown size '{name}'{nearest(name, SIZES)}")
        return SIZES[name]


def released_settings(config: Path) -> tuple[Architecture, float]:
    """The architecture and the largest noise angle (degrees) in a released configuration.

    Raises:
        UserError: the file is missing, broken, no such configuration, or that of another kind of model.
    """
    settings = read_json(config)
    if not isinstance(settings, dict):
        raise UserError(f"{config} does not describe a released model: it is no JSON object. Check the path.")
    try:
        found = ReleasedConfig.model_validate(settings)
        return found.architecture, found.noise_sigma_max_angle
    except ValueError as error:  # ValidationError is one
        raise UserError(
            f"{config} does not describe a released model: {_why(error)}. Get the file that belongs to the "
            "checkpoint."
        ) from error


def _why(error: ValueError) -> str:
    """The first fault in words."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"it lacks '{place}'"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}, not {first['input']!r:.40}" if place else message
