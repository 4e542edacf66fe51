"""How a command ends: well, out of memory, by a fault, by a signal; as a user types it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from bad_input.bench import INTERRUPTED, OLD, OLDER, VERBS, Bench, contents, in_run
from conftest import PATIENCE, ROOT


def test_the_commands_are_good(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """What the other tests spoil works as it stands; so short a training teaches nothing, which is told."""
    for verb in VERBS:
        assert bench.run(verb) == 0, verb
    told = capsys.readouterr().err.splitlines()
    expected = ("digits learned nothing", "classes of digits", "scores of digits that say nothing")
    assert len(told) == len(expected)
    assert all(words in line for words, line in zip(expected, told, strict=True))
    assert all(data != OLD for data in contents(bench.out).values())


def fail(error: BaseException) -> None:
    raise error


def stand_in(monkeypatch: pytest.MonkeyPatch, verb: str, work: Callable[..., object]) -> None:
    """What a verb does, replaced."""
    monkeypatch.setattr(f"sphere_repro.commands.{verb}.{verb}", work)


OUT_OF_MEMORY: dict[str, Callable[[], object]] = {
    "Python": lambda: bytearray(2**62),
    "NumPy": lambda: np.empty(2**57),
    "torch": lambda: torch.empty(2**60),
    "a GPU": lambda: fail(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nGPU 0 …")),
}


@pytest.mark.parametrize("library", OUT_OF_MEMORY)
def test_memory_that_runs_out(
    bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    for verb, words in (
        ("prepare", "Use a machine with more"),
        ("sample", "Lower sampling.batch_size."),
        ("score", "Lower score.batch_size."),
        ("figure", "Use a machine with more"),
    ):
        stand_in(monkeypatch, verb, lambda *_, **__: OUT_OF_MEMORY[library]())
        refused(bench.command(verb), f"{verb} ran out of memory", words)


def test_other_faults_keep_their_traceback(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program itself is not dressed up as the user's mistake."""
    for error in (RuntimeError("shapes do not match"), ValueError("odd"), KeyError("odd")):
        stand_in(monkeypatch, "train", lambda *_, error=error: fail(error))
        with pytest.raises(type(error)):
            bench.run("train")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("verb", ["prepare", "train", "sample", "encode", "table", "claims", "generate"])
def test_interrupted_while_writing(
    bench: Bench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str, name: str
) -> None:
    handler = signal.getsignal(signal.SIGTERM)

    def impatient(_: int) -> None:
        for _ in range(3):  # a training waits for the state to be written until the third
            signal.raise_signal(getattr(signal, name))

    monkeypatch.setattr(os, "fsync", impatient)
    assert bench.run(verb) == 130
    assert capsys.readouterr().err == INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is handler
    after = contents(bench.out)
    assert {name for name in after if not name.startswith("state/")} == set(OLDER)
    assert all(after[name] == OLD for name in OLDER)
    assert not [name for name in after if ".part" in name]


def test_log_of_failures(bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    log = bench.folder / "logs" / "a.log"
    refused(bench.command("sample", set="none", log=log), "no sample set 'none'", unchanged=False)
    stand_in(monkeypatch, "sample", lambda *_: fail(KeyboardInterrupt()))
    assert bench.run("sample", log=log) == 130
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    assert "failed: " in lines[0] and "no sample set 'none'" in lines[0]
    assert lines[1].endswith("sample: interrupted")


def typed(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sphere_repro", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        timeout=PATIENCE,
        **settings,
    )


def test_typed_mistakes(bench: Bench) -> None:
    bench.with_study(in_run("training", "bach_size", value=8))
    for arguments, words in (
        (["check", str(bench.study)], "did you mean 'batch_size'?"),
        (bench.command("generate", places=[bench.data, bench.out / "a.zip"]), "not a safetensors file"),
    ):
        done = typed(*arguments)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.startswith("sphere-repro: ") and done.stderr.count("\n") == 1
        assert words in done.stderr


def test_typed_and_stopped(bench: Bench) -> None:
    """A training that is stopped leaves no temporary file, and what was there before."""
    bench.with_study(in_run("execution", value={"checkpoint_seconds": 1e-6, "checkpoint_share": 1}))
    bench.with_study(in_run("training", "epochs", value=400))
    child = subprocess.Popen(
        [sys.executable, "-m", "sphere_repro", *bench.command("train")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    try:
        while not list((bench.out / "state").glob("*.pt")) and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGTERM)
        _, message = child.communicate(timeout=PATIENCE)
    finally:
        child.kill()
    assert child.returncode == 130
    assert message == INTERRUPTED
    names = [path.name for path in bench.out.rglob("*") if path.is_file()]
    assert [name for name in names if ".part" in name] == []
    assert 1 <= len([name for name in names if name.endswith(".pt")]) <= 2
    assert (bench.out / "a.safetensors").read_bytes() == OLD
