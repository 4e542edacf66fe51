"""Longer trainings, and runs that start from other models, through the workflow and DVC."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import SMOKE, pending, run, snakemake

pytestmark = pytest.mark.slow

MODEL = "results/smoke/digits/model.safetensors"
STEPS = 1797 // 64  # of an epoch


def change(folder: Path, run_name: str = "digits", **settings: Any) -> None:
    study = yaml.safe_load((folder / SMOKE).read_text())
    study["runs"][run_name]["training"] |= settings
    (folder / SMOKE).write_text(yaml.safe_dump(study, sort_keys=False))


def add(folder: Path, name: str, **fields: Any) -> str:
    """A run like the digits, trained alone; its model."""
    study = yaml.safe_load((folder / SMOKE).read_text())
    study["runs"][name] = study["runs"]["digits"] | fields
    (folder / SMOKE).write_text(yaml.safe_dump(study, sort_keys=False))
    return f"results/smoke/{name}/model.safetensors"


def record(folder: Path, model: str = MODEL) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / model).with_suffix(".json").read_text())
    return found


@pytest.fixture(scope="session")
def trained(once: Callable[..., Path], untouched: Path) -> Path:
    """A checkout whose digits are trained."""

    def make(folder: Path) -> None:
        shutil.copytree(untouched, folder, symlinks=True)
        snakemake(folder, MODEL, check=True)

    return once("trained-before", make)


@pytest.fixture
def checkout(trained: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    shutil.copytree(trained, folder, symlinks=True)
    return folder


def by_hand(folder: Path, out: str) -> bytes:
    """The model that the study's training makes from the start."""
    command = f"train --study {SMOKE} --run digits --data data/prepared/digits-8px.zip --out {out}"
    run(folder, "python", "-m", "sphere_repro", *command.split(), "--curves", f"{out}.csv")
    return (folder / out).read_bytes()


@pytest.mark.parametrize("how", ["snakemake", "dvc"])
def test_a_longer_training_goes_on_under_both(checkout: Path, how: str) -> None:
    change(checkout, epochs=2, schedule_epochs=1)
    assert pending(checkout, MODEL) == {"train digits"}
    dry = snakemake(checkout, "-n", MODEL, check=True).stdout
    assert "Updated input files: .state/jobs/results/smoke/digits/model.json" in dry
    check = run(checkout, "python", "-m", "sphere_repro", "check", SMOKE).stdout
    assert f"goes on from epoch 1, step {STEPS}" in check
    if how == "snakemake":
        snakemake(checkout, MODEL, check=True)
    else:
        run(checkout, "dvc", "repro", "-q", "train-digits")
    found = record(checkout)
    assert (found["resumed_at_step"], found["steps"]) == (STEPS, 2 * STEPS)
    assert found["segments"][-1]["after_epochs"] == 1
    assert pending(checkout, MODEL) == set()
    curve = (checkout / "results/smoke/digits/live/plots/metrics/loss.tsv").read_text().splitlines()
    assert len(curve) == 1 + 2 * STEPS
    assert by_hand(checkout, "anew/model.safetensors") == (checkout / MODEL).read_bytes()


def test_one_whose_rates_were_others_starts_from_the_start_and_says_so(checkout: Path) -> None:
    change(checkout, epochs=2)
    check = run(checkout, "python", "-m", "sphere_repro", "check", SMOKE).stdout
    assert "starts from step 0" in check and "training.schedule_epochs: 1 goes on" in check
    done = snakemake(checkout, MODEL, check=True)
    assert "digits starts from step 0: from step " in done.stdout + done.stderr
    assert record(checkout)["resumed_at_step"] == 0


def test_a_run_that_starts_from_another_follows_it(checkout: Path) -> None:
    more = add(checkout, "more", init_from="digits")
    assert pending(checkout, more) == {"train more"}
    snakemake(checkout, more, check=True)
    found = record(checkout, more)
    assert found["inputs"]["init"]["path"] == MODEL and found["job"]["init_from"]["run"] == "digits"
    assert pending(checkout, more) == set()
    explained = run(checkout, "python", "-m", "sphere_repro", "explain", more).stdout
    assert "starts from the raw weights of digits" in explained
    change(checkout, ema_decay=0.8)
    assert pending(checkout, more) == {"train digits", "train more"}


def test_a_model_file_is_known_by_its_content(checkout: Path) -> None:
    shutil.copy(checkout / MODEL, checkout / "mine.safetensors")
    mine = add(checkout, "mine", init_from="./mine.safetensors")
    run(checkout, "python", "workflow/scripts/write_pipeline.py", SMOKE)
    run(checkout, "dvc", "repro", "-q", "train-mine")
    assert pending(checkout, mine) == set()
    first = (checkout / mine).read_bytes()
    (checkout / "mine.safetensors").touch()
    assert pending(checkout, mine) == set()
    study = (checkout / SMOKE).read_text()
    change(checkout, learning_rate=7e-3)
    (checkout / "mine.safetensors").write_bytes(by_hand(checkout, "other/model.safetensors"))
    (checkout / SMOKE).write_text(study)
    assert pending(checkout, mine) == {"train mine"}
    assert "mine.safetensors" in run(checkout, "dvc", "status").stdout
    run(checkout, "dvc", "repro", "-q", "train-mine")
    assert pending(checkout, mine) == set()
    assert record(checkout, mine)["job"]["init_from"]["content"]
    assert (checkout / mine).read_bytes() != first
