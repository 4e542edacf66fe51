"""Latents of three classes on globes, as the paper's page shows them, and the page on which they turn."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sphere_repro.data.class_names import short_word
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.results.projections import read_projections
from sphere_repro.results.scores import read_uniformity

Points = NDArray[np.float32]

SHOWN = 3  # classes, as on the paper's page
AZIMUTH, ELEVATION = np.radians(-35.0), np.radians(20.0)  # from where the globes are seen
FULL_SCALE = 32_767  # of the coordinates on the page: sixteen bits are finer than its pixels
LONGEST = 14  # letters of a class's name beside its row


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `result` and the projected points in `points`."""
    return draw(need(inputs, "result"), need(inputs, "points"), subject)


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """The points that are drawn: cloud, class, and their place on S² in the first projection."""
    found, points = _read(need(inputs, "result"), need(inputs, "points"))
    rows = []
    for label in shown_classes(found):
        for key, (views, labels) in points.items():
            for x, y, z in views[0][_members(labels, label)]:
                rows.append((found["clouds"][key]["title"], "all" if label is None else label, x, y, z))
    return pd.DataFrame(rows, columns=["cloud", "class", "x", "y", "z"])


def page(inputs: Mapping[str, Path], subject: str = "") -> str:
    """One self-contained HTML page: globes that turn, a class and a random projection to choose."""
    found, points = _read(need(inputs, "result"), need(inputs, "points"))
    names = found.get("class_names")
    labels = (
        sorted({int(label) for _, own in points.values() for label in own}) if _has_classes(found) else []
    )
    data = {
        "title": titled("Latents on the sphere", subject),
        "scale": FULL_SCALE,
        "views": len(next(iter(points.values()))[0]),
        "classes": [
            {"label": label, "name": short_word(label, names, LONGEST), "colour": _colour(label)}
            for label in labels
        ],
        "first": [label for label in shown_classes(found) if label is not None],
        "clouds": [
            {
                "title": found["clouds"][key]["title"],
                "numbers": _numbers(found["clouds"][key]["overall"]),
                "points": _packed(np.round(views * FULL_SCALE), "<i2"),
                "labels": _packed(own if labels else np.zeros_like(own), "<i4"),
            }
            for key, (views, own) in points.items()
        ],
    }
    template = resources.files("sphere_repro.figures").joinpath("globes.html").read_text(encoding="utf-8")
    # "</" would end the script: a class may be called so.
    return template.replace("__DATA__", json.dumps(data, ensure_ascii=False).replace("</", "<\\/"))


@style.house()
def draw(result: Path, points: Path, subject: str = "") -> Figure:
    """A row for each of three classes (one for all where there are none), a column for each cloud.

    Raises:
        UserError: a file is missing or broken.
    """
    found, clouds = _read(result, points)
    rows = shown_classes(found)
    drawn = style.figure(height=1.3 + style.WIDTH / len(clouds) * len(rows))
    axes = drawn.subplots(len(rows), len(clouds), squeeze=False)
    for row, label in enumerate(rows):
        for column, (key, (views, labels)) in enumerate(clouds.items()):
            panel = axes[row, column]
            colour = style.PALETTE[0] if label is None else _colour(label)
            _globe(panel, turned(views[0][_members(labels, label)]), colour)
            if row == 0:
                panel.set_title(found["clouds"][key]["title"].replace(", ", ",\n"), fontweight="bold")
        name = "" if label is None else short_word(label, found.get("class_names"), LONGEST)
        prefix = "" if found.get("class_names") or label is None else "class "
        axes[row, 0].set_ylabel(f"{prefix}{name}")
    caption = (
        "One random projection to S², seen from one side; faint points lie on the far side. "
        "A projection of almost any cloud looks even:\nthe figure 'uniformity' has the numbers."
    )
    style.heading(drawn, titled("Latents on globes", subject or found["run"]), caption)
    return drawn


def shown_classes(found: Mapping[str, Any]) -> list[int | None]:
    """The three classes with the most latents examined, the first of equals; `[None]`, all, without any."""
    if not _has_classes(found):
        return [None]
    groups: Sequence[Mapping[str, Any]] = found["clouds"]["latents"]["classes"]
    chosen = sorted(groups, key=lambda group: -group["count"])[:SHOWN]
    return sorted(group["class"] for group in chosen)


def turned(points: Points) -> Points:
    """Points (n, 3) as the viewer sees them: x to the right, y up, z towards the viewer."""
    x, y, z = points.T
    east = np.cos(AZIMUTH) * x + np.sin(AZIMUTH) * y
    depth = -np.sin(AZIMUTH) * x + np.cos(AZIMUTH) * y
    up = np.cos(ELEVATION) * z - np.sin(ELEVATION) * depth
    near = np.cos(ELEVATION) * depth + np.sin(ELEVATION) * z
    return np.stack([east, up, near], axis=1)


def _read(result: Path, points: Path) -> tuple[dict[str, Any], dict[str, tuple[Points, NDArray[Any]]]]:
    found = read_uniformity(result)
    return found, read_projections(points, found["clouds"])


def _has_classes(found: Mapping[str, Any]) -> bool:
    return bool(found["clouds"]["latents"]["classes"])


def _members(labels: NDArray[Any], label: int | None) -> NDArray[np.bool_]:
    return np.ones(len(labels), bool) if label is None else labels == label


def _colour(label: int) -> str:
    return str(to_hex(style.PALETTE[label % len(style.PALETTE)]))


def _packed(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _numbers(overall: Mapping[str, Any]) -> str:
    length, spread = overall["mean_resultant_length"], overall["anisotropy"]
    return (
        f"all {overall['dimension']} dimensions: mean resultant length {length['value']:.3f} "
        f"(uniform {length['null_mean']:.3f}), anisotropy {spread['value']:.2f} (uniform 1)"
    )


def _globe(axes: Axes, points: Points, colour: Any) -> None:
    """An orthographic view: outline, meridians and parallels of the near side, points by their side."""
    angle = np.linspace(0, 2 * np.pi, 181)
    axes.plot(np.cos(angle), np.sin(angle), color="0.3", linewidth=1)
    for line in _graticule():
        seen = turned(line)
        hidden = seen[:, 2] < 0
        axes.plot(*np.where(hidden[:, None], np.nan, seen[:, :2]).T, color="0.85", linewidth=0.6, zorder=1)
    near = points[:, 2] >= 0
    size = max(3.0, min(14.0, 1500 / max(1, len(points))))
    for side, alpha, order in ((~near, 0.3, 0), (near, 0.9, 3)):
        x, y, _ = points[side].T
        axes.scatter(x, y, s=size, color=[colour], alpha=alpha, linewidths=0, zorder=order)
    axes.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _graticule() -> list[Points]:
    """Meridians and parallels every 30 degrees, each (k, 3)."""
    along = np.linspace(-np.pi, np.pi, 121)
    half = along / 2
    meridians = [
        np.stack([np.cos(half) * np.cos(at), np.cos(half) * np.sin(at), np.sin(half)], axis=1)
        for at in np.radians(np.arange(0, 360, 30))
    ]
    parallels = [
        np.stack([np.cos(at) * np.cos(along), np.cos(at) * np.sin(along), 0 * along + np.sin(at)], axis=1)
        for at in np.radians(np.arange(-60, 61, 30))
    ]
    return [line.astype(np.float32) for line in (*meridians, *parallels)]
