"""Training one run: the loop, its log, and what it leaves behind."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from sphere_repro.data.loading import TrainingImages, load_training_images, steps_per_epoch
from sphere_repro.errors import UserError
from sphere_repro.machine import devices
from sphere_repro.machine.devices import out_of_memory
from sphere_repro.machine.distributed import World, joined
from sphere_repro.machine.locks import only_one
from sphere_repro.machine.notes import notice
from sphere_repro.machine.progress import progress
from sphere_repro.machine.signals import deferred_interrupt
from sphere_repro.models.autoencoder import Autoencoder
from sphere_repro.models.checkpoint import save_model
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.provenance.stamps import known_hash
from sphere_repro.sampling.precision import computing
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.places import state_of
from sphere_repro.study.recipe import Execution
from sphere_repro.study.replicates import run_of
from sphere_repro.training import init_from
from sphere_repro.training.compiling import is_compiled, keep_compiled
from sphere_repro.training.finished import Finished, about
from sphere_repro.training.live import Reporter
from sphere_repro.training.log import Row, is_logged
from sphere_repro.training.meter import Meter
from sphere_repro.training.perceptual import load_perceptual
from sphere_repro.training.saved import Autosave, Saved, resumed_state
from sphere_repro.training.segments import Segment
from sphere_repro.training.state import State
from sphere_repro.training.stepper import Stepper

COMPILED = "compiled"  # folder of what torch.compile made, in that of half-trained models
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Estimates:
    """What the planner says of this training, asked only where it is needed.

    Attributes:
        flops_per_image: FLOPs of the forward and backward passes for one image.
        memory_advice: given the bytes that are free, one sentence that names settings that would fit.
    """

    flops_per_image: Callable[[], int]
    memory_advice: Callable[[int], str]


@dataclass(frozen=True)
class Files:
    """What one training reads and writes.

    Attributes:
        archive: the prepared images.
        model: the model file to write.
        curves: CSV of the losses to write.
        state: folder of half-trained models.
        live: folder of curves and pictures that grow during training (DVCLive), if any.
    """

    archive: Path
    model: Path
    curves: Path
    state: Path
    live: Path | None = None

    @property
    def finished(self) -> Path:
        """Where the last state is kept, for a longer training."""
        return Path(state_of(self.model.as_posix()))


@dataclass(frozen=True)
class Result:
    """What a finished training leaves beside its files.

    Attributes:
        steps: optimizer steps.
        seconds: of all of them, interruptions left out.
        images_per_second: over all of them.
        resumed_at: steps that were taken before this process.
        last: the log's last row.
        segments: who trained which steps.
        processes: how many trained.
        compiled: whether the networks were, in this process.
        utilisation: share of the device's measured peak, 0…1; None where the training was too short to tell.
        began_from: the files of the model that it started from, by name.
    """

    steps: int
    seconds: float
    images_per_second: float
    resumed_at: int
    last: Row
    segments: list[Segment]
    processes: int
    compiled: bool
    utilisation: float | None
    began_from: dict[str, Path]


def train(
    job: TrainJob,
    files: Files,
    device: torch.device,
    execution: Execution | None = None,
    tell: Tell = lambda line: None,
    estimates: Estimates | None = None,
) -> Result | None:
    """Train `job` on a prepared archive; write the model file and the training log.

    A half-trained model lies in `files.state`, under a name derived from the job and the data, beside the
    one before it, and is taken up again by the same command. When the model file is complete, the last is put
    beside it, for a longer training to go on from (`execution.keep_state`), and the other removed. Where
    torchrun has started several processes, they share each batch; all have the same weights, and the first
    one writes.

    Args:
        job: what is trained.
        files: from and to where.
        device: of this process.
        execution: how it is computed.
        tell: is given a line on progress now and then.
        estimates: the planner's; without them there is no utilisation, and less advice.

    Returns:
        What was done; None in a process that only helped.

    Raises:
        UserError: the job contradicts itself or the archive, training broke down, or a file is refused.
    """
    execution = execution or Execution()
    with _hints_of_torch_left_out(), joined(device) as world, _products(job, device):
        images = _checked_images(job, files.archive, world.size)
        with world.leader_first():  # it may download, and Ctrl-C is not deferred yet
            perceptual = load_perceptual(job.loss.perceptual, device)
        origin = _origin(job, files.archive)
        identity = _identity(job, origin)
        saved = Saved(files.state, f"{job.run}-{identity[:16]}", identity, about(job, origin))
        epoch = steps_per_epoch(len(images), job.training.batch_size)
        finished = Finished(files.finished, job, saved.about["course"], epoch)
        with _alone(job, saved, world), _memory_told(job, device, estimates), deferred_interrupt() as stopped:
            total = job.training.total_steps(epoch)
            compiled = is_compiled(job, execution, device, total)
            if compiled:
                keep_compiled(files.state / COMPILED)
            state = resumed_state(
                job, saved, device, world, execution.resume, compiled=compiled, finished=finished
            )
            resumed_at = state.step
            if world.leads and job.init_from is not None and not resumed_at:
                said = init_from.sentence(job.init_from, job.run)
                notice(said)
                tell(said)
            flops = estimates.flops_per_image if estimates else None
            meter = Meter(job, device, world.size, state.seconds, flops)
            autosave = Autosave(saved, stopped, execution, world)
            stepper = Stepper(job, images, state, perceptual, execution, world, compiled=compiled)
            reporter = None
            if world.leads:
                reporter = Reporter(
                    job,
                    images,
                    files.live,
                    grids=execution.grids,
                    total_steps=total,
                    state=state,
                    tell=tell,
                )
            with contextlib.closing(stepper):
                _train_to_the_end(state, stepper, meter, autosave, reporter)
            if world.leads:
                state.log.write(files.curves)
                _write_model(files.model, job, state, images.class_names)
                finished.replace(saved, keep=execution.keep_state)
        return _result(state, resumed_at, meter, job, compiled=compiled) if world.leads else None


def _alone(job: TrainJob, saved: Saved, world: World) -> contextlib.AbstractContextManager[None]:
    """The leader keeps other trainings of the job away."""
    if not world.leads:
        return contextlib.nullcontext()
    return only_one(saved.lock, f"{job.run} is being trained")


@contextlib.contextmanager
def _hints_of_torch_left_out() -> Iterator[None]:
    """Leave out what torch says of speed and nobody can act on."""
    with warnings.catch_warnings():
        # weights of norms are float32 under autocast, on purpose
        warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
        # gradients of 1x1 convolutions are copied before they are exchanged
        warnings.filterwarnings("ignore", message="Grad strides do not match")
        yield


@contextlib.contextmanager
def _memory_told(job: TrainJob, device: torch.device, estimates: Estimates | None) -> Iterator[None]:
    """Where memory runs out, say which settings would fit in what is free now."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else devices.free_memory()
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        advice = "Lower execution.micro_batch_size."
        if estimates is not None and free:
            advice = estimates.memory_advice(free)
        raise UserError(
            f"Training {job.run} ran out of memory. {advice} It then goes on from the last saved state."
        ) from error


