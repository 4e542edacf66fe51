"""From source images to one archive: in chunks, over several processes, taken up again where it stopped.

Every chunk of a thousand images becomes a small zip of its own in a state folder; in the end they are joined
in order. So the archive does not depend on the number of processes, a killed preparation loses at most the
chunks in work, and memory holds one image per process. The price is disk: parts and archive exist together
until the archive is whole.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sphere_repro.data.archive import write_encoded
from sphere_repro.data.images import DAMAGE, Files, Images, Pieces, encode
from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output
from sphere_repro.machine.processes import die_with_parent
from sphere_repro.machine.progress import progress
from sphere_repro.machine.signals import deferred_interrupt

CHUNK = 1000  # images
NEAREST_UP_TO = 64  # pixels; larger targets are resized bicubically
_HELD = {signal.SIGINT, signal.SIGTERM}
_NAMED = 5  # broken images named in a message


@dataclass(frozen=True)
class Form:
    """What every image becomes: a square of `pixels`, PNG or JPEG of that quality."""

    pixels: int
    jpeg_quality: int | None = None

    @property
    def suffix(self) -> str:
        return ".png" if self.jpeg_quality is None else ".jpg"


def write_prepared(out: Path, images: Images, form: Form, state: Path, workers: int = 1) -> None:
    """Write `images` as the archive `out`.

    Args:
        out: the zip to write.
        images: at whatever sizes; `fit` makes them square.
        form: of the images in the archive.
        state: a folder of this preparation alone; parts that lie there are taken as they are. It is
            removed when the archive is whole.
        workers: processes; images in memory are worth one only.

    Raises:
        UserError: images are broken (the first ones are named), the disk is full, or a process was killed.
    """
    starts = range(0, len(images), CHUNK)
    parts = [state / f"{start // CHUNK:05d}.zip" for start in starts]
    missing = [(start, part) for start, part in zip(starts, parts, strict=True) if not part.is_file()]
    state.mkdir(parents=True, exist_ok=True)
    if workers > 1 and len(missing) > 1 and isinstance(images, Files | Pieces):
        done = _in_processes(images, form, missing, min(workers, len(missing)))
    else:
        done = _in_this_process(images, form, missing)
    bar = progress(done, label="prepare", total=len(starts), unit="kimg", initial=len(starts) - len(missing))
    for _ in bar:
        pass
    write_encoded(out, _joined(parts), images.labels, form.suffix)
    shutil.rmtree(state, ignore_errors=True)


def make_part(images: Images, start: int, form: Form, part: Path) -> None:
    """Write the chunk of `images` that begins at `start` as the zip `part`.

    Raises:
        UserError: some of them are broken; nothing is written then.
    """
    broken: list[str] = []
    with atomic_output(part) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as zipped:
        for index in range(start, min(start + CHUNK, len(images))):
            try:
                image = fit(images.read(index), form.pixels)
            except UserError as error:
                broken.append(str(error))
            except DAMAGE as error:
                why = " ".join(str(error).split()) or type(error).__name__
                broken.append(f"{images.name(index)} ({why})")
            else:
                zipped.writestr(f"{index}", encode(image, form.jpeg_quality))
        if broken:
            more = f", and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
            raise UserError(
                f"{len(broken)} of the images cannot be read: {'; '.join(broken[:_NAMED])}{more}. Replace or "
                "remove them, then run the same command again: what is prepared already is kept."
            )


def fit(image: np.ndarray, pixels: int) -> np.ndarray:
    """Resize the short side to `pixels` and cut out the centre (section 3, "Data"), as torchvision does.

    Nearest neighbour up to 64 pixels, bicubic with antialiasing above. An image that fits already is returned
    as it is.

    Args:
        image: uint8 (H, W, 3).
        pixels: side of the result.

    Returns:
        uint8 (pixels, pixels, 3).
    """
    height, width = image.shape[:2]
    short = min(height, width)
    if short != pixels:
        method = Image.Resampling.NEAREST if pixels <= NEAREST_UP_TO else Image.Resampling.BICUBIC
        # Whole-number arithmetic: the long side is rounded down, and never below the short one.
        size = (width * pixels // short, height * pixels // short)
        image = np.asarray(Image.fromarray(image).resize(size, method))
        height, width = image.shape[:2]
    top, left = round((height - pixels) / 2), round((width - pixels) / 2)  # half to even, as torchvision
    return image[top : top + pixels, left : left + pixels]


def _in_this_process(images: Images, form: Form, missing: list[tuple[int, Path]]) -> Iterator[None]:
    for start, part in missing:
        make_part(images, start, form, part)
        yield


_images: Images | None = None  # of a worker process: sent to it once


def _in_processes(
    images: Images, form: Form, missing: list[tuple[int, Path]], workers: int
) -> Iterator[None]:
    """`make_part` of every missing chunk; results in the order of the chunks."""
    # spawn: a process forked from one with threads (BLAS, torch) may hang
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin, (images, os.getpid()))
    try:
        with _signals_held():
            futures: list[Future[None]] = [
                pool.submit(_part_in_process, start, form, part) for start, part in missing
            ]
        for future in futures:
            yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "A process that prepares images was killed, perhaps because memory ran out. Run the same command "
            "again with fewer --threads: finished chunks are kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait while processes start, and until these are ready for them: no tracebacks."""
    with deferred_interrupt() as stopped:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)  # the new processes inherit it
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if stopped():
            raise KeyboardInterrupt


def _begin(images: Images, parent: int) -> None:
    """Set up a worker: it obeys its parent only, and ends with it."""
    global _images
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)  # as it was inherited
    if os.getppid() != parent:  # it ended while this process was starting
        os._exit(1)
    _images = images


def _part_in_process(start: int, form: Form, part: Path) -> None:
    assert _images is not None  # _begin ran first
    make_part(_images, start, form, part)


def _joined(parts: list[Path]) -> Iterator[bytes]:
    """Every image of every part, in order."""
    for part in progress(parts, label="join", unit="kimg"):
        try:
            with zipfile.ZipFile(part) as zipped:
                for name in zipped.namelist():
                    yield zipped.read(name)
        except (zipfile.BadZipFile, EOFError) as error:
            part.unlink()
            raise UserError(
                f"{part} was damaged ({error}) and is removed. Run the same command again: only that part is "
                "made again."
            ) from error
