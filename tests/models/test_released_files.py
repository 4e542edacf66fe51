"""Checkpoints as the authors' training writes them: read whole, and with the numbers that their code makes.

Any further file put into the folder is taken too, if its configuration and its arrays lie beside it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from conftest import RELEASED
from sphere_repro import cli
from sphere_repro.errors import UserError
from sphere_repro.models import released
from sphere_repro.models.autoencoder import SphereAutoencoder, unit
from sphere_repro.models.checkpoint import Weights, load_model
from sphere_repro.models.released_config import OFF, released_settings
from sphere_repro.models.released_state import import_released
from sphere_repro.sampling import refine
from sphere_repro.study.generation import Generation

AGREEMENT = 1e-4  # absolute, on images in [0, 1]
FILES = sorted(path.stem for path in RELEASED.glob("*.pth"))
pytestmark = pytest.mark.skipif(not FILES, reason=f"no released checkpoints in {RELEASED}")


@pytest.fixture(params=FILES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def loaded(name: str) -> dict[str, Any]:
    return dict(torch.load(RELEASED / f"{name}.pth", weights_only=True))


def beside(name: str, folder: Path, content: object, **settings: object) -> Path:
    """`content` as a checkpoint in `folder`, and its configuration with other `settings` beside it."""
    path = folder / f"{name}.pth"
    config = json.loads((RELEASED / f"{name}.json").read_text())
    path.with_suffix(".json").write_text(json.dumps(config | settings))
    torch.save(content, path)
    return path


def convert(path: Path, folder: Path) -> Path:
    out = folder / "model.safetensors"
    import_released(released.weights(path), released.configuration(path), out)
    return out


def check(name: str, model_file: Path) -> None:
    """Hold the model file against every array beside the checkpoint."""
    with np.load(RELEASED / f"{name}.npz") as data:
        arrays = {key: torch.from_numpy(data[key]) for key in data.files}
    compared = 0
    for key, expected in arrays.items():
        if not key.startswith(("raw-", "ema-")):
            continue
        kind, what = key.split("-", 1)
        found = drawn(model_file, "raw" if kind == "raw" else "ema", what, arrays)
        assert found.shape == expected.shape
        difference = (found - expected).abs().max().item()
        assert difference <= AGREEMENT, f"{key}: {difference:.1e}"
        compared += 1
    assert compared >= 6


def drawn(model_file: Path, weights: Weights, what: str, arrays: Mapping[str, Tensor]) -> Tensor:
    """What the array called `what` holds, by our model, in [0, 1]."""
    checkpoint = load_model(model_file, weights)
    model = checkpoint.model
    assert isinstance(model, SphereAutoencoder)
    labels = arrays.get("labels")
    with torch.no_grad():
        if what == "reconstruction":
            x = arrays["images"].permute(0, 3, 1, 2) / 255 * 2 - 1
            null = None if labels is None else torch.full_like(labels, model.null_class)
            return unit(refine.reconstruct(model, x, null)).clamp(0, 1)
        _, steps, _, scale = what.split("-")
        generation = Generation.model_validate(
            {
                "steps": int(steps),
                "strength": "fixed",
                "noise": "independent",
                "guidance": {"scale": float(scale), "position": "combo"},
            }
        )
        asked = refine.condition(model, labels, generation.guidance)
        noise = arrays["noise"]
        x = refine.generate(model, noise[0], noise[1:], asked, checkpoint.alpha_max, generation)
        return unit(x).clamp(0, 1)


def test_it_computes_what_the_released_code_computes(name: str, tmp_path: Path) -> None:
    check(name, convert(RELEASED / f"{name}.pth", tmp_path))


def test_raw_and_averaged_weights_are_not_mixed_up(name: str, tmp_path: Path) -> None:
    raw, ema = (load_model(convert(RELEASED / f"{name}.pth", tmp_path), kind) for kind in ("raw", "ema"))
    pairs = zip(raw.model.parameters(), ema.model.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in pairs)


def test_safetensors_hold_the_same_model(name: str, tmp_path: Path) -> None:
    content = loaded(name)
    path = tmp_path / f"{name}.safetensors"
    shutil.copy(RELEASED / f"{name}.json", tmp_path)
    tensors = {
        f"{section}.{key}": tensor.clone()
        for section in ("model", "ema_model")
        for key, tensor in content[section].items()
    }
    save_file(tensors, path)
    check(name, convert(path, tmp_path / "out"))


def test_safetensors_of_one_state_dict(name: str, tmp_path: Path) -> None:
    shutil.copy(RELEASED / f"{name}.json", tmp_path)
    path = tmp_path / f"{name}.safetensors"
    save_file({key: tensor.clone() for key, tensor in loaded(name)["ema_model"].items()}, path)
    found = load_model(convert(path, tmp_path / "out")).model.state_dict()
    expected = load_model(convert(RELEASED / f"{name}.pth", tmp_path), "ema").model.state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    with pytest.raises(UserError, match="holds no ema weights"):
        load_model(tmp_path / "out" / "model.safetensors", "ema")


@pytest.fixture
def layout(name: str, tmp_path: Path) -> Path:
    """The released layout: a configuration, and of the checkpoints the latest as a link."""
    place = tmp_path / "experiment"
    (place / "ckpt").mkdir(parents=True)
    shutil.copy(RELEASED / f"{name}.json", place / "cfg.json")
    shutil.copy(RELEASED / f"{name}.pth", place / "ckpt" / "ep0099.pth")
    (place / "ckpt" / "latest.pth").symlink_to("ep0099.pth")
    return place


@pytest.mark.parametrize("place", ["", "ckpt/latest.pth", "ckpt/ep0099.pth"])
def test_a_folder_and_what_lies_in_it(layout: Path, tmp_path: Path, place: str) -> None:
    out = tmp_path / "model.safetensors"
    assert cli.main(["import-released", str(layout / place), str(out)]) == 0
    direct = convert(RELEASED / f"{layout_name(layout)}.pth", tmp_path / "direct")
    assert out.read_bytes() == direct.read_bytes()


def layout_name(layout: Path) -> str:
    wanted = (layout / "cfg.json").read_bytes()
    return next(each for each in FILES if (RELEASED / f"{each}.json").read_bytes() == wanted)


def test_a_link_that_leads_nowhere(layout: Path) -> None:
    (layout / "ckpt" / "ep0099.pth").unlink()
    assert released.missing(layout) == (
        f"{layout}/ckpt/latest.pth is a link to ep0099.pth, which does not exist"
    )
    with pytest.raises(UserError, match=r"link to ep0099\.pth, which does not exist"):
        released.content(layout, layout / "cache")


def test_the_content_of_a_folder_follows_both_files(layout: Path, tmp_path: Path) -> None:
    found = [released.content(layout, tmp_path / "cache")]
    config = layout / "cfg.json"
    config.write_text(config.read_text() + " ")
    found.append(released.content(layout, tmp_path / "cache"))
    (layout / "ckpt" / "latest.pth").unlink()
    shutil.copy(RELEASED / f"{FILES[0]}.npz", layout / "ckpt" / "latest.pth")
    found.append(released.content(layout, tmp_path / "cache"))
    assert len(set(found)) == 3


# -- what is not ours is refused, and said


@pytest.mark.parametrize("key", OFF)
@pytest.mark.parametrize("value", [1, True, "yes"])
def test_what_must_be_off(name: str, tmp_path: Path, key: str, value: object) -> None:
    path = beside(name, tmp_path, {}, **{key: value})
    with pytest.raises(UserError, match=f"{key} is {value!r}, but only models without it"):
        released_settings(path.with_suffix(".json"))
    settings = json.loads(path.with_suffix(".json").read_text())
    del settings[key]
    path.with_suffix(".json").write_text(json.dumps(settings))
    released_settings(path.with_suffix(".json"))


def spoiled(change: Callable[[Tensor], object]) -> Callable[[dict[str, Any]], None]:
    def spoil(state: dict[str, Any]) -> None:
        key = next(key for key in state if key.endswith("decoder.rope"))
        state[key] = change(state[key])

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoiled(lambda table: table.roll(1, 1)), r"decoder\.rope differs by \d.*rotary table"),
        (spoiled(lambda table: table + 2e-4), r"decoder\.rope differs by 0\.0002"),
        (spoiled(lambda table: table * torch.nan), r"decoder\.rope differs by nan"),
        (spoiled(lambda table: table[:, :, :-2]), r"decoder\.rope has shape \(1, 64, \d+\) instead of"),
        (spoiled(lambda table: "text"), r"decoder\.rope is not a tensor"),
        (lambda state: state.update({"decoder.mask": torch.zeros(1)}), r"decoder\.mask is unknown"),
        (
            lambda state: state.update({"module.decoder.out.2.bias": torch.zeros(3)}),
            r"holds decoder\.pixels\.conv\.bias twice",
        ),
    ],
)
def test_a_surplus_buffer_is_held_against_ours(
    name: str, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], words: str
) -> None:
    content = loaded(name)
    spoil(content["ema_model"])
    with pytest.raises(UserError, match=rf"\('ema_model'\).*{words}"):
        convert(beside(name, tmp_path, content), tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_half_precision_tables_are_held_to_their_own_rounding(name: str, tmp_path: Path) -> None:
    content = loaded(name)
    for section in ("model", "ema_model"):
        content[section] = {key: tensor.bfloat16() for key, tensor in content[section].items()}
    convert(beside(name, tmp_path, content), tmp_path)
    spoiled(lambda table: table + 0.02)(content["ema_model"])
    with pytest.raises(UserError, match=r"decoder\.rope differs"):
        convert(beside(name, tmp_path, content), tmp_path)


def test_scalars_with_and_without_dimension_are_one(name: str, tmp_path: Path) -> None:
    content = loaded(name)
    for section in ("model", "ema_model"):
        content[section] = {
            key: tensor.reshape(()) if key[-6:-1] == "alpha" else tensor
            for key, tensor in content[section].items()
        }
    check(name, convert(beside(name, tmp_path, content), tmp_path / "out"))


def test_the_configuration_of_another_checkpoint(tmp_path: Path) -> None:
    for one, other in zip(FILES, FILES[1:] + FILES[:1], strict=True):
        with pytest.raises(UserError, match="does not fit its configuration"):
            import_released(RELEASED / f"{one}.pth", RELEASED / f"{other}.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", [b"", b"\x08", b"x" * 500])
def test_broken_safetensors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)
    shutil.copy(RELEASED / f"{FILES[0]}.json", tmp_path / "a.json")
    with pytest.raises(UserError, match=r"a\.safetensors is truncated or not a safetensors file"):
        convert(path, tmp_path / "out")
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="neither 'model' nor 'ema_model'"):
        convert(path, tmp_path / "out")
    path.unlink()
    with pytest.raises(UserError, match=r"a\.safetensors does not exist"):
        convert(path, tmp_path / "out")
