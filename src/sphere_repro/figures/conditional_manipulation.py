"""Conditional manipulation: images from outside the training distribution, refined towards classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sphere_repro.data.class_names import short_word
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.image_sets import ImageSet, read_sets
from sphere_repro.results.structure import likeness

MOST_INPUTS, MOST_CLASSES, LONGEST = 8, 12, 10
STEPS = (0, 1, 2, 3, 4, 6, 8)  # shown of one image, with the last
ROW = 0.62  # inches of a row of images


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `images`, the record of a run's image sets."""
    found = read_sets(need(inputs, "images"), "edit")
    return draw(found, title=titled("Conditional manipulation", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """By scheme and step: distance from the inputs, change, and whether their structure is kept."""
    frames = []
    for each in read_sets(need(inputs, "images"), "edit"):
        for scheme, images in zip(each.axes["scheme"], each.images, strict=True):
            curve = each.measures["curves"][scheme]
            steps, own, other = each.axes["step"][1:], *_likeness(each, images)
            rows = {
                "psnr": curve["psnr"]["mean"],
                "psnr standard error": curve["psnr"]["se"],
                "change": curve["change"]["mean"],
                "likeness to its input": own,
                "likeness to other inputs": np.nan if other is None else other,
            }
            frames.append(pd.DataFrame({"set": each.name, "scheme": scheme, "step": steps, **rows}))
    return pd.concat(frames).set_index(["set", "scheme", "step"])


@style.house()
def draw(sets: list[ImageSet], *, title: str = "Conditional manipulation") -> Figure:
    """For each set: inputs by class after the last step, one image step by step, and the curves."""
    heights = [_rows(each) * ROW + 3.2 for each in sets]
    drawn = style.figure(height=0.9 + sum(heights))
    parts = drawn.subfigures(len(sets), 1, squeeze=False, height_ratios=heights).ravel()
    for part, each in zip(parts, sets, strict=True):
        by_class = _inputs(each) * ROW
        by_step = _step_rows(each) * ROW
        above, middle, below = part.subfigures(
            3, 1, squeeze=False, height_ratios=[by_class + 0.3, by_step + 0.3, 2.6]
        ).ravel()
        _by_class(above.subplots(), each)
        _by_step(middle.subplots(), each)
        _curves(below.subplots(1, 2), each)
    said = ", ".join(sorted({f"{each.settings['strength']:g}" for each in sets}))
    style.heading(
        drawn,
        title,
        f"Strength {said} of the noise. Above: after the last step, with the first scheme, by class.\n"
        "Middle: the first input step by step. Below: distance from the inputs, correlation of grey values "
        "with them.",
    )
    return drawn


def _single(each: ImageSet) -> bool:
    """Whether there is one class alone, or none: its images then stand below the inputs."""
    return len(each.axes["class"]) == 1


def _columns_or_rows(each: ImageSet) -> int:
    return min(MOST_INPUTS, len(each.axes["input"]))


def _inputs(each: ImageSet) -> int:
    """Rows of the upper picture."""
    return 2 if _single(each) else _columns_or_rows(each)


def _step_rows(each: ImageSet) -> int:
    return len(each.axes["scheme"]) * min(2, len(each.axes["class"]))


def _rows(each: ImageSet) -> float:
    return _inputs(each) + _step_rows(each) + 1.0


def _by_class(axes: Axes, each: ImageSet) -> None:
    """Rows are inputs, columns the input and every class, with the first scheme; of one class the reverse."""
    shown = _spread(len(each.axes["class"]), MOST_CLASSES)
    last = each.images[0, shown][:, : _columns_or_rows(each), -1]  # (classes, inputs, H, W, 3)
    grid = np.concatenate([each.images[0, :1, : _columns_or_rows(each), 0], last])
    words = ["input", *(short_word(0, (each.axes["class"][index],), LONGEST) for index in shown)]
    if _single(each):
        rows, _ = style.show_montage(axes, grid)
        axes.set_yticks(rows, ["input", f"step {each.axes['step'][-1]}"])
    else:
        _, columns = style.show_montage(axes, grid.swapaxes(0, 1))
        axes.xaxis.tick_top()
        axes.set_xticks(columns, words)
    axes.tick_params(length=0)


def _by_step(axes: Axes, each: ImageSet) -> None:
    """The first input: rows are schemes and the first and last class, columns are steps."""
    steps = style.some(STEPS, each.axes["step"][-1])
    classes = sorted({0, len(each.axes["class"]) - 1})
    grid = each.images[:, classes, 0][:, :, steps]
    names = [
        f"{scheme.split('-')[0]}, class {each.axes['class'][label]}"
        if len(classes) > 1
        else scheme.replace("-", ", ")
        for scheme in each.axes["scheme"]
        for label in classes
    ]
    rows, columns = style.show_montage(axes, grid.reshape(-1, *grid.shape[2:]))
    axes.set_yticks(rows, names)
    axes.xaxis.tick_top()
    axes.set_xticks(columns, [f"step {step}" if step else "input" for step in steps])
    axes.tick_params(length=0)


def _curves(pair: NDArray[np.object_], each: ImageSet) -> None:
    left, right = pair
    steps, colours = each.axes["step"][1:], style.colours(each.axes["scheme"])
    for scheme, images in zip(each.axes["scheme"], each.images, strict=True):
        curve, (own, other) = each.measures["curves"][scheme], _likeness(each, images)
        word = scheme.replace("-", ", ")
        left.plot(steps, curve["psnr"]["mean"], color=colours[scheme], label=word, marker="o", markersize=3)
        right.plot(steps, own, color=colours[scheme], marker="o", markersize=3)
        if other is not None:
            right.plot(steps, other, "--", color=colours[scheme])
    left.set(xlabel="step", ylabel="PSNR to the input (dB)")
    right.set(xlabel="step", ylabel="correlation with its input\n(dashed: with the others)")
    right.axhline(0, color=style.GREY, linewidth=0.8)
    for axes in (left, right):
        style.whole_ticks(axes, steps)
        axes.grid(axis="y")
    left.legend()


def _likeness(
    each: ImageSet, images: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Of one scheme, after every step: mean likeness to an image's own input, and to the others."""
    found = likeness(images, negatives=each.negatives)
    return found.own.mean(0), None if found.other is None else found.other.mean(0)


def _spread(count: int, most: int) -> list[int]:
    return [int(place) for place in np.linspace(0, count - 1, min(count, most)).round()]
