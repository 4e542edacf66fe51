"""`sphere-repro reconstruct`: encode and decode images of one's own, once or again and again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import pictures
from sphere_repro.commands.verb import Verb, at_most

if TYPE_CHECKING:
    from sphere_repro.sampling.given_images import Given
    from sphere_repro.sampling.image_sets import Drawn, Setting


def add_options(parser: argparse.ArgumentParser) -> None:
    pictures.add_model(parser)
    parser.add_argument("images", type=Path, metavar="IMAGES", help="an image, or a folder of them")
    pictures.add_folder(parser)
    parser.add_argument("--passes", type=at_most(1000), default=1, help="all are kept (default 1)")
    parser.add_argument("--negatives", action="store_true", help="each image's negative as well")
    pictures.add_common(parser)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.sampling.image_sets import draw_reconstruction
    from sphere_repro.strict import parse
    from sphere_repro.study.image_sets import Reconstruction

    said = {"name": "by-hand", "inputs": str(o.images), "passes": o.passes, "negatives": o.negatives}
    settings = parse(Reconstruction, said, "reconstruct")

    def work(setting: Setting, given: Given | None) -> Drawn:
        assert given is not None
        return draw_reconstruction(setting, settings, given.pixels)

    return pictures.draw(o, settings.model_dump(mode="json"), work, {"images": o.images}, o.negatives)


VERB = Verb("reconstruct", "encode and decode images, with either kind of model", add_options, run)
