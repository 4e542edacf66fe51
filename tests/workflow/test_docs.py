"""README, CONTRIBUTING and docs say nothing that is not so: links, paths, commands, generated parts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from dvc.cli.parser import get_main_parser
from snakemake.cli import get_argument_parser

from conftest import ROOT
from sphere_repro import cli
from workflow import pages
from workflow.pages import PAGES, read

FOLDERS = ("src", "tests", "workflow", "params", "profiles", "notebooks", "benchmarks", "docs", "reference")
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*")
YOURS = {"params/cats.yaml", "params/mine.yaml", "workflow/pipelines/mine/dvc.yaml"}  # what the reader makes
PARSER = next(getattr(cli, name) for name in ("parser", "_parser") if hasattr(cli, name))
MAKEFILE = read("Makefile")
LONGEST_README = 9000  # bytes
FIRST_SCREEN = 30  # lines


def of_tool(tool: str) -> list[str]:
    found = [command for page in PAGES for command in pages.commands(read(page))]
    return list(dict.fromkeys(command for command in found if command.split()[0] == tool))


def test_the_readme_is_short_and_its_first_command_is_on_the_first_screen() -> None:
    assert len(read("README.md").encode()) <= LONGEST_README
    first = next(number for number, line in enumerate(read("README.md").splitlines()) if "make demo" in line)
    assert first <= FIRST_SCREEN


@pytest.mark.parametrize(
    "command",
    ["make demo", "make test", "snakemake --cores all --use-conda results/fid_table.csv", "dvc repro"],
)
def test_the_readme_tells_the_commands_that_everybody_needs(command: str) -> None:
    assert command in pages.typed(read("README.md"))


@pytest.mark.parametrize("page", [*PAGES, "params/README.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    dead = []
    for link in pages.links(read(page)):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (
            anchor and anchor not in pages.anchors(target.read_text(encoding="utf-8"))
        ):
            dead.append(link)
    assert dead == []


def test_every_page_is_linked_from_the_index() -> None:
    linked = set(pages.links(read("docs/README.md")))
    assert [page for page in PAGES if page.startswith("docs/") and page != "docs/README.md"] == sorted(
        f"docs/{link}" for link in linked if not link.startswith("../")
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_is_there(page: str) -> None:
    text = read(page)
    words = [*pages.spans(text), *(word for line in pages.typed(text) for word in shlex.split(line))]
    named = {word.rstrip("/") for word in words if PATH.fullmatch(word)}
    assert named - pages.known_files() - YOURS == set()


def test_no_exception_is_out_of_date() -> None:
    assert pages.known_files() & YOURS == set()


@pytest.mark.parametrize("command", of_tool("snakemake"))
def test_snakemake_understands_every_command(command: str) -> None:
    """Its own parser finds the targets: --configfile takes several files, and would swallow one behind it."""
    words = shlex.split(command)[1:]
    options = get_argument_parser().parse_args(words)
    assert sorted(options.targets or ()) == sorted(word for word in words if word.startswith("results/"))
    studies = [Path(word).name for word in words if word.startswith("params/")]
    assert [path.name for path in options.configfile or ()] == studies


@pytest.mark.parametrize("command", of_tool("sphere-repro"))
def test_the_package_understands_every_command(command: str) -> None:
    """A sentence may name a verb alone, which must be there; what is to be typed must be whole."""
    words = shlex.split(command)[1:]
    whole = len(words) > 1 or command in {line for page in PAGES for line in pages.typed(read(page))}
    try:
        PARSER().parse_args(words if whole else [*words, "--help"])
    except SystemExit as end:  # --help leaves with 0
        assert end.code == 0, command


@pytest.mark.parametrize("command", of_tool("dvc"))
def test_dvc_understands_every_command(command: str) -> None:
    get_main_parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("command", of_tool("make"))
def test_make_knows_every_target_and_variable(command: str) -> None:
    for word in command.split()[1:]:
        name, is_variable, _ = word.partition("=")
        pattern = rf"^{name} \?=" if is_variable else rf"^{name}:"
        assert re.search(pattern, MAKEFILE, re.MULTILINE), word


def test_each_kind_of_addition_takes_at_most_ten_lines() -> None:
    sections = read("CONTRIBUTING.md").split("\n## ")[1:]
    added = {part.split("\n")[0]: part.strip().splitlines()[1:] for part in sections}
    for kind in ("dataset", "metric", "figure", "verb"):
        lines = [line for line in added[f"Add a {kind}"] if line]
        assert 0 < len(lines) <= 10, kind


# -- the tests' own means


def test_commands_are_found_wherever_they_stand() -> None:
    text = """Type `dvc push` or `make`, not `make …`.

  ```console
  $ make demo && dvc repro -q   # both
  dvc is not typed here
  ```

```bash
snakemake --cores all \\
  results/a.csv      # comment
```

```yaml
make: it
```
"""
    assert pages.commands(text) == [
        "make demo",
        "dvc repro -q",
        "snakemake --cores all results/a.csv",
        "dvc push",
    ]


def test_anchors_are_those_of_github() -> None:
    text = "# The paper's [own](x.md) way: S3, `SSH`\n```bash\n# no heading\n```\n"
    assert pages.anchors(text) == {"the-papers-own-way-s3-ssh"}
