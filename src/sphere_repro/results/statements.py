"""What the paper states, as this project words and judges it, and one such statement tested on one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sphere_repro.results.verdicts import UNDECIDED, Number, chance_of
from sphere_repro.study.curves import LENGTH

MANY_STEPS = 4
TOLERANCE = 0.05  # of a published number: an assumption, see published.py
FAR_WORSE = 2.0  # 'far worse' is at least so many times the distance of the reconstructions
LARGEST_MEAN_COSINE = 0.01  # uniform in effect: a mean direction no longer than 0.1
LARGEST_ANISOTROPY = 2.0  # uniform in effect: at least half of the dimensions used
MOST_COPIES = 0.01  # near duplicates among samples, beyond what chance gives: one in a hundred
LEAST_FOUND = 0.9  # of planted copies, or the measure cannot be trusted
TOLD_APART = 0.64  # AUC of what Cohen (1988) calls a medium effect: half a deviation between two normals
LARGEST_LAW_DISTANCE = 0.05  # by which shares of angles may miss their law
FEWEST_WEIGHTS = 5  # of fewer VAEs no order is rare enough: 2 of 24 orders of four are as extreme as any
FEWEST_DECADES = 4.0  # of KL weights
FEWEST_UNITS = 4  # images or paths: of fewer, how far they differ is hardly known
FEWEST_PASSES = 10  # as many as the paper's page shows
STAYS = 1.1  # a distance that stays where it is grows by a tenth at most
COMES_TO_REST = 0.1  # at rest the last pass changes a tenth of what the first one does at most
STRUCTURE_KEPT = 0.3  # of a correlation: what Cohen (1988) calls a medium effect
SUDDEN = 2.0  # the fastest tenth of a path moves twice as far as that of an even one at least
LOSS_AXIS, ALONE = "loss-terms", "L_pix-recon alone"  # as a study of ablations calls them
HARD_AXIS, NO_HARD_CASES = "hard-cases", "none"
ANGLE_AXIS = "alpha-max"
SILENT_AXES = ("noise", LENGTH)  # of models trained without any, or longer; no claim is about that

TEXTS = {
    "few-steps-beat-one": (
        f"{MANY_STEPS} steps give better images than one.",
        f"distance of 1 step minus distance of {MANY_STEPS} steps (fixed, shared) is above 0",
    ),
    "more-steps-still-help": (
        f"Refinement beyond {MANY_STEPS} steps still lowers the distance.",
        f"distance of {MANY_STEPS} steps minus distance of the most steps that were drawn (fixed, shared) is "
        "above 0",
    ),
    "fixed-shared-is-best": (
        f"Fixed strength with shared noise is the best scheme at {MANY_STEPS} steps.",
        "distance of the best other scheme minus distance of fixed + shared is above 0",
    ),
    "fixed-shared-best-at-every-step": (
        "Fixed strength with shared noise is the best scheme at every number of steps.",
        "distance of the best other scheme minus distance of fixed + shared is above 0 at each number of "
        "steps above 1 at which another of the paper's schemes was drawn, and there are two such numbers at "
        "least",
    ),
    "decoder-guidance-stronger": (
        "Guidance of the decoder is stronger than guidance of the encoder.",
        "guidance of the decoder moves the distance from that of the unguided set, up or down, further than "
        "guidance of the encoder does, at each number of steps above 1 (fixed, shared) at which all three "
        "were drawn, at the largest scale that both have",
    ),
    "vae-prior-far-worse": (
        "Prior samples of a VAE are far worse than its reconstructions.",
        f"distance of the prior samples is above {FAR_WORSE:g} times that of the reconstructions",
    ),
    "sphere-prior-not-far-worse": (
        "One-step samples of the Sphere Encoder stay near its reconstructions, where those of a VAE do not.",
        "the ratio of the one-step samples' distance to the reconstructions' is below "
        f"1/{FAR_WORSE:g} of the VAE's ratio (prior to reconstruction), and the one-step samples are nearer "
        "than the VAE's prior samples; neither set is guided; the deviation between trainings is the error, "
        "and with one training each nothing is decided",
    ),
    "vae-trade-off": (
        "Over KL weights, the reconstructions of a VAE and its prior samples are at odds.",
        "the rank correlation (Spearman) between the distance of the reconstructions and that of the prior "
        f"samples is below 0, over at least {FEWEST_WEIGHTS} KL weights that span {FEWEST_DECADES:g} decades "
        "or more; chance by permutations; of several trainings of a weight the mean counts",
    ),
    "sphere-beyond-trade-off": (
        "No KL weight makes a VAE as good as the Sphere Encoder in reconstructions and random draws alike.",
        "of each VAE the reconstructions are farther from the real images than those of the Sphere Encoder, "
        "or its prior samples farther than the unguided one-step samples; it does not hold where one VAE is "
        "nearer in both; the deviation between trainings is the error, and with one training each nothing is "
        "decided",
    ),
    "latents-uniform": (
        "Latents of the training images are uniform on the sphere, as a whole and in each class.",
        f"mean cosine of two latents at most {LARGEST_MEAN_COSINE:g} (mean direction at most 0.1 long) and "
        f"anisotropy at most {LARGEST_ANISOTROPY:g}, as a whole and on average over the classes; counts only "
        "where true uniform points pass and raw pixels fail the same test",
    ),
    "vae-posterior-is-not-its-prior": (
        "The latents of a VAE's training images are not distributed as its prior.",
        "one of two cross-validated classifiers (kernel ridge regression with a quadratic kernel, ten "
        "nearest points) tells posterior draws of training images from draws of the standard normal with an "
        f"AUC above {TOLD_APART:g}; counts only where neither tells two samples of the prior apart so well, "
        "and one finds a planted gap",
    ),
    "sphere-latents-are-like-its-prior": (
        "Latents of the Sphere Encoder are hardly told from random points of the sphere, where those of a "
        "VAE are told from its prior.",
        f"the AUC of both classifiers is below {TOLD_APART:g} for the Sphere Encoder's latents against "
        "uniform points, and that of one above it for the VAE's; counts only with both controls of both "
        "models; each model is judged by itself",
    ),
    "vae-prior-is-emptier": (
        "More of a VAE's prior decodes to nothing than of the Sphere Encoder's.",
        "the share of images farther from every training image than 95 % of real images are is larger among "
        "the VAE's prior samples than among the Sphere Encoder's one-step samples (unguided), by the "
        "distance to the nearest training image and by the local one, of which those count that find "
        f"{100 * LEAST_FOUND:g} % of images of noise; the deviation between trainings is the error, and with "
        "one training each nothing is decided",
    ),
    "emptiness-grows-to-the-prior": (
        "On the way from a VAE's posterior to its prior, images turn to nothing.",
        "the same share is larger at the end of paths from posterior draws of training images to prior draws "
        f"than at their beginning, by both measures (differences within paths, at least {FEWEST_UNITS})",
    ),
    "samples-are-no-copies": (
        "Samples are no copies of training images.",
        "the share of near duplicates of training images exceeds that of the control (images held out, or "
        f"training images against the others) by less than {100 * MOST_COPIES:g} percentage point, in the "
        "set of one step and in that of most steps (fixed, shared), in features and in pixels, of which "
        f"those count that find {100 * LEAST_FOUND:g} % of planted copies; all training images must have "
        "been searched",
    ),
    "noise-angle-follows-law": (
        "Noise of an angle turns the latents by the angles that its law at their dimension says.",
        "the Kolmogorov-Smirnov distance between the angles reached and the law (noncentral t; "
        f"metrics/spherification.py) is below {LARGEST_LAW_DISTANCE:g} for noise of the largest angle and of "
        "uniformly drawn strength; its error is the largest that an empirical distribution has, 1/(2√n)",
    ),
    "loop-is-stable": (
        "Repeated encoding and decoding is stable for the Sphere Encoder and drifts for a VAE of the same "
        "backbone.",
        "of images that the model was not trained on, the distance from the input (RMS of pixels) after the "
        f"last pass is below {STAYS:g} times that after the first, and the last pass changes less than "
        f"{COMES_TO_REST:g} of what the first one does, while the VAE's distance grows to more than "
        f"{STAYS:g} times (ratios are geometric means over images, at least "
        f"{FEWEST_UNITS} and {FEWEST_PASSES} passes, without noise; each model is judged by itself)",
    ),
    "editing-keeps-structure": (
        "Editing keeps the structure of the image that it begins with.",
        "after the last step, with every scheme, the correlation of grey values with the image's own input "
        f"is above that with the other inputs by more than {STRUCTURE_KEPT:g} (means over classes; at least "
        f"{FEWEST_UNITS} images)",
    ),
    "interpolation-is-sudden": (
        "Along a line between two draws the image changes suddenly.",
        "with every number of steps, the fastest tenth of the path holds a share of all that the encoder's "
        f"outputs move that is more than {SUDDEN:g} times the share that the fastest tenth of the decoded "
        f"latents' own path holds (angles; geometric mean over paths, at least {FEWEST_UNITS})",
    ),
    "crossover-comes-to-rest": (
        "Two stitched images come to rest when they are passed through the model again and again.",
        f"without noise, the last pass changes less than {COMES_TO_REST:g} of what the first one does (RMS "
        f"of pixels; geometric mean over cuts and pairs, at least {FEWEST_UNITS} pairs and {FEWEST_PASSES} "
        "passes)",
    ),
    "published-number-reached": (
        f"The published number is reached, within {100 * TOLERANCE:g} %.",
        "the distance is above the published one, or the Inception Score below it, by less than "
        f"{100 * TOLERANCE:g} % of the published value (an assumption: how far another training moves it is "
        "known only of a run with replicates, whose deviation then counts on both sides); the published "
        "value counts with the standard error of the measured one",
    ),
    "all-losses-beat-one": (
        "All three losses give better images than the reconstruction loss alone.",
        f"distance of the run '{ALONE}' minus distance of the baseline ({MANY_STEPS} steps, fixed, shared) "
        "is above 0; the deviation between trainings is the error, and with one training each nothing is "
        "decided",
    ),
    "hard-cases-help": (
        "Hard cases, noise beyond the largest angle, give better images.",
        f"distance of the run '{NO_HARD_CASES}' on the axis {HARD_AXIS} minus distance of the baseline "
        f"({MANY_STEPS} steps, fixed, shared) is above 0; that the paper says so is read from its default, "
        "which has them; the deviation between trainings is the error, and with one training each nothing is "
        "decided",
    ),
    "angle-is-best": (
        "The paper's largest noise angle is the best of those tried.",
        f"distance of each other angle minus distance of the baseline ({MANY_STEPS} steps, fixed, shared) is "
        "above 0; the deviation between trainings is the error, and with one training each nothing is "
        "decided",
    ),
}


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
    chance: float | None = None  # of the verdict by chance alone; None where nothing was tested

    def record(self) -> dict[str, Any]:
        """The claim as a JSON-able value."""
        numbers = {name: {"value": number.value, "se": number.se} for name, number in self.numbers.items()}
        return {**self.__dict__, "numbers": numbers}


def claim_of(
    name: str,
    run: str,
    dataset: str,
    metric: str,
    verdict: str,
    numbers: dict[str, Number],
    note: str = "",
    tested: Sequence[Number] = (),
) -> Claim:
    """A claim in the words of `TEXTS`; `tested`: the numbers whose signs decided it.

    It is undecided, and says why, where one of its numbers says nothing.
    """
    text, rule = TEXTS[name]
    doubts = dict.fromkeys(number.doubt for number in numbers.values() if number.doubt)
    verdict, tested = (UNDECIDED, ()) if doubts else (verdict, tested)
    note = "; ".join(filter(None, [note, *doubts]))
    chance = chance_of(verdict, tested)
    return Claim(name, text, rule, run, dataset, metric, verdict, numbers, note, chance)
