"""Several processes that train one model: who they are, whose images are whose, what they tell each other.

PyTorch's own distributed package, as torchrun sets it up (RANK, WORLD_SIZE, LOCAL_RANK in the environment):
gradients go through DistributedDataParallel, the few numbers below through gloo on the CPU.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from sphere_repro.machine.watch import Watch

# How long the others wait for one that saves a state, draws a picture or loads a dataset.
PATIENCE = timedelta(hours=1)


def even_share(count: int, parts: int, part: int) -> range:
    """Part number `part` of 0…count-1, cut into contiguous parts whose sizes differ by one at most."""
    return range(part * count // parts, (part + 1) * count // parts)


@dataclass(frozen=True)
class World:
    """The processes of one training; a training of one process needs no process group.

    Attributes:
        rank: this process's number, from 0; the first one leads: it alone writes files.
        size: how many there are.
        watch: where there are several: ends this one soon after another has failed.
    """

    rank: int = 0
    size: int = 1
    watch: Watch | None = field(default=None, compare=False)

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def share(self, count: int) -> range:
        """Which of `count` images are this process's."""
        return even_share(count, self.size, self.rank)

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes, float64."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(total)
        return [float(value) for value in total]

    def any(self, value: bool) -> bool:
        """Whether it is true in any process."""
        return self.sum([float(value)])[0] > 0

    def agree(self, value: int) -> bool:
        """Whether all processes have the same value."""
        if self.size == 1:
            return True
        lowest_highest = torch.tensor([-value, value], dtype=torch.int64)
        dist.all_reduce(lowest_highest, dist.ReduceOp.MAX)
        return int(lowest_highest[1]) == -int(lowest_highest[0])

    def told(self, value: Any) -> Any:
        """The leader's `value`, a few plain things, in every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the numbers of the leader's tensors, one after the other, in place."""
        for tensor in tensors:
            dist.broadcast(tensor, src=0)

    def undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """What stands in the block is finished, even if another process has failed."""
        return self.watch.undisturbed() if self.watch else contextlib.nullcontext()

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """The leader does what stands in the block, then the others: for files that it makes or mends."""
        if self.size > 1 and not self.leads:
            dist.barrier()
        yield
        if self.size > 1 and self.leads:
            dist.barrier()

    def shared(self, module: nn.Module, *, unused: bool) -> nn.Module:
        """`module`, whose gradients are then averaged over the processes.

        Args:
            module: computes a loss in `forward`; the leader's weights are given to all.
            unused: some of its parameters get no gradient.
        """
        if self.size == 1:
            return module
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            # torch 2.15 has another name for broadcast_buffers, which 2.11 does not know
            return nn.parallel.DistributedDataParallel(
                module, broadcast_buffers=False, gradient_as_bucket_view=True, find_unused_parameters=unused
            )


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The processes that torchrun has started with this one, while this lasts; else this one alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    backend = "gloo"
    if device.type == "cuda":
        backend = "cpu:gloo,cuda:nccl"
        torch.cuda.set_device(device)  # NCCL's calls name no device
    dist.init_process_group(backend, timeout=PATIENCE)
    warnings.filterwarnings(
        "ignore", message="Grad strides do not match"
    )  # of convolutions: a copy, no error
    watch = Watch(dist.get_rank(), dist.get_world_size())
    try:
        yield World(dist.get_rank(), dist.get_world_size(), watch)
    except KeyboardInterrupt:  # all stop after the same step
        watch.leave()
        dist.destroy_process_group()
        raise
    except Exception as error:
        # the group is left as it is: NCCL would wait for the others
        if (end := watch.fail(error)) is not error:
            raise end from error
        raise
    else:
        watch.leave()
        dist.destroy_process_group()
