"""The posterior hole of every model: the figure's rows, its numbers, and the page in a real browser."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_figures import archive, score, scores

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.figures import posterior_hole_models as models
from sphere_repro.figures import style

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SETS = {
    "digits": ("reconstruction", "generation-1"),
    "digits-vae": ("reconstruction", "prior", "posterior"),
    "sd-vae": ("reconstruction", "prior", "posterior"),
}


def inputs(folder: Path, size: int = 8) -> dict[str, Path]:
    found = {}
    for number, (run, sets) in enumerate(SETS.items()):
        found[f"{run}.real"] = archive(folder / f"{run}.real.zip", size=size)
        for place, name in enumerate(sets):
            found[f"{run}.{name}"] = archive(
                folder / f"{run}.{name}.zip", seed=1 + 10 * number + place, size=size
            )
        found[f"{run}.scores"] = scores(folder / f"{run}.json", "vae" if number else "sphere")
    return found | {"sd-vae.scores": of_pretrained(found["sd-vae.scores"])}


def of_pretrained(path: Path) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": "pretrained-vae"}))
    return path


def embedded(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))  # type: ignore[no-any-return]


def test_a_row_for_each_model_and_its_numbers(tmp_path: Path) -> None:
    drawn = models.figure(inputs(tmp_path))
    assert [axes.get_ylabel() for axes in drawn.axes[::4]] == [
        *("digits\nSphere Encoder", "digits-vae\nVAE", "sd-vae\npretrained VAE")
    ]
    assert "410 ± 2" in drawn.axes[6].get_title() and "300 ± 2" in drawn.axes[7].get_title()
    assert style.png(drawn) == style.png(models.figure(inputs(tmp_path)))
    table = models.numbers(inputs(tmp_path))
    assert [*table["set"]] == [name for sets in SETS.values() for name in sets]
    prior = table[(table["run"] == "sd-vae") & (table["set"] == "prior")].iloc[0]
    assert prior["distance"] == 410 and prior["ratio to the reconstruction"] == pytest.approx(410 / 48)


def test_the_page_has_the_images_of_every_model(tmp_path: Path) -> None:
    found = inputs(tmp_path)
    data = embedded(models.page(found))
    assert [model["name"] for model in data["models"]] == [*SETS]
    for model in data["models"]:
        assert len(model["columns"]) == 4
        kind, _, text = model["columns"][3]["image"].partition(",")
        assert kind == "data:image/png;base64"
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
        assert shown.shape == (24, 40, 3)
        drawn = ImageArchive(found[f"{model['name']}.{model['columns'][3]['set']}"])
        everything = [drawn.read(index) for index in range(len(drawn))]
        assert any((shown[:8, :8] == image).all() for image in everything)


def test_large_images_are_made_smaller_for_the_page(tmp_path: Path) -> None:
    kind, _, text = embedded(models.page(inputs(tmp_path, 160)))["models"][0]["columns"][0][
        "image"
    ].partition(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(text))).size == (5 * 128, 3 * 128)


def test_a_name_cannot_end_the_script(tmp_path: Path) -> None:
    page = models.page(inputs(tmp_path), "</script>")
    assert page.count("</script>") == 2 and embedded(page)["title"].endswith("</script>")


def test_a_guided_single_step_is_said(tmp_path: Path) -> None:
    found = inputs(tmp_path)
    name = "generation-1-combo-1.2"
    found[f"digits.{name}"] = found.pop("digits.generation-1")
    data = json.loads(found["digits.scores"].read_text())
    data["records"] = [score("reconstruction", "reconstruction", 45), score(name, "generation", 99, 1)]
    found["digits.scores"].write_text(json.dumps(data))
    drawn = models.figure(found)
    assert "guided" in drawn.axes[2].get_title() and "99 ± 2" in drawn.axes[2].get_title()
    assert embedded(models.page(found))["models"][0]["columns"][2]["distance"].startswith("99")


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ("sd-vae.real", "needs sd-vae.real=PATH"),
        ("sd-vae.prior", "needs the sample set 'prior'"),
        (None, r"needs RUN\.scores=PATH"),
    ],
)
def test_what_is_missing_is_told(lost: str | None, words: str, tmp_path: Path) -> None:
    found = {key: path for key, path in inputs(tmp_path).items() if lost not in (key, None)}
    with pytest.raises(UserError, match=words):
        models.figure(found)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_models_are_switched_in_a_browser_and_nothing_else_is_loaded(tmp_path: Path) -> None:
    page = models.page(inputs(tmp_path))
    assert CHROMIUM and not re.search(r"(src|href)=|https?://", page)
    steps = "for (const key of ['ArrowRight', 'ArrowRight', 'ArrowRight', 'ArrowLeft'])"
    typed = f"<script>{steps} dispatchEvent(new KeyboardEvent('keydown', {{key}}));</script>"
    (tmp_path / "usual.html").write_text(page)
    (tmp_path / "typed.html").write_text(page.replace("</body>", f"{typed}</body>"))
    titles = []
    for name in ("usual", "typed"):
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--virtual-time-budget=5000", "--dump-dom", (tmp_path / f"{name}.html").as_uri()]
        dom = subprocess.run(command, capture_output=True, text=True, timeout=900, check=True).stdout
        found = re.search(r'<h2 id="about"[^>]*>(.*?)</h2>', dom)
        assert found and dom.count("<figure>") == 4 and dom.count('role="tab"') == 3
        titles.append(found.group(1).partition(":")[0])
    assert titles == ["digits", "sd-vae"]
