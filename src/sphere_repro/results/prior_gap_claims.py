"""The statements on how far latents are from the prior, judged by effect size and by two controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sphere_repro.results.compared import joined
from sphere_repro.results.statements import TOLD_APART, Claim, claim_of
from sphere_repro.results.verdicts import FAILS, HOLDS, UNDECIDED, Number, decide, every

JUDGED = "quadratic"  # the statistic whose value is an effect with an error; named before any was looked at
OTHERS = ("neighbours", "mmd", "wasserstein")
WORDS = {
    "quadratic": "AUC, quadratic kernel",
    "neighbours": "AUC, 10 nearest",
    "mmd": "kernel MMD²",
    "wasserstein": "sliced Wasserstein distance",
}
CONTROLS = {"same": ("two samples of its prior", FAILS), "planted": ("a planted gap", HOLDS)}


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
    unlearned = {name: why for name in (run, vae) if (why := unmoved_runs.get(name))}
    note = joined(_exchanged(vae, other), said.get(vae, ""))
    found = [_claim("vae-posterior-is-not-its-prior", vae, {vae: other}, [_above(other)], note, unlearned)]
    if own is not None:
        tested = [_shift(own, -1), _above(other)]
        note = joined(_exchanged(run, own), note)
        both = {run: own, vae: other}
        found.append(_claim("sphere-latents-are-like-its-prior", run, both, tested, note, unlearned))
    return found


def _claim(
    name: str,
    run: str,
    gaps: Mapping[str, Mapping[str, Any]],
    tested: list[Number],
    note: str,
    unlearned: Mapping[str, str],
) -> Claim:
    numbers = {
        f"{of}: {words}": area(gap[key])
        for of, gap in gaps.items()
        for key, words in {
            "gap": WORDS[JUDGED],
            **{key: words for key, (words, _) in CONTROLS.items()},
        }.items()
    }
    unfit = [words for gap in gaps.values() if (words := _unfit(gap))]
    empty = [f"the model of {of} learned nothing: {unlearned[of]}" for of in gaps if of in unlearned]
    verdict = UNDECIDED if unfit or empty else every(map(decide, tested))
    note = joined(*unfit, *empty, note)
    return claim_of(name, run, "", "", verdict, numbers, note, [] if unfit or empty else tested)


def area(statistics: Mapping[str, Any]) -> Number:
    """The AUC of the judged classifier with its error over points."""
    found = statistics[JUDGED]
    return Number(found["value"], found["se"])


def _shift(gap: Mapping[str, Any], sign: int, key: str = "gap") -> Number:
    """How far an AUC lies above what tells apart, or (-1) below."""
    found = area(gap[key])
    return Number(sign * (found.value - TOLD_APART), found.se)


def _above(gap: Mapping[str, Any]) -> Number:
    return _shift(gap, 1)


def _unfit(gap: Mapping[str, Any]) -> str:
    """Which control is judged wrongly; empty where both are judged as they must."""
    wrong = [words for key, (words, must) in CONTROLS.items() if decide(_shift(gap, 1, key)) != must]
    return (
        f"the classifier does not judge {' and '.join(wrong)} as it must: examine more images"
        if wrong
        else ""
    )


def _exchanged(run: str, gap: Mapping[str, Any]) -> str:
    """Effect and p of every statistic: p says that there is a gap, and not how large it is."""
    told = ", ".join(
        f"{WORDS[name]} {gap['gap'][name]['effect']:.2f} (p {gap['gap'][name]['p']:.2g})"
        for name in (JUDGED, *OTHERS)
    )
    return f"effects in {run}, p by {gap['permutations']} random exchanges: {told}"
