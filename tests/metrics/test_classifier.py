"""Classifiers of real images, held against scikit-learn's own, and what is held out of their training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.metrics.classifier import (
    PENALTY,
    SIDE,
    Classifier,
    hold_out,
    of_features,
    of_pixels,
    small_pixels,
)


def clouds(classes: list[int], count: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`count` points of each class around a corner of its own, in 20 dimensions."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.array(classes), count)
    corners = apart * np.random.default_rng(9).standard_normal((max(classes) + 1, 20))
    points = corners[labels] + generator.standard_normal((len(labels), 20))
    return (3 + 5 * points).astype(np.float32), labels


def test_a_fifth_of_every_class_is_held_out() -> None:
    labels = np.array([0] * 50 + [1] * 7 + [5] * 2 + [6])  # sorted by class, as archives are
    train, held = hold_out(labels, np.random.default_rng(0))
    assert np.bincount(labels[held], minlength=7).tolist() == [10, 1, 0, 0, 0, 1, 0]
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(60))
    again = hold_out(labels, np.random.default_rng(0))
    assert np.array_equal(held, again[1])
    assert not np.array_equal(held, hold_out(labels, np.random.default_rng(1))[1])


@pytest.mark.parametrize("classes", [[0, 1, 2, 3], [2, 7], [0, 1]])
def test_of_features_is_scikit_learns_logistic_regression(classes: list[int]) -> None:
    """Standardisation is folded into the weights; two classes and gaps between labels are no other case."""
    features, labels = clouds(classes, 60, apart=0.4)
    others, expected = clouds(classes, 40, apart=0.4, seed=1)
    ours = of_features(features, labels)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=300))
    theirs.fit(features, labels)
    assert np.array_equal(ours.predict(others), theirs.predict(others))
    assert ours.accuracy(others, expected) == pytest.approx(theirs.score(others, expected))
    assert 1 / len(classes) < ours.accuracy(others, expected) < 1


def test_of_pixels_agrees_with_a_support_vector_machine() -> None:
    digits = load_digits()
    pixels, labels = (digits.data / 16).astype(np.float32), digits.target.astype(np.int64)
    train, held = hold_out(labels, np.random.default_rng(0))
    ours = of_pixels(pixels[train], labels[train])
    theirs = SVC().fit(pixels[train], labels[train])
    assert ours.accuracy(pixels[held], labels[held]) >= theirs.score(pixels[held], labels[held]) - 0.01
    assert (ours.predict(pixels[held]) == theirs.predict(pixels[held])).mean() > 0.97


def test_predictions_do_not_depend_on_how_many_images_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds([0, 1, 2], 30, apart=0.5)
    for classifier in (of_features(features, labels), of_pixels(features, labels)):
        whole = classifier.predict(features)
        monkeypatch.setattr("sphere_repro.metrics.classifier.PASS", 7)
        assert np.array_equal(classifier.predict(features), whole)
        assert np.array_equal(np.concatenate([classifier.predict(row[None]) for row in features]), whole)
        assert len(classifier.predict(features[:0])) == 0
        monkeypatch.undo()


def test_images_that_are_all_the_same_name_no_error() -> None:
    same, labels = np.zeros((6, 12), np.float32), np.array([0, 1, 1, 1, 0, 1])
    found: list[Classifier] = [of_pixels(same, labels), of_features(same, labels)]
    assert [set(each.predict(same).tolist()) for each in found] == [{1}, {1}]


def test_small_pixels_are_means_of_blocks(tmp_path: Path) -> None:
    blocks = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    write_archive(tmp_path / "small.zip", blocks, None)
    write_archive(tmp_path / "large.zip", np.kron(blocks, np.ones((1, 2, 2, 1), np.uint8)), None)
    small = small_pixels(ImageArchive(tmp_path / "small.zip"))
    assert small.dtype == np.float32 and small.shape == (3, 3 * SIDE**2)
    np.testing.assert_allclose(small, blocks.reshape(3, -1) / 255, rtol=1e-6)
    np.testing.assert_array_equal(small_pixels(ImageArchive(tmp_path / "large.zip")), small)
    chosen = small_pixels(ImageArchive(tmp_path / "large.zip"), np.array([2, 0]))
    np.testing.assert_array_equal(chosen, small[[2, 0]])
