"""Which images of an archive are taken where not all are: a random choice that belongs to the archive's size.

Archives of class folders are sorted by class, so that their first images are of few classes. References and
reconstructions take the same choice: of two sizes the smaller is a part of the larger, and as many
reconstructions as reference images are those of the reference's own images (section 4).

Where a study holds images out (`dataset.held_out`), they are left out of all of this: models are trained on
the rest, whose images alone are the reference, are reconstructed and have their latents looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.dataset import held_count
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


def held_out(total: int, share: float, labels: Indices | None = None) -> Indices:
    """Indices of the images that no model is trained on, ascending, int64; none where `share` is 0.

    A seeded choice that follows from the arguments alone: the same for every run of a dataset. Each class
    gives in proportion to its images. Of two shares the smaller one's images are among the larger one's.

    Args:
        total: N, images of the archive.
        share: of them, in [0, 1).
        labels: int64 (N,), or None without classes.
    """
    count = held_count(total, share)
    if not count:
        return np.arange(0)
    ranks = np.argsort(np.argsort(np.random.PCG64(derive("held out")).random_raw(total), kind="stable"))
    classes = np.zeros(total, np.int64) if labels is None else labels
    place = np.empty(total)  # of each image within its class, in (0, 1), in random order
    for label in np.unique(classes):
        own = np.flatnonzero(classes == label)
        place[own[np.argsort(ranks[own])]] = (np.arange(len(own)) + 0.5) / len(own)
    return np.sort(np.lexsort((ranks, place))[:count])


def trained_on(archive: ImageArchive, share: float) -> Indices:
    """Indices of the images that models are trained on, ascending; all where `share` is 0."""
    return np.setdiff1d(np.arange(len(archive)), held_out(len(archive), share, archive.labels))


def training_part(archive: ImageArchive, share: float) -> ImageArchive:
    """The archive as training sees it: without the images that are held out; itself where `share` is 0."""
    return archive.part(trained_on(archive, share)) if share > 0 else archive


def chosen(archive: ImageArchive, share: float, count: int | None = None) -> Indices:
    """Indices in the whole archive of `count` images that models are trained on (`choose`)."""
    trained = trained_on(archive, share)
    return trained[choose(len(trained), count)]


def reconstructed(real: ImageArchive, copies: ImageArchive, share: float | None = None) -> Indices:
    """Which image of `real` each of its reconstructions is of, int64 (len(copies),).

    Args:
        real: the whole archive, with the images that are held out.
        copies: the reconstructions.
        share: of the images that is held out; default: as the record beside the reconstructions says.

    Raises:
        UserError: there are more reconstructions than images, or they are of other images than `choose` says:
            by their record (where there is one beside them) or by their classes.
    """
    count = len(copies)
    share = _recorded_share(copies) if share is None else share
    there = len(real) - held_count(len(real), share)
    if count > there:
        raise UserError(
            f"{copies.path} holds {count} reconstructions of {there} images in {real.path}. "
            "Draw the reconstructions again."
        )
    indices = chosen(real, share, count)
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


def _recorded_share(copies: ImageArchive) -> float:
    """The share of images that is held out, by the record beside reconstructions; 0 without one."""
    path = copies.path.with_suffix(".json")
    try:
        return float(read_json(path)["job"]["dataset"].get("held_out", 0.0)) if path.is_file() else 0.0
    except (KeyError, TypeError, AttributeError, ValueError):
        return 0.0


def _recorded(copies: ImageArchive, indices: Indices) -> bool:
    """Whether the record beside reconstructions names these images; without one they are believed."""
    path = copies.path.with_suffix(".json")
    if not path.is_file():
        return True
    record: Any = read_json(path)
    return isinstance(record, dict) and record.get("indices") == indices.tolist()
