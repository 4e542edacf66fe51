"""The command line: help, exit status, what is printed and what is logged."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import ROOT
from sphere_repro import __version__, cli, commands
from sphere_repro.cli import main
from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError
from sphere_repro.machine.notes import notice

SMOKE = str(ROOT / "params" / "smoke.yaml")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"sphere-repro {__version__}\n"


@pytest.mark.parametrize("verb", [None, *sorted(cli.VERBS)])
def test_help(capsys: pytest.CaptureFixture[str], verb: str | None) -> None:
    with pytest.raises(SystemExit) as left:
        main([*([verb] if verb else []), "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: sphere-repro")
    for name in cli.VERBS if verb is None else ("--threads", "--log"):
        assert name in text


def test_every_module_of_a_verb_is_listed_under_its_name() -> None:
    names = [item.name for item in pkgutil.iter_modules(commands.__path__, "sphere_repro.commands.")]
    found = [getattr(importlib.import_module(name), "VERB", None) for name in names]
    known = {verb.name for verb in found if isinstance(verb, Verb)}
    assert tuple(cli.verbs()) == cli.VERBS and set(cli.VERBS) == known and len(cli.VERBS) == len(known)
    (choices,) = [
        action.choices for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)
    ]
    assert tuple(choices or ()) == cli.VERBS


HEAVY = ("matplotlib", "numpy", "pandas", "pydantic", "torch", "yaml")


def test_the_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from sphere_repro.cli import parser; parser().format_help(); "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.stdout == "[]\n"


def test_module_and_entry_point_are_the_same_program() -> None:
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"sphere-repro": "sphere_repro.cli:main"}
    done = subprocess.run(
        [sys.executable, "-m", "sphere_repro", "check", SMOKE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "study 'smoke'" in done.stdout


def test_a_log_takes_the_place_of_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", SMOKE]) == 0
    shown = capsys.readouterr().out
    log = tmp_path / "deep" / "a.log"
    for _ in range(2):
        assert main(["check", SMOKE, "--log", str(log)]) == 0
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ "
    assert re.fullmatch(f"({stamp}{re.escape(shown)}){{2}}", log.read_text())


def test_a_log_that_cannot_be_written_stops_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["check", SMOKE, "--log", str(tmp_path)]) == 0
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("One thing. Mend it.", "One thing. Mend it."),
        ("several\n  lines\tand   gaps", "several lines and gaps."),
        ("no run 'a'; did you mean 'b'?", "no run 'a'; did you mean 'b'?"),
        ("no figure 'a'; did you mean 'b'?.", "no figure 'a'; did you mean 'b'?"),
    ],
)
def test_a_mistake_is_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    message: str,
    shown: str,
) -> None:
    def fail(*_: Any) -> None:
        raise UserError(message)

    monkeypatch.setattr("sphere_repro.study.config.load_study", fail)
    log = tmp_path / "a.log"
    assert main(["check", SMOKE, "--log", str(log)]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"sphere-repro: {shown}\n" and captured.out == ""
    assert log.read_text().endswith(f"Z failed: {shown}\n")


def test_a_refusal_of_the_system_is_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error", "some/file")

    monkeypatch.setattr("sphere_repro.study.config.load_study", fail)
    assert main(["check", SMOKE]) == 2
    assert capsys.readouterr().err == (
        "sphere-repro: check: the system refused: Input/output error (some/file). Check path and disk.\n"
    )


def test_notices_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    notice("an odd\n   thing")
    assert capsys.readouterr().err == "sphere-repro: an odd thing\n"


def test_threads_are_set_before_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    monkeypatch.setattr(
        "sphere_repro.commands.generate.generate", lambda *_, **__: seen.append("work") or "done"
    )
    assert main(["generate", "m", str(tmp_path / "o.zip"), "--threads", "3"]) == 0
    assert seen == [3, "work"]


def test_verbs_without_torch_do_not_load_it() -> None:
    """`check` and the like start at once, and work where torch does not."""
    script = (
        "import sys; from sphere_repro.cli import main; "
        f"main(['check', {SMOKE!r}]); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0


def test_commands_also_run_outside_the_main_thread(capsys: pytest.CaptureFixture[str]) -> None:
    """A notebook or a server may: only signals are the main thread's alone."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(main(["check", SMOKE])))
    thread.start()
    thread.join()
    assert found == [0]


def test_a_reader_that_stops_listening_is_nobodys_mistake() -> None:
    """`sphere-repro check … | head -0`: no traceback, also not from Python's own last flush."""
    command = [sys.executable, "-m", "sphere_repro", "check", str(ROOT / "params/smoke.yaml")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command, env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")
