"""Executed notebooks as pages that load nothing."""

from __future__ import annotations

import html
from pathlib import Path

from sphere_repro.errors import UserError

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; }
pre { overflow-x: auto; padding: .6rem .8rem; border: 1px solid #8884; border-radius: 6px; }
img { max-width: 100%; height: auto; background: #fff; }
table { border-collapse: collapse; font-size: .85rem; display: block; overflow-x: auto; }
th, td { padding: .15rem .5rem; border-bottom: 1px solid #8884; text-align: right; }
.jp-InputPrompt, .jp-OutputPrompt, .prompt, .anchor-link { display: none; }
"""


def as_page(notebook: Path) -> str:
    """The notebook as HTML of one file.

    Raises:
        UserError: nbconvert is not installed, or the file is no notebook.
    """
    try:
        from nbconvert.exporters import HTMLExporter  # of the extra `workflow`
    except ImportError as error:
        raise UserError(
            "nbconvert is not installed: pip install '.[workflow]' in the checkout, or leave --notebooks out."
        ) from error
    exporter = HTMLExporter(template_name="basic", embed_images=True)  # type: ignore[no-untyped-call]
    try:
        body, _ = exporter.from_filename(str(notebook))
    except Exception as error:  # of several packages
        raise UserError(f"{notebook} is no notebook that can be shown ({error}). Make it again.") from error
    title = html.escape(notebook.stem)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>\n"
        f'<p><a href="../index.html">All results</a></p>\n{body}\n</main></body></html>\n'
    )
