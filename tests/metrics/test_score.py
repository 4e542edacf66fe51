"""Reference statistics and scores of whole archives, on tiny images."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.errors import UserError
from sphere_repro.metrics import features, reference
from sphere_repro.metrics import score as score_module
from sphere_repro.metrics.control_images import NOISE_IMAGES
from sphere_repro.metrics.features import Extractor, extract, make_extractor
from sphere_repro.metrics.frechet import frechet_distance
from sphere_repro.metrics.reference import make_reference
from sphere_repro.metrics.score import ScoreInputs, class_note, score_run
from sphere_repro.metrics.statistics import load_statistics, make_statistics
from sphere_repro.results.tables import fid_table, markdown_table
from sphere_repro.study.generation import Generation, Guidance
from sphere_repro.study.scoring import Score

SCORE = Score(
    extractor="efficientnet-lite0", batch_size=8, jackknife_groups=4, kid_subsets=5, kid_subset_size=10
)
GENERATION = Generation(steps=4, guidance=Guidance(scale=1.4, position="combo"))


def images(count: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3))
    return np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 24 images, three sets, and the reference."""
    root = tmp_path_factory.mktemp("study")
    real = images(24, 0)
    write_archive(root / "real.zip", real, [0] * 24)
    write_archive(root / "reconstruction.zip", real[choose(24, 16)] ^ np.uint8(4), None)
    write_archive(root / "generation.zip", images(20, 1), None)
    write_archive(root / "copy.zip", real, None)
    make_reference(
        root / "real.zip", root / "ref" / "real.lite.npz", dataset="toy-8px", score=SCORE, device="cpu"
    )
    return root


@pytest.fixture
def inputs(study: Path) -> ScoreInputs:
    return ScoreInputs(
        run="toy",
        dataset="toy-8px",
        kind="sphere",
        sets={
            "reconstruction": study / "reconstruction.zip",
            GENERATION.name: study / "generation.zip",
            "generation-1": study / "copy.zip",
        },
        generations={GENERATION.name: GENERATION, "generation-1": {"steps": 1}},
        real=study / "real.zip",
        reference=study / "ref" / "real.lite.npz",
    )


def run(inputs: ScoreInputs, out: Path, score: Score = SCORE, seed: int = 3) -> dict[str, Any]:
    score_run(inputs, out, score=score, seed=(seed,), device="cpu")
    return dict(json.loads(out.read_text()))


def test_reference_says_what_it_is(study: Path) -> None:
    described = json.loads((study / "ref" / "real.lite.json").read_text())
    statistics = load_statistics(study / "ref" / "real.lite.npz")
    extractor = make_extractor("efficientnet-lite0")
    expected = extract(ImageArchive(study / "real.zip"), extractor, batch_size=5)
    np.testing.assert_allclose(statistics.features, expected, rtol=1e-5, atol=1e-5)
    assert described["count"] == 24 and described["floor"]["count"] == 12
    assert described["metric"] == extractor.metric
    assert described["weights_sha256"] == extractor.weights_sha256
    assert described["floor"]["frechet"] > 0


def test_reference_repeats_its_bytes(study: Path, tmp_path: Path) -> None:
    make_reference(
        study / "real.zip", tmp_path / "real.lite.npz", dataset="toy-8px", score=SCORE, device="cpu"
    )
    for name in ("real.lite.npz", "real.lite.json"):
        assert (tmp_path / name).read_bytes() == (study / "ref" / name).read_bytes()


def test_smaller_reference_is_a_random_choice(study: Path, tmp_path: Path) -> None:
    def smaller(count: int) -> Score:
        return Score.model_validate(SCORE.model_dump() | {"reference_count": count})

    out = tmp_path / "part.npz"
    make_reference(study / "real.zip", out, dataset="toy-8px", score=smaller(9), device="cpu")
    part, everything = (
        load_statistics(out).features,
        load_statistics(study / "ref" / "real.lite.npz").features,
    )
    nearest = np.abs(part[:, None] - everything[None]).max(-1).argmin(1)
    assert len(set(nearest.tolist())) == 9
    assert nearest.tolist() == choose(24, 9).tolist() != list(range(9))
    make_reference(study / "real.zip", out, dataset="toy-8px", score=smaller(25), device="cpu")
    np.testing.assert_array_equal(load_statistics(out).features, everything)  # at most what there is


