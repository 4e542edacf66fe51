"""`sphere-repro plan`: what a study costs, and whether it fits here."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb

TOO_SMALL = 3  # exit status of a plan that does not fit: not the user's mistake (2), and no success


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(device="this")
    parser.add_argument("study", type=Path)
    parser.add_argument(
        "--utilisation",
        type=share,
        default=0.35,
        metavar="SHARE",
        help="of the device's peak, above 0 to 1 (default 0.35)",
    )
    parser.add_argument("--json", action="store_true", help="the plan as JSON")


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and at most 1, not '{text}'")
    return value


def run(o: argparse.Namespace) -> str:
    from sphere_repro.planning import plan as planner
    from sphere_repro.study.config import load_study

    made = planner.plan(load_study(o.study), o.device, o.utilisation)
    o.status = 0 if made.fits else TOO_SMALL
    return planner.as_json(made) if o.json else planner.as_text(made)


VERB = Verb(
    "plan",
    "what a study costs, and whether it fits here (status 3: it does not)",
    add_options,
    run,
    device="this, measured now, or one of a table, e.g. h100 (default this)",
)
