"""What the command line costs before it works: CPU seconds of the help. Usage: start_up.py [repeats]

`sphere-repro --help` and `sphere-repro check params/demo.yaml` beside a bare `python -c pass`, which shows
the machine's own part. The commands take turns, so that a noisy machine is noisy for all of them. Writes
start_up.json beside this file.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "sphere-repro --help": ["-m", "sphere_repro", "--help"],
    "sphere-repro check params/demo.yaml": ["-m", "sphere_repro", "check", "params/demo.yaml"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of a Python process that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measured(repeats: int) -> dict[str, dict[str, float]]:
    """Median and least CPU seconds of each command; the first turn, which may compile, does not count."""
    turns = [{name: cpu_seconds(command) for name, command in COMMANDS.items()} for _ in range(repeats + 1)]
    times = {name: [turn[name] for turn in turns[1:]] for name in COMMANDS}
    return {
        name: {"median": round(statistics.median(found), 3), "least": round(min(found), 3)}
        for name, found in times.items()
    }


def main(repeats: int) -> None:
    report = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
        },
        "load_before": os.getloadavg()[0],
        "repeats": repeats,
        "cpu_seconds": measured(repeats),
    }
    text = json.dumps(report, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
