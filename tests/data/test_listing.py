"""What counts as an image by its name, what is left out, and what is passed over."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from sphere_repro.data import listing as listings
from sphere_repro.data.folder import class_folders, contents, image_files
from sphere_repro.data.listing import SUFFIXES, counted, images, listing
from sphere_repro.errors import UserError

# Pillow knows these by name, and needs other programs, Windows, or decodes nothing of them.
NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_every_format_that_pillow_reads_and_no_other() -> None:
    Image.init()
    read = {
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in NOT_READ
    }
    assert read == SUFFIXES


def test_what_is_left_out_is_counted_by_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "a.GIF", "b.tiff", "c.avif", "d.jfif", "x/e.tif", "f.heic", "x/g.HEIC", "h.txt", "README")
    found = listing(tmp_path)
    assert found.images == ["a.GIF", "b.tiff", "c.avif", "d.jfif", "x/e.tif"]
    assert found.left_out == {".heic": 2, ".txt": 1, "without a suffix": 1}
    assert counted(found.left_out) == "2 .heic, 1 .txt, 1 without a suffix"


def test_what_systems_and_programs_put_there_is_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, "cat/a.png", "dog/b.png")
    fill(
        tmp_path, "__MACOSX/cat/._a.png", "cat/@eaDir/a.png", "lost+found/x.png", "cat/._a.png", "cat/.b.png"
    )
    fill(tmp_path, "cat/.ipynb_checkpoints/a.png", "cat/Thumbs.db", "dog/desktop.ini", "dog/.DS_Store")
    assert class_folders(tmp_path) == ["cat", "dog"]
    assert image_files(tmp_path, 2) == (["cat/a.png", "dog/b.png"], [0, 1])
    assert listing(tmp_path) == listings.Listing(["cat/a.png", "dog/b.png"], Counter())


def test_a_subfolder_that_may_not_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "cat/a.png", "dog/b.png", "dog/more/c.png")
    closed, real = tmp_path / "dog" / "more", os.scandir

    def scandir(place: Path) -> object:  # permissions do not bind root, who may run the tests
        if Path(place) == closed:
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    asks = (lambda: image_files(tmp_path, 2), lambda: image_files(tmp_path, 0), lambda: contents(tmp_path))
    for ask in asks:
        with pytest.raises(
            UserError, match=rf"{re.escape(str(closed))} cannot be read \(Permission denied\)"
        ):
            ask()


def test_named_pipes_and_sockets_hang_nothing(tmp_path: Path) -> None:
    fill(tmp_path, "cat/a.png", "dog/b.png")
    os.mkfifo(tmp_path / "cat" / "x.png")
    (tmp_path / "dog" / "link.png").symlink_to(tmp_path / "cat" / "x.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        (tmp_path / "s").rename(tmp_path / "dog" / "s.png")
    assert listing(tmp_path).left_out == {"no ordinary file": 3}
    done: list[str] = []
    reader = threading.Thread(target=lambda: done.append(contents(tmp_path)), daemon=True)
    reader.start()
    reader.join(20)
    assert done


def test_a_pipe_in_place_of_the_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(UserError, match="cannot be read"):
        contents(tmp_path / "x")


@pytest.mark.parametrize("goal", ["nowhere.png", "a.png"])
def test_a_link_that_leads_nowhere_is_a_missing_image(tmp_path: Path, goal: str) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / goal)
    with pytest.raises(UserError, match=r"a\.png cannot be read"):
        list(images(tmp_path))


def test_names_in_any_bytes_can_be_told(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    (name,) = listing(tmp_path).images
    assert listings.shown(name) == r"caf\xe9.png"
    assert listings.shown("café.png") == "café.png"
    assert contents(tmp_path, tmp_path / "cache.json")
