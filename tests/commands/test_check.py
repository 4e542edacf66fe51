"""`check`: what it says of a study."""

from __future__ import annotations

from pathlib import Path

import yaml

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.study.config import load_study

SMOKE = ROOT / "params" / "smoke.yaml"


def test_check_lists_runs_and_sets() -> None:
    text = cli.verbs()["check"].run(cli.parser().parse_args(["check", str(SMOKE)]))
    study = load_study(SMOKE)
    assert text.splitlines()[0].endswith(f"study 'smoke', {len(study.runs)} runs")
    for name, run in study.runs.items():
        assert f"  {name}: {run.dataset.archive}, {run.model.kind}, sets {', '.join(run.sets)}" in text


def test_check_lists_own_images(tmp_path: Path) -> None:
    for name in ("cat/a.png", "dog/b.png", "dog/c.heic"):
        (tmp_path / "pets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / name).touch()
    study = yaml.safe_load(SMOKE.read_text())
    study["runs"]["digits"]["dataset"] = {"folder": str(tmp_path / "pets"), "resolution": 8}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(study))
    text = cli.verbs()["check"].run(cli.parser().parse_args(["check", str(tmp_path / "own.yaml")]))
    for line in ("2 images of ", "class   0  cat  1 image", "left out, by suffix: 1 .heic"):
        assert line in text


def test_check_names_the_trainings_of_a_run(tmp_path: Path) -> None:
    study = yaml.safe_load(SMOKE.read_text())
    study["runs"]["digits"]["replicates"] = 3
    (tmp_path / "thrice.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    text = cli.verbs()["check"].run(cli.parser().parse_args(["check", str(tmp_path / "thrice.yaml")]))
    assert text.splitlines()[0].endswith("2 runs")
    assert "    3 trainings: digits, digits_r1, digits_r2\n" in text
    assert text.count("digits-vae: digits-8px") == 1 and "trainings: digits-vae" not in text
