"""Locks that the system frees when their holder dies, and what happens where it has none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.machine.files import make_folder, share, without_locks, writing

_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold the lock `path` while this lasts; the system frees it when its holder dies, however that happens.

    On a file system without locks nothing is held, and that is said once.

    Raises:
        UserError: another process holds it.
    """
    with writing(path):
        make_folder(path.parent)
        handle = _taken(path, what)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # in a folder of someone else's that others may not tidy
            path.unlink()  # safe while held: nobody waits for this lock
        os.close(handle)


@contextlib.contextmanager
def turn(path: Path) -> Iterator[None]:
    """As `only_one`, but who comes second waits; the file stays, since others may wait for it.

    Raises:
        OSError: it cannot be made.
    """
    handle = opened(path)
    try:
        lock(handle, path, wait=True)
        yield
    finally:
        os.close(handle)


def opened(path: Path) -> int:
    """The lock file `path`, for writing where that is allowed: to lock it, reading is enough on most disks.

    So one that another user has made shuts nobody out. A new one has the folder's group and the umask's mode.

    Raises:
        OSError: it can be neither read nor made.
    """
    with contextlib.suppress(FileNotFoundError):
        try:
            return os.open(path, os.O_RDWR)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            return os.open(path, os.O_RDONLY)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    share(handle, path.parent)
    return handle


def lock(handle: int, path: Path, *, wait: bool = False) -> bool:
    """Lock the open file `path`; False where another process holds it (never with `wait`, which waits).

    A file system without locks counts as free: two at once are rare, and no reason to do nothing at all.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in _HELD:
            return False
        if not without_locks(error, path.parent):
            raise
    return True


def is_held(path: Path) -> bool:
    """Whether another process, or another opening of the file in this one, holds the lock `path`."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not lock(handle, path)
    finally:
        os.close(handle)


def _taken(path: Path, what: str) -> int:
    """The lock file `path`, locked; opened anew if its last holder has removed it meanwhile."""
    while True:
        handle = opened(path)
        if not lock(handle, path):
            os.close(handle)
            raise UserError(f"{what} already: {path} is held by another process. Wait for its end.")
        if _still_there(handle, path):
            return handle
        os.close(handle)


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
