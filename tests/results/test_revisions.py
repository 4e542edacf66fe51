"""Results of other revisions: commits, tags, experiments of DVC."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from kept_results import scores, write_results

from sphere_repro.errors import UserError
from sphere_repro.results.result_tree import read_tree
from sphere_repro.results.revisions import folder_of


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    command = ["git", *who, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    git(tmp_path, "init", "-q")
    write_results(tmp_path / "results")
    write_results(tmp_path / "kept", [scores("digits", "prior", 5.0)])
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    git(tmp_path, "tag", "v1")
    git(tmp_path, "update-ref", "refs/exps/ab/cdef/brave-mole", "HEAD")
    (tmp_path / "results/fid_table.csv").unlink()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["v1", "HEAD", "brave-mole", "v1:results"])
def test_a_revision_is_read_as_it_was(name: str, repository: Path) -> None:
    with folder_of(name) as folder:
        assert len(read_tree(folder).numbers) > 5
    assert not folder.exists()


def test_another_folder_and_what_lies_here(repository: Path) -> None:
    with folder_of("v1:kept") as folder:
        assert 5.0 in read_tree(folder).numbers.values()
    with folder_of("kept") as folder:
        assert folder == Path("kept")


def test_what_is_not_there_is_told(repository: Path) -> None:
    with pytest.raises(UserError, match="git knows no revision or experiment 'v2'"), folder_of("v2"):
        pass
    with pytest.raises(UserError, match="v1 has no other under git"), folder_of("v1:other"):
        pass
    with pytest.raises(UserError, match="git knows no revision"), folder_of("--help"):
        pass
