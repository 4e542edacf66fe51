"""Claims on image sets: each verdict on made-up sets whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_results import PASSES, edited, images_record, looped, pictures, speeds, write_images

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.results.image_claims import image_claims
from sphere_repro.results.statements import Claim
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED

FOREIGN = {"name": "foreign", "dataset": "digits", "indices": list(range(8)), "passes": PASSES}
BASELINES = {"digits": "digits-vae"}


def loop_set(record: Path, images: Any, **more: Any) -> None:
    axes = [("input", range(len(images))), ("pass", range(images.shape[1]))]
    write_images(record, "reconstruction-foreign", axes, images, **more)


def loops(
    folder: Path,
    own: tuple[float, float],
    vae: tuple[float, float] = (1.5, 0.05),
    count: int = 8,
    **more: Any,
) -> list[Path]:
    """Records of a run and its VAE whose loops have this growth of the distance and this change left."""
    found = []
    for run, kind, values in (("digits", "sphere", own), ("digits-vae", "vae", vae)):
        record = images_record(folder, run, kind, {"reconstructions": [FOREIGN]})
        loop_set(record, looped(pictures(count), *values, **more))
        found.append(record)
    return found


def judged(records: list[Path], **more: Any) -> Claim:
    (claim,) = image_claims(records, BASELINES, **more)
    return claim


@pytest.mark.parametrize(
    ("own", "vae", "verdict"),
    [
        ((1.02, 0.05), (1.5, 0.05), HOLDS),
        ((1.02, 0.05), (1.5, 0.8), HOLDS),  # a VAE may drift without ever coming to rest
        ((1.3, 0.05), (1.5, 0.05), FAILS),  # the distance does not stay
        ((1.02, 0.3), (1.5, 0.05), FAILS),  # nor does it rest
        ((1.02, 0.05), (1.02, 0.05), FAILS),  # the VAE does not drift
    ],
)
def test_a_loop_is_stable(
    own: tuple[float, float], vae: tuple[float, float], verdict: str, tmp_path: Path
) -> None:
    claim = judged(loops(tmp_path, own, vae))
    assert (claim.claim, claim.run, claim.verdict) == ("loop-is-stable", "digits", verdict)
    assert claim.numbers["growth of the distance"].value == pytest.approx(own[0], rel=0.03)
    assert claim.numbers["change left"].value == pytest.approx(own[1], abs=0.02)  # of whole greys
    assert claim.numbers["VAE's growth of the distance"].value == pytest.approx(vae[0], rel=0.03)
    assert claim.note.startswith("reconstruction-foreign: 12 passes, 8 images")
    assert (claim.chance or 1) < 0.05 if verdict == HOLDS else claim.chance is not None


def test_a_loop_near_the_limit_is_undecided(tmp_path: Path) -> None:
    claim = judged(loops(tmp_path, (1.1, 0.05), spread=0.1))
    assert claim.verdict == UNDECIDED and (claim.chance or 0) > 0.05


def test_numbers_of_a_loop_by_hand(tmp_path: Path) -> None:
    records = loops(tmp_path, (1.2, 0.1))
    claim = judged(records)
    growths = []
    for record in records:
        images = ImageArchive(record.with_suffix("") / "reconstruction-foreign.zip").load().astype(float)
        images = images.reshape(8, PASSES + 1, 8, 8, 3)
        apart = [[np.sqrt(((each[t] - each[0]) ** 2).mean()) for t in (1, PASSES)] for each in images]
        growths.append(np.log([last / first for first, last in apart]))
    ratio = np.log(claim.numbers["VAE's growth over its own"].value)
    assert ratio == pytest.approx((growths[1] - growths[0]).mean())
    error = (growths[0]).std(ddof=1) / np.sqrt(8)
    own = claim.numbers["growth of the distance"]
    assert (np.log(own.value), own.se / own.value) == pytest.approx((growths[0].mean(), error))


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"count": 3}, "3 images, and fewer than 4"),
        ({"passes": 9}, "9 passes, and fewer than 10"),
        ({"spread": 0.0}, "the standard error is nothing"),
    ],
)
def test_too_little_of_a_loop_is_undecided(own: dict[str, Any], why: str, tmp_path: Path) -> None:
    claim = judged(loops(tmp_path, (1.02, 0.05), **own))
    assert claim.verdict == UNDECIDED and why in claim.note and claim.chance is None


def test_an_image_and_its_negative_are_one(tmp_path: Path) -> None:
    records = loops(tmp_path, (1.02, 0.05), count=6)
    for record in records:
        path = record.with_suffix("") / "reconstruction-foreign.json"
        path.write_text(path.read_text().replace('"negatives": false', '"negatives": true'))
    assert "3 images, and fewer than 4" in judged(records).note


def test_a_loop_needs_the_same_set_of_a_vae(tmp_path: Path) -> None:
    own, vae = loops(tmp_path, (1.02, 0.05))
    (alone,) = image_claims([own], BASELINES)
    (unnamed,) = image_claims([own, vae], {})
    path = vae.with_suffix("") / "reconstruction-foreign.json"
    path.write_text(path.read_text().replace('["a", "b"]', '["c", "d"]'))
    for claim in (alone, unnamed, judged([own, vae])):
        assert claim.verdict == UNDECIDED and "lacks the same set of the same images" in claim.note


def test_a_model_that_learned_nothing_says_nothing(tmp_path: Path) -> None:
    records = loops(tmp_path, (1.02, 0.05))
    for run in ("digits", "digits-vae"):
        claim = judged(records, unmoved_runs={run: "its loss hardly moved"})
        assert claim.verdict == UNDECIDED and f"the model of {run} learned nothing" in claim.note
    inputs = pictures(8)
    one = np.concatenate([inputs[:, None], np.full((8, PASSES, 8, 8, 3), 99.0)], axis=1)
    loop_set(records[0], one)
    assert "are all alike" in judged(records).note


def edits(folder: Path, kept: float, count: int = 6, negatives: bool = False) -> Claim:
    record = images_record(
        folder, "digits", "sphere", {"edits": [{"name": "a", "dataset": "digits", "indices": [0]}]}
    )
    inputs = pictures(count)
    if negatives:
        inputs = np.stack([inputs, 255 - inputs], axis=1).reshape(-1, *inputs.shape[1:])
    images = edited(inputs, kept)
    axes = [("scheme", ["fixed-shared", "linear-shared"]), ("class", ["0", "1"])]
    axes += [("input", range(len(inputs))), ("step", range(4))]
    write_images(record, "edit-a", axes, images, settings={"strength": 0.25, "negatives": negatives})
    return judged([record])


@pytest.mark.parametrize("negatives", [False, True])
@pytest.mark.parametrize(("kept", "verdict"), [(0.7, HOLDS), (0.05, FAILS)])
def test_editing_keeps_structure(kept: float, verdict: str, negatives: bool, tmp_path: Path) -> None:
    claim = edits(tmp_path, kept, negatives=negatives)
    assert (claim.claim, claim.verdict) == ("editing-keeps-structure", verdict)
    assert set(claim.numbers) == {
        f"{scheme} + shared, {whose}"
        for scheme in ("fixed", "linear")
        for whose in ("own input", "other inputs")
    }
    assert abs(claim.numbers["fixed + shared, other inputs"].value) < 0.1
    assert claim.note == "edit-a: after 3 steps of strength 0.25, 6 images"


def test_too_few_edited_images_are_undecided(tmp_path: Path) -> None:
    claim = edits(tmp_path, 0.7, count=3, negatives=True)
    assert claim.verdict == UNDECIDED and "3 images, and fewer than 4" in claim.note


def test_structure_near_the_limit_is_undecided(tmp_path: Path) -> None:
    claim = edits(tmp_path, 0.25)  # a correlation of 0.25/√(0.25² + 0.75²) = 0.32
    assert claim.verdict == UNDECIDED and claim.chance is not None


def lines(folder: Path, jump: float, paths: int = 6, points: int = 21, **settings: Any) -> list[Claim]:
    said = {"name": "a", "points": points, "paths": paths}
    record = images_record(folder, "digits", "sphere", {"interpolations": [said]})
    axes = [("generation", ["generation-1", "generation-4-fixed-shared"]), ("path", range(paths))]
    axes += [("point", np.linspace(0, 1, points).tolist())]
    measures = {"speeds": {name: speeds(paths, points, jump, seed) for seed, name in enumerate(axes[0][1])}}
    images = np.zeros((2, paths, points, 8, 8, 3))
    write_images(record, "interpolation-a", axes, images, settings=settings, measures=measures)
    return image_claims([record], {})


@pytest.mark.parametrize(("jump", "verdict"), [(9.0, HOLDS), (1.5, FAILS), (3.0, UNDECIDED)])
def test_interpolation_is_sudden(jump: float, verdict: str, tmp_path: Path) -> None:
    # a step of 20 that is 9 times as fast: the fastest tenth holds (9 + 1)/28 of the way
    (claim,) = lines(tmp_path, jump)
    assert claim.claim == "interpolation-is-sudden"
    share = claim.numbers["1 step, encoder's outputs"].value
    assert share == pytest.approx((jump + 1) / (jump + 19), rel=0.05)
    assert claim.numbers["4 steps, fixed, shared, latents"].value == pytest.approx(0.1)
    assert claim.numbers["1 step, ratio"].value == pytest.approx(10 * share, rel=0.01)
    if verdict != UNDECIDED:
        assert claim.verdict == verdict and claim.chance is not None and claim.chance < 0.05


@pytest.mark.parametrize(
    ("how", "why"),
    [({"paths": 3}, "3 paths, and fewer than 4"), ({"points": 10}, "10 points do not show a tenth")],
)
def test_too_little_of_a_line_is_undecided(how: dict[str, Any], why: str, tmp_path: Path) -> None:
    (claim,) = lines(tmp_path, 9.0, **how)
    assert claim.verdict == UNDECIDED and why in claim.note


def test_noise_of_each_point_is_no_speed_of_the_path(tmp_path: Path) -> None:
    assert lines(tmp_path, 9.0, later_noise="each") == []


def test_a_path_that_does_not_move_is_undecided(tmp_path: Path) -> None:
    (claim,) = lines(tmp_path, 9.0)
    path = tmp_path / "digits" / "images" / "interpolation-a.json"
    about = json.loads(path.read_text())
    about["measures"]["speeds"]["generation-1"][0]["encoding"] = [0.0] * 20
    path.write_text(json.dumps(about))
    (claim,) = image_claims([tmp_path / "digits" / "images.json"], {})
    assert claim.verdict == UNDECIDED and "a path does not move (1 step)" in claim.note


def crossed(
    folder: Path, left: float, strength: float = 0.0, pairs: int = 6, passes: int = PASSES
) -> list[Claim]:
    indices = list(range(2 * pairs))
    said = {"name": "a", "dataset": "digits", "indices": indices, "passes": passes, "strength": strength}
    record = images_record(folder, "digits", "sphere", {"crossovers": [said]})
    cuts = ["first", "second", "left-right", "diagonal"]
    images = np.stack(
        [looped(pictures(pairs, n), 1.1, 0.02 if n < 2 else left, passes) for n in range(len(cuts))]
    )
    axes = [("cut", cuts), ("pair", range(pairs)), ("pass", range(passes + 1))]
    write_images(record, "crossover-a", axes, images, settings={"strength": strength})
    return image_claims([record], {})


@pytest.mark.parametrize(("left", "verdict"), [(0.03, HOLDS), (0.4, FAILS)])
def test_a_crossover_comes_to_rest(left: float, verdict: str, tmp_path: Path) -> None:
    (claim,) = crossed(tmp_path, left)
    assert (claim.claim, claim.verdict) == ("crossover-comes-to-rest", verdict)
    assert claim.numbers["change left"].value == pytest.approx(left, rel=0.2)
    own = claim.numbers["change left of the images themselves"].value
    assert own == pytest.approx(0.02, abs=0.04)


@pytest.mark.parametrize(("how", "why"), [({"pairs": 3}, "3 pairs"), ({"passes": 5}, "5 passes")])
def test_too_little_of_a_crossover_is_undecided(how: dict[str, Any], why: str, tmp_path: Path) -> None:
    (claim,) = crossed(tmp_path, 0.03, **how)
    assert claim.verdict == UNDECIDED and why in claim.note


def test_a_crossover_with_noise_does_not_rest_and_is_not_judged(tmp_path: Path) -> None:
    assert crossed(tmp_path, 0.03, strength=0.25) == []


def test_a_study_without_image_sets_has_no_such_claims() -> None:
    assert image_claims([], {}) == []


def test_other_records_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.json"
    path.write_text('{"sets": {}}')
    with pytest.raises(UserError, match=r"images\.json: job.* Draw the sets of the run again"):
        image_claims([path], {})
    path.write_text("[]")
    with pytest.raises(UserError, match="is no record of image sets"):
        image_claims([path], {})


def test_a_set_that_lacks_its_measures_is_told(tmp_path: Path) -> None:
    lines(tmp_path, 9.0)
    path = tmp_path / "digits" / "images" / "interpolation-a.json"
    path.write_text(path.read_text().replace('"encoding"', '"encodings"'))
    with pytest.raises(UserError, match=r"lacks something \(KeyError\('encoding'\)\)\. Draw the sets"):
        image_claims([tmp_path / "digits" / "images.json"], {})
