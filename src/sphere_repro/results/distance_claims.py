"""The paper's statements on distances, tested on the scores of a study's runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sphere_repro.results.scores import RunScores, SetScore, Variant, ablation_axes
from sphere_repro.results.statements import (
    ALONE,
    ANGLE_AXIS,
    FAR_WORSE,
    LOSS_AXIS,
    MANY_STEPS,
    Claim,
    claim_of,
)
from sphere_repro.results.verdicts import (
    UNDECIDED,
    Number,
    decide,
    difference,
    every,
    exponential,
    shifted,
)


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


def _few_steps(run: RunScores) -> Claim:
    one = _plain(run, 1)
    many = _plain(run, MANY_STEPS, guidance=one.guidance if one else None)
    if one is None or many is None:
        note = f"the run lacks samples of 1 or of {MANY_STEPS} steps (fixed, shared)"
        return claim_of("few-steps-beat-one", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    gain = difference(_distance(one), _distance(many))
    numbers = {"1 step": _distance(one), f"{MANY_STEPS} steps": _distance(many), "difference": gain}
    return claim_of("few-steps-beat-one", run.run, run.dataset, run.metric, decide(gain), numbers)


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
        return claim_of("fixed-shared-is-best", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    rival = min(others, key=lambda record: record.frechet)
    lead = difference(_distance(rival), _distance(best))
    numbers = {"fixed + shared": _distance(best)}
    numbers |= {" + ".join(record.scheme): _distance(record) for record in others}
    numbers["lead over the best other"] = lead
    return claim_of("fixed-shared-is-best", run.run, run.dataset, run.metric, decide(lead), numbers)


def _against_others(name: str, run: RunScores, variants: Sequence[Variant], note: str) -> Claim:
    """The baseline against the best of the other variants; undecided with `note` where there is none."""
    ours = next((variant for variant in variants if variant.baseline), None)
    others = [variant for variant in variants if not variant.baseline]
    if ours is None or not others:
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    rival = min(others, key=lambda variant: variant.score.frechet)
    lead = difference(_distance(rival.score), _distance(ours.score))
    numbers = {variant.value: _distance(variant.score) for variant in variants}
    numbers["lead over the best other"] = lead
    return claim_of(name, run.run, run.dataset, run.metric, decide(lead), numbers)


def _vae_prior(run: RunScores) -> Claim:
    prior, rebuilt = run.find("prior"), run.find("reconstruction")
    if prior is None or rebuilt is None:
        note = "the run lacks prior samples or reconstructions"
        return claim_of("vae-prior-far-worse", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    log_ratio = _log_ratio(prior, rebuilt)
    numbers = {
        "prior": _distance(prior),
        "reconstruction": _distance(rebuilt),
        "ratio": exponential(log_ratio),
    }
    verdict = decide(shifted(log_ratio, -math.log(FAR_WORSE)))
    return claim_of("vae-prior-far-worse", run.run, run.dataset, run.metric, verdict, numbers)


def _sphere_prior(run: RunScores, baselines: Sequence[RunScores]) -> Claim:
    name = "sphere-prior-not-far-worse"
    one, rebuilt = _plain(run, 1), run.find("reconstruction")
    vae = baselines[0] if baselines else None
    prior, vae_rebuilt = (vae.find("prior"), vae.find("reconstruction")) if vae else (None, None)
    if one is None or rebuilt is None or prior is None or vae_rebuilt is None:
        note = (
            "it takes one-step samples and reconstructions of the run, and a scored VAE on the same dataset"
        )
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    ratio, vae_ratio = _log_ratio(one, rebuilt), _log_ratio(prior, vae_rebuilt)
    nearer = difference(_distance(prior), _distance(one))
    smaller = shifted(difference(vae_ratio, ratio), -math.log(FAR_WORSE))
    verdict = every([decide(smaller), decide(nearer)])
    numbers = {
        "1 step": _distance(one),
        "reconstruction": _distance(rebuilt),
        "ratio": exponential(ratio),
        "VAE's prior": _distance(prior),
        "VAE's reconstruction": _distance(vae_rebuilt),
        "VAE's ratio": exponential(vae_ratio),
        "VAE's prior minus 1 step": nearer,
    }
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers)


def _plain(run: RunScores, steps: int, guidance: str | None = None) -> SetScore | None:
    """The set of the paper's scheme with `steps`; without `guidance`, the first that was drawn."""
    found = (record for record in run.records if record.steps == steps and record.default_scheme)
    return next((record for record in found if guidance in (None, record.guidance)), None)


def _distance(score: SetScore) -> Number:
    doubt = f"{score.set}: {score.doubt}" if score.doubt else ""
    return Number(score.frechet, score.frechet_se, doubt)


def _log_ratio(first: SetScore, second: SetScore) -> Number:
    """log(first/second), its standard error to first order; not a number where a distance is not positive."""
    if first.frechet <= 0 or second.frechet <= 0:
        return Number(math.nan, math.nan)
    se = math.hypot(first.frechet_se / first.frechet, second.frechet_se / second.frechet)
    return Number(math.log(first.frechet / second.frechet), se)
