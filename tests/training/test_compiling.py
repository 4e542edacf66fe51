"""When a training is compiled without being asked, and what is said and recorded of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from test_loop import tiny_job

from conftest import ROOT
from sphere_repro.study.config import load_study
from sphere_repro.study.jobs import TrainJob, train_job
from sphere_repro.study.recipe import Execution
from sphere_repro.training import compiling
from sphere_repro.training.segments import continued, segment

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def _all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_lacking", lambda device: "")


def job_of(study: str, run: str) -> TrainJob:
    return train_job(load_study(ROOT / f"params/{study}.yaml"), run)


@pytest.mark.parametrize(
    ("study", "run", "images"),
    [("smoke", "digits", 1797), ("demo", "digits", 1797), ("demo", "photo-patches-vae", 4096)],
)
def test_small_trainings_start_at_once(study: str, run: str, images: int) -> None:
    job = job_of(study, run)
    steps = job.training.total_steps(images // job.training.batch_size)
    for device in (CPU, GPU):
        assert not compiling.is_compiled(job, Execution(), device, steps)


@pytest.mark.parametrize("device", [CPU, GPU])
def test_the_papers_trainings_are_compiled(device: torch.device) -> None:
    assert compiling.is_compiled(job_of("paper", "cifar10-base"), Execution(), device, 975_000)


def test_a_few_steps_of_the_papers_are_long_on_a_cpu_alone() -> None:
    job = job_of("paper", "cifar10-base")
    assert compiling.is_compiled(job, Execution(), CPU, 10)
    assert not compiling.is_compiled(job, Execution(), GPU, 10)


def test_neither_several_processes_nor_other_devices() -> None:
    job = job_of("paper", "cifar10-base")
    assert not compiling.is_compiled(job, Execution(processes=8), GPU, 975_000)
    assert not compiling.is_compiled(job, Execution(nodes=2), GPU, 975_000)
    assert not compiling.is_compiled(job, Execution(), torch.device("mps"), 975_000)


@pytest.mark.parametrize("asked", [True, False])
def test_who_asks_gets_it(asked: bool) -> None:
    for job, steps in ((tiny_job(), 6), (job_of("paper", "cifar10-base"), 975_000)):
        assert compiling.is_compiled(job, Execution(compile=asked), CPU, steps) == asked


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(compiling, "_lacking", lambda device: "a C++ compiler")
    assert not compiling.is_compiled(job_of("paper", "cifar10-base"), Execution(), CPU, 975_000)
    assert "a C++ compiler is missing" in capsys.readouterr().err


def test_a_missing_compiler_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("CXX", str(tmp_path / "none"))
    assert compiling._lacking(CPU) == "a C++ compiler"
    there = tmp_path / "c++"
    there.write_text("#!/bin/sh\n")
    there.chmod(0o755)
    monkeypatch.setenv("CXX", str(there))
    assert compiling._lacking(CPU) == ""


def test_the_cache_lies_in_the_state_unless_a_person_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(compiling.CACHE, raising=False)
    compiling.keep_compiled(tmp_path / "compiled")
    assert os.environ[compiling.CACHE] == str(tmp_path / "compiled")
    monkeypatch.setenv(compiling.CACHE, "elsewhere")
    compiling.keep_compiled(tmp_path / "compiled")
    assert os.environ[compiling.CACHE] == "elsewhere"


def test_steps_that_were_compiled_are_told_apart() -> None:
    eager, compiled = segment(0, 1), segment(5, 1, compiled=True)
    assert "compiled" not in eager and compiled["compiled"]
    assert continued([eager], compiled) == [eager, compiled]
    assert continued([eager], segment(5, 1)) == [eager]
