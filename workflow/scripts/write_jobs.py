"""Write the jobs of a study, one JSON file each, for DVC to depend on. Usage: write_jobs.py params/STUDY.yaml

They are what Snakemake holds results against: derived from the whole study, with every default, and with the
content of own images and released checkpoints. A file whose job has not changed is left alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.machine.files import write_text  # noqa: E402
from sphere_repro.planning.outside import outside  # noqa: E402
from sphere_repro.study import catalogue, jobs  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.files import StudyFiles  # noqa: E402


def main(study_file: str) -> None:
    study = load_study(study_file)
    files = StudyFiles(study, outside(study))
    texts = {f"{step.name}.json": f"{jobs.as_text(step.job)}\n" for step in files.steps()}
    texts["figures.json"] = "".join(f"{figure.parameters}\n" for figure in catalogue.wanted(files).values())
    folder = Path(files.places.jobs)
    for name, text in texts.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except UserError as error:
        print(f"sphere-repro: {error}", file=sys.stderr)
        raise SystemExit(2) from None
