"""A full disk, a folder that cannot be written: a clear sentence, and nothing lost (smoke study)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from conftest import SMOKE, rows_of, run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="needs mount namespaces (Linux's unshare)"),
]

WORKFLOW = f"python workflow/scripts/run.py --configfile {SMOKE} --cores 2 tables"


def in_namespace(folder: Path, *lines: str) -> list[tuple[int, str]]:
    """Run lines of bash where mounts are seen by nobody else; `work NAME` runs the workflow into NAME.log.

    Returns:
        The status and the output of each `work`, in order.
    """
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = "\n".join(
        ["set -eu", f"work() {{ {WORKFLOW} > $1.log 2>&1 && echo $1 0 || echo $1 $?; }}", *lines]
    )
    done = run(folder, "unshare", *rights, "--mount", "bash", "-c", script)
    found = [line.split() for line in done.stdout.splitlines()]
    return [(int(status), (folder / f"{name}.log").read_text()) for name, status in found]


def told(text: str) -> str:
    """What the workflow said, which must not be a traceback."""
    assert "Traceback" not in text, text[-3000:]
    return text


@pytest.fixture
def checkout(one_run, tmp_path):
    return shutil.copytree(one_run, tmp_path / "checkout", symlinks=True)


def test_a_full_disk_costs_no_training(checkout, finished):
    first, second, third = in_namespace(
        checkout,
        "mkdir -p results/smoke",
        "mount -t tmpfs -o size=300k tmpfs results/smoke",
        "work first",
        "mount -o remount,size=1200k results/smoke",
        "work second",
        "mount -o remount,size=100m results/smoke",
        "work third",
        "cp -r results/smoke kept",
    )
    for status, text in (first, second):
        assert status == 1
        assert "No space left on the disk while writing results/smoke/" in told(text)
        assert "nothing that was finished is lost" in text
    assert third[0] == 0
    model = json.loads((checkout / "kept/digits/model.json").read_text())
    assert model["steps"] == model["resumed_at_step"]  # trained before the disk was full
    assert rows_of(checkout) == rows_of(finished)
    left = {path.name for path in (checkout / "kept").glob("**/.*")}
    assert left <= {".snakemake_timestamp"}  # Snakemake's own, in folders that are outputs


def test_a_full_disk_under_the_training_state(checkout, finished):
    first, second = in_namespace(
        checkout,
        "mkdir -p .state/jobs",
        # the job files lie there too
        "mount -t tmpfs -o size=300k tmpfs .state",
        "work first",
        "mount -o remount,size=100m .state",
        "work second",
    )
    assert first[0] == 1 and "No space left on the disk while writing .state/" in told(first[1])
    assert second[0] == 0
    assert rows_of(checkout) == rows_of(finished)


def test_results_that_cannot_be_written(workspace):
    for name in ("fid_table.csv", "smoke/digits/scores.efficientnet-lite0.json"):
        (workspace / "results" / name).unlink()
    before = {path: path.read_bytes() for path in workspace.glob("results/**/*.safetensors")}
    first, second = in_namespace(
        workspace,
        "mount --bind results results",
        "mount -o remount,ro,bind results",
        "work first",
        "umount results",
        "work second",
    )
    assert first[0] != 0 and "results" in told(first[1])
    assert "rite-protected output files" in first[1] and "        results/" in first[1]
    assert {path: path.read_bytes() for path in before} == before
    assert second[0] == 0
