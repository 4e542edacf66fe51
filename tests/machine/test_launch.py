"""Workers on one machine and on several: small scripts in the training's place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import PATIENCE, ROOT
from sphere_repro.errors import UserError
from sphere_repro.machine import gpus, launch
from sphere_repro.machine.launch import Workers

# Each worker notes its environment, then does what the first argument says.
WORKER = """
import os, signal, sys, time
from pathlib import Path
from sphere_repro.machine.signals import deferred_interrupt

act, folder, *rest = sys.argv[1:]
rank = os.environ["RANK"]
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "CUDA_VISIBLE_DEVICES")
Path(folder, rank).write_text(repr([os.environ.get(name) for name in names] + rest))
if act == "save":
    with deferred_interrupt() as stopped:
        Path(folder, rank + ".pid").write_text(str(os.getpid()))
        while not stopped():
            time.sleep(0.02)
        Path(folder, rank + ".stopping").touch()
        while rest and not Path(rest[0]).exists():  # a slow save
            time.sleep(0.02)
        Path(folder, rank + ".saved").touch()
    sys.exit(130)
if act == "finish":  # an interrupt comes too late
    with deferred_interrupt() as stopped:
        Path(folder, rank + ".pid").write_text(str(os.getpid()))
        while not stopped():
            time.sleep(0.02)
if act == "mistake":
    if rank == "0":
        print("sphere-repro: a mistake.", file=sys.stderr)
        sys.exit(2)
    time.sleep(3000)
if act == "everywhere":  # as a training does: each worker finds the mistake, the first one tells it
    if rank == "0":
        print("sphere-repro: a mistake.", file=sys.stderr)
    sys.exit(2)
if act == "killed" and rank == "1":
    os.kill(os.getpid(), signal.SIGKILL)
if act == "killed":
    time.sleep(3000)
if act == "crash":
    raise ValueError("a bug")
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """The module `tiny_worker` where this process and its children find it; the folder it writes to.

    Afterwards nothing may lie in the folder of temporary files.
    """
    (tmp_path / "code").mkdir()
    (tmp_path / "code/tiny_worker.py").write_text(WORKER)
    folder = tmp_path / "out"
    folder.mkdir()
    path = os.pathsep.join([str(ROOT / "src"), str(tmp_path / "code")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield folder
    assert list((tmp_path / "temporary").iterdir()) == []


def launched(act: str, folder: Path, *words: str, **execution: int) -> int:
    workers = Workers(**({"processes": 2} | execution))
    return launch.launch([act, str(folder), *words], workers, "cpu", "tiny_worker")


def notes(folder: Path) -> dict[str, list[str]]:
    return {path.name: eval(path.read_text()) for path in folder.iterdir() if path.name.isdigit()}


def test_every_worker_runs_the_command_and_knows_its_place(worker, capfd):
    before = signal.getsignal(signal.SIGTERM), dict(os.environ)
    assert launched("succeed", worker, '{"a": "$$ ${local_rank} \'"}') == 0
    for rank, (own, size, local, _, _, word) in notes(worker).items():
        assert (own, size, local, word) == (rank, "2", rank, '{"a": "$$ ${local_rank} \'"}')
    assert set(notes(worker)) == {"0", "1"}
    assert (signal.getsignal(signal.SIGTERM), dict(os.environ)) == before
    assert capfd.readouterr() == ("", "")


def test_a_mistake_is_told_once_and_ends_the_others(worker, capfd):
    assert launched("mistake", worker) == 2
    assert capfd.readouterr().err == "sphere-repro: a mistake.\n"


def test_a_worker_that_was_killed_is_told_in_words(worker, capfd):
    with pytest.raises(UserError, match=r"Worker 1 of the training was killed by SIGKILL"):
        launched("killed", worker)
    assert capfd.readouterr().err == ""


def test_a_bug_shows_the_workers_traceback_only(worker, capfd):
    assert launched("crash", worker, processes=1) == 1
    told = capfd.readouterr().err
    assert told.count("Traceback") == 1 and told.rstrip().endswith("ValueError: a bug")


def started(act: str, folder: Path, *words: str, **execution: int) -> subprocess.Popen[str]:
    """A launcher of two workers in a process of its own, all of whose workers run."""
    workers = Workers(**({"processes": 2} | execution))
    code = (
        "import sys; from sphere_repro.machine.launch import Workers, launch; "
        f"sys.exit(launch({[act, str(folder), *words]!r}, {workers!r}, 'cpu', 'tiny_worker'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(folder.glob("*.pid"))) == 2, process)
    return process


def until(come: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for a moment, while the process lives; the suite's own time limit is the only one."""
    while not come():
        assert process is None or process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_reaches_the_workers_and_waits_for_them_to_save(worker, number):
    process = started("save", worker)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 130
    assert {path.name for path in worker.glob("*.saved")} == {"0.saved", "1.saved"}
    assert process.stderr.read() == ""


def test_a_signal_that_reaches_everybody_counts_once(worker):
    process = started("save", worker)
    for path in worker.glob("*.pid"):  # as Slurm does: to every process of the job step
        os.kill(int(path.read_text()), signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 130
    assert {path.name for path in worker.glob("*.saved")} == {"0.saved", "1.saved"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_group_that_is_told_twice_waits_all_the_same(worker, number):
    """As from a terminal and then from Snakemake: the launcher hears it again while its workers save."""
    go = worker / "go"
    process = started("save", worker, str(go))
    pids = [int(path.read_text()) for path in worker.glob("*.pid")]
    for _ in range(2):
        for pid in (process.pid, *pids):
            os.kill(pid, number)
        until(lambda: len(list(worker.glob("*.stopping"))) == 2, process)
    go.touch()
    assert process.wait(PATIENCE) == 130
    assert {path.name for path in worker.glob("*.saved")} == {"0.saved", "1.saved"}
    assert process.stderr.read() == ""


def test_a_training_that_was_through_when_the_signal_came_is_done(worker):
    process = started("finish", worker)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_workers_end_with_their_launcher_and_save_first(worker, number):
    process = started("save", worker)
    process.send_signal(number)
    assert process.wait(PATIENCE) == -number
    until(lambda: len(list(worker.glob("*.saved"))) == 2)


def test_workers_see_the_gpus_that_were_taken_for_them(worker, monkeypatch, tmp_path):
    monkeypatch.setattr(gpus, "visible", lambda: ["a", "b", "c"])
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path / "locks"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with gpus.lease(1) as other:
        assert other == (0,)
        assert launch.launch(["succeed", str(worker)], Workers(2), "auto", "tiny_worker") == 0
    assert {note[4] for note in notes(worker).values()} == {"1,2"}
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_several_machines_need_a_slurm_job(worker, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(UserError, match=r"execution\.nodes is 2, but this is no Slurm job"):
        launched("succeed", worker, nodes=2)
