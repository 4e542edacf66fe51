"""One training step: this process's share of the batch, in micro batches, forward, backward, update."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from sphere_repro.data.loading import Ahead, TrainingImages, steps_per_epoch
from sphere_repro.errors import UserError
from sphere_repro.machine.distributed import World
from sphere_repro.models.autoencoder import Autoencoder, SphereAutoencoder
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.objective import Loss
from sphere_repro.study.recipe import Execution
from sphere_repro.study.replicates import run_of
from sphere_repro.study.schedule import schedule
from sphere_repro.training import losses, optim
from sphere_repro.training.batches import Batch, read_batch
from sphere_repro.training.log import Row
from sphere_repro.training.state import State

Distance = losses.PerceptualDistance


class Objective(nn.Module):
    """The model and its loss as one module, which is what DistributedDataParallel wants to wrap."""

    def __init__(self, model: Autoencoder, loss: Loss, perceptual: Distance | None) -> None:
        super().__init__()
        self.model = model
        compute = losses.sphere_losses if isinstance(model, SphereAutoencoder) else losses.baseline_losses

        def terms(batch: Batch) -> dict[str, Tensor]:
            return compute(model, batch.images, batch.labels, batch.draws, loss, perceptual)  # type: ignore[arg-type]

        # a function and no attribute: the frozen perceptual networks are no part of what is trained
        self.terms = terms

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss, each a mean over the batch (section 3)."""
        return self.terms(batch)


class Stepper:
    """Takes the steps of one training; called with the step's number, returns the row of the log."""

    def __init__(
        self,
        job: TrainJob,
        images: TrainingImages,
        state: State,
        perceptual: Distance | None,
        execution: Execution,
        world: World,
        *,
        compiled: bool | None = None,
    ) -> None:
        """Get ready; `compiled` decides where `execution` leaves it open (by default: not)."""
        self.job, self.state, self.world = job, state, world
        self.steps_per_epoch = steps_per_epoch(len(images), job.training.batch_size)
        self.schedule = schedule(job.training, self.steps_per_epoch)
        self.total_steps = job.training.total_steps(self.steps_per_epoch)
        self.share = world.share(job.training.batch_size)
        self.micro = execution.micro_batch_size or len(self.share)
        pinned = state.device.type == "cuda"
        self.batches = Ahead(lambda step: read_batch(job, images, step, self.share, pinned=pinned))
        if compiled is None:
            compiled = execution.compile is True
        _prepare(state.model, execution, compiled=compiled)
        self.objective = world.shared(
            Objective(state.model, job.loss, perceptual), unused=_leaves_parameters_alone(job)
        )
        if world.size > 1:
            self._settle(images)

    def __call__(self, step: int) -> Row:
        """Take step `step`.

        Raises:
            UserError: the loss or its gradient is not finite; nothing was updated.
        """
        training, state = self.job.training, self.state
        state.adam.zero_grad()
        sums = self._accumulate(self.batches(step).on(state.device))
        norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), training.clip_norm)
        grad_norm, *own = torch.stack([norm, *sums.values()]).tolist()  # the one wait for the device
        row: Row = {"grad_norm": grad_norm, **dict(zip(sums, self.world.sum(own), strict=True))}
        _check_finite(self.job, step, row)
        rate = self.schedule(step)
        optim.set_rates(state.adam, rate, training.encoder_learning_rate_factor)
        state.adam.step()
        optim.average(state.ema, state.model.parameters(), training.ema_decay)
        return {"learning_rate": rate, **row}

    def _settle(self, images: TrainingImages) -> None:
        """Take one pass whose gradients are thrown away.

        DistributedDataParallel orders its buckets anew after its first pass, and three processes or more add
        up in an order that depends on an element's place in its bucket. So that a resumed training goes on in
        the order of one that was never interrupted, no step is taken in the first order.
        """
        first = read_batch(self.job, images, self.state.step, self.share).on(self.state.device)
        self._accumulate(next(first.micro(self.micro)))
        self.state.adam.zero_grad()

    def close(self) -> None:
        """Let the thread that reads ahead end."""
        self.batches.close()

    def _accumulate(self, batch: Batch) -> dict[str, Tensor]:
        """Gradients of the global batch's mean loss; returns this process's part of the loss and its terms.

        Every term is a mean over images, so that weights by the number of images make any split exact.
        """
        half = self.job.training.precision == "bfloat16"
        count, left = self.job.training.batch_size, len(batch.images)
        sums: dict[str, Tensor] = {}
        for part in batch.micro(self.micro):
            left -= len(part.images)
            weight = len(part.images) / count
            with _compiler_told(self.job.run), self._alone() if left else contextlib.nullcontext():
                with torch.autocast(self.state.device.type, dtype=torch.bfloat16, enabled=half):
                    terms = self.objective(part)
                loss = losses.total(terms, self.job.loss)
                # the mean over processes is taken by DistributedDataParallel
                (loss * (weight * self.world.size)).backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0) + value.detach() * weight
        return sums

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Gradients stay in this process: they are exchanged with those of the last micro batch."""
        no_sync: Callable[[], contextlib.AbstractContextManager[None]] = getattr(
            self.objective, "no_sync", contextlib.nullcontext
        )
        return no_sync()


def _prepare(model: Autoencoder, execution: Execution, *, compiled: bool) -> None:
    for side in (model.encoder, model.decoder):
        side.checkpointing = execution.activation_checkpointing
        if compiled:
            side.compile()  # in place: names of weights stay


@contextlib.contextmanager
def _compiler_told(run: str) -> Iterator[None]:
    """Say in a sentence that torch.compile failed, which it does on the first pass, forward or backward."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        first = str(error).strip().partition("\n")[0]
        raise UserError(
            f"torch.compile failed on {run} ({first}). Set runs.{run_of(run)}.execution.compile to false, or "
            "install what it misses, e.g. a C++ compiler."
        ) from error


def _leaves_parameters_alone(job: TrainJob) -> bool:
    """Whether the decoder gets no gradient: a VAE that is trained on its KL divergence alone."""
    perceptual = job.loss.pix_recon_perceptual > 0 and job.loss.perceptual.network != "none"
    return job.model.kind == "vae" and not (job.loss.pix_recon_l1 > 0 or perceptual)


def _check_finite(job: TrainJob, step: int, row: Row) -> None:
    if not torch.tensor([row["loss"], row["grad_norm"]]).isfinite().all():
        where = f"runs.{run_of(job.run)}"
        raise UserError(
            f"Training {job.run} broke down at step {step}: the loss or its gradient is not finite. "
            f"Lower {where}.training.learning_rate or the weights in {where}.loss, or set "
            "training.precision to float32."
        )
