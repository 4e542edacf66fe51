"""Archives of one's own, made with the tools of StyleGAN, EDM, or a file manager: read as those tools do.

They may have grey images, labels with backslashes, rows for images that are not there, one folder at the top,
what macOS adds, and no `dataset.json`. What they mean is never guessed: where labels leave gaps, or folders
may be classes, the study has to say so.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_labels import (
    LABELS_NAME,
    Classes,
    class_names,
    label_table,
    labels_of,
    read_content,
)
from sphere_repro.data.class_names import one_each
from sphere_repro.data.listing import SUFFIXES, is_system, suffix_of
from sphere_repro.data.pictures import Picture, PictureError, read_picture
from sphere_repro.errors import UserError

_NAMED = 6  # folders or labels named in a message
_NUMBERED = re.compile(r"\d{3,}")  # folders that number images, not classes


class OwnArchive(ImageArchive):
    """An archive as others make it; its images are RGB when they are read, whatever they are inside.

    Attributes:
        plain: whether everything but the modes of its images is as our own archives have it.
        left_out: other files, counted by suffix.
        unused_rows: rows of `dataset.json` about images that are not there.
    """

    plain: bool
    left_out: Counter[str]
    unused_rows: int

    def _look_inside(self, classes: int | None) -> tuple[list[str], Classes]:
        """Names and classes of the images; `classes` None: find them out, 0: use none."""
        all_names = [name for name in self._zip.namelist() if not name.endswith("/")]
        entries = [name for name in all_names if not _is_systems(name)]
        top = _top_folder(entries)
        names = sorted(name for name in entries if suffix_of(name) in SUFFIXES)
        if not names:
            raise UserError(f"{self.path} holds no images. Is it the right one?")
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise UserError(f"{self.path} holds image {twice} twice. Make it again.")
        others = [name for name in entries if suffix_of(name) not in SUFFIXES and name != top + LABELS_NAME]
        self.left_out = Counter(suffix_of(name) or "without a suffix" for name in others)
        found = self._classes(top, names, classes)
        usual = all(suffix_of(name) in (".png", ".webp", ".jpg", ".jpeg") for name in names)
        self.plain = self.plain and usual and len(names) + 1 == len(all_names) and not self.unused_rows
        return names, found

    def _classes(self, top: str, names: list[str], classes: int | None) -> Classes:
        self.unused_rows, self.plain = 0, False
        entry = top + LABELS_NAME
        if entry not in self._zip.NameToInfo:
            if classes is None:
                self._refuse_folders(top, names)
            return Classes(None)
        content = read_content(self.path, self._zip, entry)
        if content["labels"] is None or classes == 0:
            self.plain = content["labels"] is None and not top
            return Classes(None)
        rows = label_table(self.path, content["labels"])
        table = {_place(top, name): label for name, label in rows.items()}
        labels = labels_of(self.path, names, table)
        self.unused_rows = len(table) - len(names)
        self.plain = not top and table == rows
        if classes is None:
            self._refuse_gaps(labels)
        known = class_names(self.path, content, labels)
        return Classes(labels, one_each(known, classes or int(labels.max()) + 1))

    def _refuse_folders(self, top: str, names: list[str]) -> None:
        """Folders of images without `dataset.json` may be classes; no tool would read them as such."""
        folders = sorted({name.removeprefix(top).rpartition("/")[0].split("/")[0] for name in names} - {""})
        if len(folders) > 1 and not all(_NUMBERED.fullmatch(name) for name in folders):
            raise UserError(
                f"{self.path} has no {LABELS_NAME}, but folders of images: {_some(folders)}. Unpack it and "
                "give the folder if they are classes, or say classes: 0 to use all images without classes."
            )

    def _refuse_gaps(self, labels: np.ndarray) -> None:
        """Classes without images would be trained and drawn all the same."""
        count = int(labels.max()) + 1
        found = np.unique(labels)
        if len(found) == count:
            return
        empty = _runs(sorted(set(range(count)) - set(found.tolist()))) if count < 100_000 else "the others"
        raise UserError(
            f"{self.path} has images of {len(found)} classes, with the labels {_runs(found.tolist())}; none "
            f"has the label {empty}. Number them from 0 to {len(found) - 1}, or say classes: {count} if "
            "there are that many."
        )

    def as_ours(self, index: int) -> bool:
        """Whether the reader of our own archives sees the same in image `index` as everybody else does."""
        try:
            found = super()._decode(index)
        except UserError:
            return False
        return np.array_equal(found, self.picture(index).pixels)

    def picture(self, index: int) -> Picture:
        """Image `index`, and what had to be done to it; raises as `read`."""
        found = self._picture(index)
        self._checked(index, found.pixels)
        return found

    def _decode(self, index: int) -> np.ndarray:
        return self._picture(index).pixels

    def _picture(self, index: int) -> Picture:
        name = self._names[index]
        try:
            return read_picture(io.BytesIO(self._bytes(name)))
        except PictureError as error:
            raise UserError(f"Image {name} in {self.path} is broken ({error}). Make it again.") from error


def _is_systems(name: str) -> bool:
    return any(is_system(part) for part in PurePosixPath(name).parts)


def _place(top: str, name: str) -> str:
    """Where in the archive an image lies that `dataset.json` calls `name`."""
    path = name.replace("\\", "/").removeprefix("./")
    return path if path.startswith(top) else top + path


def _top_folder(entries: list[str]) -> str:
    """The one folder that everything lies in, with its slash; nothing where there is none."""
    tops = {name.partition("/")[0] for name in entries}
    if len(tops) != 1 or not all("/" in name for name in entries):
        return ""
    return f"{tops.pop()}/"


def _runs(numbers: Iterable[int]) -> str:
    """`0-2, 5, 7-9` for sorted numbers; the first few."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return _some([f"{first}" if first == last else f"{first}-{last}" for first, last in runs])


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
