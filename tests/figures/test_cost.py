"""Cost of an image: what is counted, what other methods stand beside, what a wrong record says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_figures import model_record, scores

from conftest import ROOT
from sphere_repro.data.dataset import Dataset
from sphere_repro.errors import UserError
from sphere_repro.figures import cost
from sphere_repro.study import flops
from sphere_repro.study.architecture import Model

RIVALS = ROOT / "params" / "rivals.yaml"
INCEPTION = "fid-inception-legacy-tensorflow"


def inputs(folder: Path, **changes: object) -> dict[str, Path]:
    path = scores(folder / "digits.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return {"digits": path, "model.digits": model_record(folder / "model.json"), "rivals": RIVALS}


def test_a_notebook_names_files_as_text(tmp_path: Path) -> None:
    found = inputs(tmp_path)
    cost.figure({key: str(path) for key, path in found.items()})  # type: ignore[misc]
    assert cost.numbers({key: str(path) for key, path in found.items()}).equals(cost.numbers(found))  # type: ignore[misc]


def test_costs_are_those_of_the_counter(tmp_path: Path) -> None:
    found = inputs(tmp_path)
    table = cost.numbers(found)
    job = json.loads(found["model.digits"].read_text())["job"]
    shape = Model.model_validate(job["model"]).architecture(Dataset.model_validate(job["dataset"]))
    encoder, decoder = flops.encoder_call(shape).forward, flops.decoder_call(shape).forward
    assert [*table["steps"]] == sorted(table["steps"]) and (table["parameters"] == 12_345).all()
    for row in table.to_dict("records"):
        assert row["passes of the decoder"] == row["steps"] == row["passes of the encoder"] + 1
        assert row["FLOPs for one image"] == row["steps"] * decoder + (row["steps"] - 1) * encoder


def test_guidance_passes_twice(tmp_path: Path) -> None:
    found = inputs(tmp_path)
    data = json.loads(found["digits"].read_text())
    for record in data["records"]:
        record |= {"guidance_scale": 1.4, "guidance_position": "combo"} if record["steps"] else {}
    found["digits"].write_text(json.dumps(data))
    table = cost.numbers(found)
    assert [*table["passes of the decoder"]] == [2 * steps for steps in table["steps"]]


def test_other_methods_stand_beside_the_same_dataset_and_measure_alone(tmp_path: Path) -> None:
    assert not cost.numbers(inputs(tmp_path))["run"].str.contains("published").any()
    on_cifar = inputs(tmp_path, dataset="cifar10-32px", metric=INCEPTION)
    rows = cost.numbers(on_cifar)
    assert rows["run"].str.contains("published").sum() == 5
    words = {text.get_text() for axes in cost.figure(on_cifar).axes for text in axes.texts}
    assert {"DDPM (no classes)", "EDM", "StyleGAN2-ADA"} <= words
    elsewhere = inputs(tmp_path, dataset="cifar10-32px")  # no FID: nothing to hold them against
    words = {text.get_text() for axes in cost.figure(elsewhere).axes for text in axes.texts}
    assert not any("EDM" in word for word in words)


def test_a_record_of_no_model_is_told(tmp_path: Path) -> None:
    found = inputs(tmp_path)
    found["model.digits"].write_text("{}")
    with pytest.raises(UserError, match=r"model\.json does not say which model it is about"):
        cost.figure(found)


def test_nothing_generated_is_told(tmp_path: Path) -> None:
    vae = scores(tmp_path / "digits-vae.json", "vae")
    with pytest.raises(UserError, match="needs a scored run with generated images"):
        cost.figure({"digits-vae": vae, "rivals": RIVALS})
