"""`sphere-repro download`: fetch, verify and unpack a dataset's files."""

from __future__ import annotations

import argparse
from pathlib import Path

from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError, nearest


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", help="cifar10, animal-faces, oxford-flowers, or imagenet (your own copy)")
    parser.add_argument("--raw", type=Path, help="folder of the downloads (default data/raw/DATASET)")


def run(o: argparse.Namespace) -> str:
    return download(o.dataset, o.raw)


def download(name: str, folder: Path | None) -> str:
    """Fetch, verify and unpack the files of a dataset."""
    from sphere_repro.data import raw
    from sphere_repro.data.sources import SOURCES

    if name not in SOURCES:
        raise UserError(f"There is no dataset '{name}'{nearest(name, SOURCES)}")
    record = raw.download(name, SOURCES[name], folder or raw.DOWNLOADS / name)
    return f"download {name}: {SOURCES[name].images} images, recorded in {record}"


VERB = Verb("download", "fetch, verify and unpack a dataset's files", add_options, run, torch=False)
