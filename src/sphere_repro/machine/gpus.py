"""GPUs of one's own: jobs of one machine, whoever started them, never meet on a GPU unless asked to."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.errors import UserError
from sphere_repro.machine import unused
from sphere_repro.machine.devices import pick_device
from sphere_repro.machine.files import writing
from sphere_repro.machine.locks import lock as locked
from sphere_repro.machine.notes import notice
from sphere_repro.machine.processes import is_worker

if TYPE_CHECKING:
    import torch

SHARE = "SPHERE_REPRO_SHARE_GPUS"
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class _Lock:
    """GPU number `index`, held as long as the file `handle` is open in this process or a fork of it."""

    index: int
    handle: int


@contextlib.contextmanager
def device(name: str) -> Iterator[torch.device]:
    """The torch device `name` for as long as this lasts; `auto` is a GPU of one's own, or the CPU.

    A device that is named (`cuda`, `cuda:1`) is shared with whoever else uses it. A worker takes the GPU of
    its place on the machine: its launcher holds them all.

    Raises:
        UserError: there is no such device, or none that computes in a Slurm job that asked for a GPU.
    """
    import torch

    if name not in ("auto", "cuda") or not unused.torch_sees_a_gpu():
        yield pick_device(name)
    elif is_worker():
        yield pick_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
    elif name == "cuda":
        yield pick_device(name)
    else:
        with lease(1) as taken:
            chosen = torch.device("cuda", taken[0])
            why = unused.broken(chosen)
            if why is None:
                yield chosen
                return
        unused.tell(why)
        yield torch.device("cpu")


@contextlib.contextmanager
def lease(
    count: int,
    *,
    names: Sequence[str] | None = None,
    folder: Path | None = None,
    setting: str = "execution.processes",
) -> Iterator[tuple[int, ...]]:
    """Hold `count` GPUs for as long as this lasts; their numbers among `names`, none where there is no GPU.

    While too few are free it holds none and waits, so that two jobs that want several each never wait for
    one another. The system frees the GPUs of a process that dies, however that happens.
    `SPHERE_REPRO_SHARE_GPUS=1` takes the first ones, free or not.

    Args:
        names: the GPUs there are, by a name that every process of the machine knows them by (their UUIDs,
            from torch, which minds CUDA_VISIBLE_DEVICES).
        folder: where the locks lie, the same for all users of the machine.
        setting: what to lower where there are fewer, for the message.

    Raises:
        UserError: the machine has fewer GPUs, none that torch can use in a Slurm job that asked for one, or
            the locks cannot be written.
    """
    names = visible() if names is None else names
    if not names and not is_worker():
        unused.tell(unused.reason())
    if 0 < len(names) < count:
        raise UserError(
            f"{count} processes need a GPU each, but there are {len(names)} here. Lower {setting} (the "
            "results stay the same), or use a machine with more."
        )
    if not names or os.environ.get(SHARE, "0") not in ("", "0"):
        yield tuple(range(min(count, len(names))))
        return
    locks = _wait(names, count, folder or Path(tempfile.gettempdir()) / "sphere-repro-gpus")
    try:
        yield tuple(lock.index for lock in locks)
    finally:
        _release(locks)


def visible() -> list[str]:
    """UUIDs of the GPUs that torch sees, in its order; none on a machine without."""
    import torch

    if not unused.torch_sees_a_gpu():
        return []
    return [str(torch.cuda.get_device_properties(n).uuid) for n in range(torch.cuda.device_count())]


def as_environment(indices: Sequence[int]) -> dict[str, str]:
    """What a child process needs in its environment to see these of our GPUs, and no other."""
    listed = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    chosen = [listed[index] if index < len(listed) else str(index) for index in indices]
    return {"CUDA_VISIBLE_DEVICES": ",".join(chosen)} if chosen else {}


def _wait(names: Sequence[str], count: int, folder: Path) -> list[_Lock]:
    locks = _take(names, count, folder)
    if not locks:
        wanted = "one" if count == 1 else f"{count} at once"
        notice(
            f"all GPUs of this machine are taken ({len(names)} seen); waiting for {wanted}. "
            f"{SHARE}=1 or --device cuda:0 shares one."
        )
    while not locks:
        time.sleep(POLL_SECONDS * random.uniform(0.5, 1.5))
        locks = _take(names, count, folder)
    return locks


def _take(names: Sequence[str], count: int, folder: Path) -> list[_Lock]:
    """`count` of the GPUs that are free, or none at all."""
    locks: list[_Lock] = []
    for index, name in enumerate(names):
        path = folder / f"{name}.lock"
        handle = _opened(path)
        if not locked(handle, path):
            os.close(handle)
            continue
        locks.append(_Lock(index, handle))
        if len(locks) == count:
            return locks
    _release(locks)
    return []


def _release(locks: Sequence[_Lock]) -> None:
    for lock in locks:
        os.close(lock.handle)


def _opened(path: Path) -> int:
    """The lock file of a GPU, which another user may have made: to lock it, reading is enough."""
    with writing(path):
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o1777)
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        # made by hand and not by filelock: the system forbids O_CREAT on others' files in such a folder
        handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        with contextlib.suppress(PermissionError):  # another user made it this very moment
            os.fchmod(handle, 0o644)
        return handle
