"""Training one run: the loop, its log, and its resumable state."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sphere_repro import losses, optim, seeds
from sphere_repro.checkpoint import DamagedFileError, read_pickle, save_model
from sphere_repro.data.loading import TrainingImages, batch_indices, flip, load_training_images, to_unit
from sphere_repro.errors import UserError
from sphere_repro.jobs import TrainJob
from sphere_repro.live import LiveCurves
from sphere_repro.models.autoencoder import Autoencoder, SphereAutoencoder, build
from sphere_repro.perceptual import load_perceptual
from sphere_repro.provenance import file_hash, value_hash
from sphere_repro.recipe import Execution
from sphere_repro.runtime import (
    atomic_output,
    deferred_interrupt,
    notice,
    only_one,
    out_of_memory,
    progress,
    writing,
)

LOG_ROWS = 1000
Row = dict[str, float | int]


@dataclass
class State:
    """Everything that evolves in training; saved and restored as one record.

    Random draws and the order of the data are pure functions of (seed, step), so that the step number is
    the whole of the generators' and the loader's state.
    """

    model: Autoencoder
    adam: torch.optim.AdamW
    ema: list[Tensor]
    step: int = 0
    seconds: float = 0.0
    rows: list[Row] = field(default_factory=list)

    def record(self, identity: str) -> dict[str, Any]:
        return {
            "identity": identity,
            "model": self.model.state_dict(),
            "adam": self.adam.state_dict(),
            "ema": self.ema,
            "step": self.step,
            "seconds": self.seconds,
            "rows": self.rows,
        }

    def restore(self, record: dict[str, Any]) -> None:
        self.model.load_state_dict(record["model"], strict=True)
        self.adam.load_state_dict(record["adam"])
        with torch.no_grad():
            for mine, saved in zip(self.ema, record["ema"], strict=True):
                mine.copy_(saved)
        self.step, self.seconds, self.rows = record["step"], record["seconds"], list(record["rows"])


@dataclass(frozen=True)
class Result:
    """What a finished training leaves beside its files."""

    steps: int
    seconds: float
    images_per_second: float
    resumed_at: int
    last: Row


def train(
    job: TrainJob,
    archive: Path,
    out: Path,
    log: Path,
    state_folder: Path,
    device: torch.device,
    live_folder: Path | None = None,
    execution: Execution | None = None,
) -> Result:
    """Train `job` on a prepared archive; write the model file and the training log.

    The log's rows go to `live_folder` as well while they come, if one is given (DVCLive).

    A half-trained model lies in `state_folder`, under a name derived from the job and the data, and is
    taken up again by the same command; it is removed when the model file is complete.

    Raises:
        UserError: the job contradicts itself or the archive, training broke down, or a file is refused.
    """
    execution = execution or Execution()
    images = _checked_images(job, archive)
    perceptual = load_perceptual(job.loss.perceptual, device)  # may download: Ctrl-C is not deferred yet
    identity = _identity(job, archive)
    saved = state_folder / f"{job.run}-{identity[:16]}.pt"
    with only_one(saved.with_suffix(".lock"), f"{job.run} is being trained"), deferred_interrupt() as stopped:
        state = _resumed(job, saved, identity, device)
        resumed_at = state.step
        schedule = optim.schedule(job.training, len(images) // job.training.batch_size)
        live = LiveCurves(live_folder, state.rows) if live_folder else None
        autosave = Autosave(saved, identity, stopped, execution.checkpoint_seconds)
        _train_to_the_end(job, images, state, schedule, perceptual, autosave, live)
        _write_log(log, state.rows)
        _write_model(out, job, state)
        saved.unlink(missing_ok=True)
    count = schedule.total_steps * job.training.batch_size
    return Result(schedule.total_steps, state.seconds, count / state.seconds, resumed_at, state.rows[-1])


class Autosave:
    """Saves the state at intervals, at the end, and before an interrupt is obeyed."""

    def __init__(self, path: Path, identity: str, stopped: Callable[[], bool], seconds: float) -> None:
        self.path, self.identity, self.stopped = path, identity, stopped
        self.timer = _Timer(seconds)

    def after_step(self, state: State, *, last: bool) -> None:
        """Save if it is time to.

        Raises:
            KeyboardInterrupt: one was waiting; the state is saved.
        """
        stop = self.stopped()
        if last or stop or self.timer.due():
            _save_state(self.path, state.record(self.identity))
        if stop and not last:
            raise KeyboardInterrupt


def _train_to_the_end(
    job: TrainJob,
    images: TrainingImages,
    state: State,
    schedule: optim.Schedule,
    perceptual: losses.PerceptualDistance | None,
    autosave: Autosave,
    live: LiveCurves | None,
) -> None:
    """Take the steps that are left and save the state: a disk that is full then costs no training."""
    total, per_epoch = schedule.total_steps, len(images) // job.training.batch_size
    step_once = _stepper(job, images, state, schedule, perceptual)
    steps = range(state.step, total)
    bar = progress(steps, label=f"train {job.run}", total=total, unit="step", initial=state.step)
    started = time.monotonic() - state.seconds
    for step in bar:
        row = step_once(step)
        state.step = step + 1
        state.seconds = time.monotonic() - started
        if _logged(step, total):
            state.rows.append({"step": state.step, "epoch": round(state.step / per_epoch, 4), **row})
            bar.set_postfix(loss=f"{row['loss']:.4f}")
            if live:
                live.add(state.rows[-1])
        last = state.step == total
        if last:
            _check_weights(job, state.model)
        autosave.after_step(state, last=last)


def _device(state: State) -> torch.device:
    return next(state.model.parameters()).device


def _checked_images(job: TrainJob, archive: Path) -> TrainingImages:
    """The dataset's images, if the job can be trained on them at all."""
    where = f"runs.{job.run}"
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
    images = load_training_images(archive, shape.classes or None)
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
    return images


