"""Signals that end the work: told twice they count once, and they wait for what must not be broken off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from conftest import ROOT
from sphere_repro.machine import signals
from sphere_repro.machine.signals import deferred_interrupt, interruptible

BOTH = pytest.mark.parametrize("number", signals.ENDING)


@BOTH
def test_two_signals_wait_and_a_third_does_not(number):
    with deferred_interrupt() as stopped:
        assert not stopped()
        for _ in range(2):
            signal.raise_signal(number)
            assert stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


@BOTH
def test_a_worker_is_told_as_often_as_one_likes(number, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with deferred_interrupt() as stopped:
        for _ in range(9):
            signal.raise_signal(number)
        assert stopped()


def test_the_death_of_the_parent_makes_no_third(monkeypatch):
    with deferred_interrupt() as stopped:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(os, "getppid", lambda: 1)
        signal.raise_signal(signal.SIGTERM)
        assert stopped()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_the_wait_has_a_deadline_and_leaves_the_alarms_of_others():
    theirs = []
    before = signal.signal(signal.SIGALRM, lambda *_: theirs.append(1))
    outer = signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        with pytest.raises(KeyboardInterrupt), deferred_interrupt(deadline=0.05):
            signal.raise_signal(signal.SIGTERM)
            signal.pause()
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
        signal.raise_signal(signal.SIGALRM)
        assert theirs == [1]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *outer)


def test_what_is_done_in_time_meets_no_deadline():
    usual = signal.getsignal(signal.SIGALRM)
    left = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        with deferred_interrupt(deadline=1000):
            signal.raise_signal(signal.SIGTERM)
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
        assert signal.getsignal(signal.SIGALRM) is usual
    finally:
        signal.setitimer(signal.ITIMER_REAL, *left)


@BOTH
def test_on_the_way_out_the_second_is_not_heard(number):
    handlers = {one: signal.getsignal(one) for one in signals.ENDING}
    tidied = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            tidied.append(number)
    assert tidied == [number]
    assert {one: signal.getsignal(one) for one in signals.ENDING} == handlers
    with interruptible(), pytest.raises(KeyboardInterrupt):  # each counts anew
        signal.raise_signal(number)


@BOTH
def test_what_waited_is_followed_by_a_second_on_the_way_out(number):
    told = []
    with interruptible():
        with deferred_interrupt() as stopped:
            signal.raise_signal(number)
            told.append(stopped())
        signal.raise_signal(number)
        told.append(2)
    assert told == [True, 2]


def test_a_process_that_ends_hears_no_more():
    code = (
        "import signal, sys\n"
        "from sphere_repro.machine.signals import interruptible\n"
        "try:\n"
        "    with interruptible(ends=True):\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"
        "for number in (signal.SIGTERM, signal.SIGINT): signal.raise_signal(number)\n"
        "sys.exit(130)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (130, "")
