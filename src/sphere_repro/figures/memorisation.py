"""Samples beside their nearest training images, and how near they lie compared with controls (appendix B)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.nearest import (
    COPIES,
    HELD_OUT,
    MEASURES,
    TRAINING,
    Memorisation,
    Near,
    read_memorisation,
    read_near,
)
from sphere_repro.results.scores import set_label

SHOWN = 6  # samples of each set and measure: those with the smallest relative distance
ROW = 0.85  # inches of a row of images
CURVES = 2.9  # inches of a row of curves
UNITS = {"features": "Euclidean, in features", "pixels": "RMS of pixels, grey levels"}
CONTROLS = {HELD_OUT: "held out", TRAINING: "training, leave-one-out", COPIES: "planted copies"}
LINES = {HELD_OUT: ("0.0", "-"), TRAINING: ("0.55", "-"), COPIES: ("0.35", ":")}


@dataclass(frozen=True)
class Found:
    """What the figure is drawn from.

    Attributes:
        about: shares and thresholds.
        groups: group (a set or a control) → measure → nearest training images.
        real: the dataset's archive.
        sets: the sample sets' archives.
    """

    about: Memorisation
    groups: Mapping[str, Mapping[str, Near]]
    real: ImageArchive
    sets: Mapping[str, ImageArchive]


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `scores`, `near` (the npz beside it), `real` and `set.NAME` for each set looked at."""
    return draw(_read(inputs), title=titled("Nearest training images", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Near duplicates and distances by group and measure."""
    found, records = _read(inputs), []
    for group in _order(found):
        for measure in MEASURES:
            near = found.groups[group][measure]
            below = found.about.about["measures"][measure]["below"]
            counted = _counted(found.about, group, measure)
            records.append(
                {
                    "images": CONTROLS.get(group, group),
                    "measure": measure,
                    "count": len(near.distance),
                    "near duplicates": counted.get("near"),
                    "of": counted.get("count"),
                    "share": counted.get("share"),
                    "95 % from": counted.get("low"),
                    "95 % to": counted.get("high"),
                    "threshold of the relative distance": below,
                    **{
                        f"{name}, {100 * q:g} % quantile": float(np.quantile(values, q))
                        for name, values in (
                            ("distance", near.distance),
                            ("relative distance", near.relative),
                        )
                        for q in (0.01, 0.5, 0.99)
                    },
                }
            )
    return pd.DataFrame(records).set_index(["images", "measure"])


def _read(inputs: Mapping[str, Path]) -> Found:
    about = read_memorisation(Path(need(inputs, "scores")))
    if about is None:
        raise UserError(
            f"{inputs['scores']} says nothing of near duplicates. Give the scores of a Sphere Encoder that "
            "were taken against our own reference."
        )
    path = Path(need(inputs, "near"))
    groups = read_near(path)
    sets = {name: ImageArchive(need(inputs, f"set.{name}")) for name in about.sets}
    real = ImageArchive(need(inputs, "real"))
    missing = [name for name in (*about.sets, TRAINING, COPIES) if name not in groups]
    for name, archive in sets.items():
        near = groups.get(name, {})
        if any(len(each.index) != len(archive) or each.index.max() >= len(real) for each in near.values()):
            missing.append(name)
    if missing:
        raise UserError(
            f"{path} does not hold the nearest training images of '{missing[0]}' as it lies here. Score the "
            "run again."
        )
    return Found(about, groups, real, sets)


def _order(found: Found) -> list[str]:
    return [*found.sets, *(name for name in LINES if name in found.groups)]


def _counted(about: Memorisation, group: str, measure: str) -> Mapping[str, float]:
    """The share of a group's near duplicates as the scores give it; empty where it fixed the threshold."""
    if group in about.sets:
        return dict(about.sets[group][measure])
    if group == COPIES:
        return dict(about.about["measures"][measure][COPIES])
    return dict(about.about["measures"][measure]["control"]) if group == about.about["control"] else {}


@style.house()
def draw(found: Found, *, title: str = "Nearest training images") -> Figure:
    """Above, strips of the samples that stand out most, with two rows of neighbours; below, curves.

    Those are cumulative: which share of a group's images lies as near as that, or nearer.
    """
    strips = [3 * ROW + 0.35] * len(found.sets)
    heights = [*strips, 2 * CURVES]
    drawn = style.figure(height=1.1 + sum(heights))
    parts = drawn.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    for part, name in zip(parts, found.sets, strict=False):
        _strip(part, found, name)
    _curves(parts[-1], found)
    searched = "{looked_at} of {trained_on} training images searched".format(**found.about.about)
    style.heading(
        drawn,
        title,
        f"Samples whose nearest training image stands out most ({searched}), and how near all lie\n"
        f"to theirs. Near duplicates: left of the dotted line. Control: {found.about.control}.",
    )
    return drawn


def _strip(part: SubFigure, found: Found, name: str) -> None:
    near, archive = found.groups[name], found.sets[name]
    each = min(SHOWN, len(archive))
    chosen = {measure: np.argsort(near[measure].relative, kind="stable")[:each] for measure in MEASURES}
    indices = np.concatenate([*chosen.values()])
    rows = [np.stack([archive.read(int(index)) for index in indices])]
    rows += [
        np.stack([found.real.read(int(index)) for index in near[measure].index[indices]])
        for measure in MEASURES
    ]
    axes = part.subplots()
    centres, columns = style.show_montage(axes, style.parted(np.stack(rows), each))
    axes.set_yticks(centres, ["sample", "nearest in\nfeatures", "nearest in\npixels"])
    values = np.concatenate([near[measure].relative[of] for measure, of in chosen.items()])
    axes.set_xticks(style.kept(columns, each), [f"{value:.2f}" for value in values])
    axes.set_title(
        f"{set_label(name)}: the smallest relative distances, in features (left) and in pixels (right)",
        loc="left",
    )


def _curves(part: SubFigure, found: Found) -> None:
    grid = part.subplots(2, 2, sharey=True)
    colours = style.colours(list(found.sets))
    handles = []
    for column, measure in enumerate(MEASURES):
        for group in _order(found):
            near = found.groups[group][measure]
            colour, line = LINES.get(group, (colours.get(group), "-"))
            handle = _cumulative(grid[0, column], near.relative, colour, line)
            _cumulative(grid[1, column], near.distance, colour, line)
            if not column:
                handle.set_label(CONTROLS.get(group, set_label(group)))
                handles.append(handle)
        below = found.about.about["measures"][measure]["below"]
        grid[0, column].axvline(below, color=style.WARNING, linestyle=":", linewidth=1.2)
        grid[0, column].set(xlabel=f"relative distance, in {measure}", xlim=(0, 1.02))
        grid[1, column].set(xlabel=f"distance ({UNITS[measure]})")
        grid[1, column].set_xlim(left=0)
        grid[0, column].set_title(_shares(found, measure), loc="left", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("share as near or nearer")
    for axes in grid.ravel():
        axes.grid(axis="y")
    part.legend(handles=handles, loc="outside lower center", ncols=3)


def _cumulative(axes: Axes, values: np.ndarray, colour: object, line: str) -> Line2D:
    ordered = np.sort(values)
    (drawn,) = axes.step(
        np.r_[0, ordered], np.arange(len(ordered) + 1) / len(ordered), where="post", color=colour, ls=line
    )
    return drawn


def _shares(found: Found, measure: str) -> str:
    """The shares of near duplicates in words."""
    told = [
        f"{CONTROLS.get(group, set_label(group))} {100 * counted['share']:.3g} %"
        for group in _order(found)
        if (counted := _counted(found.about, group, measure))
    ]
    half = (len(told) + 1) // 2
    return "Near duplicates: " + ", ".join(told[:half]) + ",\n" + ", ".join(told[half:])
