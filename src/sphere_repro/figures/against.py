"""Distances of trainings that differ in one number, against that number: a line for each set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from sphere_repro.errors import UserError
from sphere_repro.results.scores import RunScores, SetScore, judged_set
from sphere_repro.results.trainings import read_means


@dataclass(frozen=True)
class Point:
    """One run: what it was trained with, and its scores."""

    at: float
    run: RunScores


Curves = dict[str, list[tuple[Point, SetScore]]]


def read_points(
    kind: str, inputs: Mapping[str, Path], prefix: str, what: str, value: Callable[[Path], float]
) -> list[Point]:
    """The runs among the inputs, the baseline first, each at the value of its file `{prefix}{run}`.

    Args:
        kind: the figure, in messages.
        inputs: scores by run (of several trainings `run_rN`, which become their mean), and other files by
            names with a dot.
        prefix: before a run's name in that of the file that tells its value.
        what: that file, in messages.
        value: reads it.

    Raises:
        UserError: a file is missing or broken, none is given, or two runs cannot be compared.
    """
    runs = read_means(path for key, path in inputs.items() if "." not in key)
    if not runs:
        raise UserError(f"The figure '{kind}' needs one scores file at least. Score a run first.")
    for run in runs:
        if f"{prefix}{run.run}" not in inputs:
            raise UserError(f"The figure '{kind}' needs {prefix}{run.run}=PATH, {what}.")
        if (run.dataset, run.metric) != (runs[0].dataset, runs[0].metric):
            raise UserError(
                f"{run.path} cannot be compared with {runs[0].path}: {run.metric} on {run.dataset} and "
                f"{runs[0].metric} on {runs[0].dataset}."
            )
    return [Point(value(Path(inputs[f"{prefix}{run.run}"])), run) for run in runs]


def curves(points: list[Point]) -> Curves:
    """The sets of the paper's scheme that every run has, of the judged guidance, in the order of the points.

    Source: fixed strength and shared noise, section 4.
    """
    judged = judged_set(points[0].run)
    guidance = judged.guidance if judged else ""
    names = [
        score.set
        for score in points[0].run.records
        if score.steps and score.default_scheme and score.guidance == guidance
    ]
    return {name: curve for name in names if (curve := of_set(points, name))}


def of_set(points: list[Point], name: str) -> list[tuple[Point, SetScore]]:
    """One set of every run, in the order of the points; nothing where a run has no such set."""
    ordered = sorted(points, key=lambda point: point.at)
    found = [(point, point.run.find(name)) for point in ordered]
    curve = [(point, score) for point, score in found if score]
    return curve if len(curve) == len(points) else []


def line(
    axes: Axes, curve: list[tuple[Point, SetScore]], baseline: Point, colour: Any, words: str, **style: Any
) -> None:
    """A curve of distances with its error bars; the baseline's mark is filled."""
    axes.errorbar(
        [point.at for point, _ in curve],
        [score.frechet for _, score in curve],
        yerr=[score.bar for _, score in curve],
        color=colour,
        marker="o",
        markersize=6,
        markerfacecolor="white",
        capsize=3,
        label=words,
        **style,
    )
    for point, score in curve:
        if point is baseline:
            axes.plot([point.at], [score.frechet], color=colour, marker="o", markersize=6, zorder=4)
