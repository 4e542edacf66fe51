"""`sphere-repro import-released`: convert a released checkpoint to a model file, by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT.pth")
    parser.add_argument("config", type=Path, metavar="CONFIG.json")
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.models.checkpoint import import_released

    import_released(o.checkpoint, o.config, o.out)
    return f"import-released: {o.out}"


VERB = Verb("import-released", "convert a released checkpoint to a model file", add_options, run)
