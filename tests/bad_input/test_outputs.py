"""Outputs that cannot be written: wrong places, a full disk, a read-only one."""

from __future__ import annotations

import contextlib
import json
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bad_input.bench import OLD, VERBS, Bench
from conftest import mounted
from sphere_repro.cli import main


@pytest.mark.parametrize("verb", VERBS)
def test_output_that_cannot_be_written(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    """A file where a folder should be, a folder and a device where the file should be."""
    suffix = Path(bench.command(verb)[-1]).suffix or ".zip"
    (bench.out / "folder.d").mkdir()
    for out in (bench.data / f"a{suffix}", bench.out / "folder.d", Path("/dev/null")):
        changes = {"places": [bench.model, out]} if verb == "generate" else {"out": out}
        refused(bench.command(verb, **changes), "cannot be written", "Choose another output path")
    assert Path("/dev/null").is_char_device()


def test_a_state_folder_that_is_a_file(bench: Bench, refused: Callable[..., str]) -> None:
    refused(bench.command("train", state=bench.data), "cannot be written", "another output path")


@pytest.mark.parametrize(
    ("verb", "changes", "words"),
    [
        ("sample", {"out": "digits.zip"}, "both --data and --out"),
        ("sample", {"out": "digits/model.safetensors"}, "both --model and --out"),
        ("encode", {"out": "digits/../digits.zip"}, "both --data and --out"),
        ("prepare", {"out": "out/b.json"}, "both --out and the .json beside --out"),
        ("train", {"curves": "out/a.safetensors"}, "--curves"),
        ("train", {"curves": "out/a.json"}, "--curves"),
        ("uniformity", {"out": "digits/latents.json"}, "both --latents and the .npz beside --out"),
        ("table", {"out": "digits/scores.json"}, "both --scores and"),
        ("table", {"out": "digits/scores.csv"}, "both --scores and the .json beside --out"),
        ("figure", {"out": "digits/training.csv"}, "both --inputs and --out"),
        ("claims", {"out": "digits/uniformity.json"}, "both --uniformity and --out"),
        ("generate", {"places": ["digits/model.safetensors"] * 2}, "both --model and --out"),
    ],
)
def test_outputs_that_are_inputs(
    bench: Bench, refused: Callable[..., str], verb: str, changes: dict[str, Any], words: str
) -> None:
    placed = {
        name: [bench.folder / item for item in value] if isinstance(value, list) else bench.folder / value
        for name, value in changes.items()
    }
    refused(bench.command(verb, **placed), words, "Rename one")


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The operating system refuses to let any file grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "score"])  # written as the others are
def test_no_space(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    with no_file_above(64):
        refused(bench.command(verb), "No space left on the disk while writing", "Free some space")


@pytest.mark.parametrize("verb", ["train", "sample", "encode", "table"])
def test_no_space_when_the_file_is_finished(
    bench: Bench, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(bench.command(verb), "No space left on the disk while writing")


@pytest.fixture
def small_disk(bench: Bench) -> Iterator[Path]:
    """A disk of 200 kB that holds older outputs."""
    yield from mounted(bench.folder / "disk", "size=200k")


@pytest.fixture
def read_only_disk(bench: Bench) -> Iterator[Path]:
    yield from mounted(bench.folder / "disk", "ro")


@pytest.mark.parametrize("verb", ["prepare", "train", "sample", "encode", "generate"])
def test_a_disk_that_is_really_full(
    bench: Bench, refused: Callable[..., str], small_disk: Path, verb: str
) -> None:
    for suffix in ("zip", "safetensors", "csv", "npz", "json"):
        (small_disk / f"a.{suffix}").write_bytes(OLD)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1024))
            file.flush()
    bench.out = small_disk
    arguments = bench.command(verb, **({"count": 64} if verb == "generate" else {}))
    refused(arguments, "No space left on the disk", unchanged=verb != "train")  # its state folder is new
    os.truncate(filler, filler.stat().st_size - 4096)  # begins to write, and fails in the middle
    refused(arguments, "No space left on the disk", unchanged=verb != "train")
    assert (small_disk / "a.zip").read_bytes() == OLD and (small_disk / "a.safetensors").read_bytes() == OLD


def test_training_goes_on_when_there_is_space_again(
    bench: Bench, capsys: pytest.CaptureFixture[str], small_disk: Path
) -> None:
    """The disk is full for the curves, not for the state: no step is trained twice."""
    arguments = bench.command("train", curves=small_disk / "a.csv")
    filler = small_disk / "filler"
    with contextlib.suppress(OSError):
        filler.write_bytes(bytes(300_000))
    assert main(arguments) == 2
    assert "No space left" in capsys.readouterr().err
    filler.unlink()
    assert main(arguments) == 0
    made = json.loads((bench.out / "a.json").read_text())
    assert made["resumed_at_step"] == made["steps"] == 6
    assert (bench.out / "a.safetensors").read_bytes() == bench.model.read_bytes()
    assert (small_disk / "a.csv").read_bytes() == bench.curves.read_bytes()


@pytest.mark.parametrize("verb", VERBS)
def test_a_disk_that_is_read_only(
    bench: Bench, refused: Callable[..., str], read_only_disk: Path, verb: str
) -> None:
    bench.out = read_only_disk
    refused(bench.command(verb), "cannot be written", f"{read_only_disk} is read-only")
