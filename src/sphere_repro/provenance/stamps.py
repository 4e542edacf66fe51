"""SHA-256 of files that are too large to be read by every job that uses them.

An archive of ImageNet has 133 GB, and is read by each process of a training and by each job that samples or
scores. It is hashed once; a stamp then says of which size, times and inode the file was, and as long as these
are the same, so is the hash. Whoever else wants it meanwhile waits for the stamp. `explain` reads all files.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from os import stat_result
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.machine.files import make_folder, read_json, write_json
from sphere_repro.machine.locks import turn
from sphere_repro.machine.notes import notice, notice_once
from sphere_repro.provenance.hashes import file_hash, value_hash

STAMPS = Path(".state/hashes")
LARGE = 256 << 20  # bytes; what is smaller is read faster than one could wonder
SLOW = 2 << 30  # bytes, from which one is told why nothing seems to happen
SETTLED = 2.0  # seconds: the coarsest clock of a file system, within which a change leaves the same time


def known_hash(path: str | Path) -> str:
    """SHA-256 of a file, as `hashes.file_hash`; an unchanged large file is read once.

    Where the stamp cannot be written, that is said once, and the file is read each time.

    Raises:
        OSError: it cannot be read.
    """
    path = Path(path)
    if path.stat().st_size < LARGE:
        return file_hash(path)
    stamp = STAMPS / f"{value_hash(str(path.resolve()))[:16]}.json"
    found = _stamped(stamp, path)
    if found is None:
        with _in_turn(stamp.with_suffix(".lock")):
            found = _stamped(stamp, path) or _read(path, stamp)
    return found


def _identity(stat: stat_result) -> dict[str, int]:
    """What tells a file from what it was. The change time is set by the system alone, whatever is edited."""
    return {
        "size": stat.st_size,
        "modified_ns": stat.st_mtime_ns,
        "changed_ns": stat.st_ctime_ns,
        "inode": stat.st_ino,
    }


def _stamped(stamp: Path, path: Path) -> str | None:
    """The hash in a stamp that is of this very file; None without one."""
    try:
        found = read_json(stamp)
    except UserError:  # there is none, or it is damaged
        return None
    wanted = {"path": str(path.resolve()), **_identity(path.stat())}
    if not isinstance(found, dict) or any(found.get(key) != value for key, value in wanted.items()):
        return None
    digest = found.get("sha256")
    return digest if isinstance(digest, str) and len(digest) == 64 else None


def _read(path: Path, stamp: Path) -> str:
    """Hash the file, and leave a stamp if it lay still from before until after."""
    before = path.stat()
    settled = _settle(before)
    if before.st_size >= SLOW:
        notice(f"reading the {before.st_size / 2**30:.0f} GiB of {path} once, to know whether it changes")
    digest = file_hash(path)
    identity = _identity(before)
    if settled and _identity(path.stat()) == identity:
        try:
            write_json(stamp, {"path": str(path.resolve()), **identity, "sha256": digest})
        except (UserError, OSError) as error:
            _tell(path, str(error))
    elif not settled:
        _tell(path, "its time lies in the future: the clocks of this machine and of its disk differ")
    return digest


def _settle(stat: stat_result) -> bool:
    """Wait until a change of the file would leave another time; False where it is from the future."""
    age = time.time() - max(stat.st_mtime, stat.st_ctime)
    if age < -SETTLED:
        return False
    time.sleep(max(0.0, SETTLED - age))
    return True


@contextlib.contextmanager
def _in_turn(lock: Path) -> Iterator[None]:
    """Alone, where there are locks and they can be made; else at once."""
    with contextlib.ExitStack() as stack:
        try:
            make_folder(lock.parent)
            stack.enter_context(turn(lock))
        except OSError as error:
            notice_once("no-stamps", f"{lock} cannot be made ({error.strerror}): large files are read anew.")
        yield


def _tell(path: Path, why: str) -> None:
    notice_once("no-stamps", f"that {path} was read cannot be kept, so every job reads it anew: {why}")
