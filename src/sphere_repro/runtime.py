"""The process a verb runs in: whole files or none, threads, device, progress, one log line."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sphere_repro.errors import UserError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SETTLED_SECONDS = 60.0
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


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
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=f".part{path.suffix}"
        )
        temporary = Path(name)
        try:
            _hold(handle)
            temporary.chmod(0o666 & ~_umask())
            yield temporary
            with temporary.open("rb") as whole:
                _hold(whole.fileno())  # again: safetensors puts a new file in the temporary's place
                os.fsync(whole.fileno())
                temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            os.close(handle)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into a `UserError` that says what to do."""
    try:
        yield
    except UserError:
        raise
    except Exception as failure:
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
        if isinstance(failure, OSError) and failure.errno in _FULL:
            return failure
        number = re.search(r"os error (\d+)", str(failure))  # safetensors tells it in words only
        if number and int(number[1]) in _FULL:
            return OSError(int(number[1]), os.strerror(int(number[1])))
        failure = failure.__cause__ or failure.__context__
    return None


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented, key-sorted JSON, atomically (same value, same bytes)."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_output(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends: no job outlives the workflow (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before we asked
        raise KeyboardInterrupt


def is_worker() -> bool:
    """Whether this process is one of several that train together, started by a launcher."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """While this lasts, Ctrl-C and SIGTERM wait: the yielded function says whether one has come.

    For loops that must stop between steps and not within one. A second signal is not kept waiting, except
    in a worker: Slurm and the launcher both tell it of the same end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may ask for signals
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: object) -> None:
        if came and not is_worker():
            raise KeyboardInterrupt
        came.append(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def progress(
    items: Iterable[T],
    *,
    label: str,
    total: int | None = None,
    unit: str = "it",
    initial: int = 0,
    scale: float = 1,
) -> Any:
    """`items`, `scale` units each, with a progress bar on standard error, if that is a terminal."""
    from tqdm import tqdm

    return tqdm(
        items,
        desc=label,
        total=total,
        unit=unit,
        initial=initial,
        unit_scale=scale,
        disable=not sys.stderr.isatty(),
        leave=False,
        dynamic_ncols=True,
    )


def pick_device(name: str) -> torch.device:
    """The torch device `name`; `auto` is the first GPU there is, else the CPU.

    Raises:
        UserError: a GPU is named and there is none, or the name is no device that this package runs on.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"Device '{name}' was asked for, but torch sees no GPU. Use --device cpu or auto.")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda") or (
            device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count() > 0
        ):
            raise RuntimeError
    except RuntimeError as error:
        raise UserError(f"There is no device '{name}'. Use --device auto, cpu, cuda or cuda:1.") from error
    return device


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: Python's, torch's on a GPU, or torch's on the CPU."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def notice(sentence: str) -> None:
    """Tell on standard error, in one line, of something odd that stops nothing."""
    sys.stderr.write(f"sphere-repro: {' '.join(sentence.split())}\n")


def note(line: str, log: Path | None) -> None:
    """Append one line to the job's log file, with the time; a log that cannot be written stops nothing."""
    if log is None or not line:
        return
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as handle:
            handle.write(f"{stamp} {line}\n")
    except OSError as error:
        print(f"sphere-repro: the log {log} cannot be written ({error.strerror}).", file=sys.stderr)


def duration(seconds: float) -> str:
    """Seconds in the unit that people would use: 2.5 h."""
    for size, unit in ((365.25 * 86400, "years"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 0.1 or not seconds else "< 0.1 s"


# A temporary is locked (flock) while its writer lives: the system frees the lock when the writer dies,
# however that happens. A process id in the name would say nothing in another container or on another machine.


def _hold(handle: int) -> None:
    with contextlib.suppress(OSError):  # a file system without locks: nothing is removed there either
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _remove_leftovers(path: Path) -> None:
    """Remove temporaries of `path` whose writers are dead: they can be locked, and are a minute old.

    The minute is for a writer between making its temporary and locking it.
    """
    name = rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.part{re.escape(path.suffix)}"
    with contextlib.suppress(OSError):  # an unreadable folder: tidying is no reason to fail
        for left in [item for item in path.parent.iterdir() if re.fullmatch(name, item.name)]:
            with contextlib.suppress(OSError), left.open("rb") as file:
                if time.time() - os.fstat(file.fileno()).st_mtime > SETTLED_SECONDS:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its writer lives
                    left.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
