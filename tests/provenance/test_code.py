"""Records name all code that can move their numbers: whatever the module that makes them imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from sphere_repro.provenance import code
from sphere_repro.provenance.code import SOURCE

# What moves a number. The rest carries parameters (which records hold), files, notes and hashes.
MOVES = (
    *("data/archive.py", "data/images.py", "data/loading.py", "metrics/", "models/", "sampling/"),
    *("seeds.py", "sphere.py", "training/"),
)
# who makes the result, which code its record names, and what is loaded for pictures and errors alone
MAKERS = [
    ("training/loop.py", code.MODEL, ("sampling/",)),  # pictures of a growing model
    ("sampling/sets.py", code.SAMPLE, ()),
    ("sampling/image_files.py", code.IMAGES, ()),
    ("metrics/score.py", code.SCORE, ()),
    ("metrics/reference.py", code.SCORE, ()),
    ("metrics/uniformity.py", code.UNIFORMITY, ()),
    ("models/released.py", code.IMPORT, ("data/archive.py", "data/images.py")),  # checks of own images
]


def imported(path: Path) -> set[Path]:
    """Modules of this package that a module imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    only_for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in only_for_types:
            if node.module.split(".")[0] != "sphere_repro":
                continue
            base = SOURCE.joinpath(*node.module.split(".")[1:])
            for alias in node.names:
                module = (base / alias.name).with_suffix(".py")
                found.add(module if module.is_file() else base.with_suffix(".py"))
    return {path for path in found if path.is_file()}


def reached(path: Path) -> set[str]:
    """Names of all modules that are loaded with one."""
    seen: set[Path] = set()
    left = [path]
    while left:
        if (module := left.pop()) not in seen:
            seen.add(module)
            left += imported(module)
    return {module.relative_to(SOURCE).as_posix() for module in seen}


@pytest.mark.parametrize(("maker", "named", "harmless"), MAKERS)
def test_a_record_names_all_code_that_moves_its_numbers(
    maker: str, named: tuple[str, ...], harmless: tuple[str, ...]
) -> None:
    moving = {name for name in reached(SOURCE / maker) if name.startswith(MOVES)}
    assert maker in moving
    assert {name for name in moving if not name.startswith((*named, *harmless))} == set()


@pytest.mark.parametrize(
    "named", [code.MODEL, code.IMPORT, code.SAMPLE, code.IMAGES, code.SCORE, code.UNIFORMITY, code.TABLE]
)
def test_every_prefix_names_a_module(named: tuple[str, ...]) -> None:
    names = [path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")]
    assert [prefix for prefix in named if not any(name.startswith(prefix) for name in names)] == []


def test_a_score_does_not_depend_on_how_latents_are_judged() -> None:
    assert not any("metrics/uniformity.py".startswith(prefix) for prefix in code.SCORE)
