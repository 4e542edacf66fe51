"""The paper's statements on editing, crossover, interpolation and repeated passes, tested on image sets.

Each set has a claim of its own. What is judged is one model at a time, by the error over images (an image and
its negative count as one) or paths; that another training would differ is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from sphere_repro.results.degenerate import NO_SPREAD
from sphere_repro.results.image_numbers import by_image, forms, mean, shares
from sphere_repro.results.image_sets import ImageSet, RunSets, complete, read_run
from sphere_repro.results.pace import TENTH
from sphere_repro.results.passes import all_alike, passes
from sphere_repro.results.scores import set_label
from sphere_repro.results.statements import (
    COMES_TO_REST,
    FEWEST_PASSES,
    FEWEST_UNITS,
    STAYS,
    STRUCTURE_KEPT,
    SUDDEN,
    Claim,
    claim_of,
)
from sphere_repro.results.structure import likeness
from sphere_repro.results.verdicts import UNDECIDED, Number, decide, every, exponential, shifted

PARENTS = ("first", "second")  # of a crossover: the two images themselves


def image_claims(
    records: Sequence[Path], baselines: Mapping[str, str], unmoved_runs: Mapping[str, str] | None = None
) -> list[Claim]:
    """The claims on the image sets of every Sphere Encoder.

    Args:
        records: the images.json of the runs, those of their baselines among them.
        baselines: the VAE of a run, by its name, where it has one.
        unmoved_runs: run → how its loss hardly moved: its images say nothing of the method.

    Raises:
        UserError: a record, or a set, is missing, broken or foreign.
    """
    runs = {run.name: run for run in map(read_run, records)}
    found: list[Claim] = []
    for run in runs.values():
        if run.kind == "sphere":
            with complete(run):
                found += _of_run(run, runs.get(baselines.get(run.name, "")), dict(unmoved_runs or {}))
    return found


def _of_run(run: RunSets, vae: RunSets | None, still: Mapping[str, str]) -> Iterator[Claim]:
    why = _learned_nothing(still, run)
    for each in run.of("reconstruction"):
        yield _loop(run, each, vae, why or _learned_nothing(still, vae))
    for each in run.of("edit"):
        yield _structure(run, each, why)
    for each in run.of("interpolation"):
        yield from _sudden(run, each, why)
    for each in run.of("crossover"):
        yield from _rest(run, each, why)


def _loop(run: RunSets, each: ImageSet, vae: RunSets | None, why: str) -> Claim:
    """That repeated passes are stable, where those of the VAE of the same backbone drift."""
    name = "loop-is-stable"
    others = vae.of("reconstruction") if vae else []
    other = next((other for other in others if other.name == each.name), None)
    if vae is None or other is None or other.begins_with != each.begins_with:
        return _undecided(name, run, each, "its baseline, a VAE, lacks the same set of the same images")
    last = min(len(each.axes["pass"]), len(other.axes["pass"])) - 1  # of both as many passes
    images = {kind: one.images[:, : last + 1] for kind, one in (("", each), ("VAE's ", other))}
    count = len(each.images) // forms(each)
    why = why or _too_few(count, "images") or _too_few_passes(last)
    if not why and any(all_alike(made[:, 1], made[:, 0]) for made in images.values()):
        why = "after the first pass the images of a model are all alike"
    if why:
        return _undecided(name, run, each, why)
    measured = {kind: passes(made) for kind, made in images.items()}
    growths = {kind: by_image(found.growth, each) for kind, found in measured.items()}
    left = {kind: by_image(found.change_left, each) for kind, found in measured.items()}
    numbers: dict[str, Number] = {}
    for kind in images:
        numbers[f"{kind}growth of the distance"] = exponential(mean(growths[kind]))
        numbers[f"{kind}change left"] = exponential(mean(left[kind]))
    numbers["VAE's growth over its own"] = exponential(mean(growths["VAE's "] - growths[""]))
    tested = [
        _below(mean(growths[""]), math.log(STAYS)),
        _below(mean(left[""]), math.log(COMES_TO_REST)),
        shifted(mean(growths["VAE's "]), -math.log(STAYS)),
    ]
    note = f"{last} passes, {count} images, one training each"
    return _claim(name, run, each, numbers, tested, note)


def _structure(run: RunSets, each: ImageSet, why: str) -> Claim:
    """That edited images keep the structure of their inputs."""
    name = "editing-keeps-structure"
    count = len(each.axes["input"]) // forms(each)
    if why := why or _too_few(count, "images"):
        return _undecided(name, run, each, why)
    numbers: dict[str, Number] = {}
    tested = []
    for scheme, images in zip(each.axes["scheme"], each.images, strict=True):
        found = likeness(images, negatives=each.negatives)
        assert found.other is not None  # of one image alone nothing is judged
        own, other = (by_image(values[:, -1], each) for values in (found.own, found.other))
        words = scheme.replace("-", " + ")
        numbers |= {f"{words}, own input": mean(own), f"{words}, other inputs": mean(other)}
        tested.append(shifted(mean(own - other), -STRUCTURE_KEPT))
    note = f"after {each.axes['step'][-1]} steps of strength {each.settings['strength']:g}, {count} images"
    return _claim(name, run, each, numbers, tested, note)


def _sudden(run: RunSets, each: ImageSet, why: str) -> Iterator[Claim]:
    """That what an encoder sees of a path jumps, where the latents that are decoded do not.

    A square has no speeds; where each point has later noise of its own, neighbours differ by it.
    """
    name, speeds = "interpolation-is-sudden", each.measures.get("speeds")
    several = any(generation.split("-")[1] != "1" for generation in each.axes["generation"])
    if not speeds or (each.settings["later_noise"] == "each" and several):
        return
    count, parts = len(each.axes["path"]), len(each.axes["point"]) - 1
    why = why or _too_few(count, "paths")
    if not why and parts * TENTH < 1:
        why = f"{parts + 1} points do not show a tenth of a path"
    if why:
        yield _undecided(name, run, each, why)
        return
    numbers: dict[str, Number] = {}
    tested = []
    for generation in each.axes["generation"]:
        found = {what: shares(speeds[generation], what) for what in ("encoding", "latent")}
        words = set_label(generation)
        if not all(np.isfinite(values).all() for values in found.values()):
            yield _undecided(name, run, each, f"a path does not move ({words})")
            return
        numbers |= {
            f"{words}, {kind}": mean(found[what])
            for what, kind in (("encoding", "encoder's outputs"), ("latent", "latents"))
        }
        ratio = mean(np.log(found["encoding"] / found["latent"]))
        numbers[f"{words}, ratio"] = exponential(ratio)
        tested.append(shifted(ratio, -math.log(SUDDEN)))
    yield _claim(name, run, each, numbers, tested, f"share of the fastest tenth of {count} paths")


def _rest(run: RunSets, each: ImageSet, why: str) -> Iterator[Claim]:
    """That stitched images come to rest; passes with noise do not rest, and say nothing of it."""
    name = "crossover-comes-to-rest"
    if each.settings["strength"] > 0:
        return
    count, last = len(each.axes["pair"]), len(each.axes["pass"]) - 1
    if why := why or _too_few(count, "pairs") or _too_few_passes(last):
        yield _undecided(name, run, each, why)
        return
    left = passes(each.images).change_left  # (cuts, pairs)
    stitched = np.array([cut not in PARENTS for cut in each.axes["cut"]])
    of_stitched = mean(left[stitched].mean(0))
    numbers = {"change left": exponential(of_stitched)}
    if not stitched.all():
        numbers["change left of the images themselves"] = exponential(mean(left[~stitched].mean(0)))
    note = f"{last} passes without noise, {count} pairs, all cuts"
    yield _claim(name, run, each, numbers, [_below(of_stitched, math.log(COMES_TO_REST))], note)


def _claim(
    name: str, run: RunSets, each: ImageSet, numbers: dict[str, Number], tested: list[Number], note: str
) -> Claim:
    told = f"{each.name}: {note}"
    if any(number.se <= NO_SPREAD for number in tested):  # of logarithms and correlations
        return claim_of(
            name, run.name, run.dataset, "", UNDECIDED, numbers, f"{told}; the standard error is nothing"
        )
    return claim_of(name, run.name, run.dataset, "", every(map(decide, tested)), numbers, told, tested)


def _undecided(name: str, run: RunSets, each: ImageSet, why: str) -> Claim:
    return claim_of(name, run.name, run.dataset, "", UNDECIDED, {}, f"{each.name}: {why}")


def _learned_nothing(still: Mapping[str, str], run: RunSets | None) -> str:
    """That a run's model did, in words; empty where it did not, or where there is no run."""
    if run is None or run.name not in still:
        return ""
    return f"the model of {run.name} learned nothing: {still[run.name]}"


def _too_few(count: int, what: str) -> str:
    if count >= FEWEST_UNITS:
        return ""
    return f"{count} {what if count != 1 else what[:-1]}, and fewer than {FEWEST_UNITS} say nothing of others"


def _too_few_passes(count: int) -> str:
    if count >= FEWEST_PASSES:
        return ""
    several = "passes" if count != 1 else "pass"
    return f"{count} {several}, and fewer than {FEWEST_PASSES} do not show where a loop ends"


def _below(number: Number, most: float) -> Number:
    """How far a number stays below the most that it may be."""
    return Number(most - number.value, number.se, number.freedom)
