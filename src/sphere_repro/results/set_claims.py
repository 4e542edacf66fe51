"""The paper's statements on steps, schemes and guidance, tested on the sample sets of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sphere_repro.results.compared import (
    all_plain,
    distance_of,
    joined,
    lead_of,
    plain,
    said_of,
    shift_of,
)
from sphere_repro.results.counts import distances
from sphere_repro.results.scores import RunScores, SetScore
from sphere_repro.results.statements import MANY_STEPS, Claim, claim_of
from sphere_repro.results.verdicts import UNDECIDED, Number, decide, difference, every

Judge = Callable[[RunScores], Claim]
Scored = list[tuple[RunScores, SetScore]]
SCHEMES = 4  # of the paper: fixed or linear strength, shared or independent noise


def of_sets(run: RunScores) -> list[Judge]:
    """What judges a Sphere Encoder's sets; guidance only where some set has it at one place alone."""
    guided = any(score.guidance and score.guidance_position != "combo" for score in run.records)
    always: list[Judge] = [few_steps, more_steps, best_scheme, best_at_every_step]
    return [*always, decoder_guidance] if guided else always


def few_steps(run: RunScores) -> Claim:
    """The paper's number of steps against one."""
    found = [(one, plain(run, MANY_STEPS, one.guidance)) for one in all_plain(run, 1)]
    one, many = next((pair for pair in found if pair[1] is not None), (None, None))
    if one is None or many is None:
        note = f"the run lacks samples of 1 or of {MANY_STEPS} steps (fixed, shared) of the same guidance"
        return _claim("few-steps-beat-one", run, UNDECIDED, {}, note)
    return _lowered("few-steps-beat-one", run, one, many)


def more_steps(run: RunScores) -> Claim:
    """The most steps of the same guidance against the paper's number."""
    for few in all_plain(run, MANY_STEPS):
        more = [
            score
            for score in run.records
            if score.default_scheme and score.guidance == few.guidance and (score.steps or 0) > MANY_STEPS
        ]
        if more:
            return _lowered("more-steps-still-help", run, few, max(more, key=lambda score: score.steps or 0))
    note = f"the run lacks samples of {MANY_STEPS} or of more steps (fixed, shared) of the same guidance"
    return _claim("more-steps-still-help", run, UNDECIDED, {}, note)


def _lowered(name: str, run: RunScores, few: SetScore, many: SetScore) -> Claim:
    """That the second of two sets of one model is nearer to the real images."""
    pair = [(run, few), (run, many)]
    gain = difference(*distances(pair))
    numbers = {_steps(score): distance_of(run, score) for _, score in pair} | {"difference": gain}
    return _claim(name, run, decide(gain), numbers, said_of(pair), [gain])


def best_scheme(run: RunScores) -> Claim:
    """Fixed and shared against the others at the paper's number of steps."""
    variants = _schemes(run, MANY_STEPS)
    if not variants:
        note = f"the run lacks samples of another scheme at {MANY_STEPS} steps"
        return _claim("fixed-shared-is-best", run, UNDECIDED, {}, note)
    lead = lead_of(variants)
    numbers = {" + ".join(score.scheme): distance_of(run, score) for _, score in variants}
    numbers["lead over the best other"] = lead
    return _claim("fixed-shared-is-best", run, decide(lead), numbers, said_of(variants), [lead])


def best_at_every_step(run: RunScores) -> Claim:
    """The same at each number of steps at which another scheme was drawn, two such numbers at least."""
    name = "fixed-shared-best-at-every-step"
    drawn = sorted({score.steps for score in run.records if score.steps and score.steps > 1})
    by_steps = {steps: variants for steps in drawn if (variants := _schemes(run, steps))}
    if len(by_steps) < 2:
        at = f"at {' and '.join(map(str, by_steps))} steps only" if by_steps else "at no number of steps"
        return _claim(
            name, run, UNDECIDED, {}, f"other schemes were drawn {at}: it takes two numbers of steps"
        )
    leads = {steps: lead_of(variants) for steps, variants in by_steps.items()}
    numbers = {
        f"lead at {steps} steps": _doubted(run, by_steps[steps], lead) for steps, lead in leads.items()
    }
    said = joined(*dict.fromkeys(said_of(variants) for variants in by_steps.values()))
    fewest = min(len(variants) for variants in by_steps.values())
    partial = "" if fewest == SCHEMES else f"not all of the paper's {SCHEMES} schemes were drawn at each"
    return _claim(
        name, run, every(map(decide, leads.values())), numbers, joined(partial, said), [*leads.values()]
    )


