"""Globes: which classes stand on them, how they are turned, and the page in a real browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_figures import latents

from sphere_repro.errors import UserError
from sphere_repro.figures import draw, globes

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def inputs(folder: Path, classes: int) -> dict[str, Path]:
    result = latents(folder / "u.json", classes, baseline=True)
    return {"result": result, "points": result.with_suffix(".npz")}


def embedded(page: str) -> dict:  # type: ignore[type-arg]
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))  # type: ignore[no-any-return]


def test_the_three_largest_classes_are_shown() -> None:
    groups = [{"class": label, "count": count} for label, count in enumerate([5, 9, 7, 9, 9])]
    assert globes.shown_classes({"clouds": {"latents": {"classes": groups}}}) == [1, 3, 4]
    assert globes.shown_classes({"clouds": {"latents": {"classes": groups[:2]}}}) == [0, 1]
    assert globes.shown_classes({"clouds": {"latents": {"classes": []}}}) == [None]


def test_turning_is_a_rotation() -> None:
    points = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    axes = globes.turned(np.eye(3, dtype=np.float32))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(globes.turned(points), points @ axes, atol=1e-5)
    assert axes[2][1] > 0.9  # the north pole is up, and seen from above
    assert axes[2][2] > 0


def test_the_table_is_of_the_points_that_are_drawn(tmp_path: Path) -> None:
    found = inputs(tmp_path, 4)
    table = globes.numbers(found)
    assert [*table["cloud"].unique()] == [
        *("latents of digits", "latents of digits-vae", "raw pixels, not centred", "true uniform points")
    ]
    assert {*table["class"]} == {0, 1, 2} and len(table) == 3 * 4 * 20
    np.testing.assert_allclose(np.linalg.norm(table[["x", "y", "z"]], axis=1), 1, atol=1e-6)


def test_the_page_holds_every_point_of_every_view(tmp_path: Path) -> None:
    found = inputs(tmp_path, 4)
    data = embedded(globes.page(found, "digits"))
    stored = np.load(found["points"])
    assert data["title"] == "Latents on the sphere: digits" and data["first"] == [0, 1, 2]
    assert data["views"] == 4 and [item["label"] for item in data["classes"]] == [0, 1, 2, 3]
    for cloud, key in zip(data["clouds"], ("latents", "baseline", "pixels", "uniform"), strict=True):
        points = np.frombuffer(base64.b64decode(cloud["points"]), "<i2").reshape(4, 80, 3) / data["scale"]
        np.testing.assert_allclose(points, stored[key], atol=1 / data["scale"])
        np.testing.assert_array_equal(
            np.frombuffer(base64.b64decode(cloud["labels"]), "<i4"), stored[f"{key}_labels"]
        )


def test_without_classes_there_is_nothing_to_choose(tmp_path: Path) -> None:
    data = embedded(globes.page(inputs(tmp_path, 0)))
    assert data["classes"] == data["first"] == []


def test_a_name_cannot_end_the_script(tmp_path: Path) -> None:
    found = inputs(tmp_path, 4)
    result = json.loads(found["result"].read_text())
    result["class_names"] = ["</script>", "a", "b", "c"]
    found["result"].write_text(json.dumps(result))
    page = globes.page(found)
    assert page.count("</script>") == 2 and embedded(page)["classes"][0]["name"] == "</script>"


def test_points_of_a_single_view_are_told(tmp_path: Path) -> None:
    found = inputs(tmp_path, 4)
    stored = dict(np.load(found["points"]))
    np.savez(
        found["points"], **{key: array[0] if array.ndim == 3 else array for key, array in stored.items()}
    )
    with pytest.raises(UserError, match=r"u\.npz have the shape .* older version.*Make them again"):
        globes.figure(found)


def test_a_figure_without_a_page_is_told() -> None:
    with pytest.raises(UserError, match="No figure called 'samples' has a page"):
        draw.page("samples", {})


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_draws_itself_and_nothing_else_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "globes.html"
    path.write_text(globes.page(inputs(tmp_path, 4), "digits"))
    assert CHROMIUM and not re.search(r"(src|href)=|https?://", path.read_text())
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    command += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=10000",
        "--window-size=1200,800",
    ]
    picture = tmp_path / "page.png"
    for more in (["--dump-dom"], [f"--screenshot={picture}"]):
        done = subprocess.run([*command, *more, path.as_uri()], capture_output=True, text=True, check=True)
        if more == ["--dump-dom"]:
            assert done.stdout.count("<canvas") == 4 and done.stdout.count('type="checkbox"') == 4
    colours = Image.open(picture).convert("RGB").getcolors(10**6)
    drawn = {colour for _, colour in colours or []}
    assert {(1, 115, 178), (222, 143, 5)} <= drawn or len(drawn) > 100, "the globes are blank"
