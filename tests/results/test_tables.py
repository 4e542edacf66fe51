"""The table of all scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sphere_repro.errors import UserError
from sphere_repro.provenance.code import code_hash
from sphere_repro.results.tables import COLUMNS, fid_table, markdown_table, metrics


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "set": "generation-4-fixed-shared",
        "kind": "generation",
        "steps": 4,
        "strength": "fixed",
        "noise": "shared",
        "guidance_scale": 1.0,
        "guidance_position": None,
        "count": 1797,
        "frechet": 132.0123456,
        "frechet_se": 2.1234,
        "kid": 0.0101234567,
        "kid_se": 0.001,
        "inception_score": None,
        "inception_score_sd": None,
        "inception_score_splits": None,
        **dict.fromkeys(("psnr", "ssim", "ssim_window", "ssim_count", "lpips", "lpips_missing")),
        **dict.fromkeys(("precision", "recall", "density", "coverage")),
        "share_recognised": None,
    } | changes


def write_scores(
    root: Path, run: str, records: list[dict[str, Any]], model: Any = None, **changes: Any
) -> Path:
    extractor = changes.get("extractor", "efficientnet-lite0")
    path = root / "demo" / run / f"scores.{extractor}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    scores = {
        "run": run,
        "dataset": "digits-8px",
        "kind": "sphere",
        "extractor": "efficientnet-lite0",
        "metric": "frechet-efficientnet-lite0-128px-bicubic",
        "resize": "pil-bicubic-128px",
        "reference_split": "train",
        "reference_count": 1797,
        "floor": {"frechet": 13.1, "count": 898},
        "classifier": None,
        "records": records,
        "provenance": {},
    } | changes
    path.write_text(json.dumps(scores))
    if model is not None:
        path.with_name("model.json").write_text(json.dumps(model))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


RECONSTRUCTION = {"set": "reconstruction", "kind": "reconstruction", "steps": None, "psnr": 21.456}


def test_rows_stand_as_runs_and_sets_were_given(tmp_path: Path) -> None:
    digits = write_scores(tmp_path, "digits", [entry(**RECONSTRUCTION), entry()])
    ablation = write_scores(tmp_path, "ablation", [entry(set="generation-1", steps=1, strength=None)])
    out = tmp_path / "fid_table.csv"
    fid_table([digits, ablation], out)
    table = rows(out)
    assert [(row["run"], row["set"]) for row in table] == [
        ("digits", "reconstruction"),
        ("digits", "generation-4-fixed-shared"),
        ("ablation", "generation-1"),
    ]
    assert tuple(table[0]) == COLUMNS
    assert not any(column == "fid" for column in COLUMNS)


def test_several_trainings_have_rows_a_mean_and_a_deviation(tmp_path: Path) -> None:
    files = [
        write_scores(tmp_path, name, [entry(**RECONSTRUCTION), entry(frechet=frechet)])
        for name, frechet in [("digits", 100.0), ("vae", 7.0), ("digits_r1", 104.0), ("digits_r2", 111.0)]
    ]
    out = tmp_path / "fid_table.csv"
    fid_table(files, out)
    found = [row for row in rows(out) if row["kind"] == "generation"]
    keys = ("run", "replicate", "frechet", "trainings", "frechet_mean", "frechet_deviation")
    several = {"trainings": "3", "frechet_mean": "105", "frechet_deviation": "5.56776"}
    assert [{key: row[key] for key in keys} for row in found] == [
        {"run": "digits", "replicate": "0", "frechet": "100"} | several,
        {"run": "vae", "replicate": "0", "frechet": "7", "trainings": "1", "frechet_mean": "7"}
        | {"frechet_deviation": ""},
        {"run": "digits", "replicate": "1", "frechet": "104"} | several,
        {"run": "digits", "replicate": "2", "frechet": "111"} | several,
    ]
    lines = markdown_table(out).splitlines()
    heads = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert heads[:2] == ["run", "replicate"] and heads[6] == "mean ± deviation of trainings"
    assert "| digits | 1 | generation-4-fixed-shared |" in lines[7] and "105.0 ± 5.6 (3)" in lines[7]
    assert "| vae |  | generation-4-fixed-shared |" in lines[5]
    metrics(files, tmp_path / "metrics.json")
    names = set(json.loads((tmp_path / "metrics.json").read_text()))
    assert names == {"digits", "vae", "digits_r1", "digits_r2"}


def test_a_file_given_twice_is_one_training(tmp_path: Path) -> None:
    path = write_scores(tmp_path, "digits", [entry()])
    fid_table([path, path], tmp_path / "t.csv")
    assert [(row["trainings"], row["frechet_deviation"]) for row in rows(tmp_path / "t.csv")] == [
        ("1", "")
    ] * 2


def test_a_training_of_changed_code_is_told_by_its_name(tmp_path: Path) -> None:
    old = {"code": {"sha256": "0" * 64, "modules": ["seeds.py"]}}
    files = [
        write_scores(tmp_path, "digits", [entry()]),
        write_scores(tmp_path, "digits_r1", [entry()], old),
    ]
    fid_table(files, tmp_path / "t.csv")
    assert "Made by code that has changed since: digits_r1 (training)" in markdown_table(tmp_path / "t.csv")


def test_cells(tmp_path: Path) -> None:
    model = {"code": {"sha256": "0123456789abcdef" * 4}}
    out = tmp_path / "fid_table.csv"
    fid_table([write_scores(tmp_path, "digits", [entry()], model)], out)
    assert rows(out) == [
        {
            "study": "demo",
            "run": "digits",
            "replicate": "0",
            "dataset": "digits-8px",
            "model": "sphere",
            "set": "generation-4-fixed-shared",
            "kind": "generation",
            "steps": "4",
            "strength": "fixed",
            "noise": "shared",
            "guidance_scale": "1",
            "guidance_position": "",
            "metric": "frechet-efficientnet-lite0-128px-bicubic",
            "extractor": "efficientnet-lite0",
            "resize": "pil-bicubic-128px",
            "count": "1797",
            "reference_split": "train",
            "reference_count": "1797",
            "frechet": "132.012",
            "frechet_se": "2.1234",
            "trainings": "1",
            "frechet_mean": "132.012",
            "frechet_deviation": "",
            "kid": "0.0101235",
            "kid_se": "0.001",
            "inception_score": "",
            "inception_score_sd": "",
            "inception_score_splits": "",
            "precision": "",
            "recall": "",
            "density": "",
            "coverage": "",
            "psnr": "",
            "ssim": "",
            "ssim_window": "",
            "ssim_count": "",
            "lpips": "",
            "lpips_missing": "",
            "share_recognised": "",
            "held_out_accuracy": "",
            "chance_accuracy": "",
            "classifier_sees": "",
            "floor": "6.54636",  # 13.1 between halves of 898, brought to 1797 against 1797
            "floor_count": "898",
            "published_frechet": "",
            "published_inception_score": "",
            "published_source": "",
            "degenerate": "",
            "code": "0123456789ab",
            "code_changed": "",
        }
    ]


@pytest.mark.parametrize(
    ("model", "code"),
    [
        (None, ""),
        ({}, ""),
        ([], ""),
        ({"code": None}, ""),
        ({"code": {"sha256": "a" * 64}}, "a" * 12),
        ({"provenance": {"code": {"sha256": "b" * 64}}}, "b" * 12),
    ],
)
def test_code_of_the_model(tmp_path: Path, model: Any, code: str) -> None:
    out = tmp_path / "fid_table.csv"
    fid_table([write_scores(tmp_path, "digits", [entry()], model)], out)
    assert rows(out)[0]["code"] == code


def test_same_scores_same_bytes(tmp_path: Path) -> None:
    path = write_scores(tmp_path, "digits", [entry(), entry(**RECONSTRUCTION)], floor=None)
    fid_table([path], tmp_path / "a.csv")
    fid_table([path], tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()
    assert rows(tmp_path / "a.csv")[0]["floor"] == ""


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"records": 3}'])
def test_foreign_scores_are_refused(tmp_path: Path, text: str) -> None:
    path = write_scores(tmp_path, "digits", [])
    path.write_text(text)
    with pytest.raises(UserError, match="again"):
        fid_table([path], tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_markdown_names_the_measure_and_the_error(tmp_path: Path) -> None:
    out = tmp_path / "fid_table.csv"
    records = [entry(), entry(**RECONSTRUCTION), entry(frechet_se=0.0, kid=-0.00002, kid_se=0.000031)]
    fid_table([write_scores(tmp_path, "digits", records)], out)
    lines = markdown_table(out).splitlines()
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
    assert "frechet-efficientnet-lite0-128px-bicubic" in lines[2]
    assert "132.0 ± 2.1" in lines[2] and "10.1 ± 1.0" in lines[2] and "6.55" in lines[2]
    assert "| 21.46 |" in lines[3]
    assert "| 132 |" in lines[4] and "-0.020 ± 0.031" in lines[4]
    assert "FID" not in lines[0]


def test_markdown_of_large_errors_keeps_whole_numbers(tmp_path: Path) -> None:
    out = tmp_path / "fid_table.csv"
    fid_table([write_scores(tmp_path, "digits", [entry(frechet=12345.6, frechet_se=234.5)])], out)
    assert "| 12346 ± 234 |" in markdown_table(out) or "| 12346 ± 235 |" in markdown_table(out)


def test_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        markdown_table(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("run,fid\ndigits,3\n")
    with pytest.raises(UserError, match="other columns"):
        markdown_table(tmp_path / "other.csv")


def test_rows_say_whose_code_has_changed(tmp_path: Path) -> None:
    today = {"modules": ["sphere.py"], "sha256": code_hash("sphere.py")}
    old = {"modules": ["sphere.py"], "sha256": "0" * 64}
    gone = {"modules": ["no_such_module.py"], "sha256": "0" * 64}
    sets = [entry(**RECONSTRUCTION), entry(), entry(set="generation-1")]
    scores = write_scores(tmp_path, "digits", sets, model={"code": old})
    for name, code in (("reconstruction", today), ("generation-4-fixed-shared", gone)):
        record = scores.parent / "samples" / f"{name}.json"
        record.parent.mkdir(exist_ok=True)
        record.write_text(json.dumps({"code": code}))
    fid_table([scores], tmp_path / "t.csv")
    assert [row["code_changed"] for row in rows(tmp_path / "t.csv")] == [
        "training",
        "training sampling",
        "training",
    ]
    text = markdown_table(tmp_path / "t.csv")
    assert "changed since: digits (training), digits (training sampling)." in text
    mixed = {"code": today, "segments": [{"code": {"sha256": "0" * 64}}, {"code": today}]}
    scores.with_name("model.json").write_text(json.dumps(mixed))
    fid_table([write_scores(tmp_path, "digits", sets[:1])], tmp_path / "t.csv")
    assert [row["code_changed"] for row in rows(tmp_path / "t.csv")] == ["training"]
    scores.with_name("model.json").write_text(json.dumps({"code": today}))
    fid_table([write_scores(tmp_path, "digits", sets[:1])], tmp_path / "t.csv")
    assert "changed since" not in markdown_table(tmp_path / "t.csv")


LEGACY = {"extractor": "inception-legacy", "metric": "fid-inception-legacy-tensorflow"}


def test_rows_of_further_extractors_join_the_table_and_the_metrics(tmp_path: Path) -> None:
    scored = {"inception_score": 9.123456789, "inception_score_sd": 0.25, "inception_score_splits": 10}
    first = write_scores(tmp_path, "digits", [entry()])
    second = write_scores(tmp_path, "digits", [entry(frechet=8.0, **scored)], **LEGACY)
    fid_table([first, second], tmp_path / "t.csv")
    found = [(row["metric"], row["frechet"], row["inception_score"]) for row in rows(tmp_path / "t.csv")]
    assert found == [
        ("frechet-efficientnet-lite0-128px-bicubic", "132.012", ""),
        ("fid-inception-legacy-tensorflow", "8", "9.12346"),
    ]
    metrics([first, second], tmp_path / "m.json")
    numbers = json.loads((tmp_path / "m.json").read_text())["digits"]["generation-4-fixed-shared"]
    assert numbers["frechet-efficientnet-lite0-128px-bicubic"]["frechet"] == 132.012
    assert numbers["fid-inception-legacy-tensorflow"] == {
        "frechet": 8.0,
        "frechet_se": 2.1234,
        "kid": 0.0101235,
        "kid_se": 0.001,
        "inception_score": 9.12346,
        "inception_score_sd": 0.25,
    }
    assert not {"inception_score", "psnr"} & set(numbers["frechet-efficientnet-lite0-128px-bicubic"])
    lines = markdown_table(tmp_path / "t.csv").splitlines()
    assert "precision" not in lines[0]
    assert "| IS (sd of parts) |" in lines[0] and "published" not in lines[0]
    assert "| 9.123 (0.25) |" in lines[3] and len({line.count("|") for line in lines}) == 1


def test_precision_and_recall_stand_in_one_cell(tmp_path: Path) -> None:
    measured = {"precision": 0.8114, "recall": 0.1823, "density": 1.1, "coverage": 0.5}
    path = write_scores(tmp_path, "a", [entry(**measured)])
    fid_table([path], tmp_path / "t.csv")
    row = next(csv.DictReader((tmp_path / "t.csv").open()))
    assert {key: float(row[key]) for key in measured} == measured
    head, _, line = markdown_table(tmp_path / "t.csv").splitlines()[:3]
    assert head.split(" | ").index("precision, recall") == line.split(" | ").index("0.81, 0.18")


def test_how_close_reconstructions_come(tmp_path: Path) -> None:
    small = "not computed below 32 pixels"
    close = {"ssim": 0.91234, "ssim_window": 7, "ssim_count": 900, "lpips_missing": small}
    path = write_scores(tmp_path, "a", [entry(), entry(**RECONSTRUCTION, **close)])
    fid_table([path], tmp_path / "t.csv")
    row = rows(tmp_path / "t.csv")[1]
    assert (row["ssim"], row["ssim_window"], row["ssim_count"]) == ("0.91234", "7", "900")
    assert (row["lpips"], row["lpips_missing"]) == ("", small)
    head, _, drawn, line = (
        [cell.strip() for cell in text.split("|")]
        for text in markdown_table(tmp_path / "t.csv").splitlines()[:4]
    )
    assert line[head.index("SSIM (window)")] == "0.912 (7 px)" and drawn[head.index("SSIM (window)")] == ""
    assert "LPIPS" not in head
    metrics([path], tmp_path / "m.json")
    (measured,) = json.loads((tmp_path / "m.json").read_text())["a"]["reconstruction"].values()
    assert measured["ssim"] == 0.91234 and "lpips" not in measured
    path = write_scores(tmp_path, "a", [entry(**RECONSTRUCTION, **close | {"lpips": 0.0625})])
    fid_table([path], tmp_path / "t.csv")
    assert "| 0.062 |" in markdown_table(tmp_path / "t.csv")
