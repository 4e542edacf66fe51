"""Training: repeatable to the bit, resumable to the bit, and honest about what is damaged."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sphere_repro import seeds
from sphere_repro.commands import train as train_command
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.loading import batch_indices, load_training_images, to_unit
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import load_model
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Execution
from sphere_repro.training import loop, losses, optim
from sphere_repro.training.batches import read_batch
from sphere_repro.training.log import is_logged
from sphere_repro.training.loop import Files, Result, train

SIZE = {"width": 16, "layers": 1, "heads": 2}
CPU = torch.device("cpu")
SPHERE_COLUMNS = ["pix_recon_l1", "pix_con_l1", "lat_con"]


def tiny_job(kind: str = "sphere", *, seed: int = 3, run: str = "tiny", **training: Any) -> TrainJob:
    """6 steps of 16 images on 96 digits, unless `training` says otherwise."""
    weights = {"pix_recon_l1": 25, "pix_recon_perceptual": 0}
    own = {"sphere": {"pix_con_l1": 1, "pix_con_perceptual": 0}, "vae": {"kl": 1e-3}, "autoencoder": {}}
    weights |= own[kind]
    settings = {
        "epochs": 1,
        "warmup_epochs": 0.1,
        "batch_size": 16,
        "learning_rate": 8e-3,
        "ema_decay": 0.9,
        "precision": "float32",
    }
    return TrainJob.model_validate(
        {
            "seed": seed,
            "run": run,
            "dataset": {"name": "digits"},
            "model": {
                "kind": kind,
                "encoder": SIZE,
                "decoder": SIZE,
                "pixel_head": "conv",
                "encoder_mixer_depth": 1,
                "decoder_mixer_depth": 1,
            },
            "loss": weights,
            "training": settings | training,
        }
    )


def step_of(saved: Path) -> int:
    return int(saved.stem.rpartition("-step")[2])


class Place:
    """Where one training writes."""

    def __init__(self, folder: Path, execution: Execution | None = None) -> None:
        self.execution = execution
        self.model = folder / "model.safetensors"
        self.log = folder / "training.csv"
        self.state = folder / "state"

    def files(self, archive: Path) -> Files:
        return Files(archive, self.model, self.log, self.state)

    def train(self, job: TrainJob, archive: Path) -> Result:
        known = train_command.estimates(job, self.execution or Execution())
        result = train(job, self.files(archive), CPU, self.execution, estimates=known)
        assert result is not None
        return result

    @property
    def bytes(self) -> tuple[bytes, bytes]:
        return self.model.read_bytes(), self.log.read_bytes()

    @property
    def states(self) -> list[str]:
        return sorted(path.name for path in self.state.iterdir()) if self.state.is_dir() else []

    @property
    def saved(self) -> Path:
        """The last state."""
        return self.kept[0]

    @property
    def kept(self) -> list[Path]:
        """All states, the last one first."""
        return sorted(self.state.glob("*.pt"), key=step_of, reverse=True)


@pytest.fixture
def places(tmp_path: Path) -> Callable[[str], Place]:
    """Places that save the state after every step, but for one called `whole`: that changes no weight."""
    often = Execution(checkpoint_seconds=1e-9, checkpoint_share=1)
    return lambda name: Place(tmp_path / name, Execution() if name == "whole" else often)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state after every step would wait for the disk as often."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, error: BaseException) -> None:
    """Make the training raise `error` in the middle of step `step`, after the gradient."""
    original = optim.set_rates
    calls = {"n": 0}

    def set_rates(*arguments: Any) -> None:
        if calls["n"] == step:
            raise error
        calls["n"] += 1
        original(*arguments)

    monkeypatch.setattr(optim, "set_rates", set_rates)


def interrupted(
    place: Place, job: TrainJob, archive: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_at(patch, step, KeyboardInterrupt())
        place.train(job, archive)


# -- repeatable, resumable


@pytest.mark.parametrize("kind", ["sphere", "vae", "autoencoder"])
def test_same_job_same_bytes(places: Callable[[str], Place], digits_archive: Path, kind: str) -> None:
    first, second = places("a"), places("b")
    result = first.train(tiny_job(kind), digits_archive)
    torch.manual_seed(99)  # nothing may come from the global generator
    np.random.seed(99)
    second.train(tiny_job(kind), digits_archive)
    assert first.bytes == second.bytes
    assert result.steps == 6 and result.resumed_at == 0
    assert first.states == []


@pytest.mark.parametrize("change", [{"seed": 4}, {"seed": [3, "replicate", 1]}, {"learning_rate": 7e-3}])
def test_another_job_other_weights(
    places: Callable[[str], Place], digits_archive: Path, change: dict[str, Any]
) -> None:
    first, second = places("a"), places("b")
    first.train(tiny_job(), digits_archive)
    second.train(tiny_job(**change), digits_archive)
    assert first.model.read_bytes() != second.model.read_bytes()


@pytest.mark.parametrize("kind", ["sphere", "vae"])
def test_a_run_by_another_name_is_the_same_run(
    places: Callable[[str], Place], digits_archive: Path, kind: str
) -> None:
    """Arms of an ablation differ in what they vary, and not in weights, order and noise as well."""
    first, second = places("a"), places("b")
    first.train(tiny_job(kind), digits_archive)
    second.train(tiny_job(kind, run="other"), digits_archive)
    assert first.bytes == second.bytes


@pytest.mark.parametrize(
    ("kind", "steps"), [("sphere", [1]), ("sphere", [5]), ("sphere", [3, 1]), ("vae", [2])]
)
def test_interrupted_and_resumed_is_as_if_nothing_had_happened(
    places: Callable[[str], Place],
    digits_archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    steps: list[int],
) -> None:
    whole, broken = places("whole"), places("broken")
    whole.train(tiny_job(kind), digits_archive)
    job = tiny_job(kind)
    for step in steps:
        interrupted(broken, job, digits_archive, monkeypatch, step)
        assert not broken.model.exists() and not broken.log.exists()
        assert len(broken.kept) == len(broken.states) <= 2
    result = broken.train(job, digits_archive)
    assert result.resumed_at == sum(steps)
    assert broken.bytes == whole.bytes
    assert broken.states == []


def test_interrupted_while_the_state_is_written(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = places("whole"), places("broken")
    job = tiny_job()
    whole.train(job, digits_archive)
    original = torch.save
    calls: list[int] = []

    def save(record: Any, file: Any) -> None:
        calls.append(1)
        if len(calls) == 5:
            file.write(b"half")
            raise KeyboardInterrupt
        original(record, file)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(torch, "save", save)
        broken.train(job, digits_archive)
    assert [Path(name).suffix for name in broken.states] == [".pt", ".pt"]
    assert broken.train(job, digits_archive).resumed_at == 4
    assert broken.bytes == whole.bytes


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_waits_for_the_end_of_the_step_and_the_state(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole, broken = places("whole"), places("broken")
    whole.train(tiny_job(), digits_archive)
    original, calls = optim.set_rates, []

    def set_rates(*arguments: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(getattr(signal, name))
        original(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(optim, "set_rates", set_rates)
        broken.train(tiny_job(), digits_archive)
    assert not broken.model.exists()
    assert broken.train(tiny_job(), digits_archive).resumed_at == 3
    assert broken.bytes == whole.bytes


def test_two_trainings_of_one_job_at_once(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = places("a")
    job = tiny_job()
    original, refusals = optim.set_rates, []

    def set_rates(*arguments: Any) -> None:
        if not refusals:
            with pytest.raises(UserError, match="is being trained already") as caught:
                place.train(job, digits_archive)
            refusals.append(caught)
        original(*arguments)

    monkeypatch.setattr(optim, "set_rates", set_rates)
    assert place.train(job, digits_archive).steps == 6
    assert refusals and place.states == []


def test_killed_between_the_last_step_and_the_model(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = places("whole"), places("broken")
    whole.train(tiny_job(), digits_archive)

    def refuse(*_: Any) -> None:
        raise UserError("No space left on the disk")

    with monkeypatch.context() as patch, pytest.raises(UserError):
        patch.setattr(loop, "_write_model", refuse)
        broken.train(tiny_job(), digits_archive)
    assert not broken.model.exists()
    assert broken.train(tiny_job(), digits_archive).resumed_at == 6
    assert broken.bytes == whole.bytes


def test_state_of_another_job_or_other_data_is_not_picked_up(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = places("a")
    job = tiny_job()
    interrupted(place, job, digits_archive, monkeypatch, 4)
    assert place.train(tiny_job(seed=8), digits_archive).resumed_at == 0
    archive = ImageArchive(digits_archive)
    changed = tmp_path / "changed.zip"
    write_archive(changed, 255 - archive.load(), archive.labels)
    assert place.train(job, changed).resumed_at == 0
    assert place.train(job, digits_archive).resumed_at == 4


def test_renamed_state_of_another_job_is_refused(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = places("a")
    job = tiny_job()
    interrupted(place, job, digits_archive, monkeypatch, 4)
    theirs = place.kept
    interrupted(place, tiny_job(seed=8), digits_archive, monkeypatch, 2)
    mine = next(path for path in place.kept if path not in theirs)
    theirs[0].replace(mine)
    with pytest.raises(UserError, match=r"belongs to another job. Delete it"):
        place.train(tiny_job(seed=8), digits_archive)
    assert mine.is_file()


# -- what is written


def test_model_file_holds_raw_weights_and_their_average(
    places: Callable[[str], Place], digits_archive: Path
) -> None:
    place = places("a")
    job = tiny_job(ema_decay=0.5)
    place.train(job, digits_archive)
    tensors = load_file(place.model)
    names = set(build(job.architecture).state_dict())
    assert set(tensors) == {f"{kind}.{name}" for kind in ("raw", "ema") for name in names}
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values())
    raw, ema = (load_model(place.model, kind).model.state_dict() for kind in ("raw", "ema"))
    assert any(not torch.equal(raw[name], ema[name]) for name in names)
    assert all(
        torch.equal(raw[f"{side}.position"], ema[f"{side}.position"]) for side in ("encoder", "decoder")
    )
    assert load_model(place.model).alpha_max == 80


def test_average_without_memory_is_the_raw_weights(
    places: Callable[[str], Place], digits_archive: Path
) -> None:
    place = places("a")
    place.train(tiny_job(ema_decay=0.0), digits_archive)
    raw, ema = (load_model(place.model, kind).model.state_dict() for kind in ("raw", "ema"))
    for name, tensor in raw.items():
        assert torch.equal(tensor, ema[name]), name


def test_every_trainable_weight_moves(places: Callable[[str], Place], digits_archive: Path) -> None:
    place = places("a")
    job = tiny_job(epochs=4)
    place.train(job, digits_archive)
    fresh = build(job.architecture, generator=seeds.generator(*job.seed, "weights"))
    after = load_model(place.model).model.state_dict()
    still = [name for name, tensor in fresh.named_parameters() if torch.equal(tensor, after[name])]
    assert still == []


@pytest.mark.parametrize(
    ("kind", "columns"),
    [("sphere", SPHERE_COLUMNS), ("vae", ["pix_recon_l1", "kl"]), ("autoencoder", ["pix_recon_l1"])],
)
def test_training_log(
    places: Callable[[str], Place], digits_archive: Path, kind: str, columns: list[str]
) -> None:
    place = places("a")
    job = tiny_job(kind, epochs=5)
    result = place.train(job, digits_archive)
    with place.log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["step", "epoch", "learning_rate", "grad_norm", "loss", *columns]
    assert [int(row["step"]) for row in rows] == list(range(1, 31))
    assert float(rows[-1]["epoch"]) == 5
    for row in rows:
        weighted = sum(getattr(job.loss, name) * float(row[name]) for name in columns)
        assert float(row["loss"]) == pytest.approx(weighted, rel=1e-5)
        assert float(row["learning_rate"]) > 0
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert result.last["loss"] == pytest.approx(float(rows[-1]["loss"]), rel=1e-6)
    assert result.images_per_second > 0


def test_long_trainings_log_about_a_thousand_rows() -> None:
    for total in (1, 999, 1000, 12345, 10**6):
        logged = [step for step in range(total) if is_logged(step, total)]
        assert logged[0] == 0 and logged[-1] == total - 1
        assert min(total, 900) <= len(logged) <= 2001


def test_a_dataset_without_labels_trains(places: Callable[[str], Place], digits_archive: Path) -> None:
    images = ImageArchive(digits_archive).load()
    bare = digits_archive.with_name("bare.zip")
    write_archive(bare, images, None)
    job = tiny_job()
    with pytest.raises(UserError, match="no labels"):
        places("refused").train(job, bare)
    model = job.model.model_copy(update={"conditional": False})
    place = places("a")
    place.train(job.model_copy(update={"model": model}), bare)
    found = load_model(place.model).model
    assert found.shape.classes == 0
    with torch.no_grad():
        assert found.decode(torch.randn(2, 16, 8)).shape == (2, 3, 8, 8)


def test_an_unconditional_model_leaves_labels_alone(
    places: Callable[[str], Place], digits_archive: Path
) -> None:
    archive = ImageArchive(digits_archive)
    bare = digits_archive.with_name("bare.zip")
    write_archive(bare, archive.load(), None)
    job = tiny_job()
    job = job.model_copy(update={"model": job.model.model_copy(update={"conditional": False})})
    first, second = places("a"), places("b")
    first.train(job, digits_archive)
    second.train(job, bare)
    assert first.bytes == second.bytes


@pytest.mark.parametrize(
    ("asked", "dataset", "flips"), [(None, False, 0), (True, False, 1), (False, True, 0), (None, True, 1)]
)
def test_images_are_flipped_only_where_asked(
    digits_archive: Path, monkeypatch: pytest.MonkeyPatch, asked: bool | None, dataset: bool, flips: int
) -> None:
    job = tiny_job(horizontal_flip=asked)
    source = job.dataset.source.model_copy(update={"horizontal_flip": dataset})
    monkeypatch.setattr(type(job.dataset), "source", property(lambda _: source))
    images = load_training_images(digits_archive, 10)
    batch = read_batch(job, images, 5, range(16)).on(CPU)
    shown, labels = batch.images, batch.labels
    indices, _ = batch_indices(96, 16, seeds.derive(*job.seed, "data"), 5)
    plain = to_unit(images.images[indices])
    assert labels is not None and torch.equal(labels, images.labels[indices])
    mirrored = [not torch.equal(a, b) for a, b in zip(shown, plain, strict=True)]
    for image, original, mirror in zip(shown, plain, mirrored, strict=True):
        assert torch.equal(image, original.flip(-1) if mirror else original)
    assert any(mirrored) == bool(flips)
    assert not all(mirrored)


def test_images_read_from_the_archive_train_the_same_weights(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, held, read = tiny_job(), places("a"), places("b")
    held.train(job, digits_archive)
    monkeypatch.setattr("sphere_repro.data.loading.IN_MEMORY", 0)
    read.train(job, digits_archive)
    assert held.bytes == read.bytes


# -- what is refused


@pytest.mark.parametrize(
    ("free", "words"),
    [
        (10**9, r"runs\.tiny\.execution\.micro_batch_size to 15"),
        (10**4, "Not even one image"),
        (None, "Lower"),
    ],
)
@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried …")])
def test_where_memory_runs_out_settings_are_named_that_would_fit(
    places: Callable[[str], Place],
    digits_archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    free: int | None,
    words: str,
    error: Exception,
) -> None:
    whole, broken = places("whole"), places("broken")
    whole.train(tiny_job(), digits_archive)
    monkeypatch.setattr("sphere_repro.machine.devices.free_memory", lambda: free)
    with monkeypatch.context() as patch, pytest.raises(UserError, match=words) as caught:
        stop_at(patch, 3, error)
        broken.train(tiny_job(), digits_archive)
    assert str(caught.value).startswith("Training tiny ran out of memory. ")
    assert broken.train(tiny_job(), digits_archive).resumed_at == 3
    assert broken.bytes == whole.bytes


def test_broken_down_training(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = losses.total, []

    def total(*arguments: Any) -> torch.Tensor:
        calls.append(1)
        return original(*arguments) * (torch.nan if len(calls) == 4 else 1)

    monkeypatch.setattr(losses, "total", total)
    place = places("a")
    with pytest.raises(UserError, match=r"tiny broke down at step 3: .*runs\.tiny\.training\.learning_rate"):
        place.train(tiny_job(), digits_archive)
    assert not place.model.exists() and not place.log.exists()


def test_loss_that_is_infinite_with_a_finite_gradient(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "total", lambda terms, loss: sum(terms.values()) + torch.inf)
    with pytest.raises(UserError, match="broke down at step 0: the loss"):
        places("a").train(tiny_job(), digits_archive)


def test_weights_that_break_at_the_last_step(
    places: Callable[[str], Place], digits_archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = optim.set_rates
    monkeypatch.setattr(optim, "set_rates", lambda adam, rate, factor: original(adam, torch.inf, 1.0))
    place = places("a")
    with pytest.raises(UserError, match="its last step"):
        place.train(tiny_job(epochs=1 / 6, warmup_epochs=0), digits_archive)
    assert not place.model.exists()


def test_batch_larger_than_the_dataset(places: Callable[[str], Place], digits_archive: Path) -> None:
    place = places("a")
    with pytest.raises(UserError, match=r"runs\.tiny\.training\.batch_size is 97, .* only 96 images"):
        place.train(tiny_job(batch_size=97), digits_archive)
    assert place.train(tiny_job(batch_size=96), digits_archive).steps == 1


def test_objective_without_a_term(places: Callable[[str], Place], digits_archive: Path) -> None:
    job = tiny_job()
    nothing = job.loss.model_copy(update={"pix_recon_l1": 0, "pix_con_l1": 0, "lat_con": 0})
    with pytest.raises(UserError, match=r"runs\.tiny\.loss: every weight is 0"):
        places("a").train(job.model_copy(update={"loss": nothing}), digits_archive)
    vae = tiny_job("vae")
    nothing = vae.loss.model_copy(update={"pix_recon_l1": 0, "kl": 0})
    with pytest.raises(UserError, match=r"Set one of pix_recon_l1, kl"):
        places("a").train(vae.model_copy(update={"loss": nothing}), digits_archive)
    plain = tiny_job("autoencoder").model_copy(update={"loss": nothing})
    with pytest.raises(UserError, match=r"Set one of pix_recon_l1\.$"):
        places("a").train(plain, digits_archive)


def test_without_noise_the_losses_stay_finite(places: Callable[[str], Place], digits_archive: Path) -> None:
    """A spherified autoencoder is a Sphere Encoder whose noise angle is nil, whichever terms it has."""
    job = tiny_job(epochs=8)
    still = {"alpha_max": 0.0, "hard_cases": job.loss.hard_cases.model_copy(update={"probability": 0.0})}
    for name, terms in {"all": {}, "reconstruction": {"pix_con_l1": 0.0, "lat_con": 0.0}}.items():
        place, loss = places(name), job.loss.model_copy(update=still | terms)
        place.train(job.model_copy(update={"loss": loss}), digits_archive)
        with place.log.open(newline="") as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        assert all(np.isfinite(list(row.values())).all() for row in rows)
        rebuilt = [row["pix_recon_l1"] for row in rows]
        assert np.mean(rebuilt[-6:]) < np.mean(rebuilt[:6])  # an epoch each
        if not terms:
            assert max(row["pix_con_l1"] for row in rows) < 1e-3 * rows[0]["pix_recon_l1"]  # labels drop out
        assert load_model(place.model).alpha_max == 0


def test_images_of_another_resolution(
    places: Callable[[str], Place], digits_archive: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.zip"
    write_archive(large, np.zeros((20, 16, 16, 3), np.uint8), [0] * 20)
    with pytest.raises(UserError, match=r"16-pixel images, but runs\.tiny wants 8 pixels"):
        places("a").train(tiny_job(), large)


def test_the_model_and_its_record_know_the_names_of_the_classes(
    places: Callable[[str], Place], digits_archive: Path, tmp_path: Path
) -> None:
    from sphere_repro.models.checkpoint import load_model

    digits, names = ImageArchive(digits_archive), tuple(f"digit {word}" for word in "abcdefghij")
    named = tmp_path / "named.zip"
    write_archive(named, digits.load(), digits.labels, names)
    weights = {}
    for archive, known in ((digits_archive, None), (named, names)):
        place = places(archive.stem)
        train_command.train(tiny_job(), place.files(archive), "cpu", Execution())
        found, record = load_model(place.model), json.loads(place.model.with_suffix(".json").read_text())
        assert found.class_names == known
        assert record.get("class_names") == (None if known is None else list(known))
        weights[archive] = found.model.state_dict()
    for name, tensor in weights[named].items():
        assert torch.equal(tensor, weights[digits_archive][name])


def test_the_record_beside_the_model_says_where_it_comes_from(
    places: Callable[[str], Place], digits_archive: Path
) -> None:
    from sphere_repro.models.autoencoder import parameter_count
    from sphere_repro.provenance.code import MODEL, code_hash
    from sphere_repro.provenance.hashes import file_hash
    from sphere_repro.provenance.record import commit, versions

    place, job = places("a"), tiny_job()
    line = train_command.train(job, place.files(digits_archive), "cpu", Execution())
    assert line.startswith("train tiny: 6 steps in ")
    record = json.loads(place.model.with_suffix(".json").read_text())
    assert TrainJob.model_validate(record["parameters"]) == TrainJob.model_validate(record["job"]) == job
    assert record["inputs"] == {"data": {"path": str(digits_archive), "sha256": file_hash(digits_archive)}}
    assert record["sha256"] == file_hash(place.model)
    assert record["code"] == {
        **commit(),
        "modules": list(MODEL),
        "sha256": code_hash(*MODEL),
    }
    assert record["versions"] == versions()
    assert record["device"] == "cpu"
    assert (record["steps"], record["resumed_at_step"]) == (6, 0)
    assert record["parameter_count"] == parameter_count(job.architecture)
    assert 0 < record["training_seconds"] <= record["seconds"] and record["images_per_second"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["started"])
    assert set(record["last"]) == {"learning_rate", "grad_norm", "loss", "step", "epoch", *SPHERE_COLUMNS}
