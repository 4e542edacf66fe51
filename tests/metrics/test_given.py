"""Reference statistics that others made: read strictly, compared with, and named in every row."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sphere_repro.cli import main
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.metrics import given
from sphere_repro.metrics.frechet import frechet_distance
from sphere_repro.metrics.reference import make_reference
from sphere_repro.metrics.statistics import load_statistics
from sphere_repro.planning.outside import outside, outside_paths, refuse_missing
from sphere_repro.results.scores import read_scores
from sphere_repro.results.tables import fid_table, markdown_table, metrics
from sphere_repro.strict import parse
from sphere_repro.study import jobs
from sphere_repro.study.config import Study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.scoring import Score

EXTRACTOR = "efficientnet-lite0"
DIMENSION = 1280
GIVEN = "statistics/theirs.npz"
SCORE = {"extractor": EXTRACTOR, "jackknife_groups": 4, "reference": GIVEN}
RUN = {
    "dataset": {"name": "digits", "resolution": 8},
    "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
    "training": {"epochs": 40},
    "sampling": {"count": 16, "generations": [{"steps": 1}]},
}


def study(**changes: Any) -> Study:
    return parse(Study, {"study": "mine", "runs": {"digits": RUN}, "score": SCORE} | changes, "here")


def images(count: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives of real and generated images, and moments of the real ones by others."""
    root = tmp_path_factory.mktemp("given")
    write_archive(root / "data.zip", images(24, 0), [index % 10 for index in range(24)])
    write_archive(root / "reconstruction.zip", images(16, 0), None)
    write_archive(root / "generation-1.zip", images(16, 1), None)
    ours = root / "ours.npz"
    score = Score(extractor=EXTRACTOR)
    make_reference(root / "data.zip", ours, dataset="digits-8px", score=score, device="cpu")
    found = load_statistics(ours)
    (root / "statistics").mkdir()
    # ADM's files hold the images and further moments as well
    np.savez(root / GIVEN, arr_0=np.zeros(3), mu=found.mean, sigma=found.covariance, mu_s=np.zeros(2))
    return root


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def reference(job: jobs.ReferenceJob, out: Path) -> int:
    return main(["reference", "--job", jobs.as_text(job), "--data", "data.zip", "--out", str(out)])


def score(out: Path, reference: Path, job: jobs.ScoreJob | None = None) -> int:
    chosen = job or jobs.score_job(study(), "digits", EXTRACTOR)
    files = ["--data", "data.zip", "--reference", str(reference), "--out", str(out)]
    sets = ["--sets", "reconstruction.zip", "generation-1.zip"]
    return main(["score", "--job", jobs.as_text(chosen), *files, *sets])


def test_it_is_compared_with_and_named(here: Path, tmp_path: Path) -> None:
    content = given.content(Path(GIVEN), tmp_path / "cache")
    out = tmp_path / "reference" / "theirs.npz"
    assert reference(jobs.reference_job(study(), study().runs["digits"], EXTRACTOR, content), out) == 0
    found = tmp_path / "digits" / "scores.json"
    assert score(found, out) == 0

    data = json.loads(found.read_text())
    assert (data["reference_split"], data["reference_count"], data["floor"]) == ("theirs.npz", None, None)
    assert {record["kid"] for record in data["records"]} == {None}
    assert data["classifier"]["classes"] == 10  # of the dataset's own images, whoever made the statistics
    own = here / "ours.npz"
    assert score(tmp_path / "own.json", own, jobs.score_job(without(), "digits", EXTRACTOR)) == 0
    pairs = zip(data["records"], json.loads((tmp_path / "own.json").read_text())["records"], strict=True)
    for record, expected in pairs:
        assert record["frechet"] == pytest.approx(expected["frechet"], rel=1e-6)
        assert record["frechet_se"] == pytest.approx(expected["frechet_se"], rel=1e-6)
        assert expected["kid"] is not None

    table = tmp_path / "table.csv"
    fid_table([found], table)
    (first, *_) = csv.DictReader(table.open())
    assert (first["reference_split"], first["reference_count"]) == ("theirs.npz", "")
    assert (first["floor"], first["kid"]) == ("", "") and float(first["frechet"]) > 0
    assert f"| {first['metric']} to theirs.npz |" in markdown_table(table)
    metrics([found], tmp_path / "metrics.json")
    measured = json.loads((tmp_path / "metrics.json").read_text())["digits"]["generation-1"]
    assert list(measured) == [f"{first['metric']} to theirs.npz"]
    assert read_scores(found).floor is None
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["provenance"]["inputs"]["given"]["sha256"] and record["job"]["content"] == content


def without() -> Study:
    return study(score={key: value for key, value in SCORE.items() if key != "reference"})


