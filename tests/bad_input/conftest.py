"""Shared by all tests of bad input: the finished study, and what every refusal has in common."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from bad_input.bench import OLD, OLDER, SETS, STUDY, Bench, contents
from sphere_repro.cli import main
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.embedded import digits


@pytest.fixture(scope="session")
def template(once: Callable[..., Path]) -> Path:
    """The tiny study, run once by the command line."""
    return once("bench", make)


def make(folder: Path) -> None:
    folder.mkdir()
    bench = Bench(folder)
    bench.study.write_text(yaml.safe_dump(STUDY))
    images, labels = digits()
    write_archive(bench.data, images[:48], np.asarray(labels[:48]))
    for run, model in (("digits", bench.model), ("digits-vae", bench.vae)):
        home = model.parent
        assert bench.run("train", run=run, out=model, curves=home / "training.csv") == 0
        names = SETS if run == "digits" else ("reconstruction", "prior", "posterior")
        for name in names:
            out = home / "samples" / f"{name}.zip"
            assert bench.run("sample", run=run, set=name, model=model, out=out) == 0
        assert bench.run("encode", run=run, model=model, out=home / "latents.npz") == 0
    assert bench.run("reference", out=bench.reference) == 0
    assert bench.run("score", out=bench.scores) == 0
    assert bench.run("uniformity", out=bench.uniformity) == 0
    shutil.rmtree(bench.out, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every output is flushed to the disk, which costs the tests more than all the rest."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def bench(template: Path, tmp_path: Path) -> Bench:
    """A copy that a test may spoil, with older files where the outputs go."""
    shutil.copytree(template, tmp_path / "bench", ignore=shutil.ignore_patterns("reference.npz"))
    bench = Bench(tmp_path / "bench")
    bench.reference.symlink_to(template / "reference.npz")  # 13 MB, which few tests spoil: `own_reference`
    bench.out.mkdir()
    for name in OLDER:
        (bench.out / name).write_bytes(OLD)
    return bench


@pytest.fixture
def refused(
    bench: Bench, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> Callable[..., str]:
    """Run a command that must fail as all bad input must; its sentence contains all the words."""

    def check(arguments: list[str], *words: str, unchanged: bool = True) -> str:
        before = contents(bench.folder)
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as leave:  # argparse's way out
            status = int(str(leave.code))
        captured = capsys.readouterr()
        assert status == 2
        assert captured.out == ""
        assert captured.err.startswith("sphere-repro: ") and captured.err.count("\n") == 1
        assert captured.err.rstrip().endswith((".", "?"))
        for strange in ("Traceback", "pydantic", "  ", "object at 0x", "?."):
            assert strange not in captured.err
        for word in words:
            assert word in captured.err
        assert not [warning for warning in recwarn if warning.category is not ResourceWarning]
        after = contents(bench.folder)
        assert not [name for name in after if ".part" in name]
        if unchanged:
            assert after == before
        return captured.err

    return check
