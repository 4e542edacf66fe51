"""A GPU that torch cannot use is never passed over in silence. No test needs a GPU: the machine is faked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.machine import devices, gpus, launch, notes, slurm, unused

TOO_OLD = "The NVIDIA driver on your system is too old (found version 11040). Please update\nyour driver."


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without GPUs, outside of Slurm, where nothing has been said yet."""
    for name in list(os.environ):
        if name.startswith("SLURM_") or name in (notes.SAID, notes.TOLD, *unused._HIDES):
            monkeypatch.delenv(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def with_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a system with a GPU of NVIDIA's, whose driver torch finds too old."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()

    def refused() -> None:
        raise RuntimeError(TOO_OLD)

    monkeypatch.setattr(torch.cuda, "init", refused)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(unused, "_ROOT", tmp_path)
    monkeypatch.setattr(unused.reason, "__defaults__", (tmp_path,))
    return tmp_path


def test_a_machine_without_a_gpu_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert unused.reason(tmp_path) is None
    unused.tell(None)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("proc/driver/nvidia/gpus/0000:01:00.0", ""),
        ("dev/nvidia0", ""),
        ("dev/dxg", ""),
        ("sys/class/kfd/kfd/topology/nodes/1/gpu_id", "17\n"),
    ],
)
def test_where_a_gpu_shows(tmp_path: Path, path: str, content: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(content)
    assert unused.reason(tmp_path)


def test_what_is_no_gpu(tmp_path: Path) -> None:
    for path, content in (("sys/class/kfd/kfd/topology/nodes/0/gpu_id", "0\n"), ("dev/nvidiactl", "")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(content)
    assert unused.reason(tmp_path) is None


def test_a_driver_that_is_too_old_is_told_once(with_gpu: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with gpus.device("auto") as chosen:
            assert chosen == torch.device("cpu")
        with gpus.lease(2) as taken:
            assert taken == ()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "has a GPU that torch cannot use (The NVIDIA driver on your system is too old" in said
    assert "The CPU computes" in said and "--device cpu" in said


def test_the_cpu_that_is_asked_for_is_no_surprise(
    with_gpu: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_GPUS", "1")
    with gpus.device("cpu") as chosen:
        assert chosen == torch.device("cpu")
    assert capsys.readouterr().err == ""


def test_a_gpu_that_is_named_and_missing_is_refused_with_the_reason(with_gpu: Path) -> None:
    with pytest.raises(UserError, match="torch sees no GPU: The NVIDIA driver on your system is too old"):
        devices.pick_device("cuda:0")


@pytest.mark.parametrize(("value", "hidden"), [("", True), ("-1", True), ("-1,0", True), ("0", False)])
def test_a_gpu_that_is_hidden(
    with_gpu: Path, monkeypatch: pytest.MonkeyPatch, value: str, hidden: bool
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert (unused.reason(with_gpu) == f"CUDA_VISIBLE_DEVICES='{value}' hides it") is hidden


def test_a_torch_that_is_built_for_cpus(with_gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert "is built for CPUs only" in str(unused.reason(with_gpu))


def test_devices_that_no_program_may_open(with_gpu: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    assert "--gpus all" in str(unused.reason(with_gpu))


@pytest.mark.parametrize("name", slurm._GPUS)
def test_a_slurm_job_that_asked_for_a_gpu_fails_without(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert slurm.gpus_asked() is None  # left over from a job that this shell was in
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with pytest.raises(UserError, match=rf"Slurm job 7 asked for a GPU \({name}=1\), but torch can use none"):
        devices.pick_device("auto")
    with pytest.raises(UserError, match="this machine shows none"), gpus.lease(1):
        pass
    monkeypatch.setenv(name, "0")
    assert devices.pick_device("auto") == torch.device("cpu")


def test_a_launcher_refuses_before_any_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_GPUS", "0,1")
    with pytest.raises(UserError, match="asked for a GPU"):
        launch.launch(["check", "params/smoke.yaml"], launch.Workers(2))


def test_a_gpu_too_old_for_torch_is_told_and_the_cpu_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """torch sees it, and has no programs for it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpus, "visible", lambda: ["a"])
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(unused, "broken", lambda device: "no kernel image is available")
    with gpus.device("auto") as chosen:
        assert chosen == torch.device("cpu")
    assert "cannot use (no kernel image is available)" in capsys.readouterr().err


def test_a_gpu_that_computes_is_not_broken_and_a_full_one_is_not_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert unused.broken(torch.device("cpu")) is None

    def raising(words: str) -> None:
        def ones(*_: object, **__: object) -> None:
            raise RuntimeError(words)

        monkeypatch.setattr(torch, "ones", ones)

    raising("CUDA error: out of memory")
    assert unused.broken(torch.device("cpu")) is None
    raising("CUDA error: no kernel image is available for execution on the device\nCompile with …")
    assert unused.broken(torch.device("cpu")) == (
        "CUDA error: no kernel image is available for execution on the device"
    )


def test_a_verb_in_such_a_job_has_status_2(tmp_path: Path) -> None:
    """In a process of its own, with nothing faked but Slurm."""
    if torch.cuda.device_count():
        pytest.skip("this machine has a GPU")
    command = [sys.executable, "-m", "sphere_repro", "plan", "params/smoke.yaml", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    inside = environment | {"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=inside, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "asked for a GPU (SLURM_GPUS_ON_NODE=1)" in done.stderr
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3) and json.loads(done.stdout)
