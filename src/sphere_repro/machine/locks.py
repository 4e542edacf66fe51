"""Locks that the system frees when their holder dies."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.machine.files import writing


@contextlib.contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold the lock `path` while this lasts; the system frees it when its holder dies, however that happens.

    Raises:
        UserError: another process holds it.
    """
    from filelock import FileLock, Timeout

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UserError(
                f"{what} already: {path} is held by another process. Wait for its end."
            ) from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # safe while held: nobody waits for this lock
        lock.release()
