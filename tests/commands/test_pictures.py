"""Verbs that draw pictures by hand: what they write, what each picture says, and wrong input."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import RELEASED
from miniature import write_checkpoint
from small_models import ANGLE, model_of, shape_of, write_models
from sphere_repro import cli, seeds
from sphere_repro.data.archive import ImageArchive
from sphere_repro.provenance.embedded import read_embedded
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.sphere import spherify


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a model file of each kind, an image, a folder of images."""
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path)
    random = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    for name, size in (("a.png", (8, 8)), ("b.png", (24, 16))):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(tmp_path / "mine" / name)
    return tmp_path


def run(*arguments: str) -> int:
    try:
        return cli.main(arguments)
    except SystemExit as left:  # the reader of the command line
        return int(left.code or 0)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def same(path: Path, expected: torch.Tensor) -> None:
    unit = (expected[0].permute(1, 2, 0).numpy() / 2 + 0.5).clip(0, 1)
    assert np.abs(pixels(path).astype(int) - np.floor(unit * 255)).max() <= 1


def test_generate_writes_the_images_of_the_archive_as_pictures(place: Path) -> None:
    common = ["sphere.safetensors", "--count", "5", "--steps", "2", "--classes", "dog,0", "--batch", "2"]
    assert run("generate", "out", *common, "--npz") == 2  # the model comes first
    assert run("generate", *common[:1], "out", *common[1:], "--npz") == 0
    assert run("generate", *common[:1], "out.zip", *common[1:]) == 0
    archive = ImageArchive(place / "out.zip")
    with np.load(place / "out" / "images.npz") as arrays:
        assert np.array_equal(arrays["images"], archive.load())
        assert arrays["labels"].tolist() == [1, 0, 1, 0, 1]
        assert arrays["axes"].tolist() == ["sample"]
    names = sorted(path.name for path in (place / "out").glob("*.png"))
    assert names == ["grid.png", *(f"sample-{i}_class-{('dog', 'cat')[i % 2]}.png" for i in range(5))]
    assert np.array_equal(pixels(place / "out" / "sample-1_class-cat.png"), archive.read(1))


def test_edit_is_what_the_primitives_make(place: Path) -> None:
    arguments = ("edit", "sphere.safetensors", "mine", "out", "--classes", "2", "--steps", "2", "--seed", "9")
    assert run(*arguments, "--strength", "0.5", "--scheme", "linear") == 0
    model, label = model_of("sphere"), torch.tensor([2])
    x = tensor(pixels(place / "mine" / "a.png"))
    noise = torch.randn((16, model.shape.token_channels), generator=seeds.generator(9, "edit", "sample", 0))
    for t, rho in ((1, 2 / 3), (2, 1 / 3)):
        v = spherify(model.encode(x, label))
        x = model.decode(spherify(v + 0.5 * rho * math.tan(math.radians(ANGLE)) * noise), label)
        same(place / "out" / f"input-0_step-{t}.png", x)


def test_crossover_stitches_and_passes(place: Path) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(place / "black.png")
    assert run("crossover", "bare.safetensors", "mine/a.png", "black.png", "out", "--passes", "1") == 0
    stitched = pixels(place / "out" / "cut-diagonal_pass-0.png")
    first = pixels(place / "mine" / "a.png")
    rows, columns = np.indices((8, 8))
    assert np.array_equal(stitched, np.where((columns >= rows)[..., None], first, 0))
    model = model_of("bare")
    same(
        place / "out" / "cut-diagonal_pass-1.png",
        model.decode(spherify(model.encode(tensor(stitched), None))),
    )
    told = read_embedded(place / "out" / "cut-diagonal_pass-1.png")
    assert told is not None and told[0]["parameters"]["pair"] == "a.png and black.png"


