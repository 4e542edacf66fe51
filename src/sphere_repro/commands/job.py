"""The job of a command: as JSON, as the workflow passes it, or derived from a study and a run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sphere_repro.errors import UserError, nearest

if TYPE_CHECKING:
    from sphere_repro.strict import Strict
    from sphere_repro.study.config import Study

Job = TypeVar("Job", bound="Strict")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a job, and --out."""
    parser.add_argument("--job", help="the job's parameters as JSON (what the workflow passes)")
    parser.add_argument("--study", type=Path, help="a study file, with --run, instead of --job")
    parser.add_argument("--run", help="name of the run in the study")
    parser.add_argument("--out", type=Path, required=True, help="file to write")


def asked(options: argparse.Namespace, record: type[Job], derive: Callable[[Study], Job]) -> Job:
    """The job from `--job JSON`, or from `--study FILE --run NAME`, by `derive`.

    Raises:
        UserError: the options do not name one job, or the job or the study is not well formed.
    """
    from sphere_repro.strict import parse
    from sphere_repro.study.config import load_study

    if options.job is not None:
        extra = [name for name in ("study", "run", "set", "extractor") if getattr(options, name, None)]
        if extra:
            raise UserError(f"--job says everything: leave out --{extra[0]}, or --job.")
        return parse(record, json_object(options.job, "--job"), f"the job of '{options.verb}'")
    if options.study is None or options.run is None:
        raise UserError(f"{options.verb} needs either --job JSON, or --study FILE and --run NAME.")
    study = load_study(options.study)
    if options.run not in study.runs:
        raise UserError(
            f"{options.study}: no run is called '{options.run}'{nearest(options.run, study.runs)}"
        )
    return derive(study)


def json_object(text: str, option: str) -> dict[str, Any]:
    """The JSON object given as `option`.

    Raises:
        UserError: it is none.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{option} is not JSON ({error}). Pass it as the workflow does.") from error
    if not isinstance(data, dict):
        raise UserError(f"{option} is not a JSON object. Pass it as the workflow does.")
    return data


def extractor(options: argparse.Namespace, study: Study) -> str:
    """The extractor asked for, or the study's.

    Raises:
        UserError: the study cannot be scored with it.
    """
    from sphere_repro.strict import parse
    from sphere_repro.study.scoring import Score

    name = options.extractor or study.score.extractor
    return parse(Score, study.score.model_dump() | {"extractor": name, "also": ()}, "--extractor").extractor
