"""The figure of the ablations: what varies stands in its panel, judged by the right sets."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from sphere_repro.errors import UserError
from sphere_repro.figures import ablations, style
from sphere_repro.results.scores import ablation_axes, read_scores

METRIC = "frechet-efficientnet-lite0-128px-bicubic"
JUDGED = (4, "fixed", "shared", 1.2, "combo")
BASELINE = {
    (1, None, None, 1.2, "combo"): 300,
    JUDGED: 200,
    (2, "fixed", "shared", 1.2, "combo"): 240,
    (10, "fixed", "shared", 1.2, "combo"): 190,
    (4, "fixed", "independent", 1.2, "combo"): 210,
    (4, "linear", "shared", 1.2, "combo"): 220,
    (4, "fixed", "shared", 1.2, "dec"): 205,
    (4, "fixed", "shared", 1.0, None): 260,
    (4, "fixed", "shared", 2.0, "combo"): 230,
}


def run(path: Path, sets: dict[tuple, float], ablation: dict[str, str] | None = None, **changes: str) -> Path:
    keys = ("steps", "strength", "noise", "guidance_scale", "guidance_position")
    records = [
        {
            "set": "-".join(map(str, about)),
            "kind": "generation",
            "count": 40,
            "frechet": frechet,
            "frechet_se": 2.0,
        }
        | dict(zip(keys, about, strict=True))
        for about, frechet in sets.items()
    ]
    records.insert(
        0, {"set": "reconstruction", "kind": "reconstruction", "count": 40, "frechet": 50, "frechet_se": 1}
    )
    data = {"run": path.stem, "dataset": "digits-8px", "kind": "sphere", "metric": METRIC, "records": records}
    data["classifier"] = None
    path.write_text(json.dumps(data | changes | ({"ablation": ablation} if ablation else {})))
    return path


def study(folder: Path) -> list[Path]:
    def angle(value: str) -> dict[str, str]:
        return {"axis": "alpha-max", "value": value, "baseline": "80°"}

    terms = {"axis": "loss-terms", "value": "L_pix-recon alone", "baseline": "all three"}
    return [
        run(folder / "baseline.json", BASELINE),
        run(folder / "alone.json", {JUDGED: 280}, terms),
        run(folder / "angle-87.json", {JUDGED: 250, (1, None, None, 1.2, "combo"): 320}, angle("87°")),
        run(folder / "angle-75.json", {JUDGED: 215}, angle("75°")),
    ]


def found(folder: Path) -> dict[str, list[tuple[str, float, bool]]]:
    axes = ablation_axes([read_scores(path) for path in study(folder)])
    return {
        name: [(variant.value, variant.score.frechet, variant.baseline) for variant in variants]
        for name, variants in axes.items()
    }


def test_each_axis_has_its_variants_and_the_baseline(tmp_path: Path) -> None:
    assert found(tmp_path) == {
        "loss-terms": [("all three", 200, True), ("L_pix-recon alone", 280, False)],
        "alpha-max": [("75°", 215, False), ("80°", 200, True), ("87°", 250, False)],
        "steps": [("1", 300, False), ("2", 240, False), ("4", 200, True), ("10", 190, False)],
        "scheme": [
            ("fixed + shared", 200, True),
            ("fixed + independent", 210, False),
            ("linear + shared", 220, False),
        ],
        "guidance-position": [("combo", 200, True), ("dec", 205, False)],
        "guidance-scale": [("1", 260, False), ("1.2", 200, True), ("2", 230, False)],
    }


def test_same_results_same_bytes_and_nothing_cut_off(tmp_path: Path) -> None:
    data = style.png(ablations.draw(study(tmp_path)))
    assert data == style.png(ablations.draw(study(tmp_path)))
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert min(pixels[0].min(), pixels[-1].min(), pixels[:, 0].min(), pixels[:, -1].min()) == 255


def test_marks_stand_where_they_were_measured(tmp_path: Path) -> None:
    panels: dict[str, Axes] = {}
    for axes in ablations.draw(study(tmp_path)).axes:
        panels[axes.get_title(loc="left")] = axes
    angle = panels["largest noise angle"]
    assert [label.get_text() for label in angle.get_yticklabels()] == ["75°", "80°", "87°"]
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in angle.lines if line.get_marker() == "o"]
    assert [tuple(map(float, mark)) for mark in marks] == [(215, 0), (200, 1), (250, 2)]
    filled = [line.get_markerfacecolor() != "white" for line in angle.lines if line.get_marker() == "o"]
    assert filled == [False, True, False]
    assert angle.yaxis_inverted()


def test_the_table_gives_the_differences(tmp_path: Path) -> None:
    table = ablations.table(study(tmp_path)).set_index(["axis", "value"])
    assert table.loc[("alpha-max", "87°"), "minus baseline"] == 50
    assert table.loc[("loss-terms", "all three"), "minus baseline"] == 0
    assert table.loc[("steps", "1"), "standard error"] == 2


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs one scores file"):
        ablations.draw([])
    with pytest.raises(UserError, match="needs something varied"):
        ablations.draw([run(tmp_path / "a.json", {JUDGED: 200})])
    with pytest.raises(UserError, match="needs something varied"):
        ablations.draw([run(tmp_path / "a.json", {(1, None, None, 1.0, None): 200})])
    first, *others = study(tmp_path)
    foreign = run(
        tmp_path / "b.json", {JUDGED: 2}, {"axis": "ratio", "value": "2"}, metric="fid-inception-clean"
    )
    with pytest.raises(UserError, match=r"b\.json cannot be compared with .*baseline\.json"):
        ablations.draw([first, *others, foreign])
    for wrong in ({"axis": "ratio"}, {"axis": "ratio", "value": "2", "valu": "3"}, [1]):
        path = run(tmp_path / "c.json", {JUDGED: 2}, wrong)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=r"c\.json: ablation"):
            ablations.draw([first, path])


def test_several_trainings_are_their_mean_and_the_deviation_between_them(tmp_path: Path) -> None:
    more = [
        run(tmp_path / f"baseline_r{number}.json", BASELINE | {JUDGED: 200 + 10 * number})
        for number in (1, 2)
    ]
    terms = {"axis": "loss-terms", "value": "L_pix-recon alone", "baseline": "all three"}
    files = [*study(tmp_path), *more, run(tmp_path / "alone_r1.json", {JUDGED: 284}, terms)]
    found = ablations.table(files).set_index(["axis", "value"])
    ours, alone = found.loc[("loss-terms", "all three")], found.loc[("loss-terms", "L_pix-recon alone")]
    assert (ours["distance"], ours["trainings"], ours["deviation between trainings"]) == (210, 3, 10)
    assert (alone["distance"], alone["trainings"], alone["minus baseline"]) == (282, 2, 72)
    single = found.loc[("alpha-max", "87°")]
    assert single["trainings"] == 1 and np.isnan(single["deviation between trainings"])
    drawn = ablations.draw(files)
    panel = next(axes for axes in drawn.axes if axes.get_title(loc="left") == "terms of the objective")
    bars = [line.get_segments()[0] for line in panel.collections]
    assert [bar[1][0] - bar[0][0] for bar in bars] == pytest.approx([20, 2 * 8**0.5])
    said = " ".join(text.get_text() for text in drawn.texts)
    assert "the standard deviation between them: baseline (3), alone (2)." in said
