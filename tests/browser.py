"""A real browser for tests of pages: the system's Chromium, driven by Playwright, without a network."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu"]
IN_A_BROWSER = pytest.mark.usefixtures("browser")  # a mark of tests that open pages
_RUNNING: list[Browser] = []


@dataclass
class Opened:
    """A page that was opened, what it asked for, and what it complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextlib.contextmanager
def running() -> Iterator[None]:
    """The browser in which all is opened meanwhile; its start is most of what a short look costs."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        _RUNNING.append(playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS))
        try:
            yield
        finally:
            _RUNNING.pop().close()


@contextlib.contextmanager
def opened(path: Path | str, width: int = 1280, height: int = 900, **options: Any) -> Iterator[Opened]:
    """`path`, a file or an address, in a window of its own, which knows nothing of those before."""
    page = _RUNNING[-1].new_page(viewport={"width": width, "height": height}, **options)
    try:
        found = Opened(page)
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("console", lambda told: found.complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: found.complaints.append(str(error)))
        page.on("requestfailed", lambda request: found.complaints.append(f"failed: {request.url}"))
        page.goto(path.as_uri() if isinstance(path, Path) else path)
        yield found
    finally:
        page.close()
