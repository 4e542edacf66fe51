"""Keep a finished study's results to compare with. Usage: keep_reference.py params/STUDY.yaml [FOLDER]

Copies tables, claims, figures (no PDFs) and pages from FOLDER, where the study's tables lie, into
reference/STUDY, and writes there which bits its models and sets have and how they came about. FOLDER is
`results` for the default study, and results/studies/STUDY for another one.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.machine.files import atomic_output, write_json  # noqa: E402
from sphere_repro.provenance.integrity import refuse_edited  # noqa: E402
from sphere_repro.results.result_tree import BITS, DEVIATIONS, TABLE, read_bits  # noqa: E402
from sphere_repro.study import catalogue  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.files import StudyFiles  # noqa: E402
from sphere_repro.study.paper_tables import paper_table_files  # noqa: E402
from sphere_repro.study.places import record_of  # noqa: E402

LARGEST_PAGE = 500_000  # bytes; git keeps every version of it
TABLES = (TABLE, "fid_table.json", "metrics.json", "claims.csv", "claims.json", "claims.md")


def wanted(files: StudyFiles, place: Path) -> list[str]:
    """What of `place` is kept, relative to it: what this study makes, and not what others left there."""
    figures = [path.removesuffix(".png") for path in catalogue.figure_files(files, ".")]
    pages = [path for path in catalogue.page_files(files, ".") if _is_small(place / path)]
    named = [
        *TABLES,
        *paper_table_files(files, "."),
        "tables/tables.json",
        *(f"{name}{form}" for name in figures for form in (".png", ".csv", ".json")),
        *(path for page in pages for path in (page, record_of(page))),
    ]
    return [name.removeprefix("./") for name in named]


def _is_small(page: Path) -> bool:
    small = not page.is_file() or page.stat().st_size <= LARGEST_PAGE
    if not small:
        print(f"{page} is left out: it has more than {LARGEST_PAGE} bytes.", file=sys.stderr)
    return small


def keep(files: StudyFiles, place: Path) -> Path:
    """Copy what lies in `place`; return the folder of the kept results.

    Raises:
        UserError: a result is missing, was edited, or is of another study; then nothing is copied.
    """
    names = wanted(files, place)
    check(files.study.study, place, names)
    bits = read_bits(place, files.study.study)
    target = ROOT / files.places.kept
    for name in names:
        with atomic_output(target / name) as new:
            shutil.copyfile(place / name, new)
    for path in others(target, {*names, DEVIATIONS}):
        path.unlink()
    if bits:
        write_json(target / BITS, [vars(each) for each in bits])
    else:
        words = "no records of models and sets are here, and nothing is kept of their bits (dvc checkout)"
        print(f"{place}: {words}.", file=sys.stderr)
    return target


def check(study: str, place: Path, names: Sequence[str]) -> None:
    """Complain before anything is written."""
    missing = [name for name in names if not (place / name).is_file()]
    if missing:
        raise UserError(
            f"{place} has no {', '.join(missing[:3])}: run the study '{study}' first, or name the folder of "
            "its tables."
        )
    with (place / TABLE).open(encoding="utf-8", newline="") as lines:
        found = {row["study"] for row in csv.DictReader(lines)}
    if found != {study}:
        raise UserError(
            f"{place} holds the results of {', '.join(sorted(found)) or 'nothing'}, not of '{study}': run "
            "that study last, or name the folder of its tables."
        )
    for name in names:
        if (record := place / record_of(name)).is_file():
            refuse_edited(record)


def others(target: Path, names: set[str]) -> Iterator[Path]:
    """Files of what was kept before; what measures how far trainings lie apart stays."""
    found = [path for path in target.rglob("*") if path.is_file()]
    return (path for path in found if path.relative_to(target).as_posix() not in names)


def main(arguments: Sequence[str]) -> None:
    study = Path(arguments[0])
    files = StudyFiles(load_study(study))
    place = Path([*arguments[1:], files.places.summary][0])
    target = keep(files, place)
    kept = [path for path in target.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in kept)
    print(f"{target.relative_to(ROOT)} is {place}: {len(kept)} files, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"keep_reference: {error}", file=sys.stderr)
        raise SystemExit(2) from error