def _train_to_the_end(
    state: State, stepper: Stepper, meter: Meter, autosave: Autosave, reporter: Reporter | None
) -> None:
    """Take the steps that are left and save the state: a disk that is full then costs no training."""
    job, total = stepper.job, stepper.total_steps
    steps = range(state.step, total)
    bar = progress(steps, label=f"train {job.run}", total=total, unit="step", initial=state.step)
    for step in bar:
        row = stepper(step)
        meter.count_step()
        state.step, state.seconds = step + 1, meter.seconds
        state.log.add(row)
        if is_logged(step, total):
            logged = state.log.close_row(state.step, state.step / stepper.steps_per_epoch)
            bar.set_postfix(loss=f"{logged['loss']:.4f}")
            if reporter:
                reporter.add(logged)
        last = state.step == total
        if last:
            _check_weights(job, state.model)
        if reporter:
            reporter.after_step(state.step, state.model, row["loss"], meter)
        autosave.after_step(state, last=last)


def _result(state: State, resumed_at: int, meter: Meter, job: TrainJob, *, compiled: bool) -> Result:
    speed = meter.speed(0)
    return Result(
        steps=state.step,
        seconds=state.seconds,
        images_per_second=state.step * job.training.batch_size / state.seconds,
        resumed_at=resumed_at,
        last=state.log.rows[-1],
        segments=state.segments,
        processes=meter.processes,
        compiled=compiled,
        utilisation=speed.utilisation if speed else None,
        began_from=init_from.begun_from(job.init_from),
    )


