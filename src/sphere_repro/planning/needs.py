"""What each job of a study needs: FLOPs, memory on the device and beside it, disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.data import hub
from sphere_repro.data.dataset import LOSSLESS
from sphere_repro.data.loading import steps_per_epoch
from sphere_repro.data.prepare import planned_content
from sphere_repro.errors import UserError
from sphere_repro.metrics import given
from sphere_repro.models import released
from sphere_repro.planning import image_needs, memory, perceptual_cost, scoring_needs, training_cost
from sphere_repro.planning.archives import archive_bytes, photographs_bytes
from sphere_repro.planning.counts import image_count, prepared, recorded, trained_count
from sphere_repro.planning.lengthened import Lengthened, lengthened
from sphere_repro.planning.need import DOUBLE, FLOAT, Need
from sphere_repro.planning.outside import beginning, outside
from sphere_repro.planning.work import drawn, sampled
from sphere_repro.sampling import refine
from sphere_repro.sampling.sets import ENCODE_BATCH, ESTIMATE_PART
from sphere_repro.strict import Strict
from sphere_repro.study import flops, jobs
from sphere_repro.study.architecture import Architecture
from sphere_repro.study.config import Run, Study
from sphere_repro.study.image_job import images_job
from sphere_repro.study.places import PREPARED, Places, record_of
from sphere_repro.study.replicates import is_replicate

SAVED_COPIES = 4  # weights, average, and Adam's two moments
WRITTEN_COPIES = 4  # weights and average in the host's memory, each cloned for the file


def needs(study: Study, folder: Path) -> list[Need]:
    """Every job that costs something, run by run, in the order of the work.

    Args:
        study: what is planned.
        folder: where `data/` and `results/` lie: says what is done, and how many images are prepared.

    Raises:
        UserError: a batch is larger than the dataset, nobody knows how many images there are, there is
            nothing to train, or shapes that no tensor can have.
    """
    found: dict[str, Need] = {}  # by record: an archive or reference of several runs is made once
    for name in study.runs:
        try:
            for need in _of_run(study, name, folder):
                found.setdefault(need.record, need)
        except (ValueError, RuntimeError, OverflowError) as error:  # torch's words on such shapes
            raise UserError(f"runs.{name} cannot be planned: {error}. Correct the study.") from error
    return list(found.values())


def _of_run(study: Study, name: str, folder: Path) -> Iterator[Need]:
    run, places = study.runs[name], Places(study.study)
    yield _prepare(name, run, image_count(run, folder), _is_prepared(folder, run))
    images = trained_count(run, folder)
    record = record_of(places.model(name))
    if run.model.kind == "pretrained-vae":
        yield from _of_pretrained(study, name, images, folder)
        return
    if run.released is None:
        done = _is_done(folder, jobs.train_job(study, name, beginning(study, name, folder)), record)
        yield _train(name, run, images, record, done, lengthened(study, name, images, folder))
    else:
        content = released.planned_content(Path(run.released), folder / record)
        done = _is_done(folder, jobs.released_job(study, name, content), record)
        yield _import(name, run, record, done)
    for item in run.drawn:
        sample, record = jobs.sample_job(study, name, item), record_of(places.sample(name, item))
        yield _sample(sample, run, images, record, _is_done(folder, sample, record))
    if not is_replicate(name):  # whose latents are not judged, nor their images shown
        if run.sampling.image_sets:
            yield _images(study, name, folder)
        encode, record = jobs.encode_job(study, name), record_of(places.latents(name))
        yield _encode(encode, run.architecture, images, record, _is_done(folder, encode, record))
    yield from _scores(study, name, images, folder)


def _scores(study: Study, name: str, images: int, folder: Path) -> Iterator[Need]:
    run, places = study.runs[name], Places(study.study)
    for extractor in study.score.extractors:
        record = record_of(places.reference(run.dataset.archive, extractor))
        place = study.score.reference_of(run.dataset.name)
        content = given.planned_content(Path(place), folder / record) if place else None
        reference = jobs.reference_job(study, run, extractor, content)
        yield scoring_needs.of_reference(name, reference, images, record, _is_done(folder, reference, record))
        score, record = jobs.score_job(study, name, extractor), places.scores(name, extractor)
        yield scoring_needs.of_score(score, run, images, record, _is_done(folder, score, record))


def _of_pretrained(study: Study, name: str, images: int, folder: Path) -> Iterator[Need]:
    """Jobs of an autoencoder that others trained: what its networks do is not known before it is there."""
    run, places = study.runs[name], Places(study.study)
    wanted, record = run.model.pretrained, record_of(places.model(name))
    content = hub.planned_content(wanted.place, folder / record) if wanted.local else None
    job = jobs.pretrained_job(study, name, content)
    yield Need(
        run=name,
        job="import",
        subject=wanted.source,
        record=record,
        done=_is_done(folder, job, record),
        notes=(
            "parameters, FLOPs, memory and time of a pretrained autoencoder are unknown, and not "
            "counted: only "
            "images and their disk are",
        ),
    )
    for item in run.drawn:
        sample, record = jobs.sample_job(study, name, item), record_of(places.sample(name, item))
        count, seen = drawn(sample, images)
        disk = archive_bytes(count, run.dataset.pixels)
        yield Need(
            run=name,
            job="sample",
            subject=item,
            record=record,
            images=count if item != "posterior" else count + seen,
            processes=run.sampling.processes,
            disk=disk,
            working=disk,
            done=_is_done(folder, sample, record),
        )
    yield from _scores(study, name, images, folder)


def _prepare(name: str, run: Run, images: int, done: bool) -> Need:
    """The archive, and the parts that it is joined from, which lie beside it until it is whole."""
    dataset = run.dataset
    disk = photographs_bytes(images, dataset.pixels, dataset.stored, LOSSLESS)
    return Need(
        name, "prepare", dataset.archive, prepared(run), images=images, disk=disk, working=disk, done=done
    )


def _train(
    name: str, run: Run, images: int, record: str, done: bool, before: Lengthened | None = None
) -> Need:
    shape, execution, batch = run.architecture, run.execution, run.recipe.batch_size
    taken = before.steps if before else 0
    seen = (run.recipe.total_steps(steps_per_epoch(images, batch)) - taken) * batch
    terms = flops.perceptual_terms(shape, run.loss)
    distance = perceptual_cost.perceptual_flops(run.loss.perceptual, shape.image_size, terms) if terms else 0
    work, notes = training_cost.step_flops(run, distance or 0), []
    if distance is None:
        notes.append(f"the perceptual network '{run.loss.perceptual.network}' is not counted")
    if before:
        notes.append(str(before))
    if execution.compile is True:
        notes.append("compile is not counted: it saves time and memory, and takes minutes to start")
    stored, share = FLOAT * memory.parameters(shape), math.ceil(batch / execution.world_size)
    each = training_cost.images_bytes(images, share, shape) + stored + FLOAT * batch * shape.latent_dimension
    return Need(
        run=name,
        job="train",
        subject=run.dataset.archive,
        record=record,
        parameters=memory.parameters(shape),
        images=seen,
        flops=seen * work.all,
        half=seen * work.half,
        tf32=seen * work.tf32,
        recomputed=seen * work.recomputed,
        processes=execution.processes,
        nodes=execution.nodes,
        device=memory.training_bytes(
            shape,
            run.loss,
            min(execution.micro_batch_size or share, share),
            half=run.recipe.precision == "bfloat16",
            checkpointing=execution.activation_checkpointing,
            processes=execution.world_size,
        ),
        # the leader's: the state that it reads for all, and later what it writes
        host=execution.processes * each + max(SAVED_COPIES, WRITTEN_COPIES) * stored,
        disk=(2 + (SAVED_COPIES if execution.keep_state else 0)) * stored,
        working=3 * SAVED_COPIES * stored,  # the last two states, and the one that is being written
        done=done,
        notes=tuple(notes),
    )


def _import(name: str, run: Run, record: str, done: bool) -> Need:
    """A released checkpoint becomes a model file: weights read, and written raw and as their average."""
    stored = FLOAT * memory.parameters(run.architecture)
    return Need(
        run=name,
        job="import",
        subject=Path(run.released or "").name,
        record=record,
        parameters=memory.parameters(run.architecture),
        host=WRITTEN_COPIES * stored,
        disk=2 * stored,
        done=done,
    )


def _sample(job: jobs.SampleJob, run: Run, images: int, record: str, done: bool) -> Need:
    shape, processes = run.architecture, run.sampling.processes
    count = min(job.count, images) if job.set == "reconstruction" else job.count
    batch = min(job.batch_size, count)
    work, seen = sampled(job, shape, images), count
    if job.set == "posterior":
        seen, batch = count + images, max(batch, min(ENCODE_BATCH, images))
    draws = refine.draws(job.generation) if job.generation else 1
    noise = FLOAT * (draws + 1) * batch * shape.latent_dimension  # and the point that is turned
    stored = FLOAT * memory.parameters(shape)
    parts = math.ceil(images / ESTIMATE_PART) if job.set == "posterior" else 0
    sums = parts * 2 * DOUBLE * shape.latent_dimension
    return Need(
        run=job.run,
        job="sample",
        subject=job.set,
        record=record,
        parameters=memory.parameters(shape),
        images=seen,
        flops=work.flops,
        half=work.half,
        tf32=work.tf32,
        processes=processes,
        device=stored + noise + memory.inference_bytes(shape, batch),
        # of each: the file's tensors, and the model that they are copied into
        host=processes * (2 * stored + noise),
        disk=archive_bytes(count, shape.image_size),
        working=archive_bytes(count, shape.image_size) + sums,  # the parts, until the set is whole
        done=done,
    )


def _encode(job: jobs.EncodeJob, shape: Architecture, images: int, record: str, done: bool) -> Need:
    count = min(max(job.count, job.per_class * job.dataset.source.classes), images)
    numbers = count * (shape.latent_dimension + 3 * shape.image_size**2)
    stored = FLOAT * memory.parameters(shape)
    return Need(
        run=job.run,
        job="encode",
        subject=job.dataset.archive,
        record=record,
        parameters=memory.parameters(shape),
        images=count,
        flops=count * flops.encoder_call(shape).forward,
        device=stored + memory.inference_bytes(shape, min(ENCODE_BATCH, count)),
        host=2 * stored + 2 * FLOAT * numbers + _bytes_of(count, shape),
        disk=FLOAT * numbers + DOUBLE * count,
        working=FLOAT * count * shape.latent_dimension,  # the parts, until the file is whole
        done=done,
    )


def _images(study: Study, name: str, folder: Path) -> Need:
    shape, record = study.runs[name].architecture, record_of(Places(study.study).images(name))
    job = images_job(study, name, outside(study, folder).inputs)
    of_one = archive_bytes(1, shape.image_size)
    return image_needs.of_images(job, shape, record, of_one, _is_done(folder, job, record))


def _bytes_of(images: int, shape: Architecture) -> int:
    """Images as uint8."""
    return 3 * images * shape.image_size**2


def _is_prepared(folder: Path, run: Run) -> bool:
    """Whether the archive is there and was made of the same images; they are looked at only where it is."""
    record = prepared(run)
    content = planned_content(run.dataset, folder / PREPARED) if recorded(folder / record) else None
    return _is_done(folder, jobs.prepare_job(run, content), record)


def _is_done(folder: Path, job: Strict, record: str) -> bool:
    """Whether a result is there and says of itself that it was made by this very job."""
    return recorded(folder / record).get("job") == job.model_dump(mode="json")
