"""The result files that figures and claims read, and the words for what is in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json
from sphere_repro.results import degenerate
from sphere_repro.results.floor import expected
from sphere_repro.results.recognised import accuracy_of, unrecognised
from sphere_repro.strict import parse
from sphere_repro.study.config import Ablation
from sphere_repro.study.scoring import Score

JUDGED_STEPS = 4  # ablations are judged by the paper's scheme at so many steps
DERIVED = {"doubt", "unrecognised", "trainings", "deviation"}  # of a set's score, not of its file


@dataclass(frozen=True)
class SetScore:
    """How far one sample set lies from the real images; distances in the metric's own units."""

    set: str
    kind: str  # generation, reconstruction, prior, posterior
    frechet: float
    frechet_se: float
    count: int
    steps: int | None = None
    strength: str | None = None
    noise: str | None = None
    guidance_scale: float | None = None
    guidance_position: str | None = None
    kid: float | None = None
    kid_se: float | None = None
    psnr: float | None = None
    share_recognised: float | None = None
    doubt: str = ""  # why the score says nothing
    unrecognised: str = ""  # that it does not show its classes, in words
    trainings: int = 1  # of which this is the mean (results.trainings)
    deviation: float | None = None  # sample standard deviation of `frechet` between them

    @property
    def bar(self) -> float:
        """What an error bar shows: the deviation between trainings where it is known."""
        return self.frechet_se if self.deviation is None else self.deviation

    @property
    def guidance(self) -> str:
        """'' without guidance, else its position and scale."""
        scale = self.guidance_scale or 1.0
        return f"{self.guidance_position} {scale:g}" if scale > 1 else ""

    @property
    def scheme(self) -> tuple[str, str]:
        """Noise strength and noise sharing of the later steps; empty for a single step."""
        return self.strength or "", self.noise or ""

    @property
    def default_scheme(self) -> bool:
        """Whether the set has the paper's scheme: one step, or fixed strength and shared noise."""
        return self.steps == 1 or self.scheme == ("fixed", "shared")


@dataclass(frozen=True)
class RunScores:
    """All scores of one run with one feature extractor."""

    run: str
    dataset: str
    kind: str  # sphere, vae, autoencoder, pretrained-vae
    metric: str
    floor: float | None  # distance between two halves of the real images; see `floor_of`
    records: tuple[SetScore, ...]
    path: Path
    ablation: Ablation | None = None  # what the run varies
    moved: Mapping[str, Any] | None = None  # how far its training moved the loss
    floor_count: int | None = None  # images in each half
    reference_count: int | None = None
    freedom: float = Score().jackknife_groups - 1  # degrees of freedom of the standard errors
    kl: float | None = None  # weight of a VAE's KL divergence, where its model's record is at hand

    @property
    def doubts(self) -> str:
        """Which sets' scores say nothing, and why; empty where all may be believed."""
        return degenerate.listed((record.set, record.doubt) for record in self.records)

    def floor_of(self, count: int) -> float | None:
        """What `count` images of a perfect model would score against the reference; None if not known."""
        if self.floor is None or self.floor_count is None or self.reference_count is None:
            return None
        return expected(self.floor, self.floor_count, count, self.reference_count)

    def find(self, name: str) -> SetScore | None:
        """The score of the set called `name`, if there is one."""
        return next((record for record in self.records if record.set == name), None)


