"""Miniature replicas of the publishers' files, in their real layouts, with known images."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from data.server import Server
from sphere_repro.data.sources import SOURCES, Source, SourceFile

AFHQ = {("train", "cat"): 4, ("train", "dog"): 3, ("train", "wild"): 2, ("val", "cat"): 1, ("val", "dog"): 1}
AFHQ_COUNTS = {"cat": 5, "dog": 4, "wild": 2}
WNIDS = ("n01440764", "n01443537", "n02084071")
PER_CLASS = (3, 1, 2)


def picture(seed: int, width: int = 12, height: int = 9) -> Image.Image:
    """A smooth picture, so that JPEG keeps it recognisable."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def tar_of(contents: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def published(name: str, content: bytes, server: Server | None, digest: bool = True) -> SourceFile:
    """Put `content` on the server; the row that its publisher would have in the table."""
    if server is not None:
        server.files[name] = content
    return SourceFile(
        name=name,
        url=server.url(name) if server else None,
        digest=f"md5:{md5(content)}" if digest else None,
        size=len(content) if digest else None,
    )


def offer(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> Source:
    """Replace a row of the table for the length of a test."""
    source = SOURCES[name].model_copy(update=changes)
    monkeypatch.setitem(SOURCES, name, source)
    return source


def cifar10(monkeypatch: pytest.MonkeyPatch, server: Server) -> tuple[Source, np.ndarray, list[int]]:
    """Pickled batches as in cifar-10-python.tar.gz: five of four training images, one of two test images."""
    from torchvision.datasets import CIFAR10

    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    labels = [index % 10 for index in range(20)]
    contents, train = {}, []
    for batch in range(5):
        rows = slice(4 * batch, 4 * batch + 4)
        data = pixels[rows].transpose(0, 3, 1, 2).reshape(4, 3072)
        content = pickle.dumps({"data": data, "labels": labels[rows], "batch_label": "x"}, protocol=2)
        contents[f"data_batch_{batch + 1}"] = content
        train.append([f"data_batch_{batch + 1}", md5(content)])
    test = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, protocol=2)
    meta = pickle.dumps({"label_names": [str(digit) for digit in range(10)]}, protocol=2)
    contents |= {"test_batch": test, "batches.meta": meta}
    monkeypatch.setattr(CIFAR10, "train_list", train)
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(test)]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5(meta)})
    archive = tar_of({f"cifar-10-batches-py/{name}": c for name, c in contents.items()}, "w:gz")
    files = (published("cifar-10-python.tar.gz", archive, server),)
    return offer(monkeypatch, "cifar10", files=files, images=20), pixels, labels


def oxford_flowers(monkeypatch: pytest.MonkeyPatch, server: Server) -> tuple[Source, list[np.ndarray]]:
    """102flowers.tgz with jpg/image_00001.jpg …, and the labels and splits as MATLAB files; three classes."""
    from torchvision.datasets import Flowers102

    contents = {f"jpg/image_{number:05d}.jpg": jpeg(picture(number)) for number in range(1, 10)}
    mats = {}
    for name, values in (
        ("imagelabels.mat", {"labels": np.array([[3, 1, 2, 1, 1, 2, 3, 3, 2]], np.uint8)}),
        ("setid.mat", {"trnid": [[4, 2]], "valid": [[1, 3]], "tstid": [[9, 8, 7, 6, 5]]}),
    ):
        buffer = io.BytesIO()
        savemat(buffer, values)
        mats[name] = buffer.getvalue()
    archive = tar_of(contents, "w:gz")
    replaced = {
        "image": ("102flowers.tgz", md5(archive)),
        "label": ("imagelabels.mat", md5(mats["imagelabels.mat"])),
        "setid": ("setid.mat", md5(mats["setid.mat"])),
    }
    monkeypatch.setattr(Flowers102, "_file_dict", replaced)
    rows = {"102flowers.tgz": archive, **mats}
    files = tuple(published(name, content, server) for name, content in rows.items())
    source = offer(monkeypatch, "oxford-flowers", files=files, images=9, classes=3)
    return source, [decoded(content) for content in contents.values()]


def animal_faces(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> tuple[Source, list[np.ndarray], list[int]]:
    """afhq.zip: afhq/train/cat/… and so on, with entries for the folders, without a digest."""
    buffer, pixels, labels = io.BytesIO(), [], []
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("afhq/", b"")
        for number, ((split, word), count) in enumerate(AFHQ.items()):
            archive.writestr(f"afhq/{split}/{word}/", b"")
            for index in range(count):
                content = jpeg(picture(100 * number + index, 16, 16))
                archive.writestr(f"afhq/{split}/{word}/flickr_{word}_{index:06d}.jpg", content)
                pixels.append(decoded(content))
                labels.append(sorted(AFHQ_COUNTS).index(word))
    files = (published("afhq.zip", buffer.getvalue(), server, digest=False),)
    source = offer(monkeypatch, "animal-faces", files=files, images=11, class_counts=AFHQ_COUNTS)
    return source, pixels, labels


def imagenet_images() -> dict[str, dict[str, bytes]]:
    """Images by class and name; one of them is CMYK and one is a PNG in disguise, as in the original."""
    classes = {}
    for label, (wnid, count) in enumerate(zip(WNIDS, PER_CLASS, strict=True)):
        rows = {f"{wnid}_{9 - index}.JPEG": jpeg(picture(10 * label + index)) for index in range(count)}
        classes[wnid] = rows
    buffer = io.BytesIO()
    picture(7).convert("CMYK").save(buffer, "JPEG")
    classes[WNIDS[0]][f"{WNIDS[0]}_9.JPEG"] = buffer.getvalue()
    buffer = io.BytesIO()
    picture(8).save(buffer, "PNG")
    classes[WNIDS[2]][f"{WNIDS[2]}_8.JPEG"] = buffer.getvalue()
    return classes


def imagenet_tar(monkeypatch: pytest.MonkeyPatch, raw: Path) -> Source:
    """ILSVRC2012_img_train.tar: a tar of one tar per class, in an order of its own."""
    classes = imagenet_images()
    tars = {f"{wnid}.tar": tar_of(images) for wnid, images in reversed(classes.items())}
    content = tar_of(tars)
    raw.mkdir(parents=True)
    (raw / "ILSVRC2012_img_train.tar").write_bytes(content)
    return imagenet_row(monkeypatch, content)


def imagenet_tree(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Source:
    """Class folders, beside files that do not belong to the dataset."""
    for wnid, images in imagenet_images().items():
        (folder / wnid).mkdir(parents=True)
        for name, content in images.items():
            (folder / wnid / name).write_bytes(content)
    (folder / "labels.txt").write_text("not an image")
    return imagenet_row(monkeypatch, b"")


def imagenet_row(monkeypatch: pytest.MonkeyPatch, tar: bytes) -> Source:
    files = (published("ILSVRC2012_img_train.tar", tar, None) if tar else SOURCES["imagenet"].files[0],)
    return offer(monkeypatch, "imagenet", files=files, images=sum(PER_CLASS), classes=len(WNIDS))


def imagenet_pixels() -> tuple[list[np.ndarray], list[int]]:
    """Every image as RGB, class by class and sorted by name, and the labels."""
    rows = [
        (decoded(images[name]), label)
        for label, images in enumerate(imagenet_images().values())
        for name in sorted(images)
    ]
    return [pixels for pixels, _ in rows], [label for _, label in rows]