def test_scores_of_all_sets(inputs: ScoreInputs, study: Path, tmp_path: Path) -> None:
    scores = run(inputs, tmp_path / "scores.json")
    assert scores["metric"] == "frechet-efficientnet-lite0-128px-bicubic"
    assert (scores["run"], scores["dataset"], scores["kind"]) == ("toy", "toy-8px", "sphere")
    assert (scores["reference_split"], scores["reference_count"]) == ("train", 24)
    assert scores["floor"]["count"] == 12
    reconstruction, generation, copy = scores["records"]
    assert [record["set"] for record in scores["records"]] == list(inputs.sets)
    assert reconstruction["kind"] == "reconstruction" and reconstruction["count"] == 16
    assert reconstruction["psnr"] == pytest.approx(20 * np.log10(255 / 4))
    assert 0.5 < reconstruction["ssim"] < 1 and reconstruction["ssim_window"] == 7
    assert reconstruction["lpips"] is None and "32 pixels" in reconstruction["lpips_missing"]
    assert reconstruction["steps"] is None and generation["psnr"] is generation["ssim"] is None
    assert (generation["steps"], generation["strength"], generation["noise"]) == (4, "fixed", "shared")
    assert (generation["guidance_scale"], generation["guidance_position"]) == (1.4, "combo")
    assert (copy["steps"], copy["strength"], copy["noise"], copy["guidance_position"]) == (
        1,
        None,
        None,
        None,
    )
    assert copy["guidance_scale"] == 1.0
    assert copy["frechet"] < 1e-6 * generation["frechet"]
    assert copy["precision"] == copy["recall"] == copy["coverage"] == 1 and copy["density"] > 1
    assert all(0 <= generation[key] <= 1 for key in ("precision", "recall", "coverage"))
    assert generation["frechet_se"] > 0 and generation["kid_se"] > 0
    assert generation["frechet"] > reconstruction["frechet"] > copy["frechet"]

    extractor = make_extractor("efficientnet-lite0")
    features = extract(ImageArchive(study / "generation.zip"), extractor, batch_size=7)
    expected = frechet_distance(load_statistics(inputs.reference), make_statistics(features))
    assert generation["frechet"] == pytest.approx(expected, rel=1e-5)


def test_classes_in_other_frequencies_are_noted(study: Path, inputs: ScoreInputs, tmp_path: Path) -> None:
    write_archive(tmp_path / "generation.zip", images(20, 1), [0] * 15 + [1] * 5)  # the dataset: all 0
    drawn = dict(inputs.sets) | {GENERATION.name: tmp_path / "generation.zip"}
    found = run(dataclasses.replace(inputs, sets=drawn), tmp_path / "scores.json")
    apart = {record["set"]: record.get("class_difference") for record in found["records"]}
    assert apart == {"reconstruction": None, GENERATION.name: 0.25, "generation-1": None}
    assert class_note(tmp_path / "scores.json").endswith(f"real images: {GENERATION.name} (25 %)")


