"""Folders are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sphere_repro.errors import UserError
from sphere_repro.machine.folders import atomic_folder


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with atomic_folder(out) as folder:
        (folder / "a").write_text("a")
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["a"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="midway"), atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("a")
        raise RuntimeError("midway")
    assert [*tmp_path.iterdir()] == []


def test_an_empty_folder_is_filled_and_another_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as folder:
        (folder / "a").write_text("a")
    assert (tmp_path / "empty" / "a").is_file()
    with pytest.raises(UserError, match="is there already, and not empty"), atomic_folder(tmp_path / "empty"):
        raise AssertionError("must not begin")
    with (
        pytest.raises(UserError, match="is a file, and not a folder"),
        atomic_folder(tmp_path / "empty" / "a"),
    ):
        raise AssertionError("must not begin")


def test_a_new_folder_follows_the_umask(tmp_path: Path) -> None:
    (tmp_path / "usual").mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode
