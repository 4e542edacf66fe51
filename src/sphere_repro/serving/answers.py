"""What a served model answers: rows of images, each with the command that makes the same picture.

Everything is drawn by the functions that the verbs call, with their seeds and in their batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sphere_repro.data.class_names import class_word
from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.sampling import paths, refine
from sphere_repro.sampling.generations import draw_generation, draw_steps, sample_labels
from sphere_repro.sampling.given_images import Given, prepared
from sphere_repro.sampling.image_sets import (
    Drawn,
    Setting,
    draw_crossover,
    draw_edit,
    draw_interpolation,
)
from sphere_repro.sampling.noising import angle
from sphere_repro.sampling.painting import gaussian_draws
from sphere_repro.sampling.pictures import file_names
from sphere_repro.serving import shown
from sphere_repro.serving.asked import DRAWN_STEPS, Between, Draw, Editing, Stitching
from sphere_repro.serving.stage import Stage
from sphere_repro.serving.uploads import Upload, read_uploads
from sphere_repro.strict import Strict
from sphere_repro.study.generation import Generation

BATCH = 64  # of the verbs
VERBS = {"draw": "generate", "between": "interpolate", "edit": "edit", "stitch": "crossover"}


@dataclass(frozen=True)
class Cell:
    """One image, uint8 (H, W, 3).

    Attributes:
        name: its column, e.g. `3 steps`.
        image: its pixels.
        command: what makes the same picture; empty where no verb does.
        file: where that command then writes it.
    """

    name: str
    image: np.ndarray
    command: str = ""
    file: str = ""


@dataclass(frozen=True)
class Row:
    """Images that stand side by side, under one name; `beside` is another model's answer, if any."""

    name: str
    cells: tuple[Cell, ...]
    beside: Cell | None = None


@dataclass(frozen=True)
class Answer:
    """All of it.

    Attributes:
        rows: the images.
        notes: what a person should know of them.
        angles: of `between`: the points' angles from the first end, in degrees; of a line.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    angles: tuple[float, ...] = ()


def answer(stage: Stage, asked: Strict, uploads: Sequence[Upload | None] = ()) -> Answer:
    """The answer to what is asked.

    Args:
        stage: the models.
        asked: settings of one view.
        uploads: images that edit (one) or stitch (two) begin with; None: a drawn one in its place.

    Raises:
        UserError: the model cannot do that, or an upload is no image that is taken.
    """
    if isinstance(asked, Draw):
        return _draw(stage, asked)
    if isinstance(asked, Between):
        return _between(stage, asked)
    if isinstance(asked, Editing):
        return _edit(stage, asked, uploads)
    assert isinstance(asked, Stitching)
    return _stitch(stage, asked, uploads)


def _draw(stage: Stage, asked: Draw) -> Answer:
    setting, generation = _setting(stage, asked.seed, "draw"), asked.generation
    drawn = draw_steps(setting, generation, asked.count, asked.classes)
    labels = sample_labels(setting, generation, asked.count, asked.classes)
    names = file_names(Drawn(drawn.images[:, 0], {"sample": drawn.axes["sample"]}, labels), _names(stage))
    beside = _beside(stage, setting, labels, asked.count)
    rows = []
    for sample, images in enumerate(drawn.images):
        cells = [
            Cell(
                _counted(step + 1, "step"),
                image,
                shown.draw(stage, asked, step + 1),
                f"{shown.PICTURES}/{names[sample]}",
            )
            for step, image in enumerate(images)
        ]
        word = "" if labels is None else f", class {class_word(int(labels[sample]), _names(stage))}"
        rows.append(Row(f"point {sample}{word}", tuple(cells), beside[sample] if beside else None))
    return Answer(tuple(rows))


def _beside(stage: Stage, setting: Setting, labels: np.ndarray | None, count: int) -> list[Cell]:
    """The other model's decodes of the same draws, from before they are projected to the sphere."""
    if stage.beside is None:
        return []
    model = stage.beside.checkpoint.model
    assert not isinstance(model, SphereAutoencoder)  # `set_up` saw to it
    own = labels if model.shape.classes else None
    if model.shape.classes and own is None:
        own = np.full(count, model.null_class, dtype=np.int64)
    images = refine.to_bytes(gaussian_draws(model, setting.seed, own)(range(count))).numpy()
    return [Cell(stage.beside_kind, image) for image in images]


