"""The page as HTML, with what it needs to know of the model, and the files that it loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sphere_repro.data.class_names import class_word
from sphere_repro.data.resizing import default_resize
from sphere_repro.overview import LOOK
from sphere_repro.serving import asked
from sphere_repro.serving.stage import Stage
from sphere_repro.serving.uploads import KINDS

HERE = Path(__file__).parent
PAGE = "page.html"
FILES = {"page.css": "text/css", **dict.fromkeys(("server.js", "page.js", "pad.js"), "text/javascript")}
CUT_WORDS = (
    ("left-right", "left"),
    ("top-bottom", "at the top"),
    ("diagonal", "above the diagonal"),
    ("antidiagonal", "above the antidiagonal"),
)


def page(stage: Stage, scripts: tuple[str, ...] = ("server.js",), said: str = "") -> str:
    """The page of a model; `scripts` are what answers it, `said` what is particular to that."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(PAGE).render(
        about=about(stage), scripts=scripts, said=said, cuts=CUT_WORDS, kinds=KINDS, pairs=_pairs
    )


def file(name: str) -> str:
    """One of `FILES`; the style begins with what all pages of this project share."""
    text = (HERE / name).read_text(encoding="utf-8")
    return LOOK.read_text(encoding="utf-8") + text if name == "page.css" else text


def about(stage: Stage) -> dict[str, Any]:
    """What the page is told of the model."""
    checkpoint, shape, form = stage.opened.checkpoint, stage.model.shape, stage.opened.form
    return {
        "name": stage.found.name,
        "place": str(stage.found.place),
        "pixels": shape.image_size,
        "shape": [shape.tokens, shape.token_channels],
        "latent": shape.tokens * shape.token_channels,
        "stored": form.format,
        "resize": form.resize or default_resize(shape.image_size),
        "alpha_max": checkpoint.alpha_max,
        "classes": [_asked_as(label, checkpoint.class_names) for label in range(shape.classes)],
        "names": [class_word(label, checkpoint.class_names) for label in range(shape.classes)],
        "weights": stage.weights,
        "beside": stage.beside_kind,
        "beside_classes": 0 if stage.beside is None else stage.beside.checkpoint.model.shape.classes,
        "beside_place": "" if stage.found.beside is None else str(stage.found.beside),
        "why": stage.why,
        "most": {"count": asked.MOST_COUNT, "steps": asked.MOST_STEPS, "passes": asked.MOST_PASSES}
        | {"points": asked.MOST_POINTS, "seed": asked.MOST_SEED},
    }


def _asked_as(label: int, names: tuple[str, ...] | None) -> str:
    """The word by which an address asks for a class; commas stand between classes there."""
    word = class_word(label, names)
    return str(label) if "," in word else word


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    """Values and words of a list to choose from, where the two are the same."""
    return [(word, word) for word in words]
