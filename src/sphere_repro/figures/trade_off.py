"""Reconstruction against sampling: VAEs over their KL weights, and the models that have no such weight."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.results.scores import JUDGED_STEPS, RunScores, SetScore, metric_label, of_runs, set_label
from sphere_repro.results.trade_off import Point, by_weight, point, weight
from sphere_repro.results.trainings import in_words, read_means

ROLES = {
    "vae": "VAE, by KL weight",
    "autoencoder": "plain autoencoder, no KL",
    "spherified": "spherified autoencoder, no noise",
    "sphere": "Sphere Encoder",
}
MANY = JUDGED_STEPS
HEIGHT = 6.6  # inches
WIDE = 5.0


@dataclass(frozen=True)
class Group:
    """The runs of one role, each with a point; of what lies on the sphere, one for each number of steps."""

    role: str
    points: tuple[tuple[Point, ...], ...]


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from scores, `ROLE.RUN` for each training; `model.RUN` name the records that say KL weights."""
    return draw(_groups(inputs), title=titled("Reconstruction against sampling", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every point: both distances with their errors, and the floor of each."""
    return pd.DataFrame(
        {
            "model": ROLES[group.role].partition(",")[0],
            "run": each.run.run,
            "KL weight": each.run.kl,
            "draws": set_label(each.drawn.set),
            "measure": metric_label(each.run.metric),
            "trainings": each.drawn.trainings,
            **_columns("reconstruction", each, each.rebuilt),
            **_columns("draw", each, each.drawn),
        }
        for group in _groups(inputs)
        for points in group.points
        for each in points
    )


def _columns(what: str, of: Point, score: SetScore) -> dict[str, Any]:
    return {
        f"images ({what})": score.count,
        f"distance ({what})": score.frechet,
        f"standard error ({what})": score.frechet_se,
        f"deviation between trainings ({what})": score.deviation,
        f"floor ({what})": _of(of, score),
    }


@style.house()
def draw(groups: Sequence[Group], *, title: str = "Reconstruction against sampling") -> Figure:
    """A curve through the VAEs in the order of their KL weights, and a mark for each other model.

    What lies on the sphere is drawn at one step (filled) and at four (hollow), joined.
    """
    drawn = style.figure(height=HEIGHT)
    axes = drawn.subplots()
    for colour, group in zip(style.PALETTE, groups, strict=False):
        (_curve if group.role == "vae" else _marks)(axes, group, colour)
    shown = [each for group in groups for points in group.points for each in points]
    _axes(axes, shown)
    floor = _floor(axes, shown)
    axes.legend(loc="best")
    runs = list({each.run.run: each.run for each in shown}.values())
    caption = (
        f"{runs[0].dataset}; lower and further left is better. Numbers at the curve: weight of the KL "
        f"divergence. Bars: ± one standard error (jackknife).{floor}{in_words(runs)}"
    )
    style.heading(drawn, title, caption)
    style.warning(drawn, of_runs(runs))
    return drawn


def _groups(inputs: Mapping[str, Path]) -> list[Group]:
    """What is drawn, in the order of `ROLES`.

    Raises:
        UserError: a file is missing or broken, there are fewer than two KL weights, or runs differ in
            dataset or metric.
    """
    read = {
        role: read_means(path for key, path in inputs.items() if key.startswith(f"{role}.")) for role in ROLES
    }
    runs = [run for found in read.values() for run in found]
    for run in runs:
        if (run.dataset, run.metric) != (runs[0].dataset, runs[0].metric):
            raise UserError(
                f"{run.path} cannot be compared with {runs[0].path}: {run.metric} on {run.dataset} and "
                f"{runs[0].metric} on {runs[0].dataset}."
            )
    for run in read["vae"]:
        if run.kl is None:
            raise UserError(
                f"The record of the model beside {run.path} does not say its KL weight. Train it again."
            )
    vaes = by_weight(read["vae"])
    if len({each.run.kl for each in vaes}) < 2:
        raise UserError(
            "The figure 'trade-off' needs VAEs of two KL weights at least, as vae.RUN=PATH, with their "
            "reconstructions and prior samples."
        )
    others = {role: tuple(filter(None, map(_points, read[role]))) for role in ROLES if role != "vae"}
    found = [Group("vae", tuple((each,) for each in vaes))]
    return found + [Group(role, points) for role, points in others.items() if points]


def _points(run: RunScores) -> tuple[Point, ...]:
    """Where a run lies, of what lies on the sphere by one step and by four; those that were drawn."""
    steps = (1, MANY) if run.kind == "sphere" else (1,)
    return tuple(found for each in steps if (found := point(run, each)))


def _bar(axes: Axes, each: Point, colour: Any, face: Any, label: str | None = None) -> None:
    axes.errorbar(
        [each.rebuilt.frechet],
        [each.drawn.frechet],
        xerr=[each.rebuilt.bar],
        yerr=[each.drawn.bar],
        color=colour,
        marker="o",
        markersize=6,
        markerfacecolor=face,
        capsize=2,
        linestyle="",
        label=label,
        zorder=3,
    )


def _curve(axes: Axes, group: Group, colour: Any) -> None:
    vaes = [each for (each,) in group.points]
    axes.plot(
        [each.rebuilt.frechet for each in vaes],
        [each.drawn.frechet for each in vaes],
        color=colour,
        linewidth=1.2,
        zorder=2,
    )
    for place, each in enumerate(vaes):
        _bar(axes, each, colour, colour, ROLES["vae"] if place == 0 else None)
        _beside(axes, each, weight(each.run.kl), colour)


def _marks(axes: Axes, group: Group, colour: Any) -> None:
    label: str | None = ROLES[group.role]
    for points in group.points:
        axes.plot(
            [each.rebuilt.frechet for each in points],
            [each.drawn.frechet for each in points],
            color=colour,
            linewidth=1.2,
            zorder=2,
        )
        for each in points:
            _bar(axes, each, colour, "white" if each.drawn.steps == MANY else colour, label)
            label = None
            if each.drawn.steps:
                _beside(axes, each, set_label(f"generation-{each.drawn.steps}"), colour)


def _beside(axes: Axes, each: Point, words: str, colour: Any) -> None:
    """Words to the right of a mark: above its bar, those of the refined set, which lies lower, below it."""
    axes.annotate(
        words,
        (each.rebuilt.frechet, each.drawn.frechet),
        (6, -11 if each.drawn.steps == MANY else 5),
        textcoords="offset points",
        fontsize=8,
        color=colour,
    )


def _floor(axes: Axes, shown: Sequence[Point]) -> str:
    """Lines at what as many images of a perfect model would score, where the axes come near it; its words.

    Axes that reached down to a far floor would press all that they show into a corner.
    """
    floors = {(_of(each, each.rebuilt), _of(each, each.drawn)) for each in shown}
    across, up = next(iter(floors))
    if len(floors) != 1 or across is None or up is None:
        return ""
    dashes: Any = {"color": style.GREY, "linewidth": 1.0, "linestyle": (0, (5, 3)), "zorder": 1}
    if _near(across, axes.get_xlim(), axes.get_xscale()):
        axes.axvline(across, **dashes)
    if _near(up, axes.get_ylim(), axes.get_yscale()):
        axes.axhline(up, **dashes)
    return (
        "\nFloor, what as many images of a perfect model would score (dashed where it is near): "
        f"{across:.3g} of reconstructions, {up:.3g} of draws."
    )


def _near(value: float, limits: tuple[float, float], scale: str) -> bool:
    """Whether an axis that is half as long again would show a value."""
    low, high = limits
    if scale == "log":
        return value > low * math.sqrt(low / high)
    return value > low - (high - low) / 2


def _of(each: Point, score: SetScore) -> float | None:
    return each.run.floor_of(score.count)


def _axes(axes: Axes, shown: Sequence[Point]) -> None:
    """Logarithmic axes where the distances differ by more than a factor of `WIDE`."""
    rebuilt, drawn = ([getattr(each, name).frechet for each in shown] for name in ("rebuilt", "drawn"))
    for values, axis, scaled in (
        (rebuilt, axes.xaxis, axes.set_xscale),
        (drawn, axes.yaxis, axes.set_yscale),
    ):
        if min(values) > 0 and max(values) / min(values) > WIDE:
            scaled("log")
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    words = metric_label(shown[0].run.metric)
    axes.set(xlabel=f"reconstructions: {words}", ylabel=f"random draws: {words}".replace(" (", "\n("))
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    sns.despine(ax=axes)
