"""What is known to be wrong is said by `check`, before any work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from sphere_repro.cli import main
from sphere_repro.data.sources import SOURCES
from sphere_repro.errors import UserError
from sphere_repro.machine import devices
from sphere_repro.study.config import load_study
from sphere_repro.study.sense import doubts

TEXT = """
study: test
runs:
  a:
    dataset: {{name: digits{dataset}}}
    model: {{encoder: {{width: 32, layers: 1, heads: 2}}, decoder: {{width: 32, layers: 1, heads: 2}}{model}}}
    loss: {{pix_recon_perceptual: 0, pix_con_perceptual: 0}}
    training: {{epochs: 20, batch_size: 64{training}}}
    execution: {{processes: 1{execution}}}
    sampling: {{count: 100{sampling}}}
score: {{batch_size: 16{score}}}
"""
PLACES = ("dataset", "model", "training", "execution", "sampling", "score")


def text(**further: str) -> str:
    """A study in YAML as people write it, with further keys in some places."""
    return TEXT.format(**{place: f", {further[place]}" if place in further else "" for place in PLACES})


def study(tmp_path: Path, **further: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text(**further))
    return path


@pytest.mark.parametrize(
    ("further", "words"),
    [
        (
            {"training": "learning_rate: 1.0e-7"},
            ["minimum_learning_rate 1e-06", "at most learning_rate 1e-07"],
        ),
        ({"training": "minimum_learning_rate: 0.01"}, ["minimum_learning_rate 0.01 must be at most"]),
        ({"model": "ratio: 1.0e-9"}, ["ratio 1e-09 is too small", "1.2e+10 channels", "1.5 and 3"]),
        ({"model": "ratio: 5.0e-324"}, ["ratio 4.94066e-324 is too small"]),
        ({"score": "jackknife_groups: 1800"}, ["fewer than score.jackknife_groups = 1800"]),
        ({"score": "kid_subsets: 1e30"}, ["score.kid_subsets", "1e30"]),
        ({"score": "kid_subsets: 1.0e+30"}, ["score.kid_subsets", "1e+30"]),
    ],
)
def test_what_contradicts_itself_is_refused(
    tmp_path: Path, further: dict[str, str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(study(tmp_path, **further))]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in words), said


def replaced(tmp_path: Path, **values: Any) -> Path:
    """A study with some values of its run replaced."""
    data = yaml.safe_load(text())
    for path, value in values.items():
        place, key = path.split("__")
        data["runs"]["a"][place][key] = value
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(data))
    return tmp_path / "study.yaml"


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.images is not None])
def test_a_batch_is_no_larger_than_the_named_dataset(tmp_path: Path, name: str) -> None:
    images = SOURCES[name].images
    assert images is not None
    path = replaced(tmp_path, dataset__name=name, training__batch_size=images + 1)
    if images + 1 <= 1_000_000:
        with pytest.raises(UserError, match=f"is {images + 1}, but {name} has only {images} images"):
            load_study(path)
    load_study(replaced(tmp_path, dataset__name=name, training__batch_size=min(images, 1_000_000)))


def test_groups_are_no_more_than_there_can_be_reconstructions(tmp_path: Path) -> None:
    """One for each image of the dataset at most, whatever count says: scoring would fail in the end."""
    path = replaced(tmp_path, sampling__count=5000)
    path.write_text(path.read_text().replace("batch_size: 16", "jackknife_groups: 1798"))
    with pytest.raises(UserError, match=r"digits has 1797 images, fewer than score\.jackknife_groups = 1798"):
        load_study(path)


def whole_numbers(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        if schema.get("type") == "integer":
            yield path, schema
        for key, value in schema.items():
            yield from whole_numbers(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from whole_numbers(value, f"{path}/{number}")


def test_every_whole_number_has_a_most() -> None:
    """1e30 images, steps or threads are a slip of the pen."""
    found = dict(whole_numbers(json.loads((ROOT / "params" / "schema.json").read_text())))
    assert len(found) > 20
    unlimited = [
        path for path, number in found.items() if not {"maximum", "exclusiveMaximum"} & number.keys()
    ]
    assert unlimited == []


@pytest.mark.parametrize("count", [1e30, 10**30, 100_000_001])
def test_a_count_beyond_all_measure(tmp_path: Path, count: float) -> None:
    with pytest.raises(UserError, match=r"runs\.a\.sampling\.count: "):
        load_study(replaced(tmp_path, sampling__count=count))


@pytest.mark.parametrize(
    ("written", "number"),
    [("1:30", "90"), ("1:30:00", "5400"), ("-1:30", "-90"), ("1:30.5", "90.5"), ("010", "8"), ("0_17", "15")],
)
def test_numbers_that_yaml_reads_otherwise_than_people(tmp_path: Path, written: str, number: str) -> None:
    path = study(tmp_path, execution=f"checkpoint_seconds: {written}")
    with pytest.raises(UserError) as caught:
        load_study(path)
    said = str(caught.value)
    assert f"YAML reads {written} as the number {number}" in said and "line 9" in said
    assert str(path) in said


@pytest.mark.parametrize("written", ["90", "1_000", "0", "0x5A", "0b11", "1.5", "0.5", "1.0e+2"])
def test_numbers_that_are_what_they_look_like(tmp_path: Path, written: str) -> None:
    path = study(tmp_path, sampling=f"batch_size: {written if written != '0' else '1'}")
    if written in ("1.5", "0.5"):
        path = study(tmp_path, execution=f"checkpoint_seconds: {written}")
    load_study(path)


def test_names_in_quotes_stay_names(tmp_path: Path) -> None:
    path = study(tmp_path)
    path.write_text(path.read_text().replace("study: test", "study: '010'"))
    assert load_study(path).study == "010"


def test_latents_larger_than_the_memory_here_are_doubtful(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = study(tmp_path, model="ratio: 0.01")  # 16 tokens of 1200 channels, 64 images: 4.9 MB
    monkeypatch.setattr(devices, "free_memory", lambda: 4_000_000)
    assert main(["check", str(path)]) == 0
    said = capsys.readouterr().out
    assert "doubtful: runs.a: the latents of one pass take 0.00492 GB, more than the 0.004 GB" in said
    assert doubts(load_study(path), 5_000_000) == [] and doubts(load_study(path), None) == []
    smaller = study(tmp_path, model="ratio: 0.01", execution="micro_batch_size: 32")
    assert doubts(load_study(smaller), 4_000_000) == []


@pytest.mark.parametrize("name", ["demo", "smoke", "paper", "released", "ablations", "ablations-small"])
def test_our_own_studies_are_beyond_doubt(name: str) -> None:
    h100 = devices.DEVICES["h100"].memory
    assert doubts(load_study(ROOT / "params" / f"{name}.yaml"), h100) == []
