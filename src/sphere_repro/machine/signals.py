"""Signals that wait until a step of the work is done."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from sphere_repro.machine.processes import is_worker


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
