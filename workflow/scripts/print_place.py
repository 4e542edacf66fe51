"""Print the folder of a study's tables and figures. Usage: print_place.py params/STUDY.yaml"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "src"))

from sphere_repro.errors import UserError  # noqa: E402
from sphere_repro.study.config import load_study  # noqa: E402
from sphere_repro.study.places import Places  # noqa: E402

if __name__ == "__main__":
    try:
        print(Places(load_study(Path(sys.argv[1])).study).summary)
    except UserError as error:
        print(f"sphere-repro: {error}", file=sys.stderr)
        raise SystemExit(2) from error
