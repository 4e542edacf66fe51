"""The tables of the paper, from this study's results: each as CSV, Markdown and LaTeX.

Published numbers stand beside ours where all that is stated of them agrees (`expected`), and nowhere else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sphere_repro.errors import UserError, nearest
from sphere_repro.machine.files import write_text
from sphere_repro.results.degenerate import NO_SPREAD
from sphere_repro.results.image_numbers import image_set_cells
from sphere_repro.results.scores import read_uniformity, set_label
from sphere_repro.results.tables import read_table, rounded, with_error
from sphere_repro.results.verdicts import Number
from sphere_repro.study.paper_tables import FORMATS
from sphere_repro.study.replicates import name_of

Row = Mapping[str, str]
USUAL = ("fixed", "shared")  # the paper's scheme


@dataclass(frozen=True)
class Measured:
    """A number with its standard error, both as the table of all scores has them; empty where it has none."""

    value: str
    se: str = ""


Cell = str | Measured
Line = Mapping[str, Cell]


@dataclass(frozen=True)
class Table:
    """What a table shows, in the words under its heading, and its lines."""

    title: str
    lines: Sequence[Line]


def paper_tables(
    table: Path,
    uniformity: Sequence[Path],
    names: Iterable[str],
    folder: Path,
    images: Sequence[Path] = (),
) -> None:
    """Write each table called in `names` as `folder`/NAME.csv, .md and .tex.

    Args:
        table: the CSV of `tables.fid_table`.
        uniformity: JSON files of `metrics.uniformity`, in the order of their lines.
        images: records of the runs' image sets, in the order of their lines.
        names: as `study.paper_tables.table_names` gives them.

    Raises:
        UserError: no table is called so; a file is missing or is not what it should be.
    """
    rows = [row | {"run": name_of(row["run"], int(row["replicate"]))} for row in read_table(table)]
    for name in names:
        found = _of(name, rows, uniformity, images)
        for suffix, text in zip(FORMATS, (as_csv(found), as_markdown(found), as_latex(found)), strict=True):
            write_text(folder / f"{name}.{suffix}", text)


def _of(name: str, rows: Sequence[Row], uniformity: Sequence[Path], images: Sequence[Path]) -> Table:
    if name == "uniformity":
        return of_uniformity(uniformity)
    if name == "image-sets":
        return of_image_sets(images)
    if name.startswith("scores-"):
        archive = name.removeprefix("scores-")
        return of_dataset(archive, [row for row in rows if row["dataset"] == archive])
    made: Mapping[str, Callable[[Sequence[Row]], Table]] = {
        "schemes": of_schemes,
        "guidance": of_guidance,
        "posterior-hole": of_posterior_hole,
    }
    if name not in made:
        raise UserError(f"No table is called '{name}'{nearest(name, ['uniformity', 'image-sets', *made])}.")
    return made[name](rows)


def of_dataset(archive: str, rows: Sequence[Row]) -> Table:
    """Every set of one dataset, as the paper's tables of CIFAR-10, ImageNet, Animal-Faces and Flowers."""
    lines: list[Line] = [
        {
            "run": row["run"],
            "set": set_label(row["set"]),
            "images": row["count"],
            "measure": row["metric"],
            "distance": Measured(row["frechet"], row["frechet_se"]),
            "mean of trainings": Measured(row["frechet_mean"]) if row["trainings"] != "1" else "",
            "their deviation": Measured(row["frechet_deviation"]) if row["trainings"] != "1" else "",
            "published distance": row["published_frechet"],
            "IS": Measured(row["inception_score"]),
            "published IS": row["published_inception_score"],
            "precision": Measured(row["precision"]),
            "recall": Measured(row["recall"]),
            "PSNR, dB": Measured(row["psnr"]),
            "SSIM": Measured(row["ssim"]),
            "SSIM's window, px": row["ssim_window"],
            "LPIPS": Measured(row["lpips"]),
            "says nothing": row["degenerate"],
        }
        for row in rows
    ]
    missing = dict.fromkeys(row["lpips_missing"] for row in rows if row["lpips_missing"])
    told = "".join(f" No LPIPS: {why}." for why in missing)
    return Table(f"Sample sets of {archive}: distance to the real images ± one standard error.{told}", lines)


