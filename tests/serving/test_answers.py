"""What is served is what the verbs make, to the bit; beside it stands the VAE's decode of the same draw."""

from __future__ import annotations

import io
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flask.testing import FlaskClient
from PIL import Image

from small_models import model_of
from sphere_repro import cli, seeds
from sphere_repro.sampling.refine import to_bytes
from sphere_repro.serving.asked import VIEWS

from .conftest import client_of, pixels_of, stage_of

ASKED = {
    "draw?seed=5&steps=3&count=3": 9,
    "draw?seed=5&steps=3&count=2&classes=two+words&strength=linear&noise=independent": 6,
    "draw?seed=1&steps=2&noise=initial&guidance=1.7&position=enc": 8,
    "between?seed=2&points=5&classes=cat,two+words&steps=2": 5,
    "between?seed=2&points=3&form=square&through=spherical": 9,
    "edit?seed=3&drawn=7&drawn_class=dog&classes=cat&steps=2": 3,
    "edit?drawn_class=cat&strength=0.123456789&scheme=linear&noise=independent&steps=2&guidance=2": 9,
    "stitch?drawn=1&drawn_class=cat&second=2&second_class=dog&cut=diagonal&passes=2": 9,
}


def cells_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for row in found["rows"] for cell in row["cells"]]


def carried_out(command: str, done: set[str]) -> None:
    """The lines of a command, each once, in a folder without what an earlier command made."""
    for line in command.splitlines():
        if line not in done:
            words = shlex.split(line)
            assert words[0] == "sphere-repro" and cli.main(words[1:]) == 0
            done.add(line)


def same_as_the_verbs(found: dict[str, Any], place: Path) -> int:
    """Carry out the command of every picture; return how many of them are the same to the bit."""
    kept, same = {path.name for path in place.iterdir()}, 0
    done: set[str] = set()
    for cell in sorted(cells_of(found), key=lambda each: each["command"]):
        if not set(cell["command"].splitlines()) <= done:  # another number of steps: the same folder anew
            for path in place.iterdir():
                if path.name not in kept:
                    shutil.rmtree(path)
            done = set()
        carried_out(cell["command"], done)
        same += np.array_equal(np.asarray(Image.open(place / cell["file"])), pixels_of(cell))
    return same


@pytest.mark.parametrize("asked", ASKED)
def test_every_picture_is_the_one_of_its_command(asked: str, client: FlaskClient, place: Path) -> None:
    found = client.get(asked).get_json()
    assert len(cells_of(found)) == ASKED[asked]
    assert same_as_the_verbs(found, place) == ASKED[asked]


def test_the_comparison_can_fail(client: FlaskClient, place: Path) -> None:
    found = client.get("draw?seed=5&steps=2&count=1").get_json()
    other = client.get("draw?seed=6&steps=2&count=1").get_json()
    for cell, wrong in zip(cells_of(found), cells_of(other), strict=True):
        cell["image"] = wrong["image"]
    assert same_as_the_verbs(found, place) == 0


def test_pictures_of_ones_own_are_prepared_as_by_the_verb(client: FlaskClient, place: Path) -> None:
    random = np.random.default_rng(0)
    for name, kind in (("my 1st.png", "PNG"), ("b.jpg", "JPEG")):
        pixels = random.integers(0, 256, (24, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / name, kind)
    sent = {"first": (place / "my 1st.png", "../-my 1st.png"), "second": (place / "b.jpg", "b.jpg")}
    sent = {key: (io.BytesIO(path.read_bytes()), name) for key, (path, name) in sent.items()}
    alone = {"first": (io.BytesIO((place / "my 1st.png").read_bytes()), "my 1st.png")}
    found = client.post("edit?classes=dog&steps=2", data=alone).get_json()
    assert found["notes"][0] == "my 1st.png: 16×24 pixels, resized to 8×8, the centre cut out"
    assert same_as_the_verbs(found, place) == 3
    found = client.post("stitch?passes=1", data=sent).get_json()
    assert "crossover sphere.safetensors 'my 1st.png' b.jpg crossed" in cells_of(found)[0]["command"]
    assert same_as_the_verbs(found, place) == 6


def test_beside_stands_the_other_models_decode_of_the_same_draw(client: FlaskClient) -> None:
    found = client.get("draw?seed=9&count=2&classes=dog").get_json()
    vae = model_of("vae")
    for sample, row in enumerate(found["rows"]):
        generator = seeds.generator(9, "generate", "sample", sample)
        e = torch.randn((vae.shape.tokens, vae.shape.token_channels), generator=generator)
        expected = to_bytes(vae.decode(e[None], torch.tensor([1])))[0].numpy()
        assert row["beside"]["command"] == "" and row["beside"]["name"] == "VAE"
        assert np.abs(pixels_of(row["beside"]).astype(int) - expected).max() <= 1
    assert client_of(stage_of("sphere")).get("draw").get_json()["rows"][0]["beside"] is None


def test_a_model_without_classes_answers_every_view(place: Path) -> None:
    bare = client_of(stage_of("bare"))
    for view in VIEWS:
        found = bare.get(f"{view}?seed=4").get_json()
        assert same_as_the_verbs(found, place) == len(cells_of(found)), view
        for path in place.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
    assert "unconditional" in bare.get("draw?classes=3").get_json()["error"]
    assert "unconditional" in bare.get("draw?guidance=2").get_json()["error"]


def test_the_angles_of_a_line_are_those_of_its_points(client: FlaskClient) -> None:
    linear = client.get("between?points=5").get_json()["angles"]
    even = client.get("between?points=5&through=spherical").get_json()["angles"]
    assert linear[0] == even[0] == 0 and linear[-1] == pytest.approx(even[-1], abs=1e-3)
    assert np.diff(even) == pytest.approx(even[-1] / 4, abs=1e-3)
    assert np.ptp(np.diff(linear)) > 1 > np.ptp(np.diff(even))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("draw?steps=11", "steps: input should be less than or equal to 10"),
        ("draw?seed=-1", "seed"),
        ("draw?seed=x", "seed"),
        ("draw?stps=3", "unknown key 'stps'; did you mean 'steps'?"),
        ("draw?steps=3&steps=4", "twice"),
        ("draw?classes=mouse", "There is no class 'mouse'"),
        ("draw?guidance=nan", "guidance"),
        ("between?points=22", "A line has at most 21 points"),
        ("between?points=8&form=square", "A square has at most 7 points"),
        ("edit?strength=inf", "strength"),
        ("stitch?cut=sideways", "cut"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_sentence(asked: str, sentence: str, client: FlaskClient) -> None:
    response = client.get(asked)
    assert response.status_code == 400 and sentence in response.get_json()["error"]
