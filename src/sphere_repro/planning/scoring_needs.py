"""What scoring needs: the networks' cost, and that of references and scores made with them."""

from __future__ import annotations

from dataclasses import dataclass

from sphere_repro.planning.need import DOUBLE, FLOAT, Need
from sphere_repro.study import jobs
from sphere_repro.study.config import Run
from sphere_repro.study.scoring import Score


@dataclass(frozen=True)
class Extractor:
    """A feature network's cost: FLOPs and bytes alive for one image, bytes of its weights."""

    flops: int
    activations: int
    weights: int
    dimension: int


# Counted on the networks themselves at 299 and 128 pixels; tests/planning/test_needs.py counts again.
EXTRACTORS = {
    "inception": Extractor(11_422_336_192, 13_209_432, 87_335_461, 2048),
    "inception-legacy": Extractor(11_422_336_192, 13_209_432, 87_335_461, 2048),
    "efficientnet-lite0": Extractor(250_715_136, 4_243_840, 18_826_032, 1280),
}


def of_reference(name: str, job: jobs.ReferenceJob, images: int, record: str, done: bool) -> Need:
    """What features of `images` real images need, or of as many as the job asks for."""
    network, count = EXTRACTORS[job.score.extractor], _compared_with(job.score, images)
    size = network.dimension
    return Need(
        run=name,
        job="reference",
        subject=job.dataset.archive,
        record=record,
        images=count,
        flops=count * network.flops,
        device=_extractor_bytes(job.score, count),
        host=_moment_bytes(count, size),
        disk=FLOAT * count * size + DOUBLE * (size**2 + size),
        working=FLOAT * count * size,  # features, until all are there
        done=done,
    )


def of_score(job: jobs.ScoreJob, run: Run, images: int, record: str, done: bool) -> Need:
    """What scoring all sets of a run needs, whose dataset has `images`."""
    network, largest = EXTRACTORS[job.score.extractor], run.sampling.count
    count = sum(min(largest, images) if item == "reconstruction" else largest for item in job.sets)
    known = FLOAT * _compared_with(job.score, images) * network.dimension
    return Need(
        run=job.run,
        job="score",
        subject=f"{len(job.sets)} sets",
        record=record,
        images=count,
        flops=count * network.flops,
        device=_extractor_bytes(job.score, largest),
        host=known + _moment_bytes(largest, network.dimension),
        working=FLOAT * count * network.dimension,  # features, until all sets are scored
        done=done,
    )


def _compared_with(score: Score, images: int) -> int:
    """Real images whose features are made and kept; none where others made the statistics."""
    return 0 if score.reference is not None else min(score.reference_count or images, images)


def _extractor_bytes(score: Score, images: int) -> int:
    network = EXTRACTORS[score.extractor]
    return network.weights + min(score.batch_size, images) * network.activations


def _moment_bytes(images: int, dimension: int) -> int:
    """Features, their float64 copy, that copy centred, and the matrices of a Fréchet distance (complex)."""
    return images * dimension * (FLOAT + 2 * DOUBLE) + 6 * 2 * DOUBLE * dimension**2
