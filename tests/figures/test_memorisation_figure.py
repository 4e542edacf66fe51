"""The figure of nearest training images, from made-up features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import draw, numbers
from sphere_repro.metrics import memorisation as m
from sphere_repro.metrics.control_images import pixels
from sphere_repro.results.memorisation_table import of_memorisation


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """Sixty training images, and a set of which the first half is copied."""
    generator = np.random.default_rng(0)
    real, fresh = (generator.integers(0, 256, (n, 8, 8, 3)).astype(np.uint8) for n in (60, 20))
    write_archive(tmp_path / "real.zip", real, None)
    write_archive(tmp_path / "one.zip", np.concatenate([real[:20] ^ np.uint8(1), fresh]), None)
    archive, indices = ImageArchive(tmp_path / "real.zip"), np.arange(60)
    training = {"features": generator.normal(size=(60, 9)).astype(np.float32), "pixels": pixels(archive)}
    copies = {name: each[:30] for name, each in training.items()}
    groups = m.controls(training, copies, copies, None)
    memory = m.Memory(groups, indices, training["pixels"], 60, "cpu")
    drawn = np.concatenate([training["features"][:20] + np.float32(1e-3), generator.normal(size=(20, 9))])
    found = memory.look(
        "generation-1", drawn.astype(np.float32), ImageArchive(tmp_path / "one.zip"), training["features"]
    )
    scores = {"run": "toy", "dataset": "toy-8px", "metric": "made-up", "memorisation": memory.described}
    scores["records"] = [{"set": "reconstruction"}, {"set": "generation-1", "memorisation": found}]
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    m.write_arrays(tmp_path / "scores.npz", memory.arrays)
    names = {"real": "real.zip", "scores": "scores.json", "near": "scores.npz", "set.generation-1": "one.zip"}
    return {key: tmp_path / name for key, name in names.items()}


def test_it_is_drawn_and_its_numbers_are_those_of_the_scores(inputs: dict[str, Path]) -> None:
    assert len(style.png(draw("memorisation", inputs, "toy"))) < style.LARGEST_FILE
    table = numbers("memorisation", inputs)
    assert table.loc[("generation-1", "pixels"), "near duplicates"] == 20
    assert table.loc[("generation-1", "pixels"), "share"] == 0.5
    assert table.loc[("planted copies", "features"), "share"] == 1
    assert table.loc[("training, leave-one-out", "pixels"), "of"] == 30
    lines = of_memorisation([inputs["scores"]]).lines
    assert [line["near duplicates"] for line in lines if line["images"] == "1 step"] == ["20", "20"]


def test_another_set_than_was_scored_is_told(inputs: dict[str, Path], tmp_path: Path) -> None:
    write_archive(tmp_path / "other.zip", np.zeros((7, 8, 8, 3), np.uint8), None)
    with pytest.raises(UserError, match="nearest training images of 'generation-1' as it lies here"):
        draw("memorisation", inputs | {"set.generation-1": tmp_path / "other.zip"})


def test_scores_without_it_are_told(inputs: dict[str, Path], tmp_path: Path) -> None:
    scores = json.loads(inputs["scores"].read_text()) | {"memorisation": None}
    (tmp_path / "vae.json").write_text(json.dumps(scores))
    with pytest.raises(UserError, match="says nothing of near duplicates"):
        draw("memorisation", inputs | {"scores": tmp_path / "vae.json"})
    assert not of_memorisation([tmp_path / "vae.json"]).lines
