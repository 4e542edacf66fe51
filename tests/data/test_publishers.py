"""The publishers' layouts, from a real server to the prepared archive; and what is said where one is off."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, Flowers102

from data import replicas
from data.server import Faults, Server, serving
from sphere_repro.data import raw
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.download import Patience
from sphere_repro.data.prepare import prepare
from sphere_repro.data.publishers import images_of
from sphere_repro.data.resizing import fit
from sphere_repro.data.sources import SOURCES, Source
from sphere_repro.errors import UserError


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where downloads lie."""
    return tmp_path / "data" / "raw"


def prepared(name: str, resolution: int, folder: Path, **options: object) -> ImageArchive:
    out = folder.parent / "prepared" / f"{name}.zip"
    dataset = Dataset(name=name, resolution=resolution)
    state = folder.parent / "state"
    prepare(dataset, out, downloads=folder / name, state=state, **options)  # type: ignore[arg-type]
    assert [path.name for path in state.rglob("*.zip")] == []
    return ImageArchive(out, dataset.source.classes)


def shows(archive: ImageArchive, pixels: list[np.ndarray] | np.ndarray, labels: list[int]) -> None:
    assert archive.labels is not None and archive.labels.tolist() == labels
    assert len(archive) == len(pixels)
    for index, image in enumerate(pixels):
        np.testing.assert_array_equal(archive.read(index), fit(image, archive.resolution))


# -- the table


def test_the_table_says_what_torchvision_says() -> None:
    (file,) = SOURCES["cifar10"].files
    assert (file.url, file.digest) == (
        CIFAR10.url,
        f"md5:{CIFAR10.tgz_md5}",
    ) and file.name == CIFAR10.filename
    for file, (name, digest) in zip(
        SOURCES["oxford-flowers"].files, Flowers102._file_dict.values(), strict=True
    ):
        assert (file.name, file.digest) == (name, f"md5:{digest}")
        assert file.url == Flowers102._download_url_prefix + name
        assert [mirror.rpartition("/")[2] for mirror in file.mirrors] == [name]


def test_the_numbers_of_the_paper() -> None:
    numbers = {name: (SOURCES[name].images, SOURCES[name].classes) for name in SOURCES}
    assert numbers["cifar10"] == (50_000, 10)
    assert numbers["oxford-flowers"] == (8_189, 102)
    assert numbers["animal-faces"] == (16_130, 3)
    assert numbers["imagenet"] == (1_281_167, 1000)
    assert sum((SOURCES["animal-faces"].class_counts or {}).values()) == 16_130
    for name in ("cifar10", "oxford-flowers", "animal-faces", "imagenet"):
        assert SOURCES[name].horizontal_flip
        assert Dataset(name=name).pixels == (32 if name == "cifar10" else 256)


# -- from the server to the archive


def test_cifar10(monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path) -> None:
    source, pixels, labels = replicas.cifar10(monkeypatch, server)
    server.faults = Faults(cut_after=40_000, cut_first=1)
    record = json.loads(raw.download("cifar10", source, folder / "cifar10").read_text())
    assert record["images"] == 20 and record["files"][0]["published"] == source.files[0].digest
    assert str(folder) not in json.dumps(record)
    shows(prepared("cifar10", 32, folder), pixels, labels)


def test_oxford_flowers_uses_all_splits(
    monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path
) -> None:
    source, pixels = replicas.oxford_flowers(monkeypatch, server)
    raw.download("oxford-flowers", source, folder / "oxford-flowers")
    shows(prepared("oxford-flowers", 8, folder), pixels, [2, 0, 1, 0, 0, 1, 2, 2, 1])


def test_animal_faces(monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path) -> None:
    source, pixels, labels = replicas.animal_faces(monkeypatch, server)
    raw.download("animal-faces", source, folder / "animal-faces")
    held = json.loads((folder / "animal-faces.first.json").read_text())
    assert list(held) == ["afhq.zip"] and len(held["afhq.zip"]) == 64
    shows(prepared("animal-faces", 16, folder), pixels, labels)


def repacked(server: Server, top: str) -> bytes:
    """The same files as in afhq.zip in another archive, with another top folder and what a Mac adds."""
    buffer = io.BytesIO()
    whole = io.BytesIO(server.files["afhq.zip"])
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as other:
        for name in reversed(archive.namelist()):
            if not name.endswith("/"):
                inside = name.removeprefix("afhq/")
                other.writestr(top + inside, archive.read(name))
                place, _, image = inside.rpartition("/")
                other.writestr(f"__MACOSX/{top}{place}/._{image}", b"rubbish")
    return buffer.getvalue()


def second_source(server: Server, source: Source, url: str) -> Source:
    """The same dataset with a second address."""
    file = source.files[0].model_copy(update={"url": url, "repacked": (server.url("other.zip"),)})
    return source.model_copy(update={"files": (file,)})


