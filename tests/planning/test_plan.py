"""The planner: times, checks, table, JSON, exit status."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from sphere_repro.cli import main
from sphere_repro.machine import devices
from sphere_repro.machine.devices import DEVICES, Device, Room
from sphere_repro.planning import plan
from sphere_repro.planning.need import Need
from sphere_repro.strict import parse
from sphere_repro.study.config import Study, load_study

SMOKE = ROOT / "params" / "smoke.yaml"
GPU = Device("gpu", float32=10.0, bfloat16=100.0, memory=1000, origin="a test")
HOST = Device("cpu", float32=10.0, bfloat16=20.0, memory=1000, origin="a test", shares_host=True)
TRAIN = Need("r", "train", "d", "a", 5, 7, flops=1000, half=600, device=900, host=300, disk=50, working=40)
SAMPLE = Need("r", "sample", "s", "b", 5, 7, flops=100, device=400, host=700, disk=60)


def test_time_is_flops_over_the_rate_of_their_precision() -> None:
    made = plan.Plan("s", GPU, 0.5, [TRAIN], [])
    assert made.seconds(TRAIN) == pytest.approx((400 / 10 + 600 / 100) / 0.5)
    old = Device("old", float32=10.0, bfloat16=None, memory=1, origin="a test")
    made = plan.Plan("s", old, 1.0, [TRAIN], [])
    assert made.seconds(TRAIN) == pytest.approx(100)
    assert any("no bfloat16 units" in note for note in made.notes)


def test_checks_take_the_largest_memory_and_all_of_the_disk() -> None:
    device, host, disk = plan.checks([TRAIN, SAMPLE], GPU, Room(disk=150, memory=700))
    assert (device.needed, device.available, device.fits) == (900, 1000, True)
    assert (device.largest, host.largest) == ("train r", "sample r")
    assert (host.needed, host.available, host.fits) == (700, 700, True)
    assert (disk.needed, disk.available, disk.fits) == (150, 150, True)
    assert not plan.checks([TRAIN], GPU, Room(disk=89, memory=700))[2].fits
    assert not plan.checks([TRAIN], GPU, Room(disk=90, memory=299))[1].fits


def test_on_a_cpu_both_memories_are_one() -> None:
    memory, _ = plan.checks([TRAIN, SAMPLE], HOST, Room(disk=150, memory=1199))
    assert memory.needed == 1200 and not memory.fits
    assert plan.checks([TRAIN], HOST, Room(disk=150, memory=None))[0].fits  # nobody knows


def test_several_devices_share_the_time_and_have_to_be_there() -> None:
    need = Need("r", "train", "d", "a", 5, 7, flops=1600, processes=4, nodes=2, device=900, host=300)
    assert plan.Plan("s", GPU, 1.0, [need], []).seconds(need) == pytest.approx(1600 / 10 / 8)
    devices_there, device, host, _ = plan.checks([need], replace(GPU, count=2), Room(10**9, 10**9))
    assert (devices_there.needed, devices_there.available, devices_there.fits) == (4, 2, False)
    assert (device.needed, host.needed) == (900, 300)
    assert plan.checks([need], GPU, Room(10**9, 10**9))[0].fits  # nobody knows how many
    made = plan.Plan("s", GPU, 1.0, [need], [devices_there])
    assert "DOES NOT FIT: devices of one node: 4 needed by train r, 2 there" in plan.as_text(made)
    assert re.search(r"train d .* 1\.60 k +8 +900 B ", plan.as_text(made))


def test_processes_on_one_cpu_share_it() -> None:
    need = Need("r", "train", "d", "a", 5, 7, flops=1600, processes=4, nodes=2, device=900, host=300)
    assert plan.Plan("s", HOST, 1.0, [need], []).seconds(need) == pytest.approx(1600 / 10 / 2)
    memory, _ = plan.checks([need], HOST, Room(10**9, 4 * 900 + 300))
    assert memory.needed == 4 * 900 + 300 and memory.fits


def test_what_is_done_needs_nothing_more() -> None:
    done = Need("r", "train", "d", "a", 5, 7, flops=1000, device=10**9, disk=10**9, done=True)
    found = plan.checks([done, SAMPLE], GPU, Room(disk=60, memory=700))
    assert [check.needed for check in found] == [400, 700, 60]
    made = plan.Plan("s", GPU, 1.0, [done, SAMPLE], found)
    assert json.loads(plan.as_json(made))["to_do"]["study"] == {"flops": 100, "disk": 60, "seconds": 10}
    assert "fits: memory of gpu: 400 B needed by sample r, 1.00 kB there" in plan.as_text(made)
    assert re.search(r"train d .* done$", plan.as_text(made), re.MULTILINE)


def test_a_finished_study_fits_anywhere() -> None:
    done = Need("r", "train", "d", "a", done=True, device=10**15)
    found = plan.checks([done], GPU, Room(0, None))
    made = plan.Plan("s", GPU, 1.0, [done], found)
    assert made.fits and "not checked: memory of this host: 0 B needed;" in plan.as_text(made)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (0.4, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (263_818_155, "264 MB"),
        (999_999, "1.00 MB"),
        (1e24, "1.00 YB"),
        (1e30, "1000000 YB"),
    ],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert plan._si(value, "B") == text


def test_the_command_prints_a_table_and_returns_0(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "free_room", lambda _: Room(10**12, 10**12))
    assert main(["plan", str(SMOKE), "--device", "h100"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Study smoke on h100 (67.0 TFLOP/s float32, 990 TFLOP/s bfloat16; data sheet")
    assert "at 35 % of that" in text and "time is an estimate" in text and "DOES NOT FIT" not in text
    rows = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(rows) == 17 + 3 and "63 507" in text  # jobs, and what is to do of two runs and the study
    assert not list(tmp_path.iterdir()), "nothing is started and nothing is written"


def test_what_does_not_fit_is_status_3(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "free_room", lambda _: Room(1000, 10**12))
    assert main(["plan", str(SMOKE), "--device", "h100"]) == 3
    assert re.search(r"DOES NOT FIT: disk here: .* needed, 1\.00 kB there", capsys.readouterr().out)


def test_json_for_machines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "free_room", lambda _: Room(10**12, None))
    assert main(["plan", str(SMOKE), "--device", "t4", "--utilisation", "0.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fits"] and found["utilisation"] == 0.5 and found["device"]["name"] == "t4"
    assert {check["what"]: check["fits"] for check in found["checks"]} == {
        "memory of t4": True,
        "memory of this host": True,
        "disk here": True,
    }
    work = sum(job["flops"] for job in found["jobs"])
    assert found["to_do"]["study"]["flops"] == work
    assert found["to_do"]["study"]["seconds"] == pytest.approx(work / (DEVICES["t4"].float32 * 0.5))
    assert set(found["to_do"]["runs"]) == set(load_study(SMOKE).runs)


# Done once, of the first training: latents that are judged, images that are shown.
NOT_AGAIN = ("prepare", "images", "encode", "reference")


def test_several_trainings_cost_as_much_as_several(tmp_path: Path) -> None:
    written = yaml.safe_load(SMOKE.read_text())
    written["runs"]["digits"]["replicates"] = 3
    study = parse(Study, written, "here")
    made = plan.plan(study, "h100", folder=tmp_path)
    jobs = {name: [need for need in made.needs if need.run == name] for name in study.runs}
    once = [need for need in jobs["digits"] if need.job not in NOT_AGAIN]
    for name in ("digits_r1", "digits_r2"):
        assert [(need.job, need.subject, need.flops, need.disk) for need in jobs[name]] == [
            (need.job, need.subject, need.flops, need.disk) for need in once
        ]
    assert "digits_r2" in plan.as_text(made) and plan.REPLICATES in made.notes
    assert [item.run for item in made.trainings] == ["digits", "digits-vae"]  # one recipe, one warning
    assert plan.REPLICATES not in plan.plan(load_study(SMOKE), "h100", folder=tmp_path).notes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([str(SMOKE), "--device", "h10"], "did you mean 'h100'?"),
        ([str(SMOKE), "--utilisation", "0"], "above 0 and at most 1"),
        ([str(SMOKE), "--utilisation", "nan"], "above 0 and at most 1"),
        (["none.yaml"], "Study none.yaml does not exist"),
    ],
)
def test_mistakes_are_status_2(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(["plan", *arguments])
    except SystemExit as error:  # argparse's own complaints
        status = int(error.code or 0)
    assert status == 2 and words in capsys.readouterr().err


def test_tf32_has_a_rate_of_its_own() -> None:
    need = replace(SAMPLE, flops=1000, tf32=600)
    made = plan.Plan("s", replace(GPU, tf32=60.0), 0.5, [need], [])
    assert made.seconds(need) == pytest.approx((400 / 10 + 600 / 60) / 0.5)
    assert not any("TF32" in note for note in made.notes)
    unknown = plan.Plan("s", GPU, 0.5, [need], [])
    assert unknown.seconds(need) == pytest.approx(1000 / 10 / 0.5)
    assert any("no TF32 rate of gpu is known: its float32 rate" in note for note in unknown.notes)
