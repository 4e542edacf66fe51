"""The planner: what a study costs on a device, held against what is there, before anything is started."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sphere_repro.machine import devices
from sphere_repro.machine.devices import Device, Room
from sphere_repro.machine.progress import duration
from sphere_repro.planning.need import Need
from sphere_repro.planning.needs import needs
from sphere_repro.planning.reach import Reach, reaches, warnings
from sphere_repro.planning.times import UTILISATION, seconds_on
from sphere_repro.study.config import Study
from sphere_repro.study.replicates import is_replicate

COLUMNS = ("job", "parameters", "images", "FLOPs", "devices", "on each", "on host", "disk", "time")
PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
REPLICATES = (
    "further trainings of a run (NAME_r1, …) are trained, drawn from and scored as the first is; their "
    "latents are not judged, and figures show images and curves of the first only"
)
LEFT_OUT = (
    "time is an estimate: FLOPs / (peak × utilisation × devices), one job after another; reading and "
    "writing images, preparing data, statistics of features, uniformity, figures, notebooks are not in it, "
    "nor what several devices tell each other, nor the launch of kernels, which is most of the time of small "
    "networks on a GPU",
    "FLOPs: 2 for each multiply-add of matrix products, convolutions and attention; what activation "
    "checkpointing computes again counts, in FLOPs and in the share of the peak",
    "memory of training: five float32 copies of the weights (six with several devices), the perceptual "
    "networks, and what autograd keeps of one micro batch, from a run of the model on tensors without "
    "numbers; the allocator's waste, Python and torch themselves are not in it",
    "disk: images as PNG at most, as if they were noise; DVC's cache takes as much again where the file "
    "system knows no reflinks",
)


@dataclass(frozen=True)
class Check:
    """What is needed of something, and what is there of it; None where nobody knows.

    `largest` names the job that needs the most; `unit` is B (bytes), or empty for a number of things.
    """

    what: str
    needed: int
    available: int | None
    largest: str = ""
    unit: str = "B"

    @property
    def fits(self) -> bool:
        return self.available is None or self.needed <= self.available


@dataclass(frozen=True)
class Plan:
    """A study's jobs on a device."""

    study: str
    device: Device
    utilisation: float
    needs: Sequence[Need]
    checks: Sequence[Check]
    trainings: Sequence[Reach] = ()

    @property
    def fits(self) -> bool:
        """Whether nothing is known to be too small."""
        return all(check.fits for check in self.checks)

    def seconds(self, need: Need) -> float:
        """Estimated time of one job. Processes on one CPU share what was measured of it."""
        devices = need.nodes if self.device.shares_host else need.devices
        return seconds_on(self.device, need) / (self.utilisation * devices)

    @property
    def notes(self) -> list[str]:
        """What the numbers rest on and leave out."""
        own = [f"{need.run}: {note}" for need in self.needs for note in need.notes]
        if self.device.bfloat16 is None and any(need.half for need in self.needs):
            own.append(f"{self.device.name} has no bfloat16 units: its float32 rate is taken")
        if any(is_replicate(need.run) for need in self.needs):
            own.append(REPLICATES)
        if self.device.tf32 is None and any(need.tf32 for need in self.needs):
            own.append(f"no TF32 rate of {self.device.name} is known: its float32 rate is taken")
        return [*own, *LEFT_OUT]


def plan(study: Study, device: str, utilisation: float = UTILISATION, folder: Path | None = None) -> Plan:
    """Plan `study` on the device called `device`, with results in `folder` (default: the working folder).

    Raises:
        UserError: there is no such device, or a job of the study is impossible.
    """
    folder = folder or Path()
    found = needs(study, folder)
    chosen = devices.find(device)
    room = devices.free_room(folder)
    return Plan(study.study, chosen, utilisation, found, checks(found, chosen, room), reaches(study, folder))


def checks(found: Iterable[Need], device: Device, room: Room) -> list[Check]:
    """What the jobs that are not done need of the device, the host and the disk, with jobs one at a time."""
    todo = [need for need in found if not need.done]
    disk = sum(need.disk for need in todo) + max((need.working for need in todo), default=0)
    on_disk = Check("disk here", disk, room.disk)
    if device.shares_host:
        both = _largest("memory", todo, lambda need: need.processes * need.device + need.host, room.memory)
        return [both, on_disk]
    on_one_node = _largest("devices of one node", todo, lambda need: need.processes, device.count, "")
    return [
        *([on_one_node] if on_one_node.needed > 1 else []),
        _largest(f"memory of {device.name}", todo, lambda need: need.device, device.memory),
        _largest("memory of this host", todo, lambda need: need.host, room.memory),
        on_disk,
    ]


