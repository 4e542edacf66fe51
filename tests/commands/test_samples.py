"""All sample sets of a run in one process: what stands stays, and an interruption loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from sphere_repro import cli
from sphere_repro.commands import sample
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import save_model
from sphere_repro.provenance import job_file
from sphere_repro.provenance.integrity import refuse_edited
from sphere_repro.study import jobs
from sphere_repro.study.config import load_study
from sphere_repro.study.samples_job import samples_job

SETS = ("reconstruction", "generation-1", "generation-4-fixed-shared", "prior-path")


class Place:
    """The smoke study's digits with few images and an untrained model, in a folder of its own."""

    def __init__(self, folder: Path, archive: Path) -> None:
        self.folder, self.archive = folder, archive
        self.study, self.model = folder / "study.yaml", folder / "model.safetensors"
        self.drawn: list[str] = []
        raw = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
        raw["runs"]["digits"]["sampling"] |= {"count": 6, "batch_size": 3}
        self.write(raw)
        self.new_model(seed=1)

    def write(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.study.write_text(yaml.safe_dump(raw))

    def new_model(self, seed: int) -> None:
        import torch

        shape = load_study(self.study).runs["digits"].architecture
        state = build(shape, generator=torch.Generator().manual_seed(seed)).state_dict()
        save_model(self.model, state, state, shape, 85.0)

    def wanted(self) -> tuple[jobs.SampleJob, ...]:
        return samples_job(load_study(self.study), "digits")

    def files(self) -> list[str]:
        return [
            "--model",
            str(self.model),
            "--data",
            str(self.archive),
            "--state",
            str(self.folder / "state"),
        ]

    def samples(self, *more: str) -> int:
        """The verb, on the study unless job files are given."""
        asked = () if "--jobs" in more else ("--study", str(self.study), "--run", "digits")
        self.drawn.clear()
        return cli.main(["samples", *asked, *self.files(), "--folder", str(self.folder / "samples"), *more])

    def there(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "samples").glob("*")}


@pytest.fixture
def place(tmp_path: Path, digits_archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    found = Place(tmp_path, digits_archive)
    original = sample.sample

    def told(job: jobs.SampleJob, *given: Any) -> str:
        found.drawn.append(job.set)
        return original(job, *given)

    monkeypatch.setattr(sample, "sample", told)
    yield found
    assert not list(tmp_path.glob("samples/.*")) and not list(tmp_path.glob("**/*.lock"))


def test_the_sets_are_those_that_are_drawn_one_by_one(place: Place, tmp_path: Path) -> None:
    assert place.samples() == 0
    assert place.drawn == list(SETS)
    assert place.there().keys() == {f"{name}{form}" for name in SETS for form in (".zip", ".json")}
    for job in place.wanted():
        alone = tmp_path / f"{job.set}.zip"
        words = ["sample", "--job", jobs.as_text(job), *place.files(), "--out", str(alone)]
        assert cli.main(words) == 0
        assert alone.read_bytes() == place.there()[alone.name]
        refuse_edited(tmp_path / f"samples/{job.set}.json")
        found, one = (
            json.loads(path.with_suffix(".json").read_text())
            for path in (tmp_path / "samples" / alone.name, alone)
        )
        for each in (found, one):
            for key in ("started", "seconds", "seal", "machine"):
                del each[key]
        assert found == one


def test_what_stands_stays(place: Place) -> None:
    assert place.samples() == 0
    before = place.there()
    assert place.samples() == 0
    assert place.drawn == [] and place.there() == before


def test_one_set_of_other_parameters_is_drawn_alone(place: Place) -> None:
    assert place.samples() == 0
    before = place.there()
    place.raw["runs"]["digits"]["sampling"]["generations"] = [{"steps": 1}, {"steps": 2}]
    place.write(place.raw)
    assert place.samples() == 0
    assert place.drawn == ["generation-2-fixed-shared"]
    assert {name: place.there()[name] for name in before} == before


def lose(place: Place) -> None:
    (place.folder / "samples/generation-1.zip").unlink()


def other_record(place: Place) -> None:
    """As after a checkout of other results."""
    path = place.folder / "samples/generation-1.json"
    record = json.loads(path.read_text())
    record["job"]["count"] = 5
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("change", [lose, other_record])
def test_a_set_that_is_missing_or_of_another_job_is_drawn(
    place: Place, change: Callable[[Place], None]
) -> None:
    assert place.samples() == 0
    before = place.there()["generation-1.zip"]
    change(place)
    assert place.samples() == 0
    assert place.drawn == ["generation-1"] and place.there()["generation-1.zip"] == before


def test_of_another_model_all_are_drawn(place: Place) -> None:
    assert place.samples() == 0
    before = place.there()
    place.new_model(seed=2)
    assert place.samples() == 0
    assert place.drawn == list(SETS)
    assert place.there()["generation-1.json"] != before["generation-1.json"]


def test_a_job_file_has_a_set_drawn_whatever_lies_there(place: Place) -> None:
    for stands, drawn in ((False, list(SETS)), (True, [])):
        paths = [place.folder / f"jobs/{job.set}.json" for job in place.wanted()]
        for path, job in zip(paths, place.wanted(), strict=True):
            job_file.keep(path, jobs.as_text(job), stands=stands, found=True)
        assert place.samples("--jobs", *map(str, paths)) == 0
        assert place.drawn == drawn
    job_file.keep(paths[1], job_file.read(paths[1])[0], stands=False, found=True)
    assert place.samples("--jobs", *map(str, paths)) == 0
    assert place.drawn == [SETS[1]]


def test_an_interruption_loses_no_finished_set_and_leaves_none_before_all_are_drawn(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = sample.sample

    def broken_off(job: jobs.SampleJob, *given: Any) -> str:
        if job.set == SETS[2]:
            raise KeyboardInterrupt
        return counted(job, *given)

    with monkeypatch.context() as patch:
        patch.setattr(sample, "sample", broken_off)
        assert place.samples() == 130
    assert place.drawn == list(SETS[:2]) and place.there() == {}
    assert place.samples() == 0
    assert place.drawn == list(SETS[2:]) and len(place.there()) == 8
    assert not list((place.folder / "state/samples").iterdir())


def test_an_edited_set_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.samples() == 0
    path = place.folder / "samples/generation-1.zip"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    before = place.there()
    assert place.samples() == 2
    assert "generation-1.zip is not the file that was made" in capsys.readouterr().err
    assert place.there() == before


def test_wrong_options_are_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.folder / "job.json"
    other = place.folder / "other.json"
    first = place.wanted()[0]
    job_file.keep(path, jobs.as_text(first), stands=False, found=False)
    job_file.keep(other, jobs.as_text(first.model_copy(update={"run": "b"})), stands=False, found=False)
    for more, told in (
        (["--jobs", str(path), "--study", str(place.study)], "--jobs says everything"),
        (["--jobs", str(path), str(other)], "sets of several runs"),
        (["--jobs", str(place.folder / "none.json")], "none.json is no job file"),
        (["--run", "digit"], "no run is called 'digit'; did you mean 'digits'?"),
        (["--model", "none.safetensors"], "none.safetensors does not exist"),
    ):
        assert place.samples(*more) == 2
        assert told in capsys.readouterr().err
    assert cli.main(["samples", *place.files(), "--folder", "samples"]) == 2
    assert "needs either --jobs FILE …, or --study FILE and --run NAME" in capsys.readouterr().err
    assert place.there() == {}
