"""What the verbs that draw pictures by hand share: a model by any place, settings, and a folder of PNGs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphere_repro.commands.records import times
from sphere_repro.commands.verb import at_most
from sphere_repro.machine import gpus
from sphere_repro.machine.folders import atomic_folder, refuse_taken
from sphere_repro.provenance import code
from sphere_repro.provenance.record import provenance_of

if TYPE_CHECKING:
    from sphere_repro.data.parts import Form
    from sphere_repro.sampling.given_images import Given
    from sphere_repro.sampling.image_sets import Drawn, Setting

MOST_BATCH, BATCH = 1_000_000, 64
MODEL = "MODEL"
MODEL_HELP = "a model file, the folder of a finished run, or a released checkpoint"


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar=MODEL, help=MODEL_HELP)


def add_common(parser: argparse.ArgumentParser) -> None:
    """The options that all of them have."""
    parser.add_argument("--weights", choices=("raw", "ema"), default="raw", help="default raw")
    parser.add_argument("--seed", type=int, default=0, help="of the noise (default 0)")
    parser.add_argument(
        "--batch",
        type=at_most(MOST_BATCH),
        default=BATCH,
        help=f"images per pass (default {BATCH}); changes none",
    )
    parser.add_argument("--npz", action="store_true", help="also write images.npz, all images as arrays")


def add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="to write PNGs into; new, or an empty one"
    )


def add_scheme(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scheme", choices=("fixed", "linear"), default="fixed", help="noise that stays, or that falls"
    )
    parser.add_argument("--noise", choices=("shared", "independent"), default="shared")


def add_guidance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--guidance", type=float, default=1.0, metavar="SCALE", help="at least 1 (default 1)")
    parser.add_argument("--position", choices=("enc", "dec", "combo"), default="combo")


def listed(text: str) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def draw(
    o: argparse.Namespace,
    settings: Mapping[str, Any],
    work: Callable[[Setting, Given | None], Drawn],
    inputs: Mapping[str, Path] | None = None,
    negatives: bool = False,
) -> str:
    """Draw images by `work`, from those at `inputs` where there are some, and write them into the folder.

    Args:
        o: the parsed options.
        settings: what was asked for, for the record.
        work: draws them; told the given images, None where there are none.
        inputs: name → place of given images, prepared as the model's training images were.
        negatives: whether each of them is followed by its negative.

    Returns:
        The line that says what was done, and what was done to the inputs.
    """
    from sphere_repro.sampling.image_sets import Setting
    from sphere_repro.sampling.opened import open_model
    from sphere_repro.sampling.pictures import write_arrays, write_pictures

    refuse_taken(o.folder)
    started = time.time()
    with gpus.device(o.device) as chosen:
        opened = open_model(o.model, o.weights, chosen)
        given = None if inputs is None else _given(inputs, opened.form, negatives)
        setting = Setting(opened.checkpoint, (o.seed, o.verb), o.batch, chosen)
        drawn = work(setting, given)
    files = {**opened.files, **{name: path for name, path in (inputs or {}).items() if path.is_file()}}
    said = {
        "verb": o.verb,
        "seed": o.seed,
        "weights": o.weights,
        "settings": dict(settings),
    }
    about = provenance_of(said, inputs=files, code=code.IMAGES, device=str(chosen)) | times(started)
    names = () if given is None else given.names
    with atomic_folder(o.folder) as folder:
        left_out = write_pictures(folder, drawn, about, names, opened.checkpoint.class_names)
        if o.npz:
            write_arrays(folder, drawn)
    notes = [left_out] if left_out else []
    if given is not None:
        notes += _told(given.notes) + ([opened.guessed] if opened.guessed and given.notes else [])
    return "; ".join([f"{o.verb}: {len(drawn.flat)} images in {o.folder}", *notes])


def _given(inputs: Mapping[str, Path], form: Form, negatives: bool) -> Given:
    import numpy as np

    from sphere_repro.sampling.given_images import Given, from_place

    found = [from_place(place, form) for place in inputs.values()]
    whole = Given(
        np.concatenate([each.pixels for each in found]),
        tuple(name for each in found for name in each.names),
        tuple(note for each in found for note in each.notes),
    )
    return whole.with_negatives() if negatives else whole


def _told(notes: Sequence[str]) -> list[str]:
    return [*notes[:2], *([f"and {len(notes) - 2} more likewise"] if len(notes) > 2 else [])]


def guidance_of(o: argparse.Namespace) -> dict[str, Any]:
    return {"scale": o.guidance, "position": o.position}
