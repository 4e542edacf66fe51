"""What images cost: distance against floating-point operations, and against passes beside other methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.cost import Point, points, row, row_of_rival
from sphere_repro.results.rivals import Rival, load_rivals
from sphere_repro.results.scores import RunScores, metric_label, of_runs
from sphere_repro.results.trainings import in_words, read_means

MODEL = "model."  # before the names of the records of models among the inputs
RIVAL_NAMES = 8  # points size of the other methods' names
MANY = 100  # steps from which a name stands to the left of its mark


PARAMETERS = EngFormatter(places=1)


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from scores by run, records of their models, `model.RUN`, and `rivals`, params/rivals.yaml."""
    return draw(_runs(inputs), _models(inputs), load_rivals(Path(need(inputs, "rivals"))), subject)


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every generated set, and below them the other methods' published numbers on the same datasets."""
    runs, models = _runs(inputs), _models(inputs)
    rows = [row(run, point) for run in runs for point in points(run, models[run.run])]
    datasets = {run.dataset for run in runs if run.metric.startswith("fid-")}
    rows += [
        row_of_rival(rival)
        for rival in load_rivals(Path(need(inputs, "rivals")))
        if rival.dataset.archive in datasets
    ]
    return pd.DataFrame(rows)


@style.house()
def draw(
    runs: Sequence[RunScores], models: Mapping[str, Path], rivals: Sequence[Rival] = (), subject: str = ""
) -> Figure:
    """A row for each dataset and metric: left the distance against FLOPs, right against passes.

    Raises:
        UserError: a file is missing or broken, or no run has generated images.
    """
    panels: dict[tuple[str, str], list[RunScores]] = {}
    for run in runs:
        if any(record.steps for record in run.records):
            panels.setdefault((run.dataset, run.metric), []).append(run)
    if not panels:
        raise UserError("The figure 'cost' needs a scored run with generated images. Score one first.")
    drawn = style.figure(height=0.9 + 3.6 * len(panels))
    grid = drawn.subplots(len(panels), 2, squeeze=False, sharey="row")
    beside = False
    for (left, right), ((dataset, metric), members) in zip(grid, panels.items(), strict=True):
        colours = style.colours([run.run for run in members])
        for run in members:
            _draw(left, right, points(run, models[run.run]), colours[run.run])
        shown = [rival for rival in rivals if rival.dataset.archive == dataset and metric.startswith("fid-")]
        beside |= bool(shown)
        _draw_rivals(right, shown)
        left.set_title(dataset, fontweight="bold", loc="left")
        left.set(xscale="log", xlabel="FLOPs for one image", ylabel=metric_label(metric).replace(" (", "\n("))
        right.set(xscale="log", xlabel="passes of the decoder, or another method's steps")
        _ticks(left, EngFormatter(sep="\N{THIN SPACE}"))
        _ticks(right, "{x:g}")
        if not shown:
            steps = {record.steps for run in members for record in run.records if record.steps}
            right.set_xticks(sorted(steps))
        if shown:
            left.set_yscale("log")
            style.plain_log_ticks(left)
        left.legend(loc="best")
    words = "Numbers beside the marks: steps. Hollow marks are other schemes and guidances."
    others = " Crosses are other methods, as their authors published them." if beside else ""
    style.heading(drawn, titled("Cost of an image", subject), f"{words}{others}{in_words(runs)}")
    style.warning(drawn, of_runs(runs))
    return drawn


def _runs(inputs: Mapping[str, Path]) -> list[RunScores]:
    return read_means([path for key, path in inputs.items() if key != "rivals" and not key.startswith(MODEL)])


def _models(inputs: Mapping[str, Path]) -> dict[str, Path]:
    return {key.removeprefix(MODEL): Path(path) for key, path in inputs.items() if key.startswith(MODEL)}


def _draw(left: Axes, right: Axes, found: Sequence[Point], colour: Any) -> None:
    """A line through the paper's scheme, with the guidance that was drawn first; marks for other sets."""
    first = next((point.score.guidance for point in found), "")
    usual = [point for point in found if point.score.default_scheme and point.score.guidance == first]
    others = [point for point in found if point not in usual]
    label = f"{found[0].run}, {PARAMETERS(found[0].parameters)} parameters" if found else ""
    for axes, place in ((left, "operations"), (right, "passes")):
        for group, line, face in ((usual, "-", colour), (others, "", "white")):
            xs = [point.operations if place == "operations" else point.calls.decoder for point in group]
            ys = [point.score.frechet for point in group]
            errors = [point.score.bar for point in group]
            axes.errorbar(
                xs, ys, yerr=errors, color=colour, linestyle=line, marker="o", markersize=5, capsize=2,
                markerfacecolor=face, label=label if group is usual else None,
            )  # fmt: skip
        for point in usual:
            x = point.operations if place == "operations" else point.calls.decoder
            axes.annotate(
                str(point.score.steps),
                (x, point.score.frechet),
                (4, 5),
                textcoords="offset points",
                fontsize=8,
            )
        axes.grid(True, which="major")
        sns.despine(ax=axes)


def _ticks(axes: Axes, words: str | EngFormatter) -> None:
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(words)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _draw_rivals(axes: Axes, rivals: Sequence[Rival]) -> None:
    for rival in rivals:
        axes.plot([rival.steps], [rival.frechet], marker="x", color=style.GREY, linestyle="")
        classes = "" if rival.conditional else " (no classes)"
        axes.annotate(
            f"{rival.method}{classes}",
            (rival.steps, rival.frechet),
            (-5 if rival.steps > MANY else 5, -9 if rival.conditional else 2),
            textcoords="offset points",
            ha="right" if rival.steps > MANY else "left",
            fontsize=RIVAL_NAMES,
            color=style.GREY,
        )
