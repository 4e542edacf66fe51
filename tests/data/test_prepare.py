"""Preparation: the same bytes whatever the number of processes, taken up again, every fault named."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from filelock import FileLock
from PIL import Image

from conftest import PATIENCE, ROOT, environment
from data import profiles
from sphere_repro.data import parts
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.images import Arrays, Files
from sphere_repro.data.loading import to_unit
from sphere_repro.data.parts import Form, write_prepared
from sphere_repro.data.pictures import Pictures
from sphere_repro.data.prepare import own_content, planned_content, prepare
from sphere_repro.data.publishers import own_folder
from sphere_repro.data.report import told
from sphere_repro.data.resizing import fit
from sphere_repro.errors import UserError
from sphere_repro.machine import locks
from sphere_repro.metrics import reference
from sphere_repro.metrics.features import Extractor
from sphere_repro.metrics.statistics import load_statistics
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.sampling import refine
from sphere_repro.sampling.painting import painter
from sphere_repro.study.config import load_study
from sphere_repro.study.jobs import sample_job
from sphere_repro.study.scoring import Score


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
        wanted = fit(np.asarray(Image.open(root / f"{name}.png")), 8, "bicubic")
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


def test_the_record_says_what_was_done_and_what_left_out(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 6)
    profile = profiles.display(profiles.P3)
    Image.open(root / "even" / "0000.png").save(root / "even" / "0000.png", icc_profile=profile)
    frames = [Image.new("L", (9, 9), level) for level in (10, 200)]
    frames[0].save(root / "odd" / "moving.gif", save_all=True, append_images=frames[1:])
    (root / "odd" / "phone.HEIC").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    os.mkfifo(root / "odd" / "pipe.png")
    _, facts = made(Dataset.model_validate({"folder": str(root), "resolution": 8}), tmp_path)
    assert facts["class_names"] == ["even", "odd"] and facts["class_counts"] == [3, 4]
    assert (facts["converted_to_srgb"], facts["first_of_several"], facts["unreadable"]) == (1, 1, [])
    assert facts["left_out"] == {".heic": 1, ".txt": 1, "no ordinary file": 1}
    text = told(facts)
    assert text == (
        "1 converted to sRGB; 1 of which the first frame is used; "
        "left out: 1 .heic, 1 .txt, 1 no ordinary file"
    )


# -- unreadable pictures that may be left out


def spoiled(root: Path, *names: str) -> Path:
    pictures(root, 10)
    for name in names:
        (root / name).write_text("<html>404")
    return root


def test_unreadable_pictures_are_left_out_where_the_study_says_so(tmp_path: Path) -> None:
    root = spoiled(tmp_path / "p", "even/0002.png", "odd/0009.png")
    plain = Dataset.model_validate({"folder": str(root), "resolution": 8})
    with pytest.raises(UserError, match=r"2 of the images .*0002\.png \(a web page\).*on_broken: skip"):
        made(plain, tmp_path)
    skipping = Dataset.model_validate({"folder": str(root), "resolution": 8, "on_broken": "skip"})
    assert skipping.archive != plain.archive
    archive, facts = made(skipping, tmp_path)
    assert archive.labels is not None and archive.labels.tolist() == [0] * 4 + [1] * 4
    assert facts["images"] == 8 and facts["class_counts"] == [4, 4]
    named = [str(root / "even/0002.png"), str(root / "odd/0009.png")]
    assert facts["unreadable"] == [[name, "a web page"] for name in named]
    assert told(facts) == "; ".join([f"2 unreadable: {named[0]} (a web page)", f"{named[1]} (a web page)"])
    wanted = fit(np.asarray(Image.open(root / "even/0004.png")), 8, "bicubic")
    np.testing.assert_array_equal(archive.read(1), wanted)


def test_nothing_left_of_a_class_or_at_all(tmp_path: Path) -> None:
    root = spoiled(tmp_path / "p", *(f"odd/{index:04d}.png" for index in range(1, 10, 2)))
    skipping = Dataset.model_validate({"folder": str(root), "resolution": 8, "on_broken": "skip"})
    with pytest.raises(UserError, match=r"No image of the class odd can be read.*a web page"):
        made(skipping, tmp_path)
    for path in (root / "even").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"None of the 10 images can be read.*empty"):
        made(skipping, tmp_path)


def test_the_number_of_processes_changes_no_report(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 2100)
    for index in (3, 1500, 2099):
        (root / "odd" / f"{index:04d}.png").unlink(missing_ok=True)
        (root / "odd" / f"{index:04d}.png").write_bytes(b"")
    reports = []
    for workers in (1, 3):
        images = own_folder(root, 2)
        form = Form(6, skip_broken=True)
        reports.append(write_prepared(tmp_path / "a.zip", images, form, tmp_path / "s", workers))
        assert len(ImageArchive(tmp_path / "a.zip")) == len(images) - 3
    assert reports[0] == reports[1] and len(reports[0].unreadable) == 3


def test_a_disk_that_fails_is_no_unreadable_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = pictures(tmp_path / "p", 4)

    def failing(self: Pictures, index: int) -> None:
        raise OSError(5, "Input/output error", self.name(index))

    monkeypatch.setattr(Pictures, "picture", failing)
    with pytest.raises(OSError, match="Input/output error"):
        write_prepared(tmp_path / "a.zip", own_folder(root, 2), Form(6, skip_broken=True), tmp_path / "s")
    assert not (tmp_path / "a.zip").exists()


# -- how images are made small


@pytest.mark.parametrize("resize", [None, "bicubic", "lanczos", "box", "nearest"])
def test_own_pictures_are_made_small_with_antialiasing_unless_asked(
    tmp_path: Path, resize: str | None
) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # their mean is grey; every other column of them is white
    (tmp_path / "p").mkdir()
    Image.fromarray(stripes).save(tmp_path / "p" / "a.png")
    archive, _ = made(
        Dataset.model_validate({"folder": str(tmp_path / "p"), "resolution": 16, "resize": resize}), tmp_path
    )
    middle = archive.read(0)[:, 2:-2].astype(int)
    assert (np.ptp(middle) == 0 and middle[0, 0, 0] in (0, 255)) == (resize == "nearest")
    assert (np.abs(middle - 127).max() < 12) == (resize != "nearest")


@pytest.mark.parametrize(("pixels", "resize"), [(16, "nearest"), (64, "nearest"), (65, "bicubic")])
def test_the_papers_datasets_are_made_small_as_they_were(pixels: int, resize: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fit(image, pixels), fit(image, pixels, resize))
    assert Dataset(name="cifar10").resize is None


def test_the_tables_datasets_are_resized_otherwise_where_the_study_says_so(tmp_path: Path) -> None:
    plain, _ = made(Dataset(name="digits", resolution=5), tmp_path)
    nearest = plain.load()
    smooth, _ = made(Dataset(name="digits", resolution=5, resize="lanczos"), tmp_path)
    assert (smooth.load() != nearest).any()


# -- archives that are brought along


def test_an_archive_of_the_right_size_is_taken_as_it_is(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    own = tmp_path / "own.zip"
    write_archive(own, images, [2, 0, 1, 2, 0])
    dataset = Dataset.model_validate({"zip": str(own)})
    assert (dataset.pixels, dataset.classes) == (8, 3) and dataset.name == "own"
    made(dataset, tmp_path)
    assert (tmp_path / "out.zip").read_bytes() == own.read_bytes()


def test_an_archive_of_another_size_is_resized(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    own = tmp_path / "own.zip"
    write_archive(own, images, [2, 0, 1, 2, 0])
    archive, _ = made(Dataset.model_validate({"zip": str(own), "resolution": 8}), tmp_path)
    np.testing.assert_array_equal(archive.load(), np.stack([fit(image, 8, "bicubic") for image in images]))
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
    taken: list[Path] = []
    real = locks.opened

    def noting(path: Path) -> int:
        taken.append(path)
        return real(path)

    monkeypatch.setattr(locks, "opened", noting)
    made(Dataset(name="digits"), tmp_path)
    monkeypatch.undo()
    with FileLock(taken[-1]), pytest.raises(UserError, match="is being prepared already"):
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


# -- formats

Prepared = tuple[ImageArchive, list[np.ndarray]]  # and the cropped originals


def wanted(root: Path, side: int) -> list[np.ndarray]:
    """The cropped originals, in the archive's order: class by class, each sorted by name."""
    paths = [path for name in ("even", "odd") for path in sorted((root / name).iterdir())]
    return [fit(np.asarray(Image.open(path)), side, "bicubic") for path in paths]


