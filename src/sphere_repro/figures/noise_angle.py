"""Distance against the largest noise angle of the training, with its noise-to-signal ratio above."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.against import Point, curves, line, read_points
from sphere_repro.figures.draw import titled
from sphere_repro.machine.files import read_json
from sphere_repro.results.scores import distance_columns, metric_label, of_runs, set_label
from sphere_repro.results.trainings import in_words

MODEL = "model."  # before the names of the records of models among the inputs
PANEL = 4.2  # inches


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from scores by run, the baseline first, and the records of their models, `model.RUN`."""
    return draw(_angles(inputs), title=titled("Noise angle", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every point of the curves."""
    return pd.DataFrame(
        {
            "set": set_label(name),
            "angle (degrees)": angle.at,
            "noise-to-signal ratio": _ratio(angle.at),
            "run": angle.run.run,
            **distance_columns(score, angle.run.metric),
        }
        for name, curve in curves(_angles(inputs)).items()
        for angle, score in curve
    )


@style.house()
def draw(angles: list[Point], *, title: str = "Noise angle") -> Figure:
    """One line for each set that all runs have; the baseline's marks are filled.

    Raises:
        UserError: fewer than two angles, or no set that all runs have.
    """
    found = curves(angles) if len({angle.at for angle in angles}) > 1 else {}
    if not found:
        raise UserError(
            "The figure 'noise-angle' needs runs of two angles at least (ablation: {axis: alpha-max}) "
            "with a set of the same steps, fixed and shared."
        )
    drawn = style.figure(height=1.1 + PANEL)
    axes = drawn.subplots()
    for place, (name, curve) in enumerate(found.items()):
        line(axes, curve, angles[0], style.PALETTE[place % len(style.PALETTE)], set_label(name))
    runs = [angle.run for angle in angles]
    _axes(axes, sorted({angle.at for angle in angles}))
    axes.set_ylabel(metric_label(runs[0].metric).replace(" (", "\n("))
    axes.legend(loc="best")
    caption = (
        f"{runs[0].dataset}; lower is better. Bars: ± one standard error (jackknife). Filled marks: the "
        f"baseline, {angles[0].at:g}°.{in_words(runs)}"
    )
    style.heading(drawn, title, caption)
    style.warning(drawn, of_runs(runs))
    return drawn


def _angles(inputs: Mapping[str, Path]) -> list[Point]:
    return read_points("noise-angle", inputs, MODEL, "the record of its model", _degrees)


def _ratio(degrees: float) -> float:
    """Noise to signal, tan α: the largest σ of the training (section 3)."""
    return float(np.tan(np.radians(degrees)))


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


def _axes(axes: Axes, degrees: list[float]) -> None:
    """Ticks at the angles that were trained, and above each the ratio of noise to signal."""
    axes.set_xticks(degrees, [f"{each:g}°" for each in degrees])
    axes.set_xlabel("largest noise angle α of the training")
    above = axes.secondary_xaxis("top")  # the places of the lower axis, in other words
    above.set_xticks(degrees, [f"{_ratio(each):.3g}" for each in degrees])
    above.set_xlabel("noise-to-signal ratio, tan α")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    sns.despine(ax=axes, top=False)
