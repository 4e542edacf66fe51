"""The paper's statements on distances, tested on the scores of a study's runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sphere_repro.results import trainings
from sphere_repro.results.compared import distance_of, joined, plain, said_of
from sphere_repro.results.counts import distances, trained
from sphere_repro.results.scores import RunScores, SetScore, Variant, ablation_axes
from sphere_repro.results.set_claims import of_sets
from sphere_repro.results.statements import (
    ALONE,
    ANGLE_AXIS,
    FAR_WORSE,
    HARD_AXIS,
    LOSS_AXIS,
    MANY_STEPS,
    NO_HARD_CASES,
    SILENT_AXES,
    Claim,
    claim_of,
)
from sphere_repro.results.trade_off_claims import trade_off_claims
from sphere_repro.results.trainings import Trained, across, grouped, mean_of, means, over
from sphere_repro.results.verdicts import (
    UNDECIDED,
    Number,
    decide,
    difference,
    every,
    exponential,
    shifted,
)

VAES = ("vae", "pretrained-vae")  # a plain autoencoder has no prior of which anything could be said


def score_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """The claims on distances: on each Sphere Encoder's sets, each VAE, their trade-off, and the ablations.

    What is said of one model is judged on the first training of each run, by the error of its images. What
    compares models is judged on all trainings of both, by the deviation between trainings.

    Raises:
        UserError: trainings of one run, or runs of one study, were not scored in the same way.
    """
    found: list[Claim] = []
    groups = grouped(runs)
    for group in groups:
        run = group[0]
        if run.ablation is not None:
            continue  # the paper's statements are about its method, not about what it leaves out
        if run.kind in VAES:
            found.append(_of_one_model(group, _vae_prior))
        elif run.kind == "sphere":
            wanted = ("vae", run.dataset, run.metric)
            baselines = [
                other for other in groups if (other[0].kind, other[0].dataset, other[0].metric) == wanted
            ]
            found += [_of_one_model(group, judge) for judge in of_sets(run)]
            found.append(_sphere_prior(group, baselines[0] if baselines else None))
    found += trade_off_claims([mean_of(group) for group in groups if group[0].ablation is None])
    ablated = any(run.ablation and run.ablation.axis not in SILENT_AXES for run in runs)
    return found + (ablation_claims(means(runs)) if ablated else [])


def _of_one_model(group: Sequence[RunScores], judge: Callable[[RunScores], Claim]) -> Claim:
    """A claim on sets of one model: of the first training, and in how many of all it is the same."""
    first, *others = map(judge, group)
    if not (others and first.numbers):
        return first
    same = 1 + sum(other.verdict == first.verdict for other in others)
    words = f"numbers of the first training; the same verdict in {same} of {len(group)} trainings"
    return replace(first, note=joined(first.note, words))


def ablation_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """The claims on what a study varies; its first run is the baseline.

    Args:
        runs: of several trainings their mean.
    """
    axes = ablation_axes(runs)
    alone = [variant for variant in axes.get(LOSS_AXIS, ()) if variant.baseline or variant.value == ALONE]
    note = f"the study lacks a run '{ALONE}' on the axis {LOSS_AXIS}, or its samples of {MANY_STEPS} steps"
    found = [_against_others("all-losses-beat-one", runs[0], alone, note)]
    without = [each for each in axes.get(HARD_AXIS, ()) if each.baseline or each.value == NO_HARD_CASES]
    note = f"the study lacks a run '{NO_HARD_CASES}' on the axis {HARD_AXIS}, or its {MANY_STEPS} steps"
    found.append(_against_others("hard-cases-help", runs[0], without, note))
    note = f"the study lacks runs on the axis {ANGLE_AXIS}, or their samples of {MANY_STEPS} steps"
    return [*found, _against_others("angle-is-best", runs[0], axes.get(ANGLE_AXIS, ()), note)]


def _against_others(name: str, run: RunScores, variants: Sequence[Variant], note: str) -> Claim:
    """The baseline against the best of the other variants; undecided with `note` where there is none."""
    ours = next((variant for variant in variants if variant.baseline), None)
    others = [variant for variant in variants if not variant.baseline]
    if ours is None or not others:
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    scored = [(run, variant.score) for variant in (ours, *others)]
    first, *rest = trained(scored)
    leads = [across(other, first) for other in rest]
    numbers = {variant.value: distance_of(run, variant.score) for variant in variants}
    nearest = _nearest(rest)
    numbers["lead over the best other"] = leads[nearest] or difference(rest[nearest].number, first.number)
    verdict = every(UNDECIDED if lead is None else decide(lead) for lead in leads)
    known = [lead for lead in leads if lead is not None]
    tested = [] if verdict == UNDECIDED and len(known) < len(leads) else known
    sides = [(variant.value, side) for variant, side in zip((ours, *others), (first, *rest), strict=True)]
    note = joined(said_of(scored), trainings.words(*sides))
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note, tested)


def _nearest(others: Sequence[Trained]) -> int:
    """The place of the smallest distance; of one that is no number where there is any."""
    unknown = next((place for place, other in enumerate(others) if math.isnan(other.value)), None)
    return min(range(len(others)), key=lambda place: others[place].value) if unknown is None else unknown


def _vae_prior(run: RunScores) -> Claim:
    prior, rebuilt = run.find("prior"), run.find("reconstruction")
    if prior is None or rebuilt is None:
        note = "the run lacks prior samples or reconstructions"
        return claim_of("vae-prior-far-worse", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    pair = [(run, prior), (run, rebuilt)]
    log_ratio = _log_ratio(*distances(pair))
    numbers = {
        "prior": distance_of(run, prior),
        "reconstruction": distance_of(run, rebuilt),
        "ratio": exponential(log_ratio),
    }
    excess = shifted(log_ratio, -math.log(FAR_WORSE))
    note = joined(said_of(pair), chosen_kl(run))
    name, verdict = "vae-prior-far-worse", decide(excess)
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note, [excess])


def _sphere_prior(group: Sequence[RunScores], baseline: Sequence[RunScores] | None) -> Claim:
    """The Sphere Encoder's trainings against those of a VAE."""
    name, run = "sphere-prior-not-far-worse", mean_of(group)
    one, rebuilt = plain(run, 1, guidance=""), run.find("reconstruction")
    vae = mean_of(baseline) if baseline else None
    prior, vae_rebuilt = (vae.find("prior"), vae.find("reconstruction")) if vae else (None, None)
    if one is None or rebuilt is None or not baseline or vae is None or prior is None or vae_rebuilt is None:
        note = (
            "it takes unguided one-step samples and reconstructions of the run, and a scored VAE on the same "
            "dataset"
        )
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    scored = [(run, one), (run, rebuilt), (vae, prior), (vae, vae_rebuilt)]
    of_one, _, of_prior, _ = trained(scored)
    ratio, vae_ratio = _ratio(group, scored, scored[:2]), _ratio(baseline, scored, scored[2:])
    nearer, smaller = across(of_prior, of_one), across(vae_ratio, ratio)
    numbers = {
        "1 step": distance_of(run, one),
        "reconstruction": distance_of(run, rebuilt),
        "ratio": exponential(ratio.number),
        "VAE's prior": distance_of(vae, prior),
        "VAE's reconstruction": distance_of(vae, vae_rebuilt),
        "VAE's ratio": exponential(vae_ratio.number),
        "VAE's prior minus 1 step": nearer or difference(of_prior.number, of_one.number),
    }
    known = nearer is not None and smaller is not None
    tested = [shifted(smaller, -math.log(FAR_WORSE)), nearer] if nearer and smaller else []
    verdict = every(decide(excess) for excess in tested) if known else UNDECIDED
    told = trainings.words((run.run, of_one), (vae.run, of_prior))
    note = joined(said_of(scored), told, chosen_kl(vae))
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note, tested)