@pytest.fixture
def archive_of_jpegs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ImageArchive, list[np.ndarray]]:
    """Forty images sorted by class, of which twelve stay as they are; in five parts."""
    monkeypatch.setattr(parts, "CHUNK", 9)
    monkeypatch.setattr(parts, "LOSSLESS", 12)
    parts._lossless.cache_clear()
    root = pictures(tmp_path / "p", 40)
    dataset = Dataset.model_validate({"folder": str(root), "resolution": 8, "format": "jpeg"})
    found = made(dataset, tmp_path)[0], wanted(root, 8)
    parts._lossless.cache_clear()
    return found


def test_an_archive_of_jpegs_keeps_the_chosen_images_as_they_are(
    archive_of_jpegs: Prepared,
) -> None:
    archive, originals = archive_of_jpegs
    chosen = choose(40, 12)
    exact = [np.array_equal(archive.read(index), image) for index, image in enumerate(originals)]
    assert np.flatnonzero(exact).tolist() == chosen.tolist()
    suffixes = [archive.name(index).split(" ")[0].rpartition(".")[2] for index in range(40)]
    assert [suffix == "webp" for suffix in suffixes] == exact and set(suffixes) == {"webp", "jpg"}
    assert archive.labels is not None and archive.labels.tolist() == [0] * 20 + [1] * 20
    for count in (1, 5, 12):  # a smaller reference, or fewer reconstructions, are of these as well
        assert set(choose(40, count).tolist()) <= set(chosen.tolist())


