"""`sphere-repro crossover`: stitch two images and pass them through a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import pictures
from sphere_repro.commands.verb import Verb, at_most
from sphere_repro.errors import UserError

if TYPE_CHECKING:
    from sphere_repro.sampling.given_images import Given
    from sphere_repro.sampling.image_sets import Drawn, Setting

CUTS = "left-right,top-bottom,diagonal,antidiagonal"


def add_options(parser: argparse.ArgumentParser) -> None:
    pictures.add_model(parser)
    parser.add_argument("first", type=Path, metavar="FIRST", help="an image")
    parser.add_argument("second", type=Path, metavar="SECOND", help="an image")
    pictures.add_folder(parser)
    parser.add_argument(
        "--cuts", type=pictures.listed, default=pictures.listed(CUTS), metavar=CUTS, help="default: all four"
    )
    parser.add_argument("--passes", type=at_most(1000), default=10, help="all are kept (default 10)")
    parser.add_argument("--strength", type=float, default=0.0, help="k, of the noise (default 0: none)")
    pictures.add_scheme(parser)
    pictures.add_common(parser)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.sampling.image_sets import draw_crossover
    from sphere_repro.strict import parse
    from sphere_repro.study.image_sets import Crossover

    said = {"name": "by-hand", "inputs": f"{o.first} and {o.second}", "cuts": o.cuts, "passes": o.passes}
    said |= {"strength": o.strength, "scheme": {"strength": o.scheme, "noise": o.noise}}
    settings = parse(Crossover, said, "crossover")
    for path in (o.first, o.second):
        if path.is_dir():
            raise UserError(f"{path} is a folder. A crossover takes two images: give an image of it.")

    def work(setting: Setting, given: Given | None) -> Drawn:
        assert given is not None
        return draw_crossover(setting, settings, given.pixels)

    return pictures.draw(o, settings.model_dump(mode="json"), work, {"first": o.first, "second": o.second})


VERB = Verb("crossover", "stitch two images and pass them through a model", add_options, run)
