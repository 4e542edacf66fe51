"""How often each class is drawn: equally, or as often as the dataset has it."""

from __future__ import annotations

import numpy as np

NOTED = 0.02  # share of the images from which a difference of frequencies is told
_GOLDEN, _BITS = 2654435769, 32  # 2^32 over the golden ratio: its multiples fill the circle evenly


def balanced(indices: np.ndarray, classes: int) -> np.ndarray:
    """Labels int64 (n,) of the samples `indices`: each class as often as the others."""
    return np.asarray(indices, np.int64) % classes


def as_in(labels: np.ndarray, indices: np.ndarray, classes: int) -> np.ndarray:
    """Labels int64 (n,) of the samples `indices`: each class as often as among `labels`.

    The label of a sample depends on its index alone, so it stays when more are drawn; and the frequencies of
    the first n agree with those of `labels` within a few samples, for every n.
    """
    places = (np.asarray(indices, np.uint64) * np.uint64(_GOLDEN)) % np.uint64(1 << _BITS)
    ends = np.bincount(labels, minlength=classes).cumsum()
    position = (places * np.uint64(len(labels))) >> np.uint64(_BITS)  # 0…N-1, in whole numbers
    return np.searchsorted(ends, position.astype(np.int64), side="right").astype(np.int64)


def difference(first: np.ndarray | None, second: np.ndarray | None) -> float:
    """Share of the images that would need another class for both to have the same frequencies; 0 without."""
    if first is None or second is None:
        return 0.0
    classes = int(max(first.max(), second.max())) + 1
    shares = [np.bincount(labels, minlength=classes) / len(labels) for labels in (first, second)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
