"""What people are told: also of files whose names are no text, and once where once is enough."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from sphere_repro.machine import notes
from sphere_repro.machine.files import read_json, write_json

ODD = os.fsdecode(b"caf\xe9.png")  # Latin-1, no UTF-8


def test_a_log_takes_names_that_are_no_utf8(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "a.log"
    notes.note(f"train: {ODD}, α = 80°", log)
    assert log.read_text(encoding="utf-8").endswith("train: caf\\udce9.png, α = 80°\n")


def test_json_gives_such_names_back(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"path": ODD, "angle": "80°"})
    assert read_json(tmp_path / "a.json") == {"path": ODD, "angle": "80°"}
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["path"] == ODD


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_standard_output_takes_them(encoding: str) -> None:
    """A command that succeeds and names such a file ends with status 0."""
    code = (
        "from sphere_repro.machine.notes import print_anything; print_anything(); "
        "import os; print(os.fsdecode(b'caf\\xe9.png'), 'α')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0 and done.stdout.startswith(b"caf\\udce9.png"), done.stderr.decode()


def test_streams_that_cannot_be_set_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.BytesIO())
    notes.print_anything()


def test_the_command_line_names_such_files(tmp_path: Path) -> None:
    """In its answer, in its error, and in its log, with the status that it would have anyway."""
    study = tmp_path / os.fsdecode(b"caf\xe9.yaml")
    study.write_text((ROOT / "params" / "smoke.yaml").read_text())
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "sphere_repro", "check"]
    for options in ([], ["--log", str(tmp_path / "a.log")]):
        done = subprocess.run(
            [*command, *options, str(study)], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
    assert "caf\\udce9.yaml" in (tmp_path / "a.log").read_text()
    study.write_text("study: [")
    done = subprocess.run([*command, str(study)], env=environment, capture_output=True, check=False)
    assert done.returncode == 2 and b"Traceback" not in done.stderr and b"caf\\udce9.yaml" in done.stderr


def test_once_is_once(capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("a", "a", "b"):
        notes.notice_once(key, f"this is {key}.")
    assert capsys.readouterr().err == "sphere-repro: this is a.\nsphere-repro: this is b.\n"


def test_once_among_all_jobs_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(notes.TOLD, str(tmp_path))
    for _ in range(3):  # three processes
        monkeypatch.delenv(notes.SAID, raising=False)
        notes.notice_once("a", "this is a.")
    assert capsys.readouterr().err == "sphere-repro: this is a.\n"
    monkeypatch.setenv(notes.TOLD, str(tmp_path / "gone"))
    monkeypatch.delenv(notes.SAID, raising=False)
    notes.notice_once("a", "this is a.")
    assert capsys.readouterr().err == "sphere-repro: this is a.\n"
