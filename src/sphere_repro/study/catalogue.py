"""The catalogue of figures: which there are, of which runs, and which result files each one reads.

A kind of figure has a row here, a module of the same name in `figures/` and a notebook in `notebooks/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from sphere_repro.study import curves

if TYPE_CHECKING:
    from sphere_repro.study.files import StudyFiles


@dataclass(frozen=True)
class Kind:
    """One kind of figure.

    Attributes:
        subjects: the runs that have one each; `[""]` for one figure of the whole study, `[]` for none.
        inputs: the files that one of them reads, by the names that its module knows.
        caption: what a reader has to know to read it.
        usual: whether a study that says nothing of figures has it.
        page: whether it has a page for the browser too; its module has a function `page` then.
    """

    subjects: Callable[[StudyFiles], list[str]]
    inputs: Callable[[StudyFiles, str], dict[str, str]]
    caption: str
    usual: bool = True
    page: bool = False


@dataclass(frozen=True)
class Figure:
    """One figure of a study: `name` is that of its files, `subject` the run that it shows, if it is one."""

    kind: str
    subject: str
    inputs: Mapping[str, str]
    caption: str

    @property
    def name(self) -> str:
        return "-".join(filter(None, (self.kind, self.subject)))

    @property
    def parameters(self) -> str:
        """What its notebook is run with, as a line of JSON."""
        return json.dumps({"subject": self.subject, "inputs": dict(self.inputs)})


def figures(files: StudyFiles) -> dict[str, Figure]:
    """Every figure that can be made of the study's results, by name."""
    found = [
        Figure(name, subject, kind.inputs(files, subject), kind.caption)
        for name, kind in KINDS.items()
        for subject in kind.subjects(files)
    ]
    return {figure.name: figure for figure in found}


def wanted(files: StudyFiles) -> dict[str, Figure]:
    """Those that the study asks for."""
    return {name: figure for name, figure in figures(files).items() if figure.kind in files.study.figures}


def figure_files(files: StudyFiles, place: str) -> list[str]:
    """The pictures that the study asks for, in `place`."""
    return [f"{place}/figures/{name}.png" for name in wanted(files)]


def page_files(files: StudyFiles, place: str) -> list[str]:
    """The pages of those that have one."""
    named = wanted(files).items()
    return [f"{place}/pages/{name}.html" for name, figure in named if KINDS[figure.kind].page]


def notebook_files(files: StudyFiles, place: str) -> list[str]:
    """Their notebooks."""
    return [f"{place}/notebooks/{name}.ipynb" for name in wanted(files)]


def _of_study(_files: StudyFiles) -> list[str]:
    return [""]


def _samples(files: StudyFiles, run: str) -> dict[str, str]:
    return {"real": files.archive_of(run), **files.sets(run), "scores": files.scores()[run]}


def _with_classes(files: StudyFiles) -> list[str]:
    """Sphere Encoders that draw images of classes."""
    runs = files.study.runs
    return [
        run for run in files.spheres if runs[run].architecture.classes > 1 and runs[run].sampling.generations
    ]


def _curated(files: StudyFiles, run: str) -> dict[str, str]:
    generated = {name: path for name, path in files.sets(run).items() if name.startswith("generation")}
    return {**generated, "scores": files.scores()[run]}


def _posterior_hole(files: StudyFiles, run: str) -> dict[str, str]:
    """Of a Sphere Encoder with its VAE, or of a pretrained VAE with its Sphere Encoder, if it has one."""
    if run in files.pretrained:
        run, baseline = files.beside(run) or "", run
    else:
        baseline = files.baseline(run) or ""
    vae = {
        "real": files.archive_of(baseline),
        **{f"vae.{name}": path for name, path in files.sets(baseline).items()},
        "scores.vae": files.scores()[baseline],
    }
    if not run:
        return vae
    single = files.single_step(run)
    sphere = {name: path for name, path in files.sets(run).items() if name in ("reconstruction", single)}
    return {
        "real": vae.pop("real"),
        **{f"sphere.{name}": path for name, path in sphere.items()},
        "scores.sphere": files.scores()[run],
        **vae,
    }


def _models(files: StudyFiles, _subject: str) -> dict[str, str]:
    found = {}
    for run in files.side_by_side:
        shown = {"reconstruction", "prior", "posterior"}
        if run in files.spheres:
            shown = {"reconstruction", files.single_step(run) or ""}
        found[f"{run}.real"] = files.archive_of(run)
        found |= {f"{run}.{name}": path for name, path in files.sets(run).items() if name in shown}
        found[f"{run}.scores"] = files.scores()[run]
    return found


