"""Keep how far trainings of one recipe lie apart, beside the results that they are to judge.

Usage: keep_deviations.py params/REPLICATES.yaml params/STUDY.yaml

The first study has the runs of the second, trained several times each (`replicates`), and is finished: its
tables lie in results/studies. Writes reference/STUDY/deviations.csv.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.machine.files import write_text  # noqa: E402
from sphere_repro.results.deviations import FEWEST, as_csv, deviations  # noqa: E402
from sphere_repro.results.result_tree import DEVIATIONS, read_tree  # noqa: E402
from sphere_repro.study import jobs  # noqa: E402
from sphere_repro.study.config import Study, load_study  # noqa: E402
from sphere_repro.study.files import StudyFiles  # noqa: E402


def keep(replicates: Study, study: Study) -> str:
    """Write the deviations; return a line on them.

    Raises:
        UserError: the studies' recipes differ, the first is not finished, or its runs are trained too seldom.
    """
    refuse_other_recipes(replicates, study)
    tree = read_tree(Path(StudyFiles(replicates).places.summary))
    if tree.study != replicates.study:
        raise UserError(f"{tree.where} holds the results of '{tree.study}', not of '{replicates.study}'.")
    found = deviations(tree)
    if not found:
        raise UserError(f"{tree.where} has no run of {FEWEST} trainings: give its runs `replicates: 5`.")
    path = Path(StudyFiles(study).places.kept) / DEVIATIONS
    write_text(path, as_csv(found))
    return f"{path}: {len(found)} numbers of {max(each.trainings for each in found.values())} trainings"


def refuse_other_recipes(replicates: Study, study: Study) -> None:
    """What trainings of other recipes, or other sets, differ by says nothing of these."""
    for name, run in study.runs.items():
        other = replicates.runs.get(name)
        if (
            other is None
            or jobs.train_job(replicates, name) != jobs.train_job(study, name)
            or other.sampling != run.sampling
        ):
            raise UserError(f"runs.{name} of '{replicates.study}' is not that of '{study.study}'.")


def main(arguments: Sequence[str]) -> None:
    print(keep(*(load_study(Path(path)) for path in arguments)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(f"keep_deviations: {error}", file=sys.stderr)
        raise SystemExit(2) from error
