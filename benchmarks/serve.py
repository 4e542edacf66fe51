"""How long a served model takes to answer. Usage: serve.py [--home results/demo] [--rounds N]

Each view of the page as it opens, of each Sphere Encoder of the demo: milliseconds from the question to the
whole answer in JSON, within the process, and the process's CPU time, which other work on the machine moves
less. Medians over rounds in which the views take turns; the first round, which warms up, does not count.
Writes serve.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import torch  # noqa: E402
from flask.testing import FlaskClient  # noqa: E402

from sphere_repro.machine.allocator import keep_freed_memory  # noqa: E402
from sphere_repro.serving.application import application  # noqa: E402
from sphere_repro.serving.stage import Found, set_up  # noqa: E402

OUT = Path(__file__).with_suffix(".json")
RUNS = ("digits", "photo-patches")
VIEWS = {
    "draw": "draw?seed={seed}",
    "draw, falling noise": "draw?seed={seed}&strength=linear",
    "between, a line": "between?seed={seed}{pair}",
    "between, a line of 4 steps": "between?seed={seed}&steps=4{pair}",
    "between, a square": "between?seed={seed}&form=square&points=7{pair}",
    "edit": "edit?drawn={seed}{one}",
    "stitch": "stitch?drawn={seed}&second=1",
}


def client(home: Path, run: str) -> tuple[FlaskClient, bool]:
    """Asks the run's model, with its VAE beside it; and whether it has classes."""
    stage = set_up(Found(run, home / run, home / f"{run}-vae"), "raw", torch.device("cpu"))
    app = application(stage, frozenset({"localhost"}))
    return app.test_client(), stage.model.shape.classes > 0


def measured(home: Path, run: str, rounds: int) -> dict[str, dict[str, float]]:
    """Medians of each view."""
    asking, conditional = client(home, run)
    words = {"pair": "&classes=0,1", "one": "&classes=3"} if conditional else {"pair": "", "one": ""}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in VIEWS}
    for turn in range(rounds + 1):
        for name, asked in VIEWS.items():
            began, cpu = time.perf_counter(), time.process_time()
            response = asking.get(asked.format(seed=turn, **words))
            spent = time.perf_counter() - began, time.process_time() - cpu
            if response.status_code != 200:
                raise SystemExit(f"{name}: {response.text}")
            found[name].append(spent)
    return {name: _summed_up(times[1:]) for name, times in found.items()}


def _summed_up(times: list[tuple[float, float]]) -> dict[str, float]:
    wall, cpu = (1000 * statistics.median(each) for each in zip(*times, strict=True))
    return {"milliseconds": round(wall, 1), "cpu_milliseconds": round(cpu, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / "results/demo", help="the demo's runs")
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    torch.set_num_threads(1)
    keep_freed_memory()
    answers: dict[str, Any] = {run: measured(asked.home, run, asked.rounds) for run in RUNS}
    report = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
        "load": [load, os.getloadavg()[0]],
        "rounds": asked.rounds,
        "threads": 1,
        "answers": answers,
    }
    text = json.dumps(report, indent=2) + "\n"
    OUT.write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
