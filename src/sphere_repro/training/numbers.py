"""What the draws of a training step are made of: uniform numbers and permutations, by either generator."""

from __future__ import annotations

import torch
from torch import Tensor

from sphere_repro import philox
from sphere_repro.seeds import Random
from sphere_repro.sphere import Numbers


class OfTorch:
    """Numbers of a generator of torch's."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def uniform(self, count: int) -> Tensor:
        """The next `count` numbers in [0, 1), (count,) float32."""
        return torch.rand(count, generator=self.generator)

    def order(self, count: int) -> Tensor:
        """A permutation of 0 … count-1, (count,) int64."""
        return torch.randperm(count, generator=self.generator)


class OfPhilox:
    """The first `count` numbers of a Philox stream: the same bits on every device, so that they are drawn on
    the CPU, ahead of the step; so few of them would take longer to start on a GPU than to compute."""

    def __init__(self, seed: int, count: int) -> None:
        self.left = philox.uniform(torch.tensor([seed]), count)[0]

    def uniform(self, count: int) -> Tensor:
        """The next `count` numbers in [0, 1), (count,) float32.

        Raises:
            ValueError: fewer are left.
        """
        if count > len(self.left):
            raise ValueError(f"{count} numbers are wanted, but {len(self.left)} are left")
        found, self.left = self.left[:count], self.left[count:]
        return found

    def order(self, count: int) -> Tensor:
        """A permutation of 0 … count-1, (count,) int64."""
        return self.uniform(count).argsort(stable=True)  # equal numbers in the same order everywhere


def numbers_of(random: Random, seed: int, count: int) -> Numbers:
    """At most `count` numbers of a seed."""
    if random == "philox":
        return OfPhilox(seed, count)
    return OfTorch(torch.Generator().manual_seed(seed))
