"""The paper's statements on distances, tested on the scores of a study's runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sphere_repro.results import degenerate, trainings
from sphere_repro.results.counts import distances, trained, words
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


def score_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """The claims on distances: four per Sphere Encoder and one per VAE, and those on the ablations.

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
        if run.kind != "sphere":
            found.append(_of_one_model(group, _vae_prior))
        else:
            wanted = ("vae", run.dataset, run.metric)
            baselines = [
                other for other in groups if (other[0].kind, other[0].dataset, other[0].metric) == wanted
            ]
            found += [_of_one_model(group, judge) for judge in (_few_steps, _more_steps, _best_scheme)]
            found.append(_sphere_prior(group, baselines[0] if baselines else None))
    return found + (ablation_claims(means(runs)) if any(run.ablation for run in runs) else [])


def _of_one_model(group: Sequence[RunScores], judge: Callable[[RunScores], Claim]) -> Claim:
    """A claim on sets of one model: of the first training, and in how many of all it is the same."""
    first, *others = map(judge, group)
    if not (others and first.numbers):
        return first
    same = 1 + sum(other.verdict == first.verdict for other in others)
    words = f"numbers of the first training; the same verdict in {same} of {len(group)} trainings"
    return replace(first, note=_notes(first.note, words))


def ablation_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """The claims on what a study varies; its first run is the baseline.

    Args:
        runs: of several trainings their mean.
    """
    axes = ablation_axes(runs)
    alone = [variant for variant in axes.get(LOSS_AXIS, ()) if variant.baseline or variant.value == ALONE]
    note = f"the study lacks a run '{ALONE}' on the axis {LOSS_AXIS}, or its samples of {MANY_STEPS} steps"
    found = [_against_others("all-losses-beat-one", runs[0], alone, note)]
    note = f"the study lacks runs on the axis {ANGLE_AXIS}, or their samples of {MANY_STEPS} steps"
    return [*found, _against_others("angle-is-best", runs[0], axes.get(ANGLE_AXIS, ()), note)]