def _uniformity(files: StudyFiles, run: str) -> dict[str, str]:
    result = files.places.uniformity(run)
    return {"result": result, "points": f"{result.removesuffix('.json')}.npz"}


def _gapped(files: StudyFiles) -> list[str]:
    """Sphere Encoders whose latents are judged, and pretrained VAEs held against real images."""
    return [*files.judged, *(run for run in files.pretrained if run in files.held_against_real)]


def _posterior_gap(files: StudyFiles, run: str) -> dict[str, str]:
    """Latents of a Sphere Encoder and its VAE, and both models' scores; of a pretrained VAE scores alone."""
    pretrained = run in files.pretrained
    runs = [files.beside(run), run] if pretrained else [run, files.baseline(run)]
    found = {} if pretrained else {"result": files.places.uniformity(run)}
    scores = files.scores()
    return found | {f"scores.{name}": scores[name] for name in runs if name in files.held_against_real}


def _memorisation(files: StudyFiles, run: str) -> dict[str, str]:
    sets = files.sets(run)
    return {
        "real": files.archive_of(run),
        "scores": files.scores()[run],
        "near": files.places.neighbours(run, files.study.score.extractor),
        **{f"set.{name}": sets[name] for name in files.remembered(run)},
    }


def _scores(files: StudyFiles, _subject: str) -> dict[str, str]:
    return dict(files.scores())


def _cost(files: StudyFiles, _subject: str) -> dict[str, str]:
    spheres = {run: path for run, path in files.scores().items() if run in files.spheres}
    models = {
        f"model.{run}": f"{files.places.model(run).removesuffix('.safetensors')}.json" for run in spheres
    }
    return {**spheres, **models, "rivals": RIVALS}


def _curves(files: StudyFiles, _subject: str) -> dict[str, str]:
    return {run: files.places.curves(run) for run in files.trained if run in files.first}


def _image_sets(files: StudyFiles, run: str) -> dict[str, str]:
    return {"images": files.places.images_record(run)}


def _foreign(files: StudyFiles, run: str) -> dict[str, str]:
    other = files.baseline(run)
    found = _image_sets(files, run)
    if other and files.study.runs[other].sampling.reconstructions:
        found["baseline"] = files.places.images_record(other)
    return found


def _with(key: str) -> Callable[[StudyFiles], list[str]]:
    """The Sphere Encoders that have image sets of one key."""
    return lambda files: [run for run in files.spheres if getattr(files.study.runs[run].sampling, key)]