def test_what_is_measured_of_an_archive_of_jpegs_lost_nothing(
    archive_of_jpegs: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images that the reference's network sees, and those that a model reconstructs, bit for bit."""
    archive, originals = archive_of_jpegs
    expected = np.stack([originals[index] for index in choose(40, 10)])
    extractor = Extractor(
        name="inception",
        metric="m",
        dimension=192,
        pixels=8,
        weights_sha256="0" * 64,
        resize_name="none",
        network=lambda images: images.permute(0, 2, 3, 1).reshape(len(images), -1),
        resize=lambda image: image.astype(np.float32),
    )
    monkeypatch.setattr(reference, "make_extractor", lambda *_, **__: extractor)
    score, out = Score(reference_count=10), tmp_path / "r.npz"
    reference.make_reference(archive.path, out, dataset="p", score=score, device="cpu")
    np.testing.assert_array_equal(load_statistics(out).features, expected.reshape(10, -1))

    seen: list[torch.Tensor] = []
    monkeypatch.setattr(refine, "reconstruct", lambda _, x, __: seen.append(x) or x)
    study = load_study(ROOT / "params" / "smoke.yaml")
    model = build(study.runs["digits"].architecture, generator=torch.Generator().manual_seed(0))
    job = sample_job(study, "digits", "reconstruction")
    paint = painter(job, Checkpoint(model, 0.0), archive, None, 10)
    for start in range(0, 10, 4):
        paint(range(start, min(start + 4, 10)))
    whole = torch.from_numpy(expected).permute(0, 3, 1, 2)
    assert torch.equal(torch.cat(seen), to_unit(whole))


@pytest.mark.parametrize("form", ["png", "webp"])
def test_own_archives_are_written_anew_in_the_format_asked_for(tmp_path: Path, form: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    write_archive(tmp_path / "mine.zip", pixels, None)
    asked = {"zip": str(tmp_path / "mine.zip"), "resolution": 8, "format": form}
    archive, _ = made(Dataset.model_validate(asked), tmp_path)
    np.testing.assert_array_equal(archive.load(), pixels)
    assert {archive.name(index).split(" ")[0].rpartition(".")[2] for index in range(5)} == {form}


def test_formats_are_other_archives_and_jpegs_leave_nothing_out(tmp_path: Path) -> None:
    own = {"folder": str(pictures(tmp_path / "p", 4)), "resolution": 8}
    formats: list[dict[str, str]] = [{}, {"format": "webp"}, {"format": "jpeg"}]
    assert len({Dataset.model_validate(own | more).archive for more in formats}) == 3
    assert Dataset(name="imagenet").stored == "webp" and Dataset(name="imagenet").archive == "imagenet-256px"
    with pytest.raises(ValueError, match="format: jpeg and on_broken: skip exclude each other"):
        Dataset.model_validate(own | {"format": "jpeg", "on_broken": "skip"})
