"""What is known before a training starts: whether it goes on from a finished one, and from which model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import save_model
from sphere_repro.planning import needs
from sphere_repro.planning.lengthened import lengthened
from sphere_repro.planning.outside import beginning, outside_paths, refuse_missing
from sphere_repro.planning.reach import reaches
from sphere_repro.study import jobs
from sphere_repro.study.config import Study, load_study

SMOKE = load_study(ROOT / "params/smoke.yaml")
IMAGES = 1797  # 28 steps of 64
RECORD = "results/smoke/digits/model.json"


def smoke(init_from: str | None = None, **training: Any) -> Study:
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    raw["runs"]["digits"]["training"] |= training
    if init_from:
        raw["runs"]["digits"]["init_from"] = init_from
    return Study.model_validate(raw)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a study whose digits are trained."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / RECORD).parent.mkdir(parents=True)
    job = jobs.train_job(SMOKE, "digits").model_dump(mode="json")
    (tmp_path / RECORD).write_text(json.dumps({"job": job}))
    (tmp_path / RECORD).with_name("model.state.pt").touch()
    return tmp_path


def told(study: Study) -> str:
    found = lengthened(study, "digits", IMAGES)
    return str(found) if found else ""


def test_a_longer_training_says_whether_it_goes_on(place: Path) -> None:
    assert told(smoke(epochs=2, schedule_epochs=1)) == "goes on from epoch 1, step 28"
    anew = told(smoke(epochs=2))
    assert anew.startswith("starts from step 0: from step ") and "training.schedule_epochs: 1 goes on" in anew
    assert "28 steps, more than 14" in told(smoke(epochs=0.5))
    assert told(SMOKE) == told(smoke(epochs=2, ema_decay=0.5)) == ""
    assert told(smoke(epochs=1, schedule_epochs=1.0)) == ""
    assert lengthened(smoke(epochs=2, schedule_epochs=1), "digits-vae", IMAGES) is None


@pytest.mark.parametrize("lost", ["model.json", "model.state.pt"])
def test_without_its_record_or_its_state_nothing_is_said(place: Path, lost: str) -> None:
    (place / RECORD).with_name(lost).unlink()
    assert told(smoke(epochs=2, schedule_epochs=1)) == ""


def test_the_plan_counts_what_is_left(place: Path) -> None:
    def train(study: Study) -> Any:
        return {need.record: need for need in needs.needs(study, place)}[RECORD]

    anew, more = train(smoke(epochs=3)), train(smoke(epochs=3, schedule_epochs=1))
    assert (anew.images, more.images) == (3 * 28 * 64, 2 * 28 * 64)
    assert more.flops * 3 == anew.flops * 2 and not more.done
    assert any("goes on from epoch 1" in note for note in more.notes)
    assert any("starts from step 0" in note for note in anew.notes)


def test_check_says_it(place: Path) -> None:
    study = smoke(epochs=2, schedule_epochs=1).model_dump(mode="json", exclude_unset=True)
    (place / "study.json").write_text(json.dumps(study))  # which is YAML
    text = cli.verbs()["check"].run(cli.parser().parse_args(["check", "study.json"]))
    assert "    goes on from epoch 1, step 28\n" in text


# -- models to start from


def model(path: Path, run: str = "digits") -> Path:
    shape = SMOKE.runs[run].architecture
    save_model(path, build(shape, generator=torch.Generator()).state_dict(), None, shape, 80.0)
    return path


def test_a_model_from_elsewhere_is_known_by_content_and_named(place: Path) -> None:
    study = smoke("mine.safetensors")
    with pytest.raises(UserError, match=r"runs.digits.init_from: mine.safetensors does not exist"):
        (place / RECORD).unlink()
        refuse_missing(study)
    model(place / "mine.safetensors")
    refuse_missing(study)
    assert beginning(study, "digits") and beginning(study, "digits-vae") is None
    assert "mine.safetensors" in outside_paths(study)
    (found, _) = reaches(study, place)
    assert str(found).endswith(", from the weights of mine.safetensors") and not found.far_below


def test_a_model_of_another_architecture_is_refused_by_check(place: Path) -> None:
    (place / RECORD).unlink()
    model(place / "mine.safetensors", "digits-vae")
    with pytest.raises(UserError, match=r"is another model: kind is vae there, but sphere here"):
        refuse_missing(smoke("mine.safetensors"))


def test_what_started_from_the_same_content_is_done(place: Path) -> None:
    study = smoke("mine.safetensors")
    model(place / "mine.safetensors")
    job = jobs.train_job(study, "digits", beginning(study, "digits")).model_dump(mode="json")
    (place / RECORD).write_text(json.dumps({"job": job}))

    def done() -> bool:
        return {need.record: need.done for need in needs.needs(study, place)}[RECORD]

    assert done()
    (place / "mine.safetensors").unlink()
    assert done()  # a clone without it has nothing to do
    job["init_from"]["content"] = "another"
    model(place / "mine.safetensors")
    (place / RECORD).write_text(json.dumps({"job": job}))
    assert not done()
