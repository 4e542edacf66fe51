"""The page without a server, in a real browser: its pictures are those of the commands that it shows."""

from __future__ import annotations

import functools
import shlex
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from browser import IN_A_BROWSER, opened
from conftest import PATIENCE
from serving.conftest import pixels_of, stage_of
from small_models import write_models
from sphere_repro import cli
from sphere_repro.errors import UserError
from sphere_repro.exporting.runtime import runtime
from sphere_repro.serving.answers import answer
from sphere_repro.serving.asked import Draw

pytestmark = [pytest.mark.slow, IN_A_BROWSER]
VIEWS = (
    "view=draw&seed=5&steps=3",
    "view=draw&seed=5&steps=3&strength=linear&noise=independent&guidance=2.5&position=dec&classes=two+words",
    "view=draw&seed=6&steps=2&noise=initial&count=2",
    "view=between&seed=2&steps=2&points=3&classes=dog,two+words",
    "view=between&seed=2&points=4&through=spherical",
    "view=between&form=square&points=3&through=spherical",
    "view=edit&steps=2&scheme=linear&noise=independent&guidance=2",
    "view=edit&steps=2&classes=&seed=3",
    "view=stitch&passes=2&cut=diagonal",
    "view=stitch&passes=1&cut=antidiagonal&drawn=8",
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the models and, in `out`, the page of a conditional Sphere Encoder with a VAE beside it."""
    place = tmp_path_factory.mktemp("exported")
    write_models(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        try:
            with runtime(None) as found:
                told = ["export", "sphere.safetensors", "--onnx", "--page", "--beside", "vae.safetensors"]
                assert cli.main([*told, "--out", "out", "--runtime", str(found)]) == 0
        except UserError as error:
            pytest.skip(f"NOT TESTED, the page in a browser: {error}")
    return place


@pytest.fixture(scope="module")
def home(folder: Path) -> Iterator[str]:
    """The address of the page on a server that knows nothing but files."""
    handler = functools.partial(Quiet, directory=str(folder / "out"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def settled(page: Page) -> None:
    """Until every question is answered."""
    page.wait_for_selector("#answer[aria-busy=false] img", timeout=1000 * PATIENCE)


def cells(page: Page) -> list[dict[str, Any]]:
    """What the page answers to the settings that it shows."""
    found = page.evaluate("async () => (await ask(view, settings(), files())).rows")
    return [cell for row in found for cell in [*row["cells"], row["beside"]] if cell]


def compare(found: list[dict[str, Any]], inputs: Path, folder: Path) -> int:
    """Largest difference of the cells' pixels from the files that their commands write into `folder`."""
    largest = 0
    for number, command in enumerate(sorted({cell["command"] for cell in found} - {""})):
        place = folder / str(number)
        place.mkdir(parents=True)
        for path in inputs.iterdir():
            (place / path.name).symlink_to(path)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(place)
            for line in command.splitlines():
                assert cli.main(shlex.split(line)[1:]) == 0, line
        for cell in found:
            if cell["command"] == command:
                made = np.asarray(Image.open(place / cell["file"]).convert("RGB")).astype(int)
                largest = max(largest, int(np.abs(made - rgb(cell)).max()))
    return largest


def rgb(cell: dict[str, Any]) -> np.ndarray:
    return pixels_of(cell)[..., :3].astype(int)


@pytest.fixture
def inputs(folder: Path, tmp_path: Path) -> Path:
    """A folder of what commands begin with: the model."""
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs/sphere.safetensors").symlink_to(folder / "sphere.safetensors")
    return tmp_path / "inputs"


@pytest.mark.parametrize("view", VIEWS)
def test_the_pictures_are_those_of_the_commands(view: str, home: str, inputs: Path, tmp_path: Path) -> None:
    own = (home.removesuffix("index.html"), "data:", "blob:")
    with opened(f"{home}?{view}") as page:
        settled(page.page)
        found = cells(page.page)
        assert page.complaints == []
        assert all(url.startswith(own) for url in page.requests)
    assert len({cell["image"] for cell in found}) > len(found) / 2  # no grey images
    assert compare(found, inputs, tmp_path / "right") <= 1
    others = [*found[1:], found[0]]
    moved = [cell | {"image": other["image"]} for cell, other in zip(found, others, strict=True)]
    assert compare(moved, inputs, tmp_path / "wrong") > 1


def test_it_opens_as_a_file_and_keeps_its_settings(folder: Path, home: str) -> None:
    with opened(f"{home}?view=draw&seed=3&steps=2") as served:
        settled(served.page)
        expected = cells(served.page)
    with opened(folder / "out/index.html") as page:
        settled(page.page)
        page.page.fill("#draw-seed", "3")
        page.page.fill("#draw-steps", "2")
        assert cells(page.page) == expected
        assert page.complaints == [] and "seed=3" in page.page.url
        assert all(url.startswith(("file:", "data:", "blob:null/")) for url in page.requests)


def test_what_stands_beside_it_is_the_vaes(folder: Path, home: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        expected = answer(stage_of("sphere", "vae"), Draw(seed=9, steps=1))
    with opened(f"{home}?view=draw&seed=9&steps=1") as page:
        settled(page.page)
        found = cells(page.page)
    wanted = [cell.image for row in expected.rows for cell in (*row.cells, row.beside) if cell]
    assert len(found) == len(wanted) == 8
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(rgb(one) - other).max() <= 1


def test_a_picture_of_ones_own_is_edited_and_a_bad_one_told(home: str, inputs: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(inputs / "mine.png")
    Image.fromarray(random.integers(0, 256, (20, 12, 3), dtype=np.uint8)).save(tmp_path / "tall.png")
    (tmp_path / "no.pdf").write_bytes(b"%PDF-1.4")
    (tmp_path / "no.png").write_bytes(b"no image at all")
    with opened(f"{home}?view=edit&steps=2") as opened_page:
        page = opened_page.page
        settled(page)
        for name, words in (("no.pdf", "is no image that is taken here"), ("no.png", "that can be read")):
            page.set_input_files("#edit-file-first", tmp_path / name)
            page.get_by_text(f"{name} is no image").wait_for()
            assert words in page.inner_text("#fault")
        page.set_input_files("#edit-file-first", tmp_path / "tall.png")
        page.get_by_text("tall.png: prepared by the browser").wait_for()
        page.set_input_files("#edit-file-first", inputs / "mine.png")
        page.wait_for_selector("#notes:empty", state="attached")
        found = cells(page)
    assert "mine.png" in found[0]["command"] and compare(found, inputs, tmp_path / "right") <= 1
