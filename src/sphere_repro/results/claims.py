"""The paper's statements as tests on a study's own results.

Each claim gives its numbers with their uncertainty and a verdict. A verdict needs a difference of two
combined standard errors; below that the claim is undecided. The standard errors do not know that sets share
seeds and reference images, which makes them too large rather than too small, nor that another training would
differ.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sphere_repro.machine.files import write_text
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.results.degenerate import unmoved
from sphere_repro.results.scores import (
    RunScores,
    SetScore,
    Variant,
    ablation_axes,
    read_scores,
    read_uniformity,
)

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
STANDARD_ERRORS = 2.0  # a difference counts from so many combined standard errors
MANY_STEPS = 4
TOLERANCE = 0.05  # of a published number: an assumption, see published.py
FAR_WORSE = 2.0  # 'far worse' is at least so many times the distance of the reconstructions
LARGEST_MEAN_COSINE = 0.01  # uniform in effect: a mean direction no longer than 0.1
LARGEST_ANISOTROPY = 2.0  # uniform in effect: at least half of the dimensions used
LOSS_AXIS, ALONE = "loss-terms", "L_pix-recon alone"  # as a study of ablations calls them
ANGLE_AXIS = "alpha-max"


@dataclass(frozen=True)
class Number:
    """A number, its standard error, and why it says nothing where it does."""

    value: float
    se: float
    doubt: str = ""

    def __str__(self) -> str:
        return f"{self.value:.4g} ± {self.se:.2g}"


@dataclass(frozen=True)
class Claim:
    """One statement, tested on one run."""

    claim: str
    text: str
    rule: str
    run: str
    dataset: str
    metric: str
    verdict: str
    numbers: dict[str, Number] = field(default_factory=dict)
    note: str = ""

    def record(self) -> dict[str, Any]:
        """The claim as a JSON-able value."""
        numbers = {name: {"value": number.value, "se": number.se} for name, number in self.numbers.items()}
        return {**self.__dict__, "numbers": numbers}


TEXTS = {
    "few-steps-beat-one": (
        f"{MANY_STEPS} steps give better images than one.",
        f"distance of 1 step minus distance of {MANY_STEPS} steps (fixed, shared) is above 0",
    ),
    "fixed-shared-is-best": (
        f"Fixed strength with shared noise is the best scheme at {MANY_STEPS} steps.",
        "distance of the best other scheme minus distance of fixed + shared is above 0",
    ),
    "vae-prior-far-worse": (
        "Prior samples of a VAE are far worse than its reconstructions.",
        f"distance of the prior samples is above {FAR_WORSE:g} times that of the reconstructions",
    ),
    "sphere-prior-not-far-worse": (
        "One-step samples of the Sphere Encoder stay near its reconstructions, where those of a VAE do not.",
        "the ratio of the one-step samples' distance to the reconstructions' is below "
        f"1/{FAR_WORSE:g} of the VAE's ratio (prior to reconstruction), and the one-step samples are nearer "
        "than the VAE's prior samples",
    ),
    "latents-uniform": (
        "Latents of the training images are uniform on the sphere, as a whole and in each class.",
        f"mean cosine of two latents at most {LARGEST_MEAN_COSINE:g} (mean direction at most 0.1 long) and "
        f"anisotropy at most {LARGEST_ANISOTROPY:g}, as a whole and on average over the classes; counts only "
        "where true uniform points pass and raw pixels fail the same test",
    ),
    "published-number-reached": (
        f"The published number is reached, within {100 * TOLERANCE:g} %.",
        "the distance is above the published one, or the Inception Score below it, by less than "
        f"{100 * TOLERANCE:g} % of the published value (an assumption: how far another training moves it is "
        "not known); the published value counts with the standard error of the measured one",
    ),
    "all-losses-beat-one": (
        "All three losses give better images than the reconstruction loss alone.",
        f"distance of the run '{ALONE}' minus distance of the baseline ({MANY_STEPS} steps, fixed, shared) "
        "is above 0",
    ),
    "angle-is-best": (
        "The paper's largest noise angle is the best of those tried.",
        f"distance of the best other angle minus distance of the baseline ({MANY_STEPS} steps, fixed, "
        "shared) is above 0",
    ),
}


def claims(
    score_files: Sequence[Path],
    uniformity_files: Sequence[Path],
    out: Path,
    further: Mapping[Path, Sequence[Claim]] | None = None,
) -> None:
    """Test every claim on the results; write `out` (JSON) and the table beside it as .csv and .md.

    Args:
        score_files: scores of every run with the study's main extractor.
        uniformity_files: the latents' statistics.
        out: the JSON.
        further: claims that were judged elsewhere, by the file that they were judged on.

    Raises:
        UserError: a results file is missing or broken.
    """
    runs = [read_scores(path) for path in score_files]
    still = {run.run: why for run in runs if (why := unmoved(run.moved))}
    found = [*score_claims(runs)]
    found += [uniformity_claim(read_uniformity(path), still) for path in uniformity_files]
    further = further or {}
    found += [claim for judged in further.values() for claim in judged]
    found.sort(key=lambda claim: [*TEXTS].index(claim.claim))
    inputs = {str(path): path for path in [*score_files, *uniformity_files, *further]}
    origin = provenance_of({}, inputs=inputs, code=("results/",))
    beside = {out.with_suffix(".csv"): as_csv(found), out.with_suffix(".md"): markdown(found)}
    for path, text in beside.items():
        write_text(path, text)
    write_record(out, {"claims": [claim.record() for claim in found], "provenance": origin}, beside)


def score_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """The claims on distances: three per Sphere Encoder and one per VAE, and those on the ablations."""
    found: list[Claim] = []
    for run in runs:
        if run.ablation is not None:
            continue  # the paper's statements are about its method, not about what it leaves out
        if run.kind == "vae":
            found.append(_vae_prior(run))
        else:
            wanted = ("vae", run.dataset, run.metric)
            baselines = [other for other in runs if (other.kind, other.dataset, other.metric) == wanted]
            found += [_few_steps(run), _best_scheme(run), _sphere_prior(run, baselines)]
    return found + (ablation_claims(runs) if any(run.ablation for run in runs) else [])


def ablation_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """The claims on what a study varies; its first run is the baseline."""
    axes = ablation_axes(runs)
    alone = [variant for variant in axes.get(LOSS_AXIS, ()) if variant.baseline or variant.value == ALONE]
    note = f"the study lacks a run '{ALONE}' on the axis {LOSS_AXIS}, or its samples of {MANY_STEPS} steps"
    found = [_against_others("all-losses-beat-one", runs[0], alone, note)]
    note = f"the study lacks runs on the axis {ANGLE_AXIS}, or their samples of {MANY_STEPS} steps"
    return [*found, _against_others("angle-is-best", runs[0], axes.get(ANGLE_AXIS, ()), note)]


def uniformity_claim(data: dict[str, Any], unmoved_runs: Mapping[str, str] | None = None) -> Claim:
    """Judge one run's latents by effect size, and the test itself by its two controls.

    Latents of a run among `unmoved_runs` (run → how its loss hardly moved) say nothing of the method.
    """
    groups = {key: _effects(cloud) for key, cloud in data["clouds"].items()}
    verdicts = {key: _uniform_in_effect(effects.values()) for key, effects in groups.items()}
    verdict, note = verdicts["latents"], ""
    if verdicts.get("uniform") != HOLDS or verdicts.get("pixels") != FAILS:
        verdict = UNDECIDED
        note = "the test cannot tell its controls apart: examine more images"
    if why := (unmoved_runs or {}).get(data["run"]):
        verdict, note = UNDECIDED, f"its model learned nothing: {why}"
    numbers = {f"{name}, {key}": pair[0] for key in groups for name, pair in groups[key].items()}
    return _claim("latents-uniform", data["run"], "", "", verdict, numbers, note)


def markdown(found: Sequence[Claim]) -> str:
    """The claims as a Markdown table, followed by the rules."""
    lines = ["| claim | run | metric | verdict | numbers |", "|---|---|---|---|---|"]
    for claim in found:
        cells = [claim.text, claim.run, claim.metric, f"**{claim.verdict}**", _numbers(claim, "<br>")]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    used = dict.fromkeys(claim.claim for claim in found)
    lines += ["", f"± is one standard error; a verdict needs {STANDARD_ERRORS:g}. A claim holds when:", ""]
    lines += [f"* *{TEXTS[name][0]}*: {TEXTS[name][1]}." for name in used]
    return "\n".join(lines) + "\n"


def as_csv(found: Sequence[Claim]) -> str:
    """The claims as CSV, one row each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["claim", "run", "dataset", "metric", "verdict", "numbers", "text", "rule"])
    for claim in found:
        row = [claim.claim, claim.run, claim.dataset, claim.metric, claim.verdict]
        writer.writerow([*row, _numbers(claim, "; "), claim.text, claim.rule])
    return buffer.getvalue()