RIVALS = "params/rivals.yaml"

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "samples": Kind(
            lambda files: files.spheres,
            _samples,
            "Samples by number of steps. Each row is one sample set, each column one seed: generated "
            "images below each other start from the same noise and, in a conditional model, have the "
            "same class. The first two rows are real images and their reconstructions. Tiny images are "
            "enlarged without smoothing.",
        ),
        "samples-curated": Kind(
            _with_classes,
            _curated,
            "Curated samples: of each class those of which a classifier of real images is surest that they "
            "show it (of equals the first), by the paper's scheme with the fewest and with the most steps. "
            "They say what a model can do and nothing of how often: the figure 'samples' is uncurated. Each "
            "row is a class; of more than ten classes ten are shown, evenly spread. Which classifier judges, "
            "and how often it is right on real images held out, stands above.",
        ),
        "posterior-hole": Kind(
            lambda files: [*files.paired, *files.pretrained],
            _posterior_hole,
            "The posterior hole. From left to right: input, reconstruction, decodes of random latents. "
            "The VAE draws them from its standard normal prior and from the estimated posterior "
            "(elementwise mean and standard deviation of the training images' latents); for the Sphere "
            "Encoder both right panels are decodes of random points of the sphere, without guidance where "
            "such a set was drawn. Above each panel stands the Fréchet distance of the whole sample set from "
            "the real images, in the metric that the figure names.",
        ),
        "posterior-hole-models": Kind(
            lambda files: [""] if files.side_by_side else [],
            _models,
            "The posterior hole of every model of the study, a row each: inputs, reconstructions, and "
            "decodes "
            "of random latents, as in the figure 'posterior-hole'. Models of one dataset show the same "
            "inputs. "
            "A pretrained autoencoder's prior is a standard normal in the latents that its configuration "
            "normalises. On the page of the same name one model is shown at a time, and others are chosen by "
            "buttons, arrow keys or a swipe.",
            usual=False,
            page=True,
        ),
        "posterior-gap": Kind(
            _gapped,
            _posterior_gap,
            "How far the latents of training images are from the prior, and what that does to images. Above, "
            "four statistics of the latents against as many draws of the prior (of a VAE posterior draws "
            "against a standard normal, of the Sphere Encoder encoded images against random points of the "
            "sphere), beside two controls and the values that random exchanges give; an AUC is a "
            "classifier's on points that it was not trained on, 0.5 where it only guesses. Below, the share "
            "of images that lie farther from every training image, in features, than 95 % of real images do: "
            "of the sets, and along paths from posterior draws of training images to draws of the prior, "
            "with 95 % intervals. The dotted line is what real images give. A pretrained VAE's latents are "
            "not examined.",
        ),
        "uniformity": Kind(
            lambda files: files.judged,
            _uniformity,
            "Latents of training images on the sphere, beside three controls: the latents of the VAE "
            "baseline (where there is one), raw pixels (not centred) and true uniform points. The maps "
            "are equal-area views of one random projection to three dimensions. Almost any cloud looks "
            "even after such a projection, so the numbers below each map, and the panels by class, are "
            "computed in all dimensions. The grey band is what truly uniform clouds of the same size "
            "give. Judge by the effect sizes (mean cosine, anisotropy) against the controls; a small "
            "p-value alone only says that the cloud is not exactly uniform.",
        ),
        "globes": Kind(
            lambda files: files.judged,
            _uniformity,
            "Latents of three classes (those with the most latents examined) on the sphere, beside the same "
            "controls as in the figure 'uniformity', after one random projection to three dimensions. Faint "
            "points lie on the far side. On the page of the same name the globes turn, and every class and "
            "several projections can be chosen. Almost any cloud looks even after such a projection: judge "
            "by the numbers of all dimensions.",
            page=True,
        ),
        "spherification": Kind(
            lambda files: files.noised,
            _uniformity,
            "What the noise of the training does to a model's own latents. Above, latents v in the plane "
            "that each spans with its noise e: v + σ·e, σ = tan α, before (hollow) and after re-projection "
            "to the sphere f (filled), at four angles α; grey is the cone of the largest. Below, the angle "
            "between v and f(v + σ·e), at full strength σ and at r·σ with r uniform in [0, 1] as training "
            "draws it (hard cases aside): bars are draws, the line is their law at the latents' dimension "
            "(the angle's cotangent is a noncentral t). At full strength α is about the median; the fewer "
            "the dimensions, the wider the angles spread.",
        ),
        "distance-by-steps": Kind(
            _of_study,
            _scores,
            "Fréchet distance from the real images by number of steps, ± one standard error (jackknife "
            "over images); of a run that was trained several times the mean ± the standard deviation "
            "between trainings. Hollow marks are other schemes at the same number of steps; horizontal lines "
            "are reconstructions, a VAE's prior and estimated-posterior samples, and the floor: what as many "
            "images of a perfect model would score (two halves of the real images say it). The axis names "
            "the metric: only distances of Inception features are FIDs.",
        ),
        "refinement": Kind(
            curves.refined,
            curves.refinement,
            "Few-step refinement. Above, the Fréchet distance from the real images by number of steps, a "
            "line for each scheme of noise, ± one standard error (jackknife over images), or the mean ± "
            "the standard deviation between trainings where there are several. A single step has no "
            "scheme: all lines begin there. Noise that is drawn once for all steps is shared, one for "
            "each step independent; initial is the very first draw again, a reading of the paper that the "
            "released code does not take. Below, the images of a few seeds, not chosen: each block is one "
            "seed, each row a scheme, each column a number of steps. Guidance is the one that the study "
            "names first.",
        ),
        "guidance": Kind(
            curves.guided,
            curves.of_run,
            "Guidance by position and scale: the Fréchet distance from the real images, ± one standard error "
            "(jackknife over images), or the mean ± the standard deviation between trainings where there are "
            "several, by the scale of guidance of the encoder, of the decoder, and of both (with the root of "
            "the scale each), a panel for each number of steps. Fixed strength, shared noise. Scale 1 is no "
            "guidance. The first step has guidance of the decoder alone.",
        ),
        "noise-angle": Kind(
            curves.angled,
            curves.angles,
            "The Fréchet distance from the real images against the largest noise angle α of the training, "
            "each mark a training of its own, ± one standard error (jackknife over images), or the mean ± "
            "the standard deviation between trainings where there are several; the upper axis has the "
            "same angles as ratios of noise to signal, tan α. Lines are numbers of steps, fixed strength "
            "and shared noise, of every set that all trainings have. Filled marks are the study's "
            "baseline.",
        ),
        "trade-off": Kind(
            curves.weighed,
            curves.trade_off,
            "What a model gives up for the other: the distance of its reconstructions from the real images, "
            "to the right, against that of its random draws, upwards, ± one standard error (jackknife over "
            "images), or the mean ± the standard deviation between trainings where there are several. The "
            "curve is one VAE under several weights of the KL divergence, each a training of its own; its "
            "draws are those of the prior. A plain autoencoder has no prior: its draws are of the same "
            "standard normal, to which nothing pulls its latents. Of the Sphere Encoder, and of one that is "
            "trained without noise, random points of the sphere are drawn, unguided, in one step (filled) "
            "and in four (hollow). The floor is what as many images of a perfect model would score: "
            "dashed lines, where the axes come near it.",
        ),
        "training-length": Kind(
            curves.lengthened,
            curves.lengths,
            "What longer training brings. Each mark is a training of its own, whose schedule ends with it, "
            "against its optimizer steps: the Fréchet distance from the real images, ± one standard error "
            "(jackknife over images; or the mean ± the standard deviation between trainings), the share of "
            "images that a classifier of real ones recognises as their class, and of the latents mean "
            "cosine and anisotropy (± one standard error, all classes together); dashed is what truly "
            "uniform points have. Filled marks are the study's baseline.",
            usual=False,
        ),
        "training-curves": Kind(
            lambda files: [""] if files.trained else [],
            _curves,
            "The loss and its unweighted terms by optimizer step, on a logarithmic scale: running means "
            "over a fortieth of the training, with the single records faint behind them. Terms with "
            "weight 0 are left out, and so are further trainings of the same run.",
        ),
        "conditional-manipulation": Kind(
            _with("edits"),
            _image_sets,
            "Images from outside the training distribution, refined towards target classes with little "
            "noise. Above, each row is one input, each column a class, after the last step; in the middle "
            "the first input step by step, with fixed and with falling noise. Below: PSNR to the input, "
            "and the correlation of grey values with the input that an image was made of (solid) and, as "
            "a control, with the other inputs (dashed; of photographs with photographs, of negatives with "
            "negatives): structure is kept as far as the two differ.",
        ),
        "crossover": Kind(
            _with("crossovers"),
            _image_sets,
            "Two images stitched left and right, top and bottom, and along both diagonals, and passed "
            "through the model again and again without noise, under the null class. Pass 0 is the "
            "stitched image. The first two rows are the two images themselves under the same passes. "
            "Below: how much each pass still changes.",
        ),
        "interpolation": Kind(
            _with("interpolations"),
            _image_sets,
            "Images along lines between two random draws, and on squares between four, decoded once and "
            "refined; class embeddings are mixed with the same weights. Below each set of lines its "
            "speed: the change of pixels and the angle between the encoder's outputs, per unit of the "
            "path (strong: mean of the lines). The latents that are decoded move almost evenly (dashed); "
            "a peak is a sudden transition of the image.",
        ),
        "foreign-reconstructions": Kind(
            _with("reconstructions"),
            _foreign,
            "Images that the model was not trained on, encoded and decoded once and many times, without "
            "noise and under the null class, by the Sphere Encoder and by the VAE of the same backbone. "
            "If the loop comes to rest at a point of the manifold, what a pass changes falls towards "
            "zero, and the distance from the input stays where it is.",
        ),
        "memorisation": Kind(
            lambda files: files.held_against_training,
            _memorisation,
            "Are samples copies? Above, the samples whose nearest training image stands out most, with "
            "their nearest training images in features and in pixels. Below, the share of images that lie "
            "as near to a training image as the axis says, or nearer: samples, images that were held out "
            "of the training (without any, training images against the others) and planted copies, which "
            "are training images with slight noise. The relative distance is that to the nearest training "
            "image over the mean of those to the 2nd to 50th; a near duplicate is left of the dotted "
            "line, which one in a hundred training images is among the others. Samples that are no copies "
            "lie no further left than the control.",
        ),
        "cost": Kind(
            lambda files: [""] if files.spheres else [],
            _cost,
            "What an image costs, and how far from the real ones it lies: against floating-point operations "
            "(2 for each multiply-add, forward passes of encoder and decoder) and against passes of the "
            "decoder. Filled marks are the paper's scheme by number of steps, hollow ones other schemes and "
            "guidances, bars ± one standard error. Where a dataset has published numbers of other methods, "
            "they stand as crosses at their authors' number of steps, measured by their authors' own code.",
        ),
        "ablations": Kind(
            _of_study,
            _scores,
            "What each choice of the method is worth. Each panel changes one thing and leaves the rest "
            "as in the baseline (filled mark, dashed line): distance of the images from the real ones, "
            "± one standard error (jackknife over images), or the mean ± the standard deviation between "
            "trainings where there are several; lower is better. Steps, schemes and guidance "
            "are other sample sets of the baseline; everything else is a training of its own. Each "
            "panel has its own scale.",
            usual=False,
        ),
    }
)
