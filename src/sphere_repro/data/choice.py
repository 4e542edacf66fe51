"""Which images of an archive are taken where not all are: a random choice that belongs to the archive's size.

Archives of class folders are sorted by class, so that their first images are of few classes. References and
reconstructions take the same choice: of two sizes the smaller is a part of the larger, and as many
reconstructions as reference images are those of the reference's own images (section 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.seeds import derive

Indices = NDArray[np.int64]


def choose(total: int, count: int | None = None) -> Indices:
    """Indices of `count` of `total` images, ascending, int64; all of them where there are no more.

    It follows from the two numbers alone, whatever is done with the images. The generator's raw numbers are
    ranked, which no version of NumPy changes.
    """
    if count is None or count >= total:
        return np.arange(total)
    ranks = np.random.PCG64(derive("choice of images")).random_raw(total)
    return np.sort(np.argsort(ranks, kind="stable")[:count])


def reconstructed(real: ImageArchive, copies: ImageArchive) -> Indices:
    """Which image of `real` each of its reconstructions is of, int64 (len(copies),).

    Raises:
        UserError: there are more reconstructions than images, or they are of other images than `choose` says:
            by their record (where there is one beside them) or by their classes.
    """
    count = len(copies)
    if count > len(real):
        raise UserError(
            f"{copies.path} holds {count} reconstructions of {len(real)} images in {real.path}. "
            "Draw the reconstructions again."
        )
    indices = choose(len(real), count)
    if not (_labels_agree(real, copies, indices) and (count == len(real) or _recorded(copies, indices))):
        raise UserError(
            f"{copies.path} holds reconstructions of other images than the {count} chosen of {real.path}. "
            "Delete it and draw the reconstructions again."
        )
    return indices


def _labels_agree(real: ImageArchive, copies: ImageArchive, indices: Indices) -> bool:
    if real.labels is None or copies.labels is None:
        return True
    return bool(np.array_equal(real.labels[indices], copies.labels))


def _recorded(copies: ImageArchive, indices: Indices) -> bool:
    """Whether the record beside reconstructions names these images; without one they are believed."""
    path = copies.path.with_suffix(".json")
    if not path.is_file():
        return True
    record: Any = read_json(path)
    return isinstance(record, dict) and record.get("indices") == indices.tolist()
