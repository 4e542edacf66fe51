"""`sphere-repro import-released`: convert a released checkpoint to a model file, by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help=".pth, .safetensors, or a folder with cfg.json and ckpt/latest.pth",
    )
    parser.add_argument(
        "config", type=Path, nargs="?", metavar="CONFIG.json", help="default: the one beside the checkpoint"
    )
    parser.add_argument("out", type=Path, metavar="OUT.safetensors")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.models.released import configuration, weights
    from sphere_repro.models.released_state import import_released

    import_released(weights(o.checkpoint), o.config or configuration(o.checkpoint), o.out)
    return f"import-released: {o.out}"


VERB = Verb("import-released", "convert a released checkpoint to a model file", add_options, run)
