"""The published numbers, and the rows that they may stand beside."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import parameter_count
from sphere_repro.results.expected import find, load_expected, unplaced_table
from sphere_repro.results.tables import fid_table, markdown_table
from sphere_repro.study.generation import Generation

FILE = ROOT / "params" / "expected.yaml"
EXPECTED = load_expected(FILE)
GUIDED = {"guidance_scale": 1.4, "guidance_position": "combo"}
ROW: dict[str, Any] = {
    "dataset": "imagenet-256px",
    "set": "generation-4-fixed-shared-combo1.4",
    "kind": "generation",
    "steps": 4,
    "strength": "fixed",
    "noise": "shared",
    **GUIDED,
    "metric": "fid-inception-legacy-tensorflow",
    "count": 50_000,
    "reference_split": "train",
    "reference_count": 50_000,
    "inception_score_splits": 10,
}
JOB = {"dataset": {"name": "imagenet"}, "model": {"encoder": "large", "decoder": "large", "ratio": 3.0}}
SAMPLE = {"weights": "raw"}


def numbers(row: dict[str, Any], model: Any = JOB, sample: Any = SAMPLE) -> tuple[Any, Any] | None:
    found = find(EXPECTED, row, model, sample)
    return found and (found[0].frechet, found[0].inception_score)


def model_of(**changes: Any) -> dict[str, Any]:
    return JOB | {"model": JOB["model"] | changes}


# Method, section 6, a second time, so that a slip in either place shows.
FOUR = "generation-4-fixed-shared"
PUBLISHED = [
    ("imagenet", "large", "reconstruction", 50_000, 0.62, None),
    ("imagenet", "large", "generation-1-combo1.4", 50_000, 15.69, 274.5),
    ("imagenet", "large", f"{FOUR}-combo1.4", 50_000, 4.78, 259.1),
    ("imagenet", "xlarge", "reconstruction", 50_000, 0.62, None),
    ("imagenet", "xlarge", "generation-1-combo1.4", 50_000, 14.52, 299.3),
    ("imagenet", "xlarge", f"{FOUR}-combo1.4", 50_000, 4.05, 266.0),
    ("animal-faces", "large", "generation-1", 50_000, 21.56, 8.3),
    ("animal-faces", "large", FOUR, 50_000, 18.73, 9.8),
    ("oxford-flowers", "large", "generation-1-combo1.6", 51_000, 25.10, 3.4),
    ("oxford-flowers", "large", "generation-4-fixed-independent-combo1.6", 51_000, 11.27, 3.2),
]


# Method, section 2: parameters of the models with published numbers.
def test_the_file_has_every_published_number_once() -> None:
    counts = {950_354_532: 3, 1_388_922_404: 3, 642_148_324: 2, 948_844_516: 2}
    assert {parameter_count(model.architecture): len(model.sets) for model in EXPECTED.models} == counts
    assert all(model.source == "released model card" and model.weights == "raw" for model in EXPECTED.models)
    assert {model.metric for model in EXPECTED.models} == {"fid-inception-legacy-tensorflow"}
    values = [
        (model.dataset.name, model.model.encoder, item.set, item.count, item.frechet, item.inception_score)
        for model in EXPECTED.models
        for item in model.sets
    ]
    assert values == PUBLISHED


# Section 6 likewise: dataset, steps where they are stated, distance.
UNPLACED = [
    ("cifar10", 1, 18.68),
    ("cifar10", None, 2.72),
    ("cifar10", None, 1.65),
    ("cifar10", 1, 35.67),
    ("cifar10", None, 4.31),
    ("cifar10", None, 2.34),
    ("oxford-flowers", 1, 25.12),
    ("oxford-flowers", 4, 11.25),
    ("animal-faces", 1, 21.70),
    ("animal-faces", 6, 17.97),
    ("imagenet", None, 4.76),
    ("imagenet", None, 4.02),
    ("cifar10", 1, 35.55),
    ("imagenet", 4, 13.58),
    ("imagenet", 4, 7.53),
    ("imagenet", 4, 5.99),
]


def test_numbers_without_a_place_say_what_is_not_known() -> None:
    known = [(item.dataset.name, item.steps, item.frechet) for item in EXPECTED.unplaced]
    assert known == UNPLACED
    assert all(
        item.unknown and ("steps" in item.unknown) == (item.steps is None) for item in EXPECTED.unplaced
    )
    assert [(item.precision, item.recall) for item in EXPECTED.unplaced if item.precision] == [(0.811, 0.182)]
    lines = unplaced_table(EXPECTED).splitlines()
    assert len(lines) == 2 + len(UNPLACED) and len({line.count("|") for line in lines}) == 1
    assert "| ? | 2.72 | model size; guidance; number of steps |" in lines[3]
    assert "35.55, precision 0.811, recall 0.182" in lines[14]


def test_no_row_is_held_against_a_number_without_a_place() -> None:
    placed = {published.frechet for model in EXPECTED.models for published in model.sets}
    assert not placed & {frechet for _, _, frechet in UNPLACED}


@pytest.mark.parametrize(
    ("row", "model", "expected"),
    [
        ({}, {}, (4.78, 259.1)),
        ({}, {"encoder": "xlarge", "decoder": "xlarge"}, (4.05, 266.0)),
        ({"kind": "reconstruction", **dict.fromkeys(("steps", *GUIDED))}, {}, (0.62, None)),
        ({"steps": 1, "strength": None, "noise": None}, {}, (15.69, 274.5)),
        ({"inception_score_splits": 5}, {}, (4.78, None)),
        ({"inception_score_splits": None}, {}, (4.78, None)),
        ({}, {"encoder": {"width": 1024, "layers": 24, "heads": 16}}, (4.78, 259.1)),  # large, in numbers
    ],
)
def test_a_row_that_agrees(row: dict[str, Any], model: dict[str, Any], expected: tuple[float, Any]) -> None:
    assert numbers(ROW | row, model_of(**model)) == expected


@pytest.mark.parametrize(
    "row",
    [
        {"metric": "fid-inception-clean"},
        {"metric": "frechet-efficientnet-lite0-128px-bicubic"},
        {"dataset": "imagenet-128px"},
        {"dataset": "animal-faces-256px"},
        {"count": 10_000},
        {"kind": "reconstruction", "count": 1000, **dict.fromkeys(("steps", *GUIDED))},
        {"reference_count": 1_281_167},
        {"reference_split": "validation"},
        {"steps": 3},
        {"strength": "linear"},
        {"noise": "independent"},
        {"guidance_scale": 1.2},
        {"guidance_scale": 1.0, "guidance_position": None},
        {"guidance_position": "enc"},
        {"kind": "prior", "set": "prior"},
        {"steps": "many"},
    ],
)
def test_a_row_that_was_measured_or_drawn_differently_has_none(row: dict[str, Any]) -> None:
    assert numbers(ROW | row) is None


@pytest.mark.parametrize(
    "model",
    [
        *(None, [], {}, {"model": 3}, {"model": {"size": "large"}}),
        model_of(encoder="base"),
        model_of(ratio=1.5),
        model_of(conditional=False),
        model_of(decoder_mixer_depth=2),
        model_of(pixel_head="conv"),
        model_of(kind="vae"),
        model_of(patch_size=7),
        JOB | {"init_from": {"path": "other.safetensors"}},
    ],
)
def test_another_model_or_none_on_record_has_none(model: Any) -> None:
    assert numbers(ROW, model) is None


def test_an_imported_model_is_known_by_its_architecture() -> None:
    shape = EXPECTED.models[0].architecture.model_dump(mode="json")
    assert numbers(ROW, {"run": "large", "architecture": shape}) == (4.78, 259.1)
    assert numbers(ROW, {"run": "large", "architecture": shape | {"token_channels": 128}}) is None
    assert numbers(ROW, {"run": "large", "architecture": 3}) is None


@pytest.mark.parametrize("sample", [None, [], {}, {"weights": "ema"}])
def test_other_weights_or_none_on_record_have_none(sample: Any) -> None:
    assert numbers(ROW, sample=sample) is None


@pytest.mark.parametrize("model", EXPECTED.models, ids=lambda model: model.dataset.archive)
def test_every_published_set_finds_itself(model: Any) -> None:
    for published in model.sets:
        drawn: Generation | None = published.generation
        row = ROW | {
            "dataset": model.dataset.archive,
            "reference_count": model.reference_count,
            "count": published.count or 7,
            "kind": "generation" if drawn else "reconstruction",
        }
        if drawn:
            row |= {"steps": drawn.steps, "strength": drawn.strength, "noise": drawn.noise}
            row |= {"guidance_scale": drawn.guidance.scale, "guidance_position": drawn.guidance.position}
        job = {"model": model.model.model_dump(mode="json")}
        assert numbers(row, job) == (published.frechet, published.inception_score)


def write_run(folder: Path, extractor: str, metric: str) -> Path:
    """Made-up results of ImageNet, large: two sets scored with one extractor, and the records beside them."""
    score = {"frechet": 4.9, "frechet_se": 0.02, "kid": 0.001, "kid_se": 0.0001}
    score |= dict.fromkeys(("psnr", "ssim", "ssim_window", "ssim_count", "lpips", "lpips_missing"))
    score |= dict.fromkeys(("precision", "recall", "density", "coverage", "share_recognised"))
    score |= {"inception_score": 257.0, "inception_score_sd": 4.0, "inception_score_splits": 10}
    known = {key: ROW[key] for key in ("steps", "strength", "noise", "kind", "count", *GUIDED)}
    records = [{"set": ROW["set"], **known, **score}]
    records += [{**records[0], "set": "generation-3-fixed-shared-combo1.4", "steps": 3}]
    scores = {
        **{
            "run": "large",
            "dataset": "imagenet-256px",
            "kind": "sphere",
            "resize": "r",
            "floor": None,
            "classifier": None,
        },
        **{"extractor": extractor, "metric": metric, "reference_split": "train", "reference_count": 50_000},
        "records": records,
    }
    path = folder / "paper" / "large" / f"scores.{extractor}.json"
    for record in records:
        sample = path.parent / "samples" / f"{record['set']}.json"
        sample.parent.mkdir(parents=True, exist_ok=True)
        sample.write_text(json.dumps({"job": SAMPLE}))
    path.with_name("model.json").write_text(json.dumps({"job": JOB}))
    path.write_text(json.dumps(scores))
    return path


def test_the_table_shows_them_in_comparable_rows_alone(tmp_path: Path) -> None:
    files = [
        write_run(tmp_path, "inception", "fid-inception-clean"),
        write_run(tmp_path, "inception-legacy", "fid-inception-legacy-tensorflow"),
    ]
    out = tmp_path / "fid_table.csv"
    fid_table(files, out, FILE)
    rows = list(csv.DictReader(out.open()))
    keys = ("published_frechet", "published_inception_score", "published_source")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("", "", ""),
        ("", "", ""),
        ("4.78", "259.1", "released model card"),
        ("", "", ""),
    ]
    lines = markdown_table(out).splitlines()
    assert lines[0].endswith("| published |") and lines[4].endswith("| 4.78, IS 259.1 |")
    assert lines[2].endswith("|  |") and len({line.count("|") for line in lines}) == 1
    fid_table(files, out)
    assert {row["published_frechet"] for row in csv.DictReader(out.open())} == {""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "does not exist"),
        ("models: [", "not readable YAML"),
        ("models: []\nmodels: []", "given twice"),
        ("- 3", "expected.yaml"),
        ("model: []", "unknown key 'model'; did you mean 'models'?"),
        ("models: [{dataset: {name: imagenets}}]", "did you mean 'imagenet'?"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "expected.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_expected(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


def test_a_set_listed_twice_is_told(tmp_path: Path) -> None:
    text = FILE.read_text().replace(
        "      - {count: 50000, frechet: 0.62}\n", "      - {count: 50000, frechet: 0.62}\n" * 2, 1
    )
    (tmp_path / "expected.yaml").write_text(text)
    with pytest.raises(UserError, match="the set 'reconstruction' is listed twice"):
        load_expected(tmp_path / "expected.yaml")
