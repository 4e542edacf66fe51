"""The page of a study's results, and the pages of its notebooks beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json, write_text
from sphere_repro.overview.figures import read_figures
from sphere_repro.overview.notebooks import as_page
from sphere_repro.overview.tables import read_table

TEMPLATE = "overview.html"
REPRODUCTION, CLAIMS = "reproduction.json", "claims.json"


def write_overview(folder: Path, study: str, configfile: str, *, notebooks: bool = True) -> Path:
    """Write `index.html` into `folder`, beside the tables and figures that it shows; return its path.

    Args:
        folder: a finished study's tables and figures.
        study: its name.
        configfile: its file, as the commands name it; empty for the default study.
        notebooks: whether each executed notebook becomes a page in `notebooks/` too.

    Raises:
        UserError: a result is missing or damaged.
    """
    pages = _notebook_pages(folder) if notebooks else []
    record = read_json(folder / "fid_table.json")
    page = (
        _environment()
        .get_template(TEMPLATE)
        .render(
            study=study,
            about=_about(record),
            reproduction=_reproduction(folder, study),
            claims=_claims(folder / CLAIMS),
            tables=[read_table(path) for path in sorted((folder / "tables").glob("*.csv"))],
            figures=read_figures(folder, configfile),
            notebooks=pages,
        )
    )
    out = folder / "index.html"
    write_text(out, page)
    return out


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _notebook_pages(folder: Path) -> list[str]:
    """Names of the notebooks, each a page now."""
    found = sorted((folder / "notebooks").glob("*.ipynb"))
    for path in found:
        write_text(path.with_suffix(".html"), as_page(path))
    return [path.stem for path in found]


def _about(record: Mapping[str, Any]) -> dict[str, str]:
    """When, by which code, on what: a line each."""
    try:
        code, machine, versions = record["code"], record["machine"], record["versions"]
        return {
            "scored": str(record["started"]),
            "code": f"{code['commit'] or 'unknown'}{' and local changes' if code['dirty'] else ''}",
            "machine": f"{machine['processor']}, {machine['system']}",
            "versions": ", ".join(f"{name} {versions[name]}" for name in ("python", "torch", "clean-fid")),
        }
    except (KeyError, TypeError) as error:
        raise UserError(f"fid_table.json is no record of a table ({error}). Make it again.") from error


def _reproduction(folder: Path, study: str) -> dict[str, Any] | None:
    """What `sphere-repro compare` found; None where there is nothing to compare with.

    `results` may hold what another study was asked for there: what was found of that one says nothing here.
    """
    path = folder / REPRODUCTION
    found = dict(read_json(path)) if path.is_file() else {}
    return found if found.get("study") == study else None


def _claims(path: Path) -> Sequence[Mapping[str, Any]]:
    """Each claim with its numbers in words."""
    try:
        return [
            {
                **{key: str(claim[key]) for key in ("text", "run", "metric", "verdict", "rule", "note")},
                "numbers": [f"{name} {_number(each)}" for name, each in claim["numbers"].items()],
            }
            for claim in read_json(path)["claims"]
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} holds no claims ({error}). Make it again.") from error


def _number(found: Mapping[str, float]) -> str:
    return f"{found['value']:.4g} ± {found['se']:.2g}"
