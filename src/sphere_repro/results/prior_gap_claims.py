"""The statements on how far latents are from the prior, judged by effect size and by two controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sphere_repro.results.compared import joined
from sphere_repro.results.statements import TOLD_APART, Claim, claim_of
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED, Number, chance_of, decide, every

CLASSIFIERS = ("quadratic", "neighbours")  # whose AUC is an effect with an error: what claims judge by
ORDER = (*CLASSIFIERS, "mmd", "wasserstein")
WORDS = {
    "quadratic": "AUC, quadratic kernel",
    "neighbours": "AUC, 10 nearest",
    "mmd": "kernel MMD²",
    "wasserstein": "sliced Wasserstein distance",
}
CONTROLS = {"same": "two samples of its prior", "planted": "a planted gap"}
OPPOSITE = {HOLDS: FAILS, FAILS: HOLDS, UNDECIDED: UNDECIDED}


@dataclass(frozen=True)
class Judged:
    """A verdict, and how often chance alone gives it."""

    verdict: str
    chance: float

    @property
    def opposite(self) -> Judged:
        """Of the opposite statement."""
        return Judged(OPPOSITE[self.verdict], self.chance)


def prior_gap_claims(
    data: Mapping[str, Any], unmoved_runs: Mapping[str, str], said: Mapping[str, str]
) -> list[Claim]:
    """Judge a uniformity result by its `prior_gap`; none where it has no VAE's.

    Args:
        data: of `scores.read_uniformity`.
        unmoved_runs: run → how its loss hardly moved: its latents say nothing of the method.
        said: run → what is to be said of its KL weight.
    """
    gaps, run, vae = data.get("prior_gap") or {}, data["run"], data.get("baseline_run")
    own, other = gaps.get("latents"), gaps.get("baseline")
    if vae is None or other is None:
        return []
    still = {name: why for name in (run, vae) if (why := unmoved_runs.get(name))}
    apart, weight = _alike(other["gap"]).opposite, said.get(vae, "")
    found = [_claim("vae-posterior-is-not-its-prior", vae, {vae: other}, [apart], weight, still)]
    if own is not None:
        both = {run: own, vae: other}
        conditions = [_alike(own["gap"]), apart]
        found.append(_claim("sphere-latents-are-like-its-prior", run, both, conditions, weight, still))
    return found


def _claim(
    name: str,
    run: str,
    gaps: Mapping[str, Mapping[str, Any]],
    conditions: Sequence[Judged],
    weight: str,
    still: Mapping[str, str],
) -> Claim:
    numbers = {
        f"{of}{words}: {WORDS[classifier]}": area(gap[key], classifier)
        for of, gap in gaps.items()
        for key, words in {"gap": "", **{key: f", {words}" for key, words in CONTROLS.items()}}.items()
        for classifier in CLASSIFIERS
    }
    against = [words for of, gap in gaps.items() if (words := _unfit(of, gap))]
    against += [f"the model of {of} learned nothing: {still[of]}" for of in gaps if of in still]
    verdict = UNDECIDED if against else every(each.verdict for each in conditions)
    note = joined(*against, *(_exchanged(of, gap) for of, gap in gaps.items()), weight)
    claim = claim_of(name, run, "", "", verdict, numbers, note)
    return claim if against else replace(claim, chance=_chance(verdict, conditions))


def _chance(verdict: str, conditions: Sequence[Judged]) -> float:
    """How often chance alone gives the verdict of `every`, as `verdicts.chance_of` does for numbers."""
    if verdict != FAILS:
        return max(each.chance for each in conditions)
    return min(1.0, len(conditions) * min(each.chance for each in conditions if each.verdict == FAILS))


def area(statistics: Mapping[str, Any], classifier: str) -> Number:
    """The AUC of a classifier with its error over points."""
    return Number(statistics[classifier]["value"], statistics[classifier]["se"])


def _alike(statistics: Mapping[str, Any]) -> Judged:
    """That neither classifier tells two samples apart; that one does suffices against it (Bonferroni)."""
    areas = [area(statistics, classifier) for classifier in CLASSIFIERS]
    below = [Number(TOLD_APART - each.value, each.se) for each in areas]
    verdict = every(map(decide, below))
    return Judged(verdict, chance_of(verdict, below) or 0.0)


def _unfit(run: str, gap: Mapping[str, Any]) -> str:
    """Which control of a run is judged wrongly; empty where both are judged as they must."""
    must = {"same": HOLDS, "planted": FAILS}
    wrong = [words for key, words in CONTROLS.items() if _alike(gap[key]).verdict != must[key]]
    if not wrong:
        return ""
    return f"{run}: the classifiers do not judge {' and '.join(wrong)} as they must: examine more images"


def _exchanged(run: str, gap: Mapping[str, Any]) -> str:
    """Effect and p of every statistic: p says that there is a gap, and not how large it is."""
    told = ", ".join(
        f"{WORDS[name]} {gap['gap'][name]['effect']:.2f} (p {gap['gap'][name]['p']:.2g})" for name in ORDER
    )
    return f"effects in {run}, p by {gap['permutations']} random exchanges: {told}"
