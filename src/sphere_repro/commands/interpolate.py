"""`sphere-repro interpolate`: images between random draws of a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from sphere_repro.commands import pictures
from sphere_repro.commands.verb import Verb, at_most

if TYPE_CHECKING:
    from sphere_repro.sampling.given_images import Given
    from sphere_repro.sampling.image_sets import Drawn, Setting


def add_options(parser: argparse.ArgumentParser) -> None:
    pictures.add_model(parser)
    pictures.add_folder(parser)
    parser.add_argument("--form", choices=("line", "square"), default="line", help="default line")
    parser.add_argument("--points", type=at_most(1000), default=11, help="along a side (default 11)")
    parser.add_argument("--paths", type=at_most(1000), default=1, help="lines or squares (default 1)")
    parser.add_argument(
        "--classes",
        type=pictures.listed,
        default=[],
        metavar="3,7",
        help="of the ends or corners, in turn, by name or number (default all)",
    )
    parser.add_argument("--steps", type=at_most(1000), default=1, help="steps (default 1)")
    parser.add_argument("--through", choices=("linear", "spherical"), default="linear")
    parser.add_argument(
        "--later-noise", choices=("shared", "each"), default="shared", help="along the path, or of each point"
    )
    pictures.add_scheme(parser)
    pictures.add_guidance(parser)
    pictures.add_common(parser)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.sampling.image_sets import draw_interpolation
    from sphere_repro.strict import parse
    from sphere_repro.study.image_sets import Interpolation

    said = {key: getattr(o, key) for key in ("form", "points", "paths", "classes", "through", "later_noise")}
    generation = {"steps": o.steps, "strength": o.scheme, "noise": o.noise}
    generation["guidance"] = pictures.guidance_of(o)
    settings = parse(Interpolation, said | {"name": "by-hand", "generations": [generation]}, "interpolate")

    def work(setting: Setting, _given: Given | None) -> Drawn:
        return draw_interpolation(setting, settings)

    return pictures.draw(o, settings.model_dump(mode="json"), work)


VERB = Verb("interpolate", "draw images between random draws", add_options, run)
