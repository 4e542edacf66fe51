"""Killed, interrupted, started twice: the same command again ends in the same bytes (smoke study)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from conftest import PATIENCE, SMOKE, environment, rows_of, run, wait_for

pytestmark = pytest.mark.slow

DVC = ["dvc", "repro", "-q"]
WORKFLOW = ["python", "workflow/scripts/run.py", "--configfile", SMOKE, "--cores", "2"]

# Name → whether the moment has come.
MOMENTS: dict[str, Callable[[Path], bool]] = {
    "starting": lambda folder: any(folder.glob(".snakemake/locks/*")),
    "preparing": lambda folder: (
        any(folder.glob("data/prepared/.*")) or any(folder.glob("data/prepared/*.zip"))
    ),
    "mid-epoch": lambda folder: any(folder.glob(".state/*.pt")),
    "checkpoint": lambda folder: any(folder.glob(".state/.*.part*")),
    "sampling": lambda folder: any(folder.glob(".state/samples/*/*.zip")),
    "scoring": lambda folder: any(folder.glob("results/smoke/reference/*.npz")),
}


@pytest.fixture
def untaken(one_run, tmp_path):
    """A checkout whose training saves its state all the time, in which nothing has run."""
    return shutil.copytree(one_run, tmp_path / "checkout", symlinks=True)


@pytest.fixture(scope="session")
def prepared(once, one_run):
    """The same with its images prepared, as DVC has recorded."""

    def make(folder: Path) -> None:
        shutil.copytree(one_run, folder, symlinks=True)
        run(folder, *DVC, "data-digits-8px")

    return once("prepared", make)


@pytest.fixture
def unfinished(prepared, tmp_path):
    """A copy of that: what comes next is the training."""
    return shutil.copytree(prepared, tmp_path / "checkout", symlinks=True)


def start(folder: Path, command: list[str]) -> subprocess.Popen[str]:
    log = (folder / "output.log").open("a")
    return subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=log, stderr=log, text=True, start_new_session=True
    )


def processes(folder: Path) -> list[psutil.Process]:
    """Every process that works in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def reach(begun: subprocess.Popen[str], folder: Path, come: Callable[[], bool], what: str) -> None:
    """Wait until the moment `what` has come, and fail at once where the command ends without it."""
    wait_for(lambda: come() or begun.poll() is not None, what)
    assert begun.poll() is None, f"{what} has not come:\n{output(folder)[-3000:]}"


def strike(folder: Path, command: list[str], moment: str, how: int) -> None:
    """Start the command, send it a signal at a moment, and see that nothing outlives it."""
    begun = start(folder, command)
    reach(begun, folder, lambda: MOMENTS[moment](folder), moment)
    begun.send_signal(how)
    begun.wait(PATIENCE)
    wait_for(lambda: not processes(folder), f"the end of every job after {moment}")


def output(folder: Path) -> str:
    return (folder / "output.log").read_text()


def finish(folder: Path, command: list[str], expected: Path) -> None:
    """Typing the command once more is enough, and the results are those of an undisturbed run."""
    before = parts(folder)
    run(folder, *command)
    for name in ("results/smoke/digits/model.safetensors", "results/smoke/digits/training.csv"):
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name
    assert parts(folder) - before == set()


def parts(folder: Path) -> set[Path]:
    """What writers that were killed have left."""
    return {path for path in folder.glob("**/.*.part*") if ".dvc" not in path.parts}


@pytest.mark.parametrize(
    ("command", "moments"),
    [
        ([*WORKFLOW, "results/fid_table.csv"], tuple(MOMENTS)),
        ([*DVC, "tables"], ("starting", "checkpoint", "scoring")),  # each runs WORKFLOW, stage by stage
    ],
    ids=["workflow", "dvc"],
)
def test_a_killed_command_is_taken_up_again(untaken, finished, command, moments):
    for moment in moments:
        strike(untaken, command, moment, signal.SIGKILL)
    finish(untaken, command, finished)
    assert rows_of(untaken) == rows_of(finished)


def test_a_killed_training_is_taken_up_again(unfinished, finished):
    command = [*WORKFLOW, "results/smoke/digits/model.safetensors"]
    for moment in ("mid-epoch", "checkpoint", "checkpoint"):
        begun = start(unfinished, command)
        reach(begun, unfinished, lambda: training(unfinished) and MOMENTS[moment](unfinished), moment)  # noqa: B023
        for process in training(unfinished):
            process.kill()
        assert begun.wait(PATIENCE) == 1
    finish(unfinished, command, finished)


def training(folder: Path) -> list[psutil.Process]:
    return [process for process in processes(folder) if {"sphere_repro", "train"} <= set(process.cmdline())]


@pytest.mark.parametrize(
    "command",
    [[*WORKFLOW, "results/smoke/digits/model.safetensors"], [*DVC, "train-digits"]],
    ids=["workflow", "dvc"],
)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_command_is_tidy_and_taken_up_again(unfinished, finished, command, how):
    begun = start(unfinished, command)
    reach(begun, unfinished, lambda: MOMENTS["mid-epoch"](unfinished), "training")
    os.killpg(begun.pid, how)
    begun.wait(PATIENCE)
    wait_for(lambda: not processes(unfinished), "the end of every job")
    assert "Traceback" not in output(unfinished)
    assert "interrupted. The same command takes up the work again" in output(unfinished)
    finish(unfinished, command, finished)


def test_a_bare_snakemake_needs_its_own_unlock_and_no_more(unfinished):
    bare = ["snakemake", "--configfile", SMOKE, "--cores", "2"]
    strike(unfinished, bare, "mid-epoch", signal.SIGKILL)
    refused = run(unfinished, *bare, "results/fid_table.csv", check=False)
    assert refused.returncode == 1 and "unlock" in refused.stdout + refused.stderr
    run(unfinished, *bare, "--unlock")
    run(unfinished, *bare, "results/smoke/digits/model.safetensors")


def test_a_second_command_waits_and_says_for_whom(unfinished):
    target = ["results/smoke/digits/model.safetensors"]
    first = start(unfinished, [*WORKFLOW, *target])
    reach(first, unfinished, lambda: MOMENTS["starting"](unfinished), "the first command")
    second = run(unfinished, *WORKFLOW, *target)
    assert f"Process {first.pid} is running the study 'smoke' in this folder; waiting" in second.stderr
    assert first.wait(PATIENCE) == 0
    assert "Nothing to be done" in second.stdout + second.stderr


def test_a_second_dvc_says_who_is_at_work(unfinished):
    first = start(unfinished, [*DVC, "train-digits"])
    reach(first, unfinished, lambda: MOMENTS["mid-epoch"](unfinished), "training")
    second = run(unfinished, "dvc", "repro", "train-digits", check=False)
    assert second.returncode != 0 and "Traceback" not in second.stderr
    assert f"(PID {first.pid})" in second.stderr
    assert first.wait(PATIENCE) == 0
    assert "up to date" in run(unfinished, "dvc", "status", "train-digits").stdout


def test_a_bare_snakemake_at_work_is_not_unlocked(unfinished):
    bare = start(
        unfinished, ["snakemake", "--configfile", SMOKE, "--cores", "1", "results/smoke/digits/model.json"]
    )
    reach(bare, unfinished, lambda: MOMENTS["starting"](unfinished), "the first command")
    refused = run(unfinished, *WORKFLOW, check=False)
    assert refused.returncode == 1 and f"process {bare.pid}" in refused.stderr
    assert bare.wait(PATIENCE) == 0