def test_the_other_reference_is_refused(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "theirs.npz"
    assert reference(jobs.reference_job(study(), study().runs["digits"], EXTRACTOR), out) == 0
    plain = jobs.score_job(without(), "digits", EXTRACTOR)
    assert score(tmp_path / "scores.json", out, plain) == 2
    assert f"was made of {GIVEN}, but this job compares with the real images" in capsys.readouterr().err
    assert score(tmp_path / "scores.json", here / "ours.npz") == 2
    assert f"was made of the real images, but this job compares with {GIVEN}" in capsys.readouterr().err
    assert not (tmp_path / "scores.json").exists()


def test_another_file_is_another_job(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, record = tmp_path / "theirs.npz", tmp_path / "reference.json"
    assert given.planned_content(place, record) is None
    place.write_bytes((here / GIVEN).read_bytes())
    changed = study(score=SCORE | {"reference": str(place)})
    first = given.planned_content(place, record)
    job = jobs.reference_job(changed, changed.runs["digits"], EXTRACTOR, first)
    assert reference(job, record.with_suffix(".npz")) == 0
    with place.open("ab") as file:
        file.write(b"\0")
    second = given.planned_content(place, record)
    assert None not in (first, second) and first != second
    assert reference(job, record.with_suffix(".npz")) == 2
    assert "has changed while the workflow ran" in capsys.readouterr().err
    place.unlink()
    assert given.planned_content(place, record) == first  # a clone without the file


def test_the_workflow_is_told_of_it(here: Path) -> None:
    assert outside_paths(study()) == [GIVEN]
    contents = outside(study())
    assert contents.references == {"digits-8px": given.content(Path(GIVEN))}
    (step,) = [step for step in StudyFiles(study(), contents).steps() if step.rule == "reference"]
    assert f'"content":"{given.content(Path(GIVEN))}"' in jobs.as_text(step.job)
    assert outside(without()).references == {}
    assert 'reference":' not in jobs.as_text(jobs.score_job(without(), "digits", EXTRACTOR))


@pytest.mark.parametrize("made_before", [True, False])
def test_check_misses_it_only_where_nothing_was_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_before: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    if made_before:
        record = Path(f"results/mine/reference/digits-8px.{EXTRACTOR}.json")
        record.parent.mkdir(parents=True)
        record.write_text("{}")
        refuse_missing(study())
    else:
        with pytest.raises(UserError, match=f"score.reference: {GIVEN} does not exist"):
            refuse_missing(study())


def moments(**changes: Any) -> dict[str, Any]:
    return {"mu": np.zeros(4), "sigma": np.eye(4)} | changes


def skewed(value: float) -> np.ndarray:
    found = np.eye(4)
    found[0, 1] = value
    return found


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"mean": np.zeros(4)}, r"lack mu or sigma \(there is mean\)"),
        ({"mu": np.zeros(4)}, r"lack mu or sigma \(there is mu\)"),
        (moments(mu=np.zeros(3)), r"mu has shape \(3,\).*features have 4 numbers"),
        (moments(sigma=np.eye(3)), r"sigma \(3, 3\)"),
        (moments(mu=np.array([0, np.nan, 0, 0])), "not finite"),
        (moments(sigma=np.full((4, 4), np.inf)), "not finite"),
        (moments(sigma=skewed(0.1)), "sigma is not symmetric"),
        (moments(sigma=np.diag([1.0, 1, 1, -0.5])), "sigma is no covariance"),
        (moments(sigma=np.zeros((4, 4))), "sigma is no covariance"),
        (moments(mu=np.zeros(4, int)), "not real numbers"),
        (moments(mu=np.array([None] * 4)), "truncated or no .npz of plain arrays"),
    ],
)
def test_what_is_no_statistics(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=rf"a\.npz cannot be used: .*{words}"):
        given.read_given(tmp_path / "a.npz", 4)


@pytest.mark.parametrize(
    "spoil", [lambda data: b"", lambda data: data[:-30], lambda data: b"<html>", lambda data: data[:50]]
)
def test_broken_files(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **moments())
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match="truncated or no"):
        given.read_given(path, 4)
    path.unlink()
    with pytest.raises(UserError, match=r"a\.npz do not exist"):
        given.read_given(path, 4)


def test_single_precision_is_enough(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(3, 4))  # fewer images than dimensions
    sigma = np.cov(features, rowvar=False)
    for dtype in (np.float32, np.float64):
        np.savez(tmp_path / "a.npz", mu=features.mean(0).astype(dtype), sigma=sigma.astype(dtype))
        found = given.read_given(tmp_path / "a.npz", 4)
        assert len(found) == 0 and found.covariance.dtype == np.float64
        assert (found.covariance == found.covariance.T).all()
        assert frechet_distance(found, found) == pytest.approx(0, abs=1e-5)


def test_what_a_study_may_say() -> None:
    other = RUN | {"dataset": {"name": "photo-patches", "resolution": 32}}
    two = {"runs": {"digits": RUN, "patches": other}}
    with pytest.raises(
        UserError, match=r"study has digits-8px, photo-patches-32px; write .*\{digits: PATH\}"
    ):
        study(**two)
    both = study(**two, score=SCORE | {"reference": {"digits": GIVEN}, "reference_count": 9})
    chosen = {name: jobs.score_job(both, name, EXTRACTOR).score for name in both.runs}
    assert {name: found.reference for name, found in chosen.items()} == {"digits": GIVEN, "patches": None}
    assert {name: found.reference_count for name, found in chosen.items()} == {"digits": None, "patches": 9}
    with pytest.raises(UserError, match="no run is on 'digts'; did you mean 'digits'"):
        study(score=SCORE | {"reference": {"digts": GIVEN}})
    with pytest.raises(UserError, match="reference_count is of our own statistics"):
        study(score=SCORE | {"reference_count": 100})
    for empty in ("", {}, {"digits": ""}):
        with pytest.raises(UserError, match="reference: an empty path"):
            study(score=SCORE | {"reference": empty})
    twice = RUN | {"dataset": {"name": "digits", "resolution": 16}}
    with pytest.raises(UserError, match="'digits' is there at more than one resolution"):
        study(runs={"digits": RUN, "large": twice}, score=SCORE | {"reference": {"digits": GIVEN}})
