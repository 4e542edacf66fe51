"""The tables of gaps in latents and of images that are nothing: which lines, and what stands in them."""

from __future__ import annotations

import json
from pathlib import Path

from study_results import cloud, sphere, uniformity, vae
from test_claims import write_scores

from prior_results import add_emptiness, emptiness, gap
from sphere_repro.results.prior_gap_tables import of_posterior_gap, of_prior_emptiness
from sphere_repro.results.table_formats import Measured, as_csv, as_latex, as_markdown


def test_every_statistic_of_every_model_and_control_has_a_line(tmp_path: Path) -> None:
    judged = uniformity(cloud("latents", 0.0, 1.0)) | {"baseline_run": "digits-vae"}
    judged["prior_gap"] = {"latents": gap(0.55), "baseline": gap(0.99)}
    (tmp_path / "u.json").write_text(json.dumps(judged | {"clouds": [*judged["clouds"].values()]}))
    found = of_posterior_gap([tmp_path / "u.json"])
    assert len(found.lines) == 2 * 3 * 4
    first = found.lines[0]
    assert (first["run"], first["compared"], first["points"]) == ("digits", "latents", "1000")
    assert first["value"] == Measured("0.55") and first["p"] == "0.005"
    assert {line["run"] for line in found.lines} == {"digits", "digits-vae"}
    for text in (as_csv(found), as_markdown(found), as_latex(found)):
        assert "planted gap" in text and "MMD" in text


def test_a_result_of_too_few_latents_has_no_lines(tmp_path: Path) -> None:
    judged = uniformity(cloud("latents", 0.0, 1.0)) | {"prior_gap": {"latents": None}}
    (tmp_path / "u.json").write_text(json.dumps(judged | {"clouds": [*judged["clouds"].values()]}))
    assert of_posterior_gap([tmp_path / "u.json"]).lines == []


def test_sets_paths_and_controls_have_lines(tmp_path: Path) -> None:
    one, other = (write_scores(tmp_path / f"{run.run}.json", run) for run in (sphere(), vae()))
    add_emptiness(one, emptiness("generation-1", {"generation-1": 0.3}))
    add_emptiness(other, emptiness("prior", {"prior": 0.9, "reconstruction": 0.1}, [0.1, 0.5, 0.9]))
    lines = of_prior_emptiness([one, other]).lines
    distance = [line for line in lines if line["measure"] == "distance to the nearest training image"]
    assert len(lines) == 2 * len(distance)
    assert [(line["run"], line["images"], line["count"]) for line in distance] == [
        ("digits", "control: training images, leave-one-out", "1000"),
        ("digits", "control: images of noise", "100"),
        ("digits", "1 step", "1000"),
        ("digits-vae", "control: training images, leave-one-out", "1000"),
        ("digits-vae", "control: images of noise", "100"),
        ("digits-vae", "reconstruction", "1000"),
        ("digits-vae", "prior", "1000"),
        ("digits-vae", "from the posterior to the prior, t = 0", "100"),
        ("digits-vae", "from the posterior to the prior, t = 0.5", "100"),
        ("digits-vae", "from the posterior to the prior, t = 1", "100"),
    ]
    assert distance[6]["share that is nothing"] == Measured("0.9")


def test_scores_without_it_have_no_lines(tmp_path: Path) -> None:
    assert of_prior_emptiness([write_scores(tmp_path / "a.json", vae())]).lines == []
