"""What `check` says of a study's own images, before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.summary import SHOWN, own_count, own_images
from sphere_repro.errors import UserError


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def own(place: Path, **said: object) -> Dataset:
    return Dataset.model_validate({"folder": str(place), **said})


def test_classes_with_names_and_counts_and_what_is_left_out(tmp_path: Path) -> None:
    root = fill(tmp_path / "pets", "dog/a.png", "cat/b.gif", "cat/c.png", "cat/d.heic", "list.txt")
    dataset = own(root)
    assert own_images([Dataset(name="digits"), dataset, own(f"{root}/", classes=2)]) == [
        f"{dataset.archive}: 3 images of {root}, 2 classes, 64 pixels, bicubic",
        "  class   0  cat  2 images",
        "  class   1  dog  1 image",
        "  left out, by suffix: 1 .heic, 1 .txt",
    ]
    assert own_count(dataset) == 3 and own_count(Dataset(name="digits")) is None


def test_without_classes(tmp_path: Path) -> None:
    root = fill(tmp_path / "pets", "dog/a.png", "cat/b.gif")
    dataset = own(root, classes=0, resize="lanczos", resolution=32)
    (line,) = own_images([dataset])
    assert line == f"{dataset.archive}: 2 images of {root}, no classes, 32 pixels, lanczos"
    assert own_count(dataset) == 2


def test_the_order_of_numbers_is_said(tmp_path: Path) -> None:
    root = fill(tmp_path / "p", "1/a.png", "2/a.png", "10/a.png")
    lines = own_images([own(root)])
    assert lines[1:4] == ["  class   0  1   1 image", "  class   1  10  1 image", "  class   2  2   1 image"]
    assert lines[4] == "  the names are sorted as text, not as numbers: '10' is class 1, '2' class 2"
    assert len(own_images([own(fill(tmp_path / "q", "01/a.png", "02/a.png", "10/a.png"))])) == 4


def test_many_classes_are_cut_short(tmp_path: Path) -> None:
    root = fill(tmp_path / "p", *(f"c{index:03d}/a.png" for index in range(SHOWN + 5)))
    lines = own_images([own(root)])
    assert len(lines) == 1 + SHOWN + 1 and lines[-1] == "  and 5 more classes, to class 34  c034"


def test_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "own.zip"
    write_archive(path, np.zeros((3, 8, 8, 3), np.uint8), [0, 2, 2], ["cat", "dog", "cow"])
    dataset = Dataset.model_validate({"zip": str(path), "classes": 4})
    assert own_images([dataset]) == [
        f"{dataset.archive}: 3 images of {path}, 4 classes, 8 pixels, bicubic",
        "  class   0  cat  1 image",
        "  class   1  dog  0 images",
        "  class   2  cow  2 images",
        "  class   3  3    0 images",
        "  2 of the classes have no image: they are trained and drawn all the same",
    ]
    assert own_count(dataset) == 3


def test_an_empty_class_is_an_error(tmp_path: Path) -> None:
    root = fill(tmp_path / "p", "cat/a.png", "dog/a.heic")
    with pytest.raises(UserError, match=r"dog holds no image \(other files: 1 \.heic\)"):
        own_images([own(root)])
