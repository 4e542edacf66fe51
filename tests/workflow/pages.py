"""The pages that people read, their links, and the commands that they tell people to type."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from conftest import ROOT

PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
TOOLS = ("snakemake", "sphere-repro", "make", "dvc")
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its blocks of code."""
    return FENCE.sub("", text)


def spans(text: str) -> list[str]:
    """What stands in code within sentences and tables."""
    return SPAN.findall(prose(text))


def typed(text: str) -> list[str]:
    """The commands in a text's blocks, each on one line, without comments and prompts."""
    found = []
    for language, block in FENCE.findall(text):
        lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
        if language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        elif language != "bash":
            lines = []
        words = [shlex.split(part, comments=True) for line in lines for part in line.split(" && ")]
        found += [shlex.join(command) for command in words if command]
    return found


def commands(text: str) -> list[str]:
    """Every command of TOOLS with arguments, in blocks or within sentences."""
    within = [span for span in spans(text) if " " in span and "…" not in span]
    every = [*typed(text), *within]
    return [command for command in every if command.split()[0] in TOOLS]


def links(text: str) -> list[str]:
    """Where the links and pictures lead that stay in this repository."""
    return re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", prose(text))


def anchors(text: str) -> set[str]:
    """The names by which a page's headings are linked, as GitHub makes them."""
    heads = re.findall(r"^#+ +(.+?) *$", prose(text), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"\[(.+?)\]\(.*?\)", r"\1", head).lower()) for head in heads]
    return {head.replace(" ", "-") for head in plain}


def known_files() -> set[str]:
    """Every file that git knows or would add, and the folders above it."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = {Path(name) for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    return {path.as_posix() for file in files for path in (file, *file.parents)}
