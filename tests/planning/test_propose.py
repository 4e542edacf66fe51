"""A study for one's own images: it fits them, the device and the time, and is carried far enough."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from sphere_repro.errors import UserError
from sphere_repro.machine.devices import DEVICES, Device
from sphere_repro.planning.advice import USABLE
from sphere_repro.planning.look import Look, look, study_name
from sphere_repro.planning.memory import training_bytes
from sphere_repro.planning.pace import utilisation
from sphere_repro.planning.plan import Plan
from sphere_repro.planning.proposal_text import seen, study_text
from sphere_repro.planning.propose import ENOUGH, RUNGS, Proposal, propose, resolution
from sphere_repro.planning.reach import LEAST
from sphere_repro.strict import parse
from sphere_repro.study.config import Run, Study
from sphere_repro.study.jobs import TrainJob, train_job

CPU = Device("this CPU, 1 thread", 2e11, 1e12, 16 * 10**9, "measured now", shares_host=True)
HALF_AN_HOUR = 1800.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """160 small pictures in three classes, one of which is rare."""
    generator = np.random.default_rng(0)
    for index in range(160):
        name = "rare" if index < 5 else f"class-{index % 2}"
        place = tmp_path / "My Stamps" / name
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (50, 40 + index % 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index}.png")
    return tmp_path / "My Stamps"


def quick(share: float = 0.2) -> Callable[[TrainJob], float]:
    return lambda job: share


def proposed(folder: Path, device: Device = CPU, seconds: float = HALF_AN_HOUR) -> Proposal:
    measure = quick() if device.shares_host else None
    return propose(look(str(folder)), "stamps", device, seconds, 2 if device.shares_host else 1, measure)


def test_what_is_found(folder: Path) -> None:
    found = look(str(folder))
    assert found.classes == {"class-0": 77, "class-1": 78, "rare": 5}
    assert (found.images, found.short_side, found.looked_at, found.unreadable) == (160, 44, 160, 0)
    assert found.rarest == ("rare", 5)
    assert seen(found) == (
        "160 images in 3 classes (class-0 77, class-1 78, rare 5); shorter sides of 44 pixels (median of 160 "
        "looked at)."
    )
    (folder / "rare" / "0.png").write_bytes(b"no image")
    assert look(str(folder)).unreadable == 1 and "1 of those cannot be read" in seen(look(str(folder)))


def test_images_without_classes(folder: Path) -> None:
    found = look(str(folder / "class-0"))
    assert (found.classes, found.images, found.rarest) == ({}, 77, ("", 77))
    assert seen(found).startswith("77 images without classes")
    assert proposed(folder / "class-0").study.runs["sphere"].architecture.classes == 0


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="None of 1 images"):
        look(str(tmp_path))
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="holds 1 images; a study of them needs 32"):
        proposed(tmp_path)


def test_the_study_fits_images_machine_and_time(folder: Path) -> None:
    made = proposed(folder)
    sphere, vae = made.study.runs["sphere"], made.study.runs["vae"]
    assert sphere.dataset.pixels == 32  # the largest power of two within 44
    assert sphere.architecture.classes == 3
    assert made.steps * made.rung.rate >= ENOUGH
    assert sphere.training.batch_size <= 160 / 4
    assert made.seconds <= HALF_AN_HOUR
    assert (vae.model.kind, vae.baseline_of) == ("vae", "sphere")
    assert vae.training == sphere.training and vae.dataset == sphere.dataset
    assert sphere.sampling.count == 160
    assert sphere.training.precision == "float32"


def test_the_time_is_the_planners(folder: Path) -> None:
    from sphere_repro.planning.needs import needs

    made = proposed(folder)
    plan = Plan("", CPU, made.utilisation, needs(made.study, folder.parent), [])
    seconds = {need.run: plan.seconds(need) for need in plan.needs if need.job == "train"}
    assert 0.6 * HALF_AN_HOUR < seconds["sphere"] < HALF_AN_HOUR
    assert seconds["vae"] < seconds["sphere"]  # side by side


def test_more_time_and_a_better_device_carry_larger_networks(folder: Path) -> None:
    quickly, slowly = proposed(folder), proposed(folder, seconds=100 * HALF_AN_HOUR)
    on_gpu = proposed(folder, DEVICES["h100"], 12 * 3600)
    assert quickly.rung.width < slowly.rung.width <= on_gpu.rung.width
    run = on_gpu.study.runs["sphere"]
    assert run.training.precision == "bfloat16" and on_gpu.study.score.extractor == "inception"
    assert run.loss.perceptual.network == "lpips-convnext"
    assert 1e-4 <= run.training.learning_rate * run.training.scale <= 2e-4


def test_small_memory_takes_micro_batches_or_smaller_networks(folder: Path) -> None:
    whole = propose(look(str(folder)), "s", CPU, HALF_AN_HOUR, 2, quick())
    run = whole.study.runs["sphere"]
    assert run.execution.micro_batch_size is None
    needed = memory_of(run, run.training.batch_size)
    scarce = dataclasses.replace(CPU, memory=needed)  # a tenth of it is left free
    small = propose(look(str(folder)), "s", scarce, HALF_AN_HOUR, 2, quick()).study.runs["sphere"]
    assert small.execution.micro_batch_size == run.training.batch_size // 2
    assert memory_of(small, small.execution.micro_batch_size) <= USABLE * needed
    with pytest.raises(UserError, match="too little memory"):
        proposed(folder, dataclasses.replace(CPU, memory=10**6))


def memory_of(run: Run, batch: int) -> int:
    return training_bytes(run.architecture, run.loss, batch, half=False, checkpointing=False, processes=1)


def test_a_time_that_teaches_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="is too short: even the smallest network") as error:
        propose(look(str(folder)), "stamps", CPU, 300, 1, quick(0.02))
    assert "Give it about" in str(error.value)


@pytest.mark.parametrize("side", [3, 8, 15, 16, 100, 4000])
def test_images_of_any_size(side: int, folder: Path) -> None:
    found = dataclasses.replace(look(str(folder)), short_side=side)
    for rung in RUNGS:
        assert resolution(found, rung) == max(8, min(rung.pixels, 2 ** (side.bit_length() - 1)))


def test_a_huge_folder_keeps_most_of_the_time_for_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(str(folder))
    many = dataclasses.replace(found, images=100_000)
    for count in ("image_count", "trained_count"):
        monkeypatch.setattr(f"sphere_repro.planning.needs.{count}", lambda run, place: many.images)
    made = propose(many, "s", CPU, HALF_AN_HOUR, 2, quick())
    run = made.study.runs["sphere"]
    assert 100 <= run.sampling.count < 20_000 and run.training.epochs < 4
    assert made.steps * made.rung.rate >= LEAST.product and made.seconds <= HALF_AN_HOUR


def test_the_file_says_the_same_and_why(folder: Path) -> None:
    made = proposed(folder)
    text = study_text(made, "params/stamps.yaml")
    assert parse(Study, yaml.safe_load(text), "text") == made.study
    assert "The class rare has 5" in text and "(measured)" in text
    lines = text.splitlines()
    chosen = ["resolution", "encoder", "alpha_max", "pix_recon_l1", "epochs", "batch_size", "learning_rate"]
    chosen += ["folder", "patch_size", "pixel_head", "ema_decay", "precision", "count", "vae", "extractor"]
    for key in chosen:
        place = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
        assert lines[place - 1].strip().startswith("#"), key
    assert max(map(len, lines)) <= 110


def test_names(tmp_path: Path) -> None:
    assert study_name(str(tmp_path / "My Stamps!")) == "my-stamps"
    assert study_name("/") == "images"


def test_pace_is_that_of_real_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sphere_repro.planning.pace.SECONDS", 0.1)
    job = train_job(proposed(folder).study, "sphere")
    for lanes in (1, 2):
        assert 0 < utilisation(job, CPU, torch.device("cpu"), lanes) < 10


def test_look_is_a_record() -> None:
    assert Look("x", {}, 40, 9, 9, 0).rarest == ("", 40)
