"""Where guidance acts and how strongly: distance by scale for each position and number of steps."""

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
from sphere_repro.figures.draw import titled
from sphere_repro.results.scores import RunScores, SetScore, distance_columns, metric_label, of_runs
from sphere_repro.results.trainings import in_words, read_means

POSITIONS = {
    "enc": ("encoder", 1, "s"),
    "dec": ("decoder", 2, "^"),
    "combo": ("both, √scale each", 0, "o"),
}
COLUMNS = 2
PANEL = 3.3  # inches
Panel = dict[str, list[SetScore]]  # position → sets by scale, the unguided one first


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `scores`, of further trainings `scores_r1`, …"""
    return draw(_run(inputs), title=titled("Guidance", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every point of the curves; the unguided set stands once."""
    run = _run(inputs)
    return pd.DataFrame(
        {
            "steps": steps,
            "position": score.guidance_position if score.guidance else "none",
            "scale": score.guidance_scale or 1.0,
            **distance_columns(score, run.metric),
        }
        for steps, panel in panels(run).items()
        for score in dict.fromkeys(score for curve in panel.values() for score in curve)
    )


def panels(run: RunScores) -> dict[int, Panel]:
    """The sets of the paper's scheme by steps and position of guidance, where two at least are guided.

    Raises:
        UserError: no number of steps has two guided sets.
    """
    found: dict[int, Panel] = {}
    unguided = {score.steps: score for score in run.records if score.default_scheme and not score.guidance}
    for score in run.records:
        if score.steps and score.default_scheme and score.guidance:
            panel = found.setdefault(score.steps, {})
            panel.setdefault(str(score.guidance_position), []).append(score)
    several = {steps: panel for steps, panel in sorted(found.items()) if sum(map(len, panel.values())) > 1}
    if not several:
        raise UserError(
            f"The figure 'guidance' needs two guided sample sets of as many steps, and {run.path} has "
            "none. Add some under sampling.generations."
        )
    for steps, panel in several.items():
        for position, curve in panel.items():
            none = [unguided[steps]] if steps in unguided else []
            panel[position] = [*none, *sorted(curve, key=lambda score: score.guidance_scale or 1.0)]
    return several


@style.house()
def draw(run: RunScores, *, title: str = "Guidance") -> Figure:
    """A panel for each number of steps: distance ± standard error by scale, a line for each position."""
    found = panels(run)
    rows = -(-len(found) // COLUMNS)
    drawn = style.figure(height=1.2 + PANEL * rows)
    grid = drawn.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes, (steps, panel) in zip(grid, found.items(), strict=False):
        _panel(axes, panel)
        axes.set_title(f"{steps} step{'s' if steps > 1 else ''}", fontweight="bold", loc="left")
    for axes in grid[len(found) :]:
        axes.set_visible(False)
    grid[0].set_ylabel(metric_label(run.metric).replace(" (", "\n("))
    named: dict[str, Any] = {}
    for axes in grid:
        handles, words = axes.get_legend_handles_labels()
        named |= dict(zip(words, handles, strict=True))
    drawn.legend(handles=[*named.values()], labels=[*named], loc="outside lower center", ncols=3)
    style.heading(drawn, title, _caption(run, 1 in found))
    style.warning(drawn, of_runs([run]))
    return drawn


def _caption(run: RunScores, single: bool) -> str:
    words = " A single step has guidance of the decoder alone." if single else ""
    return (
        f"{run.dataset}, fixed strength, shared noise; lower is better. Scale 1 is no guidance. Bars: ± one "
        f"standard error (jackknife).\nEach panel has a scale of its own.{words}{in_words([run])}"
    )


def _run(inputs: Mapping[str, Path]) -> RunScores:
    if not inputs:
        raise UserError("This figure needs scores=PATH.")
    runs = read_means(inputs.values())
    if len(runs) > 1:
        raise UserError(f"The figure 'guidance' shows one run, not {', '.join(run.run for run in runs)}.")
    return runs[0]


def _panel(axes: Axes, panel: Panel) -> None:
    for position in sorted(panel, key=[*POSITIONS].index):
        words, colour, mark = POSITIONS[position]
        curve = panel[position]
        axes.errorbar(
            [score.guidance_scale or 1.0 for score in curve],
            [score.frechet for score in curve],
            yerr=[score.bar for score in curve],
            color=style.PALETTE[colour],
            marker=mark,
            markersize=5,
            capsize=2,
            label=words,
        )
    axes.set_xlabel("scale")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    sns.despine(ax=axes)
