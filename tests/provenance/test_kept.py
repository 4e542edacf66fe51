"""Parts that are kept: what is taken up, what is refused, what is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sphere_repro.errors import UserError
from sphere_repro.provenance import maker as makers
from sphere_repro.provenance.code import SAMPLE
from sphere_repro.provenance.kept import Kept, kept_parts
from sphere_repro.provenance.maker import difference, maker

ENTRIES = [("7.png", b"seven"), ("8.png", b"eight")]


def parts(folder: Path, *, fixes: dict[str, Any] | None = None, **changes: Any) -> Kept:
    given = {"maker": maker(SAMPLE), "what": "digits/prior"} | changes
    return kept_parts(folder, ("sample", "digits", "prior"), fixes or {"job": 1}, **given)


def test_what_was_written_is_read_in_its_order(tmp_path: Path) -> None:
    kept = parts(tmp_path)
    assert kept.missing(3) == [0, 1, 2]
    kept.write(1, ENTRIES)
    assert kept.missing(3) == [0, 2] and list(kept.read(1)) == [b"seven", b"eight"]
    arrays = {"b": np.arange(3.0), "a": np.ones((2, 2), np.float32)}
    kept.write_arrays(0, arrays)
    for found, wanted in zip(kept.read_arrays(0), arrays.values(), strict=True):
        assert found.dtype == wanted.dtype and np.array_equal(found, wanted)
    kept.remove()
    assert kept.missing(3) == [0, 1, 2] and not kept.folder.exists()


def test_another_job_has_another_folder(tmp_path: Path) -> None:
    parts(tmp_path).write(0, ENTRIES)
    assert parts(tmp_path, fixes={"job": 2}).missing(1) == [0]
    assert parts(tmp_path).missing(1) == []


def test_a_part_of_another_job_is_refused(tmp_path: Path) -> None:
    mine, other = parts(tmp_path), parts(tmp_path, fixes={"job": 2})
    other.write(0, ENTRIES)
    mine.write(1, ENTRIES)
    other.path(0).replace(mine.path(0))
    with pytest.raises(UserError, match=r"is a part of another job, not of digits/prior\. Delete the folder"):
        mine.missing(2)
    assert mine.path(0).is_file()


@pytest.mark.parametrize(("what", "words"), [("code", "other code"), ("torch", r"torch \S+ \(now 9\.9\)")])
def test_parts_by_other_code_are_refused_or_made_anew(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    words: str,
) -> None:
    parts(tmp_path).write(0, ENTRIES)
    if what == "code":
        monkeypatch.setattr(makers, "code_hash", lambda *_: "f" * 64)
    else:
        today = makers.versions()
        monkeypatch.setattr(makers, "versions", lambda: today | {"torch": "9.9"})
    with pytest.raises(UserError, match=rf"1 parts of digits/prior in .* were made by {words}.*delete that"):
        parts(tmp_path).missing(2)
    assert parts(tmp_path).path(0).is_file()
    assert parts(tmp_path, anew=True).missing(2) == [0, 1]
    assert "they are made anew" in capsys.readouterr().err and not parts(tmp_path).path(0).is_file()


def test_packages_that_have_no_part_in_it_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts(tmp_path, maker=maker(SAMPLE, without=("scipy",))).write(0, ENTRIES)
    today = makers.versions()
    monkeypatch.setattr(makers, "versions", lambda: today | {"scipy": "9.9"})
    assert parts(tmp_path, maker=maker(SAMPLE, without=("scipy",))).missing(1) == []
    assert difference(maker(SAMPLE), maker(SAMPLE)) == ""


def test_another_machine_stops_nothing_and_is_listed(tmp_path: Path) -> None:
    here, there = maker(SAMPLE), maker(SAMPLE)
    there["machine"] = {"processor": "another"}
    for number, who in enumerate((here, there, here)):
        parts(tmp_path, maker=who).write(number, ENTRIES)
    assert parts(tmp_path).missing(3) == []
    found = parts(tmp_path).machines(3)
    assert found == [{"parts": 2, "machine": here["machine"]}, {"parts": 1, "machine": there["machine"]}]


@pytest.mark.parametrize("damage", [b"", b"PK", None])
def test_a_part_cut_short_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes | None
) -> None:
    kept = parts(tmp_path)
    kept.write(0, ENTRIES)
    content = kept.path(0).read_bytes()
    kept.path(0).write_bytes(content[:-9] if damage is None else damage)
    assert kept.missing(1) == [0] and not kept.path(0).exists()
    assert "was damaged; it is removed and made again" in capsys.readouterr().err


def test_flipped_bytes_are_found_when_they_are_read(tmp_path: Path) -> None:
    kept = parts(tmp_path)
    kept.write(0, ENTRIES)
    content = kept.path(0).read_bytes()
    kept.path(0).write_bytes(content.replace(b"seven", b"eleve"))
    assert kept.missing(1) == []
    with pytest.raises(UserError, match=r"was damaged .* Run the same command again: only that part"):
        list(kept.read(0))
    assert kept.missing(1) == [0]


def test_two_commands_never_make_the_same_parts(tmp_path: Path) -> None:
    words = "digits/prior is being made already"
    with parts(tmp_path).alone(), pytest.raises(UserError, match=words), parts(tmp_path).alone():
        raise AssertionError("never reached")
    with parts(tmp_path).alone():
        pass


def test_a_disk_that_fails_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = parts(tmp_path)
    kept.write(0, ENTRIES)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("zipfile.ZipFile", fail)
        with pytest.raises(OSError, match="Input/output"):
            kept.missing(1)
    assert kept.missing(1) == []
