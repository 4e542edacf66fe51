"""Samples by number of steps: one row per sample set, one column per seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import reconstructed
from sphere_repro.data.class_names import short_word
from sphere_repro.data.frequencies import NOTED, difference
from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.results import degenerate
from sphere_repro.results.scores import metric_label, read_scores, set_label, set_order
from sphere_repro.results.variety import variety

Row = tuple[str, style.Images]
UPRIGHT, LONGEST = 6, 18  # letters of a class's name that stand above a column, or fit aslant
SLANTED = 0.9  # inches that slanted names need


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `real`, the sample sets by name, and `scores`, which only the numbers need."""
    return draw(_sets(inputs), inputs.get("real"), title=titled("Samples", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """The distances of the sets in `inputs`."""
    return table(_sets(inputs), inputs.get("scores"))


def _sets(inputs: Mapping[str, Path]) -> dict[str, Path]:
    return {key: path for key, path in inputs.items() if key not in ("real", "scores")}


@style.house()
def draw(
    sets: Mapping[str, Path], real: Path | None = None, *, columns: int = 10, title: str = "Samples"
) -> Figure:
    """A grid of samples: real images, their reconstructions, then each generation set.

    Image i of every generation set has the same seed and, in a conditional model, the same class: a column
    shows what more steps or another scheme do to one draw. Real images are of the columns' classes and
    otherwise unrelated.

    Args:
        sets: set name → image archive, in any order.
        real: archive of the dataset; without it there are no rows of real images and reconstructions.
        columns: images per row, at most.

    Raises:
        UserError: an archive is missing, broken or of another resolution, or no set is given.
    """
    generated = [name for name in set_order(list(sets)) if name != "reconstruction"]
    if not sets:
        raise UserError(
            "The figure 'samples' needs one sample set at least. Add some under sampling.generations."
        )
    opened = open_alike([*([real] if real else []), *sets.values()])
    found = {name: opened[path] for name, path in sets.items()}
    warning = alike(found, opened[real]) if real else ""
    rows, labels = _real_rows(found, opened[real], columns) if real else ([], None)
    if generated:
        archives = [found[name] for name in generated]
        shortest = min(archives, key=len)
        indices = spread(shortest.labels, len(shortest), columns)
        rows += [
            (set_label(name).replace(", ", "\n", 1), read(archive, indices))
            for name, archive in zip(generated, archives, strict=True)
        ]
        labels = shortest.labels[indices] if shortest.labels is not None else None
    note = _class_note(opened[real], found[generated[0]]) if real and generated else ""
    drawn = _grid(rows, labels, title, next(iter(opened.values())).class_names, note)
    style.warning(drawn, warning)
    return drawn


def alike(sets: Mapping[str, ImageArchive], real: ImageArchive) -> str:
    """A sentence on sets whose images are alike or nearly so; empty where none's are."""
    pairs = []
    for name, archive in sets.items():
        of = reconstructed(real, archive) if name == "reconstruction" else None
        found = degenerate.described(variety(archive), variety(real, of))
        pairs += [(set_label(name), why) for why in degenerate.of_variety(found)]
    return degenerate.sentence(degenerate.listed(pairs))


def table(sets: Mapping[str, Path], scores: Path | None = None) -> pd.DataFrame:
    """Images per set and, where there is a scores file, the distance of each from the real images."""
    found = read_scores(scores) if scores else None
    records = []
    for name in set_order(list(sets)):
        record: dict[str, object] = {"set": set_label(name), "images": len(ImageArchive(sets[name]))}
        score = found.find(name) if found else None
        if found and score:
            record |= {metric_label(found.metric): score.frechet, "standard error": score.frechet_se}
        records.append(record)
    return pd.DataFrame(records).set_index("set")


def spread(labels: NDArray[np.int64] | None, count: int, wanted: int) -> list[int]:
    """Up to `wanted` of `count` indices, one of each class in turn; without classes the first ones."""
    if labels is None or len(np.unique(labels[:count])) < 2:
        return list(range(min(count, wanted)))
    classes = np.unique(labels[:count])
    if len(classes) > wanted:
        classes = classes[np.linspace(0, len(classes) - 1, wanted).round().astype(int)]
    members = [np.flatnonzero(labels[:count] == label) for label in classes]
    rounds = range(max(len(group) for group in members))
    return [int(group[turn]) for turn in rounds for group in members if turn < len(group)][:wanted]


def open_alike(paths: Iterable[Path]) -> dict[Path, ImageArchive]:
    """Archives that one figure shows, by path.

    Raises:
        UserError: one is missing, broken, or of another resolution than the first.
    """
    opened = {path: ImageArchive(path) for path in paths}
    first = next(iter(opened.values()))
    for archive in opened.values():
        if archive.resolution != first.resolution:
            raise UserError(
                f"{first.path} holds {first.resolution}-pixel images, but {archive.path} "
                f"{archive.resolution}-pixel ones. Give archives of one run."
            )
    return opened


def read(archive: ImageArchive, indices: list[int]) -> style.Images:
    """Images of an archive, uint8 (n, H, W, 3)."""
    return np.stack([archive.read(index) for index in indices])


def _real_rows(
    sets: Mapping[str, ImageArchive], real: ImageArchive, columns: int
) -> tuple[list[Row], NDArray[np.int64] | None]:
    rebuilt = sets.get("reconstruction")
    of = reconstructed(real, rebuilt) if rebuilt else np.arange(len(real))
    labels = None if real.labels is None else real.labels[of]
    shown = spread(labels, len(of), columns)
    rows = [("real", read(real, of[shown].tolist()))]
    if rebuilt:
        rows.append(("reconstruction", read(rebuilt, shown)))
    return rows, labels[shown] if labels is not None else None


def _class_note(real: ImageArchive, drawn: ImageArchive) -> str:
    """A sentence where classes are drawn in other frequencies than the dataset has them."""
    apart = difference(real.labels, drawn.labels)
    if apart < NOTED:
        return ""
    share = f"{apart * 100:.0f} % of the images differ"
    return f"\nClasses are drawn in other frequencies than the dataset's: {share}."


def _grid(
    rows: list[Row],
    labels: NDArray[np.int64] | None,
    title: str,
    names: tuple[str, ...] | None = None,
    note: str = "",
) -> Figure:
    if not rows:
        raise UserError("The figure 'samples' needs the dataset's archive beside the reconstructions.")
    columns = min(len(images) for _, images in rows)
    grid = np.stack([images[:columns] for _, images in rows])
    words = [] if labels is None else [short_word(int(label), names, LONGEST) for label in labels[:columns]]
    slanted = max(map(len, words), default=0) > UPRIGHT
    drawn = style.figure(height=0.75 + len(rows) * 8.6 / max(columns, 6) + SLANTED * slanted)
    axes = drawn.subplots()
    heights, widths = style.show_montage(axes, grid)
    axes.set_yticks(heights, [name for name, _ in rows])
    if words:
        axes.xaxis.tick_top()
        axes.set_xticks(widths, words)
        if slanted:
            for label in axes.get_xticklabels():
                label.set(rotation=45, horizontalalignment="left", rotation_mode="anchor")
        axes.tick_params(length=0)
    caption = "One column, one seed: generated images below each other start from the same noise."
    if words:
        caption += f" {'Names' if names else 'Numbers'} above the columns are classes.{note}"
    style.heading(drawn, title, caption)
    return drawn
