"""Other methods' published numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.results.rivals import load_rivals, rivals_table

RIVALS = load_rivals(ROOT / "params" / "rivals.yaml")
# A second time, so that a slip in either place shows: dataset, classes given, steps, FID.
KNOWN = {
    "DDPM": [("cifar10", False, 1000, 3.17)],
    "EDM": [("cifar10", False, 35, 1.97), ("cifar10", True, 35, 1.79)],
    "StyleGAN2-ADA": [("cifar10", False, 1, 2.92), ("cifar10", True, 1, 2.42)],
    "ADM-G": [("imagenet", True, 250, 4.59)],
    "LDM-4-G": [("imagenet", True, 250, 3.60)],
    "DiT-XL/2": [("imagenet", True, 250, 2.27)],
    "SiT-XL/2": [("imagenet", True, 250, 2.06)],
    "StyleGAN-XL": [("imagenet", True, 1, 2.30)],
    "MeanFlow-XL/2": [("imagenet", True, 1, 3.43)],
    "shortcut models XL": [("imagenet", True, 1, 10.60), ("imagenet", True, 4, 7.80)],
    "Sphere Latent Encoder": [("imagenet", True, 4, 2.25), ("imagenet", True, 6, 2.11)],
}


def test_every_number_once() -> None:
    found: dict[str, list[tuple[str | None, bool, int, float]]] = {}
    for rival in RIVALS:
        row = (rival.dataset.name, rival.conditional, rival.steps, rival.frechet)
        found.setdefault(rival.method, []).append(row)
    assert found == KNOWN


def test_the_table_has_a_line_for_each() -> None:
    lines = rivals_table(RIVALS).splitlines()
    assert len(lines) == 2 + len(RIVALS) and lines[2] == "| cifar10-32px | DDPM | none | 1000 | 3.17 |"


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rivals.yaml"
    with pytest.raises(UserError, match="does not exist"):
        load_rivals(path)
    path.write_text("rivals: [{method: DDPM, fid: 3}]")
    with pytest.raises(UserError, match=r"rivals\.yaml.*(unknown key|lacks|missing)"):
        load_rivals(path)
