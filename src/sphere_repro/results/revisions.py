"""Result folders of another revision: of a commit, a branch, a tag, or an experiment of DVC.

What git keeps of a revision is taken from git, what DVC keeps from DVC's cache, by its own command.
"""

from __future__ import annotations

import contextlib
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.results.result_tree import CLAIMS, TABLE

FOLDER = "results"  # where none is named
PARTS = (TABLE, CLAIMS, "tables", "figures")  # of a folder, what is compared


@contextlib.contextmanager
def folder_of(name: str) -> Iterator[Path]:
    """The folder or table `name`; of another revision (`REVISION`, `REVISION:FOLDER`) a copy for a while.

    Raises:
        UserError: there is neither such a path nor such a revision, or it has no such folder.
    """
    if Path(name).exists():
        yield Path(name)
        return
    revision, _, folder = name.partition(":")
    commit = _commit(revision)
    if commit is None:
        raise UserError(
            f"{name} is no folder or table, and git knows no revision or experiment '{revision}' here. "
            "Name results, reference/NAME, or a revision: main, v1.0, exp-name, each with :FOLDER."
        )
    folder = folder or FOLDER
    with tempfile.TemporaryDirectory() as scratch:
        if not (_from_git(commit, folder, Path(scratch)) or _from_dvc(commit, folder, Path(scratch))):
            raise UserError(
                f"Of {revision} there is no {folder}, neither under git nor in DVC's cache. Name another "
                f"folder ({revision}:reference/NAME), or fetch what DVC keeps (dvc fetch, dvc exp pull)."
            )
        yield Path(scratch) / folder


def _from_git(commit: str, folder: str, scratch: Path) -> bool:
    """Copy the folder below `scratch`; whether git has it."""
    try:
        archive = _git("archive", "--format=tar", commit, "--", folder)
    except subprocess.CalledProcessError:
        return False
    packed = scratch / "archive.tar"
    packed.write_bytes(archive)
    with tarfile.open(packed) as tar:
        tar.extractall(scratch, filter="data")
    return True


def _from_dvc(commit: str, folder: str, scratch: Path) -> bool:
    """Copy what is compared below `scratch`; whether DVC has the table. Other parts may be missing."""
    (scratch / folder).mkdir(parents=True)
    root = _git("rev-parse", "--show-toplevel").decode().strip()
    for part in PARTS:
        path = f"{folder}/{part}"
        command = ["dvc", "get", "-q", "--rev", commit, "-o", str(scratch / path), root, path]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (subprocess.CalledProcessError, OSError):  # OSError: there is no DVC
            if part == TABLE:
                return False
    return True


def _commit(revision: str) -> str | None:
    """The commit that git or DVC calls so."""
    if not revision or revision.startswith("-"):
        return None
    with contextlib.suppress(subprocess.CalledProcessError, OSError):
        return _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
    with contextlib.suppress(subprocess.CalledProcessError, OSError):
        lines = _git("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").decode().splitlines()
        found = {line.split()[0].rpartition("/")[2]: line.split()[1] for line in lines}
        return found.get(revision)
    return None


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout
