"""Devices: the table, the one at hand, and what is free."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sphere_repro.errors import UserError
from sphere_repro.machine import devices


def test_the_table_is_in_flops_and_bytes() -> None:
    for name, device in devices.DEVICES.items():
        assert device.name == name and not device.shares_host
        assert 5e12 < device.float32 < 200e12 and 10e9 < device.memory < 300e9
        assert device.bfloat16 is None or 1.5 < device.bfloat16 / device.float32 < 20
    assert devices.DEVICES["t4"].bfloat16 is None and devices.DEVICES["v100"].bfloat16 is None
    assert devices.find("h200").memory > devices.find("h100").memory


def test_unknown_devices_are_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'h100'"):
        devices.find("h10")
    with pytest.raises(UserError, match=r"known are this, a100"):
        devices.find("?")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no GPU"):
            devices.find("cuda")


def test_the_cpu_is_measured() -> None:
    device = devices.measure("cpu")
    assert 1e8 < device.float32 < 1e14 and device.bfloat16 and device.shares_host
    assert device.origin == "measured now"


def test_free_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    room = devices.free_room(tmp_path / "not" / "yet")
    assert room.disk > 0


def fake_system(root: Path, limit: str) -> None:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text("MemTotal: 99 kB\nMemAvailable:    2000 kB\n")
    group = root / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text("600000\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 100000\n")


@pytest.mark.parametrize(
    ("limit", "expected"), [("max", 2_048_000), ("1000000", 500_000), ("1", 0), ("9000000", 2_048_000)]
)
def test_free_memory_within_the_containers_limit(tmp_path: Path, limit: str, expected: int) -> None:
    fake_system(tmp_path, limit)
    assert devices.free_memory(tmp_path) == expected


def test_free_memory_where_the_system_says_nothing(tmp_path: Path) -> None:
    assert devices.free_memory(tmp_path) is None


def test_device_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.pick_device("auto") == devices.pick_device("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:1"):
        with pytest.raises(UserError, match=f"'{name}'.*no GPU"):
            devices.pick_device(name)


def test_device_with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.pick_device("auto") == torch.device("cuda")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x"])
def test_device_that_does_not_exist(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(UserError, match="device"):
        devices.pick_device(name)


def test_out_of_memory() -> None:
    for error in (
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ):
        assert devices.out_of_memory(error)
    for error in (RuntimeError("size mismatch"), ValueError("out of memory"), KeyboardInterrupt()):
        assert not devices.out_of_memory(error)
