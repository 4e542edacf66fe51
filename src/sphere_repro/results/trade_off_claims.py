"""The claims on the trade-off of VAEs over their KL weights: that there is one, and none beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sphere_repro.results import trainings
from sphere_repro.results.compared import distance_of, joined, said_of
from sphere_repro.results.counts import trained
from sphere_repro.results.scores import RunScores, SetScore
from sphere_repro.results.statements import FEWEST_DECADES, FEWEST_WEIGHTS, Claim, claim_of
from sphere_repro.results.trade_off import Point, by_weight, decades, point, rank_correlation, weight
from sphere_repro.results.trainings import Trained, across
from sphere_repro.results.verdicts import FAILS, HOLDS, LEVEL, UNDECIDED, Number, chance, every


def trade_off_claims(runs: Sequence[RunScores]) -> list[Claim]:
    """Both claims for each dataset and metric on which VAEs of several KL weights were scored.

    Args:
        runs: without those of ablations; of several trainings the mean.
    """
    places: dict[tuple[str, str], list[RunScores]] = {}
    for run in runs:
        places.setdefault((run.dataset, run.metric), []).append(run)
    found = []
    for members in places.values():
        vaes = by_weight(members)
        if len({each.run.kl for each in vaes}) > 1:
            found.append(_at_odds(vaes))
            found += [_beyond(run, vaes) for run in members if run.kind == "sphere"]
    return found


def _at_odds(vaes: Sequence[Point]) -> Claim:
    """That the better a VAE's reconstructions, the worse its prior samples."""
    name, run = "vae-trade-off", vaes[0].run
    sound, doubtful = _parted(vaes)
    weights = {each.run.kl for each in sound}
    numbers = {
        f"{what}, KL {weight(each.run.kl)}": distance_of(each.run, score)
        for each in (sound[:1] + sound[-1:] if len(sound) > 1 else sound)
        for what, score in (("reconstruction", each.rebuilt), ("prior", each.drawn))
    }
    if len(weights) < FEWEST_WEIGHTS or decades(sound) < FEWEST_DECADES:
        short = (
            f"{len(weights)} KL weights over {decades(sound):.2g} decades; it takes {FEWEST_WEIGHTS} over "
            f"{FEWEST_DECADES:g}"
        )
        note = joined(short, doubtful)
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, numbers, note)
    correlation, by_chance = rank_correlation(*_distances(sound))
    told = (
        f"rank correlation {correlation:.3g} (permutations: p {by_chance:.2g}) over {len(sound)} VAEs of KL "
        f"weights {', '.join(weight(each.run.kl) for each in sound)}"
    )
    verdict = UNDECIDED if by_chance >= LEVEL else HOLDS if correlation < 0 else FAILS
    note = joined(told, said_of(_rebuilt(sound)), said_of(_drawn(sound)), doubtful)
    claim = claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note)
    return replace(claim, chance=by_chance)


def _distances(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Of the reconstructions and of the prior samples, each brought to one number of images."""
    rebuilt, drawn = trained(_rebuilt(points)), trained(_drawn(points))
    return [each.value for each in rebuilt], [each.value for each in drawn]


def _rebuilt(points: Sequence[Point]) -> list[tuple[RunScores, SetScore]]:
    return [(each.run, each.rebuilt) for each in points]


def _drawn(points: Sequence[Point]) -> list[tuple[RunScores, SetScore]]:
    return [(each.run, each.drawn) for each in points]


def _beyond(run: RunScores, vaes: Sequence[Point]) -> Claim:
    """That each VAE is worse than a Sphere Encoder in its reconstructions or in its prior samples."""
    name, ours = "sphere-beyond-trade-off", point(run)
    sound, doubtful = _parted(vaes)
    if ours is None or not sound:
        note = joined("it takes reconstructions and unguided one-step samples of the run, and VAEs", doubtful)
        return claim_of(name, run.run, run.dataset, run.metric, UNDECIDED, {}, note)
    of_rebuilt, of_drawn = _rebuilt([ours, *sound]), _drawn([ours, *sound])
    rebuilt, *others_rebuilt = trained(of_rebuilt)
    drawn, *others_drawn = trained(of_drawn)
    pairs = list(zip(others_rebuilt, others_drawn, strict=True))
    rivals = [_judged(across(one, rebuilt), across(other, drawn)) for one, other in pairs]
    nearest = min(range(len(pairs)), key=lambda place: _worst(pairs[place], (rebuilt, drawn)))
    rival = sound[nearest]
    words = f"of the nearest VAE, KL {weight(rival.run.kl)}"
    numbers = {
        "reconstruction": distance_of(run, ours.rebuilt),
        "1 step": distance_of(run, ours.drawn),
        f"reconstruction {words}": distance_of(rival.run, rival.rebuilt),
        f"prior {words}": distance_of(rival.run, rival.drawn),
    }
    told = trainings.words((run.run, drawn), (rival.run.run, others_drawn[nearest]))
    note = joined(said_of(of_rebuilt), said_of(of_drawn), told, doubtful)
    verdict, by_chance = _of_all([found for found in rivals if found], len(rivals))
    claim = claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note)
    return replace(claim, chance=by_chance) if claim.verdict == verdict else claim


def _judged(rebuilt: Number | None, drawn: Number | None) -> tuple[str, float] | None:
    """Whether a VAE is farther in one of both, nearer in both, or neither by more than chance.

    One of two suffices to be farther, so chance counts twice (Bonferroni); both must be nearer, so the weaker
    says it.

    Args:
        rebuilt, drawn: the VAE's distance minus the Sphere Encoder's; None where the error is not known.

    Returns:
        Verdict, and how often chance alone gives it; None without an error.
    """
    if rebuilt is None or drawn is None:
        return None
    gaps = (rebuilt, drawn)
    farther = [chance(gap) for gap in gaps if gap.value > 0]
    by_chance = min(1.0, len(gaps) * min(farther)) if farther else max(chance(gap) for gap in gaps)
    verdict = HOLDS if farther else FAILS
    return (UNDECIDED if by_chance >= LEVEL else verdict), by_chance


def _of_all(found: Sequence[tuple[str, float]], count: int) -> tuple[str, float | None]:
    """The verdict over `count` VAEs: each must be farther in something; one nearer in both fails it."""
    if len(found) < count:
        return UNDECIDED, None
    verdict = every(each for each, _ in found)
    if verdict == FAILS:
        strongest = min(by_chance for each, by_chance in found if each == FAILS)
        by_chance = min(1.0, count * strongest)
        return (FAILS if by_chance < LEVEL else UNDECIDED), by_chance
    return verdict, max(by_chance for _, by_chance in found)


def _worst(theirs: tuple[Trained, Trained], ours: tuple[Trained, Trained]) -> float:
    """By how much a VAE is farther in the worse of both, as a share of the Sphere Encoder's distance."""
    return max((one.value - other.value) / abs(other.value) for one, other in zip(theirs, ours, strict=True))


def _parted(vaes: Sequence[Point]) -> tuple[list[Point], str]:
    """Those whose scores may be believed, and which are left out, in words."""
    sound = [each for each in vaes if not each.doubt]
    out = [f"KL {weight(each.run.kl)} ({each.doubt})" for each in vaes if each.doubt]
    return sound, f"left out: {'; '.join(out)}" if out else ""
