"""`sphere-repro fetch`: fetch and verify the pretrained autoencoders of a study."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.commands import job as jobs_of
from sphere_repro.commands.verb import Verb
from sphere_repro.errors import UserError, nearest

if TYPE_CHECKING:
    from sphere_repro.data.hub import Pretrained


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, nargs="?", help="a study file: all that it takes from a hub")
    parser.add_argument("--run", help="only that of this run")
    parser.add_argument("--model", help="one model as JSON, instead of a study (what the workflow passes)")


def run(o: argparse.Namespace) -> str:
    from sphere_repro.data.hub import Pretrained
    from sphere_repro.strict import parse

    if (o.study is None) == (o.model is None):
        raise UserError("fetch needs either a study file or --model JSON.")
    if o.model is not None:
        return fetch([parse(Pretrained, jobs_of.json_object(o.model, "--model"), "--model")])
    return fetch(_of_study(o.study, o.run))


def _of_study(path: Path, name: str | None) -> list[Pretrained]:
    """What a study, or one of its runs, takes from a hub."""
    from sphere_repro.study.config import load_study
    from sphere_repro.study.files import StudyFiles

    files = StudyFiles(load_study(path))
    if name is None:
        return list(files.fetched.values())
    if name not in files.pretrained:
        raise UserError(f"{path}: no pretrained-vae is called '{name}'{nearest(name, files.pretrained)}")
    return [files.study.runs[name].model.pretrained]


def fetch(wanted: Iterable[Pretrained]) -> str:
    """Fetch and verify autoencoders, each once."""
    from sphere_repro.data.hub_download import download

    lines = [f"fetch {each}: recorded in {download(each)}" for each in wanted]
    return "\n".join(lines) or "fetch: the study takes nothing from a hub"


VERB = Verb("fetch", "fetch and verify a study's pretrained autoencoders", add_options, run, torch=False)
