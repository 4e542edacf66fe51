"""Result folders of another revision: of a commit, a branch, a tag, or an experiment of DVC."""

from __future__ import annotations

import contextlib
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.errors import UserError

FOLDER = "results"  # where none is named


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
    with tempfile.TemporaryDirectory() as scratch:
        try:
            archive = _git("archive", "--format=tar", commit, "--", folder or FOLDER)
        except subprocess.CalledProcessError as error:
            raise UserError(
                f"{revision} has no {folder or FOLDER} under git. What DVC keeps of an experiment comes with "
                f"`dvc exp apply {revision}`."
            ) from error
        packed = Path(scratch) / "archive.tar"
        packed.write_bytes(archive)
        with tarfile.open(packed) as tar:
            tar.extractall(scratch, filter="data")
        yield Path(scratch) / (folder or FOLDER)


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
