"""Whether images show their classes: the judge of a reference, the shares that it gives, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.metrics import recognition
from sphere_repro.metrics.classifier import hold_out, of_features, of_pixels, small_pixels
from sphere_repro.metrics.recognition import (
    Judge,
    Recognition,
    arrays_of,
    load_judge,
    near_chance,
    train_judge,
)
from sphere_repro.metrics.statistics import load_statistics, make_statistics, save_statistics
from sphere_repro.seeds import derive

CLASSES, EACH = 8, 40


def labelled(path: Path, labels: np.ndarray | None, seed: int = 0, noise: bool = False) -> ImageArchive:
    """Images whose grey level tells their class, or noise."""
    generator = np.random.default_rng(seed)
    count = CLASSES * EACH
    levels = np.zeros(count) if noise or labels is None else 30.0 * labels
    images = levels[:, None, None, None] + generator.integers(0, 20, (count, 4, 4, 3))
    write_archive(path, images.astype(np.uint8), labels)
    return ImageArchive(path)


def features_of(labels: np.ndarray, apart: float, seed: int = 0) -> np.ndarray:
    corners = apart * np.random.default_rng(5).standard_normal((CLASSES, 12))
    return (corners[labels] + np.random.default_rng(seed).standard_normal((len(labels), 12))).astype(
        np.float32
    )


SORTED = np.repeat(np.arange(CLASSES), EACH)  # as archives of class folders are
ALL = np.arange(len(SORTED))


def judge_of(tmp_path: Path, apart: float, noise: bool = True) -> Judge:
    archive = labelled(tmp_path / "real.zip", SORTED, noise=noise)
    found = train_judge(features_of(SORTED, apart), archive, ALL)
    assert found is not None
    return found


def test_separable_features_are_recognised_and_shuffled_labels_are_not(tmp_path: Path) -> None:
    judge = judge_of(tmp_path, apart=5)
    assert judge.described.sees == "features" and not judge.described.near_chance
    assert judge.described.accuracy == 1 and judge.described.chance == 1 / CLASSES
    drawn = features_of(SORTED, apart=5, seed=1)
    right = labelled(tmp_path / "right.zip", SORTED, noise=True)
    assert judge.share(drawn, right) == 1
    shuffled = np.random.default_rng(2).permutation(SORTED)
    wrong = judge.share(drawn, labelled(tmp_path / "wrong.zip", shuffled, noise=True))
    assert wrong == pytest.approx((shuffled == SORTED).mean()) == pytest.approx(1 / CLASSES, abs=0.06)


def test_the_surest_are_the_most_probable_of_each_class(tmp_path: Path) -> None:
    """Against scikit-learn's own probabilities, ranked one class after the other."""
    judge = judge_of(tmp_path, apart=1)
    assert judge.classifier.sees == "features" and not judge.described.near_chance
    labels = np.random.default_rng(3).permutation(SORTED)
    drawn = features_of(labels, apart=1, seed=1)
    found = judge.surest(drawn, labelled(tmp_path / "drawn.zip", labels, noise=True))
    train, _ = hold_out(SORTED, np.random.default_rng(derive("classifier")))
    scaler = StandardScaler().fit(features_of(SORTED, 1)[train])
    fitted = LogisticRegression(C=0.01, max_iter=300)
    fitted.fit(scaler.transform(features_of(SORTED, 1)[train]), SORTED[train])
    chances = fitted.predict_proba(scaler.transform(drawn))
    assert found is not None and [each["class"] for each in found] == list(range(CLASSES))
    for each in found:
        label = each["class"]
        members = [index for index in range(len(labels)) if labels[index] == label]
        best = sorted(members, key=lambda index, label=label: (-chances[index, label], index))
        assert each["indices"] == best[: recognition.CHOSEN] and each["of"] == EACH
        assert each["probability"] == pytest.approx(chances[each["indices"], label], abs=1e-4)


def test_of_equals_the_first_are_chosen_and_of_many_classes_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = judge_of(tmp_path, apart=5)
    same = features_of(SORTED, apart=5) * 0  # all alike
    archive = labelled(tmp_path / "same.zip", SORTED, noise=True)
    found = judge.surest(same, archive)
    assert found is not None
    first = [list(range(EACH * label, EACH * label + 8)) for label in range(CLASSES)]
    assert [each["indices"] for each in found] == first
    monkeypatch.setattr(recognition, "MOST_CHOSEN", 3)
    few = judge.surest(same, archive)
    assert few is not None and [each["class"] for each in few] == [0, 4, 7]
    assert judge.surest(same, labelled(tmp_path / "none.zip", None, noise=True)) is None


def test_pixels_probability_is_the_regressions_and_unknown_classes_have_none(tmp_path: Path) -> None:
    pixels = small_pixels(labelled(tmp_path / "a.zip", SORTED))
    classifier = of_pixels(pixels, SORTED)
    chances = classifier.probability(pixels, SORTED)
    assert chances.mean() > 0.8 and (classifier.probability(pixels, (SORTED + 4) % CLASSES) < 0.5).all()
    every = [classifier.probability(pixels, np.full(len(SORTED), label)) for label in range(CLASSES)]
    assert (np.stack(every).argmax(axis=0) == classifier.predict(pixels)).all()
    assert np.isnan(classifier.probability(pixels[:2], np.array([CLASSES, -1]))).all()


