"""Training curves: every loss term by optimizer step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import titled
from sphere_repro.results import degenerate

NOT_LOSSES = ("step", "epoch", "learning_rate", "grad_norm")
TITLES = {
    "loss": "loss (weighted sum)",
    "pix_recon_l1": "reconstruction, smooth L1",
    "pix_recon_perceptual": "reconstruction, perceptual",
    "pix_con_l1": "pixel consistency, smooth L1",
    "pix_con_perceptual": "pixel consistency, perceptual",
    "lat_con": "latent consistency, 1 - cosine",
    "kl": "KL divergence per latent number",
}
MOST_POINTS = 2000  # of one raw curve
WINDOW = 40  # the smoothing window is this fraction of a curve


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from the curves of every run, by run."""
    return draw(inputs, title=titled("Training", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """The last values of every run."""
    return table(inputs)


@style.house()
def draw(csv_files: Mapping[str, Path], *, title: str = "Training") -> Figure:
    """One panel per loss term on a logarithmic scale: running mean, with the raw values faint behind it.

    Terms that are zero throughout (switched off) are left out.

    Args:
        csv_files: run → training.csv, in the order of the colours.

    Raises:
        UserError: a file is missing or broken, or none is given.
    """
    curves = {run: read_training(path) for run, path in csv_files.items()}
    terms = _terms(curves)
    if not terms:
        raise UserError("The figure 'training-curves' needs a training.csv with one positive loss at least.")
    columns = min(3, len(terms))
    rows = -(-len(terms) // columns)
    drawn = style.figure(height=1.2 + 2.5 * rows)
    grid = drawn.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    colours = style.colours(list(curves))
    for axes, term in zip(grid, terms, strict=False):
        for run, curve in curves.items():
            if term in curve and (curve[term] > 0).any():
                _curve(axes, curve["step"], curve[term], colours[run])
        axes.set_title(TITLES.get(term, term))
        axes.set_yscale("log")
        style.plain_log_ticks(axes)
        axes.grid(axis="y")
        sns.despine(ax=axes)
    _finish_grid(list(grid), len(terms), columns)
    handles = [Line2D([], [], color=colours[run], label=run) for run in curves]
    drawn.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    style.heading(
        drawn, title, "The loss and its unweighted terms. Strong lines: running mean; faint: single records."
    )
    still = [(run, degenerate.unmoved(degenerate.moved_in(path))) for run, path in csv_files.items()]
    style.warning(drawn, degenerate.sentence(degenerate.listed(still)))
    return drawn


def table(csv_files: Mapping[str, Path]) -> pd.DataFrame:
    """Steps, and each loss term's mean over the last fortieth of the training: one row per run."""
    curves = {run: read_training(path) for run, path in csv_files.items()}
    records = []
    for run, curve in curves.items():
        last = curve.tail(max(1, len(curve) // WINDOW))
        means = {TITLES.get(term, term): last[term].mean() for term in _terms({run: curve})}
        records.append({"run": run, "steps": int(curve["step"].iloc[-1]), **means})
    return pd.DataFrame(records).set_index("run")


def read_training(path: Path) -> pd.DataFrame:
    """A training.csv: columns step, epoch, learning_rate, grad_norm, loss and one for each loss term.

    Raises:
        UserError: the file is missing, is no CSV or lacks a column.
    """
    try:
        frame = pd.read_csv(path)
        if frame.empty or not {"step", "loss"} <= set(frame.columns):
            raise ValueError("no rows, or no column 'step' or 'loss'")
        return pd.DataFrame({name: pd.to_numeric(frame[name]) for name in frame.columns})
    except FileNotFoundError as error:
        raise UserError(f"Training log {path} does not exist. Train the run first.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no training log ({error}). Train the run again.") from error


def _terms(curves: Mapping[str, pd.DataFrame]) -> list[str]:
    found = dict.fromkeys(
        column
        for curve in curves.values()
        for column in curve.columns
        if column not in NOT_LOSSES and (curve[column] > 0).any()
    )
    known = [term for term in TITLES if term in found]
    return known + [term for term in found if term not in TITLES]


def _curve(axes: Axes, steps: pd.Series[float], values: pd.Series[float], colour: object) -> None:
    positive = values.where(values > 0)
    smooth = positive.rolling(max(1, len(values) // WINDOW), center=True, min_periods=1).mean()
    every = max(1, len(values) // MOST_POINTS)
    axes.plot(steps[::every], positive[::every], color=colour, alpha=0.25, linewidth=0.7)
    axes.plot(steps[::every], smooth[::every], color=colour)


def _finish_grid(grid: list[Axes], used: int, columns: int) -> None:
    for place, axes in enumerate(grid):
        if place >= used:
            axes.set_visible(False)
        elif place + columns >= used:  # nothing below it
            axes.set_xlabel("optimizer step")
            axes.tick_params(labelbottom=True)
