"""What a study's own images are, for people: what will be trained on, and what is left out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from sphere_repro.data import lists
from sphere_repro.data.class_names import class_word
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.folder import class_images, expected_folders, image_files
from sphere_repro.data.listing import counted, listing, shown

SHOWN = 30  # classes that are listed


def own_images(datasets: Iterable[Dataset]) -> list[str]:
    """Lines on the images of one's own among `datasets`, on each archive once; none for the table's.

    Files are listed and counted, not decoded: what cannot be read is found when they are prepared.

    Raises:
        UserError: the images are missing, a class is empty, or they may be understood in more than one way.
    """
    found = {dataset.archive: dataset for dataset in datasets if dataset.place is not None}
    return [line for archive, dataset in found.items() for line in _lines(archive, dataset)]


def own_count(dataset: Dataset) -> int | None:
    """How many images of one's own there are, broken ones included; None for a dataset of the table.

    Raises:
        UserError: as `own_images`.
    """
    if dataset.place is None:
        return None
    if dataset.list is not None:
        return len(lists.read_list(dataset.place, dataset.list_root, dataset.classes or lists.ANY).names)
    if dataset.zip is None:
        return len(image_files(dataset.place, dataset.classes or 0)[0])
    from sphere_repro.data.own_archive import OwnArchive

    return len(OwnArchive(dataset.place, dataset.classes))


def _lines(archive: str, dataset: Dataset) -> Iterator[str]:
    look = _of_list if dataset.list is not None else _of_folder if dataset.zip is None else _of_zip
    counts, names, notes = look(dataset)
    total = sum(counts)
    classes = f"{len(counts)} classes" if dataset.classes else "no classes"
    how = f"{dataset.pixels} pixels, {dataset.resize}"
    yield f"{archive}: {total} images of {shown(str(dataset.place))}, {classes}, {how}"
    if dataset.classes:
        yield from _class_lines(names, counts)
    yield from (f"  {note}" for note in notes)


def _class_lines(names: Sequence[str], counts: Sequence[int]) -> Iterator[str]:
    width = max(len(name) for name in names[:SHOWN])
    for label, (name, count) in enumerate(zip(names[:SHOWN], counts[:SHOWN], strict=True)):
        yield f"  class {label:>3}  {name:<{width}}  {count} images".replace(" 1 images", " 1 image")
    if len(names) > SHOWN:
        yield f"  and {len(names) - SHOWN} more classes, to class {len(names) - 1}  {names[-1]}"
    if out_of_order := _numbers_sorted_as_text(names):
        yield f"  the names are sorted as text, not as numbers: {out_of_order}"


def _numbers_sorted_as_text(names: Sequence[str]) -> str:
    """An example of where the order of names that are numbers is another than the numbers' own."""
    if not all(name.isdecimal() for name in names):
        return ""
    for label, (name, following) in enumerate(itertools.pairwise(names)):
        if int(name) > int(following):
            return f"'{name}' is class {label}, '{following}' class {label + 1}"
    return ""


def _of_folder(dataset: Dataset) -> tuple[list[int], list[str], list[str]]:
    """Images of each class, names of the classes, and notes."""
    assert dataset.place is not None
    everything = listing(dataset.place)
    if dataset.classes:
        names = expected_folders(dataset.place, dataset.classes)
        counts = [len(class_images(dataset.place, name).images) for name in names]
    else:
        names, counts = [], [len(image_files(dataset.place, 0)[0])]
    return counts, [shown(name) for name in names], _left_out(everything.left_out)


def _of_zip(dataset: Dataset) -> tuple[list[int], list[str], list[str]]:
    from sphere_repro.data.own_archive import OwnArchive  # heavy, and needed here alone

    assert dataset.place is not None
    archive = OwnArchive(dataset.place, dataset.classes)
    notes = _left_out(archive.left_out)
    if archive.unused_rows:
        notes.append(f"left out: {archive.unused_rows} rows of dataset.json about images that are not there")
    if archive.labels is None:
        return [len(archive)], [], notes
    counts = np.bincount(archive.labels, minlength=dataset.classes or 0).tolist()
    names = [class_word(label, archive.class_names) for label in range(len(counts))]
    return counts, names, notes + _empty(counts)


def _of_list(dataset: Dataset) -> tuple[list[int], list[str], list[str]]:
    assert dataset.place is not None
    found = lists.read_list(dataset.place, dataset.list_root, dataset.classes or lists.ANY)
    if not dataset.classes:
        return [len(found.names)], [], []
    counts = np.bincount(found.labels, minlength=dataset.classes).tolist()
    names = [class_word(label, found.class_names or None) for label in range(len(counts))]
    return counts, names, _empty(counts)


def _empty(counts: list[int]) -> list[str]:
    if 0 not in counts:
        return []
    return [f"{counts.count(0)} of the classes have no image: they are trained and drawn all the same"]


def _left_out(counts: Counter[str]) -> list[str]:
    return [f"left out, by suffix: {counted(counts)}"] if counts else []