def test_images_of_other_classes_at_the_same_distance_are_not_recognised(tmp_path: Path) -> None:
    """The very same features under turned labels: no Fréchet distance can tell."""
    judge = judge_of(tmp_path, apart=5)
    turned = labelled(tmp_path / "turned.zip", (SORTED + 1) % CLASSES, noise=True)
    assert judge.share(features_of(SORTED, apart=5, seed=1), turned) == 0


def test_pixels_judge_where_features_do_not_see_classes(tmp_path: Path) -> None:
    judge = judge_of(tmp_path, apart=0, noise=False)
    assert judge.described.sees == "pixels" and judge.described.accuracy == 1
    assert judge.described.others["features"] < 0.5
    nothing = np.zeros((len(SORTED), 12), np.float32)
    assert judge.share(nothing, labelled(tmp_path / "drawn.zip", SORTED, seed=3)) == 1


def test_sets_without_classes_and_a_blind_classifier_have_no_share(tmp_path: Path) -> None:
    seeing, blind = judge_of(tmp_path, apart=5), judge_of(tmp_path, apart=0)
    assert blind.described.near_chance and blind.described.accuracy < 0.3
    features = features_of(SORTED, apart=5)
    assert seeing.share(features, labelled(tmp_path / "none.zip", None)) is None
    assert blind.share(features, labelled(tmp_path / "some.zip", SORTED)) is None


def test_the_accuracy_is_of_images_that_were_held_out(tmp_path: Path) -> None:
    """Both classifiers fitted once more, on the same part, and asked for the images of the other."""
    judge, archive = judge_of(tmp_path, apart=0.5), ImageArchive(tmp_path / "real.zip")
    train, held = hold_out(SORTED, np.random.default_rng(derive("classifier")))
    features, pixels = features_of(SORTED, apart=0.5), small_pixels(archive)
    expected = {
        "features": of_features(features[train], SORTED[train]).accuracy(features[held], SORTED[held]),
        "pixels": of_pixels(pixels[train], SORTED[train]).accuracy(pixels[held], SORTED[held]),
    }
    assert judge.described.others == expected
    assert judge.described.accuracy == max(expected.values()) < 1
    assert (judge.described.trained_on, judge.described.held_out) == (len(train), len(held)) == (256, 64)


def test_of_many_images_a_choice_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognition, "MOST_IMAGES", 100)
    monkeypatch.setattr(recognition, "MOST_OF_PIXELS", 30)
    described = judge_of(tmp_path, apart=5).described
    assert described.trained_on + described.held_out == 100
    assert described.classes == CLASSES  # spread over the sorted classes, not the first of them
    pixels = judge_of(tmp_path, apart=0, noise=False).described
    assert (pixels.sees, pixels.trained_on) == ("pixels", 30)


def test_without_classes_nobody_judges(tmp_path: Path) -> None:
    features = features_of(SORTED, apart=1)
    assert train_judge(features, labelled(tmp_path / "a.zip", None), ALL) is None
    assert train_judge(features, labelled(tmp_path / "b.zip", 0 * SORTED), ALL) is None


@pytest.mark.parametrize(
    ("right", "held_out", "chance", "near"),
    [
        (99, 100, 0.1, False),
        (25, 100, 0.1, True),  # 95 % sure of no more than 17 %
        (40, 100, 0.1, False),
        (3, 3, 0.34, True),  # too few to be sure of anything
        (60, 100, 0.5, True),
        (90, 100, 0.5, False),
        (100, 10_000, 0.001, False),  # a hundredth, of a thousand classes
    ],
)
def test_near_chance(right: int, held_out: int, chance: float, near: bool) -> None:
    assert near_chance(right, held_out, chance) == near


@pytest.mark.parametrize(("apart", "noise"), [(5.0, True), (0.0, False)])
def test_a_judge_is_kept_with_the_statistics(tmp_path: Path, apart: float, noise: bool) -> None:
    judge, features = judge_of(tmp_path, apart, noise), features_of(SORTED, apart)
    path = tmp_path / "r.npz"
    save_statistics(path, make_statistics(features), arrays_of(judge))
    assert np.array_equal(load_statistics(path).features, features)
    described = Recognition.model_validate(json.loads(judge.described.model_dump_json()))
    kept = load_judge(path, described)
    drawn = labelled(tmp_path / "drawn.zip", SORTED, seed=4)
    assert kept is not None and kept.share(features, drawn) == judge.share(features, drawn) != None  # noqa: E711
    assert load_judge(path, None) is None


def test_a_file_without_its_judge_is_refused(tmp_path: Path) -> None:
    judge, path = judge_of(tmp_path, apart=5), tmp_path / "r.npz"
    statistics = make_statistics(features_of(SORTED, apart=5))
    arrays = arrays_of(judge)
    spoilt = [
        {},
        arrays | {"classifier_bias": np.full(CLASSES, np.nan)},
        arrays | {"classifier_bias": np.zeros(CLASSES + 1)},
        arrays | {"classifier_classes": np.arange(CLASSES - 1)},
        arrays | {"classifier_weights": np.array("many")},
    ]
    for more in spoilt:
        save_statistics(path, statistics, more)
        with pytest.raises(UserError, match="hold no classifier"):
            load_judge(path, judge.described)
