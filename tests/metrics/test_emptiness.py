"""What counts as empty: against scikit-learn, on clouds whose share is known, and by controls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import NearestNeighbors

from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.errors import UserError
from sphere_repro.metrics import emptiness as e
from sphere_repro.metrics import memorisation as m
from sphere_repro.metrics.reference import make_reference
from sphere_repro.metrics.score import ScoreInputs, score_run
from sphere_repro.results.emptiness import MEASURES, read_emptiness
from sphere_repro.results.nearest import HELD_OUT, TRAINING, Near
from sphere_repro.study.prior_path import PRIOR_PATH, PriorPath
from sphere_repro.study.scoring import Score

SCORE = Score(
    extractor="efficientnet-lite0", batch_size=64, jackknife_groups=4, kid_subsets=5, kid_subset_size=10
)
ARCHIVED = 3 * np.arange(400)  # where the training images lie in an archive


def cloud(count: int, seed: int, dimension: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)


def judged(training: np.ndarray, held_out: np.ndarray | None = None) -> e.Emptiness:
    """With the controls that a reference of these features would have."""
    noise = cloud(50, 99) * 40
    views = ({"features": part, "pixels": part} for part in (training, noise))
    real, far = views
    others = None if held_out is None else {"features": held_out, "pixels": held_out}
    groups = {
        name: {measure: near.at(ARCHIVED) for measure, near in found.items()}
        for name, found in m.controls(real, real, far, others).items()
    }
    return e.Emptiness.of(groups, ARCHIVED[: len(training)], training, "cpu")


def exact(queries: np.ndarray, training: np.ndarray) -> dict[str, np.ndarray]:
    """Both distances by scikit-learn, of images that are no training images."""
    found = NearestNeighbors(algorithm="brute").fit(training.astype(float))
    distance, place = (each[:, 0] for each in found.kneighbors(queries.astype(float), 1))
    reach = found.kneighbors(None, e.NEIGHBOURHOOD)[0][:, -1]  # of training images to others
    return {"distance": distance, "local": distance / reach[place]}


def test_distances_are_those_of_scikit_learn() -> None:
    training, queries = cloud(200, 0), cloud(40, 1) * 2
    empty = judged(training)
    found = empty.measure(empty.look(queries))
    for name, expected in exact(queries, training).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5)


def test_a_training_image_is_judged_by_the_others_alone() -> None:
    training = cloud(120, 2)
    empty = judged(training)
    near = m.nearest(training, training, own=np.arange(120))
    found = empty.measure(near, own=True)
    for place in (0, 7, 119):
        expected = exact(training[[place]], np.delete(training, place, axis=0))
        for name in MEASURES:
            assert found[name][place] == pytest.approx(expected[name][0], rel=1e-5)


@pytest.mark.parametrize("apart", [0, 40])
def test_of_real_images_one_in_twenty_is_empty_and_all_noise_is(apart: int) -> None:
    shares: dict[str, list[float]] = {name: [] for name in MEASURES}
    for seed in range(25):
        points = cloud(300 + apart, 10 + seed)
        about = judged(points[apart:], points[:apart] if apart else None).described
        assert about["control"] == (HELD_OUT if apart else TRAINING)
        for name, measure in about["measures"].items():
            shares[name].append(measure["control"]["share"])
            assert measure["noise"]["share"] == 1 and measure["noise"]["low"] > 0.9
            assert measure["control"]["count"] == (apart or 150)
    for found in shares.values():
        assert np.mean(found) == pytest.approx(1 - e.QUANTILE, abs=0.02)


def test_local_distance_holds_images_between_crowded_ones_to_more() -> None:
    """Between two images of a crowd an image may be empty that would be none among scattered ones."""
    crowd, scattered = cloud(150, 3) * 0.05, cloud(150, 4) + 30
    empty = judged(np.concatenate([crowd, scattered]))
    query = np.stack([crowd.mean(0) + np.float32(0.4), scattered[0] + np.float32(0.4)])
    found = empty.measure(empty.look(query))
    assert found["distance"][0] < empty.beyond["distance"]  # nearer than scattered images are to each other
    assert found["local"][0] > empty.beyond["local"] > found["local"][1]


def test_copies_have_no_neighbourhood() -> None:
    training = np.concatenate([np.zeros((20, 6), np.float32), cloud(100, 5) + 9])
    empty = judged(training)
    found = empty.measure(empty.look(np.stack([np.zeros(6), np.full(6, 1e-3)]).astype(np.float32)))
    assert found["local"].tolist() == [1, np.inf]
    said = empty.of_set(empty.look(np.full((3, 6), 1e-3, np.float32)))
    assert said["local"]["median"] is None and said["local"]["share"] == 1
    json.dumps(said, allow_nan=False)


def test_shares_have_the_exact_interval() -> None:
    empty = judged(cloud(200, 6))
    queries = np.concatenate([cloud(97, 7) * 0.1, cloud(3, 8) + 50])
    found = empty.of_set(empty.look(queries))["distance"]
    assert (found["empty"], found["count"], found["share"]) == (3, 100, 0.03)
    assert found["low"] == pytest.approx(stats.beta.ppf(0.025, 3, 98))


def path_of(*empty_at: list[bool]) -> Near:
    """Distances of 0 or 1000 along paths."""
    distance = np.where(np.array(empty_at), 1000.0, 0.0).astype(np.float32).ravel()
    return Near(distance, distance, np.arange(len(distance)))


def test_paths_are_counted_point_by_point() -> None:
    empty = judged(cloud(200, 9))
    near = path_of([False, False, True], [False, True, True], [False, False, False], [True, True, True])
    found = empty.of_paths(near, 3)["distance"]
    assert [each["share"] for each in found["shares"]] == [0.25, 0.5, 0.75]
    assert found["quartiles"][0] == [0, 0, 0] and len(found["quartiles"]) == 3
    differences = [1, 1, 0, 0]
    assert found["growth"]["value"] == pytest.approx(np.mean(differences))
    assert found["growth"]["se"] == pytest.approx(np.std(differences, ddof=1) / 2)
    assert found["growth"]["paths"] == 4


def test_paths_that_are_all_alike_do_not_make_it_certain() -> None:
    empty = judged(cloud(200, 9))
    growth = empty.of_paths(path_of(*[[False, True]] * 8), 2)["local"]["growth"]
    assert growth == {"value": 1.0, "se": pytest.approx(0.1), "paths": 8}


def images(count: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(100, 150, (count, 2, 2, 3))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> ScoreInputs:
    """Sets of a VAE: reconstructions like the real images, prior draws of noise, and the way between."""
    root = tmp_path_factory.mktemp("vae")
    noise = np.random.default_rng(1).integers(0, 256, (24, 8, 8, 3)).astype(np.uint8)
    real = images(60, 0)
    sets = {
        "reconstruction": real[choose(60, 24)] ^ np.uint8(1),
        "prior": noise,
        "posterior": images(24, 3),
        PRIOR_PATH: np.stack([real[:6], noise[:6]], axis=1).reshape(-1, 8, 8, 3),
    }
    write_archive(root / "real.zip", real, None)
    for name, made in sets.items():
        write_archive(root / f"{name}.zip", made, None)
    make_reference(root / "real.zip", root / "ref.npz", dataset="toy-8px", score=SCORE, device="cpu")
    return ScoreInputs(
        run="toy-vae",
        dataset="toy-8px",
        kind="vae",
        sets={name: root / f"{name}.zip" for name in sets},
        generations={},
        real=root / "real.zip",
        reference=root / "ref.npz",
        prior_path=PriorPath(paths=6, points=2),
    )


def scored(inputs: ScoreInputs, out: Path) -> dict[str, Any]:
    score_run(inputs, out, score=SCORE, seed=(3,), device="cpu")
    return dict(json.loads(out.read_text()))


def test_scores_say_what_is_empty(vae: ScoreInputs, tmp_path: Path) -> None:
    report = scored(vae, tmp_path / "scores.json")
    assert [record["set"] for record in report["records"]] == ["reconstruction", "prior", "posterior"]
    found = read_emptiness(tmp_path / "scores.json")
    assert found is not None and found.prior == "prior" and found.control.startswith("training images")
    shares = {name: measures["distance"]["share"] for name, measures in found.sets.items()}
    assert shares["reconstruction"] < 0.2 < 0.9 < shares["prior"]
    assert found.about["measures"]["distance"]["noise"]["share"] == 1
    assert found.path is not None and found.path["points"] == [0, 1] and found.path["paths"] == 6
    along = found.path["measures"]["distance"]
    assert [each["share"] for each in along["shares"]] == [0, 1]
    assert along["growth"]["value"] == 1


def test_without_paths_there_are_none(vae: ScoreInputs, tmp_path: Path) -> None:
    sets = {name: path for name, path in vae.sets.items() if name != PRIOR_PATH}
    without = ScoreInputs(**vae.__dict__ | {"sets": sets, "prior_path": None})
    assert scored(without, tmp_path / "scores.json")["prior_path"] is None
    found = read_emptiness(tmp_path / "scores.json")
    assert found is not None and found.path is None


def test_a_reference_of_too_few_images_leaves_it_out_and_says_so(
    vae: ScoreInputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_archive(tmp_path / "few.zip", images(e.FEWEST - 1, 5), None)
    make_reference(tmp_path / "few.zip", tmp_path / "few.npz", dataset="few-8px", score=SCORE, device="cpu")
    sets = {name: path for name, path in vae.sets.items() if name != "reconstruction"}
    few = {"real": tmp_path / "few.zip", "reference": tmp_path / "few.npz", "sets": sets}
    report = scored(ScoreInputs(**vae.__dict__ | few), tmp_path / "scores.json")
    assert report["emptiness"] is None and report["prior_path"] is None
    assert "prior-path of toy-vae is not scored" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [PriorPath(paths=6, points=3), None])
def test_paths_of_another_study_are_refused(
    vae: ScoreInputs, tmp_path: Path, asked: PriorPath | None
) -> None:
    other = ScoreInputs(**vae.__dict__ | {"prior_path": asked})
    with pytest.raises(UserError, match=r"prior-path\.zip holds 12 images, but the run has .*paths"):
        scored(other, tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()


def test_scores_without_it_are_named(vae: ScoreInputs, tmp_path: Path) -> None:
    report = scored(vae, tmp_path / "scores.json")
    report["emptiness"]["measures"].pop("local")
    (tmp_path / "scores.json").write_text(json.dumps(report))
    with pytest.raises(UserError, match="says nothing of empty images"):
        read_emptiness(tmp_path / "scores.json")
    (tmp_path / "scores.json").write_text(json.dumps(report | {"emptiness": None}))
    assert read_emptiness(tmp_path / "scores.json") is None
