"""Autoencoders of diffusers (AutoencoderKL, and that of FLUX.2) as VAEs whose prior is a standard normal.

Their diffusion models do not see the encoder's latents z but (z - offset) / spread, for each channel:

* AutoencoderKL: (z - shift_factor) · scaling_factor; where the configuration has `latents_mean` and
  `latents_std`, (z - latents_mean) · scaling_factor / latents_std.
* AutoencoderKLFlux2: patches of 2×2 places become channels, which batch normalisation centres and scales by
  its running statistics: (z - mean) / √(variance + ε).

In these normalised latents the prior is N(0, I). diffusers is imported where a model is built, nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from sphere_repro.errors import UserError
from sphere_repro.strict import Strict

CLASSES = ("AutoencoderKL", "AutoencoderKLFlux2")
AT_ONCE = 16  # images: at 256 pixels each takes 0.2 GB in the decoder of Stable Diffusion's
SHARPEST, BROADEST = -30.0, 20.0  # of a log-variance, as diffusers holds it


class PretrainedShape(Strict):
    """What fixes the shapes of such an autoencoder; travels inside its model file."""

    kind: Literal["pretrained-vae"] = "pretrained-vae"
    image_size: int = Field(gt=0, description="H = W of the images, pixels")
    network: Literal["AutoencoderKL", "AutoencoderKLFlux2"]
    config: dict[str, Any] = Field(description="the class's own configuration")
    channels: int = Field(gt=0, description="of the encoder's latents")
    factor: int = Field(gt=0, description="pixels for each place of the encoder's latents, along one side")
    patch: int = Field(gt=0, description="places along one side that are normalised together")

    @property
    def classes(self) -> int:
        """None of these models knows classes."""
        return 0

    @property
    def grid(self) -> int:
        """Places of the normalised latents along one side."""
        return self.image_size // (self.factor * self.patch)

    @property
    def tokens(self) -> int:
        """N, places of the normalised latents."""
        return self.grid**2

    @property
    def token_channels(self) -> int:
        """d, channels of each of them."""
        return self.channels * self.patch**2

    @property
    def latent_dimension(self) -> int:
        """L = N·d."""
        return self.tokens * self.token_channels


class _Parts(Protocol):
    """What is used of diffusers' classes."""

    encoder: nn.Module
    decoder: nn.Module
    quant_conv: nn.Module | None
    post_quant_conv: nn.Module | None


class PretrainedVae(nn.Module):
    """The interface of `VariationalAutoencoder` over a pretrained one, in its normalised latents."""

    offset: Tensor
    spread: Tensor

    def __init__(self, shape: PretrainedShape) -> None:
        super().__init__()
        self.shape = shape
        parts = cast(_Parts, network_of(shape.network, shape.config))
        self.encoder = nn.Sequential(parts.encoder, parts.quant_conv or nn.Identity())
        self.decoder = nn.Sequential(parts.post_quant_conv or nn.Identity(), parts.decoder)
        self.register_buffer("offset", torch.zeros(shape.token_channels))
        self.register_buffer("spread", torch.ones(shape.token_channels))

    @property
    def null_class(self) -> int:
        """Index of the null class, which these models have not."""
        return 0

    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), each (B, N, d), of images (B, 3, H, H) in [-1, 1]."""
        moments = torch.cat([self.encoder(part) for part in torch.split(x, AT_ONCE)])
        mean, log_variance = moments.chunk(2, dim=1)
        log_variance = log_variance.clamp(SHARPEST, BROADEST)
        return (self._tokens(mean) - self.offset) / self.spread, self._tokens(
            log_variance
        ) - 2 * self.spread.log()

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Latents (B, N, d) → images (B, 3, H, H), about [-1, 1]."""
        places = (z * self.spread + self.offset).transpose(1, 2)
        grid = places.reshape(len(z), -1, self.shape.grid, self.shape.grid)
        parts = torch.split(F.pixel_shuffle(grid, self.shape.patch), AT_ONCE)
        return torch.cat([self.decoder(part) for part in parts])

    def _tokens(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) → (B, N, d)."""
        return F.pixel_unshuffle(latents, self.shape.patch).flatten(2).transpose(1, 2)


def network_of(name: str, config: Mapping[str, Any]) -> nn.Module:
    """diffusers' own module of class `name`.

    Raises:
        UserError: diffusers is not installed, or cannot build it of this configuration.
    """
    cls = diffusers_class(name)
    try:
        made: nn.Module = cls.from_config(dict(config))
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, NotImplementedError) as error:
        raise UserError(
            f"diffusers cannot build the {name} of this configuration ({' '.join(str(error).split())}). "
            "Use the "
            "config.json that belongs to the weights."
        ) from error
    return made


def diffusers_class(name: str) -> Any:
    """One of `CLASSES`.

    Raises:
        UserError: diffusers is not installed.
    """
    try:
        from diffusers import AutoencoderKL, AutoencoderKLFlux2
        from diffusers.utils import logging
    except ImportError as error:
        raise UserError(
            "Pretrained autoencoders need diffusers: install the extra `pretrained` (make env has it, or pip "
            "pip install '.[pretrained]' in the checkout)."
        ) from error
    logging.set_verbosity_error()  # what it would warn of is checked here, and stops
    return {"AutoencoderKL": AutoencoderKL, "AutoencoderKLFlux2": AutoencoderKLFlux2}[name]
