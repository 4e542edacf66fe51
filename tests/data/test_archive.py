"""The archive of images: what is written is read back; every kind of damage is named, none is passed on."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import image_name, write_archive
from sphere_repro.errors import UserError


def random_images(count: int, side: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def png(image: np.ndarray, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def write_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def entries_of(count: int = 3, labels: Any = None, **replaced: bytes) -> dict[str, bytes]:
    """Raw entries of a good archive; `replaced` puts other bytes under image i<index>."""
    entries = {image_name(i): png(image) for i, image in enumerate(random_images(count))}
    for key, content in replaced.items():
        entries[image_name(int(key.removeprefix("i")))] = content
    return {**entries, "dataset.json": json.dumps({"labels": labels}).encode()}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.zip"
    write_archive(path, random_images(7), [0, 1, 2, 0, 1, 2, 0])
    return path


# -- writing and reading back


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(1, 12),
    side=st.integers(1, 9),
    seed=st.integers(0, 99),
    labelled=st.booleans(),
    batch=st.integers(1, 14),
)
def test_round_trip(tmp_path: Path, count: int, side: int, seed: int, labelled: bool, batch: int) -> None:
    images = random_images(count, side, seed)
    labels = np.arange(count) % 5 if labelled else None
    path = tmp_path / "a.zip"
    write_archive(path, iter(images), labels)

    archive = ImageArchive(path)
    assert len(archive) == count
    assert archive.resolution == side
    assert archive.path == path
    np.testing.assert_array_equal(archive.load(), images)
    np.testing.assert_array_equal(archive.read(count - 1), images[-1])
    batches = list(archive.batches(batch))
    np.testing.assert_array_equal(np.concatenate(batches), images)
    assert [len(part) for part in batches[:-1]] == [batch] * (len(batches) - 1)
    if labels is None:
        assert archive.labels is None
    else:
        assert archive.labels is not None and archive.labels.dtype == np.int64
        np.testing.assert_array_equal(archive.labels, labels)


def test_layout_is_the_one_of_stylegan(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_archive(path, random_images(1002, 1), list(range(1002)))
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert names[0] == "00000/img00000000.png"
        assert names[1001] == "00001/img00001001.png"
        assert names[1002] == "dataset.json"
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        labels = json.loads(archive.read("dataset.json"))["labels"]
        assert labels[1001] == ["00001/img00001001.png", 1001]
        assert archive.testzip() is None
    np.testing.assert_array_equal(ImageArchive(path).load(), random_images(1002, 1))


def test_without_classes_labels_are_null(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", random_images(2), None)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert json.loads(archive.read("dataset.json")) == {"labels": None}


def test_same_images_same_bytes(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        write_archive(tmp_path / name, random_images(5), [4, 3, 2, 1, 0])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    write_archive(tmp_path / "c.zip", random_images(5), [4, 3, 2, 1, 1])
    assert (tmp_path / "c.zip").read_bytes() != (tmp_path / "a.zip").read_bytes()


def test_images_are_written_as_they_come(tmp_path: Path) -> None:
    def stream() -> Iterator[np.ndarray]:
        for seed in range(100):
            yield random_images(1, 128, seed)[0]

    tracemalloc.start()
    write_archive(tmp_path / "a.zip", stream(), None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 128 * 128 * 3 / 4  # a quarter of all the pixels


def test_a_failed_write_leaves_the_old_archive(good: Path) -> None:
    before = good.read_bytes()

    def stream() -> Iterator[np.ndarray]:
        yield random_images(1)[0]
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_archive(good, stream(), None)
    assert good.read_bytes() == before
    assert list(good.parent.iterdir()) == [good]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ([], None),
        ([np.zeros((4, 4, 3), np.float32)], None),
        ([np.zeros((4, 4), np.uint8)], None),
        ([np.zeros((4, 5, 3), np.uint8)], None),
        ([np.zeros((0, 0, 3), np.uint8)], None),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 5, 3), np.uint8)], None),
        ([np.zeros((4, 4, 3), np.uint8)], [0, 1]),
        ([np.zeros((4, 4, 3), np.uint8)] * 2, [0]),
    ],
)
def test_what_is_no_dataset_is_not_written(tmp_path: Path, images: Any, labels: Any) -> None:
    with pytest.raises(ValueError):
        write_archive(tmp_path / "a.zip", images, labels)
    assert list(tmp_path.iterdir()) == []


# -- counts


def test_images_are_decoded_once(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring looks at each image many times; of large archives only the first bytes are remembered."""
    for remembered, decodes in ((2**20, 0), (0, 1)):
        monkeypatch.setattr("sphere_repro.data.archive.REMEMBERED", remembered)
        archive, seen = ImageArchive(good), []
        first = archive.read(1)
        assert np.array_equal(archive.part(np.array([1])).read(0), first)

        def decode(index: int, seen: list[int] = seen, of: Any = archive._decode) -> Any:
            seen.append(index)
            return of(index)

        monkeypatch.setattr(archive, "_decode", decode)
        assert np.array_equal(archive.read(1), first) and len(seen) == decodes
        with pytest.raises(ValueError, match="read-only"):
            first[0] = 0


