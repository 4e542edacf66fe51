"""How many processes share a sample set: as asked, as the study says, or as many as there are GPUs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.commands import workers
from sphere_repro.machine import gpus, launch

FILES = ["--model", "a.safetensors", "--data", "b.zip", "--out", "c.zip"]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The smoke study, whose sets are shared by three."""
    monkeypatch.chdir(tmp_path)
    raw = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
    raw["runs"]["digits"]["sampling"]["processes"] = 3
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[launch.Workers]:
    """What is launched instead of workers."""
    found: list[launch.Workers] = []

    def record(_arguments: Any, asked: launch.Workers, _device: str) -> int:
        found.append(asked)
        return 0

    monkeypatch.setattr(workers.launch, "launch", record)
    return found


@pytest.mark.parametrize(
    ("more", "seen", "wanted"),
    [([], 0, 3), (["--processes", "2"], 0, 2), (["--processes", "all"], 4, 4)],
)
def test_so_many_are_launched(
    study: Path,
    launches: list[launch.Workers],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    seen: int,
    wanted: int,
) -> None:
    monkeypatch.setattr(gpus, "visible", lambda: [f"gpu {n}" for n in range(seen)])
    words = ["sample", "--study", str(study), "--run", "digits", "--set", "generation-1", *FILES, *more]
    assert cli.main(words) == 0
    (asked,) = launches
    assert (asked.processes, asked.nodes) == (wanted, 1)
    assert asked.work == "drawing of digits/generation-1"


def test_one_process_launches_none(
    study: Path, launches: list[launch.Workers], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(gpus, "visible", list)
    for more in (["--processes", "1"], ["--processes", "all"]):
        words = ["sample", "--study", str(study), "--run", "digits", "--set", "generation-1", *FILES, *more]
        assert cli.main([*words, "--device", "cpu"]) == 2
        assert "a.safetensors does not exist" in capsys.readouterr().err
    assert launches == []


@pytest.mark.parametrize("number", ["0", "-1", "many", "4097"])
def test_numbers_that_make_no_sense(study: Path, number: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["sample", "--study", str(study), *FILES, "--processes", number])
    assert end.value.code == 2
    assert f"must be a whole number from 1 to 4096, not '{number}'" in capsys.readouterr().err