def _few_steps(run: RunScores) -> Claim:
    found = [(one, _plain(run, MANY_STEPS, one.guidance)) for one in _all_plain(run, 1)]
    one, many = next((pair for pair in found if pair[1] is not None), (None, None))
    if one is None or many is None:
        note = f"the run lacks samples of 1 or of {MANY_STEPS} steps (fixed, shared) of the same guidance"
        return claim_of("few-steps-beat-one", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    return _lowered("few-steps-beat-one", run, one, many)


def _more_steps(run: RunScores) -> Claim:
    few = _all_plain(run, MANY_STEPS)
    most = max((record.steps or 0 for record in run.records), default=0)
    found = [(one, _plain(run, most, one.guidance)) for one in few] if most > MANY_STEPS else []
    one, many = next((pair for pair in found if pair[1] is not None), (None, None))
    if one is None or many is None:
        note = f"the run lacks samples of {MANY_STEPS} or of more steps (fixed, shared) of the same guidance"
        return claim_of("more-steps-still-help", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    return _lowered("more-steps-still-help", run, one, many)


def _lowered(name: str, run: RunScores, few: SetScore, many: SetScore) -> Claim:
    """That the second of two sets of one model is nearer to the real images."""
    pair = [(run, few), (run, many)]
    gain = difference(*distances(pair))
    numbers = {
        f"{score.steps} step{'s' if score.steps != 1 else ''}": _distance(run, score) for _, score in pair
    }
    told = numbers | {"difference": gain}
    return claim_of(name, run.run, run.dataset, run.metric, decide(gain), told, _told(pair), [gain])


def _best_scheme(run: RunScores) -> Claim:
    best = _plain(run, MANY_STEPS)
    others = [
        record
        for record in run.records
        if record.steps == MANY_STEPS
        and not record.default_scheme
        and record.noise != "initial"  # a reading of the paper, none of its four schemes
        and best
        and record.guidance == best.guidance
    ]
    if best is None or not others:
        note = f"the run lacks samples of another scheme at {MANY_STEPS} steps"
        return claim_of("fixed-shared-is-best", run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    variants = [(run, record) for record in (best, *others)]
    lead = _lead(variants)
    numbers = {" + ".join(record.scheme): _distance(run, record) for _, record in variants}
    numbers["lead over the best other"] = lead
    name = "fixed-shared-is-best"
    return claim_of(name, run.run, run.dataset, run.metric, decide(lead), numbers, _told(variants), [lead])


def _against_others(name: str, run: RunScores, variants: Sequence[Variant], note: str) -> Claim:
    """The baseline against the best of the other variants; undecided with `note` where there is none."""
    ours = next((variant for variant in variants if variant.baseline), None)
    others = [variant for variant in variants if not variant.baseline]
    if ours is None or not others:
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    scored = [(run, variant.score) for variant in (ours, *others)]
    first, *rest = trained(scored)
    leads = [across(other, first) for other in rest]
    numbers = {variant.value: _distance(run, variant.score) for variant in variants}
    nearest = _nearest(rest)
    numbers["lead over the best other"] = leads[nearest] or difference(rest[nearest].number, first.number)
    verdict = every(UNDECIDED if lead is None else decide(lead) for lead in leads)
    known = [lead for lead in leads if lead is not None]
    tested = [] if verdict == UNDECIDED and len(known) < len(leads) else known
    sides = [(variant.value, side) for variant, side in zip((ours, *others), (first, *rest), strict=True)]
    note = _notes(_told(scored), trainings.words(*sides))
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
        "prior": _distance(run, prior),
        "reconstruction": _distance(run, rebuilt),
        "ratio": exponential(log_ratio),
    }
    excess = shifted(log_ratio, -math.log(FAR_WORSE))
    note = _notes(_told(pair), _chosen_kl(run))
    name, verdict = "vae-prior-far-worse", decide(excess)
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note, [excess])


def _sphere_prior(group: Sequence[RunScores], baseline: Sequence[RunScores] | None) -> Claim:
    """The Sphere Encoder's trainings against those of a VAE."""
    name, run = "sphere-prior-not-far-worse", mean_of(group)
    one, rebuilt = _plain(run, 1, guidance=""), run.find("reconstruction")
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
        "1 step": _distance(run, one),
        "reconstruction": _distance(run, rebuilt),
        "ratio": exponential(ratio.number),
        "VAE's prior": _distance(vae, prior),
        "VAE's reconstruction": _distance(vae, vae_rebuilt),
        "VAE's ratio": exponential(vae_ratio.number),
        "VAE's prior minus 1 step": nearer or difference(of_prior.number, of_one.number),
    }
    known = nearer is not None and smaller is not None
    tested = [shifted(smaller, -math.log(FAR_WORSE)), nearer] if nearer and smaller else []
    verdict = every(decide(excess) for excess in tested) if known else UNDECIDED
    told = trainings.words((run.run, of_one), (vae.run, of_prior))
    note = _notes(_told(scored), told, _chosen_kl(vae))
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


def _plain(run: RunScores, steps: int, guidance: str | None = None) -> SetScore | None:
    """The set of the paper's scheme with `steps`; without `guidance`, the first that was drawn."""
    return next((each for each in _all_plain(run, steps) if guidance in (None, each.guidance)), None)


def _all_plain(run: RunScores, steps: int) -> list[SetScore]:
    """The sets of the paper's scheme with `steps`, one for each guidance."""
    return [record for record in run.records if record.steps == steps and record.default_scheme]


def _lead(scored: Sequence[tuple[RunScores, SetScore]]) -> Number:
    """The distance of the nearest of the others minus that of the first."""
    first, *others = distances(scored)
    unknown = next((number for number in others if math.isnan(number.value)), None)
    return difference(unknown or min(others, key=lambda number: number.value), first)


def _chosen_kl(vae: RunScores) -> str:
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


def _told(scored: Sequence[tuple[RunScores, SetScore]]) -> str:
    """How unequal counts were met, and which sets do not show their classes, which no distance says."""
    several = len({run.run for run, _ in scored}) > 1
    pairs = [
        (f"{run.run} {score.set}" if several else score.set, score.unrecognised) for run, score in scored
    ]
    return _notes(words(scored), degenerate.listed(pairs))


def _notes(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _distance(run: RunScores, score: SetScore) -> Number:
    doubt = f"{score.set}: {score.doubt}" if score.doubt else ""
    return Trained(
        score.frechet, score.frechet_se, run.freedom, score.trainings, score.deviation, doubt
    ).number


def _log_ratio(first: Number, second: Number) -> Number:
    """log(first/second), its standard error to first order; not a number where a distance is not positive."""
    if not (first.value > 0 and second.value > 0):
        return Number(math.nan, math.nan)
    se = math.hypot(first.se / first.value, second.se / second.value)
    return Number(math.log(first.value / second.value), se, min(first.freedom, second.freedom))
