"""Distance from the real images by number of steps, with everything that it should be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.results.scores import RunScores, SetScore, metric_label, of_runs, set_label
from sphere_repro.results.trainings import in_words, read_means

Level = tuple[float, str, Any, Any]  # height, words, colour, line style
SCHEMES = {
    ("fixed", "shared"): "o",
    ("fixed", "independent"): "s",
    ("linear", "shared"): "^",
    ("linear", "independent"): "D",
    ("fixed", "initial"): "v",
    ("linear", "initial"): "P",
}
LINES: tuple[Any, ...] = (  # one for each guidance
    *("-", "--", ":", "-.", (0, (8, 3)), (0, (1, 3)), (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1))),
)
LOG_FROM = 6.0  # ratio of largest to smallest distance from which the axis is logarithmic
OTHERS_APART = 0.11  # steps between the marks of one scheme and the next
NEAREST = 0.058  # least distance of two labels, as a fraction of the axis


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from the scores of every run, by run."""
    return draw(list(inputs.values()), title=titled("Distance by number of steps", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every scored set of every run."""
    return table(list(inputs.values()))


@style.house()
def draw(score_files: Sequence[Path], *, title: str = "Distance by number of steps") -> Figure:
    """One panel per dataset and metric: distance ± standard error by steps, one line per run and guidance.

    A run with several trainings is their mean ± the deviation between them.

    Other schemes stand as hollow marks at their number of steps, joined where they have several. Horizontal
    lines: reconstructions, a VAE's prior and estimated posterior, and (dashed grey) the floor: what images of
    a perfect model would score, if they were as many as those of the largest set.

    Args:
        score_files: scores of the study's runs, in the order of the colours.

    Raises:
        UserError: a file is missing or broken, or none is given.
    """
    runs = read_means(score_files)
    if not runs:
        raise UserError("The figure 'distance-by-steps' needs one scores file at least. Score a run first.")
    panels: dict[tuple[str, str], list[RunScores]] = {}
    for run in runs:
        panels.setdefault((run.dataset, run.metric), []).append(run)
    drawn = style.figure(height=0.6 + 4.4 * len(panels))
    grid = drawn.subplots(len(panels), squeeze=False).ravel()
    for axes, ((dataset, metric), members) in zip(grid, panels.items(), strict=True):
        _panel(axes, members)
        axes.set_title(dataset, fontweight="bold", loc="left")
        axes.set(ylabel=metric_label(metric).replace(" (", "\n("), xlabel="steps (passes of the decoder)")
    style.heading(drawn, title, f"Lower is better. Bars: ± one standard error (jackknife).{in_words(runs)}")
    style.warning(drawn, of_runs(runs))
    return drawn


def table(score_files: Sequence[Path]) -> pd.DataFrame:
    """Every scored set: distance (mean over trainings), its errors, kernel distance, PSNR."""
    records = [
        {
            "run": run.run,
            "dataset": run.dataset,
            "metric": metric_label(run.metric),
            "set": set_label(score.set),
            "images": score.count,
            "distance": score.frechet,
            "standard error": score.frechet_se,
            "trainings": score.trainings,
            "deviation between trainings": score.deviation,
            "kernel distance": score.kid,
            "PSNR (dB)": score.psnr,
        }
        for run in read_means(score_files)
        for score in run.records
    ]
    return pd.DataFrame(records)


def _panel(axes: Axes, runs: Sequence[RunScores]) -> None:
    colours = style.colours([run.run for run in runs])
    spheres = [run for run in runs if any(record.steps for record in run.records)]
    dodge = dict(zip((run.run for run in spheres), _offsets(len(spheres)), strict=True))
    count = max(record.count for run in runs for record in run.records)
    levels: list[Level] = []
    handles: list[Line2D] = []
    schemes: set[tuple[str, str]] = set()
    for run in runs:
        colour = colours[run.run]
        for style_index, group in enumerate(_series(run)):
            line: Any = LINES[style_index % len(LINES)]
            _draw_series(axes, group, dodge[run.run], colour, line)
            words = ", ".join(filter(None, [run.run, group[0].guidance]))
            handles.append(Line2D([], [], color=colour, linestyle=line, marker="o", label=words))
            schemes |= {record.scheme for record in group if not record.default_scheme}
        levels += [
            (score.frechet, f"{run.run}: {_words(score, count)}", colour, _line_style(score))
            for score in run.records
            if score.steps is None
        ]
    floor = next((level for run in runs if (level := run.floor_of(count)) is not None), None)
    if floor is not None:
        levels.append((floor, f"floor: {count} images of a perfect model", style.GREY, (0, (5, 3))))
    for scheme in sorted(schemes, key=lambda scheme: [*SCHEMES, scheme].index(scheme)):
        words = f"{scheme[0]} strength, {scheme[1]} noise"
        handles.append(_hollow(SCHEMES.get(scheme, "X"), words))
    _finish(axes, runs, levels)
    if handles:
        axes.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(-0.02, -0.16), ncols=min(3, len(handles))
        )


def _words(score: SetScore, count: int) -> str:
    """The set's name, and how many images it has where they are not `count`: fewer are a larger distance."""
    return set_label(score.set) + ("" if score.count == count else f" of {score.count} images")


def _series(run: RunScores) -> list[list[SetScore]]:
    """A run's generation sets by guidance, each by steps."""
    groups: dict[str, list[SetScore]] = {}
    for record in run.records:
        if record.steps:
            groups.setdefault(record.guidance, []).append(record)
    return [sorted(group, key=lambda record: record.steps or 0) for group in groups.values()]


def _draw_series(axes: Axes, group: Sequence[SetScore], offset: float, colour: Any, line: Any) -> None:
    plain = [record for record in group if record.default_scheme]
    if plain:
        axes.errorbar(
            [(record.steps or 0) + offset for record in plain],
            [record.frechet for record in plain],
            yerr=[record.bar for record in plain],
            color=colour,
            linestyle=line,
            marker="o",
            markersize=5,
            capsize=3,
            zorder=3,
        )
    schemes = list(dict.fromkeys(record.scheme for record in group if not record.default_scheme))
    for place, scheme in enumerate(schemes, start=1):
        curve = [record for record in group if record.scheme == scheme and not record.default_scheme]
        axes.errorbar(
            [(record.steps or 0) + offset + OTHERS_APART * place for record in curve],
            [record.frechet for record in curve],
            yerr=[record.bar for record in curve],
            color=colour,
            linestyle=line if len(curve) > 1 else "",
            linewidth=0.7,
            marker=SCHEMES.get(scheme, "X"),
            markerfacecolor="white",
            markersize=6,
            capsize=3,
            zorder=4,
        )


def _finish(axes: Axes, runs: Sequence[RunScores], levels: Sequence[Level]) -> None:
    """Horizontal lines with their labels at the right, scales and ticks."""
    heights = [record.frechet for run in runs for record in run.records] + [level[0] for level in levels]
    steps = sorted({record.steps for run in runs for record in run.records if record.steps})
    for height, _, colour, line in levels:
        axes.axhline(height, color=colour, linestyle=line, linewidth=1.2, zorder=2)
    if steps and steps[-1] > 12:
        axes.set_xscale("log", base=2)
    axes.set_xticks(steps or [1], [str(step) for step in steps or [1]])
    axes.minorticks_off()
    axes.set_xlim((steps[0] if steps else 1) - 0.35, (steps[-1] if steps else 1) + 0.5)
    if min(heights) > 0 and max(heights) / min(heights) > LOG_FROM:
        axes.set_yscale("log")
        axes.set_ylim(min(heights) / 1.35, max(heights) * 1.35)
        style.plain_log_ticks(axes)
    else:
        axes.set_ylim(min(0.0, *heights), max(heights) * 1.08)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    sns.despine(ax=axes)
    _label_levels(axes, levels)


def _label_levels(axes: Axes, levels: Sequence[Level]) -> None:
    """Words at the right end of each horizontal line, moved apart where lines lie close together."""
    transform = axes.transScale + axes.transLimits
    ordered = sorted(levels, key=lambda level: level[0])
    places = [float(transform.transform((1.0, level[0]))[1]) for level in ordered]
    for (height, words, colour, _), place in zip(ordered, apart(places, NEAREST), strict=True):
        axes.annotate(
            f"{words} ({height:.3g})",
            xy=(1.0, height),
            xycoords=axes.get_yaxis_transform(),
            xytext=(1.04, place),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=colour,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.7,
                "shrinkA": 1,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )


def apart(places: Sequence[float], least: float) -> list[float]:
    """Ascending `places` moved as little as needed to lie at least `least` apart, their middle kept."""
    found = list(places)
    for _ in range(200):
        moved = False
        for low in range(len(found) - 1):
            overlap = least - (found[low + 1] - found[low])
            if overlap > 1e-9:
                found[low] -= overlap / 2
                found[low + 1] += overlap / 2
                moved = True
        if not moved:
            break
    return found


def _offsets(count: int) -> list[float]:
    """Small horizontal shifts that keep the error bars of several runs apart."""
    return [0.0] if count < 2 else list(np.linspace(-0.015, 0.015, count) * min(count, 4))


def _line_style(score: SetScore) -> Any:
    return {"reconstruction": (0, (6, 2, 1, 2)), "prior": "-", "posterior": (0, (2, 2))}.get(score.kind, "-")


def _hollow(marker: str, words: str) -> Line2D:
    return Line2D([], [], color=style.GREY, marker=marker, linestyle="", markerfacecolor="white", label=words)
