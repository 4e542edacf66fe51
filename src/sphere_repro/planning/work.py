"""What the long jobs of a study do: FLOPs, and images that processors handle; told without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sphere_repro.planning.archives import archive_bytes
from sphere_repro.planning.extractors import EXTRACTORS
from sphere_repro.study import flops, jobs
from sphere_repro.study.architecture import Architecture
from sphere_repro.study.config import Run, Study
from sphere_repro.study.files import Step
from sphere_repro.study.generation import Precision, remembered
from sphere_repro.study.objective import Perceptual
from sphere_repro.study.prior_path import PRIOR_PATH
from sphere_repro.study.scoring import Score

# Seconds on one processor for each pixel of an image that is decoded, resized or encoded, from above: a PNG
# of 256 pixels takes 9 ms to write here and 2 ms to read, on a busy machine several times that.
HANDLING = 0.5e-6
SMALL = 0.005  # seconds for an image of any size: small files, small resizes
EXTRACTED = 299  # pixels to which an image is resized before its features are taken, at most
JUDGED = 50_000  # metrics.recognition.MOST_IMAGES, which would load torch, as those below
PLANTED, NOISE_IMAGES, COMPARED_SIDE = 200, 100, 32  # metrics.control_images
CONTROLS = 10_000  # metrics.memorisation
PROCESSOR = 5e10  # FLOP/s of one processor in large products, from below
PHOTOGRAPHS = 4  # so much larger is what a publisher's images are made of
# FLOPs of one pass of the paper's perceptual networks: ConvNeXt at 224 pixels, LPIPS for each pixel;
# EfficientNet-Lite1 for each pixel of its own size. Counted on the networks; tests count again.
CONVNEXT, LPIPS_PER_PIXEL, LITE1_PER_PIXEL = 17_367_424_512, 611_875, 5_560


@dataclass(frozen=True)
class Work:
    """What a job does: FLOPs on devices, and images that processors handle.

    Attributes:
        flops: of training and networks.
        half: those of them in bfloat16.
        tf32: those of them in TF32.
        devices: that share them.
        handled: seconds of one processor.
        processors: that share those.
    """

    flops: int = 0
    half: int = 0
    tf32: int = 0
    devices: int = 1
    handled: float = 0.0
    processors: int = 1


def work_of(step: Step, study: Study, images: int, processors: int = 1) -> Work:
    """What one of the long jobs of a study does: prepare, train, sample, encode, reference, score.

    Args:
        step: the job.
        study: whose.
        images: of its dataset.
        processors: that the job has, where it uses several.
    """
    job, run = step.job, run_of(step, study)
    if run.model.kind == "pretrained-vae" and isinstance(job, jobs.SampleJob | jobs.EncodeJob):
        return _of_unknown_shapes(job, run, images)
    match job:
        case jobs.PrepareJob():
            return Work(handled=PHOTOGRAPHS * handling(images, run), processors=processors)
        case jobs.TrainJob():
            return training(run, images)
        case jobs.SampleJob():
            return sampling(job, run, images)
        case jobs.EncodeJob():
            count = min(max(job.count, job.per_class * job.dataset.source.classes), images)
            work = count * flops.encoder_call(run.architecture).forward
            return Work(flops=work, handled=handling(count, run))
        case jobs.ScoreJob():
            counts = [drawn(jobs.sample_job(study, job.run, name), images)[0] for name in job.sets]
            found = extracting(job.score.extractor, sum(counts), run)
            sets = dict(zip(job.sets, counts, strict=True))
            compared = sum(comparing(job, n, images) for name, n in sets.items() if name != PRIOR_PATH)
            others = sum(n for name, n in sets.items() if not name.startswith("generation"))
            looked_at = len(remembered(list(job.generations.values()))) * run.sampling.count
            return replace(
                found,
                handled=found.handled
                + compared
                + searching(job.score, looked_at, images, run)
                + measuring(job.score, others, images),
            )
        case jobs.ReferenceJob():
            return referring(job, images, run)
    raise ValueError(f"{step.rule} is no long job")


def _of_unknown_shapes(job: jobs.SampleJob | jobs.EncodeJob, run: Run, images: int) -> Work:
    """Images of a pretrained autoencoder; the FLOPs of its networks nobody knows before they are there."""
    if isinstance(job, jobs.EncodeJob):
        return Work(handled=handling(min(job.count, images), run))
    count, seen = drawn(job, images)
    read = seen if job.set in ("reconstruction", "posterior") else 0
    return Work(handled=handling(count + read, run), processors=run.sampling.processes)


def run_of(step: Step, study: Study) -> Run:
    """The run that a job belongs to; the first one of an archive's."""
    if step.subject in study.runs:
        return study.runs[step.subject]
    return next(run for run in study.runs.values() if run.dataset.archive == step.subject)


def handling(images: int, run: Run) -> float:
    """Seconds of one processor that reads or writes so many images."""
    return images * (SMALL + HANDLING * run.dataset.pixels**2)


def extracting(extractor: str, images: int, run: Run) -> Work:
    """Features of so many images: each is read, resized, and passed once."""
    resized = images * HANDLING * EXTRACTED**2
    return Work(flops=images * EXTRACTORS[extractor].flops, handled=handling(images, run) + resized)


