"""Runs of released checkpoints: checked against the study, with provenance, never half a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from miniature import write_checkpoint
from sphere_repro.cli import main
from sphere_repro.errors import UserError
from sphere_repro.models import released
from sphere_repro.models.checkpoint import load_model
from sphere_repro.planning.needs import needs
from sphere_repro.planning.outside import outside, outside_paths
from sphere_repro.provenance.explain import trace
from sphere_repro.provenance.integrity import refuse_edited
from sphere_repro.strict import parse
from sphere_repro.study import jobs
from sphere_repro.study.architecture import Architecture
from sphere_repro.study.config import Study

PTH = "data/released/digits.pth"
SIZE = {"width": 16, "layers": 1, "heads": 2}


def written(**changes: Any) -> dict[str, Any]:
    """One run of a released checkpoint on the digits, 8 pixels."""
    mixers = {"encoder_mixer_depth": 1, "decoder_mixer_depth": 1}
    run = {
        "dataset": {"name": "digits", "resolution": 8},
        "model": {"encoder": SIZE, "decoder": SIZE, "pixel_head": "conv", **mixers},
        "loss": {"alpha_max": 80, "pix_recon_perceptual": 0, "pix_con_perceptual": 0},
        "training": {"epochs": 20},
        "released": PTH,
    }
    return {"study": "released-digits", "runs": {"digits": run | changes}}


def study(**changes: Any) -> Study:
    return parse(Study, written(**changes), "here")


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


def released_layout(place: Path, shape: Architecture) -> Path:
    """The folder of one of the authors' trainings; the latest checkpoint is a link."""
    write_checkpoint(place / "ckpt" / "ep0099.pth", shape, 80)
    (place / "ckpt" / "ep0099.json").rename(place / "cfg.json")
    (place / "ckpt" / "latest.pth").symlink_to("ep0099.pth")
    return place


@pytest.mark.parametrize("place", ["exp/digits", "exp/digits-1.5", "exp/digits/ckpt/latest.pth"])
def test_a_run_of_a_folder(shape: Architecture, capsys: pytest.CaptureFixture[str], place: str) -> None:
    home = released_layout(Path(place.removesuffix("/ckpt/latest.pth")), shape)
    files = [f"{home}/ckpt/latest.pth", f"{home}/cfg.json"]
    chosen = study(released=place)
    assert outside_paths(chosen) == files
    content = outside(chosen).checkpoints["digits"]
    assert content is not None
    assert imported(capsys, released=place, content=content) == (0, "")
    record = json.loads(Path("model.json").read_text())
    assert [record["inputs"][key]["path"] for key in ("checkpoint", "configuration")] == files
    newer = home / "ckpt" / "ep0199.pth"
    write_checkpoint(newer, shape, 80)
    newer.write_bytes(newer.read_bytes() + b"\0")  # the training went on
    (home / "ckpt" / "latest.pth").unlink()
    (home / "ckpt" / "latest.pth").symlink_to(newer.name)
    assert outside(chosen).checkpoints["digits"] != content
    status, told = imported(capsys, released=place, content=content)
    assert status == 2 and "has changed while the workflow ran" in told


def test_a_run_of_safetensors(shape: Architecture, capsys: pytest.CaptureFixture[str]) -> None:
    write_checkpoint(Path(PTH), shape, 80)
    place = PTH.replace(".pth", ".safetensors")
    tensors = {
        f"{section}.{name}": tensor.clone()
        for section, state in torch.load(PTH, weights_only=True).items()
        for name, tensor in state.items()
    }
    save_file(tensors, place)
    assert imported(capsys, released=place) == (0, "")
    first = Path("model.safetensors").read_bytes()
    assert imported(capsys) == (0, "") and Path("model.safetensors").read_bytes() == first


def test_check_misses_a_checkpoint_only_where_nothing_was_made_of_it(
    shape: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("study.json").write_text(json.dumps(written()))  # JSON is YAML

    def checked() -> tuple[int, str]:
        status = main(["check", "study.json"])
        return status, capsys.readouterr().err

    status, told = checked()
    assert status == 2 and told.count("\n") == 1
    assert f"runs.digits.released: {PTH} does not exist. Put the files there" in told
    write_checkpoint(Path(PTH), shape, 80)
    assert checked() == (0, "")
    Path(PTH).with_suffix(".json").unlink()
    assert f"released: {PTH.replace('.pth', '.json')} does not exist" in checked()[1]
    Path(PTH).unlink()
    model = Path("results/released-digits/digits/model.safetensors")
    model.parent.mkdir(parents=True)
    model.write_bytes(b"made before")
    assert checked() == (0, "")


def test_a_file_of_another_kind(shape: Architecture, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.ckpt").write_bytes(b"x")
    status, told = imported(capsys, released="model.ckpt")
    assert status == 2 and "is neither a folder nor a file that ends in .pth or .safetensors" in told


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
