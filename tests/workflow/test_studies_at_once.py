"""Two studies in one checkout, at once: they wait for what they share, and for nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from conftest import PATIENCE, SMOKE, environment, pending, snakemake, wait_for
from odd import program

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(untouched: Path, tmp_path: Path) -> Path:
    """A checkout with a second study, of the same digits and of more; its own python may be held up.

    A call of the verb VERB waits for the file go-VERB where hold-VERB is there.
    """
    folder = shutil.copytree(untouched, tmp_path / "checkout", symlinks=True)
    study = yaml.safe_load((folder / SMOKE).read_text()) | {"study": "second", "figures": []}
    (folder / "params/second.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    real = shutil.which("python", path=environment()["PATH"])
    program(
        folder / "bin/python",
        'if [ "$2" = sphere_repro ]; then',
        '  echo "$*" >> calls',
        '  if [ -e "hold-$3" ]; then touch "at-$3"; while [ ! -e "go-$3" ]; do sleep 0.1; done; fi',
        "fi",
        f'exec {real} "$@"',
    )
    return folder


def start(folder: Path, log: str, study: str, *targets: str) -> subprocess.Popen[bytes]:
    given = environment()
    return subprocess.Popen(
        ["python", "workflow/scripts/run.py", "--configfile", study, "--cores", "2", *targets],
        cwd=folder,
        env=given | {"PATH": f"{folder}/bin{os.pathsep}{given['PATH']}"},
        stdout=(folder / log).open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Calls that end with the test."""
    begun: list[subprocess.Popen[bytes]] = []
    yield begun
    for each in begun:
        if each.poll() is None:
            os.killpg(each.pid, signal.SIGKILL)
            each.wait(PATIENCE)


def test_two_studies_at_once(checkout: Path, running: list[subprocess.Popen[bytes]]) -> None:
    for verb in ("prepare", "train"):
        (checkout / f"hold-{verb}").touch()
    running.append(start(checkout, "first.log", SMOKE, "results/smoke/digits/model.safetensors"))
    wait_for((checkout / "at-prepare").exists, "the first study's preparing")
    running.append(start(checkout, "second.log", "params/second.yaml", "references"))
    said = checkout / "second.log"
    wait_for(lambda: "making data that studies share" in said.read_text(), "the second study's waiting")
    (checkout / "go-prepare").touch()
    assert running[1].wait(PATIENCE) == 0, said.read_text()
    # the first is still at its training, which nothing has disturbed
    wait_for((checkout / "at-train").exists, "the first study's training")
    assert running[0].poll() is None
    calls = (checkout / "calls").read_text().splitlines()
    assert len([call for call in calls if " prepare " in call]) == 1
    assert (checkout / "results/second/reference").is_dir()
    # a third call, of the study that is at work, waits for it and is told whom to wait for
    running.append(start(checkout, "third.log", SMOKE, "data"))
    told = checkout / "third.log"
    wait_for(lambda: f"Process {running[0].pid} is running the study" in told.read_text(), "the third call")


def test_each_study_has_its_own_tables(finished: Path, tmp_path: Path) -> None:
    """Also where both are asked for everything; `results/fid_table.csv` is of the study it is asked of."""
    folder = shutil.copytree(finished, tmp_path / "checkout", symlinks=True)
    study = yaml.safe_load((folder / SMOKE).read_text()) | {"study": "second"}
    (folder / "params/second.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    whole = snakemake(folder, "-n", study="params/second.yaml", check=True).stdout
    assert "results/studies/second/fid_table.csv" in whole and " results/fid_table.csv" not in whole
    assert "fid_table" in pending(folder, "results/fid_table.csv", study="params/second.yaml")
    assert pending(folder) == set()
