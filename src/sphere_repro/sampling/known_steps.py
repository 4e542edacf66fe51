"""Images that the sets of one run have in common: what one set has drawn, another goes on from.

Sets of other numbers of steps and other schemes begin at the same points of the sphere, and go the same way
as long as noise and strength agree (section 4): with fixed strength and shared noise, images of 8 steps were
those of 1, 2 and 4 on their way.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.sampling import refine
from sphere_repro.sampling.refine import Condition, Step

REMEMBERED = 2**26  # bytes of images that are kept, those that come first


class KnownSteps:
    """Images after each step that was taken, of one model as it is loaded, where it computes."""

    def __init__(self) -> None:
        """Nothing was drawn yet."""
        self._images: dict[Hashable, Tensor] = {}
        self._bytes = 0

    @torch.inference_mode()
    def generate(
        self,
        batch: Hashable,
        model: SphereAutoencoder,
        first: Tensor,
        noise: Tensor,
        asked: Condition,
        steps: Sequence[Step],
    ) -> Tensor:
        """As `refine.generate`, bit for bit, from the furthest image on that is known.

        Args:
            batch: tells samples, draws, labels and guidance from all others.
            model, first, noise, asked: as of `refine.generate`.
            steps: after the first (`refine.later_steps`).
        """
        ways = [(batch, tuple(steps[:taken])) for taken in range(len(steps) + 1)]
        known = max((taken for taken, way in enumerate(ways) if way in self._images), default=None)
        if known is None:
            known, x = 0, refine.begin(model, first, asked)
            self._keep(ways[0], x)
        else:
            x = self._images[ways[known]]
        for step, way in zip(steps[known:], ways[known + 1 :], strict=True):
            x = refine.go_on(model, x, asked, first, noise, step)
            self._keep(way, x)
        return x

    def _keep(self, way: Hashable, images: Tensor) -> None:
        size = images.numel() * images.element_size()
        if self._bytes + size <= REMEMBERED:
            self._images[way] = images
            self._bytes += size
