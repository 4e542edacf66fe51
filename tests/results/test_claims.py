"""All claims in their files, and results that are broken."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from image_results import PASSES, images_record, looped, pictures, write_images
from study_results import angles, cloud, sphere, thrice, uniformity, vae, varied

from prior_results import add_emptiness, emptiness, gap
from sphere_repro.errors import UserError
from sphere_repro.results.claims import claims
from sphere_repro.results.scores import RunScores, read_scores
from sphere_repro.results.statements import ALONE, TEXTS


def write_scores(path: Path, run: RunScores) -> Path:
    records = [record.__dict__ for record in run.records]
    head: dict[str, Any] = {"run": run.run, "dataset": run.dataset, "kind": run.kind, "metric": run.metric}
    if run.ablation:
        head["ablation"] = run.ablation.model_dump()
    path.write_text(
        json.dumps(head | {"floor": {"frechet": run.floor}, "records": records, "classifier": None})
    )
    return path


def looped_runs(folder: Path) -> list[Path]:
    """Image sets of a Sphere Encoder whose loop is stable, and of a VAE whose loop drifts."""
    said = {"name": "a", "dataset": "digits", "indices": list(range(8)), "passes": PASSES}
    records = []
    for run, kind, growth in (("digits", "sphere", 1.0), ("digits-vae", "vae", 1.5)):
        record = images_record(folder, run, kind, {"reconstructions": [said]})
        axes = [("input", range(8)), ("pass", range(PASSES + 1))]
        write_images(record, "reconstruction-a", axes, looped(pictures(8), growth, 0.05))
        records.append(record)
    return records


def test_verb_writes_json_and_both_tables(tmp_path: Path) -> None:
    runs = thrice(sphere(), vae(), varied("loss-terms", ALONE, 300))
    files = [write_scores(tmp_path / f"{number}.json", run) for number, run in enumerate(runs)]
    for path, run in zip(files, runs, strict=True):
        if run.kind == "vae":
            add_emptiness(path, emptiness("prior", {"prior": 0.9}, [0.1, 0.9]))
        elif run.ablation is None:
            add_emptiness(path, emptiness("generation-1", {"generation-1": 0.3}))
    judged = uniformity(cloud("latents", 0.0, 1.0)) | angles(0.01, 0.01)
    judged |= {"baseline_run": "digits-vae", "prior_gap": {"latents": gap(0.55), "baseline": gap(0.99)}}
    (tmp_path / "u.json").write_text(json.dumps(judged | {"clouds": list(judged["clouds"].values())}))
    images = looped_runs(tmp_path)
    for name in ("one", "two"):
        out = tmp_path / name / "claims.json"
        claims(files, [tmp_path / "u.json"], out, images=images, baselines={"digits": "digits-vae"})
    for file in ("claims.json", "claims.csv", "claims.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    about = json.loads((tmp_path / "one/claims.json").read_text())
    found = about["claims"]
    without = ("published", "decoder", "editing", "interpolation", "crossover", "samples", "vae-trade")
    without += ("sphere-beyond",)
    assert [claim["claim"] for claim in found] == [n for n in TEXTS if not n.startswith(without)]
    assert {str(path) for path in images} <= about["provenance"]["inputs"].keys()
    assert found[0]["numbers"]["difference"] == {"value": 80.0, "se": pytest.approx(2**0.5)}
    rows = list(csv.DictReader((tmp_path / "one/claims.csv").open()))
    assert [row["verdict"] for row in rows] == [claim["verdict"] for claim in found]
    table = (tmp_path / "one/claims.md").read_text()
    assert table.count("**holds**") == 12 and "80 ± 1.4" in table


def test_broken_scores_are_named(tmp_path: Path) -> None:
    path = write_scores(tmp_path / "a.json", vae())
    data = json.loads(path.read_text())
    del data["records"][0]["frechet"]
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match=r"a\.json is no scores file"):
        read_scores(path)
