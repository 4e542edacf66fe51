"""What one job needs."""

from __future__ import annotations

from dataclasses import dataclass, field

FLOAT, DOUBLE = 4, 8  # bytes


@dataclass(frozen=True)
class Need:
    """One job's cost.

    Attributes:
        run: the run that it is done for; a job of several runs stands with the first.
        job: the verb.
        subject: the sample set, or the archive.
        record: the JSON that the job leaves beside its result.
        parameters: of the network that works, fixed position embeddings included; None where there is none.
        images: passed through the networks, counting every pass of a training.
        flops: multiply-add = 2; of training and networks only.
        half: those of them that are computed in bfloat16.
        tf32: those of them that are computed in TF32; the rest is float32.
        recomputed: those of them that activation checkpointing computes again.
        processes: on each node, each on a device of its own.
        nodes: machines.
        device: bytes on each device.
        host: bytes in the memory of each node besides, for all of its processes.
        disk: bytes of the results.
        working: bytes of disk while the job runs, besides.
        done: whether its result is there, made by this very job.
        notes: what these numbers leave out.
    """

    run: str
    job: str
    subject: str
    record: str
    parameters: int | None = None
    images: int = 0
    flops: int = 0
    half: int = 0
    tf32: int = 0
    recomputed: int = 0
    processes: int = 1
    nodes: int = 1
    device: int = 0
    host: int = 0
    disk: int = 0
    working: int = 0
    done: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def devices(self) -> int:
        """Devices that share the work."""
        return self.processes * self.nodes
