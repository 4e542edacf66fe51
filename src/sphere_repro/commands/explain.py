"""`sphere-repro explain`: where a result comes from, and what has changed since."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sphere_repro.commands.verb import Verb


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", type=Path, help="any file under results/ or data/prepared/")
    parser.add_argument("--json", action="store_true", help="the whole chain as JSON")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.provenance import explain as chain

    found = chain.trace(o.result)
    return json.dumps(found, indent=2, ensure_ascii=False) if o.json else chain.text(found)


VERB = Verb("explain", "where a result comes from, and what has changed since", add_options, run, torch=False)
