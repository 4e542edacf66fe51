"""What a job may run on: named devices from their makers' data sheets, or the one at hand, measured."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sphere_repro.errors import UserError, nearest
from sphere_repro.machine import unused

if TYPE_CHECKING:
    import torch

TERA, GIGA = 1e12, 10**9
MEASURED_SECONDS = 0.5


@dataclass(frozen=True)
class Device:
    """One device's ceiling.

    Attributes:
        name: as people call it.
        float32: FLOP/s of float32 matrix products, without TF32.
        bfloat16: FLOP/s of dense bfloat16 matrix products; None where the device has no such units.
        memory: bytes on the device.
        origin: where the numbers come from.
        shares_host: its memory is the host's.
        count: devices of this kind in the machine; None where nobody knows.
        tf32: FLOP/s of dense TF32 matrix products; None where the device has no such units, or was measured.
    """

    name: str
    float32: float
    bfloat16: float | None
    memory: int
    origin: str
    shares_host: bool = False
    count: int | None = None
    tf32: float | None = None


@dataclass(frozen=True)
class Room:
    """What is free here, in bytes; `memory` is None where the system does not say."""

    disk: int
    memory: int | None


def _listed(
    name: str, rates: tuple[float, float | None, float | None], gigabytes: int, sheet: str
) -> tuple[str, Device]:
    """`rates`: float32, TF32 and bfloat16, in TFLOP/s."""
    float32, tf32, bfloat16 = (rate and rate * TERA for rate in rates)
    assert float32
    origin = f"data sheet, {sheet}"
    return name, Device(name, float32, bfloat16, gigabytes * GIGA, origin, tf32=tf32)


# Dense rates: data sheets print those with 2:4 sparsity, twice as high, where they say "with sparsity".
DEVICES: dict[str, Device] = dict(
    [
        # NVIDIA A100 Tensor Core GPU data sheet (SXM): FP32 19.5, TF32 156, BF16 312
        _listed("a100-40gb", (19.5, 156.0, 312.0), 40, "NVIDIA A100"),
        _listed("a100-80gb", (19.5, 156.0, 312.0), 80, "NVIDIA A100"),
        # NVIDIA H100 Tensor Core GPU data sheet (SXM): FP32 67, TF32 989 and BF16 1979 with sparsity
        _listed("h100", (67.0, 494.5, 989.5), 80, "NVIDIA H100 SXM"),
        # NVIDIA H200 Tensor Core GPU data sheet (SXM): FP32 67, TF32 989 and BF16 1979 with sparsity
        _listed("h200", (67.0, 494.5, 989.5), 141, "NVIDIA H200 SXM"),
        # NVIDIA L40S data sheet: FP32 91.6, TF32 183, BF16 362.05
        _listed("l40s", (91.6, 183.0, 362.05), 48, "NVIDIA L40S"),
        # NVIDIA Ada GPU architecture whitepaper: FP32 and TF32 82.6, BF16 with FP32 accumulate 165.2
        _listed("rtx-4090", (82.6, 82.6, 165.2), 24, "NVIDIA GeForce RTX 4090"),
        # NVIDIA GA102 GPU architecture whitepaper: FP32 35.6, TF32 35.6, BF16 with FP32 accumulate 71
        _listed("rtx-3090", (35.6, 35.6, 71.0), 24, "NVIDIA GeForce RTX 3090"),
        # NVIDIA V100 Tensor Core GPU data sheet (SXM2): FP32 15.7; its tensor cores know FP16 only
        _listed("v100", (15.7, None, None), 32, "NVIDIA V100 SXM2 32 GB"),
        # NVIDIA T4 data sheet: FP32 8.1; its tensor cores know FP16 and integers only
        _listed("t4", (8.1, None, None), 16, "NVIDIA T4"),
    ]
)


def find(name: str) -> Device:
    """A device of the table, or with `this` (or a torch device: cpu, cuda, …) the one here, measured.

    Raises:
        UserError: there is no such device.
    """
    if name in DEVICES:
        return DEVICES[name]
    if name in ("this", "auto", "cpu") or name.startswith("cuda"):
        return measure("auto" if name == "this" else name)
    raise UserError(f"--device: there is no device '{name}'{nearest(name, ('this', *DEVICES))}")


def measure(name: str = "auto") -> Device:
    """The rate of large matrix products on a torch device, within about a second, and its free memory.

    Raises:
        UserError: torch has no such device.
    """
    import torch

    from sphere_repro.machine.devices import pick_device

    device = pick_device(name)
    on_gpu = device.type == "cuda"
    side = 8192 if on_gpu else 1024

    def rate(dtype: torch.dtype) -> float:
        a, b = (torch.rand(side, side, device=device).to(dtype) for _ in range(2))

        def product() -> None:
            torch.mm(a, b)
            if on_gpu:
                torch.cuda.synchronize(device)

        return 2 * side**3 / _shortest(product)

    if on_gpu:
        label, memory = torch.cuda.get_device_name(device), torch.cuda.mem_get_info(device)[0]
        half = rate(torch.bfloat16) if torch.cuda.is_bf16_supported(including_emulation=False) else None
    else:
        threads = torch.get_num_threads()
        label = f"this CPU, {threads} thread{'s' if threads > 1 else ''}"
        half, memory = rate(torch.bfloat16), free_memory() or 0
    count = torch.cuda.device_count() if on_gpu else None
    return Device(
        label, rate(torch.float32), half, memory, "measured now", shares_host=not on_gpu, count=count
    )


def free_room(folder: Path) -> Room:
    """Free disk of `folder` (or of the nearest folder above it that is there) and memory of this machine."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    return Room(shutil.disk_usage(there).free, free_memory())


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory that new work may use: what the kernel calls available, within the container's limit.

    None where the system does not say.
    """
    lines = _lines(root / "proc/meminfo")
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    group = root / "sys/fs/cgroup"
    limit, used = _lines(group / "memory.max"), _lines(group / "memory.current")
    if limit and used and limit[0].isdigit() and used[0].isdigit():
        # cached files count as used, and give way
        cached = [
            int(line.split()[1])
            for line in _lines(group / "memory.stat")
            if line.startswith("inactive_file ")
        ]
        found.append(max(0, int(limit[0]) - int(used[0]) + sum(cached)))
    return min(found, default=None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []


def _shortest(work: Callable[[], None]) -> float:
    """Seconds of the fastest of several repetitions; the first one warms up."""
    work()
    best, until = float("inf"), time.perf_counter() + MEASURED_SECONDS
    while True:
        start = time.perf_counter()
        work()
        end = time.perf_counter()
        best = min(best, end - start)
        if end > until:
            return best


def pick_device(name: str) -> torch.device:
    """The torch device `name`; `auto` is the first GPU there is, else the CPU.

    Raises:
        UserError: a GPU is named and there is none, `auto` finds none in a Slurm job that asked for one, or
            the name is no device that this package runs on.
    """
    import torch

    if name == "auto":
        name = "cuda" if unused.torch_sees_a_gpu() else "cpu"
        if name == "cpu":
            unused.tell(unused.reason())
    if name.startswith("cuda") and not unused.torch_sees_a_gpu():
        why = unused.reason()
        raise UserError(
            f"Device '{name}' was asked for, but torch sees no GPU{f': {why}' if why else ''}. Use --device "
            "cpu or auto."
        )
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda") or (
            device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count() > 0
        ):
            raise RuntimeError
    except RuntimeError as error:
        raise UserError(f"There is no device '{name}'. Use --device auto, cpu, cuda or cuda:1.") from error
    return device


def out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: Python's, torch's on a GPU, or torch's on the CPU."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
