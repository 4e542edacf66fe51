"""Put kept results, published numbers and the packages between the pages' markers; draw the packages."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(Path(__file__).parent)]

import draw_packages  # noqa: E402

from sphere_repro.results.expected import load_expected, unplaced_table  # noqa: E402
from sphere_repro.results.headlines import headline_table, verdict_table  # noqa: E402
from sphere_repro.results.rivals import load_rivals, rivals_table  # noqa: E402
from sphere_repro.results.tables import markdown_table  # noqa: E402
from sphere_repro.study import catalogue  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.files import StudyFiles  # noqa: E402
from sphere_repro.study.places import DEFAULT_STUDY, RESULTS, Places  # noqa: E402

DEMO = ROOT / Places("demo").kept
EVENING = ROOT / Places("evening").kept  # the demo trained ten times as long: what the README shows
DRAWING = ROOT / "docs" / "packages.svg"
PICTURES = ROOT / "docs" / "pictures"
# Study → kinds of figures that the demo has no time for; their pictures are copied from its results.
BEYOND = {
    "evening": ("training-length",),
    "gallery": ("refinement", "guidance"),
    "holes-small": ("trade-off",),
    "ablations-small": ("ablations", "noise-angle"),
}


def fill(text: str, name: str, block: str) -> str:
    """`text` with `block` between the markers `name: begin` and `name: end`."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"The markers of '{name}' are missing.")
    return f"{head}{begin}\n{block.strip()}\n\n{end}{tail}"


def blocks(results: Path, longer: Path) -> dict[str, dict[str, str]]:
    """What stands between the markers, by page and marker: of the demo, and of its recipes trained longer."""
    table = results / "fid_table.csv"
    return {
        "README.md": headlines(longer),
        "docs/demo-results.md": {
            **headlines(results),
            "table": markdown_table(table),
            "claims": (results / "claims.md").read_text(encoding="utf-8"),
        },
        "docs/figures.md": {"figures": gallery(results), "beyond": beyond()},
        "docs/architecture.md": {"packages": draw_packages.table()},
        "docs/paper.md": {
            "unplaced": unplaced_table(load_expected(ROOT / "params/expected.yaml")),
            "rivals": rivals_table(load_rivals(ROOT / "params/rivals.yaml")),
        },
    }


def headlines(results: Path) -> dict[str, str]:
    """The table in short, and the verdicts."""
    table = results / "fid_table.csv"
    return {
        "headlines": headline_table(table),
        "verdicts": verdict_table(results / "claims.csv", table),
    }


def gallery(results: Path) -> str:
    """Every figure of the demo: how it is made, what it shows, its picture, and what else lies beside it."""
    files = StudyFiles(load_study(ROOT / DEFAULT_STUDY))
    kinds: dict[str, list[catalogue.Figure]] = {}
    for figure in catalogue.wanted(files).values():
        kinds.setdefault(figure.kind, []).append(figure)
    return "\n\n".join(_of_kind(kind, found, results) for kind, found in kinds.items())


def _of_kind(kind: str, figures: list[catalogue.Figure], results: Path) -> str:
    place = results.relative_to(ROOT).as_posix()
    made = " ".join(f"{RESULTS}/figures/{figure.name}.png" for figure in figures)
    words = kind.replace("-", " ")
    pictures = [f"![{figure.name}](../{place}/figures/{figure.name}.png)" for figure in figures]
    numbers = ", ".join(f"[{figure.name}](../{place}/figures/{figure.name}.csv)" for figure in figures)
    beside = f"Numbers: {numbers}; notebook: [{kind}](../notebooks/{kind}.ipynb)"
    if catalogue.KINDS[kind].page:
        pages = ", ".join(f"[{figure.name}](../{place}/pages/{figure.name}.html)" for figure in figures)
        beside += f"; page: {pages}"
    command = f"```bash\nsnakemake --cores all {made}\n```"
    return "\n\n".join(
        [f"## {words[0].upper()}{words[1:]}", figures[0].caption, command, *pictures, f"{beside}."]
    )


def beyond() -> str:
    """The figures of `BEYOND`: how each is made, and the copy of its picture."""
    parts = []
    for study, figure in _beyond():
        name = f"{study}-{figure.name}"
        command = (
            f"snakemake --cores all {Places(study).summary}/figures/{figure.name}.png "
            f"--configfile params/{study}.yaml"
        )
        words = f"{figure.kind.replace('-', ' ').capitalize()} ({study})"
        notebook = f"[{figure.kind}](../notebooks/{figure.kind}.ipynb)"
        beside = f"Numbers: [{name}](pictures/{name}.csv); notebook: {notebook}."
        picture = f"![{name}](pictures/{name}.png)"
        parts += [f"## {words}", figure.caption, f"```bash\n{command}\n```", picture, beside]
    return "\n\n".join(parts)


def _beyond() -> list[tuple[str, catalogue.Figure]]:
    found = []
    for study, kinds in BEYOND.items():
        wanted = catalogue.wanted(StudyFiles(load_study(ROOT / "params" / f"{study}.yaml"))).values()
        found += [(study, figure) for figure in wanted if figure.kind in kinds]
    return found


def copy_pictures() -> None:
    """Copy what those studies have made here; without their results the copies stay as they are."""
    for study, figure in _beyond():
        for suffix in ("png", "csv"):
            made = ROOT / Places(study).summary / "figures" / f"{figure.name}.{suffix}"
            if made.is_file():
                PICTURES.mkdir(exist_ok=True)
                shutil.copyfile(made, PICTURES / f"{study}-{figure.name}.{suffix}")


def filled(page: str, named: dict[str, str]) -> str:
    """The page's text with its blocks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, block in named.items():
        text = fill(text, name, block)
    return text


if __name__ == "__main__":
    for page, named in blocks(DEMO, EVENING).items():
        (ROOT / page).write_text(filled(page, named), encoding="utf-8")
    copy_pictures()
    DRAWING.write_text(draw_packages.drawing(), encoding="utf-8")
