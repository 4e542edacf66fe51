"""A folder of one's own: its classes, its files, and whether it has changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sphere_repro.data import folder
from sphere_repro.data.folder import class_folders, contents, image_files, own_name
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


def test_own_names_are_names_and_differ(tmp_path: Path) -> None:
    names = [own_name(place) for place in ("~/Pictures/My Cats!", "/data/cats", "/old/cats", "cats.zip", "…")]
    assert names[0].startswith("my-cats-") and names[1].startswith("cats-") and names[4].startswith("images-")
    assert len(set(names)) == 5
    assert own_name("/data/cats") == names[1]


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
