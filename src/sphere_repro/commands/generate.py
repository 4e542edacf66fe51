"""`sphere-repro generate`: draw images from any model file, by hand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import pictures
from sphere_repro.commands.verb import Verb, at_most
from sphere_repro.errors import UserError
from sphere_repro.machine import gpus

if TYPE_CHECKING:
    from sphere_repro.sampling.given_images import Given
    from sphere_repro.sampling.image_sets import Drawn, Setting
    from sphere_repro.study.generation import Generation

MOST_IMAGES = 100_000_000  # names in an archive have eight digits


def add_options(parser: argparse.ArgumentParser) -> None:
    pictures.add_model(parser)
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="an archive (….zip), or a new folder to write PNGs into"
    )
    parser.add_argument("--count", type=at_most(MOST_IMAGES), default=64, help="images (default 64)")
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME",
        help="a class to draw, by name or number; again for more (default all, in turn)",
    )
    parser.add_argument(
        "--classes",
        dest="classes",
        type=pictures.listed,
        action="extend",
        metavar="3,7",
        help="classes to draw, by name or number, in turn",
    )
    parser.add_argument("--steps", type=at_most(1000), default=4, help="steps (default 4)")
    parser.add_argument("--strength", choices=("fixed", "linear"), default="fixed")
    parser.add_argument("--noise", choices=("shared", "independent", "initial"), default="shared")
    pictures.add_guidance(parser)
    pictures.add_common(parser)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.strict import parse
    from sphere_repro.study.generation import Generation

    asked = {key: getattr(o, key) for key in ("steps", "strength", "noise")}
    asked["guidance"] = pictures.guidance_of(o)
    settings = parse(Generation, asked, "generate")
    if o.out.suffix != ".zip":
        return _pictures(o, settings)
    if o.npz:
        raise UserError("--npz is for a folder of PNGs: an archive holds all images already. Leave it out.")
    return generate(
        o.model,
        o.out,
        settings,
        count=o.count,
        seed=o.seed,
        weights=o.weights,
        device=o.device,
        classes=o.classes,
    )


def _pictures(o: argparse.Namespace, settings: Generation) -> str:
    """The same images as PNGs."""
    from sphere_repro.sampling.generations import draw_generation

    def work(setting: Setting, _given: Given | None) -> Drawn:
        return draw_generation(setting, settings, o.count, o.classes)

    o.folder = o.out
    said = settings.model_dump(mode="json") | {"count": o.count, "classes": o.classes}
    return pictures.draw(o, said, work)


def generate(
    model: Path,
    out: Path,
    settings: Generation,
    *,
    count: int,
    seed: int,
    weights: str,
    device: str,
    classes: Sequence[str] = (),
) -> str:
    """Draw images from any model file of a Sphere Encoder."""
    from sphere_repro.sampling.sets import draw_generation

    with gpus.device(device) as chosen:
        draw_generation(
            model, out, settings, count=count, seed=seed, weights=weights, device=chosen, classes=classes
        )
    return f"generate: {count} images in {out}"


VERB = Verb("generate", "draw images from any model file", add_options, run)
