"""The drawing of the packages is that of today's imports."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType
from xml.etree import ElementTree

import pytest

from conftest import ROOT
from test_imports import ORDER

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def artist() -> ModuleType:
    """The script that draws."""
    spec = importlib.util.spec_from_file_location("draw_packages", ROOT / "workflow/scripts/draw_packages.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_drawing_is_up_to_date(artist: ModuleType) -> None:
    assert (ROOT / "docs/packages.svg").read_text(encoding="utf-8") == artist.drawing(), "run make docs"


def test_it_shows_every_package_and_every_direct_import(artist: ModuleType) -> None:
    tree = ElementTree.fromstring(artist.drawing())
    names = [text.text.rstrip("/") for text in tree.iter(f"{SVG}text") if text.get("font-weight") == "bold"]
    assert names == list(reversed(ORDER))
    arcs = [path for path in tree.iter(f"{SVG}path") if path.get("marker-end")]
    assert len(arcs) == sum(len(others) for others in artist.direct(artist.arrows()).values())


def test_what_follows_from_other_arrows_is_left_out(artist: ModuleType) -> None:
    found: dict[str, set[str]] = {name: set() for name in ORDER}
    low, middle, high = ORDER[0], ORDER[5], ORDER[9]
    found |= {middle: {low}, high: {low, middle}}
    drawn = artist.direct(found)
    assert drawn[high] == {middle} and drawn[middle] == {low}


def test_no_arc_runs_over_another(artist: ModuleType) -> None:
    lanes = artist.in_lanes([(0, 1), (0, 4), (1, 2), (1, 3), (2, 4)])
    assert lanes[0, 1] == lanes[1, 2] == 0
    for one, lane in lanes.items():
        for other, taken in lanes.items():
            if one < other and one[1] > other[0]:
                assert lane != taken, (one, other)


def test_sentences_fit_their_boxes(artist: ModuleType) -> None:
    """A letter of Helvetica at 13 pixels is about half as wide as high."""
    tree = ElementTree.fromstring(artist.drawing())
    edge = min(float(box.get("width", 0)) for box in tree.iter(f"{SVG}rect") if box.get("rx"))
    for text in tree.iter(f"{SVG}text"):
        words = re.sub(r"\s+", " ", text.text or "")
        assert float(text.get("x", 0)) + 6.3 * len(words) < edge + 20
