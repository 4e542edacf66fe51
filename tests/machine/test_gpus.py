"""GPUs of one's own, by locks on names: no test needs a GPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
import torch

from conftest import ROOT
from sphere_repro.commands import encode, generate, sample
from sphere_repro.errors import UserError
from sphere_repro.machine import gpus, unused
from sphere_repro.sampling import encoding, sets
from sphere_repro.study import jobs
from sphere_repro.study.generation import Generation

HOLD = """
import sys, time
from pathlib import Path
from sphere_repro.machine import gpus, unused

count, folder, *names = sys.argv[1:]
with gpus.lease(int(count), names=names, folder=Path(folder)) as taken:
    print("holds", *taken, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A function that starts a process which holds GPUs until its standard input is closed."""
    started = []

    def start(count: int, *names: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(count), str(tmp_path / "locks"), *names],
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(gpus, "POLL_SECONDS", 0.01)
    monkeypatch.delenv(gpus.SHARE, raising=False)
    monkeypatch.setattr(unused, "broken", lambda device: None)  # the GPUs here are names only


def line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip()


def test_each_lease_takes_another_gpu(tmp_path):
    names, folder = ("a", "b", "c"), tmp_path / "locks"
    with gpus.lease(1, names=names, folder=folder) as first:
        with gpus.lease(2, names=names, folder=folder) as others:
            assert (first, others) == ((0,), (1, 2))
        with gpus.lease(1, names=("c", "a"), folder=folder) as third:  # another order, the same GPUs
            assert third == (0,)
    with gpus.lease(3, names=names, folder=folder) as everything:
        assert everything == (0, 1, 2)


def test_one_who_waits_says_so_once_and_gets_the_gpu_of_a_process_that_was_killed(tmp_path, holder, capsys):
    other = holder(1, "a")
    assert line(other) == "holds 0"
    threading.Timer(0.3, other.send_signal, [signal.SIGKILL]).start()
    with gpus.lease(1, names=("a",), folder=tmp_path / "locks") as taken:
        assert taken == (0,) and other.wait() == -signal.SIGKILL
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "all GPUs of this machine are taken (1 seen); waiting for one" in told


def test_two_that_want_several_each_both_get_them(holder):
    pair = [holder(2, "a", "b"), holder(2, "b", "a")]
    done = []

    def follow(process):
        assert line(process) == "holds 0 1"
        done.append(process)
        process.stdin.close()
        process.wait()

    threads = [threading.Thread(target=follow, args=[process]) for process in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {process.pid for process in done} == {process.pid for process in pair}


def test_who_waits_for_two_holds_none(tmp_path, holder):
    first = holder(1, "a")
    assert line(first) == "holds 0"
    second = holder(2, "a", "b")
    assert "waiting for 2 at once" in second.stderr.readline()
    with gpus.lease(1, names=("b",), folder=tmp_path / "locks") as taken:
        assert taken == (0,)
    first.stdin.close()
    assert line(second) == "holds 0 1"


def test_sharing_is_asked_for(tmp_path, holder, monkeypatch):
    assert line(holder(2, "a", "b")) == "holds 0 1"
    monkeypatch.setenv(gpus.SHARE, "1")
    with gpus.lease(1, names=("a", "b"), folder=tmp_path / "locks") as taken:
        assert taken == (0,)


def test_a_machine_with_fewer_gpus_is_told(tmp_path):
    with (
        pytest.raises(UserError, match=r"4 processes need a GPU each, but there are 2 here"),
        gpus.lease(4, names=("a", "b"), folder=tmp_path / "locks"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_without_a_gpu_nothing_changes_and_no_file_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with gpus.lease(2, folder=tmp_path / "locks") as taken:
        assert taken == () and gpus.as_environment(taken) == {}
    with gpus.device("auto") as device:
        assert device == torch.device("cpu")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def two_gpus(monkeypatch, tmp_path):
    """A machine whose torch sees two GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(gpus, "visible", lambda: ["a", "b"])
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))


def test_auto_is_a_free_gpu_and_a_named_one_is_shared(two_gpus):
    with gpus.device("auto") as first, gpus.device("auto") as second, gpus.device("cuda:1") as third:
        assert [str(item) for item in (first, second, third)] == ["cuda:0", "cuda:1", "cuda:1"]


def test_a_verb_holds_its_gpu_while_it_computes(two_gpus, monkeypatch, tmp_path):
    def compute(*arguments, **named):
        chosen = next(item for item in (*named.values(), *arguments) if isinstance(item, torch.device))
        with gpus.device("auto") as other:
            assert [str(chosen), str(other)] == ["cuda:0", "cuda:1"]
        (tmp_path / "out.zip").touch()
        done.append(chosen)
        return sets.Drawn(1, {}, []) if isinstance(arguments[1], sets.Files) else 1

    done: list[torch.device] = []
    out, file, job = tmp_path / "out.zip", tmp_path / "in.zip", jobs.EncodeJob.model_construct(run="a")
    file.touch()
    for module, name in ((sets, "draw"), (encoding, "encode_set"), (sets, "draw_generation")):
        monkeypatch.setattr(module, name, compute)
    sample.sample(jobs.SampleJob.model_construct(run="a", set="b"), file, file, out, "auto")
    encode.encode(job, file, file, out, "auto")
    generate.generate(file, out, Generation(steps=1), count=1, seed=0, weights="raw", device="auto")
    assert len(done) == 3


def test_a_worker_takes_the_gpu_of_its_place(two_gpus, monkeypatch, tmp_path):
    for name, value in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    with gpus.device("auto") as device:
        assert str(device) == "cuda:1"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("listed", "seen"), [(None, "0,2"), ("", "0,2"), ("GPU-x,GPU-y,MIG-z", "GPU-x,MIG-z"), ("3,4,5", "3,5")]
)
def test_children_see_the_gpus_taken_and_no_other(monkeypatch, listed, seen):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if listed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert gpus.as_environment((0, 2)) == {"CUDA_VISIBLE_DEVICES": seen}


def test_the_locks_are_open_to_every_user(tmp_path):
    before = os.umask(0o077)
    try:
        with gpus.lease(1, names=("a",), folder=tmp_path / "locks"):
            assert (tmp_path / "locks").stat().st_mode & 0o7777 == 0o1777
            assert (tmp_path / "locks/a.lock").stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(before)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="cannot be written"),
        gpus.lease(1, names=("a",), folder=tmp_path / "file" / "locks"),
    ):
        pass
