"""The pages that people open, in a real browser: the report, and an executed notebook as a page."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from PIL import Image

from conftest import PATIENCE, run, snakemake

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def browse(page, folder, *options):
    """Open a page without a network and without a profile of its own."""
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]
    flags += ["--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000", *options]
    return subprocess.run(
        [CHROMIUM, *flags, page.as_uri()],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_report_shows_itself_in_a_browser(workspace, tmp_path):
    snakemake(workspace, "--report", "results/report.html", check=True)
    report = workspace / "results/report.html"
    dom = browse(report, tmp_path, "--dump-dom").stdout
    assert "Sphere Encoder" in dom and "Figures" in dom and "Tables" in dom
    browse(report, tmp_path, "--window-size=1400,900", f"--screenshot={tmp_path / 'report.png'}")
    colours = Image.open(tmp_path / "report.png").convert("RGB").getcolors(10**6)
    assert len(colours) > 100, "the page is blank"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_an_executed_notebook_shows_its_figure_in_a_browser(workspace, tmp_path):
    notebook = "results/notebooks/samples-digits.ipynb"
    run(workspace, "jupyter", "nbconvert", "--to", "html", "--output-dir", str(tmp_path), notebook)
    page = tmp_path / "samples-digits.html"
    dom = browse(page, tmp_path, "--dump-dom").stdout
    assert "data:image/png;base64" in dom and "generation" in dom
