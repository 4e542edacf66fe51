"""How a model is trained (section 3), and how that is computed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sphere_repro.strict import Limited, LimitedPositive, NonNegative, Positive, Strict


class Training(Strict):
    """Optimizer, schedule and length (section 3)."""

    epochs: LimitedPositive = Field(description="passes over the dataset; fractions allowed")
    warmup_epochs: NonNegative = Field(10.0, description="linear warm-up, in epochs")
    batch_size: int = Field(256, gt=0, description="global batch")
    learning_rate: LimitedPositive = Field(1e-4, description="maximum at global batch 256; scaled linearly")
    minimum_learning_rate: Limited = Field(1e-6, description="minimum at global batch 256; scaled linearly")
    encoder_learning_rate_factor: LimitedPositive = Field(
        0.1, description="encoder's rate over the decoder's"
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9997, description="decay of the weights' average"
    )
    clip_norm: Positive = Field(1.0, description="joint gradient norm of both networks")
    precision: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="autocast; weights stay float32"
    )
    horizontal_flip: bool | None = Field(None, description="mirror images at random; default: the dataset's")

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Self:
        if 2 * self.warmup_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs {self.warmup_epochs:g} must be at most half of epochs {self.epochs:g}"
            )
        return self


class Execution(Strict):
    """How a training is computed, not what: a change here makes no result old.

    The weights stay the same up to the order of float32 sums (`compile`: of fused operations).
    """

    processes: int = Field(1, ge=1, le=4096, description="processes on each node, on GPUs one each")
    nodes: int = Field(1, ge=1, le=4096, description="machines, inside one Slurm job")
    micro_batch_size: int | None = Field(
        None,
        gt=0,
        description="images per pass of one process; gradients are summed; default: its whole share",
    )
    activation_checkpointing: bool = Field(
        False, description="compute the blocks' activations again instead of keeping them"
    )
    compile: bool = Field(False, description="torch.compile both networks")
    checkpoint_seconds: Positive = Field(300.0, description="seconds between resumable checkpoints")
    grids: int = Field(10, ge=0, description="pictures of samples and reconstructions during the training")

    @property
    def world_size(self) -> int:
        """Processes over all nodes."""
        return self.processes * self.nodes
