"""What a training says of itself: that its loss hardly moved, where it did not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.study import jobs
from sphere_repro.study.config import load_study


@pytest.mark.parametrize(("rate", "learned"), [(8e-3, True), (1e-7, False)])
def test_a_training_that_taught_nothing_is_told(
    rate: float, learned: bool, digits_archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = jobs.train_job(load_study(ROOT / "params/smoke.yaml"), "digits").model_dump(mode="json")
    changes = {"learning_rate": rate, "minimum_learning_rate": rate / 100, "batch_size": 16, "epochs": 8}
    job["training"] |= changes
    out, log = tmp_path / "model.safetensors", tmp_path / "train.log"
    arguments = ["train", "--job", json.dumps(job), "--data", str(digits_archive), "--out", str(out)]
    arguments += ["--curves", str(tmp_path / "training.csv"), "--state", str(tmp_path / "state")]
    assert cli.main([*arguments, "--device", "cpu", "--log", str(log)]) == 0
    moved = json.loads(out.with_suffix(".json").read_text())["moved"]
    assert moved["term"] == "pix_recon_l1" and (moved["last"] < 0.9 * moved["first"]) == learned
    told = [capsys.readouterr().err, log.read_text().splitlines()[-1]]
    assert [("learned nothing" in text) for text in told] == [not learned] * 2
    assert all(("pix_recon_l1 hardly moved" in text) != learned for text in told)
