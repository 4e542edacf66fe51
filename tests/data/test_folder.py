"""A folder of one's own: its classes, its files, and whether it has changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sphere_repro.data import folder
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.folder import class_folders, contents, image_files
from sphere_repro.data.publishers import images_of
from sphere_repro.errors import UserError


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_class_subfolders_give_labels_in_sorted_order(tmp_path: Path) -> None:
    fill(tmp_path, "dog/b.JPG", "dog/deep/a.png", "cat/z.webp", "cat/a.bmp", "cat/notes.txt", "list.csv")
    fill(tmp_path, ".hidden/a.png", "cat/.b.png", "cat/._c.jpg")
    assert class_folders(tmp_path) == ["cat", "dog"]
    names, labels = image_files(tmp_path, 2)
    assert names == ["cat/a.bmp", "cat/z.webp", "dog/b.JPG", "dog/deep/a.png"]
    assert labels == [0, 0, 1, 1]


def test_a_flat_folder_has_no_labels(tmp_path: Path) -> None:
    fill(tmp_path, "b.jpeg", "a.png", "readme.md")
    (tmp_path / "empty").mkdir()
    assert class_folders(tmp_path) == []
    assert image_files(tmp_path, 0) == (["a.png", "b.jpeg"], None)


def test_one_subfolder_is_no_class(tmp_path: Path) -> None:
    fill(tmp_path, "images/a.png", "images/b.png")
    assert class_folders(tmp_path) == []
    assert image_files(tmp_path, 0) == (["images/a.png", "images/b.png"], None)


def test_classes_can_be_left_unused(tmp_path: Path) -> None:
    fill(tmp_path, "x/a.png", "y/b.png", "c.png")
    assert image_files(tmp_path, 0) == (["c.png", "x/a.png", "y/b.png"], None)


def test_linked_folders_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/a.png", "mine/y/b.png")
    (tmp_path / "mine" / "x").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "mine" / "y" / "round").symlink_to(tmp_path / "mine")
    assert class_folders(tmp_path / "mine") == ["x", "y"]
    names, labels = image_files(tmp_path / "mine", 2)
    assert names[0] == "x/a.png" and "y/b.png" in names and len(names) == len(labels or []) < 6


@pytest.mark.parametrize(
    ("names", "classes", "words"),
    [
        ([], 0, "holds no image"),
        (["readme.txt"], 0, "holds no image"),
        (["x/a.png", "y/b.png"], 3, "has 2 class subfolders, but the study says classes: 3"),
        (["x/a.png", "y/notes.txt"], 2, "subfolder .*y holds no image"),
        (["a.png", "x/a.png"], 2, "holds images itself and in the subfolder 'x'"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, names: list[str], classes: int, words: str) -> None:
    fill(tmp_path, *names)
    with pytest.raises(UserError, match=words):
        image_files(tmp_path, classes)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        class_folders(tmp_path / "none")
    with pytest.raises(UserError, match="cannot be read"):
        class_folders(fill(tmp_path, "a.png") / "a.png")


# -- what can be understood in more than one way


SPLITS = {
    "train and val with classes": ["train/cat/a.png", "train/dog/b.png", "val/cat/c.png", "val/dog/d.png"],
    "train and test without": ["train/a.png", "test/b.png"],
    "capitals and years": ["Train2017/a.png", "Val2017/b.png", "annotations/list.json"],
    "train alone with classes": ["train/cat/a.png", "train/dog/b.png"],
    "with another folder": ["train/cat/a.png", "train/dog/b.png", "unlabeled/c.png"],
    "three parts and another": ["training/a.png", "validation/b.png", "testing/c.png", "extra/d.png"],
}


@pytest.mark.parametrize("names", SPLITS.values(), ids=SPLITS.keys())
def test_parts_of_a_dataset_are_no_classes(tmp_path: Path, names: list[str]) -> None:
    fill(tmp_path, *names)
    part = names[0].split("/")[0]
    with pytest.raises(UserError, match=rf"holds .*{part} \(.*Say split: {part} .* or classes: 0"):
        class_folders(tmp_path)
    for said in ({}, {"classes": 2}):  # what the study says of classes proves nothing here
        with pytest.raises((ValueError, UserError), match=f"split: {part}"):
            image_files(tmp_path, Dataset.model_validate({"folder": str(tmp_path), **said}).classes or 0)
    count = sum(name.endswith(".png") for name in names)
    assert len(image_files(tmp_path, 0)[0]) == count


def test_one_part_is_used_where_it_is_asked_for(tmp_path: Path) -> None:
    fill(tmp_path, *SPLITS["train and val with classes"], "train/cat/e.png")
    dataset = Dataset.model_validate({"folder": str(tmp_path), "split": "train"})
    assert dataset.classes == 2 and dataset.place == tmp_path / "train"
    images = images_of(dataset, tmp_path)
    assert [images.name(index) for index in range(len(images))] == [
        str(tmp_path / "train" / name) for name in ("cat/a.png", "cat/e.png", "dog/b.png")
    ]
    fill(tmp_path, *SPLITS["train and test without"])
    assert Dataset.model_validate({"folder": str(tmp_path), "split": "test"}).classes == 0
    with pytest.raises(ValueError, match=r"no subfolder 'valid'.*test, train, val"):
        Dataset.model_validate({"folder": str(tmp_path), "split": "valid"})


@pytest.mark.parametrize("split", ["", "a/b", "..", "."])
def test_a_part_is_the_name_of_a_subfolder(tmp_path: Path, split: str) -> None:
    with pytest.raises(ValueError, match="split"):
        Dataset.model_validate({"folder": str(tmp_path), "split": split, "classes": 0})


def test_a_class_may_be_called_train_where_the_study_says_so(tmp_path: Path) -> None:
    fill(tmp_path, "car/a.png", "plane/b.png", "train/c.png")
    with pytest.raises(ValueError, match=r"'train' among 3 subfolders\. Say classes: 3 if it is a class"):
        Dataset.model_validate({"folder": str(tmp_path)})
    dataset = Dataset.model_validate({"folder": str(tmp_path), "classes": 3})
    assert image_files(tmp_path, dataset.classes or 0)[1] == [0, 1, 2]


def test_class_folders_one_level_down_are_not_lost(tmp_path: Path) -> None:
    fill(tmp_path, "images/cat/a.png", "images/dog/b.png")
    with pytest.raises(UserError, match=r"one subfolder, 'images', .*\(cat, dog\).*folder: .*images"):
        class_folders(tmp_path)
    assert image_files(tmp_path, 0)[0] == ["images/cat/a.png", "images/dog/b.png"]


def test_a_folder_that_holds_images_and_parts(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "train/b.png", "val/c.png")
    with pytest.raises(UserError, match="images itself and in the subfolder 'train'"):
        class_folders(tmp_path)


# -- has it changed?


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been read through, each time."""
    seen: list[str] = []
    real = folder._hash

    def counting(place: Path, names: list[str], size: int) -> str:
        seen.extend(names)
        return real(place, names, size)

    monkeypatch.setattr(folder, "_hash", counting)
    return seen


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path, counted: list[str]) -> None:
    root, cache = fill(tmp_path / "root", "x/a.png", "y/b.png"), tmp_path / "cache.json"
    first = contents(root, cache)
    assert contents(root, cache) == first and len(counted) == 2
    assert contents(root) == first  # without a cache: read, same answer