def _between(stage: Stage, asked: Between) -> Answer:
    settings, setting = asked.interpolation, _setting(stage, asked.seed, "between")
    drawn = draw_interpolation(setting, settings)
    names, command = file_names(drawn, _names(stage)), shown.between(stage, asked)
    side = settings.points if settings.form == "square" else len(names)
    cells = [
        Cell(_place(settings.form, number, settings.points), image, command, f"{shown.LINE}/{name}")
        for number, (image, name) in enumerate(zip(drawn.flat, names, strict=True))
    ]
    rows = tuple(Row("", tuple(cells[start : start + side])) for start in range(0, len(cells), side))
    angles: tuple[float, ...] = ()
    if settings.form == "line":
        corners = setting.noise(range(settings.corners), 1, "corner")[0]
        points = paths.points(settings, corners).flatten(1)
        angles = tuple(angle(points[:1].expand_as(points), points).tolist())
    return Answer(rows, angles=angles)


def _edit(stage: Stage, asked: Editing, uploads: Sequence[Upload | None]) -> Answer:
    given, files, before = _given(stage, [(asked.drawn, asked.drawn_class)], uploads)
    drawn = draw_edit(_setting(stage, asked.seed, "edit"), asked.edit, given.pixels)
    command = "\n".join([*before, shown.edit(stage, asked, files[0])])
    words = [f"towards {word}" if stage.model.shape.classes else "refined" for word in drawn.axes["class"]]
    return Answer(
        _rows(stage, drawn, words, "step", command, shown.EDITED), given.notes + _guessed(stage, given)
    )


def _stitch(stage: Stage, asked: Stitching, uploads: Sequence[Upload | None]) -> Answer:
    wanted = [(asked.drawn, asked.drawn_class), (asked.second, asked.second_class)]
    given, files, before = _given(stage, wanted, uploads)
    drawn = draw_crossover(_setting(stage, asked.seed, "stitch"), asked.crossover, given.pixels)
    command = "\n".join([*before, shown.stitch(stage, asked, files)])
    words = ["first image", "second image", f"stitched, {asked.cut}"]
    rows = _rows(stage, drawn, words, "pass", command, shown.CROSSED)
    return Answer((rows[2], *rows[:2]), given.notes + _guessed(stage, given))


def _rows(
    stage: Stage, drawn: Drawn, words: Sequence[str], turn: str, command: str, folder: str
) -> tuple[Row, ...]:
    """A row for each of `words`, its images in the order of the set; image 0 is where it begins."""
    names, along = file_names(drawn, _names(stage)), len(drawn.axes[turn])
    cells = [
        Cell(_counted(number % along, turn), image, command, f"{folder}/{name}")
        for number, (image, name) in enumerate(zip(drawn.flat, names, strict=True))
    ]
    return tuple(Row(word, tuple(cells[i * along : (i + 1) * along])) for i, word in enumerate(words))


def _given(
    stage: Stage, wanted: Sequence[tuple[int, str]], uploads: Sequence[Upload | None]
) -> tuple[Given, list[str], list[str]]:
    """Images that something begins with, their files as commands name them, and commands that make these.

    `wanted`: (seed, class) of the image that is drawn where no upload stands at its place.
    """
    given, files, before = [], [], []
    for number, (seed, label) in enumerate(wanted):
        upload = uploads[number] if number < len(uploads) else None
        if upload is not None:
            found = read_uploads([upload], stage.opened.form)
            files.append(found.names[0])
        else:
            folder = f"drawn-{number + 1}" if len(wanted) > 1 else "drawn"
            found, file = _drawn_image(stage, seed, label)
            files.append(f"{folder}/{file}")
            before.append(shown.drawn_image(stage, folder, seed, label))
        given.append(found)
    pixels = np.concatenate([each.pixels for each in given])
    notes = tuple(note for each in given for note in each.notes)
    return Given(pixels, tuple(files), notes), files, before


def _drawn_image(stage: Stage, seed: int, label: str) -> tuple[Given, str]:
    """Sample 0 of a seed, as if it were read from the file that `generate` writes."""
    classes = (label,) if label else ()
    drawn = draw_generation(_setting(stage, seed, "draw"), Generation(steps=DRAWN_STEPS), 1, classes)
    file = file_names(drawn, _names(stage))[0]
    return prepared(drawn.images, [file], stage.opened.form), file


def _guessed(stage: Stage, given: Given) -> tuple[str, ...]:
    return (stage.opened.guessed,) if stage.opened.guessed and given.notes else ()


def _setting(stage: Stage, seed: int, view: str) -> Setting:
    """As the verb's own, so that its draws are the same."""
    return Setting(stage.opened.checkpoint, (seed, VERBS[view]), BATCH, stage.device)


def _names(stage: Stage) -> tuple[str, ...] | None:
    return stage.opened.checkpoint.class_names


def _counted(number: int, word: str) -> str:
    plural = f"{word}es" if word.endswith("s") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _place(form: str, number: int, points: int) -> str:
    if form == "line":
        return f"point {number + 1}"
    return f"row {number // points + 1}, column {number % points + 1}"
