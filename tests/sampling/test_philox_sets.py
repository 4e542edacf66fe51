"""Sets drawn by Philox: every number is its own, whatever the batch, and no generator of torch's is asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_image_sets import setting_of
from test_prior_path import job as path_job
from test_sets import CPU, SETS, encode_job, lively_state, sample_job, shape_of

from miniature import draw_set
from sphere_repro import philox, seeds
from sphere_repro.data.archive import ImageArchive
from sphere_repro.models.checkpoint import save_model
from sphere_repro.sampling import image_sets, refine
from sphere_repro.sampling.encoding import encode_set
from sphere_repro.study.image_sets import Edit
from sphere_repro.study.jobs import SampleJob


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("models"), {}
    for kind in ("sphere", "vae", "autoencoder"):
        found[kind], shape = folder / f"{kind}.safetensors", shape_of(kind)
        save_model(found[kind], lively_state(shape, 1), None, shape, 70.0 if kind == "sphere" else 0.0)
    return found


def test_noise_of_a_sample_is_its_stream() -> None:
    found = refine.sample_noise((5,), [3, 0, 7], (16, 8), 2, CPU, "philox")
    assert found.shape == (2, 3, 16, 8)
    own = torch.tensor([seeds.derive(5, "sample", 0)])
    assert torch.allclose(found[:, 1], philox.normal(own, (2, 16, 8))[0], atol=1e-6)
    first = refine.sample_noise((5,), [3, 0, 7], (16, 8), 1, CPU, "philox")
    assert torch.allclose(found[:1], first, atol=1e-6)
    assert not torch.allclose(found, refine.sample_noise((5,), [3, 0, 7], (16, 8), 2, CPU), atol=1e-2)


PHILOX = [sample_job(name, kind, random="philox") for kind, name in SETS if name != "reconstruction"]
PHILOX += [path_job(kind, random="philox") for kind in ("sphere", "vae")]


@pytest.mark.parametrize("asked", PHILOX, ids=lambda asked: f"{asked.kind}-{asked.set}")
def test_philox_draws_every_set(
    asked: SampleJob,
    models: dict[str, Path],
    digits_archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_torch = asked.model_copy(update={"random": "torch"})
    draw_set(by_torch, models[asked.kind], digits_archive, tmp_path / "torch.zip", CPU)
    monkeypatch.setattr(torch, "randn", None)  # calling it would fail
    found = []
    for batch in (asked.batch_size, 3):
        changed = asked.model_copy(update={"batch_size": batch})
        draw_set(changed, models[asked.kind], digits_archive, tmp_path / f"{batch}.zip", CPU)
        found.append(ImageArchive(tmp_path / f"{batch}.zip").load().astype(int))
    assert abs(found[0] - found[1]).max() <= 1  # sums in another order may round another way
    assert abs(found[0] - ImageArchive(tmp_path / "torch.zip").load()).max() > 1


def test_philox_draws_latents_and_image_sets(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode_set(encode_job("vae"), models["vae"], digits_archive, tmp_path / "torch.npz", CPU)
    setting = setting_of()
    asked = image_sets.Setting(setting.checkpoint, setting.seed, setting.batch, CPU, "philox")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    settings = Edit(name="a", inputs="folder", strength=1.0, steps=1)
    by_torch = image_sets.draw_edit(setting, settings, pixels).images
    monkeypatch.setattr(torch, "randn", None)
    encode_set(encode_job("vae", random="philox"), models["vae"], digits_archive, tmp_path / "a.npz", CPU)
    with np.load(tmp_path / "torch.npz") as one, np.load(tmp_path / "a.npz") as other:
        assert np.array_equal(one["labels"], other["labels"])
        assert not np.allclose(one["latents"], other["latents"], atol=1e-2)
    assert not np.array_equal(by_torch, image_sets.draw_edit(asked, settings, pixels).images)
