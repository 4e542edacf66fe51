"""Runs of released checkpoints: checked against the study, with provenance, never half a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from miniature import write_checkpoint
from sphere_repro.cli import main
from sphere_repro.errors import UserError
from sphere_repro.models import released
from sphere_repro.models.checkpoint import load_model
from sphere_repro.planning.needs import needs
from sphere_repro.provenance.explain import trace
from sphere_repro.provenance.integrity import refuse_edited
from sphere_repro.strict import parse
from sphere_repro.study import jobs
from sphere_repro.study.architecture import Architecture
from sphere_repro.study.config import Study

PTH = "data/released/digits.pth"
SIZE = {"width": 16, "layers": 1, "heads": 2}


def study(**changes: Any) -> Study:
    """One run of a released checkpoint on the digits, 8 pixels."""
    mixers = {"encoder_mixer_depth": 1, "decoder_mixer_depth": 1}
    run = {
        "dataset": {"name": "digits", "resolution": 8},
        "model": {"encoder": SIZE, "decoder": SIZE, "pixel_head": "conv", **mixers},
        "loss": {"alpha_max": 80, "pix_recon_perceptual": 0, "pix_con_perceptual": 0},
        "training": {"epochs": 20},
        "released": PTH,
    }
    return parse(Study, {"study": "released-digits", "runs": {"digits": run | changes}}, "here")


@pytest.fixture
def shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Architecture:
    monkeypatch.chdir(tmp_path)
    return study().runs["digits"].architecture


def imported(capsys: pytest.CaptureFixture[str], **changes: Any) -> tuple[int, str]:
    job = jobs.released_job(study(), "digits").model_copy(update=changes)
    status = main(["import", "--job", jobs.as_text(job), "--out", "model.safetensors"])
    return status, capsys.readouterr().err


def test_the_model_and_where_it_comes_from(shape: Architecture, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(Path(PTH), shape, 80)
    assert imported(capsys) == (0, "")
    found = load_model("model.safetensors")
    assert (found.model.shape, found.alpha_max) == (shape, 80)
    record = json.loads(Path("model.json").read_text())
    assert set(record["inputs"]) == {"checkpoint", "configuration"}
    assert record["job"]["released"] == PTH and record["parameter_count"] > 0
    chain = trace(Path("model.safetensors"))
    assert {link["path"] for link in chain["inputs"].values()} == {PTH, PTH.replace(".pth", ".json")}
    assert chain["changes"] == []
    refuse_edited(Path("model.json"))
    Path("model.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match="is not the file that was made"):
        refuse_edited(Path("model.json"))


@pytest.mark.parametrize("lost", [".pth", ".json"])
def test_a_missing_file_is_named_with_its_place(
    shape: Architecture, capsys: pytest.CaptureFixture[str], lost: str
) -> None:
    write_checkpoint(Path(PTH), shape, 80)
    Path(PTH).with_suffix(lost).unlink()
    status, told = imported(capsys)
    assert status == 2 and f"data/released/digits{lost} does not exist" in told
    assert f"Put the authors' checkpoint at {PTH}" in told and told.count("\n") == 1
    assert not Path("model.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "angle", "words"),
    [
        ({}, 85, "alpha_max is 85.0 there, but 80.0 here"),
        ({"pixel_head_type": "linear"}, 80, "pixel_head is linear there, but conv here"),
        (
            {"token_channels": 4, "vit_dec_latent_mlp_mixer_depth": 0},
            80,
            "token_channels is 4 there, but 8 here",
        ),
        (
            {"token_channels": 4, "vit_dec_latent_mlp_mixer_depth": 0},
            80,
            "decoder_mixer_depth is 0 there, but 1 here",
        ),
        ({"affine_latent_mlp_mixer": False}, 80, "affine is False there, but True here"),
    ],
)
def test_a_contradiction_names_both_values(
    shape: Architecture,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    angle: float,
    words: str,
) -> None:
    write_checkpoint(Path(PTH), shape, angle, **changes)
    status, told = imported(capsys)
    assert status == 2 and words in told and "run 'digits'" in told
    assert not Path("model.safetensors").exists() and not Path("model.json").exists()


def test_another_checkpoint_is_another_job(shape: Architecture, capsys: pytest.CaptureFixture[str]) -> None:
    path, record = Path(PTH), Path("model.json")
    assert released.planned_content(path, record) is None
    write_checkpoint(path, shape, 80)
    first = released.planned_content(path, record)
    assert first == released.content(path) and imported(capsys, content=first) == (0, "")
    path.rename("away.pth")
    assert released.planned_content(path, record) == first  # a clone without the checkpoint
    torch.save({"model": {}}, path)
    second = released.planned_content(path, record)
    assert second not in (None, first)
    status, told = imported(capsys, content=first)
    assert status == 2 and "has changed while the workflow ran" in told


def test_a_released_run_is_not_trained_and_a_trained_one_not_imported(shape: Architecture) -> None:
    with pytest.raises(UserError, match=r"digits is not trained.*sphere-repro import"):
        jobs.train_job(study(), "digits")
    with pytest.raises(UserError, match="names no released checkpoint"):
        jobs.released_job(study(released=None), "digits")


def test_what_a_study_may_not_say() -> None:
    vae = {"model": {"kind": "vae"}, "loss": {"pix_recon_perceptual": 0}}
    with pytest.raises(UserError, match="released has no meaning for a VAE"):
        study(**vae)


def test_the_plan_imports_instead_of_training(
    shape: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(Path(PTH), shape, 80)

    def planned() -> dict[str, bool]:
        return {need.job: need.done for need in needs(study(), Path())}

    assert planned()["import"] is False and "train" not in planned()
    home = Path("results/released-digits/digits")
    job = jobs.released_job(study(), "digits", released.content(Path(PTH)))
    arguments = ["import", "--job", jobs.as_text(job), "--out", str(home / "model.safetensors")]
    assert main(arguments) == 0
    assert planned()["import"] is True
