"""Distance against the largest noise angle of the training, with its noise-to-signal ratio above."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.machine.files import read_json
from sphere_repro.results.scores import (
    RunScores,
    SetScore,
    distance_columns,
    judged_set,
    metric_label,
    of_runs,
    set_label,
)
from sphere_repro.results.trainings import in_words, read_means

MODEL = "model."  # before the names of the records of models among the inputs
PANEL = 4.2  # inches


@dataclass(frozen=True)
class Angle:
    """One run: its largest noise angle α in degrees, and its scores."""

    degrees: float
    run: RunScores

    @property
    def ratio(self) -> float:
        """Noise to signal, tan α: the largest σ of the training (section 3)."""
        return float(np.tan(np.radians(self.degrees)))


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from scores by run, the baseline first, and the records of their models, `model.RUN`."""
    return draw(_angles(inputs), title=titled("Noise angle", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every point of the curves."""
    found = _angles(inputs)
    return pd.DataFrame(
        {
            "set": set_label(name),
            "angle (degrees)": angle.degrees,
            "noise-to-signal ratio": angle.ratio,
            "run": angle.run.run,
            **distance_columns(score, angle.run.metric),
        }
        for name, curve in curves(found).items()
        for angle, score in curve
    )


def curves(angles: list[Angle]) -> dict[str, list[tuple[Angle, SetScore]]]:
    """The sets of the paper's scheme that every run has, of the judged guidance, by the angle."""
    judged = judged_set(angles[0].run)
    guidance = judged.guidance if judged else ""
    names = [
        score.set
        for score in angles[0].run.records
        if score.steps and score.default_scheme and score.guidance == guidance
    ]
    ordered = sorted(angles, key=lambda angle: angle.degrees)
    found = {name: [(angle, angle.run.find(name)) for angle in ordered] for name in names}
    return {
        name: [(angle, score) for angle, score in curve if score]
        for name, curve in found.items()
        if all(score for _, score in curve)
    }


@style.house()
def draw(angles: list[Angle], *, title: str = "Noise angle") -> Figure:
    """One line for each set that all runs have; the baseline's marks are filled.

    Raises:
        UserError: fewer than two angles, or no set that all runs have.
    """
    found = curves(angles) if len({angle.degrees for angle in angles}) > 1 else {}
    if not found:
        raise UserError(
            "The figure 'noise-angle' needs runs of two angles at least (ablation: {axis: alpha-max}) "
            "with a set of the same steps, fixed and shared."
        )
    drawn = style.figure(height=1.1 + PANEL)
    axes = drawn.subplots()
    for place, (name, curve) in enumerate(found.items()):
        _line(axes, curve, angles[0], style.PALETTE[place % len(style.PALETTE)], set_label(name))
    runs = [angle.run for angle in angles]
    _axes(axes, sorted({angle.degrees for angle in angles}))
    axes.set_ylabel(metric_label(runs[0].metric).replace(" (", "\n("))
    axes.legend(loc="best")
    caption = (
        f"{runs[0].dataset}; lower is better. Bars: ± one standard error (jackknife). Filled marks: the "
        f"baseline, {angles[0].degrees:g}°.{in_words(runs)}"
    )
    style.heading(drawn, title, caption)
    style.warning(drawn, of_runs(runs))
    return drawn


def _angles(inputs: Mapping[str, Path]) -> list[Angle]:
    runs = read_means(path for key, path in inputs.items() if not key.startswith(MODEL))
    models = {key.removeprefix(MODEL): Path(path) for key, path in inputs.items() if key.startswith(MODEL)}
    if not runs:
        raise UserError("The figure 'noise-angle' needs one scores file at least. Score a run first.")
    for run in runs:
        if run.run not in models:
            raise UserError(f"The figure 'noise-angle' needs {MODEL}{run.run}=PATH, the record of its model.")
        if (run.dataset, run.metric) != (runs[0].dataset, runs[0].metric):
            raise UserError(
                f"{run.path} cannot be compared with {runs[0].path}: {run.metric} on {run.dataset} and "
                f"{runs[0].metric} on {runs[0].dataset}."
            )
    return [Angle(_degrees(models[run.run]), run) for run in runs]


def _degrees(record: Path) -> float:
    """The angle that a model was trained with, by the job in its record.

    Raises:
        UserError: the record does not say it.
    """
    found: Any = read_json(record)
    try:
        job = found["job"]
        degrees = float(job["loss"]["alpha_max"] if "loss" in job else job["alpha_max"])
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{record} does not say its largest noise angle ({error}). Make it again.") from error
    if not 0 <= degrees < 90:
        raise UserError(f"{record} says a noise angle of {degrees:g}°: it lies below 90°. Make it again.")
    return degrees


def _line(axes: Axes, curve: list[tuple[Angle, SetScore]], baseline: Angle, colour: Any, words: str) -> None:
    axes.errorbar(
        [angle.degrees for angle, _ in curve],
        [score.frechet for _, score in curve],
        yerr=[score.bar for _, score in curve],
        color=colour,
        marker="o",
        markersize=6,
        markerfacecolor="white",
        capsize=3,
        label=words,
    )
    for angle, score in curve:
        if angle is baseline:
            axes.plot([angle.degrees], [score.frechet], color=colour, marker="o", markersize=6, zorder=4)


def _axes(axes: Axes, degrees: list[float]) -> None:
    """Ticks at the angles that were trained, and above each the ratio of noise to signal."""
    axes.set_xticks(degrees, [f"{each:g}°" for each in degrees])
    axes.set_xlabel("largest noise angle α of the training")
    above = axes.secondary_xaxis("top")  # the places of the lower axis, in other words
    above.set_xticks(degrees, [f"{np.tan(np.radians(each)):.3g}" for each in degrees])
    above.set_xlabel("noise-to-signal ratio, tan α")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    sns.despine(ax=axes, top=False)
