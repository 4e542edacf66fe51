"""Print how a study's results compare with the kept ones. Usage: tell_verdict.py params/STUDY.yaml

A study of which nothing is kept has no verdict.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.machine.files import read_json  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.places import Places, verdict_file  # noqa: E402


def told(study: Path) -> str:
    """The verdict and its sentences, a line each.

    Raises:
        UserError: there are kept results, and no verdict of this study.
    """
    places = Places(load_study(study).study)
    if not (ROOT / places.kept / "fid_table.csv").is_file():
        return ""
    path = Path(verdict_file(places.summary))
    found = read_json(path)
    if not isinstance(found, dict) or found.get("study") != places.study:
        raise UserError(
            f"{path} is no verdict on the study '{places.study}'. Delete it, and it is made again."
        )
    lines = [*found["sentences"], f"Every number: {path.with_suffix('.md')}, {path.with_suffix('.csv')}"]
    return "\n".join(["", f"{found['verdict']} (against {places.kept})", *(f"  {line}" for line in lines)])


def main(arguments: Sequence[str]) -> None:
    if text := told(Path(arguments[0])):
        print(text)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"sphere-repro: {error}", file=sys.stderr)
        raise SystemExit(2) from error
