"""Large files are hashed once, and anew as soon as anything about them is another."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import PATIENCE, ROOT
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.prepare import prepare
from sphere_repro.machine import locks, notes
from sphere_repro.provenance import integrity, stamps
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.record import provenance_of
from sphere_repro.provenance.stamps import known_hash
from sphere_repro.study.config import load_study
from sphere_repro.study.jobs import train_job
from sphere_repro.training import loop


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A folder in which every file is large and settled at once; names of the files that were read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(notes.SAID, raising=False)
    monkeypatch.setattr(stamps, "LARGE", 1)
    monkeypatch.setattr(stamps, "SETTLED", 0.0)
    found: list[str] = []

    def hashing(path: Path) -> str:
        found.append(path.name)
        return file_hash(path)

    monkeypatch.setattr(stamps, "file_hash", hashing)
    return found


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_unchanged_file_is_read_once(read: list[str]) -> None:
    file = Path("a.zip")
    file.write_bytes(b"images")
    assert [known_hash(file) for _ in range(3)] == [sha(b"images")] * 3
    assert known_hash(file.resolve()) == sha(b"images")  # by another name
    assert read == ["a.zip"]


def test_small_files_are_read_each_time_and_leave_nothing(
    read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "LARGE", 7)
    Path("a.json").write_bytes(b"images")
    assert known_hash("a.json") == known_hash("a.json") == sha(b"images")
    assert read == ["a.json", "a.json"] and not Path(".state").exists()


def replaced(file: Path) -> None:
    other = file.with_name("new")
    other.write_bytes(b"IMAGES")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)


def longer(file: Path) -> None:
    before = file.stat()
    file.write_bytes(b"IMAGES, more")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def rewritten(file: Path) -> None:
    file.write_bytes(b"IMAGES")


def rewritten_under_the_old_time(file: Path) -> None:
    before = file.stat()
    file.write_bytes(b"IMAGES")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [replaced, longer, rewritten, rewritten_under_the_old_time])
def test_another_size_time_or_inode_is_another_file(read: list[str], change) -> None:
    file = Path("a.zip")
    file.write_bytes(b"images")
    os.utime(file, (1000, 1000))
    known_hash(file)
    change(file)
    assert known_hash(file) == sha(file.read_bytes()) != sha(b"images")
    assert read == ["a.zip", "a.zip"]


@pytest.mark.parametrize("key", ["size", "modified_ns", "changed_ns", "inode", "path", "sha256"])
def test_a_stamp_is_believed_only_if_everything_agrees(read: list[str], key: str) -> None:
    file = Path("a.zip")
    file.write_bytes(b"images")
    known_hash(file)
    (stamp,) = stamps.STAMPS.glob("*.json")
    found = json.loads(stamp.read_text())
    stamp.write_text(json.dumps(found | {key: None} | ({} if key == "sha256" else {"sha256": "0" * 64})))
    assert known_hash(file) == sha(b"images") and len(read) == 2
    stamp.write_text("[]")
    assert known_hash(file) == sha(b"images") and len(read) == 3
    assert known_hash(file) == sha(b"images") and len(read) == 3


def test_a_file_that_changes_while_it_is_read_leaves_no_stamp(
    read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path("a.zip")
    file.write_bytes(b"images")

    def changing(path: Path) -> str:
        digest = file_hash(path)
        path.write_bytes(b"others")
        return digest

    monkeypatch.setattr(stamps, "file_hash", changing)
    assert known_hash(file) == sha(b"images")
    monkeypatch.setattr(stamps, "file_hash", file_hash)
    assert known_hash(file) == sha(b"others")


def test_a_young_file_is_let_settle_and_one_from_the_future_is_read_each_time(
    read: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change within the clock's step after the reading would leave the same time."""
    slept: list[float] = []
    file = Path("a.zip")
    file.write_bytes(b"images")
    changed = max(file.stat().st_mtime, file.stat().st_ctime)
    monkeypatch.setattr(stamps, "SETTLED", 2.0)
    monkeypatch.setattr(stamps.time, "time", lambda: changed + 0.5)
    monkeypatch.setattr(stamps.time, "sleep", slept.append)
    known_hash(file)
    known_hash(file)
    assert slept == [pytest.approx(1.5, abs=1e-3)] and len(read) == 1
    file.write_bytes(b"others")
    monkeypatch.setattr(stamps.time, "time", lambda: changed - 3600)
    assert known_hash(file) == known_hash(file) == sha(b"others")
    assert len(read) == 3 and capsys.readouterr().err.count("lies in the future") == 1


def test_without_a_place_for_the_stamp_it_is_read_each_time(
    read: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".state").write_text("a file where the folder should be")
    Path("a.zip").write_bytes(b"images")
    assert known_hash("a.zip") == known_hash("a.zip") == sha(b"images")
    assert read == ["a.zip", "a.zip"]
    assert capsys.readouterr().err.count("sphere-repro: ") == 1


def test_who_comes_second_waits_for_the_stamp(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As the processes of one training do; the second has come before the first has read anything."""
    file = Path("a.zip")
    file.write_bytes(b"images")
    arrived, found = threading.Event(), []
    real = stamps.turn

    def arriving(path: Path):
        arrived.set()
        return real(path)

    monkeypatch.setattr(stamps, "turn", arriving)
    stamp = stamps.STAMPS / f"{stamps.value_hash(str(file.resolve()))[:16]}.json"
    stamp.parent.mkdir(parents=True)
    second = threading.Thread(target=lambda: found.append(known_hash(file)))
    with locks.turn(stamp.with_suffix(".lock")):
        second.start()
        assert arrived.wait(PATIENCE)
        time.sleep(0.1)  # gives one that does not wait the time to read
        stamps._read(file, stamp)
    second.join(PATIENCE)
    assert found == [sha(b"images")] and read == ["a.zip"]


def test_an_archive_is_read_once_from_its_preparation_to_its_score(read: list[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    write_archive(Path("mine.zip"), images, None)
    dataset = Dataset.model_validate({"zip": "mine.zip", "resolution": 8, "name": "mine"})
    out = Path("data/prepared/mine.zip")
    facts = prepare(dataset, out)
    integrity.write_record(out.with_suffix(".json"), facts, [out])
    job = train_job(load_study(ROOT / "params/smoke.yaml"), "digits")
    names = {loop._identity(job, loop._origin(job, out)) for _rank in range(4)}
    origins = [provenance_of({}, inputs={"data": out})["inputs"]["data"]["sha256"] for _job in range(3)]
    os.utime(out.with_suffix(".json"), (1000, 1000))  # older than its archive, as after a checkout
    integrity.refuse_edited(out.with_suffix(".json"))
    assert len(names) == 1 and set(origins) == {facts["sha256"]} == {sha(out.read_bytes())}
    assert read.count("mine.zip") == 1
