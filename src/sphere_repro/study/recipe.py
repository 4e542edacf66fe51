"""How a model is trained (section 3), and how that is computed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sphere_repro.ledger import EACH, by_dataset, ledger
from sphere_repro.strict import (
    MOST_BATCH,
    MOST_DRAWS,
    MOST_PROCESSES,
    Limited,
    LimitedPositive,
    NonNegative,
    Positive,
    Strict,
    is_none,
)

REFERENCE_BATCH = 256  # images; rates are stated for this batch
LENGTH = ("epochs", "schedule_epochs")  # keys of `Training` that a training which goes on may change


class Training(Strict):
    """Optimizer, schedule and length (section 3)."""

    epochs: LimitedPositive = Field(
        description="passes over the dataset; fractions allowed",
        json_schema_extra=ledger(
            unit="epochs",
            section="objective",
            released=by_dataset(5000, 1000, 1000, 800),
            reason="no default: it decides what a run costs",
        ),
    )
    warmup_epochs: NonNegative = Field(
        10.0,
        description="linear warm-up, in epochs",
        json_schema_extra=ledger(
            unit="epochs", section="objective", released=by_dataset(10.0, 10.0, 10.0, 5.0), reason=EACH
        ),
    )
    batch_size: int = Field(
        256,
        gt=0,
        le=MOST_BATCH,
        description="global batch",
        json_schema_extra=ledger(
            unit="images",
            section="objective",
            reason="the rates are stated at 256; the batch of each published run is unknown",
        ),
    )
    learning_rate: LimitedPositive = Field(
        1e-4,
        description="maximum at global batch 256; scaled linearly",
        json_schema_extra=ledger(
            unit="1",
            section="objective",
            released=0.0001,
            reason="released configurations show it unscaled; here training.csv has the scaled one",
        ),
    )
    minimum_learning_rate: Limited = Field(
        1e-6,
        description="minimum at global batch 256; scaled linearly",
        json_schema_extra=ledger(unit="1", section="objective", released=1e-06),
    )
    encoder_learning_rate_factor: LimitedPositive = Field(
        0.1,
        description="encoder's rate over the decoder's",
        json_schema_extra=ledger(unit="1", section="objective", released=0.1),
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9997,
        description="decay of the weights' average",
        json_schema_extra=ledger(
            unit="1",
            section="objective",
            released=0.9997,
            reason="in float32; released: once bfloat16, published with which is unknown",
        ),
    )
    clip_norm: Positive = Field(
        1.0,
        description="joint gradient norm of both networks",
        json_schema_extra=ledger(unit="1", section="objective", released=1.0),
    )
    schedule_epochs: LimitedPositive | None = Field(
        None,
        exclude_if=is_none,
        description="length of the learning-rate schedule, after which the rate stays at its minimum; "
        "default: epochs",
        json_schema_extra=ledger(
            unit="epochs",
            section="objective",
            reason="a training goes on from a shorter one whose rates were the same "
            "(docs/long-trainings.md); released: always the training's own length",
        ),
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "bfloat16",
        description="autocast; weights stay float32",
        json_schema_extra=ledger(
            section="objective",
            released="bfloat16",
            reason="weights in float32; released: once bfloat16, published with which is unknown",
        ),
    )
    horizontal_flip: bool | None = Field(
        None,
        description="mirror images at random; default: the dataset's",
        json_schema_extra=ledger(
            section="objective, data",
            released=True,
            reason="the table of datasets says where a mirrored image is still one: not for digits",
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _one_text(cls, data: Any) -> Any:
        """A schedule as long as the training is the default: one training, one text, one identity."""
        if isinstance(data, dict) and data.get("schedule_epochs") == data.get("epochs"):
            return {key: value for key, value in data.items() if key != "schedule_epochs"}
        return data

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Self:
        if 2 * self.warmup_epochs > self.schedule_length:
            key = "epochs" if self.schedule_epochs is None else "schedule_epochs"
            raise ValueError(
                f"warmup_epochs {self.warmup_epochs:g} must be at most half of {key} {self.schedule_length:g}"
            )
        return self

    @model_validator(mode="after")
    def _rates_fall(self) -> Self:
        if self.minimum_learning_rate > self.learning_rate:
            raise ValueError(
                f"minimum_learning_rate {self.minimum_learning_rate:g} must be at most learning_rate "
                f"{self.learning_rate:g}"
            )
        return self

    @property
    def schedule_length(self) -> float:
        """Epochs of the learning-rate schedule."""
        return self.epochs if self.schedule_epochs is None else self.schedule_epochs

    def total_steps(self, steps_per_epoch: int) -> int:
        """Optimizer steps, at least one."""
        return self.steps_in(self.epochs, steps_per_epoch)

    @staticmethod
    def steps_in(epochs: float, steps_per_epoch: int) -> int:
        """Optimizer steps of so many epochs, at least one."""
        return max(1, round(epochs * steps_per_epoch))

    @property
    def scale(self) -> float:
        """What rates are multiplied by: the global batch over 256."""
        return self.batch_size / REFERENCE_BATCH


class Execution(Strict):
    """How a training is computed, not what: a change here makes no result old.

    The weights stay the same up to the order of float32 sums (`compile`: of fused operations).
    """

    processes: int = Field(
        1,
        ge=1,
        le=MOST_PROCESSES,
        description="processes on each node, on GPUs one each",
        json_schema_extra=ledger(
            unit="processes",
            reason="no number depends on it (released: radii are stratified within a process)",
        ),
    )
    nodes: int = Field(
        1,
        ge=1,
        le=MOST_PROCESSES,
        description="machines, inside one Slurm job",
        json_schema_extra=ledger(unit="nodes", reason="no number depends on it"),
    )
    micro_batch_size: int | None = Field(
        None,
        gt=0,
        le=MOST_BATCH,
        description="images per pass of one process; gradients are summed; default: its whole share",
        json_schema_extra=ledger(unit="images", reason="no number depends on it"),
    )
    activation_checkpointing: bool = Field(
        False,
        description="compute the blocks' activations again instead of keeping them",
        json_schema_extra=ledger(reason="no number depends on it; it saves memory and costs time"),
    )
    compile: bool | Literal["auto"] = Field(
        "auto",
        description="torch.compile both networks; auto: where the training is so long that it pays",
        json_schema_extra=ledger(
            reason="faster after some minutes of compiling; small runs, as the demo's, start at once"
        ),
    )
    checkpoint_seconds: Positive = Field(
        300.0,
        description="seconds between resumable checkpoints, at least",
        json_schema_extra=ledger(
            unit="seconds",
            reason="the released code saves no optimizer state; here a resumed run is the same run",
        ),
    )
    checkpoint_share: Annotated[float, Field(gt=0, le=1)] = Field(
        0.05,
        description="share of the time that saving them may take: slow disks are written to less often",
        json_schema_extra=ledger(unit="1", reason="all processes wait while one writes"),
    )
    resume: Literal["exact", "anyway", "anew"] = Field(
        "exact",
        description="where the checkpoint is damaged, or of other code or versions: stop and ask, "
        "go on anyway (the record says which steps are whose), or start anew",
        json_schema_extra=ledger(reason="days of work are not thrown away, nor mixed, without a word"),
    )
    keep_state: bool = Field(
        True,
        description="keep the last state beside the model, so that a longer training goes on from it",
        json_schema_extra=ledger(
            reason="takes twice the disk of the model file; the released code cannot go on exactly"
        ),
    )
    grids: int = Field(
        10,
        ge=0,
        le=MOST_DRAWS,
        description="pictures of samples and reconstructions during the training",
        json_schema_extra=ledger(unit="pictures", reason="for watching only"),
    )

    @property
    def world_size(self) -> int:
        """Processes over all nodes."""
        return self.processes * self.nodes


class StudyExecution(Strict):
    """How all jobs of a study are computed, not what: a change here makes no result old."""

    portable: bool = Field(
        False,
        description="on CPUs the same bits on every x86-64 machine since 2015: "
        "all libraries keep to kernels that each of them has",
        json_schema_extra=ledger(
            reason="training takes 1.7 times as long (docs/performance.md); not of compiled networks or GPUs"
        ),
    )