@pytest.mark.parametrize("top", ["", "animal-faces/", "a/b/afhq/"])
@pytest.mark.parametrize("first", ["missing", "a page"])
def test_animal_faces_from_the_second_source(
    monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path, top: str, first: str
) -> None:
    """The same images under another top folder make the same dataset, and agree with the first download."""
    source, pixels, labels = replicas.animal_faces(monkeypatch, server)
    both = second_source(server, source, server.url("afhq.zip"))
    raw.download("animal-faces", both, folder / "animal-faces")
    held = (folder / "animal-faces.first.json").read_bytes()
    tree = json.loads((folder / "animal-faces.json").read_text())["tree"]
    assert json.loads(held) == {"tree": tree} and len(tree) == 64
    shutil.rmtree(folder / "animal-faces")
    server.files["other.zip"] = repacked(server, top)
    del server.files["afhq.zip"]
    if first == "a page":
        server.files["afhq.zip"] = b"<html>Too many people want this file</html>"
    quick = Patience(attempts=1, pause=0)
    raw.download("animal-faces", both, folder / "animal-faces", quick)
    assert (folder / "animal-faces.first.json").read_bytes() == held
    shows(prepared("animal-faces", 16, folder), pixels, labels)


def test_other_images_from_the_second_source_are_refused(
    monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path
) -> None:
    source, _, _ = replicas.animal_faces(monkeypatch, server)
    both = second_source(server, source, server.url("afhq.zip"))
    raw.download("animal-faces", both, folder / "animal-faces")
    shutil.rmtree(folder / "animal-faces")
    other = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(server.files["afhq.zip"])) as archive, zipfile.ZipFile(other, "w") as new:
        names = [name for name in archive.namelist() if name.endswith(".jpg")]
        for name, source_name in zip(names, [names[0], *names[:-1]], strict=True):
            new.writestr(name, archive.read(source_name))
    server.files["other.zip"] = other.getvalue()
    del server.files["afhq.zip"]
    with pytest.raises(UserError, match="are not those of the first download"):
        raw.download("animal-faces", both, folder / "animal-faces", Patience(attempts=1, pause=0))


def test_where_neither_source_answers_a_copy_of_ones_own_will_do(
    monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path
) -> None:
    source, pixels, labels = replicas.animal_faces(monkeypatch, server)
    both = second_source(server, source, server.url("gone.zip"))
    with pytest.raises(UserError) as told:
        raw.download("animal-faces", both, folder / "animal-faces", Patience(attempts=1, pause=0))
    said = str(told.value)
    assert "gone.zip: HTTP status 404" in said and "other.zip: HTTP status 404" in said
    assert "Any other zip of the same files will do" in said
    (folder / "animal-faces" / "afhq.zip").write_bytes(repacked(server, "mine/"))
    raw.download("animal-faces", both, folder / "animal-faces")
    shows(prepared("animal-faces", 16, folder), pixels, labels)


def test_the_table_names_a_second_source_of_animal_faces() -> None:
    (file,) = SOURCES["animal-faces"].files
    assert len({file.url, *file.mirrors, *file.repacked}) >= 2


@pytest.mark.parametrize("place", ["", "train", "ILSVRC/Data/CLS-LOC/train", "link"])
def test_imagenet_tree(monkeypatch: pytest.MonkeyPatch, folder: Path, place: str) -> None:
    own = folder / "imagenet"
    if place == "link":
        source = replicas.imagenet_tree(monkeypatch, folder.parent / "elsewhere" / "train")
        folder.mkdir(parents=True)
        own.symlink_to(folder.parent / "elsewhere")
    else:
        source = replicas.imagenet_tree(monkeypatch, own / place)
    raw.download("imagenet", source, own)
    pixels, labels = replicas.imagenet_pixels()
    assert [image.shape for image in pixels] == [(9, 12, 3)] * 6
    shows(prepared("imagenet", 8, folder), pixels, labels)


