"""Which model is served, and which stands beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.serving.stage import find, set_up

STUDY = Path("params/demo.yaml")
CPU = torch.device("cpu")


def finish(run: str, kind: str) -> Path:
    """Put a model in the place of a run's; its folder."""
    folder = Path("results/demo") / run
    folder.mkdir(parents=True)
    shutil.copy(f"{kind}.safetensors", folder / "model.safetensors")
    return folder


@pytest.fixture
def study(place: Path) -> Path:
    (place / "params").mkdir()
    shutil.copy(ROOT / STUDY, place / STUDY)
    return place


def test_a_run_is_found_by_its_name_its_folder_and_its_file(study: Path) -> None:
    folder = finish("digits", "sphere")
    for asked in (None, "digits", str(folder), str(folder / "model.safetensors"), f"{study}/{folder}"):
        found = find(asked, STUDY)
        assert (found.name, found.place, found.beside) == ("digits", folder, None)
        assert found.why == "its baseline 'digits-vae' is not finished"
    vae = finish("digits-vae", "vae")
    assert find("digits", STUDY).beside == vae and find("digits", STUDY).why == ""
    stage = set_up(find("digits", STUDY), "raw", CPU)
    assert stage.beside is not None and stage.beside_kind == "VAE" and stage.why == ""


def test_any_model_is_found_by_its_place_with_and_without_a_study(study: Path) -> None:
    found = find("bare.safetensors", STUDY)
    assert found.beside is None and "the model of no run" in found.why
    found = find("bare.safetensors", Path("nowhere.yaml"), Path("vae.safetensors"))
    assert found.beside == Path("vae.safetensors")


def test_latents_of_another_shape_have_no_draw_in_common(study: Path) -> None:
    from small_models import shape_of
    from sphere_repro.models.autoencoder import build
    from sphere_repro.models.checkpoint import save_model

    shape = shape_of("vae").model_copy(update={"token_channels": 4})
    model = build(shape, generator=torch.Generator().manual_seed(0))
    save_model(Path("narrow.safetensors"), model.state_dict(), None, shape, 0.0)
    stage = set_up(find("sphere.safetensors", STUDY, Path("narrow.safetensors")), "raw", CPU)
    assert stage.beside is None and "no draw in common" in stage.why


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("digits", "Run 'digits' is not finished"),
        (None, "snakemake --cores all --configfile params/demo.yaml results/demo/digits/model.safetensors"),
        ("digit", "neither a run of params/demo.yaml nor a model file; did you mean 'digits'"),
        ("nowhere.safetensors", "neither a run"),
    ],
)
def test_what_is_not_there_is_told(asked: str | None, sentence: str, study: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        find(asked, STUDY)


def test_a_vae_is_not_served_and_no_second_encoder_stands_beside(study: Path) -> None:
    with pytest.raises(UserError, match=r"is a VAE\. Give the Sphere Encoder"):
        set_up(find("vae.safetensors", STUDY), "raw", CPU)
    with pytest.raises(UserError, match="is a Sphere Encoder too"):
        set_up(find("sphere.safetensors", STUDY, Path("bare.safetensors")), "raw", CPU)
    with pytest.raises(UserError, match=r"nowhere\.yaml does not exist"):
        find(None, Path("nowhere.yaml"))
