"""Few-step refinement of one model: distance by steps for every scheme, and the images of the same seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.figures.samples import open_alike, read, spread
from sphere_repro.results.scores import RunScores, SetScore, distance_columns, metric_label, of_runs
from sphere_repro.results.trainings import in_words, read_means

SCORES = "scores"  # how the names of scores files begin among the inputs; the others are sample sets
SCHEMES: dict[tuple[str, str], tuple[int, str]] = {  # colour of the palette, mark
    ("fixed", "shared"): (0, "o"),
    ("fixed", "independent"): (1, "s"),
    ("linear", "shared"): (2, "^"),
    ("linear", "independent"): (3, "D"),
    ("fixed", "initial"): (4, "v"),
    ("linear", "initial"): (5, "P"),
}
MOST_COLUMNS = 20  # images beside each other
MOST_SEEDS = 4
APART = 0.035  # steps between the marks of two schemes
PANEL = 4.2  # inches
LABELS = 1.4  # inches of the names of the rows
Curve = list[SetScore]


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `scores` (of further trainings `scores_r1`, …) and the generated sets by name."""
    return draw(_run(inputs), _sets(inputs), title=titled("Few-step refinement", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every point of the curves."""
    run = _run(inputs)
    return pd.DataFrame(
        {
            "strength": scheme[0],
            "noise": scheme[1],
            "steps": score.steps,
            "guidance": score.guidance or "none",
            **distance_columns(score, run.metric),
        }
        for scheme, curve in curves(run).items()
        for score in curve
    )


def curves(run: RunScores) -> dict[tuple[str, str], Curve]:
    """The sets of each scheme by steps, all of the first guidance drawn; a single step is of every scheme.

    Raises:
        UserError: nothing was generated in more than one step.
    """
    drawn = [score for score in run.records if score.steps]
    same = [score for score in drawn if score.guidance == drawn[0].guidance]
    found: dict[tuple[str, str], Curve] = {}
    for score in same:
        if score.steps != 1:
            found.setdefault(score.scheme, []).append(score)
    if not found:
        raise UserError(
            f"The figure 'refinement' needs samples of more than one step, and {run.path} has none. Add "
            "some under sampling.generations."
        )
    single = [score for score in same if score.steps == 1]
    ordered = sorted(found, key=lambda scheme: [*SCHEMES, scheme].index(scheme))
    return {scheme: sorted([*single, *found[scheme]], key=lambda each: each.steps or 0) for scheme in ordered}


@style.house()
def draw(run: RunScores, sets: Mapping[str, Path], *, title: str = "Few-step refinement") -> Figure:
    """Above, the distance ± standard error by steps, a line for each scheme; below, the images of some seeds.

    Args:
        run: its scores, of several trainings their mean.
        sets: set name → image archive; those of other guidances are left out.

    Raises:
        UserError: an archive is missing, broken or of another resolution, or nothing took more than one step.
    """
    found = curves(run)
    names = {score.set for curve in found.values() for score in curve}
    shown = {name: path for name, path in sets.items() if name in names}
    opened = open_alike(shown.values()) if shown else {}
    archives = {name: opened[path] for name, path in shown.items()}
    strips = {scheme: curve for scheme, curve in found.items() if _steps(curve, archives)}
    columns = sorted({step for curve in strips.values() for step in _steps(curve, archives)})
    seeds = max(1, min(MOST_SEEDS, MOST_COLUMNS // max(1, len(columns))))
    cell = (style.WIDTH - LABELS) / (seeds * (len(columns) + 1) - 1) if columns else 0.0
    strip = 0.35 + cell * len(strips)
    drawn = style.figure(height=1.0 + PANEL + strip)
    axes, below = drawn.subplots(2, 1, height_ratios=[PANEL, strip])
    _panel(axes, run, found)
    _strips(below, strips, archives, columns, seeds)
    style.heading(drawn, title, _caption(run, found))
    style.warning(drawn, of_runs([run]))
    return drawn


def _run(inputs: Mapping[str, Path]) -> RunScores:
    paths = [path for key, path in inputs.items() if key.startswith(SCORES)]
    if not paths:
        raise UserError("This figure needs scores=PATH.")
    runs = read_means(paths)
    if len(runs) > 1:
        raise UserError(f"The figure 'refinement' shows one run, not {', '.join(run.run for run in runs)}.")
    return runs[0]


def _sets(inputs: Mapping[str, Path]) -> dict[str, Path]:
    return {key: Path(path) for key, path in inputs.items() if not key.startswith(SCORES)}


def _steps(curve: Curve, archives: Mapping[str, ImageArchive]) -> list[int]:
    """The numbers of steps of a curve whose images are there; none where a single step is all there is."""
    found = [score.steps or 0 for score in curve if score.set in archives]
    return found if any(step > 1 for step in found) else []


def _caption(run: RunScores, found: Mapping[tuple[str, str], Curve]) -> str:
    first = next(iter(found.values()))[0]
    guided = f", guidance {first.guidance}" if first.guidance else ""
    return (
        f"{run.dataset}{guided}; lower is better. Bars: ± one standard error (jackknife). Below, each block "
        f"is one seed:\nall its images start from the same point of the sphere, and differ in steps and in "
        f"the noise of the later ones.{in_words([run])}"
    )


def _panel(axes: Axes, run: RunScores, found: Mapping[tuple[str, str], Curve]) -> None:
    for place, (scheme, curve) in enumerate(found.items()):
        colour, mark = SCHEMES.get(scheme, (6, "X"))
        shift = APART * (place - (len(found) - 1) / 2)
        axes.errorbar(
            [(score.steps or 0) + shift for score in curve],
            [score.frechet for score in curve],
            yerr=[score.bar for score in curve],
            color=style.PALETTE[colour],
            marker=mark,
            markersize=5,
            markerfacecolor=style.PALETTE[colour] if scheme == ("fixed", "shared") else "white",
            capsize=2,
            label=_words(scheme),
        )
    count = max(score.count for curve in found.values() for score in curve)
    levels: list[tuple[float | None, str, Any]] = [
        *((score.frechet, "reconstructions", (0, (6, 2, 1, 2))) for score in run.records if _rebuilt(score)),
        (run.floor_of(count), f"floor: {count} images of a perfect model", (0, (5, 3))),
    ]
    for height, words, line in levels:
        if height is not None:
            axes.axhline(height, color=style.GREY, linestyle=line, linewidth=1.1, label=words)
    style.whole_ticks(axes, sorted({score.steps or 0 for curve in found.values() for score in curve}))
    axes.set(xlabel="steps (passes of the decoder)", ylabel=metric_label(run.metric).replace(" (", "\n("))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.14), ncols=4)
    sns.despine(ax=axes)


def _rebuilt(score: SetScore) -> bool:
    return score.kind == "reconstruction"


def _words(scheme: Sequence[str]) -> str:
    return f"{scheme[0]}, {scheme[1]}"


def _strips(
    axes: Axes,
    strips: Mapping[tuple[str, str], Curve],
    archives: Mapping[str, ImageArchive],
    columns: Sequence[int],
    seeds: int,
) -> None:
    """A row for each scheme, a column for each number of steps, a block for each seed; white: not drawn."""
    if not strips:
        axes.set_visible(False)
        return
    shortest = min(archives.values(), key=len)
    chosen = spread(shortest.labels, len(shortest), seeds)
    side = shortest.resolution
    grid = np.full((len(strips), len(chosen), len(columns), side, side, 3), 255, dtype=np.uint8)
    for row, curve in enumerate(strips.values()):
        for score in curve:
            if score.set in archives:
                grid[row, :, columns.index(score.steps or 0)] = read(archives[score.set], chosen)
    flat = grid.reshape(len(strips), -1, side, side, 3)
    heights, widths = style.show_montage(axes, style.parted(flat, len(columns)))
    axes.set_yticks(heights, [_words(scheme) for scheme in strips])
    axes.xaxis.tick_top()
    axes.set_xticks(style.kept(widths, len(columns)), [str(step) for step in columns] * len(chosen))
    axes.tick_params(length=0, labelsize=8)
