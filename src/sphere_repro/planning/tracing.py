"""What tensors take, told without computing: runs under torch's FakeTensorMode, counted.

Tensors there have shapes and no numbers: nothing is computed and nothing is allocated.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_MODE = FakeTensorMode(allow_non_fake_inputs=True)  # one: tensors of two modes do not mix


@contextmanager
def fake_tensors(*, half: bool = False) -> Iterator[None]:
    """Tensors made inside have no numbers; `half`: under bfloat16 autocast."""
    with (
        _MODE,
        warnings.catch_warnings(action="ignore"),  # of kernels that the CPU would not fuse
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=half),
    ):
        yield


@dataclass(frozen=True)
class LinearBytes:
    """Bytes that grow linearly with the batch: `fixed + batch·per_image`."""

    fixed: int
    per_image: int

    def of(self, batch: int) -> int:
        return self.fixed + batch * self.per_image

    def plus(self, other: LinearBytes, times: int = 1) -> LinearBytes:
        return LinearBytes(self.fixed + times * other.fixed, self.per_image + times * other.per_image)

    def times(self, images: int) -> LinearBytes:
        """For so many times the images."""
        return LinearBytes(self.fixed, images * self.per_image)


def linear_in_the_batch(measure: Callable[[int], int]) -> LinearBytes:
    """`measure`, known to be linear in the batch, from batches of 2 and 4."""
    two, four = measure(2), measure(4)
    per_image = (four - two) // 2
    return LinearBytes(two - 2 * per_image, per_image)


def saved_bytes(forward: Callable[[], object], *besides: nn.Module | Tensor) -> int:
    """Bytes that autograd keeps while `forward` runs, each storage once.

    `besides`: modules whose weights and buffers, and tensors which, do not count.
    """
    apart = [
        tensor
        for item in besides
        for tensor in ([item] if isinstance(item, Tensor) else [*item.parameters(), *item.buffers()])
    ]
    known = {tensor.untyped_storage()._cdata for tensor in apart}
    kept: dict[int, torch.UntypedStorage] = {}  # holding them keeps their addresses from being used again

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    total: int = sum(storage.nbytes() for storage in kept.values())
    return total


def peak_bytes(work: Callable[[], object]) -> int:
    """Most bytes of tensors made by `work` that are alive at once; what was there before does not count."""
    live = _LiveBytes()
    with live:
        work()
    return live.most


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages of all tensors that operations return, until they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = self._now = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = {id(t.untyped_storage()) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and id(tensor.untyped_storage()) not in before:
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self._now += self._sizes[key]
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._free, key)

    def _free(self, key: int) -> None:
        self._now -= self._sizes.pop(key, 0)
