"""Nearest training images against brute force and scikit-learn, and what counts as a near duplicate."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import held_out, trained_on
from sphere_repro.errors import UserError
from sphere_repro.metrics import memorisation as m
from sphere_repro.metrics.control_images import pixels
from sphere_repro.metrics.reference import make_reference
from sphere_repro.metrics.score import ScoreInputs, score_run
from sphere_repro.results.nearest import HELD_OUT, MEASURES, TRAINING, read_memorisation, read_near
from sphere_repro.study.generation import Generation, Guidance, remembered
from sphere_repro.study.scoring import Score

SCORE = Score(
    extractor="efficientnet-lite0", batch_size=64, jackknife_groups=4, kid_subsets=5, kid_subset_size=10
)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m, "QUERIES", 7)
    monkeypatch.setattr(m, "POINTS", 20)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_the_nearest_are_those_of_scikit_learn(kind: str) -> None:
    generator = np.random.default_rng(0)
    points, queries = (generator.normal(100, 30, (n, 12)).astype(kind) for n in (130, 25))
    found = m.nearest(queries, points, scale=0.5)
    exact = NearestNeighbors(n_neighbors=50, algorithm="brute").fit(points.astype(float))
    distances, indices = exact.kneighbors(queries.astype(float))
    np.testing.assert_allclose(found.distance, 0.5 * distances[:, 0], rtol=1e-5)
    np.testing.assert_allclose(found.relative, distances[:, 0] / distances[:, 1:].mean(1), rtol=1e-5)
    if kind == "float32":  # whole numbers have ties
        assert found.index.tolist() == indices[:, 0].tolist()


@pytest.mark.usefixtures("small_blocks")
def test_an_image_is_not_its_own_neighbour() -> None:
    points = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
    asked = np.array([3, 19, 20, 41, 59])
    found = m.nearest(points[asked], points, own=asked)
    distances = np.linalg.norm(points[:, None].astype(float) - points[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_allclose(found.distance, distances[asked].min(1), rtol=1e-5)
    assert found.index.tolist() == distances[asked].argmin(1).tolist()
    assert (m.nearest(points[asked], points).distance == 0).all()


def test_near_duplicates_keep_their_distance_far_from_the_origin() -> None:
    """Products in float32 alone would give noise of this size."""
    points = 1e4 + np.random.default_rng(2).normal(size=(200, 64)).astype(np.float32)
    copies = points[:5] + np.float32(2**-7)
    found = m.nearest(copies, points)
    assert found.index.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(found.distance, 8 * 2**-7, rtol=1e-3)


def test_alike_images_do_not_stand_out_and_two_images_say_nothing() -> None:
    alike = np.zeros((9, 4), np.float32)
    assert m.nearest(alike[:2], alike).relative.tolist() == [1, 1]
    with pytest.raises(ValueError, match="no two others"):
        m.nearest(alike[:2], alike[:2], own=np.array([0, 1]))


def test_large_images_are_averaged(tmp_path: Path) -> None:
    images = np.random.default_rng(3).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    write_archive(tmp_path / "large.zip", images, None)
    found = pixels(ImageArchive(tmp_path / "large.zip"), np.array([2, 0]))
    means = images[[2, 0]].reshape(2, 32, 2, 32, 2, 3).mean((2, 4)).reshape(2, -1)
    assert found.dtype == np.uint8 and np.abs(found - means).max() <= 1  # rounded twice


def test_the_share_has_the_exact_interval() -> None:
    found = m.share(np.r_[np.zeros(3), np.ones(97)], 0.5)
    assert (found["near"], found["count"], found["share"]) == (3, 100, 0.03)
    assert found["low"] == pytest.approx(stats.beta.ppf(0.025, 3, 98))
    assert found["high"] == pytest.approx(stats.beta.ppf(0.975, 4, 97))


def groups(*names: str) -> dict[str, dict[str, m.Near]]:
    generator = np.random.default_rng(4)
    found = {}
    for name in names:
        relative = generator.uniform(size=400).astype(np.float32)
        near = m.Near(relative, relative, np.zeros(400, np.int64))
        found[name] = dict.fromkeys(MEASURES, near)
    return found


def test_the_control_never_fixes_the_threshold() -> None:
    with_held_out = m.thresholds(groups(TRAINING, HELD_OUT))
    training, others = (each["features"].relative for each in groups(TRAINING, HELD_OUT).values())
    assert with_held_out.control == HELD_OUT
    assert with_held_out.below["features"] == pytest.approx(np.quantile(training, 0.01))
    assert with_held_out.chance["features"].tolist() == others.tolist()
    without = m.thresholds(groups(TRAINING))
    assert without.control == TRAINING and len(without.chance["features"]) == 200
    first = np.setdiff1d(training, without.chance["features"])
    assert without.below["features"] == pytest.approx(np.quantile(first, 0.01))


@pytest.mark.parametrize("apart", [0, 40])
def test_what_chance_gives_is_one_in_a_hundred(apart: int) -> None:
    """Images of one distribution pass for near duplicates as often as the threshold says, either way."""
    generator, shares = np.random.default_rng(5), []
    for _ in range(40):
        points = generator.normal(size=(400 + apart, 6)).astype(np.float32)
        training, others = ({"features": part, "pixels": part} for part in (points[apart:], points[:apart]))
        found = m.controls(training, training, training, others if apart else None)
        limits = m.thresholds(found)
        shares.append((limits.chance["features"] < limits.below["features"]).mean())
    assert np.mean(shares) == pytest.approx(
        0.0125, abs=0.006
    )  # with 200 or 400 of them a little more than 1 %


def test_the_sets_that_are_looked_at() -> None:
    guided = Guidance(scale=1.4)
    drawn = [
        Generation(steps=1, guidance=guided),
        Generation(steps=1),
        Generation(steps=4),
        Generation(steps=8, strength="linear"),
        Generation(steps=6, guidance=guided),
        Generation(steps=6),
        Generation(steps=9, noise="initial"),
    ]
    assert remembered(drawn) == ["generation-1", "generation-6-fixed-shared"]
    assert remembered([drawn[3]]) == [] == remembered([])


def images(count: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3))
    return np.kron(coarse, np.ones((1, 2, 2, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 images of which 30 are held out; fresh samples, and a set of copies of trained images."""
    root = tmp_path_factory.mktemp("memorised")
    real = images(120, 0)
    write_archive(root / "real.zip", real, np.repeat([0, 1], 60))
    archive = ImageArchive(root / "real.zip")
    make_reference(
        root / "real.zip", root / "ref.npz", dataset="toy", score=SCORE, device="cpu", held_out=0.25
    )
    trained = trained_on(archive, 0.25)
    write_archive(root / "reconstruction.zip", real[trained], archive.labels[trained])  # type: ignore[index]
    write_archive(root / "fresh.zip", images(40, 1), None)
    write_archive(root / "copied.zip", real[trained[:40]] ^ np.uint8(3), None)
    score_run(inputs(root), root / "scores.json", score=SCORE, seed=(0,), device="cpu")
    return root