def _products(job: TrainJob, device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Products in float32 as TF32 or not: in a training in bfloat16 only the perceptual networks have any."""
    tf32 = job.loss.perceptual.precision == "tf32"
    return computing("tf32" if tf32 else "float32", device, "loss.perceptual.precision")


def _checked_images(job: TrainJob, archive: Path, processes: int) -> TrainingImages:
    """The dataset's images, if the job can be trained on them at all."""
    where = f"runs.{run_of(job.run)}"
    try:
        shape = job.architecture
        job.loss.perceptual.check_pixels(shape.image_size)
    except ValueError as error:  # a study is refused earlier; a job that comes as JSON is refused here
        raise UserError(f"{where}: {error}. Correct the job's model or dataset.") from error
    allowed = [name for name in _terms(job) if getattr(job.loss, name) > 0]
    if not allowed:
        raise UserError(
            f"{where}.loss: every weight is 0, so there is nothing to train. Set one of "
            f"{', '.join(_terms(job))}."
        )
    images = load_training_images(archive, shape.classes or None, held_out=job.dataset.held_out)
    if images.resolution != shape.image_size:
        raise UserError(
            f"{archive} holds {images.resolution}-pixel images, but {where} wants {shape.image_size} "
            "pixels. Prepare the dataset at that resolution."
        )
    if job.training.batch_size > len(images):
        raise UserError(
            f"{where}.training.batch_size is {job.training.batch_size}, but {archive} holds only "
            f"{len(images)} images. Choose a smaller batch."
        )
    if processes > job.training.batch_size:
        raise UserError(
            f"{processes} processes cannot share a batch of {job.training.batch_size} images. Start fewer, "
            f"or raise {where}.training.batch_size."
        )
    return images


def _terms(job: TrainJob) -> tuple[str, ...]:
    """Names of the loss terms that this job can have."""
    pixel, perceptual = ("pix_recon_l1", "pix_con_l1"), ("pix_recon_perceptual", "pix_con_perceptual")
    names = (*pixel, *(perceptual if job.loss.perceptual.network != "none" else ()), "lat_con")
    if job.model.kind == "sphere":
        return names
    recon = tuple(name for name in names if "recon" in name)
    return (*recon, "kl") if job.model.kind == "vae" else recon


def _origin(job: TrainJob, archive: Path) -> dict[str, str]:
    """Hashes of what the training is of: its data, and the model that it starts from, where there is one."""
    begun = {} if job.init_from is None else {"init": init_from.content(job.init_from)}
    return {"data": known_hash(archive), **begun}


def _identity(job: TrainJob, origin: Mapping[str, str]) -> str:
    """Hash of what fixes the trained weights: parameters and files; how they are computed does not."""
    return value_hash({"job": job.model_dump(mode="json"), **origin})


def _check_weights(job: TrainJob, model: Autoencoder) -> None:
    """The gradients of the last step were finite; what the step made of the weights need not be."""
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise UserError(
            f"Training {job.run} broke down at its last step: the weights are not finite. Lower "
            f"runs.{run_of(job.run)}.training.learning_rate."
        )


def _write_model(out: Path, job: TrainJob, state: State, class_names: tuple[str, ...] | None) -> None:
    raw = {name: tensor.detach().cpu() for name, tensor in state.model.state_dict().items()}
    averages = {
        name: value for (name, _), value in zip(state.model.named_parameters(), state.ema, strict=True)
    }
    ema = {name: averages.get(name, tensor).detach().cpu() for name, tensor in raw.items()}
    angle = job.loss.alpha_max if job.model.kind == "sphere" else 0.0
    save_model(out, raw, ema, job.architecture, angle, class_names)