def _largest(
    what: str, todo: Sequence[Need], size: Callable[[Need], int], available: int | None, unit: str = "B"
) -> Check:
    if not todo:
        return Check(what, 0, available, unit=unit)
    largest = max(todo, key=size)
    return Check(what, size(largest), available, f"{largest.job} {largest.run}", unit)


def as_json(made: Plan) -> str:
    """The plan for machines: bytes, FLOPs and seconds as plain numbers."""

    def total(chosen: Iterable[Need]) -> dict[str, float]:
        todo = [need for need in chosen if not need.done]
        return {
            "flops": sum(need.flops for need in todo),
            "disk": sum(need.disk for need in todo),
            "seconds": sum(made.seconds(need) for need in todo),
        }

    value: dict[str, Any] = {
        "study": made.study,
        "device": asdict(made.device),
        "utilisation": made.utilisation,
        "jobs": [asdict(need) | {"seconds": made.seconds(need)} for need in made.needs],
        "to_do": {
            "runs": {run: total(group) for run, group in _by_run(made).items()},
            "study": total(made.needs),
        },
        "trainings": [asdict(item) | {"far_below": item.far_below} for item in made.trainings],
        "checks": [asdict(check) | {"fits": check.fits} for check in made.checks],
        "fits": made.fits,
        "notes": made.notes,
    }
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_text(made: Plan) -> str:
    """The plan for people: one line for each job, totals, checks, and what the numbers rest on."""
    device = made.device
    rates = f"{_si(device.float32, 'FLOP/s')} float32"
    if device.bfloat16:
        rates += f", {_si(device.bfloat16, 'FLOP/s')} bfloat16"
    share = f"{100 * made.utilisation:g} %"
    head = f"Study {made.study} on {device.name} ({rates}; {device.origin}) at {share} of that"
    rows: list[Sequence[str]] = [COLUMNS]
    for run, group in _by_run(made).items():
        rows += [(run,), *(_row(made, need) for need in group), _total(made, "to do", group)]
    rows.append(_total(made, "study, to do", made.needs))
    verdicts = [_verdict(check) for check in made.checks]
    trainings = [f"training {item.run}: {item}" for item in made.trainings]
    trainings += warnings(made.trainings)
    parts = [[head], _aligned(rows), trainings, verdicts, [f"- {note}" for note in made.notes]]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _by_run(made: Plan) -> dict[str, list[Need]]:
    groups: dict[str, list[Need]] = {}
    for need in made.needs:
        groups.setdefault(need.run, []).append(need)
    return groups


def _row(made: Plan, need: Need) -> Sequence[str]:
    return (
        f"  {need.job} {need.subject}",
        "" if need.parameters is None else f"{need.parameters:,}".replace(",", " "),
        f"{need.images:,}".replace(",", " "),
        _si(need.flops),
        str(need.devices) if need.flops else "",
        _si(need.device, "B"),
        _si(need.host, "B"),
        _si(need.disk, "B"),
        "done" if need.done else duration(made.seconds(need)) if need.flops else "",
    )


def _total(made: Plan, name: str, group: Sequence[Need]) -> Sequence[str]:
    todo = [need for need in group if not need.done]
    return (
        f"  {name}",
        "",
        "",
        _si(sum(need.flops for need in todo)),
        "",
        _si(max((need.device for need in todo), default=0), "B"),
        _si(max((need.host for need in todo), default=0), "B"),
        _si(sum(need.disk for need in todo), "B"),
        duration(sum(made.seconds(need) for need in todo)),
    )


def _verdict(check: Check) -> str:
    by = f" by {check.largest}" if check.largest else ""
    needed = f"{check.what}: {_si(check.needed, check.unit)} needed{by}"
    if check.available is None:
        return f"not checked: {needed}; nobody says here what is there"
    word = "fits" if check.fits else "DOES NOT FIT"
    return f"{word}: {needed}, {_si(check.available, check.unit)} there"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows if len(row) > i) for i in range(len(COLUMNS))]
    return [
        "  ".join(
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    ]


def _si(value: float, unit: str = "") -> str:
    """Three digits and a decimal prefix: 263 818 155 → 264 M."""
    power = 0
    while value >= 999.5 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    digits = (2 if value < 9.995 else 1 if value < 99.95 else 0) if power else 0
    return f"{value:.{digits}f} {PREFIXES[power]}{unit}".strip()
