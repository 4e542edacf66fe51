"""From source images to one archive: in chunks, over several processes, taken up again where it stopped.

Every chunk of a thousand images becomes a small zip of its own in a state folder; in the end they are joined
in order. So the archive does not depend on the number of processes, a killed preparation loses at most the
chunks in work, and memory holds one image per process. The price is disk: parts and archive exist together
until the archive is whole.
"""

from __future__ import annotations

import contextlib
import errno
import functools
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

from sphere_repro.data.archive_writing import write_encoded
from sphere_repro.data.dataset import LOSSLESS
from sphere_repro.data.images import DAMAGE, Files, Images, Pieces, encode
from sphere_repro.data.no_image import told
from sphere_repro.data.own_archive import OwnArchive
from sphere_repro.data.pictures import Picture, PictureError, Pictures
from sphere_repro.data.report import Report
from sphere_repro.data.resizing import fit
from sphere_repro.data.sources import Format
from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output
from sphere_repro.machine.processes import die_with_parent
from sphere_repro.machine.progress import progress
from sphere_repro.machine.signals import deferred_interrupt

CHUNK = 1000  # images
_HELD = {signal.SIGINT, signal.SIGTERM}
_NAMED = 5  # broken images named in a message
_REPORT = "report"  # the last entry of a part; the others are called by the indices of their images


@dataclass(frozen=True)
class Form:
    """What every image becomes.

    Attributes:
        pixels: side of the square.
        format: of the images; of JPEGs, those that `choose` takes first are WebPs, which lose nothing.
        resize: how, as `fit` takes it.
        skip_broken: whether images that cannot be read are left out; otherwise they stop everything.
    """

    pixels: int
    format: Format = "png"
    resize: str | None = None
    skip_broken: bool = False

    def of_image(self, index: int, total: int) -> Format:
        """The format of one of `total` images."""
        return "webp" if self.format == "jpeg" and index in _lossless(total) else self.format


@functools.lru_cache(maxsize=1)
def _lossless(total: int) -> frozenset[int]:
    """The images that references and reconstructions are taken from; of two choices the smaller is a part."""
    from sphere_repro.data.choice import choose  # loads torch, which most preparations do without

    return frozenset(choose(total, LOSSLESS).tolist())


def write_prepared(
    out: Path,
    images: Images,
    form: Form,
    state: Path,
    workers: int = 1,
    class_names: tuple[str, ...] | None = None,
) -> Report:
    """Write `images` as the archive `out`; say what was done to them.

    Args:
        out: the zip to write.
        images: at whatever sizes; `fit` makes them square.
        form: of the images in the archive.
        state: a folder of this preparation alone; parts that lie there are taken as they are. It is
            removed when the archive is whole.
        workers: processes; images in memory are worth one only.
        class_names: of the labels, in their order, where they have names.

    Raises:
        UserError: images are broken (the first ones are named) and none may be left out, none or none of a
            class is left, the disk is full, or a process was killed.
    """
    starts = range(0, len(images), CHUNK)
    parts = [state / f"{start // CHUNK:05d}.zip" for start in starts]
    missing = [(start, part) for start, part in zip(starts, parts, strict=True) if not part.is_file()]
    state.mkdir(parents=True, exist_ok=True)
    if workers > 1 and len(missing) > 1 and isinstance(images, Files | Pieces | Pictures):
        done = _in_processes(images, form, missing, min(workers, len(missing)))
    else:
        done = _in_this_process(images, form, missing)
    bar = progress(done, label="prepare", total=len(starts), unit="kimg", initial=len(starts) - len(missing))
    for _ in bar:
        pass
    report = Report.of_all([_report(part) for part in parts])
    labels = _labels_left(images, report, class_names)
    write_encoded(out, _joined(parts), labels, class_names)
    shutil.rmtree(state, ignore_errors=True)
    return report


def make_part(images: Images, start: int, form: Form, part: Path) -> None:
    """Write the chunk of `images` that begins at `start` as the zip `part`.

    Raises:
        UserError: some of them are broken, and none may be left out; nothing is written then.
    """
    report = Report()
    with atomic_output(part) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as zipped:
        for index in range(start, min(start + CHUNK, len(images))):
            try:
                picture = _picture(images, index)
                image = fit(picture.pixels, form.pixels, form.resize)
            except UserError as error:
                report.unreadable.append((images.name(index), str(error)))
            except DAMAGE as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # the disk or the network failed, not the image
                report.unreadable.append((images.name(index), _why(error)))
            else:
                report.kept.append(index)
                report.done.update(picture.done)
                zipped.writestr(f"{index}", encode(image, form.of_image(index, len(images))))
        if report.unreadable and not form.skip_broken:
            raise UserError(_broken(report.unreadable))
        zipped.writestr(_REPORT, report.as_json())


def _picture(images: Images, index: int) -> Picture:
    return images.picture(index) if isinstance(images, Pictures | OwnArchive) else Picture(images.read(index))


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, PictureError) else told(error)


def _broken(unreadable: list[tuple[str, str]]) -> str:
    named = "; ".join(why if name in why else f"{name} ({why})" for name, why in unreadable[:_NAMED])
    more = f", and {len(unreadable) - _NAMED} more" if len(unreadable) > _NAMED else ""
    return (
        f"{len(unreadable)} of the images cannot be read: {named}{more}. Replace or remove them, then run "
        "the same command again: what is prepared already is kept. Own images are left out with on_broken: "
        "skip."
    )


def _labels_left(images: Images, report: Report, class_names: tuple[str, ...] | None) -> np.ndarray | None:
    """Labels of the images that were prepared.

    Raises:
        UserError: there is none, or a class lost all of its images.
    """
    if not report.kept:
        raise UserError(f"None of the {len(images)} images can be read. {_broken(report.unreadable)}")
    if images.labels is None:
        return None
    labels = images.labels[report.kept]
    lost = np.setdiff1d(images.labels, labels)
    if len(lost):
        name = class_names[lost[0]] if class_names else f"number {lost[0]}"
        raise UserError(
            f"No image of the class {name} can be read. Remove the class, or mend its images. "
            f"{_broken(report.unreadable)}"
        )
    return np.asarray(labels)


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
        with _opened(part) as zipped:
            for name in zipped.namelist():
                if name != _REPORT:
                    yield zipped.read(name)


def _report(part: Path) -> Report:
    with _opened(part) as zipped:
        return Report.from_json(zipped.read(_REPORT))


@contextlib.contextmanager
def _opened(part: Path) -> Iterator[zipfile.ZipFile]:
    """A finished part; one that is damaged is removed.

    Raises:
        UserError: it is damaged.
    """
    try:
        with zipfile.ZipFile(part) as zipped:
            yield zipped
    except (zipfile.BadZipFile, *DAMAGE) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the disk failed, not the part
        part.unlink()
        raise UserError(
            f"{part} was damaged ({error}) and is removed. Run the same command again: only that part is "
            "made again."
        ) from error
