"""Classes by name: written with the images, kept with the model, accepted where a class is asked for."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.class_names import class_number, class_word, one_each, short_word
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.prepare import prepare
from sphere_repro.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
NAMES = ("cat", "dog")


def test_an_archive_keeps_the_names_and_those_without_are_as_they_were(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", IMAGES, [0, 1, 1, 0], NAMES)
    assert ImageArchive(tmp_path / "a.zip").class_names == NAMES
    write_archive(tmp_path / "b.zip", IMAGES, [0, 1, 1, 0])
    assert ImageArchive(tmp_path / "b.zip").class_names is None
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert set(json.loads(archive.read("dataset.json"))) == {"labels"}
    write_archive(tmp_path / "c.zip", IMAGES, None, NAMES)
    assert ImageArchive(tmp_path / "c.zip").class_names is None


@pytest.mark.parametrize("names", [3, {"a": 1}, ["cat", 2], ["cat"]])
def test_names_that_are_none(tmp_path: Path, names: object) -> None:
    write_archive(tmp_path / "a.zip", IMAGES, [0, 1, 1, 0])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    content = json.loads(entries["dataset.json"]) | {"class_names": names}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, data in (entries | {"dataset.json": json.dumps(content).encode()}).items():
            archive.writestr(name, data)
    with pytest.raises(UserError, match=r"'class_names' of dataset\.json"):
        ImageArchive(tmp_path / "a.zip")


@pytest.mark.parametrize(("name", "side"), [("as it is", 8), ("resized", 4)])
def test_names_of_an_archive_of_ones_own_are_kept(tmp_path: Path, name: str, side: int) -> None:
    write_archive(tmp_path / "own.zip", IMAGES, [0, 1, 1, 0], NAMES)
    dataset = Dataset.model_validate({"zip": str(tmp_path / "own.zip"), "resolution": side})
    record = prepare(dataset, tmp_path / "out.zip", state=tmp_path / "s")
    assert record["class_names"] == list(NAMES)
    assert ImageArchive(tmp_path / "out.zip").class_names == NAMES


@pytest.mark.parametrize(
    ("asked", "names", "number"),
    [
        ("dog", ("cat", "dog"), 1),
        ("1", ("cat", "dog"), 1),
        ("2", None, 2),
        ("10", ("1", "10", "2"), 1),  # a name counts before a number
    ],
)
def test_a_class_by_name_or_number(asked: str, names: tuple[str, ...] | None, number: int) -> None:
    assert class_number(asked, len(names or range(3)), names) == number


@pytest.mark.parametrize(
    ("asked", "classes", "names", "words"),
    [
        ("dgo", 2, ("cat", "dog"), "no class 'dgo'; did you mean 'dog'"),
        ("2", 2, ("cat", "dog"), "no class '2'"),
        ("0", 3, ("1", "10", "2"), "no class '0'"),  # a number that might mean either
        ("3", 3, None, "classes are 0 to 2"),
        ("-1", 3, None, "no class '-1'"),
        ("cat", 0, None, "unconditional"),
    ],
)
def test_no_such_class(asked: str, classes: int, names: tuple[str, ...] | None, words: str) -> None:
    with pytest.raises(UserError, match=words):
        class_number(asked, classes, names)


def test_every_class_has_a_word() -> None:
    assert [class_word(label, NAMES) for label in range(3)] == ["cat", "dog", "2"]
    assert class_word(1, None) == "1"
    assert [short_word(0, ["elephant"], letters) for letters in (8, 5)] == ["elephant", "elep…"]
    assert one_each(NAMES, 3) == ("cat", "dog", "2") and one_each(NAMES, 1) == ("cat",)
    assert one_each(None, 3) is None
