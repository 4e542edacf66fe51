"""Archives as the tools of StyleGAN and EDM make and accept them; what may mean two things is asked for."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data import profiles
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import image_name, write_archive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.own_archive import OwnArchive
from sphere_repro.data.prepare import prepare
from sphere_repro.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
LABELS = [1, 0, 1, 0]


def png(image: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def entries(
    labels: Any = "numbered", prefix: str = "", images: np.ndarray = IMAGES, separator: str = "/"
) -> dict[str, bytes]:
    found = {prefix + image_name(index): png(image) for index, image in enumerate(images)}
    if isinstance(labels, list):
        rows = [[image_name(i).replace("/", separator), label] for i, label in enumerate(labels)]
        found[f"{prefix}dataset.json"] = json.dumps({"labels": rows}).encode()
    elif labels is None:
        found[f"{prefix}dataset.json"] = b'{"labels": null}'
    return found


def zipped(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def grey() -> dict[str, bytes]:
    return entries(LABELS) | {image_name(1): png(IMAGES[1, :, :, 0]), image_name(2): png(IMAGES[2, :, :, 0])}


ACCEPTED = {
    "as ours": (entries(LABELS), LABELS, 0),
    "backslashes": (entries(LABELS, separator="\\"), LABELS, 0),
    "one top folder": (entries(LABELS, prefix="cats/"), LABELS, 0),
    "no dataset.json": (entries(), None, 0),
    "one top folder without dataset.json": (entries(prefix="cats/"), None, 0),
    "null": (entries(None), None, 0),
    "rows for images that are not there": (entries([*LABELS, 1, 1, 0]), LABELS, 3),
    "what macOS adds": (
        entries(LABELS) | {"__MACOSX/00000/._img00000000.png": b"x", ".DS_Store": b"x", "00000/": b""},
        *(LABELS, 0),
    ),
    "other files": (entries(LABELS) | {"LICENSE.txt": b"x"}, LABELS, 0),
}


@pytest.mark.parametrize(("content", "labels", "unused"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_what_the_tools_accept(
    tmp_path: Path, content: dict[str, bytes], labels: list[int] | None, unused: int
) -> None:
    path = zipped(tmp_path / "own.zip", content)
    dataset = Dataset.model_validate({"zip": str(path)})
    assert (dataset.pixels, dataset.classes) == (8, 0 if labels is None else 2)
    record = prepare(dataset, tmp_path / "out.zip", state=tmp_path / "s")
    found = ImageArchive(tmp_path / "out.zip")
    np.testing.assert_array_equal(found.load(), IMAGES)
    assert (None if found.labels is None else found.labels.tolist()) == labels
    assert record["images"] == 4 and record["unused_rows"] == unused
    assert record["left_out"] == ({".txt": 1} if "LICENSE.txt" in content else {})


def test_grey_images_become_rgb(tmp_path: Path) -> None:
    path = zipped(tmp_path / "own.zip", grey())
    prepare(Dataset.model_validate({"zip": str(path)}), tmp_path / "out.zip", state=tmp_path / "s")
    found = ImageArchive(tmp_path / "out.zip").load()
    np.testing.assert_array_equal(found[[0, 3]], IMAGES[[0, 3]])
    np.testing.assert_array_equal(found[1], np.repeat(IMAGES[1, :, :, :1], 3, 2))


def test_colour_profiles_are_applied_and_counted(tmp_path: Path) -> None:
    profiled = {image_name(1): png(IMAGES[1], icc_profile=profiles.display(profiles.P3))}
    path = zipped(tmp_path / "own.zip", entries(LABELS) | profiled)
    dataset = Dataset.model_validate({"zip": str(path)})
    record = prepare(dataset, tmp_path / "out.zip", state=tmp_path / "s")
    found = ImageArchive(tmp_path / "out.zip").load()
    np.testing.assert_array_equal(found[[0, 2, 3]], IMAGES[[0, 2, 3]])
    assert (found[1] != IMAGES[1]).any() and record["converted_to_srgb"] == 1


def test_other_formats(tmp_path: Path) -> None:
    content = {f"{index}.webp": png(image, "WEBP", lossless=True) for index, image in enumerate(IMAGES)}
    path = zipped(tmp_path / "own.zip", content)
    prepare(Dataset.model_validate({"zip": str(path)}), tmp_path / "out.zip", state=tmp_path / "s")
    np.testing.assert_array_equal(ImageArchive(tmp_path / "out.zip").load(), IMAGES)


def test_classes_that_are_not_wanted_are_not_in_the_archive(tmp_path: Path) -> None:
    write_archive(tmp_path / "own.zip", IMAGES, LABELS)
    dataset = Dataset.model_validate({"zip": str(tmp_path / "own.zip"), "classes": 0})
    prepare(dataset, tmp_path / "out.zip", state=tmp_path / "s")
    assert ImageArchive(tmp_path / "out.zip").labels is None


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 7, 0, 7], "labels 0, 7; none has the label 1-6. Number them from 0 to 1, or say classes: 8"),
        ([1, 2, 2, 1], "labels 1-2; none has the label 0. .* say classes: 3"),
        ([0, 2**40, 0, 0], "none has the label the others"),
    ],
)
def test_gaps_in_the_labels_are_asked_about(tmp_path: Path, labels: list[int], words: str) -> None:
    path = zipped(tmp_path / "own.zip", entries(labels))
    with pytest.raises(ValueError, match=words):
        Dataset.model_validate({"zip": str(path)})


def test_the_study_may_say_how_many_classes_there_are(tmp_path: Path) -> None:
    path = zipped(tmp_path / "own.zip", entries([0, 7, 0, 7]))
    dataset = Dataset.model_validate({"zip": str(path), "classes": 8})
    record = prepare(dataset, tmp_path / "out.zip", state=tmp_path / "s")
    assert record["class_counts"] == [2, 0, 0, 0, 0, 0, 0, 2]
    with pytest.raises(UserError, match="label 7, but the last class is 6"):
        OwnArchive(path, 7)


def test_folders_without_labels_are_asked_about(tmp_path: Path) -> None:
    content = {"cats/a.png": png(IMAGES[0]), "dogs/b.png": png(IMAGES[1])}
    for prefix in ("", "pets/"):
        path = zipped(tmp_path / "own.zip", {prefix + name: data for name, data in content.items()})
        with pytest.raises(ValueError, match=r"folders of images: cats, dogs\. Unpack it .* classes: 0"):
            Dataset.model_validate({"zip": str(path)})
        assert Dataset.model_validate({"zip": str(path), "classes": 0}).pixels == 8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"readme.txt": b"x"}, "holds no images"),
        (entries(LABELS[:3]), "img00000003.png in .* has no label"),
        (entries([0, "1", 0, 1]), "has the row"),
        (entries() | {"dataset.json": b"[]"}, "has no 'labels'"),
        (entries(None) | {image_name(0): b"<html>"}, r"is broken \(a web page\)"),
        (entries(None) | {image_name(0): png(IMAGES[0, :, :4])}, "not square"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, content: dict[str, bytes], words: str) -> None:
    path = zipped(tmp_path / "own.zip", content)
    with pytest.raises(UserError, match=words):
        OwnArchive(path)


def test_a_broken_image_stops_or_is_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "own.zip", entries(LABELS) | {image_name(2): b"<html>"})
    dataset = Dataset.model_validate({"zip": str(path)})
    with pytest.raises(UserError, match=r"1 of the images cannot .*: Image .*img00000002\.png .*a web page"):
        prepare(dataset, tmp_path / "out.zip", state=tmp_path / "s")
    skipping = Dataset.model_validate({"zip": str(path), "on_broken": "skip"})
    record = prepare(skipping, tmp_path / "out.zip", state=tmp_path / "s")
    assert record["class_counts"] == [2, 1] and len(record["unreadable"]) == 1
    np.testing.assert_array_equal(ImageArchive(tmp_path / "out.zip").load(), IMAGES[[0, 1, 3]])


def test_a_named_pipe_in_place_of_an_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.zip")
    with pytest.raises(UserError, match="no ordinary file"):
        OwnArchive(tmp_path / "own.zip")


def test_our_own_archives_stay_strict(tmp_path: Path) -> None:
    for content in (grey(), entries(), entries([*LABELS, 1]), entries(LABELS, separator="\\")):
        with pytest.raises(UserError):
            ImageArchive(zipped(tmp_path / "a.zip", content)).load()