def of_schemes(rows: Sequence[Row]) -> Table:
    """Strength and sharing of the later noise against the number of steps (the paper's Tables 5 and 6)."""
    key = ("run", "measure", "guidance", "strength", "noise")
    single = {_same_model(row): row for row in rows if _steps(row) == 1}
    found: dict[tuple[str, ...], dict[int, Row]] = {}
    for row in rows:
        if _steps(row) > 1:
            of = found.setdefault((*_same_model(row), row["strength"], row["noise"]), {})
            of[_steps(row)] = row
            of.update({1: single[_same_model(row)]} if _same_model(row) in single else {})
    return Table("Distance by scheme and number of steps ± one standard error.", _by_steps(key, found))


def of_guidance(rows: Sequence[Row]) -> Table:
    """Position and scale of guidance against the number of steps, by the paper's scheme."""
    found: dict[tuple[str, ...], dict[int, Row]] = {}
    guided = {row["run"] for row in rows if row["guidance_position"]}
    for row in rows:
        usual = _steps(row) == 1 or (row["strength"], row["noise"]) == USUAL
        if row["run"] in guided and _steps(row) and usual:
            place = (row["run"], row["metric"], row["guidance_position"] or "none", row["guidance_scale"])
            found.setdefault(place, {})[_steps(row)] = row
    key = ("run", "measure", "guidance", "scale")
    title = "Distance by guidance and number of steps (fixed strength, shared noise) ± one standard error."
    return Table(title, _by_steps(key, found))


def of_posterior_hole(rows: Sequence[Row]) -> Table:
    """Reconstructions beside draws, of Sphere Encoders and of VAEs on the same images; draws unguided."""
    datasets = {row["dataset"] for row in rows if row["model"] != "sphere"}
    columns: dict[str, Callable[[Row], bool]] = {
        "reconstructions": lambda row: row["kind"] == "reconstruction",
        "random points, 1 step": lambda row: _steps(row) == 1 and not row["guidance_position"],
        "prior": lambda row: row["kind"] == "prior",
        "estimated posterior": lambda row: row["kind"] == "posterior",
    }
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["dataset"] in datasets:
            groups.setdefault((row["dataset"], row["run"], row["metric"]), []).append(row)
    lines = []
    places = list(dict.fromkeys(dataset for dataset, _, _ in groups))  # runs of one dataset under each other
    for (dataset, run, metric), own in sorted(groups.items(), key=lambda item: places.index(item[0][0])):
        line: dict[str, Cell] = {"dataset": dataset, "run": run, "model": own[0]["model"], "measure": metric}
        for head, belongs in columns.items():
            chosen = next((row for row in own if belongs(row)), None)
            line[head] = Measured(chosen["frechet"], chosen["frechet_se"]) if chosen else ""
        lines.append(line | {"floor": Measured(own[0]["floor"])})
    return Table("Reconstructions against draws: distance ± one standard error.", lines)


def of_uniformity(paths: Sequence[Path]) -> Table:
    """Statistics of latents and their controls in all dimensions of the sphere."""
    lines: list[Line] = []
    for path in paths:
        found = read_uniformity(path)
        for cloud in found["clouds"].values():
            overall = cloud["overall"]
            length, cosine, spread = (
                overall[key] for key in ("mean_resultant_length", "mean_cosine", "anisotropy")
            )
            lines.append(
                {
                    "run": found["run"],
                    "cloud": cloud["title"],
                    "points": str(overall["count"]),
                    "dimension": str(overall["dimension"]),
                    "mean resultant length": Measured(f"{length['value']:.6g}"),
                    "of uniform points": Measured(f"{length['null_mean']:.6g}"),
                    "p": f"{length['p']:.3g}",
                    "mean cosine": Measured(f"{cosine['value']:.6g}", f"{cosine['se']:.6g}"),
                    "anisotropy (uniform: 1)": Measured(f"{spread['value']:.6g}", f"{spread['se']:.6g}"),
                    "effective dimension": Measured(f"{overall['effective_dimension']:.6g}"),
                }
            )
    return Table("Latents on the sphere, in all its dimensions, ± one standard error.", lines)


