"""Whole folders or none."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.machine.files import check_writable, make_folder, umask, writing


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it to `path` when the block succeeds.

    Raises:
        UserError: something lies there already, the disk is full or the folder above cannot be written.
    """
    refuse_taken(path)
    with writing(path):
        make_folder(path.absolute().parent)
        temporary = Path(
            tempfile.mkdtemp(dir=path.absolute().parent, prefix=f".{path.name}.", suffix=".part")
        )
        try:
            temporary.chmod(0o777 & ~umask())
            yield temporary
            temporary.replace(path)  # an empty folder gives way
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def refuse_taken(path: Path) -> None:
    """Raises UserError where `path` is a file, a folder that is not empty, or cannot be made."""
    if path.is_dir():
        if any(path.iterdir()):
            raise UserError(f"{path} is there already, and not empty. Choose another folder.")
        path = path / "new"
    elif path.exists():
        raise UserError(f"{path} is a file, and not a folder. Choose another folder.")
    check_writable(path)
