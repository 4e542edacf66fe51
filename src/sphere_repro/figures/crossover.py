"""Crossover: two images stitched in four ways and passed through the model again and again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.image_sets import ImageSet, read_sets

PASSES = (0, 1, 2, 5)  # shown of each, with the last
MOST_PAIRS = 4
CURVES = 2.5  # inches


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `images`, the record of a run's image sets."""
    return draw(read_sets(need(inputs, "images"), "crossover"), title=titled("Crossover", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """What each pass changes, and how near the images stay to the stitched ones."""
    frames = []
    for each in read_sets(need(inputs, "images"), "crossover"):
        for cut in each.axes["cut"]:
            rows = {
                f"{name}{word}": each.measures["curves"][cut][name][key]
                for name in ("change", "psnr")
                for key, word in (("mean", ""), ("se", " standard error"))
            }
            passes = each.axes["pass"][1:]
            frames.append(pd.DataFrame({"set": each.name, "cut": cut, "pass": passes, **rows}))
    return pd.concat(frames).set_index(["set", "cut", "pass"])


@style.house()
def draw(sets: list[ImageSet], *, title: str = "Crossover") -> Figure:
    """For each set: a row for each parent and cut, columns of passes for each pair; below, the curves."""
    heights = [_montage_height(each) + CURVES for each in sets]
    drawn = style.figure(height=0.9 + sum(heights))
    parts = drawn.subfigures(len(sets), 1, squeeze=False, height_ratios=heights).ravel()
    for part, each in zip(parts, sets, strict=True):
        above, below = part.subplots(2, 1, height_ratios=[_montage_height(each), CURVES])
        shown = style.some(PASSES, each.axes["pass"][-1])
        pairs = _pairs(each)
        images = each.images[:, :pairs][:, :, shown]  # (cuts, pairs, passes, H, W, 3)
        grid = images.reshape(len(images), pairs * len(shown), *images.shape[-3:])
        rows, columns = style.show_montage(above, style.parted(grid, len(shown)))
        above.set_yticks(rows, each.axes["cut"])
        above.xaxis.tick_top()
        words = [str(number) for _ in range(pairs) for number in shown]
        above.set_xticks(style.kept(columns, len(shown)), words)
        above.tick_params(length=0)
        colours = style.colours(each.axes["cut"])
        for cut in each.axes["cut"]:
            curve = each.measures["curves"][cut]["change"]
            dashed = "--" if cut in ("first", "second") else "-"
            below.plot(each.axes["pass"][1:], curve["mean"], dashed, color=colours[cut], label=cut)
        below.set(xlabel="pass", ylabel="change (RMS of pixels)", yscale="log")
        style.whole_ticks(below, each.axes["pass"][1:])
        below.grid(axis="y")
        below.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    noise = sorted({float(each.settings["strength"]) for each in sets})
    said = f"noise of strength {', '.join(f'{k:g}' for k in noise)}" if any(noise) else "no noise"
    style.heading(
        drawn,
        title,
        f"Numbers above the columns are passes with {said}, under the null class; 0 is the stitched image.\n"
        "first, second: the two images themselves under the same passes.",
    )
    return drawn


def _pairs(each: ImageSet) -> int:
    return min(MOST_PAIRS, len(each.axes["pair"]))


def _montage_height(each: ImageSet) -> float:
    """Inches, at the width of the figure less that of the names."""
    columns = _pairs(each) * (len(style.some(PASSES, each.axes["pass"][-1])) + 1) - 1
    return 0.3 + len(each.axes["cut"]) * min(0.8, 7.6 / columns)
