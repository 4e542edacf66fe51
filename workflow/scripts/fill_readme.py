"""Put the finished study's tables between the README's markers. Usage: fill_readme.py README.md"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.results.tables import markdown_table  # noqa: E402


def fill(text: str, name: str, block: str) -> str:
    """`text` with `block` between the markers `name: begin` and `name: end`."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"The markers of '{name}' are missing.")
    return f"{head}{begin}\n{block.strip()}\n\n{end}{tail}"


def filled(text: str, results: Path) -> str:
    """The README's text with the tables of `results`."""
    text = fill(text, "table", markdown_table(results / "fid_table.csv"))
    return fill(text, "claims", (results / "claims.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    readme = Path(sys.argv[1])
    readme.write_text(filled(readme.read_text(encoding="utf-8"), ROOT / "results"), encoding="utf-8")
