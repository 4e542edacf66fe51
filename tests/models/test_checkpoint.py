"""Model files: whole, strict, and never a way to run somebody's code."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from conftest import VECTORS
from miniature import released_words
from sphere_repro.cli import main
from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import SphereAutoencoder, build
from sphere_repro.models.checkpoint import (
    FORMAT,
    DamagedFileError,
    build_with,
    load_model,
    read_pickle,
    save_model,
)
from sphere_repro.models.released_state import import_released
from sphere_repro.study.architecture import Architecture

ANGLE = 77.0


@pytest.fixture
def model_file(tmp_path: Path, lively: SphereAutoencoder) -> Path:
    path = tmp_path / "model.safetensors"
    state = lively.state_dict()
    save_model(path, state, {name: 2 * tensor for name, tensor in state.items()}, lively.shape, ANGLE)
    return path


def rewritten(path: Path, out: Path, *, about: Any = None, **changes: Tensor | None) -> Path:
    """A copy of a model file with other words about itself, or with tensors changed (None: left out)."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["sphere-repro"])
    if isinstance(about, dict):
        metadata |= about
    elif about is not None:
        metadata = about
    tensors = load_file(path)
    for name, tensor in changes.items():
        name = f"raw.{name.replace('__', '.')}"
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, out, metadata={"sphere-repro": json.dumps(metadata)})
    return out


# -- our own files


def test_round_trip(model_file: Path, lively: SphereAutoencoder) -> None:
    found = load_model(model_file)
    assert found.alpha_max == ANGLE
    assert found.model.shape == lively.shape
    assert not found.model.training
    assert not any(parameter.requires_grad for parameter in found.model.parameters())
    for name, tensor in lively.state_dict().items():
        assert torch.equal(found.model.state_dict()[name], tensor), name
        assert torch.equal(load_model(model_file, "ema").model.state_dict()[name], 2 * tensor), name


def test_same_weights_same_bytes(tmp_path: Path, model_file: Path, lively: SphereAutoencoder) -> None:
    state = lively.state_dict()
    again = tmp_path / "again.safetensors"
    save_model(again, state, {name: 2 * tensor for name, tensor in state.items()}, lively.shape, ANGLE)
    assert again.read_bytes() == model_file.read_bytes()


def test_a_failed_write_leaves_the_old_file(
    model_file: Path, lively: SphereAutoencoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model_file.read_bytes()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        save_model(model_file, lively.state_dict(), None, lively.shape, 1.0)
    assert model_file.read_bytes() == before
    assert [path.name for path in model_file.parent.iterdir()] == [model_file.name]


def test_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError, match="does not exist"):
            load_model(path)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 100, 0.3, 0.9, -1])
def test_truncated(model_file: Path, kept: float) -> None:
    data = model_file.read_bytes()
    model_file.write_bytes(data[: int(kept * len(data)) if 0 < kept < 1 else kept])
    with pytest.raises(UserError, match="truncated or not a safetensors file"):
        load_model(model_file)


