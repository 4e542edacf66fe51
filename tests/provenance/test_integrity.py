"""Results that were edited, cut short or touched."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from sphere_repro.errors import UserError
from sphere_repro.provenance.integrity import refuse_edited, write_record


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record of one file, both a minute old, the record the younger of the two."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    path = tmp_path / "model.json"
    write_record(path, {"job": {"seed": 1}, "loss": 0.1}, [file])
    os.utime(file, (1000, 1000))
    os.utime(path, (1001, 1001))
    return path


def test_what_was_made_is_accepted(record: Path) -> None:
    refuse_edited(record)


@pytest.mark.parametrize("content", [b"weighty", b"weig", b""], ids=["edited", "cut", "empty"])
def test_another_content_is_named(record: Path, content: bytes) -> None:
    file = record.with_name("model.safetensors")
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors is not the file that was made") as refused:
        refuse_edited(record)
    assert f"dvc checkout {file}" in str(refused.value)


def test_a_touched_file_is_read_once(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(record.with_name("model.safetensors"), (2000, 2000))
    refuse_edited(record)
    monkeypatch.setattr(
        "sphere_repro.provenance.integrity.known_hash", lambda _path: pytest.fail("read again")
    )
    refuse_edited(record)


def test_a_missing_file_is_left_to_the_workflow(record: Path) -> None:
    record.with_name("model.safetensors").unlink()
    refuse_edited(record)


@pytest.mark.parametrize("error", [PermissionError, OSError(errno.EROFS, "Read-only file system")])
def test_a_record_whose_time_cannot_be_moved_is_read_all_the_same(
    record: Path, error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results may lie in somebody else's cache, or where nothing can be written."""
    monkeypatch.setattr(os, "utime", Mock(side_effect=error))
    model = record.with_name("model.safetensors")
    model.write_bytes(model.read_bytes())  # newer than its record, and the same
    refuse_edited(record)
    model.write_bytes(b"other")
    with pytest.raises(UserError, match="is not the file that was made"):
        refuse_edited(record)


@pytest.mark.parametrize("change", [{"loss": 0.05}, {"job": {"seed": 2}}, {"more": 1}, {"files": {}}])
def test_an_edited_record_is_named(record: Path, change: dict) -> None:
    record.write_text(json.dumps(json.loads(record.read_text()) | change))
    with pytest.raises(UserError, match=r"model\.json was edited"):
        refuse_edited(record)


def test_layout_and_order_of_keys_are_no_edit(record: Path) -> None:
    content = json.loads(record.read_text())
    record.write_text(json.dumps(dict(reversed(content.items()))))
    refuse_edited(record)


@pytest.mark.parametrize("text", ["{}", "[]", '{"job": 1}', '{"files": {"other": "abc"}}'])
def test_records_without_seals_are_accepted(record: Path, text: str) -> None:
    record.write_text(text)
    refuse_edited(record)


def test_a_record_written_again_is_sealed_anew(record: Path) -> None:
    content = json.loads(record.read_text())
    write_record(record, content | {"loss": 0.2}, [record.with_name("model.safetensors")])
    refuse_edited(record)
    assert json.loads(record.read_text())["loss"] == 0.2
