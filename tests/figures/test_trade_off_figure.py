"""The figure of reconstruction against sampling."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from sphere_repro.errors import UserError
from sphere_repro.figures import style, trade_off

METRIC = "frechet-efficientnet-lite0-128px-bicubic"
VAES = {0.01: (90.0, 300.0), 1e-6: (20.0, 900.0), 0.001: (60.0, 400.0)}


def record(name: str, far: float, **more: Any) -> dict[str, Any]:
    kind = name.partition("-")[0]
    return {"set": name, "kind": kind, "count": 40, "frechet": far, "frechet_se": far / 50} | more


def scored(folder: Path, run: str, kind: str, *records: dict[str, Any], **changes: Any) -> Path:
    (folder / run).mkdir(parents=True, exist_ok=True)
    floor = {"frechet": 8.0, "count": 40}
    data = {"run": run, "dataset": "digits-8px", "kind": kind, "metric": METRIC, "records": records}
    data |= {"classifier": None, "floor": floor, "reference_count": 40}
    path = folder / run / "scores.json"
    path.write_text(json.dumps(data | changes))
    return path


def steps(one: float, four: float) -> list[dict[str, Any]]:
    scheme = {"steps": 4, "strength": "fixed", "noise": "shared"}
    return [record("generation-1", one, steps=1), record("generation-4-fixed-shared", four, **scheme)]


def inputs(folder: Path) -> dict[str, Path]:
    found = {}
    for kl, (rebuilt, prior) in VAES.items():
        run = f"vae-{kl:g}"
        found[f"vae.{run}"] = scored(
            folder, run, "vae", record("reconstruction", rebuilt), record("prior", prior)
        )
        model = folder / run / "model.json"
        model.write_text(json.dumps({"job": {"loss": {"kl": kl}}}))
        found[f"model.{run}"] = model
    rebuilt = record("reconstruction", 50)
    for number, one in enumerate((200.0, 210.0)):
        run = f"sphere_r{number}" if number else "sphere"
        found[f"sphere.{run}"] = scored(folder, run, "sphere", rebuilt, *steps(one, one - 80))
    found["spherified.still"] = scored(
        folder, "still", "sphere", record("reconstruction", 15), *steps(700, 650)
    )
    prior = record("prior", 2000)
    found["autoencoder.plain"] = scored(folder, "plain", "autoencoder", record("reconstruction", 18), prior)
    return found


def points(axes: Axes, label: str) -> list[tuple[float, float]]:
    """The marks of the errorbars of one label, and of those that follow without."""
    found, own = [], False
    for bars in axes.containers:
        words = str(bars.get_label())
        own = words.startswith(label) or (own and words.startswith("_"))
        if own:
            found.append((float(bars[0].get_xdata()[0]), float(bars[0].get_ydata()[0])))
    return found


def test_every_model_stands_where_its_distances_are(tmp_path: Path) -> None:
    axes = trade_off.figure(inputs(tmp_path), "sphere").axes[0]
    assert points(axes, "VAE") == [(20, 900), (60, 400), (90, 300)]  # in the order of the weights
    assert points(axes, "plain autoencoder") == [(18, 2000)]
    assert points(axes, "spherified") == [(15, 700), (15, 650)]
    assert points(axes, "Sphere Encoder") == [(50, 205), (50, 125)]  # the mean of its trainings
    words = [text.get_text() for text in axes.texts]
    assert words == ["1e-6", "1e-3", "1e-2", *["1 step", "4 steps"] * 2]
    curve = next(line for line in axes.lines if len(line.get_xdata()) == 3)
    assert [*curve.get_xdata()] == [20, 60, 90]


def lines(found: dict[str, Path]) -> tuple[list[tuple[float, float]], str]:
    """Places of the dashed lines, across and up, and what stands above the figure."""
    figure = trade_off.figure(found)
    dashed = [line for line in figure.axes[0].lines if str(line.get_linestyle()) == "--"]
    places = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in dashed]
    return places, " ".join(text.get_text() for text in figure.texts)


def test_the_floor_is_told_and_drawn_where_the_axes_come_near_it(tmp_path: Path) -> None:
    """Of draws it is 8 and they lie beyond 100: the axis stays with them."""
    found = inputs(tmp_path)
    places, words = lines(found)
    assert "8 of reconstructions, 8 of draws" in words
    assert [x for x, _ in places] == [8]
    assert trade_off.figure(found).axes[0].get_ylim()[0] > 50
    data = json.loads(found["autoencoder.plain"].read_text())
    found["autoencoder.plain"].write_text(json.dumps(data | {"floor": None}))
    assert lines(found)[0] == [] and "loor" not in lines(found)[1]


@pytest.mark.parametrize(("far", "scale"), [(2000.0, "log"), (500.0, "linear")])
def test_axes_are_logarithmic_where_distances_are_wide_apart(tmp_path: Path, far: float, scale: str) -> None:
    VAE = VAES[1e-6]
    try:
        VAES[1e-6] = (VAE[0], far)
        found = inputs(tmp_path)
    finally:
        VAES[1e-6] = VAE
    for key in ("autoencoder.plain", "spherified.still"):
        found.pop(key)
    axes = trade_off.figure(found).axes[0]
    assert axes.get_yscale() == scale and axes.get_xscale() == "linear"


def test_numbers_are_those_of_the_marks(tmp_path: Path) -> None:
    table = trade_off.numbers(inputs(tmp_path)).set_index(["run", "draws"])
    assert len(table) == 3 + 1 + 2 + 2
    row = table.loc[("sphere", "1 step")]
    assert row["distance (draw)"] == 205 and row["trainings"] == 2
    assert row["deviation between trainings (draw)"] == pytest.approx(50**0.5)
    assert row["floor (draw)"] == 8 and row["model"] == "Sphere Encoder"
    assert table.loc[("vae-0.001", "prior"), "KL weight"] == 0.001
    assert table.loc[("plain", "prior"), "model"] == "plain autoencoder"


def test_same_results_same_bytes_and_nothing_cut_off(tmp_path: Path) -> None:
    data, again = (style.png(trade_off.figure(inputs(tmp_path))) for _ in range(2))
    assert data == again
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert min(pixels[0].min(), pixels[-1].min(), pixels[:, 0].min(), pixels[:, -1].min()) == 255


def test_mistakes_are_named(tmp_path: Path) -> None:
    found = inputs(tmp_path)
    with pytest.raises(UserError, match="needs VAEs of two KL weights at least"):
        trade_off.figure({key: path for key, path in found.items() if "vae" not in key or "1e-06" in key})
    with pytest.raises(UserError, match="needs VAEs of two KL weights at least"):
        trade_off.figure({})
    found["model.vae-0.01"].write_text("{}")
    with pytest.raises(UserError, match="does not say its KL weight"):
        trade_off.figure(found)
    other = scored(tmp_path, "other", "autoencoder", record("prior", 1), dataset="other-8px")
    with pytest.raises(UserError, match=r"cannot be compared with .* on other-8px and .* on digits-8px"):
        trade_off.figure(inputs(tmp_path) | {"autoencoder.plain": other})
