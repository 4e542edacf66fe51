"""Prepared datasets: every image square, RGB, at the study's resolution, in one archive (section 3)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from sphere_repro.data import folder, lists, raw
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.images import Images
from sphere_repro.data.parts import Form, write_prepared
from sphere_repro.data.publishers import images_of
from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output, read_json, write_json
from sphere_repro.machine.locks import only_one
from sphere_repro.machine.progress import progress
from sphere_repro.provenance.code import code_hash
from sphere_repro.provenance.hashes import file_hash, value_hash
from sphere_repro.provenance.record import provenance_of

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
        if isinstance(images, ImageArchive) and images.resolution == dataset.pixels:
            _bring_along(images, out)
        else:
            form = Form(dataset.pixels, dataset.source.jpeg_quality)
            write_prepared(out, images, form, parts, workers)
    return _write_provenance(dataset, out, images, {"content": found} if found else {}, inputs)


def own_content(dataset: Dataset, state: Path = STATE) -> str | None:
    """SHA-256 over the images of one's own that `dataset` names; None for a dataset of the table.

    Raises:
        UserError: they cannot be read.
    """
    if dataset.list is not None:
        root = None if dataset.root is None else Path(dataset.root)
        return lists.contents(Path(dataset.list), root, state / "contents" / f"{dataset.name}.json")
    place = dataset.folder or dataset.zip
    if place is None:
        return None
    return folder.contents(Path(place).expanduser(), state / "contents" / f"{dataset.name}.json")


def planned_content(dataset: Dataset, prepared: Path) -> str | None:
    """`own_content` for the workflow; where the images are not at hand, that of the archive made from them.

    Args:
        dataset: which images.
        prepared: the folder of archives.

    Raises:
        UserError: the images are at hand and cannot be read.
    """
    place = dataset.folder or dataset.zip
    if dataset.list is not None:
        at_hand = lists.at_hand(Path(dataset.list), None if dataset.root is None else Path(dataset.root))
    else:
        at_hand = place is None or Path(place).expanduser().exists()
    if at_hand:
        return own_content(dataset)
    try:
        found = read_json(prepared / f"{dataset.archive}.json")["job"]["content"]
    except (UserError, KeyError, TypeError):
        return None
    return str(found)


def _bring_along(images: ImageArchive, out: Path) -> None:
    """Copy an archive that has the right size already, once every image of it has been read."""
    for index in progress(range(len(images)), label=f"check {images.path.name}", unit="image"):
        images.read(index)
    with atomic_output(out) as temporary:
        shutil.copyfile(images.path, temporary)


def _write_provenance(
    dataset: Dataset, out: Path, images: Images, facts: dict[str, str], inputs: dict[str, Path]
) -> dict[str, Any]:
    labels = images.labels
    counts = None if labels is None else np.bincount(labels, minlength=dataset.source.classes).tolist()
    provenance = provenance_of(
        dataset.model_dump(),
        inputs=inputs,
        code=("data/",),
        source=dataset.source.model_dump(mode="json", exclude_defaults=True),
        resolution=dataset.pixels,
        images=len(images),
        class_counts=counts,
        sha256=file_hash(out),
        **facts,
    )
    write_json(out.with_suffix(".json"), provenance)
    return provenance
