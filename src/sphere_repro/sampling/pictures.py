"""Images as files for people: a PNG each, one picture of all, and arrays; each PNG says how it was made."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sphere_repro.data.class_names import class_word
from sphere_repro.provenance.embedded import described
from sphere_repro.sampling.image_sets import Drawn

GRID, ARRAYS = "grid.png", "images.npz"
MOST_ROWS, MOST_COLUMNS, WRAPPED = 64, 40, 8  # of the picture of all; of samples that have one axis alone
LEAST, GAP = 64, 2  # pixels of an image in it, and between images
Place = tuple[int, ...]


def write_pictures(
    folder: Path,
    drawn: Drawn,
    about: Mapping[str, Any],
    begins_with: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
) -> str:
    """Write every image of `drawn` into `folder`, and `grid.png`.

    Args:
        folder: that is there.
        drawn: the images.
        about: provenance of all of them; each PNG holds it, with what is its own.
        begins_with: names of the inputs.
        class_names: of the classes, where they have names.

    Returns:
        What of them the grid leaves out, in words; empty where it shows all.
    """
    names = file_names(drawn, class_names)
    for index, (name, place, image) in enumerate(zip(names, _places(drawn), drawn.flat, strict=True)):
        own: dict[str, Any] = {
            axis: along[at] for (axis, along), at in zip(drawn.axes.items(), place, strict=True)
        }
        if "input" in own:
            own["input"] = begins_with[own["input"]]
        if "pair" in own:
            own["pair"] = " and ".join(begins_with[2 * own["pair"] : 2 * own["pair"] + 2])
        if _has_own_label(drawn):
            own["class"] = _class_of(drawn, index, class_names)
        _write(folder / name, image, about, own)
    grid, left_out = grid_of(drawn)
    _write(folder / GRID, grid, about, {"axes": [[name, along] for name, along in drawn.axes.items()]})
    return left_out


def file_names(drawn: Drawn, class_names: Sequence[str] | None = None) -> list[str]:
    """The files that `write_pictures` makes of the images, in row-major order."""
    names = []
    for index, place in enumerate(_places(drawn)):
        words = [f"class-{_class_of(drawn, index, class_names)}"] if _has_own_label(drawn) else []
        names.append(f"{_file_name(drawn, place, words)}.png")
    return names


def _has_own_label(drawn: Drawn) -> bool:
    """Whether the images have classes of which no axis tells."""
    return drawn.labels is not None and "class" not in drawn.axes


def _class_of(drawn: Drawn, index: int, class_names: Sequence[str] | None) -> str:
    assert drawn.labels is not None
    return class_word(int(drawn.labels[index]), class_names)


def write_arrays(folder: Path, drawn: Drawn) -> None:
    """Write `images.npz`: `images` uint8, one leading axis for each of `axes`, what lies on them, labels."""
    arrays: dict[str, np.ndarray] = {"images": drawn.images, "axes": np.array([*drawn.axes])}
    arrays |= {f"axis.{name}": np.array(along) for name, along in drawn.axes.items()}
    if drawn.labels is not None:
        arrays["labels"] = drawn.labels
    np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]


def grid_of(drawn: Drawn) -> tuple[np.ndarray, str]:
    """All images as one uint8 (height, width, 3), and what is left out of it, in words.

    The last axis runs to the right, all others down; images with a single axis run on from row to row.
    """
    table = _table(drawn)
    rows, columns, side = table.shape[:3]
    shown = table[:MOST_ROWS, :MOST_COLUMNS]
    factor = max(1, -(-LEAST // side))
    large = shown.repeat(factor, axis=2).repeat(factor, axis=3)
    framed = np.pad(large, ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    canvas = framed.swapaxes(1, 2).reshape(len(shown) * (side * factor + GAP), -1, 3)
    words = f"{GRID} shows {shown.shape[0]}×{shown.shape[1]} of {rows}×{columns} images"
    return np.ascontiguousarray(canvas[:-GAP, :-GAP]), "" if shown.shape == table.shape else words


def _table(drawn: Drawn) -> np.ndarray:
    """uint8 (rows, columns, H, W, 3); white where a last row ends early."""
    images = drawn.images
    if len(drawn.axes) > 1 or len(images) <= WRAPPED:
        return images.reshape(-1, images.shape[-4], *images.shape[-3:])
    rows = -(-len(images) // WRAPPED)
    whole = np.full((rows * WRAPPED, *images.shape[1:]), 255, np.uint8)
    whole[: len(images)] = images
    return whole.reshape(rows, WRAPPED, *images.shape[1:])


def _places(drawn: Drawn) -> Iterable[Place]:
    return itertools.product(*(range(len(along)) for along in drawn.axes.values()))


def _file_name(drawn: Drawn, place: Place, words: Sequence[str]) -> str:
    """E.g. class-3_input-0_step-04: axes with one place are left out, unless all have one."""
    parts = []
    for (name, along), at in zip(drawn.axes.items(), place, strict=True):
        if len(along) > 1 or len(drawn.flat) == 1:
            named = isinstance(along[at], str)
            parts.append(f"{name}-{along[at] if named else f'{at:0{len(str(len(along) - 1))}d}'}")
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part) for part in [*parts, *words])


def _write(path: Path, image: np.ndarray, about: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    parameters = {**about["parameters"], **own}
    Image.fromarray(image).save(path, pnginfo=described(image, {**about, "parameters": parameters}))
