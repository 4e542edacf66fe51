"""The paper's tables: what stands in which line, and that the three formats say the same."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from image_results import edited, images_record, looped, pictures, speeds, write_images
from test_tables import entry, write_scores

from sphere_repro.errors import UserError
from sphere_repro.metrics.uniformity import uniformity
from sphere_repro.results import paper_tables as module
from sphere_repro.results.paper_tables import Measured, Table, paper_tables
from sphere_repro.results.tables import fid_table
from sphere_repro.study.scoring import Uniformity

RECONSTRUCTION = entry(
    set="reconstruction", kind="reconstruction", steps=None, strength=None, noise=None, guidance_scale=None,
    frechet=44.0, psnr=20.777, ssim=0.91234, ssim_window=7, lpips_missing="not computed below 32 pixels",
)  # fmt: skip
ONE = entry(set="generation-1", steps=1, strength=None, noise=None, frechet=152.0)


def four(strength: str, noise: str, frechet: float, **more: Any) -> dict[str, Any]:
    return entry(
        set=f"generation-4-{strength}-{noise}", strength=strength, noise=noise, frechet=frechet, **more
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    guided = {"guidance_scale": 1.4, "guidance_position": "combo"}
    sphere = [
        RECONSTRUCTION,
        ONE | guided | {"set": "generation-1-combo1.4", "frechet": 90.0},
        ONE,
        four("fixed", "shared", 126.5),
        four("linear", "shared", 81.0),
        four("fixed", "shared", 60.0, **guided) | {"set": "generation-4-fixed-shared-combo1.4"},
    ]
    none = {"steps": None, "strength": None, "noise": None, "guidance_scale": None}
    vae = [
        RECONSTRUCTION | {"frechet": 26.0},
        entry(set="prior", kind="prior", frechet=231.0, **none),
        entry(set="posterior", kind="posterior", frechet=150.0, **none),
    ]
    paths = [
        write_scores(tmp_path, "digits", sphere),
        write_scores(tmp_path, "faces", [RECONSTRUCTION], dataset="faces-8px"),
        write_scores(tmp_path, "digits-vae", vae, kind="vae"),
    ]
    fid_table(paths, tmp_path / "fid_table.csv")
    return tmp_path / "fid_table.csv"


def written(table: Path, name: str) -> list[dict[str, str]]:
    folder = table.parent / "tables"
    paper_tables(table, [], [name], folder)
    return list(csv.DictReader((folder / f"{name}.csv").open()))


def test_a_dataset_has_its_own_sets_alone(table: Path) -> None:
    rows = written(table, "scores-digits-8px")
    assert {row["run"] for row in rows} == {"digits", "digits-vae"} and len(rows) == 9
    assert (rows[0]["set"], rows[0]["distance"], rows[0]["PSNR, dB"]) == ("reconstruction", "44", "20.777")
    assert (rows[0]["SSIM"], rows[0]["SSIM's window, px"], rows[0]["LPIPS"]) == ("0.91234", "7", "")
    text = (table.parent / "tables" / "scores-digits-8px.md").read_text()
    assert text.startswith("Sample sets of") and " No LPIPS: not computed below 32 pixels." in text
    assert rows[4]["set"] == "4 steps, linear, shared" and rows[4]["distance se"] == "2.1234"
    assert [row["run"] for row in written(table, "scores-faces-8px")] == ["faces"]


def test_schemes_share_their_single_step_and_never_another_guidances(table: Path) -> None:
    rows = {(row["guidance"], row["strength"], row["noise"]): row for row in written(table, "schemes")}
    assert [*rows] == [
        *(("none", "fixed", "shared"), ("none", "linear", "shared"), ("combo 1.4", "fixed", "shared"))
    ]
    assert {(row["1 step"], row["4 steps"]) for row in rows.values()} == {
        *(("152", "126.5"), ("152", "81"), ("90", "60"))
    }
    assert rows["combo 1.4", "fixed", "shared"]["1 step"] == "90"


def test_guidance_is_compared_by_the_papers_scheme(table: Path) -> None:
    rows = written(table, "guidance")
    assert [(row["guidance"], row["scale"], row["1 step"], row["4 steps"]) for row in rows] == [
        ("combo", "1.4", "90", "60"),
        ("none", "1", "152", "126.5"),
    ]


def test_the_hole_takes_unguided_draws_of_datasets_with_a_vae(table: Path) -> None:
    sphere, vae = written(table, "posterior-hole")
    assert (sphere["run"], sphere["reconstructions"], sphere["random points, 1 step"]) == (
        "digits",
        "44",
        "152",
    )
    assert (vae["reconstructions"], vae["prior"], vae["estimated posterior"]) == ("26", "231", "150")
    assert sphere["prior"] == vae["random points, 1 step"] == "" and sphere["floor"] == vae["floor"] != ""


def test_image_sets_have_a_line_for_each_scheme_cut_and_generation(tmp_path: Path) -> None:
    said = {"name": "a", "dataset": "digits", "indices": [0]}
    sets = {"edits": [said], "reconstructions": [said], "interpolations": [{"name": "a"}]}
    record = images_record(tmp_path, "digits", "sphere", sets)
    inputs = pictures(4)
    inputs = np.stack([inputs, 255 - inputs], axis=1).reshape(8, 8, 8, 3)
    axes = [("scheme", ["fixed-shared", "linear-shared"]), ("class", ["0", "1"])]
    axes += [("input", range(8)), ("step", range(4))]
    negatives = {"negatives": True}
    write_images(record, "edit-a", axes, edited(inputs, 0.7), settings=negatives)
    loop = looped(pictures(5), 1.5, 0.2)
    axes = [("input", range(5)), ("pass", range(loop.shape[1]))]
    write_images(record, "reconstruction-a", axes, loop)
    measures = {"speeds": {"generation-1": speeds(1, 11, 5.0)}}
    axes = [("generation", ["generation-1"]), ("path", [0]), ("point", range(11))]
    write_images(record, "interpolation-a", axes, np.zeros((1, 1, 11, 8, 8, 3)), measures=measures)

    fixed, linear, line, loops = module.of_image_sets([record]).lines
    assert [each["of"] for each in (fixed, linear, line, loops)] == [
        *("fixed, shared", "linear, shared", "1 step", "")
    ]
    assert [each["images, pairs or paths"] for each in (fixed, line, loops)] == ["4", "1", "5"]
    squares = ((loop.round()[:, -1] - loop.round()[:, 0]) ** 2).mean((1, 2, 3))
    psnr = 10 * np.log10(255**2 / squares)
    measured = loops["PSNR to the input, dB"]
    assert isinstance(measured, Measured)
    assert float(measured.value) == pytest.approx(psnr.mean(), rel=1e-5)
    assert float(measured.se) == pytest.approx(psnr.std(ddof=1) / 5**0.5, rel=1e-4)
    kept = fixed["correlation with the own input"]
    assert isinstance(kept, Measured) and 0.8 < float(kept.value) < 1 and float(kept.se) > 0
    (speed,) = measures["speeds"]["generation-1"]
    share = max(speed["encoding"]) / sum(speed["encoding"])
    assert line["fastest tenth, encoder's outputs"] == Measured(f"{share:.6g}")
    assert line["fastest tenth, latents"] == Measured("0.1")


def test_three_formats_say_the_same(table: Path) -> None:
    folder = table.parent / "tables"
    paper_tables(table, [], ["schemes"], folder)
    markdown = [line.strip("| \n").split(" | ") for line in (folder / "schemes.md").open() if line[0] == "|"]
    latex = [
        [cell.strip() for cell in line.removesuffix("\\\\\n").replace("$\\pm$", "±").split("&")]
        for line in (folder / "schemes.tex").open()
        if "&" in line
    ]
    assert latex[0] == markdown[0] and latex[1:] == markdown[2:] and len(latex) == 4
    rows = list(csv.DictReader((folder / "schemes.csv").open()))
    assert [line[-1] for line in latex[1:]] == [
        f"{float(row['4 steps']):.1f} ± {float(row['4 steps se']):.1f}" for row in rows
    ]


def test_empty_columns_stay_in_the_csv_alone() -> None:
    found = Table("T.", [{"a": "1", "b": Measured("")}, {"a": "2", "b": Measured("")}])
    assert module.as_csv(found) == "a,b\n1,\n2,\n"
    assert module.as_markdown(found) == "T.\n\n| a |\n| --- |\n| 1 |\n| 2 |\n"
    assert "b" not in module.as_latex(found).split("\\toprule")[1].split("\\midrule")[0]


def test_latex_keeps_its_own_signs() -> None:
    found = Table("T.", [{"a_b": "50 % & more", "x": Measured("1.5", "0.25")}])
    text = module.as_latex(found)
    assert "a\\_b" in text and "50 \\% \\& more" in text and "1.50 $\\pm$ 0.25" in text


def test_uniformity_has_a_line_for_each_cloud(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    found = {"latents": random.standard_normal((80, 16)), "labels": np.arange(80) % 4}
    np.savez(tmp_path / "latents.npz", pixels=random.uniform(-1, 0, (80, 27)).astype(np.float32), **found)
    out, settings = tmp_path / "u.json", Uniformity(count=80, null_draws=20)
    uniformity(tmp_path / "latents.npz", out, run="digits", classes=4, settings=settings, seed=0)
    frame = pd.read_csv(io.StringIO(module.as_csv(module.of_uniformity([out]))))
    assert [*frame["cloud"]] == ["latents of digits", "raw pixels, not centred", "true uniform points"]
    assert (frame["points"] == 80).all() and frame["mean cosine se"].notna().all()


def test_each_training_has_lines_of_its_own(tmp_path: Path) -> None:
    paths = [
        write_scores(tmp_path, name, [four("fixed", "shared", frechet), ONE | {"frechet": 2 * frechet}])
        for name, frechet in (("digits", 100.0), ("digits_r1", 120.0))
    ]
    fid_table(paths, tmp_path / "fid_table.csv")
    rows = written(tmp_path / "fid_table.csv", "schemes")
    assert [(row["run"], row["1 step"], row["4 steps"]) for row in rows] == [
        ("digits", "200", "100"),
        ("digits_r1", "240", "120"),
    ]
    scores = written(tmp_path / "fid_table.csv", "scores-digits-8px")
    assert (scores[0]["mean of trainings"], scores[0]["their deviation"]) == ("110", "14.1421")


def test_an_unknown_table_is_told(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No table is called 'scheme'; did you mean 'schemes'"):
        paper_tables(table, [], ["scheme"], tmp_path)
