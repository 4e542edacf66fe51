"""Processes that train together end together: where one has failed, the others would wait for it for ever.

A collective operation returns when all processes have come. So each process has a thread that asks once in a
while whether one has failed, which it says itself in the store that all share, or has vanished.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

import torch.distributed as dist

from sphere_repro.machine.processes import LOST, tell_at_once
from sphere_repro.machine.signals import SAVING_SECONDS

ASKING_SECONDS = 1.0
# The others have this long to notice by themselves, and to tidy up.
GRACE_SECONDS = 5.0
FAILED, BUSY = "sphere-repro/failed", "sphere-repro/busy"


class Watch:
    """One process's look at the others."""

    def __init__(self, rank: int, size: int) -> None:
        """Say who this process is, and begin to watch the others."""
        self.rank, self.others = rank, [other for other in range(size) if other != rank]
        # a connection of its own: that of the process group is used while we ask
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self.store = dist.TCPStore(address, port, is_master=False)  # type: ignore[attr-defined]
        self.busy = threading.Lock()
        self.over = threading.Event()
        self.host = socket.gethostname()
        self.store.set(_process(rank), f"{self.host} {os.getpid()}")
        self.thread = threading.Thread(target=self._ask, name="watch", daemon=True)
        self.thread.start()

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """What stands in the block is finished, even if another process has failed."""
        with self.busy:
            self.store.set(BUSY, "yes")
            try:
                yield
            finally:
                with contextlib.suppress(dist.DistStoreError, RuntimeError):  # the store is gone
                    self.store.set(BUSY, "no")

    def leave(self) -> None:
        """This process ends as it should, or because it was told to."""
        self.over.set()
        with contextlib.suppress(dist.DistStoreError, RuntimeError):  # the store may be gone already
            self.store.set(_left(self.rank), "")
        self.thread.join()

    def fail(self, error: BaseException) -> BaseException:
        """This process ends by `error`: say so to the others.

        Returns:
            What to raise: `error`, to be told at once, of the first that failed; else a quiet end.
        """
        self.over.set()
        lost = _connection_lost(error)
        try:
            first = self.store.compare_set(FAILED, "", "somebody" if lost else str(self.rank)).decode()
        except (dist.DistStoreError, RuntimeError):  # nobody is left to tell
            return error
        self._let_finish()
        if lost or first != str(self.rank):
            return SystemExit(LOST)
        tell_at_once()
        return error

    def _let_finish(self) -> None:
        """Wait for what another must finish: after our end the launcher gives it half a minute only."""
        until = time.monotonic() + SAVING_SECONDS
        with contextlib.suppress(dist.DistStoreError, RuntimeError):
            while self.store.check([BUSY]) and self.store.get(BUSY) == b"yes" and time.monotonic() < until:
                time.sleep(ASKING_SECONDS)

    def _ask(self) -> None:
        """End this process, whose main thread may wait in a collective, soon after another has failed."""
        while not self.over.wait(ASKING_SECONDS):
            if self._somebody_failed():
                if not self.over.wait(GRACE_SECONDS):
                    self._let_finish()
                    with self.busy:
                        os._exit(LOST)
                return

    def _somebody_failed(self) -> bool:
        try:
            if self.store.check([FAILED]):
                return True
            if any(self._vanished(other) for other in self.others):
                self.store.compare_set(FAILED, "", "somebody")
                return True
        except (dist.DistStoreError, RuntimeError):  # the machine that keeps the store is gone
            return True
        return False

    def _vanished(self, other: int) -> bool:
        """Whether a process of this machine is there no more, and did not say that it left."""
        if not self.store.check([_process(other)]):
            return False  # it has not begun
        host, _, number = self.store.get(_process(other)).decode().partition(" ")
        return host == self.host and not _lives(int(number)) and not self.store.check([_left(other)])


def _process(rank: int) -> str:
    return f"sphere-repro/process/{rank}"


def _left(rank: int) -> str:
    return f"sphere-repro/left/{rank}"


def _lives(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _connection_lost(error: BaseException) -> bool:
    """Whether `error` says that another process, or the way to it, is gone (gloo and NCCL)."""
    words = ("connection closed by peer", "connection reset by peer", "remote process exited", "broken pipe")
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