def _terms(job: TrainJob) -> tuple[str, ...]:
    """Names of the loss terms that this job can have."""
    pixel, perceptual = ("pix_recon_l1", "pix_con_l1"), ("pix_recon_perceptual", "pix_con_perceptual")
    names = (*pixel, *(perceptual if job.loss.perceptual.network != "none" else ()), "lat_con")
    if job.model.kind == "sphere":
        return names
    return (*(name for name in names if "recon" in name), "kl")


def _initial_state(job: TrainJob, device: torch.device) -> State:
    model = (
        build(job.architecture, generator=seeds.generator(job.seed, job.run, "weights")).to(device).train()
    )
    adam = optim.optimizer(model.encoder, model.decoder)
    return State(model, adam, [parameter.detach().clone() for parameter in model.parameters()])


def _stepper(
    job: TrainJob,
    images: TrainingImages,
    state: State,
    schedule: optim.Schedule,
    perceptual: losses.PerceptualDistance | None,
) -> Callable[[int], Row]:
    """A function that takes step number `step` and returns the row of the log."""
    device = _device(state)
    compute = losses.sphere_losses if isinstance(state.model, SphereAutoencoder) else losses.vae_losses
    shape = job.architecture
    latent = (shape.tokens, shape.token_channels)
    half = job.training.precision == "bfloat16"

    def step_once(step: int) -> Row:
        x, y = _batch(job, images, step, device)
        draws = losses.draw((job.seed, job.run), step, len(x), latent, job.loss)
        draws = losses.Draws(**{name: value.to(device) for name, value in vars(draws).items()})
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
            terms = compute(state.model, x, y, draws, job.loss, perceptual)  # type: ignore[arg-type]
        loss = losses.total(terms, job.loss)
        state.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), job.training.clip_norm)
        if not (torch.isfinite(norm) and torch.isfinite(loss)):
            raise UserError(
                f"Training {job.run} broke down at step {step}: the loss or its gradient is not finite. "
                f"Lower runs.{job.run}.training.learning_rate or the weights in runs.{job.run}.loss, or set "
                "training.precision to float32."
            )
        rate = schedule(step)
        optim.set_rates(state.adam, rate, job.training.encoder_learning_rate_factor)
        state.adam.step()
        optim.average(state.ema, state.model.parameters(), job.training.ema_decay)
        row: Row = {"learning_rate": rate, "grad_norm": norm.item(), "loss": loss.item()}
        return row | {name: term.item() for name, term in terms.items()}

    return step_once


