"""What longer training brings: distances, share recognised, and how uniform the latents become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.against import Curves, Point, curves, line, of_set, read_points
from sphere_repro.figures.draw import titled
from sphere_repro.figures.training_curves import read_training
from sphere_repro.results.scores import (
    distance_columns,
    metric_label,
    of_runs,
    read_uniformity,
    set_label,
)
from sphere_repro.results.trainings import in_words

CURVES, LATENTS = "curves.", "latents."  # before the names of training curves and of uniformity results
RECONSTRUCTION = "reconstruction"
STATISTICS = {
    "mean_cosine": ("mean cosine of latents", 0.0),
    "anisotropy": ("anisotropy of latents", 1.0),
}  # each with what truly uniform points have
ROW = 2.9  # inches


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from scores by run, the baseline first, and of each `curves.RUN` and `latents.RUN`."""
    return draw(_points(inputs), _statistics(inputs), title=titled("Length of training", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every point of the curves, and the statistics of each training's latents."""
    points, statistics = _points(inputs), _statistics(inputs)
    return pd.DataFrame(
        {
            "set": set_label(name),
            "optimizer steps": round(point.at),
            "run": point.run.run,
            **distance_columns(score, point.run.metric),
            "share recognised": score.share_recognised,
            **{f"{key}, latents": statistics[point.run.run][key]["value"] for key in STATISTICS},
        }
        for name, curve in _curves(points).items()
        for point, score in curve
    )


@style.house()
def draw(
    points: list[Point], statistics: Mapping[str, Mapping[str, Any]], *, title: str = "Length of training"
) -> Figure:
    """Four panels against optimizer steps: distance, share recognised, mean cosine and anisotropy.

    Args:
        points: runs by their optimizer steps, the baseline first.
        statistics: of all latents of each run, each `value` and `se`.

    Raises:
        UserError: fewer than two lengths, or no set that all runs have.
    """
    found = _curves(points) if len({point.at for point in points}) > 1 else {}
    if not found:
        raise UserError(
            "The figure 'training-length' needs trainings of two lengths at least "
            "(ablation: {axis: training-length}) with a set that all of them have."
        )
    recognised = all(score.share_recognised is not None for curve in found.values() for _, score in curve)
    drawn = style.figure(height=1.4 + 2 * ROW)
    grid = drawn.subplots(2, 2, sharex=True)
    colours = style.colours(list(found))
    for name, curve in found.items():
        line(grid[0, 0], curve, points[0], colours[name], set_label(name))
        if recognised:
            _share(grid[0, 1], curve, colours[name])
    grid[0, 0].set_ylabel(metric_label(points[0].run.metric).replace(" (", "\n("))
    grid[0, 1].set_ylabel("share recognised" if recognised else "")
    grid[0, 1].set_visible(recognised)
    for axes, (key, (words, uniform)) in zip(grid[1], STATISTICS.items(), strict=True):
        _statistic(axes, points, statistics, key, uniform)
        axes.set_ylabel(words)
        axes.set_xlabel("optimizer steps of the training")
    for axes in grid.ravel():
        _steps(axes, sorted({point.at for point in points}))
    handles, labels = grid[0, 0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=min(4, len(handles)))
    runs = [point.run for point in points]
    caption = (
        f"{runs[0].dataset}; each mark is a training of its own, with a schedule of its own. Filled: the "
        f"baseline.\nBars: ± one standard error (jackknife). Dashed: truly uniform points.{in_words(runs)}"
    )
    style.heading(drawn, title, caption)
    style.warning(drawn, of_runs(runs))
    return drawn


def _points(inputs: Mapping[str, Path]) -> list[Point]:
    return read_points("training-length", inputs, CURVES, "the log of its training", _trained_steps)


def _trained_steps(path: Path) -> float:
    return float(read_training(path)["step"].iloc[-1])


def _curves(points: list[Point]) -> Curves:
    """The sets that all runs have: reconstructions, then the paper's scheme by steps."""
    rebuilt = of_set(points, RECONSTRUCTION)
    return ({RECONSTRUCTION: rebuilt} if rebuilt else {}) | curves(points)


def _statistics(inputs: Mapping[str, Path]) -> dict[str, Mapping[str, Any]]:
    """Of each run its latents' statistics, all classes together; further trainings of a run have none.

    Raises:
        UserError: a result is missing, or does not hold them.
    """
    named = {key.removeprefix(LATENTS): Path(path) for key, path in inputs.items() if key.startswith(LATENTS)}
    return {run: read_uniformity(path)["clouds"]["latents"]["overall"] for run, path in named.items()}


def _share(axes: Axes, curve: list[tuple[Point, Any]], colour: Any) -> None:
    axes.plot(
        [point.at for point, _ in curve],
        [score.share_recognised for _, score in curve],
        color=colour,
        marker="o",
        markersize=6,
        markerfacecolor="white",
    )


def _statistic(
    axes: Axes,
    points: list[Point],
    statistics: Mapping[str, Mapping[str, Any]],
    key: str,
    uniform: float,
) -> None:
    """One statistic of the latents by steps, and what uniform points have."""
    for point in points:
        if point.run.run not in statistics:
            raise UserError(f"The figure 'training-length' needs {LATENTS}{point.run.run}=PATH, its latents.")
    ordered = sorted(points, key=lambda point: point.at)
    values = [statistics[point.run.run][key] for point in ordered]
    axes.errorbar(
        [point.at for point in ordered],
        [value["value"] for value in values],
        yerr=[value["se"] for value in values],
        color=style.GREY,
        marker="o",
        markersize=6,
        markerfacecolor="white",
        capsize=3,
    )
    axes.axhline(uniform, color=style.GREY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)


def _steps(axes: Axes, steps: list[float]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    axes.minorticks_off()
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    sns.despine(ax=axes)
