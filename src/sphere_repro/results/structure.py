"""Whether images keep the structure of those they were made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Likeness:
    """Correlations of grey values over pixels, which brightness and contrast do not move.

    Attributes:
        own: (inputs, steps) of the images made of an input with that input, means over classes.
        other: as a control with the other inputs; None where there is none.
    """

    own: NDArray[np.float64]
    other: NDArray[np.float64] | None


def likeness(images: NDArray[np.uint8], *, negatives: bool = False) -> Likeness:
    """Structure, as the correlation of grey values; that of an image of one grey is 0.

    The negative of an image has all its correlations turned round, so that over images and their negatives
    the control would be 0 by construction, and below it by the negative of the own input. Where each input is
    followed by its negative, the control is the other images in the same form.

    Args:
        images: (classes, inputs, steps + 1, H, H, 3); step 0 is the input.
        negatives: whether every second input is the negative of the one before it.
    """
    grey = images.astype(np.float64).mean(-1)
    flat = grey.reshape(*grey.shape[:3], -1)
    flat -= flat.mean(-1, keepdims=True)
    norm = np.linalg.norm(flat, axis=-1, keepdims=True)
    flat = np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)
    table = np.einsum("cisp,cjp->ijs", flat[:, :, 1:], flat[:, :, 0]) / len(flat)
    places = np.arange(table.shape[0])
    own = table[places, places]  # (inputs, steps)
    form = places % 2 if negatives else np.zeros_like(places)
    others = (form[:, None] == form) & ~np.eye(len(places), dtype=bool)  # (inputs, inputs)
    counts = others.sum(1)
    if not counts.all():
        return Likeness(own, None)
    return Likeness(own, np.einsum("ijs,ij->is", table, others) / counts[:, None])