def inputs(root: Path) -> ScoreInputs:
    return ScoreInputs(
        run="toy",
        dataset="toy",
        kind="sphere",
        sets={
            "reconstruction": root / "reconstruction.zip",
            "generation-1": root / "fresh.zip",
            "generation-4-fixed-shared": root / "copied.zip",
        },
        generations={"generation-1": {"steps": 1}, "generation-4-fixed-shared": {"steps": 4}},
        real=root / "real.zip",
        reference=root / "ref.npz",
        held_out=0.25,
    )


def test_copies_are_found_and_fresh_images_are_not(scored: Path) -> None:
    found = read_memorisation(scored / "scores.json")
    assert found is not None and found.about["control"] == HELD_OUT
    assert (found.about["looked_at"], found.about["trained_on"]) == (90, 90)
    for measure in MEASURES:
        about = found.about["measures"][measure]
        assert about["planted"]["share"] > 0.95 and about["planted"]["count"] == 90
        assert about["control"]["count"] == 30  # so few images' shares move far by chance
        assert about["control"]["share"] < 0.4 and found.sets["generation-1"][measure]["share"] < 0.4
        assert found.sets["generation-4-fixed-shared"][measure]["share"] > 0.95


def test_neighbours_are_named_by_their_place_in_the_archive(scored: Path) -> None:
    near = read_near(scored / "scores.npz")
    archive = ImageArchive(scored / "real.zip")
    trained, others = trained_on(archive, 0.25), held_out(120, 0.25, archive.labels)
    for measure in MEASURES:
        assert near["generation-4-fixed-shared"][measure].index.tolist() == trained[:40].tolist()
        assert near["planted"][measure].index.tolist() == trained.tolist()
        assert not {*near["generation-1"][measure].index.tolist()} & {*others.tolist()}
    np.testing.assert_allclose(near["generation-4-fixed-shared"]["pixels"].distance, 3, atol=2)


def test_held_out_images_are_no_reference_and_others_are_told(scored: Path, tmp_path: Path) -> None:
    described = json.loads((scored / "ref.json").read_text())
    assert described["count"] == 90 and described["held_out"] == 0.25
    with pytest.raises(UserError, match=r"leaves out 0\.25 of the images, but this job holds out 0\."):
        score_run(
            replace(inputs(scored), held_out=0.0), tmp_path / "s.json", score=SCORE, seed=(0,), device="cpu"
        )


def test_a_reference_without_controls_is_told(scored: Path, tmp_path: Path) -> None:
    with np.load(scored / "ref.npz") as found:
        kept = {name: found[name] for name in found.files if not name.startswith("near.")}
    np.savez(tmp_path / "ref.npz", **kept)
    with pytest.raises(UserError, match="lacks controls of memorisation"):
        m.Memory.of(tmp_path / "ref.npz", ImageArchive(scored / "real.zip"), 0.25, "cpu")


def test_damaged_neighbours_are_told(tmp_path: Path) -> None:
    (tmp_path / "scores.npz").write_bytes(b"no zip")
    with pytest.raises(UserError, match="holds no nearest neighbours"):
        read_near(tmp_path / "scores.npz")
