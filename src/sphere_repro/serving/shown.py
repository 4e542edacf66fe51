"""The verbs that make what a page shows: one line each, as a shell takes it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from sphere_repro.serving.asked import DRAWN_STEPS, Between, Draw, Editing, Stitching
from sphere_repro.serving.stage import Stage

PICTURES, EDITED, CROSSED, LINE = "pictures", "edited", "crossed", "between"  # folders that commands make


def draw(stage: Stage, asked: Draw, steps: int) -> str:
    """`generate` with this many steps."""
    scheme = [] if steps == 1 else _unless("fixed", "--strength", asked.strength)
    scheme += [] if steps == 1 else _unless("shared", "--noise", asked.noise)
    options = [*_each_class(asked.classes), "--count", str(asked.count), "--steps", str(steps), *scheme]
    return _line(stage, "generate", [PICTURES], options + _guidance(asked), asked.seed)


def drawn_image(stage: Stage, folder: str, seed: int, label: str) -> str:
    """`generate` of the one image that stands for a given one."""
    options = [*_each_class((label,) if label else ()), "--count", "1", "--steps", str(DRAWN_STEPS)]
    return _line(stage, "generate", [folder], options, seed)


def between(stage: Stage, asked: Between) -> str:
    options = [*_unless("line", "--form", asked.form), "--points", str(asked.points)]
    options += [*_unless("linear", "--through", asked.through), "--steps", str(asked.steps)]
    return _line(stage, "interpolate", [LINE], options + _classes(asked.classes), asked.seed)


def edit(stage: Stage, asked: Editing, image: str) -> str:
    options = [*_classes(asked.classes), "--strength", repr(asked.strength)]
    options += ["--steps", str(asked.steps), *_unless("fixed", "--scheme", asked.scheme)]
    options += _unless("shared", "--noise", asked.noise) + _guidance(asked)
    return _line(stage, "edit", [image, EDITED], options, asked.seed)


def stitch(stage: Stage, asked: Stitching, images: Sequence[str]) -> str:
    options = ["--cuts", asked.cut, "--passes", str(asked.passes)]
    return _line(stage, "crossover", [*images, CROSSED], options, asked.seed)


def _line(stage: Stage, verb: str, places: Sequence[str], options: Sequence[str], seed: int) -> str:
    common = ["--seed", str(seed), *_unless("raw", "--weights", stage.weights)]
    named = [_no_option(place) for place in (str(stage.found.place), *places)]
    return shlex.join(["sphere-repro", verb, *named, *options, *common])


def _no_option(place: str) -> str:
    return f"./{place}" if place.startswith("-") else place


def _unless(usual: str, option: str, value: str) -> list[str]:
    return [] if value == usual else [option, value]


def _guidance(asked: Draw | Editing) -> list[str]:
    if asked.guidance == 1:
        return []
    return ["--guidance", repr(asked.guidance), *_unless("combo", "--position", asked.position)]


def _each_class(classes: Sequence[str]) -> list[str]:
    return [f"--class={name}" for name in classes]


def _classes(classes: Sequence[str]) -> list[str]:
    return [f"--classes={','.join(classes)}"] if classes else []
