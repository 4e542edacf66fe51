"""The Sphere Encoder's autoencoder, the VAE of the same backbone, and how either is built."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sphere_repro.models.initial import initialise
from sphere_repro.models.pretrained import PretrainedVae
from sphere_repro.models.vit import Decoder, Encoder
from sphere_repro.study.architecture import Architecture


class SphereAutoencoder(nn.Module):
    """Encoder E and decoder D (section 2); spherification stays outside, in `sphere`."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape, shape.token_channels)
        self.decoder = Decoder(shape)

    @property
    def null_class(self) -> int:
        """Index of the null class."""
        return self.shape.classes

    def encode(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        """E(x, y): images (B, 3, H, H) in [-1, 1] → (B, N, d), not yet on the sphere."""
        latent: Tensor = self.encoder(x, labels)
        return latent

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """D(z, y): points of the sphere (B, N, d) → images (B, 3, H, H) in [-1, 1]."""
        images: Tensor = self.decoder(z, labels)
        return images


class VariationalAutoencoder(nn.Module):
    """Gaussian VAE baseline: the same networks, the encoder ending in a mean and a log-variance.

    The Mixer after its encoder has no final norm: a norm over mean and log-variance together would tie
    the posterior's width to its position.
    """

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape, 2 * shape.token_channels, normalise=False)
        self.decoder = Decoder(shape)

    @property
    def null_class(self) -> int:
        """Index of the null class."""
        return self.shape.classes

    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x, y), each (B, N, d); the log-variance lies in [-30, 20]."""
        mean, log_variance = self.encoder(x, labels).chunk(2, dim=-1)
        return mean, log_variance.clamp(-30, 20)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """D(z, y): latents (B, N, d) → images (B, 3, H, H) in [-1, 1]."""
        images: Tensor = self.decoder(z, labels)
        return images


Autoencoder = SphereAutoencoder | VariationalAutoencoder
GaussianVae = VariationalAutoencoder | PretrainedVae
AnyAutoencoder = SphereAutoencoder | GaussianVae


def build(shape: Architecture, *, generator: torch.Generator | None = None) -> Autoencoder:
    """The autoencoder of `shape`, with weights drawn from `generator` (none: as torch made them)."""
    model: Autoencoder = SphereAutoencoder(shape) if shape.kind == "sphere" else VariationalAutoencoder(shape)
    if generator is not None:
        initialise(model, generator)
    return model


def parameter_count(shape: Architecture) -> int:
    """Trainable and fixed parameters (section 2's table; with position embeddings); allocates nothing."""
    with torch.device("meta"):
        model = build(shape)
    return sum(tensor.numel() for tensor in model.state_dict().values())


def unit(images: Tensor) -> Tensor:
    """Images of any shape from the models' range [-1, 1] to [0, 1]."""
    return images / 2 + 0.5