def _schemes(run: RunScores, steps: int) -> Scored:
    """Fixed and shared, the first guidance drawn, and the paper's other schemes of that guidance beside it.

    Empty without another. Noise of the very first draw (initial) is a reading of the paper, none of its four.
    """
    best = plain(run, steps)
    if best is None:
        return []
    others = [
        score
        for score in run.records
        if score.steps == steps
        and not score.default_scheme
        and score.noise != "initial"
        and score.guidance == best.guidance
    ]
    return [(run, score) for score in (best, *others)] if others else []


def _doubted(run: RunScores, scored: Scored, number: Number) -> Number:
    """The number, which says nothing where one of the sets behind it says nothing."""
    doubt = "; ".join(filter(None, (distance_of(run, score).doubt for _, score in scored)))
    return Number(number.value, number.se, number.freedom, doubt)


def decoder_guidance(run: RunScores) -> Claim:
    """How far guidance of the decoder moves the distance, against the same of the encoder.

    At each number of steps above one (the first step has no guidance of the encoder), at the largest scale at
    which both were drawn.
    """
    name = "decoder-guidance-stronger"
    triples = _guided(run)
    if not triples:
        note = (
            "the run lacks samples of the same steps, above 1 (fixed, shared), with guidance of the encoder, "
            "with the same of the decoder, and without any"
        )
        return _claim(name, run, UNDECIDED, {}, note)
    numbers: dict[str, Number] = {}
    excesses, said = [], []
    for without, encoder, decoder in triples:
        scored = [(run, score) for score in (without, encoder, decoder)]
        shifts, excess = shift_of(scored)
        about = f"{_steps(without)}, scale {encoder.guidance_scale:g}"
        numbers |= {
            f"{about}: {side} guidance moves it by": _doubted(run, [scored[0], pair], shift)
            for side, pair, shift in zip(("encoder", "decoder"), scored[1:], shifts, strict=True)
        }
        numbers[f"{about}: decoder's further than encoder's by"] = excess
        excesses.append(excess)
        said.append(said_of(scored))
    return _claim(name, run, every(map(decide, excesses)), numbers, joined(*dict.fromkeys(said)), excesses)


def _guided(run: RunScores) -> list[tuple[SetScore, SetScore, SetScore]]:
    """Without guidance, of the encoder and of the decoder, at the largest common scale, by steps."""
    found: dict[int, tuple[SetScore, SetScore, SetScore]] = {}
    for without in run.records:
        steps = without.steps or 0
        if steps < 2 or without.guidance or not without.default_scheme:
            continue
        sides = {score.guidance: score for score in all_plain(run, steps)}
        both = [
            (float(score.guidance_scale or 1), score, sides[other])
            for score in sides.values()
            if score.guidance_position == "enc" and (other := f"dec {score.guidance_scale:g}") in sides
        ]
        if both:
            _, encoder, decoder = max(both, key=lambda each: each[0])
            found[steps] = (without, encoder, decoder)
    return [found[steps] for steps in sorted(found)]


def _steps(score: SetScore) -> str:
    return f"{score.steps} step{'s' if score.steps != 1 else ''}"


def _claim(
    name: str,
    run: RunScores,
    verdict: str,
    numbers: dict[str, Number],
    note: str,
    tested: Sequence[Number] = (),
) -> Claim:
    return claim_of(name, run.run, run.dataset, run.metric, verdict, numbers, note, tested)
