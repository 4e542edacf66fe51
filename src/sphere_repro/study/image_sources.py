"""Whether a run's image sets fit its model, and which archive of the study their images come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sphere_repro.data.dataset import Dataset
from sphere_repro.errors import nearest
from sphere_repro.study.architecture import KIND_NAMES
from sphere_repro.study.image_sets import Draws, Edit, ImageSet, Inputs, Interpolation


def check_image_sets(draws: Draws, kind: str, classes: int) -> None:
    """Raises ValueError where a model of this kind and so many classes cannot make a set."""
    for key in ("edits", "crossovers", "interpolations"):
        if kind != "sphere" and getattr(draws, key):
            raise ValueError(f"sampling.{key} has no meaning for {KIND_NAMES[kind]}: remove it")
    for each in draws.image_sets:
        if isinstance(each, Edit | Interpolation):
            _check_classes(each, classes)


def guided(each: ImageSet) -> bool:
    """Whether a set asks for guidance."""
    if isinstance(each, Edit):
        return each.guidance.scale > 1
    return isinstance(each, Interpolation) and any(item.guidance.scale > 1 for item in each.generations)


def _check_classes(each: Edit | Interpolation, classes: int) -> None:
    if not classes and (each.classes or guided(each)):
        asked = "classes" if each.classes else "guidance"
        raise ValueError(f"sampling: '{each.set}' asks for {asked}, but the model is unconditional")
    for label in each.classes:
        if isinstance(label, int) and not 0 <= label < classes:
            raise ValueError(
                f"sampling: '{each.set}' asks for class {label}; the classes are 0 to {classes - 1}"
            )


def check_sources(where: str, draws: Draws, own: Dataset, datasets: Iterable[Dataset]) -> None:
    """Raises ValueError where a set's images are not in the study.

    Args:
        where: the key of the draws, for messages.
        draws: of one run.
        own: that run's dataset.
        datasets: of all runs.
    """
    found = list(datasets)
    for each in draws.image_sets:
        if not isinstance(each, Inputs) or each.dataset is None:
            continue
        try:
            source = source_of(each, own, found)
        except ValueError as error:
            raise ValueError(f"{where}: '{each.set}': {error}") from None
        count = source.source.images
        if count is not None and max(each.indices) >= count:
            raise ValueError(
                f"{where}: '{each.set}' asks for image {max(each.indices)} of {source.name}, which has "
                f"images 0 to {count - 1}"
            )


def source_of(each: Inputs, own: Dataset, datasets: Sequence[Dataset]) -> Dataset:
    """The dataset that a set's images are taken from; of one at several resolutions, that of the run.

    Raises:
        ValueError: the study has no such dataset, or only at several other resolutions.
    """
    by_archive = {item.archive: item for item in datasets if item.name == each.dataset}
    if own.archive in by_archive:
        return own
    same = [item for item in by_archive.values() if item.pixels == own.pixels]
    found = same or list(by_archive.values())
    if not found:
        names = list(dict.fromkeys(item.name for item in datasets))
        raise ValueError(f"no run of this study is on '{each.dataset}'{nearest(each.dataset or '', names)}")
    if len(found) > 1:
        raise ValueError(f"'{each.dataset}' is there as {', '.join(by_archive)}, and none is this run's")
    return found[0]
