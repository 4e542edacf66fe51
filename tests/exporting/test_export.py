"""Exported networks are the model's, say what they are, and are refused where they are not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from small_models import ANGLE, KINDS, NAMES, model_of, write_models
from sphere_repro import cli
from sphere_repro.exporting import networks
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.sphere import spherify


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_models(tmp_path)
    return tmp_path


def run(path: Path, **given: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = {each.name for each in session.get_inputs()}
    assert names == set(given)
    return session.run(None, given)


@pytest.mark.parametrize("kind", KINDS)
def test_the_networks_compute_what_the_model_does(
    kind: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", f"{kind}.safetensors", "--onnx", "--out", "out"]) == 0
    told = capsys.readouterr().out
    model = model_of(kind)
    about = json.loads(Path("out/metadata.json").read_text())
    assert f"differs from torch by {about['checked']['largest_difference']:.1e} at most" in told
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (7, 3, 8, 8)).astype(np.float32)
    labels = np.arange(7) % (model.shape.classes + 1)
    asked = (
        {"weights": np.eye(model.shape.classes + 1, dtype=np.float32)[labels]} if model.shape.classes else {}
    )
    as_torch = torch.from_numpy(labels) if asked else None
    found = run(Path("out/encoder.onnx"), images=images, **asked)
    if kind == "vae":
        expected = [each.numpy() for each in model.posterior(torch.from_numpy(images), as_torch)]
    else:
        expected = [model.encode(torch.from_numpy(images), as_torch).numpy()]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one - other).max() < 1e-5
    z = spherify(torch.from_numpy(found[0]))
    (decoded,) = run(Path("out/decoder.onnx"), latents=z.numpy(), **asked)
    assert np.abs(decoded - model.decode(z, as_torch).numpy()).max() < 1e-5
    assert np.ptp(decoded) > 0.1  # no grey images


def test_the_metadata_is_beside_them_and_in_them(place: Path) -> None:
    assert cli.main(["export", "sphere.safetensors", "--onnx"]) == 0
    out = Path("exported/sphere")
    about = json.loads((out / "metadata.json").read_text())
    assert (about["latent_shape"], about["value_range"], about["alpha_max"]) == ([16, 8], [-1, 1], ANGLE)
    assert (about["classes"], about["null_class"], about["class_names"]) == (3, 3, list(NAMES))
    for side in ("encoder", "decoder"):
        path = out / about[side]["file"]
        assert about[side]["sha256"] == about["files"][path.name] == file_hash(path)
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        inside = json.loads({each.key: each.value for each in model.metadata_props}["sphere-repro"])
        assert inside.items() <= about.items() and inside["latent_shape"] == [16, 8]
        assert inside["model_sha256"] == {"model": file_hash(Path("sphere.safetensors"))}
        for words in (b"sphere_repro", str(cli.__file__).encode(), str(place).encode()):
            assert words not in path.read_bytes()  # no lines and places of the source
    assert sorted(path.name for path in out.iterdir()) == ["decoder.onnx", "encoder.onnx", "metadata.json"]


def test_networks_that_differ_are_refused_and_nothing_is_left(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = networks.write_onnx

    def spoil(network: networks.Network, path: Path, about: object) -> None:
        write(network, path, about)  # type: ignore[arg-type]
        model = onnx.load(path)
        weight = max(model.graph.initializer, key=lambda each: len(each.raw_data))
        values = onnx.numpy_helper.to_array(weight) * np.float32(1.01)
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(model, path)

    monkeypatch.setattr("sphere_repro.exporting.folder.write_onnx", spoil)
    before = sorted(path.name for path in place.iterdir())
    assert cli.main(["export", "sphere.safetensors", "--onnx", "--out", "out"]) == 2
    assert "differs from torch by" in capsys.readouterr().err
    assert sorted(path.name for path in place.iterdir()) == before


def test_what_stands_in_the_way_is_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "full").mkdir()
    (place / "full/file").touch()
    assert cli.main(["export", "sphere.safetensors", "--onnx", "--out", "full"]) == 2
    assert "full is there already, and not empty" in capsys.readouterr().err
    assert cli.main(["export", "nowhere.safetensors", "--onnx"]) == 2
    assert "nowhere.safetensors" in capsys.readouterr().err
    monkeypatch.setattr("sphere_repro.exporting.folder.MOST_BYTES", 1000)
    assert cli.main(["export", "sphere.safetensors", "--onnx", "--out", "out"]) == 2
    assert "an ONNX file holds" in capsys.readouterr().err
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    assert cli.main(["export", "sphere.safetensors", "--onnx"]) == 2
    assert "export needs onnx, not installed here" in capsys.readouterr().err
