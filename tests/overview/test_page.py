"""The page of all results, of the kept ones: complete, whole, and usable in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe

from browser import IN_A_BROWSER, opened
from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.overview.figures import read_figures
from sphere_repro.overview.page import write_overview

RUNS = shutil.ignore_patterns("demo", "smoke", "studies", "uniformity", "notebooks")  # what a run leaves
LOADED = "[...document.querySelectorAll('.card img')].every(each => each.complete && each.naturalWidth)"
VERDICT = {
    "verdict": "Reproduced",
    "reproduced": True,
    "study": "demo",
    "reference": "reference/demo",
    "sentences": ["262 of 262 numbers agree.", "No <claim> has another verdict."],
}


def notebook(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    code = nbformat.v4.new_code_cell("1 + 1")
    code.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "2"}, execution_count=1)]
    cells = [nbformat.v4.new_markdown_cell("# Samples"), code]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("site") / "results"
    shutil.copytree(ROOT / "reference/demo", found)
    (found / "reproduction.json").write_text(json.dumps(VERDICT))
    for name in ("reproduction.csv", "reproduction.md"):
        (found / name).write_text("")
    notebook(found / "notebooks/samples-digits.ipynb")
    write_overview(found, "demo", "params/demo.yaml")
    return found


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.found += [value for name in ("href", "src") if (value := named.get(name))]
        self.ids += [value for name in ("id",) if (value := named.get(name))]


def links(page: Path) -> Links:
    found = Links()
    found.feed(page.read_text())
    return found


def test_every_figure_table_and_claim_is_there(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    for picture in (folder / "figures").glob("*.png"):
        assert f'src="figures/{picture.name}"' in text
    for table in (folder / "tables").glob("*.csv"):
        assert f'href="tables/{table.name}"' in text
    claims = json.loads((folder / "claims.json").read_text())["claims"]
    assert text.count('class="badge') == len(claims)
    assert "Reproduced" in text and "No &lt;claim&gt; has another verdict." in text
    assert "--configfile params/demo.yaml" in text


def test_every_link_resolves_and_none_leads_elsewhere(folder: Path) -> None:
    for page in [folder / "index.html", *(folder / "notebooks").glob("*.html")]:
        found = links(page)
        assert len(found.ids) == len(set(found.ids))
        for link in found.found:
            parts = urlparse(link)
            if parts.scheme == "data":
                continue
            assert not parts.scheme and not parts.netloc, link
            if parts.path:
                assert (page.parent / unquote(parts.path)).is_file(), link
            else:
                assert parts.fragment in found.ids, link


def test_without_a_reference_the_page_says_so(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "reference/demo", tmp_path / "r")
    (tmp_path / "r/reproduction.json").write_text(json.dumps(VERDICT | {"study": "smoke"}))  # ran before
    text = write_overview(tmp_path / "r", "demo", "", notebooks=False).read_text()
    assert "Nothing to compare with" in text and "--configfile" not in text and 'id="notebooks"' not in text


def test_mistakes_are_named(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "notebooks/samples-digits.ipynb").write_text("{")
    with pytest.raises(UserError, match="is no notebook that can be shown"):
        write_overview(broken, "demo", "")
    (broken / "figures/unheard-of.png").write_bytes(b"")
    with pytest.raises(UserError, match="No figure is called 'unheard-of'"):
        read_figures(broken, "")
    (broken / "figures/unheard-of.png").unlink()
    (broken / "figures/cost.json").write_text("{}")
    with pytest.raises(UserError, match=r"cost\.png or its record is damaged"):
        read_figures(broken, "")
    (broken / "claims.json").write_text("{}")
    with pytest.raises(UserError, match="holds no claims"):
        write_overview(broken, "demo", "", notebooks=False)


@IN_A_BROWSER
def test_it_loads_its_own_files_alone_and_every_image(folder: Path) -> None:
    with opened(folder / "index.html") as found:
        images = found.page.locator(".card img")
        for index in range(images.count()):
            images.nth(index).scroll_into_view_if_needed()
        found.page.wait_for_function(LOADED)
        assert found.complaints == []
        assert all(re.match(r"file://|data:", url) for url in found.requests) and len(found.requests) > 20


@IN_A_BROWSER
def test_a_figure_opens_by_key_and_closes_with_focus_where_it_was(folder: Path) -> None:
    with opened(folder / "index.html") as found:
        page = found.page
        page.locator("[data-opens=figure-cost]").focus()
        page.keyboard.press("Enter")
        dialog = page.locator("#figure-cost")
        assert dialog.is_visible() and "snakemake --cores all" in dialog.inner_text()
        assert page.url.endswith("#figure-cost")
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert page.evaluate("document.activeElement.dataset.opens") == "figure-cost"
    with opened(f"{(folder / 'index.html').as_uri()}#figure-cost") as found:
        assert found.page.locator("#figure-cost").is_visible()  # a link to one figure


@IN_A_BROWSER
def test_a_head_sorts_by_number_and_says_which_way(folder: Path) -> None:
    with opened(folder / "index.html") as found:
        table = found.page.locator("details:has(> summary:text-is('scores digits 8px')) table")
        head = table.locator("th", has_text="distance").first
        column = head.evaluate("each => each.cellIndex")

        def values() -> list[float]:
            keys = table.locator("tbody tr").evaluate_all(
                f"rows => rows.map(row => row.cells[{column}].dataset.key)"
            )
            return [float(key) for key in keys if key]

        head.locator("button").press("Enter")
        assert values() == sorted(values()) and head.get_attribute("aria-sort") == "ascending"
        head.locator("button").press("Enter")
        assert values() == sorted(values(), reverse=True) and head.get_attribute("aria-sort") == "descending"


@IN_A_BROWSER
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380])
def test_axe_finds_nothing_serious_and_nothing_sticks_out(width: int, scheme: str, folder: Path) -> None:
    with opened(folder / "index.html", width, color_scheme=scheme) as found:
        for selector in ("", "#figure-cost"):
            if selector:
                found.page.locator("[data-opens=figure-cost]").click()
            told = Axe().run(found.page).response["violations"]
            serious = [each for each in told if each["impact"] in ("serious", "critical")]
            assert [(each["id"], each["nodes"][0]["html"][:200]) for each in serious] == []
        sticking = found.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert sticking <= 0


@IN_A_BROWSER
def test_axe_would_find_what_is_wrong(folder: Path) -> None:
    with opened(folder / "index.html") as found:
        found.page.evaluate("document.querySelector('.card img').removeAttribute('alt')")
        told = Axe().run(found.page).response["violations"]
        assert "image-alt" in {each["id"] for each in told}


@IN_A_BROWSER
def test_a_notebook_is_a_page_of_its_own(folder: Path) -> None:
    with opened(folder / "notebooks/samples-digits.html") as found:
        assert "1 + 1" in found.page.inner_text("main") and found.complaints == []
        assert len(found.requests) == 1
