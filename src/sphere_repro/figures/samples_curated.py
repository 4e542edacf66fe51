"""Curated samples: of each class those that a classifier of real images is surest of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.class_names import short_word
from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.machine.files import read_json
from sphere_repro.results.recognised import percent
from sphere_repro.results.scores import read_scores, set_label

LONGEST = 18  # letters of a class's name
ROW, ROW_ALONE = 0.52, 0.62  # inches of a class, with two sets beside each other and with one
SEES = {"features": "the extractor's features", "pixels": "small pixels"}


@dataclass(frozen=True)
class Choice:
    """The chosen images of one set: for each class its number, `of`, `indices` and `probability`."""

    set: str
    steps: int
    paper: bool  # whether it is of the paper's scheme
    classes: Sequence[Mapping[str, Any]]


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `scores`, which say what was chosen, and the generated sets by name."""
    title = titled("Curated samples", subject)
    scores = need(inputs, "scores")
    found, classifier = choices(scores)
    if not found:
        return _nothing(title, classifier)
    sets = {choice.set: ImageArchive(need(inputs, choice.set)) for choice in shown(found)}
    return draw(shown(found), sets, classifier, title=title)


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """Every chosen image of every set: its index in the archive, its class and the probability of that."""
    rows = [
        {"set": set_label(choice.set), "class": of["class"], "of": of["of"], "index": index, "probability": p}
        for choice in choices(need(inputs, "scores"))[0]
        for of in choice.classes
        for index, p in zip(of["indices"], of["probability"], strict=True)
    ]
    columns = ["set", "class", "of", "index", "probability"]
    return pd.DataFrame(rows, columns=columns).set_index(["set", "class"])


def choices(scores: Path) -> tuple[list[Choice], Mapping[str, Any] | None]:
    """What a scores file says of chosen images, and of the classifier that chose them.

    Raises:
        UserError: it is missing, is no scores file, or is one of before images were chosen.
    """
    read = {score.set: score for score in read_scores(scores).records}
    data, found = read_json(scores), []
    for record in data["records"]:
        if record["kind"] != "generation":
            continue
        if "surest" not in record:
            raise UserError(f"{scores} was made before curated images were kept. Delete it and score again.")
        score = read[record["set"]]
        if record["surest"]:
            found.append(Choice(score.set, score.steps or 0, score.default_scheme, record["surest"]))
    return found, data["classifier"]


def shown(found: Sequence[Choice]) -> list[Choice]:
    """The sets with the fewest and the most steps of the paper's scheme (of any, where there is none)."""
    papers = [choice for choice in found if choice.paper] or list(found)
    ends = [min(papers, key=lambda choice: choice.steps), max(papers, key=lambda choice: choice.steps)]
    return ends[:1] if ends[0] is ends[1] else ends


@style.house()
def draw(
    found: Sequence[Choice],
    sets: Mapping[str, ImageArchive],
    classifier: Mapping[str, Any] | None,
    *,
    title: str = "Curated samples",
) -> Figure:
    """For each set a block of images: rows are classes, columns the chosen, the surest first."""
    rows = max(len(choice.classes) for choice in found)
    drawn = style.figure(height=1.5 + rows * (ROW if len(found) > 1 else ROW_ALONE))
    for axes, choice in zip(drawn.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        _block(axes, choice, sets[choice.set])
    most = max(len(of["indices"]) for choice in found for of in choice.classes)
    chosen = (
        f"Curated: the {most} of {_counts(found)} per class that a classifier of real images is surest of"
    )
    about = f"{_about(classifier)} Uncurated images: the figure 'samples'."
    style.heading(drawn, title, f"{chosen}, the surest on the left.\n{about}")
    return drawn


def _block(axes: Axes, choice: Choice, archive: ImageArchive) -> None:
    most = max(len(of["indices"]) for of in choice.classes)
    rows = []
    for of in choice.classes:
        images = np.stack([archive.read(index) for index in of["indices"]])
        blank = np.full((most - len(images), *images.shape[1:]), 255, np.uint8)
        rows.append(np.concatenate([images, blank]))
    heights, _ = style.show_montage(axes, np.stack(rows))
    words = [short_word(of["class"], archive.class_names, LONGEST) for of in choice.classes]
    axes.set_yticks(heights, words)
    axes.set_title(set_label(choice.set), fontweight="bold", loc="left")


def _counts(found: Sequence[Choice]) -> str:
    counts = sorted({of["of"] for choice in found for of in choice.classes})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _about(classifier: Mapping[str, Any] | None) -> str:
    if classifier is None:
        return ""
    right = percent(classifier["accuracy"])
    return f"It sees {SEES[classifier['sees']]} and is right on {right} of real images held out."


def _nothing(title: str, classifier: Mapping[str, Any] | None) -> Figure:
    """Where nobody can choose, the figure says so."""
    drawn = style.figure(height=1.2)
    why = "the real images have no classifier" if classifier is None else "it hardly sees the classes itself"
    style.heading(drawn, title, f"Nothing is curated: {why}, so that no choice would mean anything.")
    style.warning(drawn, "No curated samples. The figure 'samples' shows uncurated ones.")
    return drawn
