"""Figures of image sets: they render, their numbers are those of the records, broken input is told."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from sphere_repro.commands.figure import figure as draw_figure
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.figures import (
    conditional_manipulation,
    crossover,
    foreign_reconstructions,
    interpolation,
    style,
)
from sphere_repro.results.image_sets import read_sets

KINDS = {
    "edit": ("edits", conditional_manipulation),
    "crossover": ("crossovers", crossover),
    "interpolation": ("interpolations", interpolation),
    "reconstruction": ("reconstructions", foreign_reconstructions),
}


def curve(count: int, start: float) -> dict[str, list[float]]:
    return {"mean": [start / (index + 1) for index in range(count)], "se": [0.1] * count}


def write_set(folder: Path, name: str, axes: list[list[Any]], settings: Any, measures: Any) -> None:
    shape = [len(along) for _, along in axes]
    images = np.random.default_rng(0).integers(0, 256, (int(np.prod(shape)), 8, 8, 3), dtype=np.uint8)
    write_archive(folder / f"{name}.zip", images, None)
    about = {"axes": axes, "parameters": {"settings": settings}, "measures": measures}
    (folder / f"{name}.json").write_text(json.dumps(about | {"begins_with": ["a", "b"]}))


def record(folder: Path, classes: int = 3, place: str = "images") -> Path:
    """A record of one set of each kind, and a square."""
    folder = folder / place
    folder.mkdir()
    passes = {"psnr": curve(4, 20.0), "change": curve(4, 0.5)}
    names = [str(label) for label in range(classes)] or ["none"]
    schemes = ["fixed-shared", "linear-shared"]
    write_set(
        folder,
        "edit-a",
        [["scheme", schemes], ["class", names], ["input", [0, 1]], ["step", [0, 1, 2, 3, 4]]],
        {"strength": 0.25},
        {"curves": dict.fromkeys(schemes, passes)},
    )
    cuts = ["first", "second", "left-right", "diagonal"]
    write_set(
        folder,
        "crossover-a",
        [["cut", cuts], ["pair", [0, 1]], ["pass", [0, 1, 2, 3, 4]]],
        {"strength": 0.0},
        {"curves": dict.fromkeys(cuts, passes)},
    )
    speed = {name: [1.0, 4.0] for name in ("pixels", "encoding", "latent")}
    speed |= {"largest_by_mean": dict.fromkeys(("pixels", "encoding", "latent"), 1.6)}
    generations = ["generation-1", "generation-4-fixed-shared"]
    settings = {"through": "linear", "later_noise": "shared"}
    ends = [["0", "1"], ["2", "0"]] if classes else [None, None]
    write_set(
        folder,
        "interpolation-a",
        [["generation", generations], ["path", [0, 1]], ["point", [0.0, 0.5, 1.0]]],
        settings | {"form": "line"},
        {"corner_classes": ends, "speeds": {name: [speed, speed] for name in generations}},
    )
    write_set(
        folder,
        "interpolation-b",
        [["generation", generations], ["path", [0]], ["row", [0.0, 1.0]], ["column", [0.0, 1.0]]],
        settings | {"form": "square"},
        {"corner_classes": [["0", "1", "2", "0"]] if classes else [None]},
    )
    write_set(
        folder,
        "reconstruction-a",
        [["input", [0, 1]], ["pass", [0, 1, 2, 3, 4]]],
        {},
        {"curves": {"reconstruction": passes}},
    )
    names = ["edit-a", "crossover-a", "interpolation-a", "interpolation-b", "reconstruction-a"]
    job = {key: [{"name": "a"}] for key, _ in KINDS.values()}
    job["interpolations"] = [{"name": "b"}, {"name": "a"}]
    out = folder.with_suffix(".json")
    out.write_text(json.dumps({"sets": dict.fromkeys(names, 1), "job": job}))
    return out


def inputs_of(kind: str, folder: Path, classes: int = 3) -> dict[str, Path]:
    found = {"images": record(folder, classes)}
    if kind == "reconstruction":
        found["baseline"] = record(folder, classes, "vae")
    return found


@pytest.mark.parametrize("classes", [0, 1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_renders_and_is_reproducible(kind: str, classes: int, tmp_path: Path) -> None:
    module = KINDS[kind][1]
    inputs = inputs_of(kind, tmp_path, classes)
    one, other = (style.png(module.figure(inputs, "digits")) for _ in range(2))
    assert one == other
    assert np.asarray(Image.open(io.BytesIO(one)).convert("RGB")).std() > 5
    texts = {text.get_text() for text in module.figure(inputs, "digits").findobj(Text)}
    assert any("digits" in text for text in texts)


def test_numbers_are_those_of_the_records(tmp_path: Path) -> None:
    inputs = inputs_of("reconstruction", tmp_path)
    edits = conditional_manipulation.numbers(inputs)
    assert edits.loc[("edit-a", "fixed-shared", 2), "psnr"] == 10.0
    (made,) = read_sets(inputs["images"], "edit")
    grey = made.images.astype(float).mean(-1)[1]  # (classes, inputs, steps, H, W) with the second scheme
    own = [np.corrcoef(grey[c, i, 1].ravel(), grey[c, i, 0].ravel())[0, 1] for c in range(3) for i in (0, 1)]
    other = [
        np.corrcoef(grey[c, i, 1].ravel(), grey[c, 1 - i, 0].ravel())[0, 1] for c in range(3) for i in (0, 1)
    ]
    row = edits.loc[("edit-a", "linear-shared", 1)]
    assert row["likeness to its input"] == pytest.approx(np.mean(own))
    assert row["likeness to other inputs"] == pytest.approx(np.mean(other))
    assert crossover.numbers(inputs).loc[("crossover-a", "diagonal", 4), "change"] == 0.125
    lines = interpolation.numbers(inputs)
    assert len(lines) == 4  # two generations of two lines; a square has no speeds
    assert set(lines["pixels"]) == {2.5} and set(lines["encoding, largest"]) == {1.6}
    assert lines["encoding, fastest tenth"].tolist() == pytest.approx([0.16] * 4)  # a fifth of 4 of 5
    loops = foreign_reconstructions.numbers(inputs)
    assert loops.loc[("reconstruction-a", "VAE", 2), "psnr"] == 10.0
    assert len(loops) == 8
    (made,) = read_sets(inputs["baseline"], "reconstruction")
    apart = ((made.images[:, 3].astype(float) - made.images[:, 0]) / 255) ** 2
    distance = np.sqrt(apart.mean((1, 2, 3))).mean()
    assert loops.loc[("reconstruction-a", "VAE", 3), "distance from the input"] == pytest.approx(distance)


def test_sets_stand_in_the_order_of_the_study(tmp_path: Path) -> None:
    found = read_sets(record(tmp_path), "interpolation")
    assert [each.name for each in found] == ["interpolation-b", "interpolation-a"]


def test_the_verb_writes_the_numbers_beside_the_picture(tmp_path: Path) -> None:
    inputs = inputs_of("crossover", tmp_path)
    draw_figure("crossover", inputs, "digits", tmp_path / "a.png")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0].startswith("set,cut,pass,change")
    assert len(lines) == 1 + 4 * 4
    about = json.loads((tmp_path / "a.json").read_text())
    assert set(about["files"]) == {"a.png", "a.csv"}


def test_sets_of_other_images_are_not_compared(tmp_path: Path) -> None:
    inputs = inputs_of("reconstruction", tmp_path)
    other = tmp_path / "vae" / "reconstruction-a.json"
    other.write_text(other.read_text().replace('["a", "b"]', '["c", "d"]'))
    with pytest.raises(UserError, match="begins with other images"):
        foreign_reconstructions.figure(inputs, "digits")


@pytest.mark.parametrize("kind", KINDS)
def test_broken_input_is_told_in_one_sentence(kind: str, tmp_path: Path) -> None:
    module = KINDS[kind][1]
    inputs = inputs_of(kind, tmp_path)
    with pytest.raises(UserError, match="needs images=PATH"):
        module.figure({}, "digits")
    about = tmp_path / "images" / f"{kind}-a.json"
    whole = about.read_text()
    about.write_text(whole.replace('"axes"', '"axis"'))
    with pytest.raises(UserError, match="is no record of an image set"):
        module.figure(inputs, "digits")
    short = json.loads(whole)
    short["axes"][-1][1].append(9)
    about.write_text(json.dumps(short))
    with pytest.raises(UserError, match="but its record speaks of"):
        module.figure(inputs, "digits")
    inputs["images"].write_text('{"sets": {"other-a": 1}}')
    with pytest.raises(UserError, match=f"has no image set of the kind '{kind}'"):
        module.figure(inputs, "digits")
    inputs["images"].write_text("[]")
    with pytest.raises(UserError, match="is no record of image sets"):
        module.figure(inputs, "digits")