def referring(job: jobs.ReferenceJob, images: int, run: Run) -> Work:
    """Features of the real images, of planted copies and of images held out, and the nearest of them."""
    if job.score.reference is not None:  # features for a classifier alone
        return extracting(job.score.extractor, min(images, JUDGED) if job.dataset.source.classes else 0, run)
    count, share = min(job.score.reference_count or images, images), job.dataset.held_out
    beside = min(PLANTED, count) + NOISE_IMAGES + round(images * share / (1 - share))
    found = extracting(job.score.extractor, count + beside, run)
    return replace(
        found, handled=found.handled + searching(job.score, min(CONTROLS, count) + beside, images, run)
    )


def searching(score: Score, count: int, images: int, run: Run) -> float:
    """Seconds of one processor that finds the nearest training images of so many, by features and pixels."""
    if score.reference is not None:
        return 0.0
    real = min(score.reference_count or images, images)
    numbers = EXTRACTORS[score.extractor].dimension + 3 * min(run.dataset.pixels, COMPARED_SIDE) ** 2
    return 2 * real * count * numbers / PROCESSOR


def measuring(score: Score, count: int, images: int) -> float:
    """Seconds of one processor that finds the training images nearest to so many others, by features alone.

    And the nearest of those found, and of the controls': of no more than there are.
    """
    if score.reference is not None:
        return 0.0
    real = min(score.reference_count or images, images)
    return 2 * real * (count + real) * EXTRACTORS[score.extractor].dimension / PROCESSOR


def comparing(job: jobs.ScoreJob, count: int, images: int) -> float:
    """Seconds of one processor that finds nearest neighbours: real, drawn, and between both."""
    real = 0 if job.score.reference is not None else min(job.score.reference_count or images, images)
    products = real**2 + count**2 + real * count
    return 2 * products * EXTRACTORS[job.score.extractor].dimension / PROCESSOR


def training(run: Run, images: int) -> Work:
    """All steps of a training; images are read ahead while it computes."""
    batch, execution = run.recipe.batch_size, run.execution
    seen = run.recipe.total_steps(max(1, images // batch)) * batch
    again = flops.recomputed_flops(run.architecture, run.loss) if execution.activation_checkpointing else 0
    networks = seen * (flops.training_flops(run.architecture, run.loss) + again)
    terms = flops.perceptual_terms(run.architecture, run.loss)
    perceptual = seen * perceptual_flops(run.loss.perceptual, run.dataset.pixels, terms)
    precision, own = run.recipe.precision, run.loss.perceptual
    half = networks if precision == "bfloat16" else 0
    return Work(
        flops=networks + perceptual,
        half=half + (perceptual if own.in_half(precision) else 0),
        tf32=perceptual if own.precision == "tf32" else 0,
        devices=execution.world_size,
    )


def perceptual_flops(settings: Perceptual, pixels: int, terms: int) -> int:
    """FLOPs of so many perceptual terms with their gradients, for one image.

    The data are passed once, x_noisy and x_NOISY forwards and, at the same cost, backwards.
    """
    return (1 + 2 * terms) * _perceptual_pass(settings, pixels) if terms else 0


def _perceptual_pass(settings: Perceptual, pixels: int) -> int:
    match settings.network:
        case "lpips-convnext":
            convnext = CONVNEXT if settings.convnext_weight > 0 else 0
            return convnext + (LPIPS_PER_PIXEL * pixels**2 if settings.lpips_weight > 0 else 0)
        case "efficientnet-lite1":
            return LITE1_PER_PIXEL * settings.size**2
    return 0


def sampling(job: jobs.SampleJob, run: Run, images: int) -> Work:
    """A sample set, shared by the processes that the run's sampling asks for."""
    found = replace(sampled(job, run.architecture, images), devices=run.sampling.processes)
    count, seen = drawn(job, images)
    read = seen if job.set in ("reconstruction", "posterior") else 0
    return replace(found, handled=handling(count + read, run), processors=run.sampling.processes)


def sampled(job: jobs.SampleJob, shape: Architecture, images: int) -> Work:
    """FLOPs of a sample set of a dataset of `images`."""
    count, _ = drawn(job, images)
    cost = count * flops.forward_flops(shape, flops.set_calls(job.set, job.generation))
    if job.set == "posterior":  # its mean and deviation are those of all training images
        cost += images * flops.encoder_call(shape).forward
    if job.prior_path is not None:  # of each path the first end is encoded
        cost += job.prior_path.paths * flops.encoder_call(shape).forward
    kinds: Mapping[Precision, tuple[int, int]] = {
        "float32": (0, 0),
        "bfloat16": (cost, 0),
        "tf32": (0, cost),
    }
    half, tf32 = kinds[job.precision]
    return Work(flops=cost, half=half, tf32=tf32)


def drawn(job: jobs.SampleJob, images: int) -> tuple[int, int]:
    """How many images a set has, and how many pass through the networks before the last step."""
    count = min(job.count, images) if job.set == "reconstruction" else job.count
    return count, count if job.set != "posterior" else images


def set_bytes(job: jobs.SampleJob, images: int) -> int:
    """Bytes of disk that drawing a set takes at most: its parts, and the archive that they become."""
    return 2 * archive_bytes(drawn(job, images)[0], job.dataset.pixels)
