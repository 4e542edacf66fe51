"""A run's image sets as files: an archive for each, and what its record says of axes, inputs, measures."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.parts import Form
from sphere_repro.errors import UserError
from sphere_repro.machine.progress import progress
from sphere_repro.sampling import given_images, image_sets
from sphere_repro.sampling.given_images import Given
from sphere_repro.sampling.image_sets import Drawn, Setting
from sphere_repro.sampling.sets import checked_model
from sphere_repro.study.image_job import ImagesJob
from sphere_repro.study.image_sets import Crossover, Edit, ImageSet, Inputs, Interpolation, Reconstruction


@dataclass(frozen=True)
class Made:
    """One set as it was written: its settings, its archive, what it was made of, and facts for its record."""

    settings: ImageSet
    archive: Path
    inputs: Mapping[str, Path]
    facts: Mapping[str, Any]


def draw_images(
    job: ImagesJob, model: Path, data: Sequence[Path], folder: Path, device: torch.device
) -> list[Made]:
    """Draw the image sets of a run into `folder`, an archive each; what else lies there is removed.

    Args:
        job: which sets.
        model: file of the run.
        data: prepared archives that their images come from, in any order.
        folder: to write into.
        device: to compute on.

    Raises:
        UserError: the model does not fit the job, an archive is not given, own images have changed since the
            work was planned, or an image or class is not there.
    """
    checkpoint = checked_model(job, model, device)
    archives = {path.stem: path for path in data}
    made = []
    for settings in progress(job.sets, label=f"images {job.run}", unit="set"):
        given, files = _given(job, settings, archives)
        setting = Setting(checkpoint, (*job.seed, settings.set), job.batch_size, device, job.random)
        drawn = drawn_set(setting, settings, given)
        archive = folder / f"{settings.set}.zip"
        write_archive(archive, drawn.flat, drawn.labels, checkpoint.class_names)
        made.append(Made(settings, archive, {"model": model, **files}, facts_of(setting, drawn, given)))
    archives_made = [each.archive for each in made]
    _remove_others(folder, {*archives_made, *(path.with_suffix(".json") for path in archives_made)})
    return made


def drawn_set(setting: Setting, settings: ImageSet, given: Given | None) -> Drawn:
    """The images of one set; `given`: those that it begins with."""
    if isinstance(settings, Interpolation):
        return image_sets.draw_interpolation(setting, settings)
    assert given is not None  # every other kind begins with images
    if isinstance(settings, Edit):
        return image_sets.draw_edit(setting, settings, given.pixels)
    if isinstance(settings, Crossover):
        return image_sets.draw_crossover(setting, settings, given.pixels)
    assert isinstance(settings, Reconstruction)
    return image_sets.draw_reconstruction(setting, settings, given.pixels)


def facts_of(setting: Setting, drawn: Drawn, given: Given | None) -> dict[str, Any]:
    """What a set's record says besides where it comes from."""
    facts: dict[str, Any] = {
        "count": len(drawn.flat),
        "axes": [
            [name, along] for name, along in drawn.axes.items()
        ],  # in their order, which JSON's keys lose
        "seed": list(setting.seed),
        "measures": drawn.measures,
    }
    if given is not None:
        facts |= {"begins_with": list(given.names), "prepared": list(given.notes)}
    return facts


def form_of(job: ImagesJob) -> Form:
    """How the run's training images were prepared."""
    dataset = job.dataset
    return Form(dataset.pixels, dataset.stored, dataset.resize)


def _given(
    job: ImagesJob, settings: ImageSet, archives: Mapping[str, Path]
) -> tuple[Given | None, dict[str, Path]]:
    """The images that a set begins with, and the file that they come from, for its record."""
    if not isinstance(settings, Inputs):
        return None, {}
    files: dict[str, Path] = {}
    if settings.dataset is not None:
        name = job.archives[settings.set]
        if name not in archives:
            raise UserError(f"'{settings.set}' needs the archive {name}.zip. Give it with --data.")
        files["data"] = archives[name]
        archive = ImageArchive(archives[name])
        given = given_images.from_archive(archive, settings.indices, form_of(job), settings.dataset)
    else:
        assert settings.inputs is not None  # one of the two is there
        place, planned = Path(settings.inputs), job.contents.get(settings.inputs)
        given = given_images.from_place(place, form_of(job))
        if planned is not None and given_images.content(place) != planned:
            raise UserError(f"The images at {place} have changed while the workflow ran. Run it again.")
        if place.expanduser().is_file():
            files["data"] = place.expanduser()
    negatives = isinstance(settings, Edit | Reconstruction) and settings.negatives
    return given.with_negatives() if negatives else given, files


def _remove_others(folder: Path, kept: set[Path]) -> None:
    """Sets that the study no longer has."""
    for path in folder.iterdir():
        if path not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
