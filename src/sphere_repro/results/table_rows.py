"""What the table of all scores says of one scores file, read from it and from the records beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.provenance.code import code_has_changed
from sphere_repro.results import degenerate, recognised
from sphere_repro.results import floor as floors
from sphere_repro.results.expected import Expected, find
from sphere_repro.study.replicates import replicate_of

OF_RUN = ("dataset", "metric", "extractor", "resize", "reference_split", "reference_count")
OF_SET = (
    "set", "kind", "steps", "strength", "noise", "guidance_scale", "guidance_position", "count", "frechet",
    "frechet_se", "kid", "kid_se", "inception_score", "inception_score_sd", "inception_score_splits",
    "precision", "recall", "density", "coverage", "psnr", "ssim", "ssim_window", "ssim_count", "lpips",
    "lpips_missing", "share_recognised",
)  # fmt: skip
SHORT_HASH = 12


def published(known: Expected, row: Mapping[str, Any], scores: Path) -> dict[str, float | str | None]:
    """The published numbers of a row that are comparable with it, by the records beside its scores."""
    model = _recorded(scores.with_name("model.json")).get("job")
    sample = _recorded(scores.parent / "samples" / f"{row['set']}.json").get("job")
    found = find(known, row, model, sample)
    if found is None:
        return {}
    numbers, source = found
    return {
        "published_frechet": numbers.frechet,
        "published_inception_score": numbers.inception_score,
        "published_source": source,
    }


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of one scores file, a value for each column that its sets have; None where it has no meaning.

    Raises:
        UserError: it is missing or is no scores file.
    """
    scores = read_json(path)
    training = _code(path.with_name("model.json"))
    segments = _recorded(path.with_name("model.json")).get("segments", ())
    try:
        floor = scores["floor"]
        run, replicate = replicate_of(scores["run"])
        common = {
            "study": path.resolve().parent.parent.name,
            "run": run,
            "replicate": replicate,
            "model": scores["kind"],
            **{key: scores[key] for key in OF_RUN},
            "floor_count": floor["count"] if floor else None,
            **recognised.columns(scores),
            "code": str(training.get("sha256", ""))[:SHORT_HASH],
        }
        model = degenerate.model_beside(path)
        rows = [
            common
            | {key: entry[key] for key in OF_SET}
            | {"floor": _floor(floor, entry, scores)}
            | {"degenerate": "; ".join(degenerate.doubts(entry, model))}
            for entry in scores["records"]
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is no scores file ({error}). Delete it and score the run again.") from error
    for row in rows:
        sampling = _code(path.parent / "samples" / f"{row['set']}.json")
        code = {"training": (training, segments), "sampling": (sampling, ())}
        row["code_changed"] = " ".join(
            name for name, made_by in code.items() if "modules" in made_by[0] and code_has_changed(*made_by)
        )
    return rows


def _floor(
    measured: Mapping[str, Any] | None, entry: Mapping[str, Any], scores: Mapping[str, Any]
) -> float | None:
    """What a perfect model's images would score, if they were as many as the set's."""
    if not measured:
        return None
    return floors.expected(measured["frechet"], measured["count"], entry["count"], scores["reference_count"])


def _code(path: Path) -> dict[str, Any]:
    """The code in a result's provenance, which may be the file itself or a part of it; empty without one."""
    found = _recorded(path)
    origin = found.get("provenance", found)
    code = origin.get("code") if isinstance(origin, Mapping) else None
    return dict(code) if isinstance(code, Mapping) else {}


def _recorded(path: Path) -> dict[str, Any]:
    """A result's record; empty where there is none."""
    found = read_json(path) if path.is_file() else None
    return dict(found) if isinstance(found, Mapping) else {}
