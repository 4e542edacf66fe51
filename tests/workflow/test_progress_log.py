"""The quiet log of the workflow: lines, time to go, errors in full, where the time went."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import PATIENCE, ROOT, environment

FOLDER = ROOT / "workflow" / "progress"
sys.path.insert(0, str(FOLDER))

from snakemake_logger_plugin_progress import pace as paces  # noqa: E402
from snakemake_logger_plugin_progress.pace import Job, Pace, lasted, named, rounded  # noqa: E402

SNAKEFILE = """
rule all:
    input: expand("out/{run}.txt", run=["a", "b", "c"]), "out/last.txt"

for number in (1,):
    rule:
        name: f"make_{number}"
        output: "out/{run}.txt"
        wildcard_constraints: run="[abc]"
        log: "logs/{run}.log"
        shell: "echo made > {log}; touch {output}"

rule last:
    input: "out/a.txt"
    output: "out/last.txt"
    log: "logs/last.log"
    shell: "echo 'what went wrong' > {log}; [ ! -e broken ]; touch {output}"
"""
LINE = re.compile(r"(\d) of 4 · (make [abc]|last) · [\d.]+ s( · (about|at least) 1 min left)?$", re.M)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def snakemake(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["snakemake", "--logger=progress", "--cores", "1", "--show-failed-logs", *more]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_line_for_each_job_and_where_the_time_went(folder: Path) -> None:
    done = snakemake(folder)
    assert done.returncode == 0 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "4 jobs: last 1, make 3"
    found = LINE.findall(done.stderr)
    assert [number for number, *_ in found] == list("1234")
    assert {about for _, about, *_ in found} == {"make a", "make b", "make c", "last"}
    assert found[0][3] == "at least" and found[-1][2] == ""  # nobody knows yet; nothing is left
    assert "Where the time went:" in lines and any(line.split()[:2] == ["make", "3"] for line in lines)
    assert "rule make" not in done.stderr and "Building DAG" not in done.stderr
    (log,) = folder.glob(".snakemake/log/*.log")
    assert str(log) in done.stderr and "rule make_1" in log.read_text()  # the detail
    again = snakemake(folder, "--forceall")
    assert {word for *_, word in LINE.findall(again.stderr)} == {"about", ""}  # as long as the last time
    nothing = snakemake(folder)
    assert "Nothing to be done" in nothing.stderr and "Where" not in nothing.stderr


def test_an_error_is_shown_in_full_with_the_jobs_log(folder: Path) -> None:
    (folder / "broken").touch()
    done = snakemake(folder, "--keep-going")
    assert done.returncode == 1
    for told in ("Error in rule last", "what went wrong", "[ ! -e broken ]", "Exiting because a job"):
        assert told in done.stderr
    assert len(LINE.findall(done.stderr)) == 3 and "Where the time went:" in done.stderr
    assert json.loads((folder / ".state/pace.json").read_text())[""].keys() == {"make"}


@pytest.mark.parametrize("option", ["--dry-run", "--verbose", "--printshellcmds"])
def test_who_asks_for_more_gets_all_of_it(folder: Path, option: str) -> None:
    done = snakemake(folder, option)
    assert done.returncode == 0
    assert "rule make_1:" in done.stdout + done.stderr and not LINE.search(done.stderr)


def test_quiet_is_quiet(folder: Path) -> None:
    assert snakemake(folder, "--quiet", "all").stderr.strip() == ""
    told = snakemake(folder, "--forceall", "--quiet", "progress").stderr
    assert "jobs" not in told and not LINE.search(told)


def test_a_folder_that_cannot_be_written_stops_nothing(folder: Path) -> None:
    (folder / ".state").write_text("a file")
    done = snakemake(folder)
    assert done.returncode == 0 and "Where the time went:" in done.stderr and "Traceback" not in done.stderr


def test_target_rules_are_those_of_the_snakefile() -> None:
    assert set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.M)) == paces.TARGETS


# -- the numbers


def run_of(total: dict[str, int], *jobs: tuple[str, float, float | None], **more: Any) -> Pace:
    """A run with jobs (rule, began, ended)."""
    pace = Pace(total, **more)
    for number, (rule, began, _) in enumerate(jobs):
        pace.begin(number, Job(rule, f"n{number}", began))
    for number, (_, _, ended) in enumerate(jobs):
        if ended is not None:
            pace.finish(number, ended)
    return pace


def test_what_is_left_goes_at_the_pace_of_each_rule() -> None:
    one_at_a_time = run_of({"train": 3, "score": 2}, ("train", 0, 100), ("score", 100, 110))
    assert one_at_a_time.left(110) == (pytest.approx(210), True)
    two = run_of({"train": 4}, ("train", 0, 100), ("train", 0, 100))
    assert two.at_a_time(100) == 2 and two.left(100) == (pytest.approx(100), True)


def test_a_job_at_work_counts_with_the_rest_of_it() -> None:
    found = run_of({"train": 2}, ("train", 0, 100), ("train", 100, None))
    assert found.left(130) == (pytest.approx(70), True)
    assert found.left(500) == (0, True)  # longer than it should: nobody knows
    many = run_of({"train": 9, "a": 8}, ("train", 0, 80), *[("a", 0, 80)] * 8, ("train", 80, None))
    assert many.left(80)[0] >= 80  # no faster than its longest job


def test_of_what_nothing_is_known_the_rest_is_said_to_be_more() -> None:
    assert run_of({"prepare": 1, "train": 1}, ("prepare", 0, 2)).left(2) == (0, False)
    before = {"train": 30.0, "prepare": 99.0}
    assert run_of({"prepare": 1, "train": 1}, ("prepare", 0, 2), before=before).left(2) == (30, True)
    assert run_of({"train": 2}, ("train", 0, 10), before=before).left(10) == (10, True)  # this run's pace


def test_a_failed_job_is_at_work_no_more() -> None:
    found = run_of({"train": 2}, ("train", 0, 10), ("train", 0, None))
    found.fail(1)
    assert found.at_a_time(10) == 1 and found.running == {}
    assert found.left(10) == (10, True)


def test_the_table_sums_up() -> None:
    text = run_of({"a": 2, "b": 1}, ("a", 0, 10), ("a", 0, 30), ("b", 0, 100)).table()
    assert text.splitlines() == [
        "Where the time went:",
        "  rule  jobs  seconds  longest",
        "  b        1      100  100 n2",
        "  a        2       40  30 n1",
        "  140 job seconds in 1:40 min, 1.4 jobs at a time",
    ]


def test_words() -> None:
    assert named("samples_2", {"run": "digits"}) == ("samples", "digits")
    assert named("figure", {"place": "results", "figure": "cost"}) == ("figure", "cost")
    assert named("draw_1", {"place": "results", "run": "digits"}) == ("draw", "digits")
    assert [lasted(each) for each in (0.04, 9.94, 9.96, 59.6, 3599.4, 3600, 7380)] == [
        *("0.0 s", "9.9 s", "10 s", "1:00 min", "59:59 min", "1:00 h", "2:03 h")
    ]
    assert [rounded(each) for each in (0, 59, 150, 5399, 5400, 172_000, 259_200)] == [
        *("1 min", "1 min", "2 min", "90 min", "2 h", "48 h", "3 days")
    ]


def test_the_plugin_is_found_where_run_py_puts_it() -> None:
    script = (ROOT / "workflow/scripts/run.py").read_text()
    assert "workflow/progress" in script and os.path.isdir(FOLDER / "snakemake_logger_plugin_progress")  # noqa: PTH112
