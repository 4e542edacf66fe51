"""Prepared datasets: every image square, RGB, at the study's resolution, in one archive (section 3)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from sphere_repro.data import folder, lists, raw
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.images import Images
from sphere_repro.data.listing import listing
from sphere_repro.data.own_archive import OwnArchive
from sphere_repro.data.parts import Form, write_prepared
from sphere_repro.data.pictures import Pictures
from sphere_repro.data.publishers import images_of
from sphere_repro.data.report import Report
from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output, write_json
from sphere_repro.machine.locks import only_one
from sphere_repro.machine.progress import progress
from sphere_repro.provenance.code import code_hash
from sphere_repro.provenance.hashes import file_hash, value_hash
from sphere_repro.provenance.integrity import recorded_content
from sphere_repro.provenance.record import provenance_of
from sphere_repro.provenance.stamps import known_hash

STATE = Path(".state")


def prepare(
    dataset: Dataset,
    out: Path,
    *,
    downloads: Path | None = None,
    state: Path = STATE,
    workers: int = 1,
    content: str | None = None,
) -> dict[str, Any]:
    """Write `dataset` as the archive `out`, and its provenance beside it with the suffix `.json`.

    Args:
        dataset: which images, at which resolution.
        out: the archive, `….zip`.
        downloads: the folder of the dataset's downloads; default `data/raw/<name>`.
        state: the folder of half-made archives.
        workers: processes that decode and resize files.
        content: what the images of one's own were when the work was planned (`own_content`).

    Returns:
        The provenance: the dataset's row of `data/sources.yaml`, counts, the archive's SHA-256.

    Raises:
        UserError: images are missing, broken or have changed, the resolution is beyond what the source can
            give, or `out` cannot be written.
    """
    downloads = downloads or raw.DOWNLOADS / dataset.name
    inputs = {"raw": raw.checked_record(downloads)} if dataset.source.files else {}
    found = own_content(dataset, state)
    if content is not None and found != content:
        place = dataset.folder or dataset.zip or dataset.list
        raise UserError(f"The images at {place} have changed while the workflow ran. Run it again.")
    identity = value_hash(
        {
            "dataset": dataset.model_dump(mode="json"),
            "content": found,
            "raw": {name: file_hash(path) for name, path in inputs.items()},
            "code": code_hash("data"),
        }
    )
    parts = state / "prepare" / f"{dataset.archive}-{identity[:16]}"
    with only_one(parts.with_suffix(".lock"), f"{dataset.archive} is being prepared"):
        images = images_of(dataset, downloads)
        report = _brought_along(images, dataset, out)
        if report is None:
            skip = dataset.on_broken == "skip"
            form = Form(dataset.pixels, dataset.stored, dataset.resize, skip)
            report = write_prepared(out, images, form, parts, workers, _class_names(images))
    facts = {"content": found, **_own_facts(dataset, images, report)} if found else {}
    return _write_provenance(dataset, out, images, report, facts, inputs)


def own_content(dataset: Dataset, state: Path = STATE) -> str | None:
    """SHA-256 over the images of one's own that `dataset` names; None for a dataset of the table.

    Raises:
        UserError: they cannot be read.
    """
    place = dataset.place
    if place is None:
        return None
    cache = state / "contents" / f"{value_hash(str(place))[:16]}.json"
    if dataset.list is not None:
        return lists.contents(place, dataset.list_root, cache)
    return folder.contents(place, cache)


def planned_content(dataset: Dataset, prepared: Path) -> str | None:
    """`own_content` for the workflow; where the images are not at hand, that of the archive made from them.

    Args:
        dataset: which images.
        prepared: the folder of archives.

    Raises:
        UserError: the images are at hand and cannot be read.
    """
    place = dataset.place
    if place is None:
        at_hand = True
    elif dataset.list is not None:
        at_hand = lists.at_hand(place, dataset.list_root)
    else:
        at_hand = place.exists()
    if at_hand:
        return own_content(dataset)
    return recorded_content(prepared / f"{dataset.archive}.json")


def _brought_along(images: Images, dataset: Dataset, out: Path) -> Report | None:
    """Copy an archive that is as ours are and has the right size, once every image of it has been read.

    None where it has to be written anew instead.
    """
    if not isinstance(images, OwnArchive) or images.resolution != dataset.pixels or not images.plain:
        return None
    if dataset.format is not None:
        return None
    for index in progress(range(len(images)), label=f"check {images.path.name}", unit="image"):
        if not images.as_ours(index):
            return None
    with atomic_output(out) as temporary:
        shutil.copyfile(images.path, temporary)
    return Report(list(range(len(images))))


def _class_names(images: Images) -> tuple[str, ...] | None:
    return images.class_names if isinstance(images, Pictures | OwnArchive) else None


def _own_facts(dataset: Dataset, images: Images, report: Report) -> dict[str, Any]:
    """What the record says of images of one's own beyond their number."""
    names = _class_names(images)
    facts: dict[str, Any] = {"class_names": None if names is None else list(names), **report.done}
    if isinstance(images, OwnArchive):
        facts |= {"left_out": dict(images.left_out), "unused_rows": images.unused_rows}
    elif dataset.place is not None and dataset.list is None:
        facts["left_out"] = dict(listing(dataset.place).left_out)
    return facts | {"unreadable": [[name, why] for name, why in report.unreadable]}


def _write_provenance(
    dataset: Dataset,
    out: Path,
    images: Images,
    report: Report,
    facts: dict[str, Any],
    inputs: dict[str, Path],
) -> dict[str, Any]:
    labels = None if images.labels is None else images.labels[report.kept]
    counts = None if labels is None else np.bincount(labels, minlength=dataset.source.classes).tolist()
    provenance = provenance_of(
        dataset.model_dump(),
        inputs=inputs,
        code=("data/",),
        source=dataset.source.model_dump(mode="json", exclude_defaults=True),
        resolution=dataset.pixels,
        images=len(report.kept),
        class_counts=counts,
        sha256=known_hash(out),
        **facts,
    )
    write_json(out.with_suffix(".json"), provenance)
    return provenance
