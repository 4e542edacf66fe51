"""Packages import one way only: what stands lower in ORDER knows nothing of what stands higher."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sphere_repro

SOURCE = Path(sphere_repro.__file__).parent
ORDER = (
    *("errors", "ledger", "strict", "philox", "seeds", "sphere"),
    *("machine", "provenance", "data", "study", "models", "results", "figures", "overview", "sampling"),
    *("serving", "exporting", "training", "metrics", "planning", "commands", "cli", "__main__"),
)
# (importer, imported): why. None is needed today.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def room(path: Path) -> str:
    """The package, or the top module, that a source file belongs to."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imported(text: str) -> set[str]:
    """Rooms of this package that a module's text imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "sphere_repro":
            names = [f"sphere_repro.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found.update(name.split(".")[1] for name in names if name.startswith("sphere_repro."))
    return found & set(ORDER)


def upward(importer: str, text: str) -> set[tuple[str, str]]:
    """Imports of `text`, a module in `importer`, that run up and are no exception."""
    arrows = {(importer, other) for other in imported(text)}
    return {(low, high) for low, high in arrows - EXCEPTIONS.keys() if ORDER.index(high) > ORDER.index(low)}


def test_every_room_has_its_place() -> None:
    rooms = {room(path) for path in SOURCE.rglob("*.py")} - {"__init__"}
    assert rooms == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_imports_run_one_way(name: str) -> None:
    files = [path for path in SOURCE.rglob("*.py") if room(path) == name]
    found = {path.name: upward(name, path.read_text(encoding="utf-8")) for path in files}
    assert {path: arrows for path, arrows in found.items() if arrows} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import sphere_repro.planning.advice",
        "from sphere_repro import planning",
        "from sphere_repro.planning import advice",
        "def f():\n    from sphere_repro.planning.advice import memory_advice",
    ],
)
def test_an_import_turned_round_is_found(line: str) -> None:
    assert upward("training", line) == {("training", "planning")}
    assert upward("planning", line.replace("planning", "training")) == set()


def test_each_package_says_what_lives_there_and_what_may_not() -> None:
    for init in SOURCE.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))) or ""
        first, _, rest = text.partition("\n\n")
        assert first.endswith(".") and "\n" not in first and rest, init