def test_new_times_alone_are_no_change(tmp_path: Path, counted: list[str]) -> None:
    root, cache = fill(tmp_path / "root", "x/a.png", "y/b.png"), tmp_path / "cache.json"
    first = contents(root, cache)
    os.utime(root / "x/a.png", (1, 1))
    assert contents(root, cache) == first and len(counted) == 4
    shutil.copytree(root, tmp_path / "copy")
    assert contents(tmp_path / "copy", cache) == first


@pytest.mark.parametrize("change", ["edited", "edited, same size", "renamed", "moved", "added", "removed"])
def test_every_change_is_noticed(tmp_path: Path, change: str) -> None:
    root, cache = fill(tmp_path / "root", "x/a.png", "y/b.png"), tmp_path / "cache.json"
    first = contents(root, cache)
    image = root / "x/a.png"
    if change.startswith("edited"):
        image.write_bytes(b"X" * (len(b"x/a.png") + (change == "edited")))
    elif change in ("renamed", "moved"):
        image.rename(root / ("x/c.png" if change == "renamed" else "y/a.png"))
    elif change == "added":
        fill(root, "y/new.png")
    else:
        image.unlink()
    assert contents(root, cache) != first
    (root / "y/notes.txt").write_text("no image")
    assert contents(root, cache) == contents(root)


def test_a_broken_cache_is_made_anew(tmp_path: Path) -> None:
    root, cache = fill(tmp_path / "root", "a.png"), tmp_path / "cache.json"
    for text in ("", "{", "[]", '{"contents": 3}'):
        cache.write_text(text)
        assert contents(root, cache) == contents(root)