def test_interpolate_begins_at_the_draws(place: Path) -> None:
    assert run("interpolate", "bare.safetensors", "out", "--points", "3") == 0
    model = model_of("bare")
    for point, end in ((0, 0), (2, 1)):
        generator = seeds.generator(0, "interpolate", "corner", "sample", end)
        draw = torch.randn((16, model.shape.token_channels), generator=generator)
        same(place / "out" / f"point-{point}.png", model.decode(spherify(draw[None])))
    assert run("interpolate", "sphere.safetensors", "square", "--form", "square", "--points", "2") == 0
    assert len([*(place / "square").glob("row-?_column-?.png")]) == 4


@pytest.mark.parametrize("kind", ["sphere", "vae"])
def test_reconstruct_takes_either_kind(place: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reconstruct", f"{kind}.safetensors", "mine", "out", "--passes", "2") == 0
    said = capsys.readouterr().out
    assert "b.png: 16×24 pixels, resized to 8×8, the centre cut out" in said and "a.png" not in said
    assert "no record says how its training images were resized: nearest, as released" in said
    model, null = model_of(kind), torch.tensor([3])
    x = tensor(pixels(place / "mine" / "a.png"))
    for t in (1, 2):
        z = model.posterior(x, null)[0] if kind == "vae" else spherify(model.encode(x, null))
        x = model.decode(z, null)
        same(place / "out" / f"input-0_pass-{t}.png", x)


def test_images_are_prepared_as_the_runs_record_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run's folder is a place as good as its model file."""
    (place / "run").mkdir()
    shutil.copy("sphere.safetensors", "run/model.safetensors")
    said = {"job": {"dataset": {"name": "digits", "resolution": 8, "resize": "box"}}}
    (place / "run" / "model.json").write_text(json.dumps(said))
    assert run("reconstruct", "run", "mine/b.png", "out") == 0
    assert "no record" not in capsys.readouterr().out
    wide = np.asarray(Image.open("mine/b.png").resize((8, 12), Image.Resampling.BOX))
    assert np.array_equal(pixels(place / "out" / "pass-0.png"), wide[2:10])


def test_a_released_checkpoint_needs_no_conversion(place: Path) -> None:
    write_checkpoint(place / "theirs.pth", shape_of("sphere"), ANGLE)
    assert run("import-released", "theirs.pth", "ours.safetensors") == 0
    for model, out in (("theirs.pth", "one"), ("ours.safetensors", "other")):
        assert run("generate", model, out, "--count", "2") == 0
    for path in (place / "one").glob("*.png"):
        assert np.array_equal(pixels(path), pixels(place / "other" / path.name))


@pytest.mark.skipif(not (RELEASED / "cifar-like.pth").is_file(), reason="no released checkpoints here")
def test_checkpoints_of_the_released_code(place: Path) -> None:
    assert run("edit", str(RELEASED / "cifar-like.pth"), "mine/a.png", "out", "--classes", "1") == 0
    assert (place / "out" / "step-10.png").is_file()


def test_each_picture_explains_itself(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("edit", "sphere.safetensors", "mine/a.png", "out", "--classes", "two words,0", "--steps", "1")
        == 0
    )
    capsys.readouterr()
    picture = place / "out" / "class-two-words_step-1.png"
    found = read_embedded(picture)
    assert found is not None
    record = found[0]
    assert record["inputs"]["model"]["sha256"] == file_hash("sphere.safetensors")
    assert record["parameters"]["class"] == "two words" and record["parameters"]["seed"] == 0
    assert record["parameters"]["settings"]["strength"] == 0.25
    assert run("explain", str(picture)) == 0
    told = capsys.readouterr().out
    assert "verb edit, seed 0" in told and "class two words, input a.png, step 1" in told
    assert '"strength": 0.25' in told and "sphere.safetensors" in told and "edited" not in told
    changed = pixels(picture).copy()
    changed[0, 0] ^= 255
    text = Image.open(picture).info["sphere-repro"]
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("sphere-repro", text)
    Image.fromarray(changed).save(picture, pnginfo=info)
    assert run("explain", str(picture)) == 0
    assert "was edited after it was made: pixels" in capsys.readouterr().out


def test_a_picture_of_others_has_no_record(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "mine/a.png") == 0
    assert "code" not in capsys.readouterr().out
    (place / "no.png").write_text("text")
    assert run("explain", "no.png") == 0


WRONG = [
    (("edit", "sphere.safetensors", "mine", "out", "--classes", "horse"), "There is no class 'horse'"),
    (("edit", "sphere.safetensors", "mine", "out", "--classes", "3"), "There is no class '3'"),
    (("edit", "sphere.safetensors", "mine", "out", "--steps", "0"), "must be a whole number from 1"),
    (("edit", "sphere.safetensors", "mine", "out", "--strength", "-1"), "strength"),
    (("edit", "sphere.safetensors", "mine", "out", "--guidance", "0.5"), "guidance.scale"),
    (("edit", "bare.safetensors", "mine", "out", "--classes", "1"), "the model is unconditional"),
    (("edit", "bare.safetensors", "mine", "out", "--guidance", "2"), "The model is unconditional"),
    (("edit", "vae.safetensors", "mine", "out"), "The model is a VAE"),
    (("edit", "sphere.safetensors", "nowhere", "out"), "nowhere does not exist"),
    (("edit", "sphere.safetensors", "empty", "out"), "empty holds no image"),
    (("edit", "sphere.safetensors", "text.png", "out"), "text.png is no image that can be read"),
    (("edit", "nowhere", "mine", "out"), "nowhere does not exist"),
    (("edit", "text.png", "mine", "out"), "text.png"),
    (("edit", "empty", "mine", "out"), "neither a finished run nor a released checkpoint"),
    (("edit", "sphere.safetensors", "mine", "mine"), "mine is there already, and not empty"),
    (("edit", "sphere.safetensors", "mine", "text.png"), "text.png is a file, and not a folder"),
    (("reconstruct", "sphere.safetensors", "mine", "out", "--weights", "ema"), "holds no ema weights"),
    (("reconstruct", "sphere.safetensors", "mine", "out", "--passes", "0"), "must be a whole number from 1"),
    (("crossover", "sphere.safetensors", "mine", "mine/a.png", "out"), "mine is a folder"),
    (("crossover", "vae.safetensors", "mine/a.png", "mine/b.png", "out"), "The model is a VAE"),
    (("crossover", "sphere.safetensors", "mine/a.png", "mine/b.png", "out", "--cuts", "up"), "cuts"),
    (("interpolate", "vae.safetensors", "out"), "The model is a VAE"),
    (("interpolate", "sphere.safetensors", "out", "--points", "1"), "points"),
    (("interpolate", "bare.safetensors", "out", "--classes", "1"), "unconditional"),
    (("generate", "vae.safetensors", "out"), "The model is a VAE"),
    (("generate", "sphere.safetensors", "out", "--classes", "7"), "There is no class '7'"),
    (("generate", "sphere.safetensors", "out.zip", "--npz"), "--npz is for a folder"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[f"{a[0]}-{said}" for a, said in WRONG])
def test_wrong_input_is_told_in_one_sentence(
    place: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "text.png").write_text("not an image")
    (place / "empty").mkdir()
    assert run(*arguments) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == ""
    assert told.err.count("\n") == 1 and "Traceback" not in told.err
    assert not (place / "out").exists() and not (place / "out.zip").exists()
    assert not [path for path in place.iterdir() if path.name.endswith(".part")]


def test_a_grid_says_what_it_leaves_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("interpolate", "bare.safetensors", "out", "--points", "45", "--paths", "2") == 0
    assert "grid.png shows 2×40 of 2×45 images" in capsys.readouterr().out
    assert run("generate", "bare.safetensors", "more", "--count", "11") == 0
    assert "shows" not in capsys.readouterr().out
    assert pixels(place / "more" / "grid.png").shape == (2 * 66 - 2, 8 * 66 - 2, 3)
