"""Image sets against a second way of computing each, from the sphere's primitives and one image at a time."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sphere_repro import seeds
from sphere_repro.commands.images import images
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import Checkpoint, save_model
from sphere_repro.provenance import explain
from sphere_repro.sampling import image_sets, measures
from sphere_repro.sampling.image_sets import Setting
from sphere_repro.sphere import spherify
from sphere_repro.study.architecture import Architecture, Model
from sphere_repro.study.image_job import ImagesJob
from sphere_repro.study.image_sets import Crossover, Edit, Interpolation, Reconstruction

CPU = torch.device("cpu")
ANGLE = 70.0
SIGMA = math.tan(math.radians(ANGLE))
SEED = (5, "tiny", "a-set")
SIZE = {"width": 16, "layers": 1, "heads": 2}
ONE = 1 / 255 + 1e-6  # a byte: sums in another order may round another way


def shape_of(kind: str) -> Architecture:
    from sphere_repro.data.dataset import Dataset

    said = {"kind": "vae" if kind == "vae" else "sphere", "encoder": SIZE, "decoder": SIZE}
    said |= {"pixel_head": "conv", "encoder_mixer_depth": 1, "decoder_mixer_depth": 1}
    return Model.model_validate(said | {"conditional": kind != "bare"}).architecture(Dataset(name="digits"))


def checkpoint_of(kind: str) -> Checkpoint:
    generator = torch.Generator().manual_seed(1)
    model = build(shape_of(kind), generator=generator).eval().requires_grad_(False)
    for parameter in model.parameters():  # fresh ones would decode everything to grey
        parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return Checkpoint(model, 0.0 if kind == "vae" else ANGLE)


def setting_of(kind: str = "sphere", batch: int = 3) -> Setting:
    return Setting(checkpoint_of(kind), SEED, batch, CPU)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)


def tensor(image: np.ndarray) -> Tensor:
    """(1, 3, H, H) in [-1, 1]."""
    return torch.from_numpy(image.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


def same(found: np.ndarray, expected: Tensor) -> None:
    """Bytes (H, H, 3) of an image (1, 3, H, H) in [-1, 1], within one step of rounding."""
    unit = (expected[0].permute(1, 2, 0).numpy() / 2 + 0.5).clip(0, 1)
    assert np.abs(found / 255 - np.floor(unit * 255) / 255).max() <= ONE


@pytest.mark.parametrize("kind", ["sphere", "bare"])
def test_edits(kind: str, pixels: np.ndarray) -> None:
    setting = setting_of(kind)
    model, (tokens, channels) = setting.model, setting.shape
    said = {"name": "a", "dataset": "digits", "indices": [0, 1], "steps": 3, "strength": 0.5}
    said["schemes"] = [{}, {"strength": "linear", "noise": "independent"}]
    settings = Edit.model_validate(said | ({"classes": [7, 0, 3]} if kind == "sphere" else {}))
    drawn = image_sets.draw_edit(setting, settings, pixels[:2])
    classes = [7, 0, 3] if kind == "sphere" else [None]
    assert drawn.images.shape == (2, len(classes), 2, 4, 8, 8, 3)
    assert list(drawn.axes) == ["scheme", "class", "input", "step"]
    assert drawn.axes["scheme"] == ["fixed-shared", "linear-independent"]
    for s, linear in enumerate((False, True)):
        for c, target in enumerate(classes):
            label = None if target is None else torch.tensor([target])
            for i in range(2):
                generator = seeds.generator(*SEED, "sample", i)
                noise = [torch.randn((tokens, channels), generator=generator) for _ in range(3)]
                x = tensor(pixels[i])
                assert np.array_equal(drawn.images[s, c, i, 0], pixels[i])
                for t in range(1, 4):
                    rho = 1 - t / 4 if linear else 1.0
                    e = noise[t - 1] if linear else noise[0]
                    v = spherify(model.encode(x, label))
                    x = model.decode(spherify(v + rho * 0.5 * SIGMA * e), label)
                    same(drawn.images[s, c, i, t], x)
    if kind == "sphere":
        assert drawn.labels is not None
        assert drawn.labels.tolist() == [label for _ in range(2) for label in (7, 0, 3) for _ in range(8)]
    else:
        assert drawn.labels is None


def test_guided_edits(pixels: np.ndarray) -> None:
    setting = setting_of()
    model = setting.model
    settings = Edit.model_validate(
        {"name": "a", "dataset": "digits", "indices": [0], "steps": 1, "strength": 0, "classes": [2]}
        | {"schemes": [{}], "guidance": {"scale": 2.25, "position": "combo"}}
    )
    drawn = image_sets.draw_edit(setting, settings, pixels[:1])
    x, label, null = tensor(pixels[0]), torch.tensor([2]), torch.tensor([10])
    plain = model.encode(x, null)
    z = spherify(plain + 1.5 * (model.encode(x, label) - plain))
    bare = model.decode(z, null)
    same(drawn.images[0, 0, 0, 1], (bare + 1.5 * (model.decode(z, label) - bare)).clamp(-1, 1))


def test_crossovers_without_noise(pixels: np.ndarray) -> None:
    setting = setting_of()
    settings = Crossover.model_validate({"name": "a", "dataset": "digits", "indices": [0, 1], "passes": 2})
    drawn = image_sets.draw_crossover(setting, settings, pixels)
    assert drawn.images.shape == (6, 2, 3, 8, 8, 3)
    assert drawn.axes["cut"][:2] == ["first", "second"]
    null = torch.tensor([10])
    for c, cut in enumerate(drawn.axes["cut"]):
        for pair in range(2):
            first, second = pixels[2 * pair], pixels[2 * pair + 1]
            stitched = second.copy()
            for row in range(8):
                for column in range(8):
                    belongs = {
                        "first": True,
                        "second": False,
                        "left-right": column < 4,
                        "top-bottom": row < 4,
                        "diagonal": column >= row,
                        "antidiagonal": row + column <= 7,
                    }
                    if belongs[cut]:
                        stitched[row, column] = first[row, column]
            assert np.array_equal(drawn.images[c, pair, 0], stitched)
            x = tensor(stitched)
            for t in (1, 2):
                x = setting.model.decode(spherify(setting.model.encode(x, null)), null)
                same(drawn.images[c, pair, t], x)


def test_crossovers_with_full_noise_as_the_released_script(pixels: np.ndarray) -> None:
    setting = setting_of()
    settings = Crossover.model_validate(
        {
            "name": "a",
            "dataset": "digits",
            "indices": [0, 1],
            "passes": 1,
            "strength": 1,
            "cuts": ["top-bottom"],
        }
    )
    drawn = image_sets.draw_crossover(setting, settings, pixels[2:])
    null, model = torch.tensor([10]), setting.model
    x = tensor(np.concatenate([pixels[2][:4], pixels[3][4:]]))
    generator = seeds.generator(*SEED, "sample", 0)
    noise = torch.randn(setting.shape, generator=generator)
    same(drawn.images[2, 0, 1], model.decode(spherify(spherify(model.encode(x, null)) + SIGMA * noise), null))


@pytest.mark.parametrize("kind", ["sphere", "vae", "bare"])
def test_reconstructions(kind: str, pixels: np.ndarray) -> None:
    setting = setting_of(kind)
    settings = Reconstruction.model_validate({"name": "a", "inputs": "here", "passes": 3})
    drawn = image_sets.draw_reconstruction(setting, settings, pixels)
    model: Any = setting.checkpoint.model
    null = None if kind == "bare" else torch.tensor([10])
    expected: dict[str, list[list[float]]] = {"psnr": [], "change": []}
    for i, image in enumerate(pixels):
        now = start = tensor(image)
        psnr, change = [], []
        for t in range(1, 4):
            before = now
            z = model.posterior(now, null)[0] if kind == "vae" else spherify(model.encode(now, null))
            now = model.decode(z, null)
            same(drawn.images[i, t], now)
            psnr.append(-10 * math.log10(float(((now - start) / 2).pow(2).mean())))
            change.append(math.sqrt(float(((now - before) / 2).pow(2).mean())))
        expected["psnr"].append(psnr)
        expected["change"].append(change)
    curves = drawn.measures["curves"]["reconstruction"]
    for name, values in expected.items():
        table = np.array(values)
        assert curves[name]["mean"] == pytest.approx(table.mean(0), rel=1e-3)
        assert curves[name]["se"] == pytest.approx(table.std(0, ddof=1) / 2, rel=1e-2, abs=1e-6)


@pytest.mark.parametrize("through", ["linear", "spherical"])
@pytest.mark.parametrize("later_noise", ["shared", "each"])
def test_lines(through: str, later_noise: str) -> None:
    setting = setting_of()
    model, shape = setting.model, setting.shape
    settings = Interpolation.model_validate(
        {"name": "a", "points": 5, "paths": 2, "classes": [4, 9, 1], "through": through}
        | {"later_noise": later_noise, "generations": [{"steps": 1}, {"steps": 3}]}
    )
    drawn = image_sets.draw_interpolation(setting, settings)
    assert drawn.images.shape == (2, 2, 5, 8, 8, 3)
    assert drawn.measures["corner_classes"] == [["4", "9"], ["1", "4"]]
    for path, (one, other) in enumerate(((4, 9), (1, 4))):
        a, b = (
            torch.randn(shape, generator=seeds.generator(*SEED, "corner", "sample", 2 * path + end))
            for end in (0, 1)
        )
        for point in range(5):
            t = point / 4
            label = torch.zeros(1, 11)
            label[0, one] += 1 - t
            label[0, other] += t
            if through == "linear":
                start = spherify(((1 - t) * a + t * b)[None])
            else:
                u, v = spherify(a[None]).double(), spherify(b[None]).double()
                omega = math.acos(float((u * v).sum() / (u.norm() * v.norm())))
                start = (math.sin((1 - t) * omega) * u + math.sin(t * omega) * v) / math.sin(omega)
                start = start.float()
            x = model.decode(start, label)
            same(drawn.images[0, path, point], x)
            index = path if later_noise == "shared" else path * 5 + point
            e = torch.randn(shape, generator=seeds.generator(*SEED, "later", "sample", index))
            for _ in range(2):
                x = model.decode(spherify(spherify(model.encode(x, label)) + SIGMA * e), label)
            same(drawn.images[1, path, point], x)


@pytest.mark.parametrize("through", ["linear", "spherical"])
def test_squares(through: str) -> None:
    setting = setting_of("bare")
    settings = Interpolation.model_validate(
        {"name": "a", "form": "square", "points": 3, "through": through, "generations": [{"steps": 1}]}
    )
    drawn = image_sets.draw_interpolation(setting, settings)
    assert drawn.images.shape == (1, 1, 3, 3, 8, 8, 3)
    corners = [
        torch.randn(setting.shape, generator=seeds.generator(*SEED, "corner", "sample", c)) for c in range(4)
    ]
    for row in range(3):
        for column in range(3):
            i, j = row / 2, column / 2
            flat = [(1 - i) * (1 - j), (1 - i) * j, i * (1 - j), i * j]
            point = sum(w * c for w, c in zip(flat, corners, strict=True))
            if through == "spherical":
                left = arc(corners[0], corners[2], i)
                right = arc(corners[1], corners[3], i)
                point = arc(left, right, j)
            assert isinstance(point, Tensor)
            same(drawn.images[0, 0, row, column], setting.model.decode(spherify(point[None])))


def arc(a: Tensor, b: Tensor, t: float) -> Tensor:
    """A point of the great circle by turning `a` towards `b` within their plane."""
    u = a.double() / a.double().norm()
    w = b.double() - (b.double() * u).sum() * u
    w = w / w.norm()
    omega = math.acos(float((u * b.double()).sum() / b.double().norm()))
    return (math.cos(t * omega) * u + math.sin(t * omega) * w).float()


def test_speeds_of_an_even_path() -> None:
    images = torch.linspace(-1, 1, 6)[:, None, None, None].expand(6, 3, 4, 4)
    turn = torch.linspace(0, math.pi / 3, 6)
    points = torch.stack([turn.cos(), turn.sin()], dim=1)[:, None]
    found = measures.speeds(images, points, points)
    assert found["pixels"] == pytest.approx([1.0] * 5)  # from black to white over the path
    assert found["latent"] == found["encoding"] == pytest.approx([60.0] * 5, rel=1e-5)
    assert found["largest_by_mean"]["latent"] == pytest.approx(1.0, rel=1e-5)


def test_speeds_of_a_jump() -> None:
    images = torch.tensor([-1.0, -1.0, 1.0, 1.0])[:, None, None, None].expand(4, 3, 4, 4)
    points = torch.eye(4)[:, None]
    found = measures.speeds(images, points, points)
    assert found["pixels"] == pytest.approx([0, 3, 0])
    assert found["largest_by_mean"]["pixels"] == pytest.approx(3)
    assert found["latent"] == pytest.approx([270.0] * 3)


def job_of(kind: str = "sphere", **sets: Any) -> ImagesJob:
    said = {"seed": 5, "run": "tiny", "kind": "vae" if kind == "vae" else "sphere", "weights": "raw"}
    said |= {"dataset": {"name": "digits"}, "batch_size": 3}
    given = [each for group in sets.values() for each in group if "dataset" in each]
    words = {"edits": "edit", "crossovers": "crossover", "reconstructions": "reconstruction"}
    archives = {
        f"{words[key]}-{each['name']}": "digits-8px"
        for key, group in sets.items()
        for each in group
        if each in given
    }
    return ImagesJob.model_validate(said | {"archives": archives} | sets)


@pytest.fixture
def place(tmp_path: Path, pixels: np.ndarray) -> Path:
    """A folder with a model file of each kind, and an archive."""
    for kind in ("sphere", "bare", "vae"):
        checkpoint = checkpoint_of(kind)
        state = checkpoint.model.state_dict()
        save_model(
            tmp_path / f"{kind}.safetensors", state, None, checkpoint.model.shape, checkpoint.alpha_max
        )
    write_archive(tmp_path / "digits-8px.zip", pixels, [0, 1, 2, 3])
    return tmp_path


ONE_EDIT = {"name": "a", "dataset": "digits", "indices": [1], "steps": 2, "classes": [3], "negatives": True}
FIRST = {"name": "a", "dataset": "digits", "indices": [0]}
ALL = {
    "edits": [ONE_EDIT],
    "crossovers": [{"name": "a", "dataset": "digits", "indices": [0, 3], "passes": 1}],
    "interpolations": [{"name": "a", "points": 3}, {"name": "b", "form": "square", "points": 2}],
    "reconstructions": [{"name": "a", "dataset": "digits", "indices": [2], "passes": 2}],
}


def drawn_in(place: Path, job: ImagesJob, kind: str = "sphere") -> Path:
    out = place / "images.json"
    images(job, place / f"{kind}.safetensors", [place / "digits-8px.zip"], out, "cpu")
    return out


def test_each_set_has_an_archive_a_record_and_a_row_of_explain(place: Path, pixels: np.ndarray) -> None:
    out = drawn_in(place, job_of(**ALL))
    record = json.loads(out.read_text())
    names = ["edit-a", "crossover-a", "interpolation-a", "interpolation-b", "reconstruction-a"]
    assert list(record["sets"]) == sorted(names)
    assert record["job"] == job_of(**ALL).model_dump(mode="json")
    for name in names:
        archive = ImageArchive(out.with_suffix("") / f"{name}.zip")
        about = json.loads((out.with_suffix("") / f"{name}.json").read_text())
        assert len(archive) == about["count"] == math.prod(len(along) for _, along in about["axes"])
        assert about["noise"] == [5, name]
        told = explain.text(explain.trace(archive.path))
        assert f"set {name}" in told and "sphere.safetensors" in told
        assert f"images/{name}.zip" in record["files"]
    edited = ImageArchive(out.with_suffix("") / "edit-a.zip")
    assert np.array_equal(edited.read(0), pixels[1])
    assert np.array_equal(edited.read(3), 255 - pixels[1])  # its negative, before the first step
    assert edited.labels is not None and set(edited.labels) == {3}


def test_neither_batch_nor_neighbours_change_a_set(place: Path) -> None:
    out = drawn_in(place, job_of(**ALL))
    before = {path.name: path.read_bytes() for path in out.with_suffix("").glob("*.zip")}
    drawn_in(place, job_of(**ALL).model_copy(update={"batch_size": 64}))
    for path in out.with_suffix("").glob("*.zip"):
        one, other = ImageArchive(path).load(), before[path.name]
        path.write_bytes(other)
        assert np.abs(one.astype(int) - ImageArchive(path).load().astype(int)).max() <= 1
    alone = job_of(crossovers=ALL["crossovers"])
    drawn_in(place, alone)
    assert [path.name for path in sorted(out.with_suffix("").iterdir())] == [
        "crossover-a.json",
        "crossover-a.zip",
    ]
    assert (out.with_suffix("") / "crossover-a.zip").read_bytes() == before["crossover-a.zip"]


def test_own_images_are_prepared_as_training_images_are(place: Path) -> None:
    from PIL import Image

    folder = place / "mine"
    folder.mkdir()
    wide = np.zeros((16, 32, 3), np.uint8)
    wide[:, 8:24] = 200
    Image.fromarray(wide).save(folder / "wide.png")
    job = job_of("vae", reconstructions=[{"name": "a", "inputs": str(folder), "passes": 1}])
    out = drawn_in(place, job, "vae")
    archive = ImageArchive(out.with_suffix("") / "reconstruction-a.zip")
    assert np.array_equal(archive.read(0), np.full((8, 8, 3), 200))
    about = json.loads(archive.path.with_suffix(".json").read_text())
    assert about["begins_with"] == ["wide.png"]
    assert about["prepared"] == ["wide.png: 32×16 pixels, resized to 8×8, the centre cut out"]


@pytest.mark.parametrize(
    ("kind", "sets", "said"),
    [
        ("sphere", {"edits": [FIRST | {"indices": [9]}]}, "There is no image 9"),
        (
            "bare",
            {"edits": [FIRST | {"classes": [1]}]},
            "unconditional",
        ),
        (
            "sphere",
            {"edits": [FIRST | {"classes": ["cat"]}]},
            "'cat'",
        ),
        ("vae", {"interpolations": [{"name": "a"}]}, "is a VAE"),
        ("sphere", {"reconstructions": [{"name": "a", "inputs": "nowhere"}]}, "nowhere does not exist"),
    ],
)
def test_what_cannot_be_drawn(place: Path, kind: str, sets: dict[str, Any], said: str) -> None:
    job = job_of(kind, **sets)
    with pytest.raises(UserError, match=said):
        drawn_in(place, job, kind)
    assert not (place / "images.json").exists()


def test_text_is_no_image(place: Path) -> None:
    folder = place / "mine"
    folder.mkdir()
    (folder / "a.png").write_text("not at all")
    with pytest.raises(UserError, match=r"a\.png is no image that can be read"):
        drawn_in(place, job_of(reconstructions=[{"name": "a", "inputs": str(folder)}]))


def test_own_images_that_changed_since_the_work_was_planned(place: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(place / "a.png")
    job = job_of(reconstructions=[{"name": "a", "inputs": str(place / "a.png")}])
    job = job.model_copy(update={"contents": {str(place / "a.png"): "0" * 64}})
    with pytest.raises(UserError, match="have changed while the workflow ran"):
        drawn_in(place, job)
