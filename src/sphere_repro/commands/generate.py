"""`sphere-repro generate`: draw images from any model file, by hand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands.verb import Verb, at_most
from sphere_repro.machine import gpus

if TYPE_CHECKING:
    from sphere_repro.study.generation import Generation

MOST_IMAGES = 100_000_000  # names in an archive have eight digits


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL.safetensors")
    parser.add_argument("out", type=Path, metavar="OUT.zip")
    parser.add_argument("--count", type=at_most(MOST_IMAGES), default=64, help="images (default 64)")
    parser.add_argument(
        "--class",
        dest="classes",
        action="append",
        default=[],
        metavar="NAME",
        help="a class to draw, by name or number; again for more (default all, in turn)",
    )
    parser.add_argument("--steps", type=at_most(1000), default=4, help="steps (default 4)")
    parser.add_argument("--strength", choices=("fixed", "linear"), default="fixed")
    parser.add_argument("--noise", choices=("shared", "independent"), default="shared")
    parser.add_argument("--guidance", type=float, default=1.0, metavar="SCALE", help="at least 1 (default 1)")
    parser.add_argument("--position", choices=("enc", "dec", "combo"), default="combo")
    parser.add_argument("--weights", choices=("raw", "ema"), default="raw")
    parser.add_argument("--seed", type=int, default=0)


def run(o: argparse.Namespace) -> str:
    from sphere_repro.strict import parse
    from sphere_repro.study.generation import Generation

    asked = {key: getattr(o, key) for key in ("steps", "strength", "noise")}
    asked["guidance"] = {"scale": o.guidance, "position": o.position}
    settings = parse(Generation, asked, "generate")
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