def decide(excess: Number) -> str:
    """Holds when `excess` is above 0 by two standard errors, does not hold when below by as much.

    What was computed from a score that says nothing stays undecided.
    """
    if excess.doubt or not (math.isfinite(excess.value) and math.isfinite(excess.se)):
        return UNDECIDED
    if abs(excess.value) <= STANDARD_ERRORS * excess.se:
        return UNDECIDED
    return HOLDS if excess.value > 0 else FAILS


def every(verdicts: Iterable[str]) -> str:
    """The verdict of a claim with several conditions: all must hold."""
    found = set(verdicts)
    if FAILS in found:
        return FAILS
    return HOLDS if found == {HOLDS} else UNDECIDED


def _few_steps(run: RunScores) -> Claim:
    one = _plain(run, 1)
    many = _plain(run, MANY_STEPS, guidance=one.guidance if one else None)
    if one is None or many is None:
        note = f"the run lacks samples of 1 or of {MANY_STEPS} steps (fixed, shared)"
        return _claim("few-steps-beat-one", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    gain = _difference(_distance(one), _distance(many))
    numbers = {"1 step": _distance(one), f"{MANY_STEPS} steps": _distance(many), "difference": gain}
    return _claim("few-steps-beat-one", run.run, run.dataset, run.metric, decide(gain), numbers)


def _best_scheme(run: RunScores) -> Claim:
    best = _plain(run, MANY_STEPS)
    others = [
        record
        for record in run.records
        if record.steps == MANY_STEPS
        and not record.default_scheme
        and best
        and record.guidance == best.guidance
    ]
    if best is None or not others:
        note = f"the run lacks samples of another scheme at {MANY_STEPS} steps"
        return _claim("fixed-shared-is-best", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    rival = min(others, key=lambda record: record.frechet)
    lead = _difference(_distance(rival), _distance(best))
    numbers = {"fixed + shared": _distance(best)}
    numbers |= {" + ".join(record.scheme): _distance(record) for record in others}
    numbers["lead over the best other"] = lead
    return _claim("fixed-shared-is-best", run.run, run.dataset, run.metric, decide(lead), numbers)


def _against_others(name: str, run: RunScores, variants: Sequence[Variant], note: str) -> Claim:
    """The baseline against the best of the other variants; undecided with `note` where there is none."""
    ours = next((variant for variant in variants if variant.baseline), None)
    others = [variant for variant in variants if not variant.baseline]
    if ours is None or not others:
        return _claim(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    rival = min(others, key=lambda variant: variant.score.frechet)
    lead = _difference(_distance(rival.score), _distance(ours.score))
    numbers = {variant.value: _distance(variant.score) for variant in variants}
    numbers["lead over the best other"] = lead
    return _claim(name, run.run, run.dataset, run.metric, decide(lead), numbers)


def _vae_prior(run: RunScores) -> Claim:
    prior, rebuilt = run.find("prior"), run.find("reconstruction")
    if prior is None or rebuilt is None:
        note = "the run lacks prior samples or reconstructions"
        return _claim("vae-prior-far-worse", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    log_ratio = _log_ratio(prior, rebuilt)
    numbers = {
        "prior": _distance(prior),
        "reconstruction": _distance(rebuilt),
        "ratio": _exponential(log_ratio),
    }
    verdict = decide(_shifted(log_ratio, -math.log(FAR_WORSE)))
    return _claim("vae-prior-far-worse", run.run, run.dataset, run.metric, verdict, numbers)


def _sphere_prior(run: RunScores, baselines: Sequence[RunScores]) -> Claim:
    name = "sphere-prior-not-far-worse"
    one, rebuilt = _plain(run, 1), run.find("reconstruction")
    vae = baselines[0] if baselines else None
    prior, vae_rebuilt = (vae.find("prior"), vae.find("reconstruction")) if vae else (None, None)
    if one is None or rebuilt is None or prior is None or vae_rebuilt is None:
        note = (
            "it takes one-step samples and reconstructions of the run, and a scored VAE on the same dataset"
        )
        return _claim(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    ratio, vae_ratio = _log_ratio(one, rebuilt), _log_ratio(prior, vae_rebuilt)
    nearer = _difference(_distance(prior), _distance(one))
    smaller = _shifted(_difference(vae_ratio, ratio), -math.log(FAR_WORSE))
    verdict = every([decide(smaller), decide(nearer)])
    numbers = {
        "1 step": _distance(one),
        "reconstruction": _distance(rebuilt),
        "ratio": _exponential(ratio),
        "VAE's prior": _distance(prior),
        "VAE's reconstruction": _distance(vae_rebuilt),
        "VAE's ratio": _exponential(vae_ratio),
        "VAE's prior minus 1 step": nearer,
    }
    return _claim(name, run.run, run.dataset, run.metric, verdict, numbers)


def _effects(cloud: dict[str, Any]) -> dict[str, tuple[Number, float]]:
    """Effect sizes of a cloud, as a whole and averaged over its classes, each with the largest to pass."""
    found: dict[str, tuple[Number, float]] = {}
    limits = {"mean_cosine": LARGEST_MEAN_COSINE, "anisotropy": LARGEST_ANISOTROPY}
    for name, limit in limits.items():
        words = name.replace("_", " ")
        overall = cloud["overall"][name]
        found[words] = Number(overall["value"], overall["se"]), limit
        groups = [group[name] for group in cloud["classes"]]
        if groups:
            mean = sum(group["value"] for group in groups) / len(groups)
            se = math.sqrt(sum(group["se"] ** 2 for group in groups)) / len(groups)
            found[f"{words} within classes"] = Number(mean, se), limit
    return found


def _uniform_in_effect(effects: Iterable[tuple[Number, float]]) -> str:
    return every(decide(Number(limit - number.value, number.se)) for number, limit in effects)


def _claim(
    name: str, run: str, dataset: str, metric: str, verdict: str, numbers: dict[str, Number], note: str = ""
) -> Claim:
    text, rule = TEXTS[name]
    doubts = dict.fromkeys(number.doubt for number in numbers.values() if number.doubt)
    note = "; ".join(filter(None, [note, *doubts]))
    return Claim(name, text, rule, run, dataset, metric, verdict, numbers, note)


def _plain(run: RunScores, steps: int, guidance: str | None = None) -> SetScore | None:
    """The set of the paper's scheme with `steps`; without `guidance`, the first that was drawn."""
    found = (record for record in run.records if record.steps == steps and record.default_scheme)
    return next((record for record in found if guidance in (None, record.guidance)), None)


def _distance(score: SetScore) -> Number:
    doubt = f"{score.set}: {score.doubt}" if score.doubt else ""
    return Number(score.frechet, score.frechet_se, doubt)


def _difference(first: Number, second: Number) -> Number:
    return Number(first.value - second.value, math.hypot(first.se, second.se), first.doubt or second.doubt)


def _shifted(number: Number, by: float) -> Number:
    return Number(number.value + by, number.se, number.doubt)


def _log_ratio(first: SetScore, second: SetScore) -> Number:
    """log(first/second), its standard error to first order; not a number where a distance is not positive."""
    if first.frechet <= 0 or second.frechet <= 0:
        return Number(math.nan, math.nan)
    se = math.hypot(first.frechet_se / first.frechet, second.frechet_se / second.frechet)
    return Number(math.log(first.frechet / second.frechet), se, first.doubt or second.doubt)


def _exponential(number: Number) -> Number:
    ratio = math.exp(number.value)
    return Number(ratio, ratio * number.se, number.doubt)


def _numbers(claim: Claim, separator: str) -> str:
    parts = [f"{name} {number}" for name, number in claim.numbers.items()]
    return separator.join([*parts, *([claim.note] if claim.note else [])])