def test_imagenet_tar_is_read_where_it_lies(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    source = replicas.imagenet_tar(monkeypatch, folder / "imagenet")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    raw.download("imagenet", source, folder / "imagenet")
    shows(prepared("imagenet", 8, folder), *replicas.imagenet_pixels())
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    del after[folder / "imagenet.json"]
    assert after == before  # nothing is written beside the user's copy


def test_imagenet_is_prepared_without_loss(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    source = replicas.imagenet_tar(monkeypatch, folder / "imagenet")
    raw.download("imagenet", source, folder / "imagenet")
    archive = prepared("imagenet", 8, folder)
    assert archive.name(0).startswith("00000/img00000000.webp")
    shows(archive, *replicas.imagenet_pixels())


def test_a_first_download_is_held_in_another_checkout(
    monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path
) -> None:
    source, _, _ = replicas.animal_faces(monkeypatch, server)
    raw.download("animal-faces", source, folder / "animal-faces")
    first = (folder / "animal-faces.first.json").read_bytes()
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "animal-faces.first.json").write_bytes(first)  # git brings it along
    server.files["afhq.zip"] = replicas.tar_of({"other": b"x"})
    with pytest.raises(UserError, match="that of the first download"):
        raw.download("animal-faces", source, folder / "animal-faces")


def test_a_second_download_fetches_and_unpacks_nothing(
    monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path
) -> None:
    source, _, _ = replicas.cifar10(monkeypatch, server)
    record = raw.download("cifar10", source, folder / "cifar10")
    first = record.read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (folder / "cifar10").rglob("*") if path.is_file()}
    record.unlink()
    assert raw.download("cifar10", source, folder / "cifar10").read_bytes() == first
    assert len(server.ranges) == 1
    assert times == {
        path: path.stat().st_mtime_ns for path in (folder / "cifar10").rglob("*") if path.is_file()
    }


# -- what is off


def test_nothing_downloaded(folder: Path) -> None:
    with pytest.raises(UserError, match="sphere-repro download cifar10"):
        prepared("cifar10", 32, folder)


def test_no_copy_of_imagenet(folder: Path) -> None:
    with pytest.raises(UserError, match=r"register at https://image-net\.org") as caught:
        raw.download("imagenet", SOURCES["imagenet"], folder / "imagenet")
    assert str(folder / "imagenet") in str(caught.value)


def test_embedded_datasets_need_no_download(folder: Path) -> None:
    with pytest.raises(UserError, match="needs no download"):
        raw.download("digits", SOURCES["digits"], folder / "digits")


def test_a_changed_batch_is_noticed(monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path) -> None:
    source, _, _ = replicas.cifar10(monkeypatch, server)
    raw.download("cifar10", source, folder / "cifar10")
    batch = folder / "cifar10" / "unpacked" / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(UserError, match="incomplete or was changed"):
        prepared("cifar10", 32, folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": 12}, "has 11 images here, but 12"),
        ({"class_counts": {"cat": 5, "dog": 3, "wild": 3}}, "4 images of 'dog' here, but 3"),
        ({"classes": 4}, "3 classes here instead of 4"),
    ],
)
def test_other_numbers_than_published(
    monkeypatch: pytest.MonkeyPatch, server: Server, folder: Path, changes: dict[str, object], words: str
) -> None:
    source, _, _ = replicas.animal_faces(monkeypatch, server)
    with pytest.raises(UserError, match=words):
        raw.download("animal-faces", source.model_copy(update=changes), folder / "animal-faces")
    assert not (folder / "animal-faces.json").exists()


@pytest.mark.parametrize("layout", ["tree", "tar"])
@pytest.mark.parametrize(
    ("changes", "words"), [({"classes": 4}, "3 classes"), ({"images": 7}, "6 images here, but 7")]
)
def test_an_incomplete_copy_of_imagenet(
    monkeypatch: pytest.MonkeyPatch, folder: Path, layout: str, changes: dict[str, int], words: str
) -> None:
    make = {"tree": replicas.imagenet_tree, "tar": replicas.imagenet_tar}[layout]
    source = make(monkeypatch, folder / "imagenet").model_copy(update=changes)
    with pytest.raises(UserError, match=words):
        raw.download("imagenet", source, folder / "imagenet")


def test_a_damaged_tar_is_named_and_left_alone(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    source = replicas.imagenet_tar(monkeypatch, folder / "imagenet")
    tar = folder / "imagenet" / "ILSVRC2012_img_train.tar"
    content = tar.read_bytes()
    tar.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="wrong digest"):
        raw.download("imagenet", source, folder / "imagenet")
    with pytest.raises(UserError, match=r"damaged|classes"):
        images_of(Dataset(name="imagenet"), folder / "imagenet")
    assert len(tar.read_bytes()) == len(content) // 2


def test_a_misspelt_name_and_a_missing_network_are_sentences(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from data.server import closed_port
    from sphere_repro.cli import main

    assert main(["download", "cifar"]) == 2
    assert "no dataset 'cifar'; did you mean 'cifar10'?" in capsys.readouterr().err
    gone = f"http://127.0.0.1:{closed_port()}/afhq.zip"
    file = SOURCES["animal-faces"].files[0].model_copy(update={"url": gone, "repacked": ()})
    replicas.offer(monkeypatch, "animal-faces", files=(file,))
    monkeypatch.setattr("sphere_repro.data.download.Patience", lambda: Patience(attempts=1, pause=0))
    assert main(["download", "animal-faces", "--raw", str(tmp_path / "animal-faces")]) == 2
    said = capsys.readouterr().err
    assert gone in said and str(tmp_path / "animal-faces" / "afhq.zip") in said and "Traceback" not in said
