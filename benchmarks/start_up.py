"""What a command costs before it works, in CPU seconds. Usage: start_up.py [repeats]

The help and a check beside a bare `python -c pass`, which shows the machine's own part; and each kind of job
of the study `smoke` beside `import torch`, up to the moment when it begins with its work: the first training
step, the first images, the network of the features, the figure. The commands take turns, so that a noisy
machine is noisy for all of them. Writes start_up.json beside this file.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "sphere-repro --help": ["-m", "sphere_repro", "--help"],
    "sphere-repro check params/demo.yaml": ["-m", "sphere_repro", "check", "params/demo.yaml"],
    "import torch": ["-c", "import torch"],
}
# what no job needs before it begins, but where it says so
HEAVY = ("torch", "torch._dynamo", "sympy", "scipy.stats", "sklearn", "skimage", "torchvision", "diffusers")
OF_RUN = "--study params/smoke.yaml --run digits"
SETS = ("reconstruction", "generation-1", "generation-4-fixed-shared", "prior-path")
FOLDER = "{folder}"
BEFORE = (
    f"prepare {OF_RUN} --out {FOLDER}/data.zip",
    f"train {OF_RUN} --data {FOLDER}/data.zip --out {FOLDER}/model.safetensors --curves {FOLDER}/curves.csv",
    *(
        f"sample {OF_RUN} --set {name} --model {FOLDER}/model.safetensors --data {FOLDER}/data.zip "
        f"--out {FOLDER}/{name}.zip"
        for name in SETS
    ),
    f"reference {OF_RUN} --data {FOLDER}/data.zip --out {FOLDER}/reference.npz",
)
# kind of job → its command, and the function with which its work begins
JOBS = {
    "train": (
        f"train {OF_RUN} --data {FOLDER}/data.zip --out {FOLDER}/new.safetensors --curves {FOLDER}/new.csv",
        "sphere_repro.training.stepper:Stepper.__call__",
    ),
    "train --live": (
        f"train {OF_RUN} --data {FOLDER}/data.zip --out {FOLDER}/new.safetensors --curves {FOLDER}/new.csv "
        f"--live {FOLDER}/live",
        "sphere_repro.training.stepper:Stepper.__call__",
    ),
    "sample": (
        f"sample {OF_RUN} --set {SETS[1]} --model {FOLDER}/model.safetensors --data {FOLDER}/data.zip "
        f"--out {FOLDER}/new.zip",
        "sphere_repro.sampling.sets:make_share",
    ),
    "encode": (
        f"encode {OF_RUN} --model {FOLDER}/model.safetensors --data {FOLDER}/data.zip --out {FOLDER}/new.npz",
        "sphere_repro.sampling.encoding:make_share",
    ),
    "score": (
        f"score {OF_RUN} --data {FOLDER}/data.zip --reference {FOLDER}/reference.npz "
        f"--sets {' '.join(f'{FOLDER}/{name}.zip' for name in SETS)} --out {FOLDER}/new.json",
        "sphere_repro.metrics.score:make_extractor",
    ),
    "figure samples": (
        f"figure samples real={FOLDER}/data.zip generation-1={FOLDER}/generation-1.zip "
        f"--out {FOLDER}/new.png",
        "sphere_repro.figures.samples:figure",
    ),
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of a Python process that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _python(arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def started(kind: str, folder: Path) -> dict[str, Any]:
    """CPU seconds of a job until its work begins, and what of `HEAVY` it has loaded by then.

    `folder`: what `prepared` made; nothing new lies there afterwards.
    """
    found: dict[str, Any] = json.loads(_python([__file__, "--until", kind, str(folder)]))
    return found


def prepared(folder: Path) -> None:
    """Everything that the jobs read, made in `folder`."""
    for command in BEFORE:
        _python(["-m", "sphere_repro", *_of(command, folder)])


def until_it_works(kind: str, folder: Path) -> None:
    """In a process of its own: run the job up to its work, print what `started` returns, and end."""
    from sphere_repro.cli import main

    def told(*_given: object, **_named: object) -> None:
        loaded = [name for name in HEAVY if name in sys.modules]
        print(json.dumps({"cpu_seconds": time.process_time(), "loaded": loaded}), flush=True)
        os._exit(0)

    command, first = JOBS[kind]
    module, _, name = first.partition(":")
    *places, last = name.split(".")
    place: Any = importlib.import_module(module)  # the job loads it in any case
    for step in places:
        place = getattr(place, step)
    with mock.patch.object(place, last, told):
        main(_of(command, folder))
    sys.exit(f"{kind} ended without {first}")


def _of(command: str, folder: Path) -> list[str]:
    options = command.replace(FOLDER, str(folder)).split()
    keeps = options[0] in ("train", "sample", "encode", "score")
    return [*options, *(["--state", str(folder / "state")] if keeps else [])]


def _python(arguments: list[str]) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def measured(repeats: int) -> dict[str, dict[str, float]]:
    """Median and least CPU seconds of each command; the first turn, which may compile, does not count."""
    turns = [{name: cpu_seconds(command) for name, command in COMMANDS.items()} for _ in range(repeats + 1)]
    return _summed_up({name: [turn[name] for turn in turns[1:]] for name in COMMANDS})


def measured_jobs(repeats: int, folder: Path) -> dict[str, dict[str, float]]:
    """The same of each kind of job until its work begins; `folder` as `prepared` made it."""
    turns = [{kind: started(kind, folder)["cpu_seconds"] for kind in JOBS} for _ in range(repeats + 1)]
    return _summed_up({kind: [turn[kind] for turn in turns[1:]] for kind in JOBS})


def _summed_up(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    return {
        name: {"median": round(statistics.median(found), 3), "least": round(min(found), 3)}
        for name, found in times.items()
    }


def main(repeats: int) -> None:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        prepared(Path(folder))
        jobs = measured_jobs(repeats, Path(folder))
    report = {
        "machine": {
            "cores": os.cpu_count(),
            "processor": platform.machine(),
            "python": platform.python_version(),
        },
        "load_before": load,
        "repeats": repeats,
        "cpu_seconds": measured(repeats),
        "cpu_seconds_of_jobs": jobs,
    }
    text = json.dumps(report, indent=2) + "\n"
    Path(__file__).with_suffix(".json").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--until"]:
        until_it_works(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
