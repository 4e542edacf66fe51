"""Interpolation: images along lines and on squares between draws, and how fast the lines move."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.image_sets import ImageSet, read_sets
from sphere_repro.results.pace import fastest_share

MOST_PATHS, MOST_POINTS = 2, 13
ROW = 0.72  # inches
SQUARE = 3.4


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `images`, the record of a run's image sets."""
    found = read_sets(need(inputs, "images"), "interpolation")
    return draw(found, title=titled("Interpolation", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Of every line: mean speeds of pixels, encodings, latents; of each the largest by the mean (even: 1),
    and the share of the whole way that lies in the fastest tenth (0.1: even)."""
    records = []
    for each in read_sets(need(inputs, "images"), "interpolation"):
        for generation, lines in each.measures.get("speeds", {}).items():
            for path, speed in enumerate(lines):
                row: dict[str, object] = {"set": each.name, "generation": generation, "path": path}
                for name in ("pixels", "encoding", "latent"):
                    row |= {name: np.mean(speed[name]), f"{name}, largest": speed["largest_by_mean"][name]}
                    row[f"{name}, fastest tenth"] = fastest_share(speed[name])
                records.append(row)
    keys = ["set", "generation", "path"]
    return pd.DataFrame(records, columns=None if records else keys).set_index(keys)


@style.house()
def draw(sets: list[ImageSet], *, title: str = "Interpolation") -> Figure:
    """A block for each set: images, and below those of a line its speeds."""
    heights = [_height(each) for each in sets]
    drawn = style.figure(height=1.0 + sum(heights))
    parts = drawn.subfigures(len(sets), 1, squeeze=False, height_ratios=heights).ravel()
    for part, each in zip(parts, sets, strict=True):
        if each.settings["form"] == "line":
            _line(part, each)
        else:
            _square(part, each)
    style.heading(
        drawn,
        title,
        "Images between random draws, by number of steps; classes, if there are any, are mixed as the draws "
        "are.\nSpeed: RMS change of pixels, and the angle between encodings, per unit of the path "
        "(dashed: the latents that are decoded).",
    )
    return drawn


def _height(each: ImageSet) -> float:
    if each.settings["form"] == "square":
        return SQUARE + 0.5
    return len(each.axes["generation"]) * min(MOST_PATHS, len(each.axes["path"])) * ROW * 0.82 + 2.9


def _line(part: SubFigure, each: ImageSet) -> None:
    paths = min(MOST_PATHS, len(each.axes["path"]))
    shown = np.linspace(0, len(each.axes["point"]) - 1, min(MOST_POINTS, len(each.axes["point"])))
    images = each.images[:, :paths][:, :, shown.round().astype(int)]
    grid = images.swapaxes(0, 1).reshape(
        -1, *images.shape[2:]
    )  # path by path, its generations below each other
    above, below = part.subfigures(2, 1, squeeze=False, height_ratios=[len(grid) * ROW * 0.82, 2.5]).ravel()
    axes = above.subplots()
    rows, _ = style.show_montage(axes, grid)
    axes.set_yticks(
        rows, [_row_name(each, path, name) for path in range(paths) for name in each.axes["generation"]]
    )
    axes.tick_params(length=0)
    axes.set_title(_described(each), loc="left")
    left, right = below.subplots(1, 2)
    _speed(left, each, "pixels", "RMS change of pixels\nper unit of the path")
    _speed(right, each, "encoding", "degrees per unit\nof the path")
    latent = np.mean([speed["latent"] for speed in _all(each)], axis=0)
    right.plot(_middles(each), latent, "--", color=style.GREY, label="latent")
    right.set_ylim(bottom=0)
    left.legend()


def _speed(axes: Axes, each: ImageSet, what: str, label: str) -> None:
    """Means over paths, with the single paths faint behind them."""
    colours = style.colours(each.axes["generation"])
    for name in each.axes["generation"]:
        lines = np.array([speed[what] for speed in each.measures["speeds"][name]])
        axes.plot(_middles(each), lines.T, color=colours[name], alpha=0.3, linewidth=0.8)
        axes.plot(_middles(each), lines.mean(0), color=colours[name], label=_steps(name))
    axes.set(xlabel="position on the path", ylabel=label)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")


def _square(part: SubFigure, each: ImageSet) -> None:
    for axes, images, name in zip(
        part.subplots(1, len(each.axes["generation"]), squeeze=False).ravel(),
        each.images[:, 0],
        each.axes["generation"],
        strict=True,
    ):
        style.show_montage(axes, images, gap=2)
        axes.set_title(f"{_described(each)}, {_steps(name)}", loc="left")


def _described(each: ImageSet) -> str:
    word = each.name.removeprefix("interpolation-")
    noise = "shared" if each.settings["later_noise"] == "shared" else "of each point"
    later = "" if each.axes["generation"] == ["generation-1"] else f", later noise {noise}"
    classes = each.measures["corner_classes"][0]
    of = f", classes {', '.join(classes)}" if classes and each.settings["form"] == "square" else ""
    form = "" if word == each.settings["form"] else f"{each.settings['form']}, "
    return f"{word} ({form}{each.settings['through']}{later}{of})"


def _row_name(each: ImageSet, path: int, generation: str) -> str:
    classes = each.measures["corner_classes"][path]
    ends = f"{classes[0]} to {classes[-1]}, " if classes else ""
    return f"{ends}{_steps(generation)}"


def _steps(generation: str) -> str:
    count = generation.split("-")[1]
    return f"{count} step{'' if count == '1' else 's'}"


def _middles(each: ImageSet) -> list[float]:
    points = each.axes["point"]
    return [(a + b) / 2 for a, b in itertools.pairwise(points)]


def _all(each: ImageSet) -> list[dict[str, list[float]]]:
    return [speed for lines in each.measures["speeds"].values() for speed in lines]
