"""Results of other revisions: commits, tags, experiments of DVC."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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


def dvc(folder: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=folder, check=True, capture_output=True)


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


def test_what_dvc_keeps_of_an_experiment_is_read(repository: Path) -> None:
    """Git ignores the folder: the numbers come from DVC's cache, without models and samples."""
    stage = {"cmd": "true", "outs": [f"apart/{name}" for name in ("fid_table.csv", "claims.csv", "figures")]}
    write_results(repository / "apart", [scores("digits", "prior", 7.0)])
    (repository / "dvc.yaml").write_text(json.dumps({"stages": {"tables": stage}}))
    (repository / ".gitignore").write_text("apart/\n")
    dvc(repository, "init", "-q")
    dvc(repository, "commit", "-q", "-f")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "two")
    git(repository, "update-ref", "refs/exps/12/3456/calm-hare", "HEAD")
    git(repository, "reset", "-q", "--hard", "HEAD~1")
    shutil.rmtree(repository / "apart")
    with folder_of("calm-hare:apart") as folder:
        tree = read_tree(folder)
    assert 7.0 in tree.numbers.values() and list(tree.figures) == ["refinement"] and tree.verdicts
    assert not tree.bits
    shutil.rmtree(repository / ".dvc/cache")
    with pytest.raises(UserError, match="neither under git nor in DVC's cache"), folder_of("calm-hare:apart"):
        pass


def test_what_is_not_there_is_told(repository: Path) -> None:
    with pytest.raises(UserError, match="git knows no revision or experiment 'v2'"), folder_of("v2"):
        pass
    with (
        pytest.raises(UserError, match="Of v1 there is no other, neither under git nor in DVC's cache"),
        folder_of("v1:other"),
    ):
        pass
    with pytest.raises(UserError, match="git knows no revision"), folder_of("--help"):
        pass
