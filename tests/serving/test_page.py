"""The page in a real browser: settings, address, pictures, drags, keys, uploads, accessibility."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page

from browser import IN_A_BROWSER, opened

pytestmark = IN_A_BROWSER
VIEWS = ("draw", "between", "between&form=square&points=3", "edit", "stitch")


def settled(page: Page) -> None:
    """Until every question is answered."""
    page.wait_for_selector("#answer[aria-busy=false] img")


def said(page: Page) -> dict[str, str]:
    return {key: value[0] for key, value in parse_qs(urlparse(page.url).query).items()}


def test_it_loads_its_own_files_alone(home: str) -> None:
    for view in VIEWS:
        with opened(f"{home}?view={view}") as found:
            settled(found.page)
            assert found.complaints == []
            assert all(url.startswith((home, "data:")) for url in found.requests)


def test_the_address_holds_the_view(home: str) -> None:
    with opened(f"{home}?view=draw") as found:
        page = found.page
        settled(page)
        page.fill("#draw-seed", "12")
        page.select_option("#draw-classes", "two words")
        page.fill("#draw-steps", "3")
        page.click("[data-next=draw-seed]")
        settled(page)
        assert (
            said(page).items() >= {"view": "draw", "seed": "13", "classes": "two words", "steps": "3"}.items()
        )
        pictures = page.locator("#answer img").evaluate_all("all => all.map(each => each.src)")
        assert len(pictures) == 4 * (3 + 1)
        address = page.url
        page.click("[data-view=edit]")
        settled(page)
        page.go_back()
        settled(page)
        assert page.locator("#answer img").count() == 16
        assert page.input_value("#draw-seed") == "13"
    with opened(address) as found:
        settled(found.page)
        assert found.page.locator("#answer img").evaluate_all("all => all.map(each => each.src)") == pictures


def test_a_click_shows_the_command_and_copies_it(home: str) -> None:
    with opened(f"{home}?view=draw&seed=4&steps=2") as found:
        page = found.page
        settled(page)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("#answer tbody tr").nth(1).locator("button").nth(1).press("Enter")
        shown = page.inner_text("#line")
        assert shown == "sphere-repro generate sphere.safetensors pictures --count 4 --steps 2 --seed 4"
        assert page.inner_text("#file") == "pictures/sample-1_class-dog.png"
        page.click("#copy")
        page.get_by_text("copied", exact=True).wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == shown
        page.keyboard.press("Escape")
        assert not page.locator("#picture").is_visible()
        page.locator("#answer .beside button").first.click()
        assert "No verb makes this one" in page.inner_text("#picture")


def test_a_drag_and_the_keys_move_along_the_sphere(home: str) -> None:
    with opened(f"{home}?view=between&at=2") as found:
        page = found.page
        settled(page)
        slider = page.get_by_role("slider")
        assert slider.get_attribute("aria-valuenow") == "3"
        small = page.locator("#answer table img").evaluate_all("all => all.map(each => each.src)")
        handle, last = (
            page.locator("svg .handle").bounding_box(),
            page.locator("svg text").nth(1).bounding_box(),
        )
        assert handle is not None and last is not None
        asked = len(found.requests)
        page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
        page.mouse.down()
        page.mouse.move(last["x"] + last["width"] / 2, last["y"] + last["height"] / 2, steps=12)
        page.mouse.up()
        assert slider.get_attribute("aria-valuenow") == "11" and said(page)["at"] == "10"
        slider.press("ArrowLeft")
        assert said(page)["at"] == "9" and page.get_attribute(".large img", "src") == small[9]
        slider.press("Home")
        assert page.get_attribute(".large img", "src") == small[0]
        assert not [url for url in found.requests[asked:] if url.startswith(home)]  # nothing is asked anew


def test_the_square_is_moved_over(home: str) -> None:
    with opened(f"{home}?view=between&form=square&points=3&at=4") as found:
        page = found.page
        settled(page)
        buttons = page.locator(".square button")
        assert buttons.count() == 9 and page.locator(".square [aria-pressed=true]").count() == 1
        page.locator(".square [aria-pressed=true]").press("ArrowDown")
        assert said(page)["at"] == "7"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")  # the edge
        assert said(page)["at"] == "8"
        buttons.nth(0).hover()
        page.mouse.down()
        buttons.nth(5).hover()
        page.mouse.up()
        assert said(page)["at"] == "5"
        assert page.get_attribute(".large img", "src") == buttons.nth(5).locator("img").get_attribute("src")


def test_a_picture_of_ones_own_is_edited_and_a_bad_one_told(home: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "mine.png")
    (tmp_path / "no.png").write_bytes(b"%PDF-1.4")
    with opened(f"{home}?view=edit&steps=2") as found:
        page = found.page
        settled(page)
        page.set_input_files("#edit-file-first", tmp_path / "no.png")
        page.wait_for_selector("#fault:not([hidden])")
        assert "no.png is no image that is taken here: a PDF document" in page.inner_text("#fault")
        page.set_input_files("#edit-file-first", tmp_path / "mine.png")
        page.wait_for_selector("#fault[hidden]", state="attached")
        settled(page)
        assert page.is_disabled("#edit-drawn") and "drawn" not in said(page)
        page.locator("#answer button").first.click()
        assert "sphere-repro edit sphere.safetensors mine.png edited" in page.inner_text("#line")
        page.keyboard.press("Escape")
        page.click("[data-forget=edit-file-first]")
        settled(page)
        assert page.is_enabled("#edit-drawn") and said(page)["drawn"] == "0"


def test_a_number_out_of_range_is_told_and_asks_nothing(home: str) -> None:
    with opened(f"{home}?view=draw&steps=2") as found:
        settled(found.page)
        asked = len(found.requests)
        found.page.fill("#draw-steps", "99")
        found.page.wait_for_selector("#fault:not([hidden])")
        assert found.page.inner_text("#fault") == "steps: give a number from 1 to 10."
        assert len(found.requests) == asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_and_nothing_sticks_out(width: int, scheme: str, home: str) -> None:
    for view in VIEWS:
        with opened(f"{home}?view={view}", width, color_scheme=scheme) as found:
            settled(found.page)
            for dialog in (False, True):
                if dialog:
                    found.page.locator("#answer button.large, #answer td button").first.click()
                told = Axe().run(found.page).response["violations"]
                serious = [each for each in told if each["impact"] in ("serious", "critical")]
                assert [(each["id"], each["nodes"][0]["html"][:200]) for each in serious] == [], view
            sticking = found.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert sticking <= 0, view
