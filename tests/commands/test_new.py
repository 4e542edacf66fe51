"""`sphere-repro new`: what it writes passes `check`, fits `plan`, and is a study for the workflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import run
from sphere_repro import cli
from sphere_repro.machine import devices
from sphere_repro.planning import plan
from sphere_repro.study.config import load_study


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for index in range(64):
        place = tmp_path / "Stamps" / f"class-{index % 2}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index}.png")
    return tmp_path / "Stamps"


def test_the_study_passes_check_fits_plan_and_the_workflow_knows_its_jobs(
    stamps: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    assert cli.main(["new", str(stamps), "--hours", "2", "--device", "rtx-3090"]) == 0
    said = capsys.readouterr().out
    assert "64 images in 2 classes (class-0 32, class-1 32)" in said and "params/stamps.yaml" in said
    path = Path("params/stamps.yaml")
    study = load_study(path)
    assert study.study == "stamps" and list(study.runs) == ["sphere", "vae"]
    made = plan.plan(study, "rtx-3090")
    assert made.fits and not any(item.far_below for item in made.trainings)
    assert cli.main(["check", str(path)]) == 0
    assert "far below" not in capsys.readouterr().out
    dry = run(checkout, "snakemake", "-n", "--cores", "2", "--configfile", str(path)).stdout
    for rule in ("prepare", "train", "sample", "encode", "reference", "score", "claims", "draw_1"):
        assert f"rule {rule}:" in dry
    assert cli.main(["new", str(stamps)]) == 2  # it overwrites nothing
    assert "is there already" in capsys.readouterr().err


def test_this_machine_is_measured(
    stamps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sphere_repro.planning.pace.SECONDS", 0.1)
    monkeypatch.setattr(devices, "MEASURED_SECONDS", 0.05)
    out = tmp_path / "own.yaml"
    assert cli.main(["new", str(stamps), "--hours", "20", "--device", "cpu", "--out", str(out)]) == 0
    assert "images/s in training (measured)" in out.read_text()
    assert load_study(out).study == "own"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--minutes", "0"], "must be a number above 0, not '0'"),
        (["--hours", "nan"], "must be a number above 0, not 'nan'"),
        (["--hours", "x"], "must be a number above 0, not 'x'"),
        (["--hours", "1", "--minutes", "3"], "not allowed with"),
    ],
)
def test_times_that_are_none(
    arguments: list[str], words: str, stamps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["new", str(stamps), *arguments])
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "abacus"], "there is no device 'abacus'"),
        (["--device", "t4", "--minutes", "0.1"], "is too short"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    arguments: list[str],
    words: str,
    stamps: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "own.yaml"
    assert cli.main(["new", str(stamps), "--out", str(out), *arguments]) == 2
    assert words in capsys.readouterr().err and not out.exists()


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "own.yaml")
    assert cli.main(["new", str(tmp_path / "none"), "--device", "h100", "--out", out]) == 2
    assert "cannot be read" in capsys.readouterr().err
