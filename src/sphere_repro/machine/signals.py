"""Signals that end the work: Ctrl-C and SIGTERM. They count once, and wait until a step of the work is done.

One end is told to a process several times: by the terminal to the whole process group, by the workflow to
its jobs, and by the kernel to a child whose parent has ended. So the second signal changes nothing; a third
one is a person who does not want to wait.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from sphere_repro.machine.processes import is_worker

ENDING = (signal.SIGINT, signal.SIGTERM)
IMPATIENT = 3  # signals, that of a parent's death apart
# Who was asked to stop has this long to finish a step and save; Slurm's job steps, too.
SAVING_SECONDS = 600.0
AGAIN_SECONDS = 10.0


class _Ends:
    """Counts the signals that ask this process to end, and raises for those that end it."""

    def __init__(self, error: Callable[[int], BaseException]) -> None:
        self.error = error
        self.parent = os.getppid()
        self.came = 0
        self.waits = False
        self.deadline = SAVING_SECONDS
        self._disarm: Callable[[], object] | None = None

    def note(self, number: int, _frame: object) -> None:
        """A signal has come."""
        self.came += 1
        impatient = self.came - (os.getppid() != self.parent) >= IMPATIENT
        if self.waits:
            if self.came == 1:
                self._arm()
            if impatient and not is_worker():  # Slurm and the launcher tell a worker as often as they like
                raise self.error(number)
        elif self.came == 1 or impatient:
            raise self.error(number)

    def _arm(self) -> None:
        """Raise when the deadline passes."""

        def late(number: int, _frame: object) -> None:
            raise self.error(number)

        began, handler = time.monotonic(), signal.signal(signal.SIGALRM, late)
        # and again: what is tidied up on the way out may wait for the same dead disk
        left, again = signal.setitimer(signal.ITIMER_REAL, self.deadline, min(AGAIN_SECONDS, self.deadline))

        def disarm() -> None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            if left:  # somebody else's alarm
                signal.setitimer(signal.ITIMER_REAL, max(1e-3, left - (time.monotonic() - began)), again)

        self._disarm = disarm

    def disarm(self) -> None:
        """What waited is done."""
        if self._disarm is not None:
            self._disarm()
            self._disarm = None


_heard: _Ends | None = None


@contextlib.contextmanager
def interruptible(
    *, ends: bool = False, error: Callable[[int], BaseException] = lambda _: KeyboardInterrupt()
) -> Iterator[None]:
    """While this lasts the first Ctrl-C or SIGTERM raises, the second does nothing, the third raises again.

    So what is tidied up on the way out is not broken off by what is told twice.

    Args:
        ends: the process ends after this: once a signal has come, later ones are not heard any more.
        error: makes what is raised, from the signal's number.
    """
    global _heard
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may ask for signals
        return
    outer, mine = _heard, _Ends(error)
    before = {number: signal.getsignal(number) for number in ENDING}
    _heard = mine
    for number in ENDING:
        signal.signal(number, mine.note)
    try:
        yield
    finally:
        _heard = outer
        if outer is not None:
            outer.came += mine.came
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if ends and mine.came else handler)


@contextlib.contextmanager
def deferred_interrupt(deadline: float = SAVING_SECONDS) -> Iterator[Callable[[], bool]]:
    """While this lasts, Ctrl-C and SIGTERM wait: the yielded function says whether one has come.

    For loops that must stop between steps and not within one. Who is asked to end has `deadline` seconds;
    then, or at the third signal (a worker: never, its launcher ends it), the wait is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False  # only the main thread may ask for signals
        return
    with contextlib.nullcontext() if _heard else interruptible():
        heard = _heard
        assert heard is not None
        heard.waits, heard.deadline = True, deadline
        try:
            yield lambda: heard.came > 0
        finally:
            heard.waits = False
            heard.disarm()