def read_scores(path: Path | str) -> RunScores:
    """Read one scores file, and what its model's record beside it says of the training.

    Raises:
        UserError: the file is missing, is not JSON, or lacks something.
    """
    path = Path(path)  # notebooks give names
    data = read_json(path)
    known = {field.name for field in fields(SetScore)} - DERIVED
    model = degenerate.model_beside(path)
    try:
        records = tuple(
            SetScore(**{key: value for key, value in record.items() if key in known})
            for record in data["records"]
        )
        measured = data.get("floor") or {"frechet": None}
        floor = measured["frechet"]
        named = {key: str(data[key]) for key in ("run", "dataset", "kind", "metric")}
        if not records:
            raise TypeError("it has no records")
        for record in records:
            if not all(isinstance(value, int | float) for value in (record.frechet, record.frechet_se)):
                raise TypeError(f"the distance of {record.set} is no number")
        doubts = ["; ".join(degenerate.doubts(record, model)) for record in data["records"]]
        accuracy = accuracy_of(data)
        records = tuple(
            replace(record, doubt=doubt, unrecognised=unrecognised(record.share_recognised, accuracy))
            for record, doubt in zip(records, doubts, strict=True)
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no scores file ({error}). Delete it and score the run again.") from error
    varied = data.get("ablation")
    ablation = parse(Ablation, varied, f"{path}: ablation") if varied else None
    return RunScores(
        **named,
        floor=floor,
        records=records,
        path=path,
        ablation=ablation,
        moved=model.get("moved"),
        floor_count=measured.get("count"),
        reference_count=data.get("reference_count"),
        freedom=_freedom(data),
        kl=_kl(model_record(path)) if named["kind"] == "vae" else None,
    )


def model_record(scores: Path) -> Path:
    """The record of the model whose scores these are."""
    return scores.with_name("model.json")


def _freedom(data: Mapping[str, Any]) -> float:
    """Degrees of freedom of the jackknife: its groups less one; the usual ones where none are named."""
    try:
        return int(data["provenance"]["parameters"]["score"]["jackknife_groups"]) - 1
    except (KeyError, TypeError, ValueError):
        return Score().jackknife_groups - 1


def _kl(model: Path) -> float | None:
    """The weight of the KL divergence in a model's record; None where no record names it."""
    try:
        return float(read_json(model)["job"]["loss"]["kl"]) if model.is_file() else None
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Variant:
    """One value of something that is varied, and the score by which it is judged."""

    value: str
    score: SetScore
    baseline: bool = False


def ablation_axes(runs: Sequence[RunScores]) -> dict[str, list[Variant]]:
    """Everything that a study varies: axis → its variants, the first run (the baseline) among them.

    Runs with an ablation are judged by their set of the same name as the baseline's judged one: the first of
    the paper's scheme at 4 steps. Steps, schemes and guidance are varied by the baseline's own sets. Numbers
    stand in their order, other values in that of the study. An axis without a second variant is left out.

    Raises:
        UserError: a run was scored on another dataset or with another measure than the first one.
    """
    first, *others = runs
    judged = judged_set(first)
    if judged is None:
        return {}
    axes: dict[str, list[Variant]] = {}
    for run in others:
        if run.ablation is None:
            continue
        if (run.dataset, run.metric) != (first.dataset, first.metric):
            raise UserError(
                f"{run.path} cannot be compared with {first.path}: {run.metric} on {run.dataset} and "
                f"{first.metric} on {first.dataset}. Score both runs of one study in the same way."
            )
        name = run.ablation.axis
        variants = axes.setdefault(name, [Variant(run.ablation.baseline, judged, baseline=True)])
        if (score := run.find(judged.set)) is not None:
            variants.append(Variant(run.ablation.value, score))
    axes |= _axes_of_sets(first, judged)
    return {name: _in_order(variants) for name, variants in axes.items() if len(variants) > 1}


def judged_set(run: RunScores) -> SetScore | None:
    """The set by which a run's ablations are judged, if it was drawn."""
    found = (record for record in run.records if record.steps == JUDGED_STEPS and record.default_scheme)
    return next(found, None)


def of_runs(runs: Iterable[RunScores]) -> str:
    """A sentence on the degenerate sets of some runs, for the foot of a figure; empty without any."""
    told = [f"{run.run}: {run.doubts}" for run in runs if run.doubts]
    return degenerate.sentence("; ".join(told))


def _axes_of_sets(run: RunScores, judged: SetScore) -> dict[str, list[Variant]]:
    """What one run's own sets vary, one thing at a time from the `judged` one."""
    position = judged.guidance_position or "combo"
    axes: dict[str, list[Variant]] = {
        "steps": [],
        "scheme": [],
        "guidance-position": [],
        "guidance-scale": [],
    }
    for score in run.records:
        if not score.steps:
            continue
        scale = score.guidance_scale or 1.0
        same_guidance, same_steps = score.guidance == judged.guidance, score.steps == judged.steps
        if same_guidance and score.default_scheme:
            axes["steps"].append(Variant(str(score.steps), score, score is judged))
        if same_guidance and same_steps:
            axes["scheme"].append(Variant(" + ".join(score.scheme), score, score is judged))
        if same_steps and score.default_scheme:
            if scale == (judged.guidance_scale or 1.0) > 1:
                axes["guidance-position"].append(
                    Variant(score.guidance_position or "", score, score is judged)
                )
            if scale == 1 or score.guidance_position == position:
                axes["guidance-scale"].append(Variant(f"{scale:g}", score, score is judged))
    return axes


def _in_order(variants: Sequence[Variant]) -> list[Variant]:
    numbers = [re.match(r"-?\d+(\.\d+)?", variant.value) for variant in variants]
    if not all(numbers):
        return list(variants)
    places = [float(number.group()) if number else 0.0 for number in numbers]
    return [variants[index] for index in sorted(range(len(places)), key=places.__getitem__)]


def read_uniformity(path: Path) -> dict[str, Any]:
    """Read one uniformity file; its clouds are under `clouds`, by key.

    Raises:
        UserError: the file is missing, is not JSON, or lacks something.
    """
    data = read_json(path)
    try:
        clouds = {cloud["key"]: cloud for cloud in data["clouds"]}
        if "latents" not in clouds or "run" not in data:
            raise KeyError("latents")
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is no uniformity file ({error}). Delete it and make it again.") from error
    return {**data, "clouds": clouds}


def distance_columns(score: SetScore, metric: str) -> dict[str, Any]:
    """What the numbers behind a figure say of a set: its distance (mean over trainings) and its errors."""
    return {
        "measure": metric_label(metric),
        "images": score.count,
        "distance": score.frechet,
        "standard error": score.frechet_se,
        "trainings": score.trainings,
        "deviation between trainings": score.deviation,
    }


def metric_label(metric: str) -> str:
    """The metric's name on an axis; only distances of Inception features are called FID."""
    parts = metric.split("-")
    if metric.startswith("fid-inception-legacy"):
        return "FID (Inception, legacy TensorFlow resize)"
    if metric.startswith("fid-inception"):
        return f"FID (Inception, {' '.join(parts[2:]) or 'unknown'} resize)"
    if metric.startswith("frechet-efficientnet-lite0"):
        size = next((part.removesuffix("px") for part in parts if part.endswith("px")), "")
        return f"Fréchet distance (EfficientNet-Lite0{f', {size} px' if size else ''}; not FID)"
    return f"Fréchet distance ({metric.removeprefix('frechet-')}; not FID)"


def set_label(name: str) -> str:
    """Words for a set's name: 'generation-4-linear-shared' is '4 steps, linear, shared'."""
    if not name.startswith("generation-"):
        return {"prior": "prior", "posterior": "estimated posterior"}.get(name, name)
    steps, *rest = name.removeprefix("generation-").split("-")
    for position in ("enc", "dec", "combo"):
        rest = [
            f"{position} {part.removeprefix(position)}" if part.startswith(position) else part
            for part in rest
        ]
    return ", ".join([f"{steps} step{'' if steps == '1' else 's'}", *rest])


def set_order(names: Sequence[str]) -> list[str]:
    """Sets as people read them: reconstruction, the paper's scheme by steps, other schemes, other sets."""

    def rank(name: str) -> tuple[int, int, bool, bool, str]:
        parts = name.split("-")
        later = ("linear" in parts, "independent" in parts or "initial" in parts, name)
        if parts[0] != "generation":
            return (0 if name == "reconstruction" else 3, 0, *later)
        plain = len(parts) == 2 or parts[2:] == ["fixed", "shared"]
        return (1 if plain else 2, int(parts[1]) if parts[1].isdigit() else 0, *later)

    return sorted(names, key=rank)
