"""From parsed options to a verb: which job, which files."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sphere_repro import verbs
from sphere_repro.errors import UserError, nearest
from sphere_repro.machine import devices, launch
from sphere_repro.machine.files import check_writable
from sphere_repro.machine.processes import is_worker
from sphere_repro.strict import Strict, parse
from sphere_repro.study import jobs, sense
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.generation import Generation
from sphere_repro.study.recipe import Execution
from sphere_repro.study.scoring import Score

Job = TypeVar("Job", bound=Strict)
# What a verb writes beside --out, under the same name with other suffixes.
BESIDE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("prepare", "train", "import", "sample", "encode", "reference", "figure", "table"), (".json",)
    ),
    "uniformity": (".npz",),
    "claims": (".csv", ".md"),
}
OUTPUTS = ("out", "curves", "metrics")
TOO_SMALL = 3  # exit status of a plan that does not fit: not the user's mistake (2), and no success


def run(options: argparse.Namespace) -> str:
    """Carry out the verb; return the line that says what was done.

    Raises:
        UserError: what the verb raises, or options that do not fit together.
    """
    _keep_inputs(options)
    verb: Callable[[argparse.Namespace], str] = _VERBS[options.verb]
    return verb(options)


def _keep_inputs(options: argparse.Namespace) -> None:
    """Refuse at once an output that cannot be written, or that would overwrite what the command reads."""
    given = {name: value if isinstance(value, list) else [value] for name, value in vars(options).items()}
    given["inputs"] = list(_pairs(options).values())
    paths = [(name, path) for name, values in given.items() for path in values if isinstance(path, Path)]
    written = [(f"--{name}", path) for name, path in paths if name in OUTPUTS]
    if hasattr(options, "out"):
        suffixes = BESIDE.get(options.verb, ())
        written += [(f"the {suffix} beside --out", options.out.with_suffix(suffix)) for suffix in suffixes]
    taken = {path.resolve(): f"--{name}" for name, path in paths if name not in (*OUTPUTS, "log")}
    for name, path in written:
        check_writable(path)
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            raise UserError(f"{path} is both {other} and {name}: one would overwrite the other. Rename one.")


def _pairs(options: argparse.Namespace) -> dict[str, Path]:
    """Files given as KEY=PATH."""
    pairs = [item.partition("=") for item in getattr(options, "inputs", ())]
    for key, sign, path in pairs:
        if not (key and sign and path):
            raise UserError(f"'{key}{sign}{path}' is not of the form KEY=PATH. Write it as real=data/….zip.")
    return {key: Path(path) for key, _, path in pairs}


def _job(options: argparse.Namespace, record: type[Job], derive: Callable[[Study], Job]) -> Job:
    """The job from `--job JSON`, or from `--study FILE --run NAME`."""
    if options.job is not None:
        extra = [name for name in ("study", "run", "set", "extractor") if getattr(options, name, None)]
        if extra:
            raise UserError(f"--job says everything: leave out --{extra[0]}, or --job.")
        return parse(record, _json_object(options.job, "--job"), f"the job of '{options.verb}'")
    if options.study is None or options.run is None:
        raise UserError(f"{options.verb} needs either --job JSON, or --study FILE and --run NAME.")
    study = load_study(options.study)
    if options.run not in study.runs:
        raise UserError(
            f"{options.study}: no run is called '{options.run}'{nearest(options.run, study.runs)}"
        )
    return derive(study)


def _json_object(text: str, option: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{option} is not JSON ({error}). Pass it as the workflow does.") from error
    if not isinstance(data, dict):
        raise UserError(f"{option} is not a JSON object. Pass it as the workflow does.")
    return data


def _prepare(o: argparse.Namespace) -> str:
    job = _job(o, jobs.PrepareJob, lambda study: jobs.prepare_job(study.runs[o.run]))
    return verbs.prepare(job, o.out, downloads=o.raw, state=o.state, threads=o.threads)


def _train(o: argparse.Namespace) -> str:
    job = _job(o, jobs.TrainJob, lambda study: jobs.train_job(study, o.run))
    execution = _execution(o)
    if execution.world_size > 1 and not is_worker():
        o.status = launch.launch(o.arguments, launch.Workers(execution.processes, execution.nodes), o.device)
        if o.status == launch.INTERRUPTED:
            raise KeyboardInterrupt
        return ""
    from sphere_repro.training.loop import Files

    files = Files(archive=o.data, model=o.out, curves=o.curves, state=o.state, live=o.live)
    return verbs.train(job, files, o.device, execution, o.log)


def _execution(o: argparse.Namespace) -> Execution:
    """How to compute: from `--execution JSON`, which wins, or as the study says."""
    if o.execution is not None:
        return parse(Execution, _json_object(o.execution, "--execution"), "--execution")
    return load_study(o.study).runs[o.run].execution if o.study is not None else Execution()


def _import(o: argparse.Namespace) -> str:
    return verbs.import_run(_job(o, jobs.ReleasedJob, lambda study: jobs.released_job(study, o.run)), o.out)


def _sample(o: argparse.Namespace) -> str:
    def derive(study: Study) -> jobs.SampleJob:
        sets = study.runs[o.run].sets
        if o.set is None:
            raise UserError(f"sample needs --set NAME; run '{o.run}' has {', '.join(sets)}.")
        if o.set not in sets:
            raise UserError(f"{o.study}: run '{o.run}' has no sample set '{o.set}'{nearest(o.set, sets)}")
        return jobs.sample_job(study, o.run, o.set)

    return verbs.sample(_job(o, jobs.SampleJob, derive), o.model, o.data, o.out, o.device)


def _encode(o: argparse.Namespace) -> str:
    job = _job(o, jobs.EncodeJob, lambda study: jobs.encode_job(study, o.run))
    return verbs.encode(job, o.model, o.data, o.out, o.device)


def _reference(o: argparse.Namespace) -> str:
    def derive(study: Study) -> jobs.ReferenceJob:
        return jobs.reference_job(study, study.runs[o.run], _extractor(o, study))

    return verbs.reference(_job(o, jobs.ReferenceJob, derive), o.data, o.out, o.device)


def _score(o: argparse.Namespace) -> str:
    job = _job(o, jobs.ScoreJob, lambda study: jobs.score_job(study, o.run, _extractor(o, study)))
    return verbs.score(job, o.data, o.reference, o.sets, o.out, o.device)


def _extractor(o: argparse.Namespace, study: Study) -> str:
    """The extractor asked for, if the study can be scored with it."""
    asked = o.extractor or study.score.extractor
    return parse(Score, study.score.model_dump() | {"extractor": asked, "also": ()}, "--extractor").extractor


def _uniformity(o: argparse.Namespace) -> str:
    job = _job(o, jobs.UniformityJob, lambda study: jobs.uniformity_job(study, o.run))
    return verbs.uniformity(job, o.latents, o.baseline, o.out)


def _figure(o: argparse.Namespace) -> str:
    return verbs.figure(o.name, _pairs(o), o.subject, o.out)


def _generate(o: argparse.Namespace) -> str:
    asked = {key: getattr(o, key) for key in ("steps", "strength", "noise")}
    asked["guidance"] = {"scale": o.guidance, "position": o.position}
    settings = parse(Generation, asked, "generate")
    return verbs.generate(
        o.model, o.out, settings, count=o.count, seed=o.seed, weights=o.weights, device=o.device
    )


def _tied(o: argparse.Namespace) -> str:
    """Become the command; the wish to end with the parent stays with the process."""
    if not o.command:
        raise UserError("tied needs a command.")
    os.execvp(o.command[0], o.command)


def _check(o: argparse.Namespace) -> str:
    study = load_study(o.study)
    lines = [f"{o.study}: study '{study.study}', {len(study.runs)} runs"]
    lines += [
        f"  {name}: {run.dataset.archive}, {run.model.kind}"
        f"{f' of {run.released}' if run.released else ''}, sets {', '.join(run.sets)}"
        for name, run in study.runs.items()
    ]
    lines += [f"  doubtful: {sentence}." for sentence in sense.doubts(study, devices.free_memory())]
    return "\n".join(lines)


def _plan(o: argparse.Namespace) -> str:
    text, fits = verbs.plan(load_study(o.study), o.device, o.utilisation, as_json=o.json)
    o.status = 0 if fits else TOO_SMALL
    return text


_VERBS: dict[str, Callable[[argparse.Namespace], str]] = {
    "download": lambda o: verbs.download(o.dataset, o.raw),
    "prepare": _prepare,
    "train": _train,
    "import": _import,
    "sample": _sample,
    "encode": _encode,
    "reference": _reference,
    "score": _score,
    "uniformity": _uniformity,
    "figure": _figure,
    "table": lambda o: verbs.table(o.scores, o.out, o.metrics, o.expected),
    "claims": lambda o: verbs.claims(o.scores, o.uniformity, o.table, o.out),
    "check": _check,
    "plan": _plan,
    "tied": _tied,
    "explain": lambda o: verbs.explain(o.result, as_json=o.json),
    "import-released": lambda o: verbs.import_released(o.checkpoint, o.config, o.out),
    "generate": _generate,
}