def test_count_limits_what_is_read(good: Path) -> None:
    archive = ImageArchive(good)
    np.testing.assert_array_equal(archive.load(3), random_images(7)[:3])
    assert [len(part) for part in archive.batches(2, 5)] == [2, 2, 1]
    assert archive.load(0).shape == (0, 4, 4, 3)


def test_more_images_than_there_are(good: Path) -> None:
    archive = ImageArchive(good)
    for ask in (lambda: archive.load(8), lambda: archive.batches(2, 8)):
        with pytest.raises(UserError, match=r"good\.zip holds 7 images, not the 8"):
            ask()
    for index in (-1, 7):
        with pytest.raises(IndexError):
            archive.read(index)


# -- structural faults, found at opening


def refused(path: Path, *words: str, classes: int | None = None) -> None:
    with pytest.raises(UserError) as caught:
        ImageArchive(path, classes)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.zip", "does not exist")


def test_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"no zip at all")
    refused(tmp_path / "a.zip", "not a readable zip")
    (tmp_path / "folder.zip").mkdir()
    refused(tmp_path / "folder.zip", "not a readable zip")


@pytest.mark.parametrize("kept", [0, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file(good: Path, kept: float) -> None:
    content = good.read_bytes()
    good.write_bytes(content[: int(kept * len(content))])
    refused(good, "not a readable zip", "make it again")


def test_no_images(tmp_path: Path) -> None:
    refused(
        write_zip(tmp_path / "a.zip", {"dataset.json": b'{"labels": null}'}), "no PNG, WebP or JPEG images"
    )


def test_missing_labels_file(tmp_path: Path) -> None:
    entries = entries_of()
    del entries["dataset.json"]
    refused(write_zip(tmp_path / "a.zip", entries), "has no dataset.json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"3",
        b"{}",
        b'{"labels": 3}',
        b'{"labels": {"a": 1}}',
        b'{"labels": [3]}',
        b'{"labels": [["00000/img00000000.png"]]}',
        b'{"labels": [["00000/img00000000.png", "3"]]}',
        b'{"labels": [["00000/img00000000.png", 1.5]]}',
        b'{"labels": [["00000/img00000000.png", true]]}',
        b'{"labels": [["00000/img00000000.png", -1]]}',
        b'{"labels": [["00000/img00000000.png", 1e99]]}',
        b'{"labels": [["00000/img00000000.png", 9223372036854775808]]}',
        b"[" * 100_000,
    ],
    ids=lambda content: content[:50].decode(errors="replace"),
)
def test_malformed_labels_file(tmp_path: Path, content: bytes) -> None:
    refused(write_zip(tmp_path / "a.zip", {**entries_of(1), "dataset.json": content}), "dataset.json")


def test_image_without_label(tmp_path: Path) -> None:
    labels = [[image_name(0), 0], [image_name(2), 1]]
    refused(write_zip(tmp_path / "a.zip", entries_of(3, labels)), image_name(1), "has no label")


def test_label_without_image(tmp_path: Path) -> None:
    labels = [[image_name(index), 0] for index in range(4)]
    refused(write_zip(tmp_path / "a.zip", entries_of(3, labels)), image_name(3), "does not hold")


def test_image_labelled_twice(tmp_path: Path) -> None:
    labels = [[image_name(0), 0], [image_name(0), 1]]
    refused(write_zip(tmp_path / "a.zip", entries_of(1, labels)), image_name(0), "twice")


def test_same_name_twice(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", entries_of(1))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(image_name(0), png(random_images(1)[0]))
    refused(path, image_name(0), "twice")


def test_labels_go_with_names_not_with_their_order(tmp_path: Path) -> None:
    labels = [[image_name(2), 7], [image_name(0), 5], [image_name(1), 6]]
    archive = ImageArchive(write_zip(tmp_path / "a.zip", entries_of(3, labels)))
    assert archive.labels is not None and archive.labels.tolist() == [5, 6, 7]


def test_labels_outside_the_classes(good: Path) -> None:
    assert len(ImageArchive(good, 3)) == 7
    assert len(ImageArchive(good, 0)) == 7
    refused(good, image_name(2), "label 2", "last class is 1", classes=2)


def test_classes_without_labels(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", random_images(2), None)
    refused(tmp_path / "a.zip", "no labels", "3 classes", classes=3)


# -- bad images, found when they are read


def unreadable(path: Path, index: int, *words: str) -> None:
    archive = ImageArchive(path)
    for ask in (lambda: archive.read(index), archive.load, lambda: list(archive.batches(2))):
        with pytest.raises(UserError) as caught:
            ask()
        for word in (str(path), image_name(index), *words):
            assert word in str(caught.value)
    np.testing.assert_array_equal(archive.read(0), random_images(3)[0])  # the good ones stay readable


def test_broken_image(tmp_path: Path) -> None:
    whole = png(random_images(1, 64)[0])
    for number, content in enumerate([b"", b"not a PNG", whole[:20], whole[: len(whole) // 2]]):
        path = write_zip(tmp_path / f"{number}.zip", entries_of(3, None, i1=content))
        unreadable(path, 1, "is broken", "make it again")


def test_flipped_byte_in_an_image(good: Path) -> None:
    content = bytearray(good.read_bytes())
    with zipfile.ZipFile(good) as archive:
        entry = archive.getinfo(image_name(4))
    content[entry.header_offset + 30 + len(entry.filename) + entry.file_size // 2] ^= 0x10
    good.write_bytes(content)
    archive = ImageArchive(good)
    with pytest.raises(UserError, match="img00000004"):
        archive.load()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_image_that_is_not_rgb(tmp_path: Path, mode: str) -> None:
    grey = random_images(1)[0]
    content = _sixteen_bit() if mode == "I;16" else png(grey, mode)
    unreadable(write_zip(tmp_path / "a.zip", entries_of(3, None, i2=content)), 2, f"mode {mode}", "RGB")


def _sixteen_bit() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4)).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_jpeg_in_disguise(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(random_images(1)[0]).save(buffer, "JPEG")
    unreadable(write_zip(tmp_path / "a.zip", entries_of(3, None, i1=buffer.getvalue())), 1, "is broken")


def test_differing_sizes(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", entries_of(3, None, i1=png(random_images(1, 5)[0])))
    unreadable(path, 1, "5 pixels a side", "4")


def test_not_square(tmp_path: Path) -> None:
    wide = png(np.zeros((4, 6, 3), np.uint8))
    unreadable(write_zip(tmp_path / "a.zip", entries_of(3, None, i1=wide)), 1, "6×4", "not square")
    refused(write_zip(tmp_path / "b.zip", entries_of(3, None, i0=wide)), image_name(0), "not square")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_named_or_harmless(good: Path, tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.zip"
    path.write_bytes(content)
    try:
        archive = ImageArchive(path, 3)
        images = archive.load()
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert images.dtype == np.uint8
        assert images.shape == (len(archive), archive.resolution, archive.resolution, 3)
