"""One look for every figure, and files that are the same bytes whenever the results are the same."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context as style_context
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from sphere_repro.machine.files import atomic_output

Images = NDArray[np.uint8]

WIDTH = 10.0  # inches
TOP = 0.07  # inches above the heading, however tall the figure
RESOLUTION = 200  # dots per inch, of PNGs and of the pixels in PDFs
LARGEST_FILE = 300_000  # bytes of a PNG that may keep all its colours
CELL = 96  # pixels to which tiny images are enlarged
PALETTE: list[Any] = sns.color_palette("colorblind")
GREY = "0.45"
WARNING = "#b00020"
LINE = 125  # characters of a caption that fit into the width
MOST_TICKS = 10  # numbers that fit below a half-width axis
MOST_PLAIN = 500.0  # ratio of the ends of a logarithmic axis up to which plain numbers fit
# PNGs of figures that have not changed since: a notebook shows its figure, and then it is written.
_SHOWN: WeakKeyDictionary[Figure, bytes] = WeakKeyDictionary()

_RC = {
    "axes.labelsize": 10,
    "axes.titlesize": 10,
    "figure.titlesize": 11,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "0.9",
    "image.cmap": "gray",
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "pdf.fonttype": 42,  # text that can be searched, copied and edited
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


@contextmanager
def house() -> Iterator[None]:
    """The house style, whatever the reader's own matplotlib settings are; also a decorator."""
    with style_context(["default", sns.axes_style("ticks"), _RC]):
        yield


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure (inches) that needs no display and no pyplot."""
    drawn = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(drawn)
    return drawn


def heading(drawn: Figure, title: str, caption: str = "") -> None:
    """A bold title at the top left of a figure and a smaller caption below it."""
    text = f"{title}\n{caption}" if caption else title
    drawn.suptitle("\n" * text.count("\n"), fontsize=11, x=0.01, ha="left")  # keeps the room
    top = 1 - TOP / drawn.get_figheight()
    drawn.text(0.01, top, title, ha="left", va="top", fontsize=11, fontweight="bold")
    if caption:
        drawn.text(0.01, top, "\n" + caption, ha="left", va="top", fontsize=9, color="0.3", linespacing=1.25)


def warning(drawn: Figure, sentence: str) -> None:
    """A sentence in red under a figure that shows results which say nothing; nothing where it is empty."""
    if sentence:
        lines = textwrap.wrap(sentence, LINE)
        drawn.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=9, color=WARNING)


def png(drawn: Figure) -> bytes:
    """The figure as a PNG of 200 dots per inch without metadata: the same figure, the same bytes.

    One above 300 kB has 256 colours, where that brings it below; many large photographs stay as they are.
    """
    if drawn.stale or drawn not in _SHOWN:
        data = _render(drawn, "png")
        fewer = _with_fewer_colours(data) if len(data) > LARGEST_FILE else data
        _SHOWN[drawn] = fewer if len(fewer) <= LARGEST_FILE else data
    return _SHOWN[drawn]


def pdf(drawn: Figure) -> bytes:
    """The figure as a PDF with text as text, and without a date: the same figure, the same bytes."""
    return _render(drawn, "pdf")


def save(drawn: Figure, path: Path) -> list[Path]:
    """Write the figure as PNG (see `png`) to `path` and as PDF beside it, each whole or not at all.

    Returns:
        Both files.
    """
    made = {path: png(drawn), path.with_suffix(".pdf"): pdf(drawn)}
    for file, data in made.items():
        with atomic_output(file) as temporary:
            temporary.write_bytes(data)
    return [*made]


def montage(images: Images, gap: int = 4) -> Images:
    """Images (R, C, H, W, 3) as one picture (height, width, 3); tiny ones enlarged without blur."""
    factor = max(1, round(CELL / images.shape[2]))
    large = images.repeat(factor, axis=2).repeat(factor, axis=3)
    rows, columns, height, width, _ = large.shape
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + gap), column * (width + gap)
            canvas[top : top + height, left : left + width] = large[row, column]
    return canvas


def show_montage(axes: Axes, images: Images, gap: int = 4) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw a montage of images (R, C, H, W, 3) and give the centres of its rows and of its columns."""
    canvas = montage(images, gap)
    tiny = images.shape[2] < CELL
    axes.imshow(canvas, interpolation="nearest" if tiny else "antialiased", aspect="equal")
    axes.set(xticks=[], yticks=[], anchor="W")
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)
    height, width = (
        (size + gap) / count for size, count in zip(canvas.shape[:2], images.shape[:2], strict=True)
    )
    return (np.arange(images.shape[0]) + 0.5) * height - gap / 2, (
        np.arange(images.shape[1]) + 0.5
    ) * width - gap / 2


def some(wanted: Sequence[int], last: int) -> list[int]:
    """Those of `wanted` below `last`, and `last` itself."""
    return [*(number for number in wanted if number < last), last]


def parted(images: Images, size: int) -> Images:
    """Images (R, C, H, W, 3) with an empty column after each group of `size` columns but the last."""
    groups = [images[:, start : start + size] for start in range(0, images.shape[1], size)]
    empty = np.full_like(images[:, :1], 255)
    return np.concatenate([part for group in groups for part in (group, empty)][:-1], axis=1)


def kept(places: NDArray[Any], size: int) -> NDArray[Any]:
    """Of the places of columns that `parted` made, those that hold images."""
    return np.array([place for index, place in enumerate(places) if (index + 1) % (size + 1)])


def whole_ticks(axes: Axes, numbers: Sequence[int]) -> None:
    """Ticks at whole numbers, each that there is where they are few."""
    if len(numbers) <= MOST_TICKS:
        axes.set_xticks(list(numbers))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def plain_log_ticks(axes: Axes) -> None:
    """Plain numbers (1, 2, 5, 10, …) on a logarithmic y axis, unless it spans many decades."""
    low, high = axes.get_ylim()
    if high / low > MOST_PLAIN:
        return
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def colours(names: Sequence[str]) -> dict[str, Any]:
    """A colour for each name that colour-blind readers can tell apart, in the order given."""
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(dict.fromkeys(names))}


def _render(drawn: Figure, form: str) -> bytes:
    """A file of the form `png` or `pdf`, which names neither its maker nor a time."""
    if drawn.stale:
        _SHOWN.pop(drawn, None)
    unsaid = {"png": ("Software",), "pdf": ("Creator", "Producer", "CreationDate")}[form]
    buffer = io.BytesIO()
    with house():
        drawn.savefig(buffer, format=form, dpi=RESOLUTION, metadata=dict.fromkeys(unsaid), facecolor="white")
    drawn.set_layout_engine("none")  # it would move things again, and the next file would be another picture
    drawn.stale = False  # until somebody changes it: rendering itself is no change
    return buffer.getvalue()


def _with_fewer_colours(data: bytes) -> bytes:
    buffer = io.BytesIO()
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
