"""Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): numbers by their place.

A counter-based generator has no state: number n of the stream of a seed is a function of n and the seed. So
all streams of a batch are computed at once, on whatever device, and the same whatever the batch is and in how
many parts it is drawn. Integers, and `uniform`, have the same bits on every device; `normal` goes through the
device's own logarithm and sine, and agrees to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

Words = tuple[Tensor, Tensor, Tensor, Tensor]
"""The four 32-bit words of some blocks, int64 in [0, 2³²): torch has no arithmetic of unsigned integers."""

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
LOW = 0xFFFFFFFF
# Blocks of four numbers at once: on a CPU what its caches hold, elsewhere few calls (of 16 MiB a tensor).
CACHED, PART = 1 << 15, 1 << 21


def blocks(counter: Words, key: tuple[Tensor, Tensor]) -> Words:
    """The blocks of 128 random bits at `counter` in the stream of `key`.

    Args:
        counter: four words, of shapes that broadcast.
        key: two words, likewise.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        # int64 wraps around, so that a product has the bits of one of unsigned numbers; what a shift draws in
        # from its sign, and what stands above the low words, is cut off where a word is multiplied again
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1 = ((second >> 32) ^ c1 ^ k0) & LOW, second
        c2, c3 = ((first >> 32) ^ c3 ^ k1) & LOW, first
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1 & LOW, c2, c3 & LOW


def uniform(seeds: Tensor, count: int) -> Tensor:
    """Numbers in [0, 1), multiples of 2⁻²⁴.

    Args:
        seeds: int64 (B,), at least 0; each is the key of a stream.
        count: how many of each stream; the first ones do not depend on how many there are.

    Returns:
        (B, count) float32 on the device of `seeds`.
    """
    return _numbers(seeds, count, lambda words: [(word >> 8).float() * 2**-24 for word in words])


def normal(seeds: Tensor, shape: Sequence[int]) -> Tensor:
    """Standard-normal numbers by the method of Box and Muller, up to 6.8 from 0.

    Args:
        seeds: int64 (B,), at least 0; each is the key of a stream.
        shape: of what is drawn of each stream, in row-major order: the first ones do not depend on how many
            there are.

    Returns:
        (B, *shape) float32 on the device of `seeds`.
    """
    return _numbers(seeds, math.prod(shape), _box_muller).reshape(-1, *shape)


def _box_muller(words: Words) -> list[Tensor]:
    found = []
    for one, other in (words[:2], words[2:]):
        radius = (-2 * (one.float() * 2**-32 + 2**-33).log()).sqrt()  # of a number in (0, 1]
        angle = other.float() * (2 * math.pi * 2**-32)
        found += [radius * angle.cos(), radius * angle.sin()]
    return found


def _numbers(seeds: Tensor, count: int, made_of: Callable[[Words], list[Tensor]]) -> Tensor:
    """The first `count` numbers of each stream, four of each block."""
    key = (seeds & LOW)[:, None], (seeds >> 32)[:, None]
    numbers = torch.empty(len(seeds), -(-count // 4), 4, device=seeds.device)
    for part in _parts(seeds, numbers.shape[1]):
        place = torch.arange(part.start, part.stop, device=seeds.device)[None]  # far from 2³²
        zero = torch.zeros_like(place)
        words = blocks((place, zero, zero, zero), key)
        for position, values in enumerate(made_of(words)):
            numbers[:, part, position] = values
    return numbers.flatten(1)[:, :count]


def _parts(seeds: Tensor, count: int) -> Iterator[slice]:
    """Slices of `count` blocks of each stream, of about as many blocks in all as suit the device."""
    most = max(1, (CACHED if seeds.device.type == "cpu" else PART) // max(1, len(seeds)))
    return (slice(start, min(start + most, count)) for start in range(0, count, most))
