"""Means over the images of a set with their standard errors, and what a table says of each set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sphere_repro.results.image_sets import ImageSet, complete, read_run
from sphere_repro.results.pace import fastest_share
from sphere_repro.results.passes import Passes, passes
from sphere_repro.results.scores import set_label
from sphere_repro.results.structure import likeness
from sphere_repro.results.verdicts import Number, exponential

Values = NDArray[np.float64]
Cells = dict[str, str | Number]
KINDS = ("edit", "crossover", "interpolation", "reconstruction")


def forms(each: ImageSet) -> int:
    """In how many forms an image is there: 2 with its negative."""
    return 2 if each.negatives else 1


def by_image(values: Values, each: ImageSet) -> Values:
    """(inputs,) → (images,): means of an image and its negative, which are not independent."""
    return np.asarray(values.reshape(-1, forms(each)).mean(1))


def mean(values: Values) -> Number:
    """The mean of independent values, with its standard error; of a single one that is 0."""
    count = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    return Number(float(values.mean()), error, count - 1)


def shares(lines: Sequence[Mapping[str, Sequence[float]]], what: str) -> Values:
    """(paths,) the share of a path that lies in its fastest tenth; not a number where it does not move.

    Args:
        lines: the speeds of every path, as a set's record has them.
        what: encoding, latent or pixels.
    """
    found = [fastest_share(line[what]) for line in lines]
    return np.array([math.nan if share is None else share for share in found])


def image_set_cells(records: Sequence[Path]) -> list[Cells]:
    """What a table says of every image set of the runs, a line for each scheme, cut or generation.

    Raises:
        UserError: a record, or a set, is missing, broken or foreign.
    """
    described: dict[str, Callable[[ImageSet], Iterator[Cells]]]
    described = dict(zip(KINDS, (_edit, _crossover, _interpolation, _reconstruction), strict=True))
    found: list[Cells] = []
    for run in map(read_run, records):
        with complete(run):
            for kind in KINDS:
                found += [
                    {"run": run.name, "set": each.name, **cells}
                    for each in run.of(kind)
                    for cells in described[kind](each)
                ]
    return found


def _edit(each: ImageSet) -> Iterator[Cells]:
    for scheme, images in zip(each.axes["scheme"], each.images, strict=True):
        found, alike = passes(images), likeness(images, negatives=each.negatives)
        cells = _head(scheme.replace("-", ", "), len(each.axes["input"]) // forms(each))
        cells["PSNR to the input, dB"] = mean(by_image(_psnr(found).mean(0), each))
        cells["correlation with the own input"] = mean(by_image(alike.own[:, -1], each))
        if alike.other is not None:
            cells["with other inputs"] = mean(by_image(alike.other[:, -1], each))
        yield cells


def _crossover(each: ImageSet) -> Iterator[Cells]:
    for cut, images in zip(each.axes["cut"], each.images, strict=True):
        yield _head(cut, len(each.axes["pair"])) | _of_passes(passes(images), each)


def _reconstruction(each: ImageSet) -> Iterator[Cells]:
    cells = _head("", len(each.axes["input"]) // forms(each))
    yield cells | _of_passes(passes(each.images), each)


def _interpolation(each: ImageSet) -> Iterator[Cells]:
    for generation, lines in each.measures.get("speeds", {}).items():
        cells = _head(set_label(generation), len(lines))
        for what, words in (
            ("encoding", "fastest tenth, encoder's outputs"),
            ("latent", "fastest tenth, latents"),
        ):
            found = shares(lines, what)
            if np.isfinite(found).all():
                cells[words] = mean(found)
        yield cells


def _head(of: str, count: int) -> Cells:
    return {"of": of, "images, pairs or paths": str(count)}


def _of_passes(found: Passes, each: ImageSet) -> Cells:
    return {
        "PSNR to the input, dB": mean(by_image(_psnr(found), each)),
        "growth of the distance": exponential(mean(by_image(found.growth, each))),
        "change left": exponential(mean(by_image(found.change_left, each))),
    }


def _psnr(found: Passes) -> Values:
    """(…, n) in dB, after the last pass."""
    return np.asarray(-20 * np.log10(found.distance[..., -1]))
