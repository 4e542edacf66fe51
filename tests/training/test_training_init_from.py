"""Trainings that start from another model: its raw weights, another identity, never in silence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_loop import CPU, Place, interrupted, places, tiny_job

from miniature import write_checkpoint
from sphere_repro import cli
from sphere_repro.data.loading import load_training_images
from sphere_repro.errors import UserError
from sphere_repro.models.checkpoint import load_model, save_model
from sphere_repro.study.jobs import TrainJob
from sphere_repro.training import losses
from sphere_repro.training.batches import read_batch
from sphere_repro.training.init_from import begun_state
from sphere_repro.training.stepper import Objective

assert places  # a fixture
Make = Callable[[str], Place]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)


def from_(path: Path, kind: str = "sphere", content: str | None = None, **training: Any) -> TrainJob:
    job = tiny_job(kind, **training)
    said = {"path": str(path)} | ({"content": content} if content else {})
    return TrainJob.model_validate(job.model_dump(mode="json") | {"init_from": said})


def trained(places: Make, archive: Path, name: str = "source", **training: Any) -> Path:
    place = places(name)
    place.train(tiny_job(**training), archive)
    return place.model


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_it_starts_from_the_raw_weights_and_from_nothing_else(places: Make, digits_archive: Path) -> None:
    source = trained(places, digits_archive)
    state = begun_state(from_(source), CPU)
    raw, ema = (load_model(source, kind).model.state_dict() for kind in ("raw", "ema"))
    found = {name: tensor.detach() for name, tensor in state.model.state_dict().items()}
    assert same(found, raw) and not same(found, ema)
    assert not same(found, dict(begun_state(tiny_job(), CPU).model.state_dict()))
    assert all(
        torch.equal(mean, weight) for mean, weight in zip(state.ema, state.model.parameters(), strict=True)
    )
    assert state.step == 0 and not state.adam.state and not state.log.rows
    assert state.model.training and all(parameter.requires_grad for parameter in state.model.parameters())


def test_it_trains_on_to_other_weights_and_resumes_to_the_bit(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = trained(places, digits_archive)
    job, whole, broken = from_(source), places("whole"), places("broken")
    capsys.readouterr()
    whole.train(job, digits_archive)
    told = capsys.readouterr().err
    assert told == (
        f"sphere-repro: tiny starts from the raw weights of {source}; optimizer, average and schedule start "
        "anew.\n"
    )
    assert whole.model.read_bytes() != source.read_bytes()
    interrupted(broken, job, digits_archive, monkeypatch, 4)
    assert broken.train(job, digits_archive).resumed_at == 4
    assert broken.bytes == whole.bytes


def test_its_first_loss_is_that_of_the_other_model(places: Make, digits_archive: Path) -> None:
    """Computed apart: the source's raw weights on the first batch."""
    source, one = trained(places, digits_archive), {"epochs": 1 / 6, "schedule_epochs": 1}
    job = from_(source, **one)
    first = places("more").train(job, digits_archive).last["loss"]
    drawn = places("anew").train(tiny_job(**one), digits_archive).last["loss"]
    batch = read_batch(job, load_training_images(digits_archive, 10), 0, range(16)).on(torch.device("cpu"))
    with torch.no_grad():
        terms = Objective(load_model(source, "raw").model, job.loss, None)(batch)
    expected = losses.total(terms, job.loss).item()
    assert first == pytest.approx(expected, rel=1e-5)
    assert drawn != pytest.approx(expected, rel=1e-2)


