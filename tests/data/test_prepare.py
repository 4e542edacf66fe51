"""Preparation: the same bytes whatever the number of processes, taken up again, every fault named."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
from filelock import FileLock
from PIL import Image

from conftest import PATIENCE, environment
from sphere_repro.data import parts
from sphere_repro.data.archive import ImageArchive, write_archive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.images import Arrays, Files
from sphere_repro.data.parts import Form, fit, write_prepared
from sphere_repro.data.prepare import own_content, planned_content, prepare
from sphere_repro.errors import UserError


def pictures(root: Path, count: int, side: int = 10) -> Path:
    """`count` pictures of several sizes in two classes."""
    random = np.random.default_rng(5)
    for index in range(count):
        place = root / ("even" if index % 2 == 0 else "odd") / f"{index:04d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        size = (side + index % 3, side + index % 5, 3)
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(place)
    return root


def made(dataset: Dataset, folder: Path, **options: object) -> tuple[ImageArchive, dict[str, object]]:
    out = folder / "out.zip"
    facts = prepare(dataset, out, state=folder / "state", **options)  # type: ignore[arg-type]
    return ImageArchive(out), facts


# -- own folders


def test_a_folder_with_classes(tmp_path: Path) -> None:
    root = pictures(tmp_path / "My pictures", 7)
    dataset = Dataset.model_validate({"folder": str(root), "resolution": 8})
    assert dataset.classes == 2 and dataset.source.classes == 2
    archive, facts = made(dataset, tmp_path)
    assert archive.labels is not None and archive.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    names = ["even/0000", "even/0002", "even/0004", "even/0006", "odd/0001", "odd/0003", "odd/0005"]
    for index, name in enumerate(names):
        wanted = fit(np.asarray(Image.open(root / f"{name}.png")), 8)
        np.testing.assert_array_equal(archive.read(index), wanted)
    assert facts["images"] == 7 and facts["class_counts"] == [4, 3]
    assert facts["content"] == own_content(dataset, tmp_path / "state")
    assert json.loads((tmp_path / "out.json").read_text())["sha256"] == facts["sha256"]


def test_a_flat_folder(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 6) / "even"
    dataset = Dataset.model_validate({"folder": str(root)})
    assert (dataset.classes, dataset.pixels) == (0, 64)
    archive, facts = made(dataset, tmp_path)
    assert archive.labels is None and len(archive) == 3 and archive.resolution == 64
    assert facts["class_counts"] is None


def test_broken_pictures_are_named_the_first_few(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 20)
    broken = sorted((root / "even").iterdir())[1:8]
    for path in broken:
        path.write_bytes(path.read_bytes()[:60])
    (root / "odd" / "0001.png").write_text("<html>")
    with pytest.raises(UserError) as caught:
        made(Dataset.model_validate({"folder": str(root), "resolution": 8}), tmp_path)
    text = str(caught.value)
    assert text.startswith("8 of the images cannot be read") and "and 3 more" in text
    assert all(str(path) in text for path in broken[:5]) and str(broken[6]) not in text
    assert not (tmp_path / "out.zip").exists()


def test_pictures_that_change_while_the_workflow_runs(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 4)
    dataset = Dataset.model_validate({"folder": str(root), "resolution": 8})
    planned = own_content(dataset, tmp_path / "state")
    (root / "odd" / "0001.png").unlink()
    with pytest.raises(UserError, match="have changed while the workflow ran"):
        made(dataset, tmp_path, content=planned)


def test_where_the_folder_is_not_at_hand_the_archives_own_record_counts(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 4)
    dataset = Dataset.model_validate({"folder": str(root), "resolution": 8})
    content = planned_content(dataset, tmp_path / "none")
    assert content is not None
    record = {"job": {"content": content}}
    (tmp_path / f"{dataset.archive}.json").write_text(json.dumps(record))
    root.rename(tmp_path / "gone")
    assert planned_content(dataset, tmp_path) == content
    assert planned_content(dataset, tmp_path / "none") is None
    with pytest.raises(UserError, match=r"cannot be read|holds no image"):
        made(dataset, tmp_path)


# -- archives that are brought along


def test_an_archive_of_the_right_size_is_taken_as_it_is(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    own = tmp_path / "own.zip"
    write_archive(own, images, [2, 0, 1, 2, 0])
    dataset = Dataset.model_validate({"zip": str(own)})
    assert (dataset.pixels, dataset.classes) == (8, 3) and dataset.name.startswith("own-")
    made(dataset, tmp_path)
    assert (tmp_path / "out.zip").read_bytes() == own.read_bytes()


def test_an_archive_of_another_size_is_resized(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    own = tmp_path / "own.zip"
    write_archive(own, images, [2, 0, 1, 2, 0])
    archive, _ = made(Dataset.model_validate({"zip": str(own), "resolution": 8}), tmp_path)
    np.testing.assert_array_equal(archive.load(), np.stack([fit(image, 8) for image in images]))
    assert archive.labels is not None and archive.labels.tolist() == [2, 0, 1, 2, 0]
    archive, _ = made(Dataset.model_validate({"zip": str(own), "resolution": 8, "classes": 0}), tmp_path)
    assert archive.labels is None


def test_a_broken_image_of_an_archive_stops_it(tmp_path: Path) -> None:
    own = tmp_path / "own.zip"
    write_archive(own, np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8), None)
    content = bytearray(own.read_bytes())
    content[len(content) // 2] ^= 0xFF
    own.write_bytes(content)
    with pytest.raises(UserError, match="is broken"):
        made(Dataset.model_validate({"zip": str(own)}), tmp_path)
    assert not (tmp_path / "out.zip").exists()


# -- parts


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK", 4)


def files(root: Path, count: int) -> Files:
    names = sorted(path.relative_to(root).as_posix() for path in pictures(root, count).rglob("*.png"))
    return Files(root, names, np.arange(count) % 3)


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    images = files(tmp_path / "p", 2100)  # three chunks
    digests = set()
    for workers in (1, 2, 3):
        write_prepared(tmp_path / "a.zip", images, Form(6), tmp_path / "state" / "x", workers)
        digests.add(sha(tmp_path / "a.zip"))
        assert list((tmp_path / "state").iterdir()) == []
    assert len(digests) == 1
    pixels = np.stack([fit(images.read(index), 6) for index in range(len(images))])
    write_archive(tmp_path / "b.zip", pixels, images.labels)
    assert digests == {sha(tmp_path / "b.zip")}


@pytest.mark.usefixtures("small_chunks")
def test_finished_parts_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = files(tmp_path / "p", 14)
    write_prepared(tmp_path / "whole.zip", images, Form(6), tmp_path / "s0")
    calls: list[int] = []
    real = parts.make_part

    def stopping(images: Files, start: int, form: Form, part: Path) -> None:
        calls.append(start)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(images, start, form, part)

    monkeypatch.setattr(parts, "make_part", stopping)
    with pytest.raises(KeyboardInterrupt):
        write_prepared(tmp_path / "a.zip", images, Form(6), tmp_path / "s1")
    assert not (tmp_path / "a.zip").exists()
    write_prepared(tmp_path / "a.zip", images, Form(6), tmp_path / "s1")
    assert calls == [0, 4, 8, 8, 12]
    assert sha(tmp_path / "a.zip") == sha(tmp_path / "whole.zip")
    assert not (tmp_path / "s1").exists()


@pytest.mark.usefixtures("small_chunks")
def test_a_damaged_part_is_found_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, state = files(tmp_path / "p", 14), tmp_path / "s"
    for start in range(0, 14, 4):
        parts.make_part(images, start, Form(6), state / f"{start // 4:05d}.zip")
    damaged = bytearray((state / "00002.zip").read_bytes())
    damaged[80] ^= 0xFF
    (state / "00002.zip").write_bytes(damaged)
    with pytest.raises(UserError, match=r"00002\.zip was damaged"):
        write_prepared(tmp_path / "a.zip", images, Form(6), state)
    write_prepared(tmp_path / "a.zip", images, Form(6), state)
    assert len(ImageArchive(tmp_path / "a.zip")) == 14


def test_a_fault_in_another_process_is_the_same_sentence(tmp_path: Path) -> None:
    images = files(tmp_path / "p", 2100)
    path = tmp_path / "p" / images.names[1500]
    path.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1 of the images cannot be read: .*odd"):
        write_prepared(tmp_path / "a.zip", images, Form(6), tmp_path / "s", 2)
    kept = {part.name for part in (tmp_path / "s").iterdir()}
    assert "00000.zip" in kept and "00001.zip" not in kept


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    class Endless(Arrays):
        """Images made when they are asked for."""

        def __len__(self) -> int:
            return len(self.labels if self.labels is not None else [])

        def read(self, index: int) -> np.ndarray:
            return np.full((64, 64, 3), index % 256, np.uint8)

    def peak(count: int) -> int:
        images = Endless(np.empty(0), np.zeros(count, np.int64))
        tracemalloc.start()
        write_prepared(tmp_path / "a.zip", images, Form(64), tmp_path / "s")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    pixels = 1500 * 64 * 64 * 3
    assert peak(1800) - peak(300) < pixels / 8


def test_two_preparations_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks: list[Path] = []
    real = FileLock.acquire

    def noting(self: FileLock, *arguments: object, **options: object) -> object:
        locks.append(Path(self.lock_file))
        return real(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(FileLock, "acquire", noting)
    made(Dataset(name="digits"), tmp_path)
    monkeypatch.undo()
    with FileLock(locks[-1]), pytest.raises(UserError, match="is being prepared already"):
        made(Dataset(name="digits"), tmp_path)


@pytest.mark.slow
def test_a_killed_preparation_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    pictures(tmp_path / "p", 6000, side=30)
    job = {"dataset": {"folder": str(tmp_path / "p"), "name": "mine", "resolution": 20, "classes": 2}}
    source = Path(__file__).resolve().parents[2] / "src"
    command = [sys.executable, "-m", "sphere_repro", "prepare", "--job", json.dumps(job), "--threads", "2"]
    settings = {"cwd": tmp_path, "env": environment() | {"PYTHONPATH": str(source)}}
    with subprocess.Popen([*command, "--out", "a.zip"], stdin=subprocess.DEVNULL, **settings) as process:  # type: ignore[call-overload]
        while not (parts_now := list(tmp_path.glob(".state/prepare/*/?????.zip"))):
            assert process.poll() is None
            time.sleep(0.02)
        others = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    _, alive = psutil.wait_procs(others, timeout=PATIENCE)
    assert others and not alive
    assert all(part.is_file() for part in parts_now) and not (tmp_path / "a.zip").exists()
    for out, state in (("a.zip", ".state"), ("b.zip", "other")):
        again = [*command, "--out", out, "--state", state]
        subprocess.run(again, check=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, **settings)  # type: ignore[call-overload]
    assert sha(tmp_path / "a.zip") == sha(tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len(archive.namelist()) == 6001
