"""The packages of src/sphere_repro from high to low, and who imports whom: as a drawing and as a table.

Order and imports are those of tests/test_imports.py, the words those of the docstrings.
"""

from __future__ import annotations

import ast
import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from test_imports import ORDER, SOURCE, imported, room  # noqa: E402

ROW, GAP, LEFT, TOP = 34, 10, 16, 16  # pixels
SENTENCE, LETTER = 120, 6.3  # where the sentence begins in its box; width of a letter, on average
MARGIN, LANE = 24, 14  # right of the boxes: to the first arc, and from one arc to the next
BEND = 10
PACKAGE, MODULE, LINE, TEXT = "#dbe9f6", "#f1f3f5", "#5b7c99", "#1f2933"
FONT = "font-family='Helvetica, Arial, sans-serif'"


def arrows() -> dict[str, set[str]]:
    """What each package or top module imports of the others."""
    found: dict[str, set[str]] = {name: set() for name in ORDER}
    for path in sorted(SOURCE.rglob("*.py")):
        if room(path) in found:
            found[room(path)] |= imported(path.read_text(encoding="utf-8")) - {room(path)}
    return found


def direct(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """`found` without the arrows that follow from others."""
    below: dict[str, set[str]] = {}
    for name in ORDER:  # from low to high
        below[name] = found[name].union(*(below[other] for other in found[name]))
    return {
        name: {one for one in others if not any(one in below[other] for other in others)}
        for name, others in found.items()
    }


def words(name: str) -> tuple[str, str]:
    """What lives there, and what else its docstring says."""
    module = SOURCE / f"{name}.py"
    path = module if module.is_file() else SOURCE / name / "__init__.py"
    first, _, rest = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n\n")
    return " ".join(first.split()), " ".join(rest.split()) if is_package(name) else ""


def is_package(name: str) -> bool:
    return (SOURCE / name).is_dir()


def table() -> str:
    """Every package and top module from high to low, as Markdown."""
    lines = ["| package | what lives there | what may not |", "|---|---|---|"]
    for name in reversed(ORDER):
        path = f"{name}/" if is_package(name) else f"{name}.py"
        cells = [f"[`{path}`](../src/sphere_repro/{path.rstrip('/')})", *words(name)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def drawing() -> str:
    """The packages as an SVG: one row each, an arc to the right from each to what it imports directly."""
    found = direct(arrows())
    rows = {name: place for place, name in enumerate(reversed(ORDER))}
    lanes = in_lanes([(rows[name], rows[low]) for name, others in found.items() for low in others])
    edge = LEFT + SENTENCE + 20 + round(LETTER * max(len(words(name)[0]) for name in ORDER))
    width = edge + 2 * MARGIN + LANE * max(lanes.values(), default=0)
    height = 2 * TOP + len(ORDER) * (ROW + GAP) - GAP
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' role='img'>"
    )
    tip = (
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' "
        f"orient='auto'><path d='M0 0 L8 4 L0 8 z' fill='{LINE}'/></marker></defs>"
    )
    ground = f"<rect width='{width}' height='{height}' fill='white'/>"
    boxes = [_box(name, row, edge) for name, row in rows.items()]
    arcs = [_arc(*ends, edge, lane) for ends, lane in lanes.items()]
    return "\n".join([head, tip, ground, *boxes, *arcs, "</svg>"]) + "\n"


def in_lanes(arcs: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """A lane for each arc from a row down to another, so that none runs over another: short ones inside."""
    lanes: dict[tuple[int, int], int] = {}
    for high, low in sorted(arcs, key=lambda arc: (arc[1] - arc[0], arc)):
        taken = {lane for (start, end), lane in lanes.items() if start < low and high < end}
        lanes[high, low] = next(lane for lane in range(len(arcs)) if lane not in taken)
    return lanes


def _y(row: int) -> int:
    return TOP + row * (ROW + GAP)


def _box(name: str, row: int, edge: int) -> str:
    colour = PACKAGE if is_package(name) else MODULE
    label = f"{name}/" if is_package(name) else name
    base = _y(row) + ROW // 2 + 5
    return (
        f"<rect x='{LEFT}' y='{_y(row)}' width='{edge - LEFT}' height='{ROW}' rx='6' fill='{colour}'/>"
        f"<text x='{LEFT + 12}' y='{base}' {FONT} font-size='15' font-weight='bold' fill='{TEXT}'>"
        f"{escape(label)}</text>"
        f"<text x='{LEFT + SENTENCE}' y='{base}' {FONT} font-size='13' fill='{TEXT}'>"
        f"{escape(words(name)[0].replace('`', ''))}</text>"
    )


def _arc(high: int, low: int, edge: int, lane: int) -> str:
    """From the lower half of a box to the upper half of one below it."""
    start, end = _y(high) + ROW - 10, _y(low) + 10
    reach = edge + MARGIN + LANE * lane
    path = (
        f"M{edge} {start} H{reach - BEND} Q{reach} {start} {reach} {start + BEND} "
        f"V{end - BEND} Q{reach} {end} {reach - BEND} {end} H{edge + 2}"
    )
    return f"<path d='{path}' fill='none' stroke='{LINE}' stroke-width='1.5' marker-end='url(#tip)'/>"