def test_another_source_is_another_training(
    places: Make, digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, place = trained(places, digits_archive), places("a")
    interrupted(place, from_(source), digits_archive, monkeypatch, 4)
    before = source.read_bytes()
    source.write_bytes(trained(places, digits_archive, "other", seed=9).read_bytes())
    assert place.train(from_(source), digits_archive).resumed_at == 0
    one = place.model.read_bytes()
    source.write_bytes(before)
    assert place.train(from_(source), digits_archive).resumed_at == 4
    assert place.model.read_bytes() != one


def test_it_goes_on_when_it_is_lengthened_but_not_from_another_source(
    places: Make, digits_archive: Path
) -> None:
    held: dict[str, Any] = {"minimum_learning_rate": 8e-3}
    source, place, whole = trained(places, digits_archive), places("a"), places("whole")
    place.train(from_(source, **held), digits_archive)
    assert place.train(from_(source, epochs=2, **held), digits_archive).resumed_at == 6
    whole.train(from_(source, epochs=2, **held), digits_archive)
    assert place.bytes == whole.bytes
    other = trained(places, digits_archive, "other", seed=9)
    assert place.train(from_(other, epochs=3, **held), digits_archive).resumed_at == 0


def test_a_released_checkpoint_is_a_beginning_too(places: Make, digits_archive: Path, tmp_path: Path) -> None:
    theirs, job = tmp_path / "theirs.pth", tiny_job()
    write_checkpoint(theirs, job.architecture, 70.0)
    assert cli.main(["import-released", str(theirs), str(tmp_path / "ours.safetensors")]) == 0
    found = begun_state(from_(theirs), CPU).model.state_dict()
    raw = load_file(tmp_path / "ours.safetensors")
    assert same({f"raw.{name}": tensor.detach() for name, tensor in found.items()}, {
        name: tensor for name, tensor in raw.items() if name.startswith("raw.")
    })  # fmt: skip
    result = places("a").train(from_(theirs), digits_archive)
    assert result.began_from == {"init": theirs, "init_configuration": theirs.with_suffix(".json")}


# -- refused


def test_a_model_of_another_architecture_is_named(places: Make, digits_archive: Path) -> None:
    source = trained(places, digits_archive)
    with pytest.raises(UserError, match=r"runs.tiny.init_from: .*kind is sphere there, but vae here"):
        places("a").train(from_(source, "vae"), digits_archive)


def test_a_model_without_raw_weights(places: Make, digits_archive: Path, tmp_path: Path) -> None:
    source = trained(places, digits_archive)
    shape = tiny_job().architecture
    ema = dict(load_model(source, "ema").model.state_dict())
    save_model(tmp_path / "b.safetensors", {}, ema, shape, 80.0)
    with pytest.raises(UserError, match="holds averaged weights only"):
        places("a").train(from_(tmp_path / "b.safetensors"), digits_archive)


def test_what_is_missing_or_broken_or_has_changed(places: Make, digits_archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors does not exist"):
        places("a").train(from_(tmp_path / "none.safetensors"), digits_archive)
    source = trained(places, digits_archive)
    with pytest.raises(UserError, match="has changed while the workflow ran"):
        places("a").train(from_(source, content="0" * 64), digits_archive)
    source.write_bytes(source.read_bytes()[:2000])
    with pytest.raises(UserError, match="truncated"):
        places("a").train(from_(source), digits_archive)
    assert not places("a").model.exists()


# -- what the record says


def test_the_record_and_the_log_say_it_and_explain_follows_it(
    places: Make, digits_archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out, log = trained(places, digits_archive), tmp_path / "model.safetensors", tmp_path / "log"
    arguments = ["train", "--job", from_(source).model_dump_json(), "--data", str(digits_archive)]
    arguments += ["--out", str(out), "--curves", str(tmp_path / "training.csv"), "--log", str(log)]
    assert cli.main([*arguments, "--state", str(tmp_path / "state"), "--device", "cpu"]) == 0
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["job"]["init_from"] == {"path": str(source)}
    assert record["inputs"]["init"]["path"] == str(source)
    assert "starts from the raw weights of" in log.read_text()
    capsys.readouterr()
    assert cli.main(["explain", str(out)]) == 0
    told = capsys.readouterr().out
    assert f"starts from the raw weights of {source}" in told
    assert told.count(str(source)) == 2  # and as an input, with its hash
