"""The Slurm job around a process, against a fake Slurm that answers as the real one does."""

from __future__ import annotations

import os
import signal
import time

import pytest
from test_launch import notes, started, worker  # noqa: F401 (worker is a fixture)

import fake_slurm
from sphere_repro import cli
from sphere_repro.errors import UserError
from sphere_repro.machine import launch, slurm

# Workers meet at a port that follows from the job's number; tests that run side by side need their own.
JOB = str(1000 + os.getpid() % 15_000)
JOB_OF = ["--job", "{}", "--data", "a.zip", "--out", "b"]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A function that puts this process into a Slurm job; the folder of the fake Slurm."""
    folder = tmp_path / "slurm"
    for name, value in fake_slurm.install(folder).items():
        monkeypatch.setenv(name, value)

    def inside(**about):
        fake_slurm.add(folder, id=JOB, **about)
        monkeypatch.setenv("SLURM_JOB_ID", JOB)
        return folder

    return inside


def orders(folder):
    return sorted(path.name for path in folder.glob(f"orders/{JOB}/*"))


def test_outside_of_slurm_nothing_is_asked(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("PATH", "")
    assert slurm.job_id() is None and slurm.take_another_turn() is False


def test_the_machines_of_a_job(cluster):
    cluster(nodes=3)
    assert slurm.hosts(JOB) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


def test_a_job_whose_time_is_up_takes_another_turn(cluster, capsys):
    folder = cluster()
    assert slurm.take_another_turn()
    assert orders(folder) == ["requeue"]
    assert f"the time of Slurm job {JOB} is up; it is in the queue again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "about",
    [
        {"state": "COMPLETING"},
        {"state": "CANCELLED"},
        {"batch": False},
        {"requeue": False},
        {"end": 5000},
        {"start": -10},
    ],
    ids=["ending", "cancelled", "interactive", "not to be requeued", "time left", "just begun"],
)
def test_no_other_job_is_put_back(cluster, about):
    now = time.time()  # of the test, not of when the tests were collected
    about = {key: now + value if key in ("start", "end") else value for key, value in about.items()}
    folder = cluster(**about)
    assert not slurm.take_another_turn()
    assert orders(folder) == []


def test_a_slurm_that_does_not_answer_is_told_and_stops_nothing(cluster, monkeypatch, capsys):
    cluster()
    monkeypatch.setenv("PATH", "")
    assert not slurm.take_another_turn()
    assert f"'scontrol --oneliner show job {JOB}' does not answer" in capsys.readouterr().err
    with pytest.raises(UserError, match="does not answer"):
        slurm.hosts(JOB)


@pytest.mark.parametrize(
    "command", [["train", *JOB_OF, "--curves", "c"], ["sample", *JOB_OF, "--model", "c"]]
)
def test_an_interrupted_long_job_asks_for_another_turn(cluster, monkeypatch, command):
    """Trainings and sets, which keep what is done; not what is short, nor one worker of several."""

    def interrupt(_verb, _options):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupt)
    folder = cluster()
    assert cli.main(["table", "a.json", "--out", "b.csv"]) == 130 and orders(folder) == []
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(command) == 130 and orders(folder) == []  # its launcher asks
    monkeypatch.delenv("RANK")
    assert cli.main(command) == 130 and orders(folder) == ["requeue"]


# -- training on several machines


def test_one_agent_on_each_machine_and_its_workers(cluster, worker):  # noqa: F811
    folder = cluster(nodes=2)
    workers = launch.Workers(processes=2, nodes=2)
    assert launch.launch(["succeed", str(worker)], workers, "cpu", "tiny_worker") == 0
    found = notes(worker)
    assert {(own, size) for own, size, *_ in found.values()} == {(str(rank), "4") for rank in range(4)}
    assert sorted(local for _, _, local, *_ in found.values()) == ["0", "0", "1", "1"]
    assert len({address for _, _, _, address, *_ in found.values()}) == 1
    (srun,) = (folder / "sruns").read_text().splitlines()
    assert {"--nodes=2", "--ntasks=2", "--ntasks-per-node=1"} <= set(srun.split())


def test_a_mistake_on_several_machines_is_told_once(cluster, worker, capfd):  # noqa: F811
    cluster(nodes=2)
    workers = launch.Workers(processes=1, nodes=2)
    assert launch.launch(["everywhere", str(worker)], workers, "cpu", "tiny_worker") == 2
    assert capfd.readouterr().err == "sphere-repro: a mistake.\n"


def test_an_interrupt_reaches_the_workers_of_all_machines(cluster, worker):  # noqa: F811
    cluster(nodes=2)
    process = started("save", worker, nodes=2, processes=1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert {path.name for path in worker.glob("*.saved")} == {"0.saved", "1.saved"}


def test_a_job_of_another_size_is_told(cluster, worker):  # noqa: F811
    cluster(nodes=3)
    with pytest.raises(UserError, match=rf"execution\.nodes is 2, but Slurm job {JOB} has 3"):
        launch.launch(["succeed", str(worker)], launch.Workers(nodes=2), "cpu", "tiny_worker")
    assert not list(worker.iterdir())
