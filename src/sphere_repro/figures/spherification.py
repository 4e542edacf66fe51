"""Spherification: what noise of an angle does to a trained model's own latents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Wedge

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.noise_angle_claim import WORDS
from sphere_repro.results.scores import read_uniformity

MARKS = ("o", "s", "D")  # of the latents
BEYOND = 1.08  # how far the plane is drawn beyond its outermost point


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `result`, what `uniformity` says of a run's latents."""
    return draw(_read(inputs), title=titled("Spherification", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """By strength of the noise and bin of angles (degrees): shares of the draws, reached and by the law."""
    frames, found = [], _read(inputs)
    for key, words in WORDS.items():
        part = found[key]
        rows = {
            "from": part["edges"][:-1],
            "to": part["edges"][1:],
            "share": part["share"],
            "law": part["law"],
        }
        frames.append(pd.DataFrame({"strength": words, **rows}))
    return pd.concat(frames).set_index(["strength", "from"])


@style.house()
def draw(found: Mapping[str, Any], *, title: str = "Spherification") -> Figure:
    """The plane of latents and noise above, the angles reached below, with their law as a line."""
    drawn = style.figure(height=6.9)
    above, below = drawn.subfigures(2, 1, squeeze=False, height_ratios=[2.5, 3.3]).ravel()
    _plane(above.subplots(), found)
    for axes, (key, words) in zip(below.subplots(1, 2), WORDS.items(), strict=True):
        _angles(axes, found[key], words, found["alpha_max"])
    style.heading(
        drawn,
        title,
        f"Above: latents v of {len(found['shown'])} training images (a shape of mark each) in the plane of v "
        "and its noise e, in units of the sphere's radius.\nBelow: the angle between v and f(v + σ·e), share "
        f"of all draws (bars) and their law in {found['dimension']} dimensions (line). Dashed: "
        f"{found['alpha_max']:g}°.",
    )
    return drawn


def _read(inputs: Mapping[str, Path]) -> Mapping[str, Any]:
    path = need(inputs, "result")
    found: Mapping[str, Any] | None = read_uniformity(path).get("spherification")
    if found is None:
        raise UserError(f"{path} says nothing of noise angles: its run has no noise. Draw another run's.")
    return found


def _plane(axes: Axes, found: Mapping[str, Any]) -> None:
    """v points up; noisy points before re-projection are hollow, and after it they lie on the circle."""
    shown, alphas = np.array(found["shown"]), found["shown_angle"]
    across, along = shown[..., 1], shown[..., 0]
    right, top, bottom = (float(value) for value in (across.max(), max(1.2, along.max()), along.min()))
    axes.add_patch(Wedge((0, 0), 1, 90 - alphas[-1], 90, color="0.93", zorder=0))
    turn = np.radians(np.linspace(0, 180, 361))
    axes.plot(np.sin(turn), np.cos(turn), color="0.3", linewidth=1.2, zorder=1)
    colours = style.colours([f"{alpha:g}" for alpha in alphas])
    for place, alpha in enumerate(alphas):
        colour, angle = colours[f"{alpha:g}"], np.radians(alpha)
        far = min(1 / np.cos(angle), right * BEYOND / np.sin(angle))
        axes.plot([0, far * np.sin(angle)], [0, far * np.cos(angle)], ":", color=colour, linewidth=1.1)
        for points, mark in zip(shown, MARKS, strict=False):
            before, after = points[place]
            axes.plot(*zip(before[::-1], after[::-1], strict=True), color=colour, linewidth=0.7, alpha=0.6)
            axes.plot(*before[::-1], mark, color=colour, markerfacecolor="white", markersize=6)
            axes.plot(*after[::-1], mark, color=colour, markersize=5)
    axes.plot(0, 1, "*", color="black", markersize=13)
    axes.annotate("v", (0, 1), (-9, 6), textcoords="offset points", ha="right", fontsize=11)
    handles = [Line2D([], [], color=colours[f"{alpha:g}"], label=f"α = {alpha:g}°") for alpha in alphas]
    grey: dict[str, Any] = {"color": style.GREY, "marker": "o", "linestyle": ""}
    handles += [
        Line2D([], [], markerfacecolor="white", label="v + σ·e", **grey),
        Line2D([], [], label="f(v + σ·e)", **grey),
    ]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_aspect("equal")
    axes.set(xlim=(-0.25, max(right, 1) * BEYOND), ylim=(min(0.0, bottom) - 0.12, top + 0.15))
    axes.set(xlabel="across v", ylabel="along v")
    sns.despine(ax=axes)


def _angles(axes: Axes, part: Mapping[str, Any], words: str, alpha: float) -> None:
    edges = np.array(part["edges"])
    width = np.diff(edges)
    axes.bar(edges[:-1], np.array(part["share"]) / width, width, align="edge", color="0.75", ec="0.75")
    middle = (edges[:-1] + edges[1:]) / 2
    axes.plot(middle, np.array(part["law"]) / width, color=style.PALETTE[0])
    axes.axvline(alpha, linestyle="--", color=style.GREY, linewidth=1.0)
    low, _, high = part["reached"]
    axes.set_title(f"noise of {words}", fontweight="bold", loc="left")
    axes.set(xlabel=f"angle reached (degrees); nine of ten from {low:.0f}° to {high:.0f}°")
    axes.set(ylabel="share of the draws per degree")
    distance = f"distance from the law\n(Kolmogorov-Smirnov): {part['distance']:.3f}"
    words = f"{distance}\n{part['draws']} draws"
    axes.text(0.02, 0.97, words, transform=axes.transAxes, va="top", fontsize=9, color="0.3")
    axes.margins(x=0)
    axes.set_ylim(top=1.35 * axes.get_ylim()[1])
    sns.despine(ax=axes)
