"""`sphere-repro compare` as it is typed: what it says, its status, what it writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from sphere_repro.cli import main

sys.path.insert(0, str(ROOT / "tests/results"))
from kept_results import scores, write_results


@pytest.fixture
def both(tmp_path: Path) -> tuple[str, str]:
    trainings = [scores("digits", "prior", 100.0 + number, replicate=number) for number in range(5)]
    reference = write_results(tmp_path / "reference", trainings)
    return str(reference), str(write_results(tmp_path / "here", [scores("digits", "prior", 101.0)]))


def test_what_agrees_ends_with_0_and_strictly_with_1(
    both: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *both]) == 0
    assert capsys.readouterr().out.startswith("Reproduced.\n")
    assert main(["compare", *both, "--strict"]) == 1
    assert main(["compare", both[0], both[0], "--strict"]) == 0
    assert "Identical." in capsys.readouterr().out


def test_what_disagrees_ends_with_1(
    both: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far = str(write_results(tmp_path / "far", [scores("digits", "prior", 200.0)]))
    assert main(["compare", both[0], far]) == 1
    assert "Not reproduced." in capsys.readouterr().out


def test_a_report_is_written_and_ends_with_0(both: tuple[str, str], tmp_path: Path) -> None:
    far = str(write_results(tmp_path / "far", [scores("digits", "prior", 200.0)]))
    out = tmp_path / "reproduction.json"
    assert main(["compare", both[0], far, "--out", str(out)]) == 0
    said = json.loads(out.read_text())
    assert (said["verdict"], said["reference"], said["here"]) == ("Not reproduced", both[0], far)
    assert out.with_suffix(".md").is_file() and out.with_suffix(".csv").is_file()


def test_mistakes_end_with_2(both: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", both[0], "nowhere"]) == 2
    assert "nowhere is no folder or table" in capsys.readouterr().err
    assert main(["compare", *both, "--deviations", both[0] + "/fid_table.csv"]) == 2
    assert "is no table of deviations" in capsys.readouterr().err