def of_image_sets(records: Sequence[Path]) -> Table:
    """Edits, crossovers, interpolations and repeated passes, by what claims judge them."""
    lines = [
        {head: _measured(cell) if isinstance(cell, Number) else cell for head, cell in cells.items()}
        for cells in image_set_cells(records)
    ]
    title = "Image sets after the last step or pass: means over images, pairs or paths ± one standard error."
    return Table(title, lines)


def as_csv(table: Table) -> str:
    """Values and standard errors in columns of their own, as many digits as the results have."""
    text = io.StringIO()
    heads = _heads(table)
    with_se = {head for head in heads for line in table.lines if _se(line.get(head, ""))}
    columns = [column for head in heads for column in ([head, f"{head} se"] if head in with_se else [head])]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for line in table.lines:
        values = {head: cell.value if isinstance(cell, Measured) else cell for head, cell in line.items()}
        writer.writerow(values | {f"{head} se": _se(line.get(head, "")) for head in with_se})
    return text.getvalue()


def as_markdown(table: Table) -> str:
    """The title, and the lines under their heads; columns that are empty throughout are left out."""
    heads = _filled(table)
    lines = [
        heads,
        ["---"] * len(heads),
        *([_words(line.get(head, "")) for head in heads] for line in table.lines),
    ]
    return f"{table.title}\n\n" + "".join("| " + " | ".join(line) + " |\n" for line in lines)


def as_latex(table: Table) -> str:
    """A tabular for a paper that loads booktabs; columns that are empty throughout are left out."""
    heads = _filled(table)
    frame = pd.DataFrame(
        [[_words(line.get(head, "")) for head in heads] for line in table.lines], columns=heads
    )
    body: str = frame.to_latex(index=False, escape=True)
    return f"% {table.title}\n" + body.replace("±", "$\\pm$").replace("é", "\\'e")


def _measured(number: Number) -> Measured:
    """Without its error where that is nothing, or is not known of a single image."""
    error = number.se if number.se > NO_SPREAD * abs(number.value) else 0.0
    return Measured(f"{number.value:.6g}", f"{error:.6g}" if error else "")


def _by_steps(key: Sequence[str], found: Mapping[tuple[str, ...], Mapping[int, Row]]) -> list[Line]:
    """A line for each entry of `found`, a column for each number of steps that any has."""
    steps = sorted({count for of in found.values() for count in of})
    return [
        dict(zip(key, place, strict=True))
        | {
            f"{count} step{'s' if count > 1 else ''}": (
                Measured(of[count]["frechet"], of[count]["frechet_se"]) if count in of else ""
            )
            for count in steps
        }
        for place, of in found.items()
    ]


def _same_model(row: Row) -> tuple[str, str, str]:
    guidance = f"{row['guidance_position']} {row['guidance_scale']}" if row["guidance_position"] else "none"
    return row["run"], row["metric"], guidance


def _steps(row: Row) -> int:
    """0 for what is no generation."""
    return int(row["steps"]) if row["kind"] == "generation" else 0


def _heads(table: Table) -> list[str]:
    return list(dict.fromkeys(head for line in table.lines for head in line))


def _filled(table: Table) -> list[str]:
    return [head for head in _heads(table) if any(_words(line.get(head, "")) for line in table.lines)]


def _se(cell: Cell) -> str:
    return cell.se if isinstance(cell, Measured) else ""


def _words(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return with_error(cell.value, cell.se) if cell.se else rounded(cell.value)