def _batch(
    job: TrainJob, images: TrainingImages, step: int, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Images (B, 3, H, H) in [-1, 1] and labels (B,) of one step."""

    def of_step(step: int) -> Tensor:
        seed = seeds.derive(job.seed, job.run, "data")
        return batch_indices(len(images), job.training.batch_size, seed, step)[0]

    indices = of_step(step)
    x = to_unit(images.take(indices, lambda: of_step(step + 1)))
    mirrored = job.training.horizontal_flip
    if job.dataset.source.horizontal_flip if mirrored is None else mirrored:
        generator = seeds.generator(job.seed, job.run, "flip", step)
        x = flip(x, torch.rand(len(x), generator=generator) < 0.5)
    labels = (
        images.labels[indices].to(device) if images.labels is not None and job.architecture.classes else None
    )
    return x.to(device), labels


def _identity(job: TrainJob, archive: Path) -> str:
    """Hash of what fixes the trained weights: parameters and data; how they are computed does not."""
    return value_hash({"job": job.model_dump(mode="json"), "data": file_hash(archive)})


def _resumed(job: TrainJob, saved: Path, identity: str, device: torch.device) -> State:
    """The half-trained state in `saved`, or a new one; a damaged file is put aside, and that is said."""
    state = _initial_state(job, device)
    if not saved.is_file():
        return state
    try:
        record = read_pickle(saved, "training state")
        if record.get("identity", identity) != identity:
            raise UserError(f"The training state {saved} belongs to another job. Delete it and train again.")
        state.restore(record)
    except (DamagedFileError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        aside = saved.with_name(f"{saved.name}.broken")
        with writing(aside):
            saved.replace(aside)
        notice(f"the training state {saved} is damaged; it was moved to {aside}, and {job.run} starts anew.")
        return _initial_state(job, device)  # the first one may be half restored
    return state


def _check_weights(job: TrainJob, model: Autoencoder) -> None:
    """The gradients of the last step were finite; what the step made of the weights need not be."""
    if not all(parameter.isfinite().all() for parameter in model.parameters()):
        raise UserError(
            f"Training {job.run} broke down at its last step: the weights are not finite. Lower "
            f"runs.{job.run}.training.learning_rate."
        )


def _save_state(path: Path, record: dict[str, Any]) -> None:
    # an open file: torch would hide a full disk in an error that does not say so
    with atomic_output(path) as temporary, temporary.open("wb") as file:
        torch.save(record, file)


def _write_model(out: Path, job: TrainJob, state: State) -> None:
    raw = {name: tensor.detach().cpu() for name, tensor in state.model.state_dict().items()}
    averages = {
        name: value for (name, _), value in zip(state.model.named_parameters(), state.ema, strict=True)
    }
    ema = {name: averages.get(name, tensor).detach().cpu() for name, tensor in raw.items()}
    angle = job.loss.alpha_max if job.model.kind == "sphere" else 0.0
    save_model(out, raw, ema, job.architecture, angle)


def _write_log(path: Path, rows: list[Row]) -> None:
    with atomic_output(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fieldnames=list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.8g}" for name, value in row.items()} for row in rows)


def _logged(step: int, total: int) -> bool:
    """About LOG_ROWS rows, the first and the last step among them."""
    every = max(1, total // LOG_ROWS)
    return step % every == 0 or step == total - 1


class _Timer:
    """Says when at least `seconds` have passed since it last said so."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = time.monotonic()

    def due(self) -> bool:
        if time.monotonic() - self.last < self.seconds:
            return False
        self.last = time.monotonic()
        return True
