"""How far latents are from the prior, and how much of the prior decodes to nothing, model beside model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.results.emptiness import HEADS, MEASURES, Found, read_emptiness
from sphere_repro.results.nearest import NOISE, WORDS
from sphere_repro.results.prior_gap_claims import CONTROLS, ORDER
from sphere_repro.results.prior_gap_claims import WORDS as STATISTICS
from sphere_repro.results.scores import metric_label, read_uniformity, set_label

SCORES = "scores."  # before the names of runs among the inputs
STYLES = {"distance": "-", "local": "--"}
MARKS = {"distance": "o", "local": "s"}
ROW = 2.9  # inches
PRIOR = "prior\n(one step)"
AXES = {"quadratic": "AUC", "neighbours": "AUC", "mmd": "MMD²", "wasserstein": "deviations of the prior"}


@dataclass(frozen=True)
class Shown:
    """What is drawn.

    Attributes:
        gaps: run → its `metrics.prior_gap`; empty where no latents were examined.
        images: run → what of its images is nothing, in the same order; empty where it was not counted.
    """

    gaps: dict[str, dict[str, Any]]
    images: dict[str, Found]

    @property
    def colours(self) -> dict[str, Any]:
        """A colour for each run."""
        return style.colours([*self.gaps, *self.images])


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `result`, statistics of latents, and `scores.RUN` of each model; either may be missing."""
    return draw(read(inputs), title=titled("The posterior and the prior", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every mark and every point of the curves."""
    shown = read(inputs)
    return pd.DataFrame([*_of_latents(shown.gaps), *_of_images(shown.images)])


def read(inputs: Mapping[str, Path]) -> Shown:
    """What the files say.

    Raises:
        UserError: one is missing or broken, or none says anything of gaps.
    """
    gaps: dict[str, dict[str, Any]] = {}
    if "result" in inputs:
        result = read_uniformity(Path(inputs["result"]))
        runs = {"latents": result["run"], "baseline": result.get("baseline_run")}
        said = result.get("prior_gap") or {}
        gaps = {str(run): said[key] for key, run in runs.items() if said.get(key)}
    named = {key.removeprefix(SCORES): Path(path) for key, path in inputs.items() if key.startswith(SCORES)}
    found = {run: each for run, path in named.items() if (each := read_emptiness(path))}
    if not gaps and not found:
        raise UserError(
            "The figure 'posterior-gap' needs result=PATH, statistics of latents, or scores.RUN=PATH taken "
            "against our own reference, made by this version. Make them again."
        )
    return Shown(gaps, found)


@style.house()
def draw(shown: Shown, *, title: str = "The posterior and the prior") -> Figure:
    """Above, statistics of the latents beside their nulls and controls; below, shares of empty images."""
    rows = [bool(shown.gaps), bool(shown.images)]
    drawn = style.figure(height=1.3 + ROW * sum(rows) + 0.4 * rows[1])
    heights = [height for height, there in zip((ROW, ROW + 0.4), rows, strict=True) if there]
    parts = iter(drawn.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel())
    if shown.gaps:
        part = next(parts)
        for axes, name in zip(part.subplots(1, len(ORDER)), ORDER, strict=True):
            _statistic(axes, shown, name)
        part.legend(handles=_marks(), loc="outside lower center", ncols=4)
    if shown.images:
        part = next(parts)
        left, right = part.subplots(1, 2)
        _sets(left, shown)
        _paths(right, shown)
        part.legend(handles=_lines(shown), loc="outside lower center", ncols=3)
    style.heading(drawn, title, _caption(shown))
    return drawn


def _caption(shown: Shown) -> str:
    told = []
    if shown.gaps:
        gap = next(iter(shown.gaps.values()))
        told.append(
            f"Above: {gap['count']} latents of training images, in {gap['dimension']} dimensions, against as "
            "many draws of the prior."
        )
    if shown.images:
        found = next(iter(shown.images.values()))
        told.append(
            "Images that are nothing lie farther from every training image than 95 % of real ones "
            f"({found.control})."
        )
    return "\n".join(told)


def _statistic(axes: Axes, shown: Shown, name: str) -> None:
    """One statistic of each model: the latents, both controls, and the band of the null."""
    for place, (run, gap) in enumerate(shown.gaps.items()):
        found, colour = gap["gap"][name], shown.colours[run]
        low, high = (found["null_mean"] + sign * 2 * found["null_sd"] for sign in (-1, 1))
        axes.fill_between([place - 0.42, place + 0.42], low, high, color="0.82", linewidth=0, zorder=1)
        axes.errorbar(place, found["value"], yerr=2 * found.get("se", 0), fmt="o", color=colour, zorder=3)
        for key, marker in (("same", "o"), ("planted", "D")):
            value = gap[key][name]["value"]
            axes.plot(place + 0.25, value, marker, color=colour, markerfacecolor="white", zorder=2)
    axes.set_xticks(range(len(shown.gaps)), [*shown.gaps], rotation=20, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(shown.gaps) - 0.4)
    axes.set_title(STATISTICS[name], loc="left", fontsize=9)
    axes.set_ylabel(AXES[name])
    axes.grid(axis="y")
    if AXES[name] == "AUC":
        axes.set_ylim(0.4, 1.03)
    else:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))


def _marks() -> list[Any]:
    grey: dict[str, Any] = {"color": style.GREY, "linestyle": ""}
    return [
        Line2D([], [], marker="o", label="latents (± 2 standard errors)", **grey),
        Line2D([], [], marker="o", markerfacecolor="white", label=CONTROLS["same"], **grey),
        Line2D([], [], marker="D", markerfacecolor="white", label=CONTROLS["planted"], **grey),
        Patch(color="0.82", label="random exchanges, mean ± 2 sd"),
    ]


def _sets(axes: Axes, shown: Shown) -> None:
    """The share of each set that is nothing, with its interval, and what chance gives."""
    kinds = [_kind(found, name) for found in shown.images.values() for name in _order(found)]
    names = sorted(dict.fromkeys(kinds), key=lambda kind: kind == PRIOR)  # of equals the order stays
    runs = list(shown.images)
    for index, (run, found) in enumerate(shown.images.items()):
        for number, measure in enumerate(MEASURES):
            beside = (index * len(MEASURES) + number + 0.5) / (len(runs) * len(MEASURES)) - 0.5
            for name in _order(found):
                counted = found.sets[name][measure]
                x = names.index(_kind(found, name)) + 0.7 * beside
                _mark(axes, x, counted, shown.colours[run], MARKS[measure])
    _chance(axes, shown)
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set(ylabel="share that is nothing", ylim=(-0.03, 1.03))
    axes.set_title("Sample sets", loc="left")
    axes.grid(axis="y")


def _mark(axes: Axes, x: float, counted: Mapping[str, float], colour: Any, marker: str) -> None:
    share = counted["share"]
    interval = [[share - counted["low"]], [counted["high"] - share]]
    face = colour if marker == MARKS["distance"] else "white"
    axes.errorbar(x, share, yerr=interval, fmt=marker, color=colour, markerfacecolor=face, markersize=5)


def _order(found: Found) -> list[str]:
    return [name for name in ("reconstruction", "posterior", found.prior) if name in found.sets]


def _kind(found: Found, name: str) -> str:
    """What a set is called that both kinds of models have: draws of the prior."""
    return PRIOR if name == found.prior else set_label(name).replace(" ", "\n")


def _chance(axes: Axes, shown: Shown) -> None:
    """A line at what real images that did not fix the threshold give, on average over measures."""
    found = next(iter(shown.images.values()))
    shares = [measure["control"]["share"] for measure in found.about["measures"].values()]
    axes.axhline(float(np.mean(shares)), color=style.GREY, linestyle=":", linewidth=1.2, zorder=1)


def _paths(axes: Axes, shown: Shown) -> None:
    """The share along the paths from the posterior to the prior, with its interval."""
    for run, found in shown.images.items():
        for measure in MEASURES if found.path else ():
            assert found.path is not None
            shares = found.path["measures"][measure]["shares"]
            t = found.path["points"]
            colour = shown.colours[run]
            axes.plot(t, [each["share"] for each in shares], STYLES[measure], color=colour)
            if measure == MEASURES[0]:
                low, high = ([each[end] for each in shares] for end in ("low", "high"))
                axes.fill_between(t, low, high, color=colour, alpha=0.15, linewidth=0)
    _chance(axes, shown)
    drawn = any(found.path for found in shown.images.values())
    axes.set(xlabel="t: from the posterior (0) to the prior (1)", ylim=(-0.03, 1.03), xlim=(0, 1))
    axes.set_title("On the way to the prior" if drawn else "On the way to the prior: not drawn", loc="left")
    axes.grid(axis="y")


def _lines(shown: Shown) -> list[Any]:
    handles = [Line2D([], [], color=shown.colours[run], label=run) for run in shown.images]
    for measure in MEASURES:
        look: dict[str, Any] = {"color": style.GREY, "linestyle": STYLES[measure], "marker": MARKS[measure]}
        face = style.GREY if measure == MEASURES[0] else "white"
        handles.append(Line2D([], [], label=HEADS[measure], markerfacecolor=face, markersize=5, **look))
    found = next(iter(shown.images.values()))
    label = f"control: {WORDS[found.about['control']]}"
    return [*handles, Line2D([], [], color=style.GREY, linestyle=":", label=label)]


def _of_latents(gaps: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    words = {"gap": "latents", **CONTROLS}
    return [
        {
            "part": "latents",
            "run": run,
            "of": said,
            "measure": STATISTICS[name],
            "count": gap["count"],
            "value": gap[key][name]["value"],
            "effect": gap[key][name]["effect"],
            "standard error": gap[key][name].get("se"),
            "null mean": gap[key][name]["null_mean"],
            "null deviation": gap[key][name]["null_sd"],
            "p": gap[key][name]["p"],
        }
        for run, gap in gaps.items()
        for key, said in words.items()
        for name in ORDER
    ]


def _of_images(images: Mapping[str, Found]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for run, found in images.items():
        for measure in MEASURES:
            about = found.about["measures"][measure]
            groups = {found.control: about["control"], WORDS[NOISE]: about[NOISE]}
            groups |= {set_label(name): found.sets[name][measure] for name in _order(found)}
            lines += [_line("images", run, said, measure, counted, found) for said, counted in groups.items()]
            if found.path:
                along = found.path["measures"][measure]["shares"]
                lines += [
                    {**_line("path", run, "from the posterior to the prior", measure, counted, found), "t": t}
                    for t, counted in zip(found.path["points"], along, strict=True)
                ]
    return lines


def _line(
    part: str, run: str, said: str, measure: str, counted: Mapping[str, Any], found: Found
) -> dict[str, Any]:
    return {
        "part": part,
        "run": run,
        "of": said,
        "measure": HEADS[measure],
        "features": metric_label(found.metric),
        "count": counted["count"],
        "value": counted["share"],
        "95 % from": counted["low"],
        "95 % to": counted["high"],
    }
