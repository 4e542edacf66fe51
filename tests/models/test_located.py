"""Where a model lies, what it is, and when it counts as another."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from miniature import write_checkpoint
from sphere_repro.errors import UserError
from sphere_repro.models import located
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import save_model
from sphere_repro.provenance.hashes import file_hash


def ours(path: Path, shape, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = build(shape, generator=torch.Generator().manual_seed(seed))
    save_model(path, model.state_dict(), None, shape, 80.0)
    return path


def test_files_and_content_of_each_kind_of_place(tmp_path: Path, tiny_shape) -> None:
    model = ours(tmp_path / "run" / "model.safetensors", tiny_shape)
    for place in (model, model.parent):
        assert located.model_files(place) == {"model": model}
        assert located.content(place) == file_hash(model)
        assert located.architecture(place) == tiny_shape.model_dump()
    theirs = tmp_path / "theirs.pth"
    write_checkpoint(theirs, tiny_shape, 70.0)
    files = {"checkpoint": theirs, "configuration": theirs.with_suffix(".json")}
    assert located.model_files(theirs) == files
    assert located.expected_files(theirs) == [*files.values()]
    assert located.architecture(theirs) == tiny_shape.model_dump()


def test_content_follows_the_weights(tmp_path: Path, tiny_shape) -> None:
    model = ours(tmp_path / "a.safetensors", tiny_shape)
    before = located.content(model)
    ours(model, tiny_shape, seed=2)
    assert located.content(model) != before
    ours(model, tiny_shape, seed=1)
    assert located.content(model) == before
    theirs = tmp_path / "theirs.pth"
    write_checkpoint(theirs, tiny_shape, 70.0)
    before = located.content(theirs)
    write_checkpoint(theirs, tiny_shape, 60.0)
    os.utime(theirs.with_suffix(".json"))
    assert located.content(theirs) != before


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert located.missing(tmp_path / "none.safetensors") == f"{tmp_path}/none.safetensors does not exist"
    assert "neither a finished run nor a released checkpoint" in located.missing(tmp_path)
    for place in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(UserError):
            located.content(place)


def test_a_clone_without_the_model_has_its_content_from_the_record(tmp_path: Path, tiny_shape) -> None:
    record, place = tmp_path / "model.json", tmp_path / "a.safetensors"
    assert located.planned_content(place, record) is None
    record.write_text(json.dumps({"job": {"init_from": {"path": "x", "content": "abc"}}}))
    assert located.planned_content(place, record) == "abc"
    ours(place, tiny_shape)
    assert located.planned_content(place, record) == file_hash(place)
    record.write_text(json.dumps({"job": {}}))
    place.unlink()
    assert located.planned_content(place, record) is None


def test_a_file_that_does_not_say_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"no")
    assert located.architecture(tmp_path / "a.safetensors") is None
