"""What scoring needs: the networks' cost, and that of references and scores made with them."""

from __future__ import annotations

from sphere_repro.metrics.classifier import SIDE
from sphere_repro.metrics.control_images import NOISE_IMAGES, PLANTED
from sphere_repro.metrics.control_images import SIDE as COMPARED_SIDE
from sphere_repro.metrics.memorisation import MOST_CONTROLS
from sphere_repro.metrics.neighbours import CHUNK_MIB
from sphere_repro.metrics.recognition import MOST_IMAGES, MOST_OF_PIXELS
from sphere_repro.planning.extractors import EXTRACTORS
from sphere_repro.planning.need import DOUBLE, FLOAT, Need
from sphere_repro.results.nearest import MEASURES
from sphere_repro.study import jobs
from sphere_repro.study.config import Run
from sphere_repro.study.generation import remembered
from sphere_repro.study.prior_path import PRIOR_PATH
from sphere_repro.study.scoring import Score

NEAR_BYTES = len(MEASURES) * (2 * FLOAT + DOUBLE)  # an image's nearest: two distances and an index


def of_reference(name: str, job: jobs.ReferenceJob, images: int, record: str, done: bool) -> Need:
    """What features of `images` real images need, or of as many as the job asks for.

    And of those that samples are held against beside them: planted copies, noise, images that are held out.
    """
    network, compared = EXTRACTORS[job.score.extractor], _compared_with(job.score, images)
    size, classes = network.dimension, job.dataset.source.classes
    judged = min(compared or images, MOST_IMAGES) if classes else 0
    count = compared or judged  # features that are taken: of statistics by others for the classes alone
    share = job.dataset.held_out
    others = min(PLANTED, compared) + NOISE_IMAGES + round(images * share / (1 - share))
    beside = others if compared else 0
    near = (min(MOST_CONTROLS, compared) + beside) * NEAR_BYTES + DOUBLE * compared
    return Need(
        run=name,
        job="reference",
        subject=job.dataset.archive,
        record=record,
        images=count + beside,
        flops=(count + beside) * network.flops,
        device=_extractor_bytes(job.score, count),
        host=_moment_bytes(count, size)
        + _judge_bytes(judged, size, classes)
        + _small_bytes(compared + beside, job.dataset.pixels),
        disk=FLOAT * compared * size
        + DOUBLE * (size**2 + size)
        + _kept_bytes(judged, size, classes, job.dataset.pixels)
        + near,
        working=FLOAT * count * size,  # features, until all are there
        done=done,
    )


def of_score(job: jobs.ScoreJob, run: Run, images: int, record: str, done: bool) -> Need:
    """What scoring all sets of a run needs, whose dataset has `images`."""
    network, largest = EXTRACTORS[job.score.extractor], run.sampling.count
    along = job.prior_path.images if job.prior_path else 0
    sets = [item for item in job.sets if item != PRIOR_PATH]
    count = along + sum(min(largest, images) if item == "reconstruction" else largest for item in sets)
    searched = _compared_with(job.score, images)
    looked_at = remembered(list(job.generations.values())) if searched else []
    near = (len(looked_at) * largest + min(MOST_CONTROLS, searched) + PLANTED + NOISE_IMAGES) * NEAR_BYTES
    known = FLOAT * _compared_with(job.score, images) * network.dimension
    return Need(
        run=job.run,
        job="score",
        subject=f"{len(job.sets)} sets",
        record=record,
        images=count,
        flops=count * network.flops,
        device=_extractor_bytes(job.score, largest),
        host=known
        + _small_bytes(searched + largest, run.dataset.pixels)
        + max(
            _moment_bytes(largest, network.dimension),
            _neighbour_bytes(_compared_with(job.score, images), largest, network.dimension),
        ),
        disk=near if searched else 0,
        working=FLOAT * count * network.dimension,  # features, until all sets are scored
        done=done,
    )


def _compared_with(score: Score, images: int) -> int:
    """Real images whose features are made and kept; none where others made the statistics."""
    return 0 if score.reference is not None else min(score.reference_count or images, images)


def _small_bytes(images: int, side: int) -> int:
    """Pixels that are compared, of images that are averaged where they are larger."""
    return images * 3 * min(side, COMPARED_SIDE) ** 2


def _extractor_bytes(score: Score, images: int) -> int:
    network = EXTRACTORS[score.extractor]
    return network.weights + min(score.batch_size, images) * network.activations


def _judge_bytes(images: int, dimension: int, classes: int) -> int:
    """Standardised features, scores with their gradients, and the kernel of a classifier of pixels."""
    few = min(images, MOST_OF_PIXELS)
    return images * (2 * FLOAT * dimension + 3 * FLOAT * classes) + 2 * DOUBLE * few**2


def _kept_bytes(images: int, dimension: int, classes: int, side: int) -> int:
    """The larger of the two classifiers, of which one is kept."""
    few, pixels = min(images, MOST_OF_PIXELS), 3 * min(side, SIDE) ** 2
    return DOUBLE * max(classes * (dimension + 1), few * (pixels + classes) + pixels) if images else 0


def _neighbour_bytes(real: int, generated: int, dimension: int) -> int:
    """Generated features, float64 copies of both sides, and a chunk of distances with what is asked of it."""
    return generated * dimension * FLOAT + (real + generated) * dimension * DOUBLE + 2 * CHUNK_MIB * 2**20


def _moment_bytes(images: int, dimension: int) -> int:
    """Features, their float64 copy, that copy centred, and the matrices of a Fréchet distance (complex)."""
    return images * dimension * (FLOAT + 2 * DOUBLE) + 6 * 2 * DOUBLE * dimension**2
