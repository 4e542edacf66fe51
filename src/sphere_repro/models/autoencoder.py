"""The Sphere Encoder's autoencoder, its baselines of the same backbone, and how each is built."""

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


class PlainAutoencoder(nn.Module):
    """Autoencoder baseline: the same networks, trained to reconstruct and for nothing else.

    Its posterior is a point, so that whatever serves a VAE serves it too. It has no prior: nothing pulls its
    latents to any distribution, and draws from a standard normal show what that leads to. As in the VAE, the
    Mixer after its encoder has no final norm, which would put each latent near a sphere.
    """

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape, shape.token_channels, normalise=False)
        self.decoder = Decoder(shape)

    @property
    def null_class(self) -> int:
        """Index of the null class."""
        return self.shape.classes

    def posterior(self, x: Tensor, labels: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """E(x, y), (B, N, d), and its log-variance as a VAE would say it: minus infinity everywhere."""
        code: Tensor = self.encoder(x, labels)
        return code, torch.full_like(code, -torch.inf)

    def decode(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """D(z, y): latents (B, N, d) → images (B, 3, H, H) in [-1, 1]."""
        images: Tensor = self.decoder(z, labels)
        return images


Unspherified = VariationalAutoencoder | PlainAutoencoder
Autoencoder = SphereAutoencoder | Unspherified
FromGaussian = Unspherified | PretrainedVae
"""Models that are sampled by decoding Gaussian draws."""
AnyAutoencoder = SphereAutoencoder | FromGaussian
OF_KIND: dict[str, type[Autoencoder]] = {
    "sphere": SphereAutoencoder,
    "vae": VariationalAutoencoder,
    "autoencoder": PlainAutoencoder,
}


def build(shape: Architecture, *, generator: torch.Generator | None = None) -> Autoencoder:
    """The autoencoder of `shape`, with weights drawn from `generator` (none: as torch made them)."""
    model = OF_KIND[shape.kind](shape)
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
