"""`sphere-repro new`: look at images of one's own; write a study that fits them, the machine and the time."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphere_repro.machine.devices import Device
    from sphere_repro.study.jobs import TrainJob

LONGEST = 10_000.0  # hours


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(device="this")
    parser.add_argument("folder", help="your images, in class subfolders or without")
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--minutes", type=amount, help="that the whole study may take (default 30)")
    time.add_argument("--hours", type=amount, help="the same in hours")
    parser.add_argument("--out", type=Path, help="study to write (default params/FOLDER.yaml)")


def amount(text: str) -> float:
    """A time above 0, in whatever unit."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 60 * LONGEST:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not '{text}'")
    return value


def run(o: argparse.Namespace) -> str:
    seconds = 3600 * o.hours if o.hours is not None else 60 * (30.0 if o.minutes is None else o.minutes)
    return new(o.folder, seconds, o.device, o.out)


def new(place: str, seconds: float, device: str, out: Path | None) -> str:
    """Write a study of the images in `place` for `seconds` on `device`; say what was chosen."""
    from sphere_repro.machine import devices
    from sphere_repro.machine.files import write_text
    from sphere_repro.machine.progress import duration
    from sphere_repro.planning.look import look, study_name
    from sphere_repro.planning.proposal_text import seen, study_text
    from sphere_repro.planning.propose import lanes_of, propose

    name = study_name(out.stem if out is not None else place)
    out = out or Path("params") / f"{name}.yaml"
    if out.exists():
        raise UserError(f"{out} is there already. Delete it, or give another name with --out.")
    found, chosen = look(place), devices.find(device)
    lanes = lanes_of(chosen)
    made = propose(found, name, chosen, seconds, lanes, _measure(device, chosen, lanes))
    write_text(out, study_text(made, str(out)))
    run = made.study.runs["sphere"]
    return (
        f"{seen(found)}\n{out}: {run.dataset.pixels} pixels, networks of width {made.rung.width}, "
        f"{made.steps} steps, and a VAE of the same; about {duration(made.seconds)} on {chosen.name}. "
        f"Next: sphere-repro check {out}"
    )


def _measure(name: str, chosen: Device, lanes: int) -> Callable[[TrainJob], float] | None:
    """Times a training on a device that is here; of one that is not the share of its peak is assumed."""
    from sphere_repro.machine.devices import DEVICES, pick_device
    from sphere_repro.planning.pace import utilisation

    if name in DEVICES:
        return None
    device = pick_device("auto" if name == "this" else name)
    return lambda job: utilisation(job, chosen, device, lanes)


VERB = Verb(
    "new",
    "write a study for your own images, this machine and your time",
    add_options,
    run,
    device="this, measured now, or one of a table, e.g. h100 (default this)",
)
