"""What each choice of the method is worth: one panel per thing that was varied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.results.scores import (
    RunScores,
    Variant,
    ablation_axes,
    judged_set,
    metric_label,
    of_runs,
    set_label,
)
from sphere_repro.results.trainings import in_words, read_means

COLUMNS = 2
ROW = 0.27  # inches of one variant
FRAME = 0.95  # inches of a panel's title, axis and gaps
TITLES = {
    "alpha-max": "largest noise angle",
    "ratio": "compression ratio",
    "mixer-depth": "MLP-Mixer blocks, encoder and decoder",
    "loss-terms": "terms of the objective",
    "hard-cases": "hard cases",
    "training-length": "length of the training",
    "steps": "steps",
    "scheme": "noise: strength + sharing",
    "guidance-position": "position of the guidance",
    "guidance-scale": "scale of the guidance (1: none)",
}


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from the scores of every run, by run, the baseline first."""
    return draw(list(inputs.values()), title=titled("Ablations", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every variant."""
    return table(list(inputs.values()))


@style.house()
def draw(score_files: Sequence[Path], *, title: str = "Ablations") -> Figure:
    """One panel per axis: distance ± standard error of each variant, the baseline filled and as a line.

    A variant with several trainings is their mean ± the deviation between them.

    Args:
        score_files: scores of the study's runs; the first is the baseline.

    Raises:
        UserError: a file is missing or broken, none is given, or nothing was varied.
    """
    runs = _read(score_files)
    axes = ablation_axes(runs)
    if not axes:
        raise UserError(
            "The figure 'ablations' needs something varied: runs with 'ablation', or several sample sets of "
            "4 and other steps of the first run."
        )
    rows = [list(axes.items())[start : start + COLUMNS] for start in range(0, len(axes), COLUMNS)]
    heights = [FRAME + ROW * max(len(variants) for _, variants in row) for row in rows]
    drawn = style.figure(height=0.9 + sum(heights))
    grid = drawn.subplots(len(rows), COLUMNS, squeeze=False, height_ratios=heights)
    for places, row in zip(grid, rows, strict=True):
        for place, (name, variants) in zip(places, row, strict=False):
            _panel(place, name, variants)
        for place in places[len(row) :]:
            place.set_visible(False)
    handles = [_mark(style.PALETTE[0], "baseline"), _mark("white", "one thing changed")]
    drawn.legend(handles=handles, loc="outside lower center", ncols=2)
    style.heading(drawn, title, _caption(runs))
    style.warning(drawn, of_runs(runs))
    return drawn


def table(score_files: Sequence[Path]) -> pd.DataFrame:
    """Every variant: axis, value, distance (mean over trainings), its errors, difference to the baseline."""
    records = []
    for name, variants in ablation_axes(_read(score_files)).items():
        ours = next(variant.score.frechet for variant in variants if variant.baseline)
        records += [
            {
                "axis": name,
                "value": variant.value,
                "distance": variant.score.frechet,
                "standard error": variant.score.frechet_se,
                "trainings": variant.score.trainings,
                "deviation between trainings": variant.score.deviation,
                "minus baseline": variant.score.frechet - ours,
            }
            for variant in variants
        ]
    return pd.DataFrame(records)


def _read(score_files: Sequence[Path]) -> list[RunScores]:
    if not score_files:
        raise UserError("The figure 'ablations' needs one scores file at least. Score a run first.")
    return read_means(score_files)


def _caption(runs: Sequence[RunScores]) -> str:
    baseline = runs[0]
    judged = judged_set(baseline)
    assert judged is not None  # there would be no axis
    words = set_label(judged.set)
    return (
        f"{baseline.dataset}; {metric_label(baseline.metric)}, lower is better; ± one standard error "
        f"(jackknife).\nLine: the baseline, {words}. Each panel has a scale of its own.{in_words(runs)}"
    )


def _panel(axes: Axes, name: str, variants: Sequence[Variant]) -> None:
    blue = style.PALETTE[0]
    for height, variant in enumerate(variants):
        axes.errorbar(
            [variant.score.frechet],
            [height],
            xerr=[variant.score.bar],
            color=blue,
            marker="o",
            markersize=6,
            markerfacecolor=blue if variant.baseline else "white",
            capsize=3,
            linestyle="",
            zorder=3,
        )
        if variant.baseline:
            axes.axvline(variant.score.frechet, color=blue, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.set_yticks(range(len(variants)), [variant.value for variant in variants])
    axes.set_ylim(len(variants) - 0.4, -0.6)  # the first on top
    axes.margins(x=0.08)
    axes.set_title(TITLES.get(name, name.replace("-", " ")), fontweight="bold", loc="left")
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    sns.despine(ax=axes)


def _mark(face: Any, words: str) -> Line2D:
    return Line2D([], [], color=style.PALETTE[0], marker="o", linestyle="", markerfacecolor=face, label=words)
