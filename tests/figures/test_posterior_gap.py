"""The posterior and the prior: which panels there are, what they show, and the numbers behind them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_figures import scores

from prior_results import add_emptiness, emptiness, gap
from sphere_repro.errors import UserError
from sphere_repro.figures import posterior_gap as module
from sphere_repro.figures import style

SHARES = {"reconstruction": 0.1, "posterior": 0.4, "prior": 0.9}


def latents(folder: Path, other: dict[str, Any] | None) -> Path:
    path = folder / "u.json"
    gaps = {"baseline": other, "latents": gap(0.6)}  # in files keys stand by the alphabet
    found = {"run": "digits", "baseline_run": "digits-vae", "clouds": [{"key": "latents"}], "prior_gap": gaps}
    path.write_text(json.dumps(found))
    return path


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    sphere, vae = (scores(tmp_path / f"{kind}.json", kind) for kind in ("sphere", "vae"))
    add_emptiness(sphere, emptiness("generation-1", {"reconstruction": 0.1, "generation-1": 0.3}, [0.1, 0.3]))
    add_emptiness(vae, emptiness("prior", SHARES, [0.1, 0.5, 0.9]))
    return {"result": latents(tmp_path, gap(0.99)), "scores.digits": sphere, "scores.digits-vae": vae}


def test_panels_of_latents_of_sets_and_of_paths(inputs: dict[str, Path]) -> None:
    drawn = module.figure(inputs, "digits")
    assert [axes.get_title(loc="left") for axes in drawn.axes] == [
        *("AUC, quadratic kernel", "AUC, 10 nearest", "kernel MMD²", "sliced Wasserstein distance"),
        *("Sample sets", "On the way to the prior"),
    ]
    first, sets, paths = drawn.axes[0], *drawn.axes[-2:]
    assert [text.get_text() for text in first.get_xticklabels()] == ["digits", "digits-vae"]
    marked = {float(line.get_ydata()[0]) for line in first.lines if len(line.get_ydata()) == 1}
    assert {0.6, 0.99, 0.5, 0.97} <= marked
    assert [text.get_text() for text in sets.get_xticklabels()] == [
        *("reconstruction", "estimated\nposterior", "prior\n(one step)")
    ]
    curves = [[*map(float, line.get_ydata())] for line in paths.lines]
    assert curves[:4] == [[0.1, 0.3], [0.1, 0.3], [0.1, 0.5, 0.9], [0.1, 0.5, 0.9]]
    assert style.png(drawn) == style.png(module.figure(inputs, "digits"))


def test_numbers_are_those_of_the_marks_and_curves(inputs: dict[str, Path]) -> None:
    table = module.numbers(inputs)
    latents = table[table["part"] == "latents"]
    assert len(latents) == 2 * 3 * 4 and set(latents["run"]) == {"digits", "digits-vae"}
    path = table[(table["part"] == "path") & (table["run"] == "digits-vae")]
    assert [*path["t"]] == [0, 0.5, 1] * 2 and [*path["value"]] == [0.1, 0.5, 0.9] * 2
    prior = table[(table["of"] == "prior") & (table["measure"] == "distance to the nearest training image")]
    assert prior["value"].item() == 0.9 and prior["count"].item() == 1000
    noise = table[table["of"] == "images of noise"]
    assert (noise["value"] == 1).all()


def test_without_latents_there_are_the_images_alone_and_the_other_way_round(inputs: dict[str, Path]) -> None:
    images = {key: path for key, path in inputs.items() if key != "result"}
    assert len(module.figure(images).axes) == 2
    assert len(module.figure({"result": inputs["result"]}).axes) == 4


def test_a_model_alone_and_paths_that_were_not_drawn(inputs: dict[str, Path], tmp_path: Path) -> None:
    one = scores(tmp_path / "one.json", "sphere")
    add_emptiness(one, emptiness("generation-1", {"generation-1": 0.3}))
    drawn = module.figure({"result": latents(tmp_path, None), "scores.digits": one})
    assert [text.get_text() for text in drawn.axes[0].get_xticklabels()] == ["digits"]
    assert drawn.axes[-1].get_title(loc="left") == "On the way to the prior: not drawn"


def test_results_that_say_nothing_of_it_are_told(tmp_path: Path) -> None:
    old = scores(tmp_path / "old.json", "vae")
    with pytest.raises(UserError, match=r"needs result=PATH, .* or scores\.RUN=PATH"):
        module.figure({"scores.old": old})
    with pytest.raises(UserError, match="needs result=PATH"):
        module.figure({})
    broken = scores(tmp_path / "broken.json", "vae")
    add_emptiness(broken, emptiness("prior", SHARES) | {"emptiness": {"control": "else"}})
    with pytest.raises(UserError, match="says nothing of empty images"):
        module.figure({"scores.broken": broken})
