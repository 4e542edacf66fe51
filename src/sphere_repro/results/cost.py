"""What images cost: FLOPs and passes of each set of generated images, and the table of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphere_repro.data.dataset import Dataset
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.results.rivals import Rival
from sphere_repro.results.scores import RunScores, SetScore, metric_label, model_record, set_label
from sphere_repro.results.table_formats import Line, Measured, Table
from sphere_repro.strict import parse
from sphere_repro.study import flops
from sphere_repro.study.architecture import Architecture, Model
from sphere_repro.study.generation import Generation


@dataclass(frozen=True)
class Point:
    """One set of generated images: what it costs for each image, and how far it lies from the real ones."""

    run: str
    score: SetScore
    parameters: int
    calls: flops.Calls
    operations: int  # FLOPs for one image


def points(run: RunScores, record: Path) -> list[Point]:
    """Every generated set of a run, by its cost.

    Raises:
        UserError: the model's record does not say what was trained.
    """
    shape, parameters = _shape(record)
    found = []
    for score in run.records:
        if score.steps:
            calls = flops.generation_calls(_generation(score))
            found.append(Point(run.run, score, parameters, calls, flops.forward_flops(shape, calls)))
    return sorted(found, key=lambda point: point.operations)


def _generation(score: SetScore) -> Generation:
    scheme = {"strength": score.strength, "noise": score.noise} if score.strength else {}
    guidance: dict[str, Any] = {"scale": score.guidance_scale or 1.0}
    guidance |= {"position": score.guidance_position} if score.guidance_position else {}
    return Generation.model_validate({"steps": score.steps, "guidance": guidance, **scheme})


def _shape(record: Path) -> tuple[Architecture, int]:
    found = read_json(record)
    try:
        job, parameters = found["job"], int(found["parameter_count"])
        if "model" in job and "dataset" in job:
            model, dataset = (
                parse(Model, job["model"], str(record)),
                parse(Dataset, job["dataset"], str(record)),
            )
            return model.architecture(dataset), parameters
        return parse(Architecture, job["architecture"], str(record)), parameters
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{record} does not say which model it is about ({error}). Make it again.") from error


def row(run: RunScores, point: Point) -> dict[str, Any]:
    """One set as the figure's numbers have it."""
    return {
        "run": run.run,
        "dataset": run.dataset,
        "metric": metric_label(run.metric),
        "set": point.score.set,
        "steps": point.score.steps,
        "passes of the encoder": point.calls.encoder,
        "passes of the decoder": point.calls.decoder,
        "parameters": point.parameters,
        "FLOPs for one image": point.operations,
        "distance": point.score.frechet,
        "standard error": point.score.frechet_se,
    }


def row_of_rival(rival: Rival) -> dict[str, Any]:
    """Another method's published number beside them."""
    return {
        "run": f"{rival.method} (published)",
        "dataset": rival.dataset.archive,
        "metric": "FID, as its authors measured it",
        "steps": rival.steps,
        "distance": rival.frechet,
    }


def of_cost(runs: Sequence[RunScores], rivals: Sequence[Rival], rows: Sequence[Mapping[str, str]]) -> Table:
    """Every generated set by its cost, of several trainings the mean, and below them other methods.

    Args:
        runs: scores of the study's runs; the records of their models lie beside them.
        rivals: shown where their dataset was scored by an FID.
        rows: of the table of all scores, which say what is published of a set.

    Raises:
        UserError: a model's record is missing or does not say what was trained.
    """
    published = {(each["run"], each["set"], each["metric"]): each["published_frechet"] for each in rows}
    lines: list[Line] = []
    for run in runs:
        for point in points(run, model_record(run.path)) if run.kind == "sphere" else ():
            score = point.score
            lines.append(
                {
                    "run": run.run,
                    "set": set_label(score.set),
                    "passes of the encoder": str(point.calls.encoder),
                    "passes of the decoder": str(point.calls.decoder),
                    "parameters": str(point.parameters),
                    "FLOPs for one image": Measured(str(point.operations)),
                    "measure": run.metric,
                    "distance": Measured(f"{score.frechet:.6g}", f"{score.frechet_se:.6g}"),
                    "published distance": published.get((run.run, score.set, run.metric), ""),
                }
            )
    datasets = {run.dataset for run in runs if run.metric.startswith("fid-")}
    lines += [
        {
            "run": rival.method,
            "set": f"{rival.steps} step{'s' if rival.steps > 1 else ''}",
            "measure": "FID, as its authors measured it",
            "published distance": f"{rival.frechet:.2f}",
        }
        for rival in rivals
        if rival.dataset.archive in datasets
    ]
    return Table("What one image costs, and its set's distance ± one standard error.", lines)