def _ratio(
    group: Sequence[RunScores],
    scored: Sequence[tuple[RunScores, SetScore]],
    pair: Sequence[tuple[RunScores, SetScore]],
) -> Trained:
    """The log ratio of two sets of each training, over the trainings.

    Two sets of one training are near together or far together, so the deviation is that of the ratios.

    Args:
        group: the trainings.
        scored: means of all sets whose numbers of images are brought to one.
        pair: those of the two sets, of this run.
    """
    beside = [other for other in scored if other not in pair]
    of_mean = _log_ratio(*distances([*pair, *beside])[:2])
    names = [score.set for _, score in pair]
    each = [[(run, score) for name in names if (score := run.find(name))] for run in group]
    ratios = [_log_ratio(*distances([*sets, *beside])[:2]).value for sets in each]
    value, deviation = over(ratios)
    return Trained(value, of_mean.se, of_mean.freedom, len(ratios), deviation)


def chosen_kl(vae: RunScores) -> str:
    """What to say of the VAE's KL weight: so small a weight hardly pulls its latents to the prior."""
    if vae.kind == "pretrained-vae":
        return (
            "the weight of its KL divergence is its authors' choice, and largely decides how far they "
            "lie apart"
        )
    weight = "the study's" if vae.kl is None else f"{vae.kl:g}"
    return (
        f"the VAE's KL weight is {weight}, a choice and not the paper's: with a larger one the prior comes "
        "nearer and the reconstructions get worse, so that how far apart they lie is largely chosen"
    )


def _log_ratio(first: Number, second: Number) -> Number:
    """log(first/second), its standard error to first order; not a number where a distance is not positive."""
    if not (first.value > 0 and second.value > 0):
        return Number(math.nan, math.nan)
    se = math.hypot(first.se / first.value, second.se / second.value)
    return Number(math.log(first.value / second.value), se, min(first.freedom, second.freedom))
