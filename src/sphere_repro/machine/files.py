"""Whole files or none: atomic output, refusals of the operating system in plain words, JSON and text."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sphere_repro.errors import UserError
from sphere_repro.machine.notes import notice_once

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# EBADF: a network file system that locks only files open for writing, and this one is open for reading.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
# A network file system that stumbles. A local disk says EIO too: such a file is told of, and left alone.
PASSING = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EREMOTEIO, errno.EAGAIN, errno.ECONNRESET}
SETTLED_SECONDS = 60.0


@contextlib.contextmanager
def atomic_output(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    A reader sees the old file or the whole new one, never half of it; the old one survives any failure.
    What writers that were killed have left beside `path` is removed.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    check_writable(path)
    with writing(path):
        make_folder(path.parent)
        _remove_leftovers(path)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=f".part{path.suffix}"
        )
        temporary = Path(name)
        try:
            _hold(handle, path.parent)
            share(handle, path.parent)
            yield temporary
            with _to_lock(temporary) as whole:
                # again: safetensors puts a new file in the temporary's place, for its owner alone
                _hold(whole.fileno(), path.parent)
                share(whole.fileno(), path.parent)
                os.fsync(whole.fileno())
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(handle)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into a `UserError` that says what to do.

    An interrupt stays one: writers that it broke off hide it in errors of their own ("unexpected pos").
    """
    try:
        yield
    except UserError:
        raise
    except Exception as failure:
        if _interrupted(failure):
            raise KeyboardInterrupt from failure
        error = _refusal(failure)
        if error is None:
            raise
        if error.errno in _FULL:
            raise UserError(
                f"No space left on the disk while writing {path}. Free some space and run the same command "
                "again: nothing that was finished is lost."
            ) from failure
        if error.errno in _FORBIDDEN:
            raise UserError(
                f"{path} cannot be written ({error.strerror}). Make {path.parent} writable."
            ) from failure
        if error.errno in {errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG}:
            raise UserError(
                f"{path} cannot be written ({error.strerror}). Choose another output path."
            ) from failure
        if error is not failure:
            raise error from failure
        raise


def check_writable(path: Path) -> None:
    """Find out before the work whether `path` can be an output at all.

    Raises:
        UserError: a folder or a device lies there, a part of its folder is a file, or that is read-only.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} cannot be written: it is no ordinary file. Choose another output path.")
        folder = next(parent for parent in path.absolute().parents if parent.exists())
    except OSError:  # a part of the path is a file, or a name is too long: writing will tell
        return
    if not folder.is_dir():
        raise UserError(f"{path} cannot be written: {folder} is a file. Choose another output path.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{path} cannot be written: {folder} is read-only. Make {path.parent} writable.")


def _refusal(failure: BaseException | None) -> OSError | None:
    """The operating system's refusal behind `failure`: libraries hide a full disk in errors of their own."""
    if isinstance(failure, OSError):
        return failure
    while failure is not None:
        if isinstance(failure, OSError) and failure.errno in _FULL | PASSING:
            return failure
        number = re.search(r"os error (\d+)", str(failure))  # safetensors tells it in words only
        if number and int(number[1]) in _FULL:
            return OSError(int(number[1]), os.strerror(int(number[1])))
        failure = failure.__cause__ or failure.__context__
    return None


def _interrupted(failure: BaseException | None) -> bool:
    while failure is not None and not isinstance(failure, KeyboardInterrupt):
        failure = failure.__cause__ or failure.__context__
    return failure is not None


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented, key-sorted JSON, atomically (same value, same bytes)."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically.

    Bytes of a file name that are no UTF-8, which Python holds as lone surrogates, are written as \\udc80 to
    \\udcff: in JSON the same string comes back.
    """
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist. Make it first, or check the path.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not a readable JSON file ({error}). Delete it and make it again."
        ) from error


def without_locks(error: OSError, folder: Path) -> bool:
    """Whether a lock was refused because there are none on this file system; that is told once."""
    if error.errno not in _NO_LOCKS:
        return False
    notice_once(
        "no-locks",
        f"the file system of {folder} has no locks ({os.strerror(error.errno or 0)}). See to it that no two "
        "commands work on the same results at once; what killed ones leave there (.NAME.….part) stays.",
    )
    return True


def _hold(handle: int, folder: Path) -> None:
    """Lock a temporary, so that nobody takes it for a leftover; without locks nothing is removed either."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        without_locks(error, folder)


def _to_lock(path: Path) -> IO[bytes]:
    """An existing file, for writing where that is allowed: a network file system locks no other."""
    try:
        return path.open("r+b")
    except PermissionError:  # somebody else's: most file systems lock it all the same
        return path.open("rb")


def _remove_leftovers(path: Path) -> None:
    """Remove temporaries of `path` whose writers are dead: they can be locked, and are a minute old.

    The minute is for a writer between making its temporary and locking it.
    """
    name = rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.part{re.escape(path.suffix)}"
    with contextlib.suppress(OSError):  # an unreadable folder: tidying is no reason to fail
        for left in [item for item in path.parent.iterdir() if re.fullmatch(name, item.name)]:
            with contextlib.suppress(OSError), _to_lock(left) as file:
                if time.time() - os.fstat(file.fileno()).st_mtime > SETTLED_SECONDS:
                    _remove_unlocked(left, file)


def _remove_unlocked(left: Path, file: IO[bytes]) -> None:
    """Remove a temporary whose writer is dead: while it lives, the lock is refused."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        without_locks(error, left.parent)
        return
    left.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Have `folder` and all above it; new ones follow the umask and belong to the group of the one above."""
    missing = [item for item in (folder, *folder.parents) if not item.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for new in reversed(missing):
        _join_group(new, new.parent)


def share(handle: int, folder: Path) -> None:
    """Let an open file be read by whom an ordinary new one in `folder` would be: umask, the folder's group.

    Temporary files and those of some libraries are for their owner alone. Where a file system has no modes,
    or the user is not in that group, it stays as it is.
    """
    with contextlib.suppress(OSError):
        os.fchmod(handle, 0o666 & ~umask())
    _join_group(handle, folder)


def umask() -> int:
    """The mode bits that this process takes from new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _join_group(new: Path | int, folder: Path) -> None:
    with contextlib.suppress(OSError):
        os.chown(new, -1, folder.stat().st_gid)
