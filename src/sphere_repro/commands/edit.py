"""`sphere-repro edit`: refine images of one's own towards classes, with a little noise."""

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
    parser.add_argument(
        "--classes",
        type=pictures.listed,
        default=[],
        metavar="3,7",
        help="target classes, by name or number (default all)",
    )
    parser.add_argument("--strength", type=float, default=0.25, help="k, of the noise (default 0.25)")
    parser.add_argument("--steps", type=at_most(1000), default=10, help="steps; all are kept (default 10)")
    pictures.add_scheme(parser)
    pictures.add_guidance(parser)
    parser.add_argument("--negatives", action="store_true", help="each image's negative as well")
    pictures.add_common(parser)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.sampling.image_sets import draw_edit
    from sphere_repro.strict import parse
    from sphere_repro.study.image_sets import Edit

    said = {"name": "by-hand", "inputs": str(o.images), "classes": o.classes, "negatives": o.negatives}
    said |= {"strength": o.strength, "steps": o.steps, "guidance": pictures.guidance_of(o)}
    said |= {"schemes": [{"strength": o.scheme, "noise": o.noise}]}
    settings = parse(Edit, said, "edit")

    def work(setting: Setting, given: Given | None) -> Drawn:
        assert given is not None
        return draw_edit(setting, settings, given.pixels)

    return pictures.draw(o, settings.model_dump(mode="json"), work, {"images": o.images}, o.negatives)


VERB = Verb("edit", "refine images towards classes", add_options, run)
