"""Throughput, utilisation and time to go, on a clock that the test holds."""

from __future__ import annotations

import pytest
import torch
from test_loop import tiny_job

from sphere_repro.machine import devices
from sphere_repro.machine.devices import Device
from sphere_repro.planning.training_cost import flops_per_image
from sphere_repro.study import flops
from sphere_repro.training import meter
from sphere_repro.training.meter import WORTH_MEASURING, Meter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(meter.time, "monotonic", lambda: now[0])
    return now


def made(processes: int = 1, before: float = 0.0, **training: object) -> Meter:
    job = tiny_job(**training)
    return Meter(job, torch.device("cpu"), processes, before, lambda: flops_per_image(job))


def test_the_first_step_does_not_count(clock: list[float]) -> None:
    counted = made()
    assert counted.speed(10) is None
    clock[0] += 50  # compiling
    counted.count_step()
    assert counted.speed(10) is None
    for _ in range(4):
        clock[0] += 0.5
        counted.count_step()
    speed = counted.speed(10)
    assert speed is not None
    assert speed.images_per_second == 16 / 0.5  # the batch of the tiny job
    assert speed.seconds_to_go == 5.0
    assert speed.utilisation is None  # too short to be worth measuring the device


def test_seconds_go_on_where_an_earlier_process_stopped(clock: list[float]) -> None:
    counted = made(before=7.0)
    clock[0] += 2.5
    assert counted.seconds == 9.5


@pytest.mark.parametrize(("precision", "peak"), [("float32", 4e9), ("bfloat16", 9e9)])
@pytest.mark.parametrize("processes", [1, 2])
def test_utilisation_is_model_flops_over_the_devices_measured_peak(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, precision: str, peak: float, processes: int
) -> None:
    device = Device("here", 4e9, 9e9, 1, "measured now")
    monkeypatch.setattr(devices, "measure", lambda name: device)
    counted = made(processes, precision=precision)
    counted.count_step()
    clock[0] += WORTH_MEASURING
    counted.count_step()
    job = tiny_job()
    wanted = flops.training_flops(job.architecture, job.loss) * 16 / WORTH_MEASURING / (peak * processes)
    speed = counted.speed(3)
    assert speed is not None and speed.utilisation == pytest.approx(wanted)
    assert f"{100 * wanted:.0f} % of the device's peak" in str(speed)


def test_a_device_without_bfloat16_is_held_against_float32(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "measure", lambda name: Device("old", 4e9, None, 1, "measured now"))
    counted = made(precision="bfloat16")
    assert counted._peak == 4e9
