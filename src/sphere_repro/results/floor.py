"""The floor: what images of a perfect model would score, by their number and that of the real images.

It is measured between two halves of the real images and grows as 1/n with fewer images: of n against N it is
c·(1/n + 1/N), where the halves say what c is.
"""

from __future__ import annotations


def slope(measured: float, half: int) -> float:
    """c, from the distance between two halves of `half` images each."""
    return measured * half / 2


def expected(measured: float, half: int, count: int, reference: int) -> float:
    """The floor of `count` images against `reference` real ones."""
    return slope(measured, half) * (1 / count + 1 / reference)
