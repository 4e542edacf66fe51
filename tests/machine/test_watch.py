"""Several processes, one of which fails while the others wait for it: all end, and the cause is told once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from conftest import PATIENCE, ROOT
from sphere_repro.errors import UserError
from sphere_repro.machine.watch import _connection_lost

pytestmark = pytest.mark.slow

# A training as the command line sees it. In the second step rank 1 does what the first argument says; the
# others wait for it, with "deaf" in a call of C that no signal and no broken connection ends, as NCCL's are.
WORKER = """
import ctypes, os, signal, sys, time
from pathlib import Path
import torch
from sphere_repro import cli
from sphere_repro.errors import UserError
from sphere_repro.machine.distributed import joined
from sphere_repro.machine.signals import deferred_interrupt

act, deaf, folder = sys.argv[1:]

def wait_for_ever():
    mutex = ctypes.create_string_buffer(128)
    lock = ctypes.CDLL(None).pthread_mutex_lock
    lock(mutex)
    lock(mutex)

def work(options):
    with joined(torch.device("cpu")) as world:
        world.sum([1.0])
        Path(folder, str(world.rank)).touch()
        if world.rank == 1:
            while deaf == "saving" and not Path(folder, "begun").exists():
                time.sleep(0.1)
            if act == "mistake":
                raise UserError("Training a ran out of memory. Set micro_batch_size to 3.")
            if act == "memory":
                raise MemoryError
            if act == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if act == "bug":
                raise ValueError("a bug")
        if act == "everybody":
            raise UserError("Everybody found the same mistake.")
        if deaf == "saving" and world.leads:
            with deferred_interrupt(), world.undisturbed():
                Path(folder, "begun").touch()
                for _ in range(100):  # a signal cuts a sleep short
                    time.sleep(0.1)
                Path(folder, "saved").touch()
        if deaf != "hears":
            wait_for_ever()
        world.sum([1.0])
    return ""

cli.run = lambda verb, options: work(options)
sys.exit(cli.main(["check", "a"]))
"""


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """Runs three such processes under the launcher: its exit status, and what was told."""
    (tmp_path / "odd_worker.py").write_text(WORKER)
    path = os.pathsep.join([str(ROOT / "src"), str(tmp_path)])
    code = (
        "import sys; from sphere_repro import cli; from sphere_repro.machine.launch import Workers, launch\n"
        "from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent as Agent\n"
        "stop, seconds = Agent._shutdown.__defaults__\n"
        "assert seconds == 30\n"  # so long the launcher waits before it kills
        "if sys.argv[2] == 'saving': Agent._shutdown.__defaults__ = (stop, 3)\n"
        "def run(o): o.status = launch(sys.argv[1:], Workers(3), 'cpu', 'odd_worker'); return ''\n"
        "cli.run = lambda verb, o: run(o)\n"
        "sys.exit(cli.main(['check', 'a']))"
    )

    def run(act: str, deaf: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", code, act, deaf, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize("deaf", ["hears", "deaf"])
@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("mistake", "Training a ran out of memory. Set micro_batch_size to 3."),
        ("memory", "check ran out of memory. Use a machine with more of it."),
        ("everybody", "Everybody found the same mistake."),
        ("killed", "Worker 1 of the training was killed by SIGKILL"),
    ],
)
def test_all_end_and_the_cause_is_told_once(launched, act, words, deaf):
    status, told = launched(act, deaf)
    assert status == 2
    assert told.count("\n") == 1 and words in told


def test_a_bug_of_one_shows_one_traceback(launched):
    status, told = launched("bug", "deaf")
    assert status == 1
    assert told.count("Traceback") == 1 and told.rstrip().endswith("ValueError: a bug")


def test_a_save_in_progress_is_finished_first(launched, tmp_path):
    launched("mistake", "saving")
    assert (tmp_path / "saved").exists()


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[../pair.cc:534] Connection closed by peer [127.0.0.1]:4711"), True),
        (RuntimeError("NCCL error: remote process exited or there was a network error"), True),
        (RuntimeError("shapes do not match"), False),
        (UserError("Connection closed by peer"), False),
        (torch.OutOfMemoryError("CUDA out of memory"), False),
    ],
)
def test_a_lost_connection_is_not_the_cause(error, lost):
    assert _connection_lost(error) == lost
