"""What says nothing of a method is found, wherever results are read; what may be believed is left alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.results import degenerate
from sphere_repro.results.claims import claims
from sphere_repro.results.published import published_claims
from sphere_repro.results.scores import read_scores
from sphere_repro.results.tables import fid_table, markdown_table, read_table
from sphere_repro.results.variety import SIDE, Variety, variety

GOOD = {"overall": 40.0, "within": 30.0, "real_overall": 80.0, "real_within": 70.0}
MOVED = {"term": "pix_recon_l1", "first": 0.09, "last": 0.004}
STILL = MOVED | {"last": 0.0899}


def archive(path: Path, images: np.ndarray, labels: list[int] | None = None) -> ImageArchive:
    write_archive(path, images.astype(np.uint8), labels)
    return ImageArchive(path)


def test_variety_is_the_deviation_from_the_mean_image(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3))
    found = variety(archive(tmp_path / "a.zip", images))
    assert found.overall == pytest.approx(np.sqrt(images.var(axis=0, ddof=1).mean()))
    assert found.within is None


def test_variety_of_one_image_over_and_over_is_nothing(tmp_path: Path) -> None:
    one = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3))
    assert variety(archive(tmp_path / "a.zip", one.repeat(30, axis=0))).overall == 0


def test_variety_within_classes_does_not_see_their_means(tmp_path: Path) -> None:
    means = np.array([0, 120, 240]).repeat(10).reshape(-1, 1, 1, 1) + np.zeros((30, 8, 8, 3))
    labels = [0] * 10 + [1] * 10 + [2] * 10
    found = variety(archive(tmp_path / "a.zip", means, labels))
    assert found.overall > 90 and found.within == 0


def test_noise_on_one_picture_makes_no_other_picture(tmp_path: Path) -> None:
    size = 4 * SIDE
    noisy = 128 + np.random.default_rng(0).integers(-8, 9, (10, size, size, 3))
    assert variety(archive(tmp_path / "a.zip", noisy)).overall < noisy.std() / 3


def test_reconstructions_are_held_against_the_images_that_they_are_of(tmp_path: Path) -> None:
    images = np.concatenate([np.zeros((10, 8, 8, 3)), np.full((10, 8, 8, 3), 255)])
    found = archive(tmp_path / "a.zip", images)
    assert variety(found, np.arange(10)).overall == 0 and variety(found).overall > 100


def test_described() -> None:
    assert degenerate.described(Variety(1.0, None), Variety(3.0, 2.0)) == {
        "overall": 1.0,
        "within": None,
        "real_overall": 3.0,
        "real_within": 2.0,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"within": None}, ""),
        ({"overall": 22.4}, ""),  # 28 %, the least of the demo's sets
        ({"overall": 1.36}, "its images are alike: they vary 1.7 % as much as the real ones"),
        ({"overall": 0.0}, "its images are alike: they vary 0 % as much as the real ones"),
        ({"within": 0.7}, "its images of one class are alike: they vary 1 % as much as the real ones"),
        ({"within": 0.0, "real_within": 0.5}, ""),  # the real ones are alike there too
        ({"real_overall": 0.2, "overall": 0.1}, "the real images are all alike"),
    ],
)
def test_alike(changes: dict[str, Any], words: str) -> None:
    assert "; ".join(degenerate.of_variety(GOOD | changes)) == words


@pytest.mark.parametrize(
    ("distance", "error", "words"),
    [
        (888.0, 6e-07, "its standard error is nothing (6e-07 of 888)"),
        (888.0, 0.0, "its standard error is nothing (0 of 888)"),
        (0.0, 0.0, "its standard error is nothing (0 of 0)"),
        (417.6, 0.94, ""),  # the least of the demo's
        (2.0, 2e-4, ""),
    ],
)
def test_an_error_of_nothing(distance: float, error: float, words: str) -> None:
    assert "; ".join(degenerate.doubts({"frechet": distance, "frechet_se": error})) == words


@pytest.mark.parametrize(
    ("first", "last", "still"),
    [(0.0919, 0.0918, True), (0.0919, 0.0896, True), (0.09, 0.12, True), (0.0919, 0.047, False)],
)
def test_a_loss_that_hardly_moved(first: float, last: float, still: bool) -> None:
    words = degenerate.unmoved({"term": "pix_recon_l1", "first": first, "last": last})
    assert bool(words) == still and ("pix_recon_l1 hardly moved" in words) == still


def test_the_reconstruction_is_judged_and_not_the_sum(tmp_path: Path) -> None:
    """In the sum, a latent consistency that falls by itself hides that nothing is learned."""
    rows = [{"loss": 1.1 - row / 40, "pix_recon_l1": 0.1, "lat_con": 1 - row / 40} for row in range(40)]
    assert degenerate.unmoved(degenerate.moved(rows))
    assert degenerate.moved([{"loss": 2.0, "kl": 2.0}, {"loss": 1.0, "kl": 1.0}]) == {
        "term": "loss",
        "first": 2.0,
        "last": 1.0,
    }
    path = tmp_path / "training.csv"
    path.write_text("step,loss,pix_recon_l1\n1,1,0.5\n2,1,0.25\n")
    assert degenerate.moved_in(path) == {"term": "pix_recon_l1", "first": 0.5, "last": 0.25}
    for text in ("", "step\n1\n", "step,loss\n1,x\n"):
        path.write_text(text)
        with pytest.raises(UserError, match="no training log"):
            degenerate.moved_in(path)


def records(**changes: Any) -> list[dict[str, Any]]:
    """A reconstruction, one step, four steps and a rival; `changes` are of the set of one step."""
    empty = dict.fromkeys(
        ("guidance_position", "kid", "kid_se", "inception_score", "inception_score_sd"), None
    )
    empty |= {
        "inception_score_splits": None,
        **dict.fromkeys(("psnr", "ssim", "ssim_window", "ssim_count", "lpips", "lpips_missing")),
        **dict.fromkeys(("precision", "recall", "density", "coverage")),
        "share_recognised": None,
        "guidance_scale": 1.0,
        "count": 100,
    }
    empty |= {"frechet_se": 1.0, "variety": GOOD}
    none = {"steps": None, "strength": None, "noise": None}
    four = {"kind": "generation", "steps": 4, "strength": "fixed"}
    return [
        empty | none | {"set": "reconstruction", "kind": "reconstruction", "frechet": 50.0},
        empty | none | {"set": "generation-1", "kind": "generation", "steps": 1, "frechet": 200.0} | changes,
        empty | four | {"set": "generation-4-fixed-shared", "noise": "shared", "frechet": 120.0},
        empty | four | {"set": "generation-4-fixed-independent", "noise": "independent", "frechet": 150.0},
    ]


def written(root: Path, found: list[dict[str, Any]], moved: dict[str, Any] | None) -> Path:
    path = root / "demo" / "stamps" / "scores.efficientnet-lite0.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"run": "stamps", "dataset": "stamps-32px", "kind": "sphere", "metric": "frechet-x"}
    about |= {"extractor": "x", "resize": "r", "reference_split": "train", "reference_count": 100}
    path.write_text(json.dumps(about | {"floor": None, "classifier": None, "records": found}))
    path.with_name("model.json").write_text(json.dumps({"moved": moved} if moved else {}))
    return path


def verdicts(out: Path) -> dict[str, tuple[str, str]]:
    found = json.loads(out.read_text())["claims"]
    return {claim["claim"]: (claim["verdict"], claim["note"]) for claim in found}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variety": GOOD | {"overall": 0.0}}, "generation-1: its images are alike"),
        ({"frechet_se": 6e-7}, "generation-1: its standard error is nothing (6e-07 of 200)"),
    ],
)
def test_a_claim_on_a_degenerate_set_is_undecided(
    changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    claims([written(tmp_path, records(), MOVED)], [], tmp_path / "good.json")
    good = verdicts(tmp_path / "good.json")
    assert good["few-steps-beat-one"] == ("holds", "")
    claims([written(tmp_path, records(**changes), MOVED)], [], tmp_path / "bad.json")
    bad = verdicts(tmp_path / "bad.json")
    assert bad["few-steps-beat-one"][0] == "undecided" and words in bad["few-steps-beat-one"][1]
    assert bad["fixed-shared-is-best"] == good["fixed-shared-is-best"]  # it is not about that set
    assert words in (tmp_path / "bad.md").read_text() and words in (tmp_path / "bad.csv").read_text()


def test_every_claim_on_a_model_that_learned_nothing_is_undecided(tmp_path: Path) -> None:
    scores = written(tmp_path, records(), STILL)
    effect = {"value": 0.0, "se": 1e-6}
    clouds = [
        {"key": key, "overall": {"mean_cosine": effect, "anisotropy": size, "count": 100}, "classes": []}
        for key, size in (
            ("latents", {"value": 1.0, "se": 1e-3}),
            ("uniform", {"value": 1.0, "se": 1e-3}),
            ("pixels", {"value": 9.0, "se": 1e-3}),
        )
    ]
    latents = tmp_path / "uniformity.json"
    latents.write_text(json.dumps({"run": "stamps", "clouds": clouds}))
    claims([scores], [latents], tmp_path / "claims.json")
    found = verdicts(tmp_path / "claims.json")
    assert {verdict for verdict, _ in found.values()} == {"undecided"}
    assert "its model learned nothing" in found["latents-uniform"][1]
    written(tmp_path, records(), MOVED)
    claims([scores], [latents], tmp_path / "claims.json")
    assert verdicts(tmp_path / "claims.json")["latents-uniform"] == ("holds", "")


def test_the_table_says_so_in_a_column_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "fid_table.csv"
    fid_table([written(tmp_path, records(frechet_se=0.0), MOVED)], out)
    column = [row["degenerate"] for row in read_table(out)]
    assert column == ["", "its standard error is nothing (0 of 200)", "", ""]
    assert "| degenerate |" in markdown_table(out)
    fid_table([written(tmp_path, records(), MOVED)], out)
    assert {row["degenerate"] for row in read_table(out)} == {""}
    assert "degenerate" not in markdown_table(out)
    fid_table([written(tmp_path, records(), STILL)], out)
    assert all("learned nothing" in row["degenerate"] for row in read_table(out))


def test_a_published_number_is_not_reached_by_a_degenerate_set(tmp_path: Path) -> None:
    out = tmp_path / "fid_table.csv"
    fid_table([written(tmp_path, records(frechet_se=0.0), MOVED)], out)
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1] |= {"published_frechet": "500", "published_source": "paper"}
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (claim,) = published_claims(out)
    assert claim.verdict == "undecided" and claim.note.endswith("its standard error is nothing (0 of 200)")


def test_sets_with_one_reason_stand_together(tmp_path: Path) -> None:
    found = read_scores(written(tmp_path, records(), STILL)).doubts
    assert found.startswith("reconstruction, generation-1, generation-4-fixed-shared, generation-4-fixed-ind")
    assert found.count("learned nothing") == 1
    assert read_scores(written(tmp_path, records(), None)).doubts == ""
