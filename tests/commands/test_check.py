"""`check`: what it says of a study."""

from __future__ import annotations

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