def test_foreign(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(UserError, match="not a safetensors file"):
        load_model(path)
    torch.save({"model": {"a": torch.zeros(2)}}, path)
    with pytest.raises(UserError, match="import-released"):
        load_model(path)
    for metadata in (None, {"sphere-repro": "[]"}, {"sphere-repro": "{}"}, {"format": "pt"}):
        save_file({"raw.a": torch.zeros(3)}, path, metadata=metadata)
        with pytest.raises(UserError, match="not written by sphere-repro"):
            load_model(path)
    for broken in ("{", "[" * 100_000):
        save_file({"raw.a": torch.zeros(3)}, path, metadata={"sphere-repro": broken})
        with pytest.raises(UserError, match="truncated"):
            load_model(path)


def test_missing_average(tmp_path: Path, lively: SphereAutoencoder) -> None:
    path = tmp_path / "a"
    save_model(path, lively.state_dict(), None, lively.shape, ANGLE)
    load_model(path, "raw")
    with pytest.raises(UserError, match="holds no ema weights"):
        load_model(path, "ema")


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"architecture": None}, "does not say which architecture"),
        ({"architecture": {}}, "architecture: image_size is missing"),
        ({"alpha_max": None}, "noise angle None"),
        ({"alpha_max": "80"}, "noise angle '80'"),
        ({"alpha_max": True}, "noise angle True"),
        ({"alpha_max": float("nan")}, "noise angle nan"),
        ({"alpha_max": 90}, "noise angle 90"),
        ({"alpha_max": -1}, "noise angle -1"),
        ({"format": "sphere-repro model 9"}, "not written by sphere-repro"),
        ({"format": FORMAT, "extra": 1}, ""),
    ],
)
def test_what_a_file_says_of_itself(
    model_file: Path, tmp_path: Path, about: dict[str, Any], words: str
) -> None:
    path = rewritten(model_file, tmp_path / "other", about=about)
    if not words:
        load_model(path)
        return
    with pytest.raises(UserError, match=words):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patch_size": 3}, "patch size 3 does not divide the image size 8"),
        ({"kind": "cube"}, "kind: input should be"),
        ({"image_size": 16}, r"has shape \(16, 16\) instead of \(64, 64\)"),
        ({"classes": 4}, r"class_embedding\.table\.weight has shape \(4, 16\) instead of \(5, 16\)"),
        ({"encoder": {"width": 16, "layers": 2, "heads": 2}}, r"lacks encoder\.blocks\.1\."),
        ({"encoder": {"width": 16, "layers": 0, "heads": 2}}, r"encoder\.blocks\.0\.\S+ is unknown"),
        ({"encoder": {"width": 65_536, "layers": 1, "heads": 1}}, "instead of|impossible"),
        ({"encoder": {"width": 8 * 10**17, "layers": 1, "heads": 1}}, "width: input should be less than"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_weights_of_another_architecture(
    model_file: Path, tmp_path: Path, lively: SphereAutoencoder, change: dict[str, Any], words: str
) -> None:
    about = {"architecture": lively.shape.model_dump() | change}
    with pytest.raises(UserError, match=words):
        load_model(rewritten(model_file, tmp_path / "other", about=about))


def test_every_tensor_must_fit(model_file: Path, tmp_path: Path, lively: SphereAutoencoder) -> None:
    name = "decoder.blocks.0.mlp.up.weight"
    tensor = lively.state_dict()[name]
    key = name.replace(".", "__")
    broken = tensor.clone()
    broken[0, 0] = torch.nan
    for change, words in (
        (None, f"it lacks {name}"),
        (tensor[:-1].contiguous(), rf"{name} has shape \(\d+, 16\) instead of \(\d+, 16\)"),
        (tensor.long(), f"{name} is not a tensor of real numbers"),
        (broken, f"{name} holds numbers that are not finite"),
    ):
        with pytest.raises(UserError, match=words):
            load_model(rewritten(model_file, tmp_path / "other", **{key: change}))
    with pytest.raises(UserError, match="surplus is unknown"):
        load_model(rewritten(model_file, tmp_path / "other", surplus=torch.zeros(1)))


def test_many_faults_are_counted_not_listed(lively: SphereAutoencoder) -> None:
    with pytest.raises(UserError) as caught:
        build_with({}, lively.shape, "Checkpoint x")
    message = str(caught.value)
    count = len(lively.state_dict())
    assert message.count("it lacks") == 4 and f"and {count - 4} more" in message
    assert "\n" not in message and len(message) < 400


# -- pickles


class Trap:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_pickled_code_never_runs(tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "a.pth"
    content = {"model": {"a": torch.zeros(2)}, "config": Trap(mark)}
    writers: list[Callable[[], object]] = [
        lambda: torch.save(content, path),
        lambda: torch.save(content, path, _use_new_zipfile_serialization=False),
        lambda: path.write_bytes(pickle.dumps(content)),
        lambda: path.write_bytes(pickle.dumps(Trap(mark))),
    ]
    for write in writers:
        write()
        with pytest.raises(DamagedFileError, match="holds pickled code, which is never run"):
            read_pickle(path, "released checkpoint")
        assert not mark.exists()
    torch.save(content, path)
    torch.load(path, weights_only=False)
    assert mark.is_dir()  # the trap itself works


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ""])
def test_pickles_of_any_length(tmp_path: Path, new_format: bool, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    content = {"model": {"a": torch.arange(300.0)}, "note": "x"}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    data = path.read_bytes()
    assert torch.equal(read_pickle(path, "file")["model"]["a"], torch.arange(300.0))
    for kept in (*range(0, 40), *range(40, len(data), 61), len(data) - 1):
        path.write_bytes(data[:kept])
        with pytest.raises(DamagedFileError, match="truncated"):
            read_pickle(path, "file")


def test_pickles_of_other_things(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = tmp_path / "a.pth"
    for content in ([1, 2], torch.zeros(2), "text", None):
        torch.save(content, path)
        with pytest.raises(DamagedFileError, match=f"holds a {type(content).__name__}, not a dictionary"):
            read_pickle(path, "file")
    for missing in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="does not exist"):
            read_pickle(missing, "file")
    assert not recwarn.list


# -- released checkpoints


@pytest.fixture
def released(tmp_path: Path) -> dict[str, Any]:
    """A released checkpoint's content and configuration, made of a reference vector's model."""
    path = VECTORS / "conditional_conv.npz"
    if not path.is_file():
        pytest.skip(f"no reference vectors in {VECTORS}")
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    weights = {
        name.removeprefix("weights/"): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith("weights/")
    }
    config = tmp_path / "config.json"
    settings = json.loads(str(arrays["config"]))
    config.write_text(json.dumps(released_words(settings)))
    return {
        "weights": weights,
        "config": config,
        "x": torch.from_numpy(arrays["x"]),
        "y": torch.from_numpy(arrays["y"]),
        "encode": torch.from_numpy(arrays["encode"]),
        "angle": settings["angle"],
        "pth": tmp_path / "released.pth",
        "out": tmp_path / "out.safetensors",
    }


def imported(released: dict[str, Any], content: object, *, new_format: bool = True) -> Path:
    torch.save(content, released["pth"], _use_new_zipfile_serialization=new_format)
    import_released(released["pth"], released["config"], released["out"])
    path: Path = released["out"]
    return path


def check_encode(released: dict[str, Any], path: Path, weights: Any = "raw") -> None:
    found = load_model(path, weights)
    assert found.alpha_max == released["angle"]
    assert isinstance(found.model, SphereAutoencoder)
    with torch.no_grad():
        latent = found.model.encode(released["x"], released["y"])
    assert (latent - released["encode"]).abs().max() < 1e-4


@pytest.mark.parametrize("new_format", [True, False])
def test_import_reproduces_the_reference(released: dict[str, Any], new_format: bool) -> None:
    half = {name: tensor / 2 for name, tensor in released["weights"].items()}
    path = imported(released, {"model": released["weights"], "ema_model": half}, new_format=new_format)
    check_encode(released, path)
    raw, ema = (load_model(path, kind).model.state_dict() for kind in ("raw", "ema"))
    assert all(torch.equal(raw[name] / 2, ema[name]) for name in raw)


def test_import_of_one_kind_of_weights(released: dict[str, Any]) -> None:
    path = imported(released, {"model": released["weights"], "step": 7})
    check_encode(released, path)
    with pytest.raises(UserError, match="no ema weights"):
        load_model(path, "ema")
    path = imported(released, {"ema_model": released["weights"], "model": None})
    check_encode(released, path, "ema")
    check_encode(released, path, "raw")  # the only weights there are


def test_import_then_generate(released: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": released["weights"], "ema_model": released["weights"]}, released["pth"])
    arguments = ["import-released", str(released["pth"]), str(released["config"]), str(released["out"])]
    assert main(arguments) == 0
    samples = released["out"].with_name("x.zip")
    assert main(["generate", str(released["out"]), str(samples), "--count", "8"]) == 0
    assert capsys.readouterr().err == ""
    archive = ImageArchive(samples)
    assert (
        len(archive) == 8 and archive.resolution == json.loads(released["config"].read_text())["image_size"]
    )
    assert archive.load().std() > 1


def test_import_of_half_precision(released: dict[str, Any]) -> None:
    path = imported(
        released, {"model": {name: tensor.bfloat16() for name, tensor in released["weights"].items()}}
    )
    assert all(tensor.dtype == torch.float32 for tensor in load_file(path).values())


def test_every_released_tensor_must_fit(released: dict[str, Any]) -> None:
    released["out"].write_text("old")
    weights = released["weights"]
    name = "decoder.blocks.0.attn.qkv.weight"
    ours = "decoder.blocks.0.attention.qkv.weight"
    sparse = weights[name].to_sparse()
    for model, words in (
        ({key: value for key, value in weights.items() if key != name}, f"lacks {ours}"),
        ({**weights, "decoder.surplus": torch.zeros(2)}, r"decoder\.surplus is unknown"),
        ({**weights, name: weights[name][:, :-1]}, rf"{ours} has shape \(\d+, 47\) instead of \(\d+, 48\)"),
        ({**weights, name: "text"}, f"{ours} is not a tensor"),
        ({**weights, name: None}, f"{ours} is not a tensor"),
        ({**weights, name: sparse}, f"{ours} is not a tensor of real numbers"),
        ({**weights, name: weights[name].to(torch.complex64)}, f"{ours} is not a tensor of real numbers"),
        ({**weights, name: weights[name] * torch.nan}, f"{ours} holds numbers that are not finite"),
        ({**weights, "encoder.pos_embed": weights["encoder.pos_embed"][:0]}, r"encoder\.position has shape"),
        ({**weights, 3: torch.zeros(1)}, "3 is unknown"),
        ({}, "and 117 more"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            imported(released, {"model": model})
        assert "('model')" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"\('ema_model'\).*surplus is unknown"):
        imported(released, {"model": weights, "ema_model": {**weights, "surplus": torch.zeros(1)}})
    assert released["out"].read_text() == "old"


@pytest.mark.parametrize("content", [{}, {"state_dict": {}}, {"model": 3}, {1: 2}])
def test_not_a_released_checkpoint(released: dict[str, Any], content: dict[Any, Any]) -> None:
    with pytest.raises(UserError, match="neither 'model' nor 'ema_model'"):
        imported(released, content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_size": None}, "image_size: .* not None"),
        ({"patch_size": 3}, "patch size 3 does not divide"),
        ({"pixel_head_type": "round"}, "pixel_head_type: .* not 'round'"),
        ({"num_classes": 0}, "cond_generator is true, but num_classes is 0"),
        ({"cond_generator": False}, r"decoder\.blocks\.0\.modulation\.linear\.bias is unknown"),
        ({"cond_generator": "no"}, "cond_generator: .* not 'no'"),
        ({"vit_enc_model_size": "gigantic"}, "unknown size 'gigantic'"),
        ({"vit_enc_model_size": "gaint"}, "did you mean 'giant'"),
        ({"sizes": 3}, "sizes: .* not 3"),
        ({"sizes": {"nano": {}}}, "width"),
        ({"noise_sigma_max_angle": "wide"}, "noise_sigma_max_angle: .* not 'wide'"),
        ({"noise_sigma_max_angle": None}, "noise_sigma_max_angle: .* not None"),
        ({"noise_sigma_max_angle": 95}, "noise_sigma_max_angle: .* not 95"),
        ({"vit_enc_latent_mlp_mixer_depth": 9}, r"lacks encoder\.mixer\.blocks"),
        ({"token_channels": 99}, r"instead of \(99"),
        ({"latent_resolution": 5}, "latent_resolution 5 times patch_size"),
        ({"compression_ratio": 100.0}, "compression_ratio 100.0 makes it 0"),
        ({"in_context_size": 4}, "in_context_size is 4"),
        ({"halve_model_size": True}, "halve_model_size is True"),
        ({"spherify_model": True}, "spherify_model is True"),
    ],
)
def test_configuration_that_does_not_fit(
    released: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    config = json.loads(released["config"].read_text())
    released["config"].write_text(json.dumps(config | change))
    with pytest.raises(UserError, match=words) as caught:
        imported(released, {"model": released["weights"]})
    message = str(caught.value)
    assert "\n" not in message and "pydantic" not in message and "state_dict" not in message
    assert not released["out"].exists()


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{}", "{", "\ufeff"])
def test_not_a_configuration(released: dict[str, Any], text: str) -> None:
    released["config"].write_text(text)
    with pytest.raises(UserError, match=r"config\.json"):
        imported(released, {"model": released["weights"]})


def test_build_takes_a_record_or_its_fields(lively: SphereAutoencoder, tiny_shape: Architecture) -> None:
    state = lively.state_dict()
    for shape in (tiny_shape, tiny_shape.model_dump()):
        found = build_with(state, shape, "here").state_dict()
        assert all(torch.equal(found[name], state[name]) for name in state)
    assert set(build(tiny_shape).state_dict()) == set(state)
