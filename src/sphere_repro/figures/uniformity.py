"""Latents on the sphere: random projections beside the numbers that hold in all dimensions (section 5)."""

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
from matplotlib.patches import Patch
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from sphere_repro.data.class_names import short_word
from sphere_repro.figures import style
from sphere_repro.figures.draw import need
from sphere_repro.results.projections import read_projections
from sphere_repro.results.scores import read_uniformity

UPRIGHT, LONGEST = 3, 8  # letters of a class's name that stand below its tick, or fit aslant
MOST_NAMED = 10  # classes that still get a colour and a tick of their own
LOOKS: dict[str, dict[str, Any]] = {  # grey, because colours are classes
    "latents": {"marker": "o", "color": "black"},
    "baseline": {"marker": "s", "color": "0.55"},
    "pixels": {"marker": "^", "color": "0.2", "markerfacecolor": "white"},
    "uniform": {"marker": "D", "color": "0.55", "markerfacecolor": "white"},
}


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `result`; the projected points lie beside it."""
    return draw(need(inputs, "result"))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """The statistics in `result`."""
    return table(need(inputs, "result"))


@style.house()
def draw(path: Path, *, title: str = "Latents on the sphere") -> Figure:
    """Maps of each cloud's random projection with its full-space statistics, and these by class below.

    The maps are equal-area (Mollweide): where points lie evenly on the sphere, they lie evenly on the map.
    Almost every cloud looks even after a random projection, so the numbers decide.

    Args:
        path: a uniformity JSON; the projected points lie beside it (.npz).

    Raises:
        UserError: a file is missing or broken.
    """
    found = read_uniformity(path)
    points = read_projections(Path(path).with_suffix(".npz"), found["clouds"])
    clouds = list(found["clouds"].values())
    many = found["classes"] > 1
    map_rows, odd = divmod(len(clouds), 2)
    rows = map_rows + 1  # the statistics take the last row, or what an odd number of maps leaves of it
    drawn = style.figure(height=0.8 + 3.35 * rows)
    grid = drawn.add_gridspec(rows, 2)
    for index, cloud in enumerate(clouds):
        axes = drawn.add_subplot(grid[index // 2, index % 2], projection="mollweide")
        views, labels = points[cloud["key"]]
        _map(axes, cloud, views[0], labels if many else np.zeros_like(labels))
    rest = grid[rows - 1, 1].subgridspec(2, 1) if odd else grid[rows - 1, :].subgridspec(1, 2)
    names = found.get("class_names")
    _by_class(drawn.add_subplot(rest[0]), clouds, "mean_resultant_length", names)
    _by_class(drawn.add_subplot(rest[1]), clouds, "anisotropy", names)
    drawn.legend(handles=_legend(clouds), loc="outside lower center", ncols=3)
    coloured = "; colours are classes" if many else ""
    caption = f"Random projection to S², equal-area maps{coloured}. Numbers: all dimensions of the sphere."
    style.heading(drawn, f"{title}: {found['run']}", caption)
    return drawn


def table(path: Path) -> pd.DataFrame:
    """The full-space statistics of each cloud: value, null distribution, effect sizes, p-value."""
    records = []
    for cloud in read_uniformity(path)["clouds"].values():
        for group in [cloud["overall"], *cloud["classes"]]:
            length = group["mean_resultant_length"]
            records.append(
                {
                    "cloud": cloud["title"],
                    "class": group.get("class", "all"),
                    "points": group["count"],
                    "dimension": group["dimension"],
                    "mean resultant length": length["value"],
                    "its mean on uniform clouds": length["null_mean"],
                    "its 95 % quantile there": length["null_q95"],
                    "standardised difference": length["standardised"],
                    "p": length["p"],
                    "mean cosine": group["mean_cosine"]["value"],
                    "anisotropy": group["anisotropy"]["value"],
                    "effective dimension": group["effective_dimension"],
                }
            )
    return pd.DataFrame(records)


def _map(axes: Axes, cloud: Mapping[str, Any], points: NDArray[Any], labels: NDArray[Any]) -> None:
    longitude, latitude = np.arctan2(points[:, 1], points[:, 0]), np.arcsin(np.clip(points[:, 2], -1, 1))
    classes = np.unique(labels)
    if len(classes) <= 1:
        colours: Any = [style.PALETTE[0]]
    elif len(classes) <= MOST_NAMED:
        colours = [style.PALETTE[label % len(style.PALETTE)] for label in labels]
    else:
        colours = sns.color_palette("viridis", as_cmap=True)(labels / labels.max())
    axes.scatter(longitude, latitude, s=max(2.0, min(14.0, 4000 / len(points))), c=colours, linewidths=0)
    axes.grid(True, linewidth=0.5)
    axes.set_xticks(np.radians([-120, -60, 0, 60, 120]), [])
    axes.set_yticks(np.radians([-60, -30, 0, 30, 60]), [])
    axes.set_title(cloud["title"], fontweight="bold")
    axes.set_xlabel(_numbers(cloud), fontsize=9, linespacing=1.35)


def _numbers(cloud: Mapping[str, Any]) -> str:
    overall = cloud["overall"]
    length, spread = overall["mean_resultant_length"], overall["anisotropy"]
    cosine = overall["mean_cosine"]
    return (
        f"mean resultant length {length['value']:.3f} (uniform: {length['null_mean']:.3f}, "
        f"95 % below {length['null_q95']:.3f})\n"
        f"mean cosine of two points {cosine['value']:.4f} ± {cosine['se']:.4f} (uniform: 0)\n"
        f"anisotropy {spread['value']:.2f} (uniform: 1), as if {overall['effective_dimension']:.0f} "
        f"of {cloud['dimension']} dimensions were used"
    )


def _by_class(
    axes: Axes, clouds: list[dict[str, Any]], statistic: str, class_names: Sequence[str] | None
) -> None:
    """One statistic, overall and by class (by cloud where there are no classes), on the band of its null."""
    names = {"mean_resultant_length": "mean resultant\nlength", "anisotropy": "anisotropy\n(uniform: 1)"}
    by_class = bool(clouds[0]["classes"])
    size = 5 if len(clouds[0]["classes"]) <= 20 else 3
    dodge = np.linspace(-0.24, 0.24, len(clouds)) if by_class else np.zeros(len(clouds))
    for place, cloud in enumerate(clouds):
        groups = [cloud["overall"], *cloud["classes"]]
        xs = np.array([0, *(_place(group["class"], cloud["classes"]) for group in cloud["classes"])])
        xs = xs if by_class else xs + place
        if cloud["key"] == "latents" or not by_class:
            means, deviations = (
                np.array([group[statistic][key] for group in groups]) for key in ("null_mean", "null_sd")
            )
            axes.bar(
                xs,
                4 * deviations,
                bottom=means - 2 * deviations,
                width=0.9,
                color="0.82",
                ec="0.82",
                zorder=1,
            )
        values = [group[statistic]["value"] for group in groups]
        axes.plot(xs + dodge[place], values, linestyle="", markersize=size, zorder=3, **LOOKS[cloud["key"]])
    axes.set_ylabel(names[statistic])
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    if statistic == "anisotropy":
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        style.plain_log_ticks(axes)
    else:
        axes.set_ylim(0, None)
    _name_groups(axes, clouds, by_class, class_names)
    sns.despine(ax=axes)


def _place(label: int, classes: Sequence[Any]) -> float:
    """Where a class stands on the axis; `all` stands at 0, clear of the first class."""
    return label + max(1.5, len(classes) / 12)


def _name_groups(
    axes: Axes, clouds: list[dict[str, Any]], by_class: bool, class_names: Sequence[str] | None
) -> None:
    if not by_class:
        axes.set_xticks(range(len(clouds)), [cloud["key"] for cloud in clouds])
        axes.set_xlim(-0.7, len(clouds) - 0.3)
        return
    classes = [group["class"] for group in clouds[0]["classes"]]
    every = max(1, -(-len(classes) // MOST_NAMED))
    shown = classes[::every]
    words = [short_word(label, class_names, LONGEST) for label in shown]
    axes.set_xticks([0, *(_place(label, classes) for label in shown)], ["all", *words])
    axes.set_xlabel("" if class_names else "class")
    if len(classes) <= MOST_NAMED:
        colours = [style.PALETTE[label % len(style.PALETTE)] for label in classes]
        place = [_place(label, classes) for label in classes]
        below = offset_copy(axes.get_xaxis_transform(), axes.get_figure(root=True), y=-7, units="points")
        axes.scatter(place, [0] * len(place), c=colours, s=28, transform=below, clip_on=False)
        axes.tick_params(axis="x", length=0, pad=13)
    if max(map(len, words)) > UPRIGHT:
        for text in axes.get_xticklabels():
            text.set(rotation=45, horizontalalignment="right", rotation_mode="anchor")


def _legend(clouds: list[dict[str, Any]]) -> list[Any]:
    handles = [Line2D([], [], linestyle="", label=cloud["title"], **LOOKS[cloud["key"]]) for cloud in clouds]
    return [*handles, Patch(color="0.82", label="true uniform clouds, mean ± 2 sd")]