def test_scores_repeat_and_do_not_depend_on_the_other_sets(inputs: ScoreInputs, tmp_path: Path) -> None:
    first = run(inputs, tmp_path / "a.json")
    run(inputs, tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    alone = dataclasses.replace(inputs, sets={GENERATION.name: inputs.sets[GENERATION.name]})
    assert run(alone, tmp_path / "c.json")["records"] == [first["records"][1]]
    other = run(alone, tmp_path / "d.json", seed=4)["records"][0]
    # other groups are other sums, and roots of eigenvalues near 0 magnify their rounding
    assert other["frechet"] == pytest.approx(first["records"][1]["frechet"], rel=1e-7)
    assert other["frechet_se"] != first["records"][1]["frechet_se"]


@pytest.fixture
def small_inception(monkeypatch: pytest.MonkeyPatch) -> Extractor:
    """In place of Inception: 12 pixels as features, and a classifier over 7 classes."""
    classifier = np.random.default_rng(0).standard_normal((7, 12)).astype(np.float32) / 100
    small = Extractor(
        name="inception-legacy",
        metric="fid-inception-legacy-tensorflow",
        dimension=12,
        pixels=None,
        weights_sha256="0" * 64,
        resize_name="none",
        network=lambda images: images[:, :, 1::4, 1::4].reshape(len(images), -1),
        resize=lambda image: image.astype(np.float32),
        classifier=classifier,
    )
    made = score_module.make_extractor

    def make(name: str, *, device: str) -> Extractor:
        return small if name == small.name else made(name, device=device)

    for module in (reference, score_module):
        monkeypatch.setattr(module, "make_extractor", make)
    return small


def bright(labels: np.ndarray, seed: int) -> np.ndarray:
    """Images that are dark in class 0, bright in class 1, and middling in class 2."""
    level = np.array([0, 200, 100])[labels][:, None, None, None]
    return (level + np.random.default_rng(seed).integers(0, 50, (len(labels), 8, 8, 3))).astype(np.uint8)


def test_sets_are_asked_whether_they_show_their_classes(
    small_inception: Extractor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Guided or not; sorted classes; the reference a part of the images; a set without classes."""
    labels = np.repeat(np.arange(3), 40)
    write_archive(tmp_path / "real.zip", bright(labels, 0), labels)
    drawn, asked = bright(labels, 1), {GENERATION.name: labels, "generation-1": (labels + 1) % 3}
    for name, classes in {**asked, "prior": None, "reconstruction": labels[choose(120, 96)]}.items():
        images = bright(labels, 0)[choose(120, 96)] if name == "reconstruction" else drawn
        write_archive(tmp_path / f"{name}.zip", images, classes)
    sets = {name: tmp_path / f"{name}.zip" for name in ("reconstruction", "prior", *asked)}
    generations: dict[str, Any] = {GENERATION.name: GENERATION, "generation-1": {"steps": 1}}
    score = Score.model_validate(
        SCORE.model_dump()
        | {"extractor": small_inception.name, "reference_count": 96, "inception_score_splits": 4}
    )
    make_reference(tmp_path / "real.zip", tmp_path / "r.npz", dataset="toy-8px", score=score, device="cpu")
    files = {"real": tmp_path / "real.zip", "reference": tmp_path / "r.npz"}
    asking = ScoreInputs("toy", "toy-8px", "sphere", sets, generations, **files)
    found = run(asking, tmp_path / "toy" / "scores.json", score)
    assert {record["set"]: record["share_recognised"] for record in found["records"]} == {
        "reconstruction": 1,
        "prior": None,
        GENERATION.name: 1,
        "generation-1": 0,
    }
    assert ["surest" in record for record in found["records"]] == [False, False, True, True]
    kept = found["records"][2]["surest"]
    assert [(each["class"], each["of"], len(each["indices"])) for each in kept] == [
        (label, 40, 8) for label in range(3)
    ]
    guided, turned = found["records"][2:]
    assert guided["frechet"] == turned["frechet"]  # the distance does not see it
    assert found["classifier"]["accuracy"] == 1 and found["classifier"]["classes"] == 3
    told = capsys.readouterr().err
    assert "classes of toy: generation-1: its classes are not recognised (0 % of its images" in told
    fid_table([tmp_path / "toy" / "scores.json"], tmp_path / "t.csv")
    shown = [line.split(" | ") for line in markdown_table(tmp_path / "t.csv").splitlines()]
    place = shown[0].index("share recognised")
    cells = [line[place : place + 2] for line in shown[2:]]
    expected = [["100 %", "100 %"], ["", "100 %"], ["100 %", "100 %"], ["0 %, not recognised", "100 %"]]
    assert [[cell.strip(" |") for cell in line] for line in cells] == expected


def test_a_further_extractor_joins_the_table(
    inputs: ScoreInputs, small_inception: Extractor, tmp_path: Path
) -> None:
    keys = {"extractor": "inception-legacy", "inception_score_splits": 4}
    score = Score.model_validate(SCORE.model_dump() | keys)
    legacy = dataclasses.replace(inputs, reference=tmp_path / "real.legacy.npz")
    make_reference(inputs.real, legacy.reference, dataset="toy-8px", score=score, device="cpu")
    files = [tmp_path / f"toy/scores.{name}.json" for name in ("efficientnet-lite0", "inception-legacy")]
    assert {item["inception_score"] for item in run(inputs, files[0])["records"]} == {None}
    found = run(legacy, files[1], score)["records"][1]
    assert 1 < found["inception_score"] <= found["count"] / 4  # at most one class for each image of a part
    assert found["inception_score_splits"] == 4 and found["inception_score_sd"] > 0
    alone = dataclasses.replace(legacy, sets={GENERATION.name: inputs.sets[GENERATION.name]})
    assert run(alone, tmp_path / "alone.json", score)["records"] == [found]  # in the same parts
    fid_table(files, tmp_path / "fid_table.csv")
    rows = list(csv.DictReader((tmp_path / "fid_table.csv").open()))
    assert [row["extractor"] for row in rows] == ["efficientnet-lite0"] * 3 + ["inception-legacy"] * 3
    assert float(rows[4]["inception_score"]) == pytest.approx(found["inception_score"], rel=1e-5)
    assert {row["inception_score"] for row in rows[:3]} == {""}
    too_many = Score.model_validate(score.model_dump() | {"inception_score_splits": 17})
    with pytest.raises(UserError, match=r"reconstruction\.zip.*inception_score_splits"):
        run(legacy, tmp_path / "scores.json", too_many)


@pytest.mark.parametrize("key", ["extractor", "metric", "resize", "weights_sha256"])
def test_reference_of_another_extractor_is_refused(inputs: ScoreInputs, tmp_path: Path, key: str) -> None:
    reference = tmp_path / "real.lite.npz"
    reference.write_bytes(inputs.reference.read_bytes())
    described = json.loads(inputs.reference.with_suffix(".json").read_text())
    reference.with_suffix(".json").write_text(json.dumps(described | {key: "other"}))
    with pytest.raises(UserError, match=f"has {key} 'other'"):
        run(dataclasses.replace(inputs, reference=reference), tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()


def test_reference_of_other_images_is_refused(inputs: ScoreInputs, study: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other images"):
        run(dataclasses.replace(inputs, real=study / "copy.zip"), tmp_path / "scores.json")


def test_foreign_description_is_refused(inputs: ScoreInputs, tmp_path: Path) -> None:
    reference = tmp_path / "real.lite.npz"
    reference.write_bytes(inputs.reference.read_bytes())
    for text, fault in [
        ("{}", "does not describe"),
        ("[]", "does not describe"),
        ("{", "not a readable JSON"),
    ]:
        reference.with_suffix(".json").write_text(text)
        with pytest.raises(UserError, match=fault):
            run(dataclasses.replace(inputs, reference=reference), tmp_path / "scores.json")


def test_missing_and_unknown_sets_are_refused(inputs: ScoreInputs, study: Path, tmp_path: Path) -> None:
    for sets, fault in [
        ({"generation-1": tmp_path / "none.zip"}, "does not exist"),
        ({"generation-9": study / "copy.zip"}, "generation-9"),
    ]:
        with pytest.raises(UserError, match=fault):
            run(dataclasses.replace(inputs, sets=sets), tmp_path / "scores.json")
    with pytest.raises(UserError, match="do not exist"):
        run(dataclasses.replace(inputs, reference=tmp_path / "no.npz"), tmp_path / "scores.json")


def test_too_few_images_for_the_jackknife_name_the_archive(inputs: ScoreInputs, tmp_path: Path) -> None:
    many = Score.model_validate(SCORE.model_dump() | {"jackknife_groups": 17})
    with pytest.raises(UserError, match=r"reconstruction\.zip.*jackknife_groups"):
        run(inputs, tmp_path / "scores.json", score=many)


def test_tiny_archive_makes_no_reference(tmp_path: Path) -> None:
    write_archive(tmp_path / "three.zip", images(3, 0), None)
    with pytest.raises(UserError, match="at least 4"):
        make_reference(tmp_path / "three.zip", tmp_path / "r.npz", dataset="toy", score=SCORE, device="cpu")


def test_a_set_of_one_colour_is_told(
    inputs: ScoreInputs, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score_run(inputs, tmp_path / "good.json", score=SCORE, seed=(3,), device="cpu") == ""
    assert capsys.readouterr().err == ""
    grey = tmp_path / "grey.zip"
    write_archive(grey, np.full((20, 8, 8, 3), 128, dtype=np.uint8), None)
    changed = dataclasses.replace(inputs, sets={**inputs.sets, "generation-1": grey})
    told = score_run(changed, tmp_path / "bad.json", score=SCORE, seed=(3,), device="cpu")
    assert told.startswith("generation-1: its images are alike: they vary 0 % as much as the real ones")
    assert "its standard error is nothing" in told
    assert "scores of toy that say nothing" in capsys.readouterr().err
    record = json.loads((tmp_path / "bad.json").read_text())["records"][-1]
    assert record["variety"]["overall"] == 0 and record["variety"]["real_overall"] > 50


def test_scoring_goes_on_where_it_was_broken_off(
    inputs: ScoreInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The features of a set that was done are not taken again, and every number is the same."""
    monkeypatch.setattr(features, "PART", 8)  # 16, 20 and 24 images: 2, 3 and 3 parts
    whole = run(inputs, tmp_path / "whole.json")
    inputs = dataclasses.replace(inputs, state=tmp_path / "state")
    taken: list[int] = []
    original = features._features

    def counted(archive: ImageArchive, extractor: Extractor, indices: Any, device: Any) -> Any:
        if len(taken) == 4:
            taken.append(0)
            raise KeyboardInterrupt
        taken.append(len(indices))
        return original(archive, extractor, indices, device)

    monkeypatch.setattr(features, "_features", counted)
    with pytest.raises(KeyboardInterrupt):
        run(inputs, tmp_path / "a.json")
    assert taken == [8, 8, 8, 8, 0] and not (tmp_path / "a.json").exists()
    taken += [0] * 4
    assert run(inputs, tmp_path / "a.json")["records"] == whole["records"]
    assert taken[9:] == [4, 8, 8, 8]
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


def test_features_of_other_images_are_never_taken_up(
    inputs: ScoreInputs, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = dataclasses.replace(inputs, state=tmp_path / "state")
    with monkeypatch.context() as patch:
        patch.setattr(score_module, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(inputs, tmp_path / "a.json")  # all features are taken
    other = dataclasses.replace(inputs, sets=inputs.sets | {"generation-1": study / "generation.zip"})
    apart = dataclasses.replace(other, state=None)
    found, wanted = (run(one, tmp_path / f"{n}.json") for n, one in enumerate((other, apart)))
    assert found["records"] == wanted["records"]


def test_a_reference_goes_on_where_it_was_broken_off(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "PART", 8)
    state, out, taken = tmp_path / "state", tmp_path / "ref.npz", []
    original = features._features

    def counted(archive: ImageArchive, extractor: Extractor, indices: Any, device: Any) -> Any:
        taken.append(int(indices[0]))
        if len(taken) == 3:
            raise KeyboardInterrupt
        return original(archive, extractor, indices, device)

    monkeypatch.setattr(features, "_features", counted)
    given = {"dataset": "toy-8px", "score": SCORE, "device": "cpu", "state": state}
    with pytest.raises(KeyboardInterrupt):
        make_reference(study / "real.zip", out, **given)
    make_reference(study / "real.zip", out, **given)
    noise = [*range(0, NOISE_IMAGES, 8)]
    assert taken == [0, 8, 16, 16, 0, 8, 16, *noise]  # and the controls, which are not kept
    assert out.read_bytes() == (study / "ref" / "real.lite.npz").read_bytes()
