"""Foreign images, encoded and decoded again and again: does the loop come to rest, and where?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.image_sets import ImageSet, read_sets
from sphere_repro.results.passes import passes

MOST_INPUTS = 8
PASSES = (1, 2, 5)  # shown of each model, with the last
ROW, LEAST = 0.62, 4.2  # inches of a row of images, and of a block, where its curves still fit
NAMES = {"images": "Sphere Encoder", "baseline": "VAE"}


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `images` and, where there is one, `baseline`: records of image sets of two runs."""
    return draw(_sets(inputs), title=titled("Reconstructions of foreign images", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """PSNR to the input, change and distance (RMS of pixels), by set, model and pass."""
    frames = []
    for name, models in _sets(inputs).items():
        for model, each in models.items():
            curve = each.measures["curves"]["reconstruction"]
            rows = {
                f"{what}{word}": curve[what][key]
                for what in ("psnr", "change")
                for key, word in (("mean", ""), ("se", " standard error"))
            }
            rows["distance from the input"] = passes(each.images).distance.mean(0).tolist()
            numbered = {"set": name, "model": model, "pass": each.axes["pass"][1:]}
            frames.append(pd.DataFrame(numbered | rows))
    return pd.concat(frames).set_index(["set", "model", "pass"])


def _sets(inputs: Mapping[str, Path]) -> dict[str, dict[str, ImageSet]]:
    """Set → model → what was drawn; the baseline's sets are those of the same name."""
    found = {
        each.name: {NAMES["images"]: each} for each in read_sets(need(inputs, "images"), "reconstruction")
    }
    if "baseline" in inputs:
        for each in read_sets(inputs["baseline"], "reconstruction"):
            if each.name not in found:
                continue
            one = found[each.name][NAMES["images"]]
            if each.begins_with != one.begins_with:
                raise UserError(
                    f"'{each.name}' begins with other images in {inputs['baseline']} than in "
                    f"{inputs['images']}. Give both runs the same in the study."
                )
            found[each.name][NAMES["baseline"]] = each
    return found


@style.house()
def draw(sets: Mapping[str, Mapping[str, ImageSet]], *, title: str = "Foreign reconstructions") -> Figure:
    """For each set: inputs and passes of each model side by side, and the curves of both on the same axes."""
    heights = [max(_inputs(models) * ROW + 0.5, LEAST) for models in sets.values()]
    drawn = style.figure(height=0.9 + sum(heights))
    parts = drawn.subfigures(len(sets), 1, squeeze=False, height_ratios=heights).ravel()
    for part, models in zip(parts, sets.values(), strict=True):
        _block(part, models)
    style.heading(
        drawn,
        title,
        "Images that the model was not trained on, encoded and decoded again and again, without noise and\n"
        "under the null class: distance from the input, and what a pass still changes (± standard error).",
    )
    return drawn


def _block(part: SubFigure, models: Mapping[str, ImageSet]) -> None:
    count = _inputs(models)
    pictures, curves = part.subfigures(1, 2, squeeze=False, width_ratios=[3, 2]).ravel()
    _montage(pictures.subplots(), models, count)
    distance, change = curves.subplots(2, 1, sharex=True)
    for (name, each), colour in zip(models.items(), style.PALETTE, strict=False):
        curve, shown = each.measures["curves"]["reconstruction"], each.axes["pass"][1:]
        _band(distance, shown, curve["psnr"], colour, name)
        _band(change, shown, curve["change"], colour, name)
    distance.set(ylabel="PSNR to the input (dB)")
    change.set(xlabel="pass", ylabel="change (RMS of pixels)", yscale="log")
    ticks = next(iter(models.values())).axes["pass"][1:]
    for axes in (distance, change):
        style.whole_ticks(axes, ticks)
        axes.grid(axis="y")
    distance.legend()


def _montage(axes: Axes, models: Mapping[str, ImageSet], count: int) -> None:
    first = next(iter(models.values()))
    grids, words = [first.images[:count, :1]], ["input"]
    for name, each in models.items():
        shown = style.some(PASSES, each.axes["pass"][-1])
        grids.append(each.images[:count][:, shown])
        words += [f"{name}\npass {number}" if number == shown[0] else f"{number}" for number in shown]
    _, columns = style.show_montage(axes, np.concatenate(grids, axis=1))
    axes.xaxis.tick_top()
    axes.set_xticks(columns, words)
    axes.tick_params(length=0)


def _band(axes: Axes, shown: list[int], curve: Mapping[str, list[float]], colour: object, name: str) -> None:
    mean, error = np.array(curve["mean"]), np.array(curve["se"])
    axes.plot(shown, mean, color=colour, label=name)
    low: NDArray[np.float64] = np.maximum(mean - error, mean * 0.05)  # a logarithmic axis has no zero
    axes.fill_between(shown, low, mean + error, color=colour, alpha=0.2, linewidth=0)


def _inputs(models: Mapping[str, ImageSet]) -> int:
    return min(MOST_INPUTS, *(len(each.images) for each in models.values()))
