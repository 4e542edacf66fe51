"""The tables of the paper, from this study's results: each as CSV, Markdown and LaTeX.

Published numbers stand beside ours where all that is stated of them agrees (`expected`), and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sphere_repro.errors import UserError, nearest
from sphere_repro.machine.files import write_text
from sphere_repro.results.ablation_table import of_ablation
from sphere_repro.results.cost import of_cost
from sphere_repro.results.degenerate import NO_SPREAD
from sphere_repro.results.image_numbers import image_set_cells
from sphere_repro.results.memorisation_table import of_memorisation
from sphere_repro.results.prior_gap_tables import of_posterior_gap, of_prior_emptiness
from sphere_repro.results.rivals import Rival, load_rivals
from sphere_repro.results.scores import RunScores, read_uniformity, set_label
from sphere_repro.results.table_formats import Cell, Line, Measured, Table, as_csv, as_latex, as_markdown
from sphere_repro.results.tables import read_table
from sphere_repro.results.trainings import read_means
from sphere_repro.results.verdicts import Number
from sphere_repro.study.paper_tables import ABLATION, FORMATS
from sphere_repro.study.replicates import name_of

Row = Mapping[str, str]
OTHERS = ("uniformity", "posterior-gap", "prior-emptiness", "image-sets", "memorisation", "cost")
USUAL = ("fixed", "shared")  # the paper's scheme


@dataclass(frozen=True)
class Sources:
    """Files that tables are made of.

    Attributes:
        table: the CSV of `tables.fid_table`.
        uniformity: JSON files of `metrics.uniformity`, in the order of their lines.
        images: records of the runs' image sets, in the order of their lines.
        scores: of every run, by the study's main extractor, the first run first; the records of the models
            lie beside them.
        rivals: other methods' published numbers; none are shown without it.
    """

    table: Path
    uniformity: Sequence[Path] = ()
    images: Sequence[Path] = ()
    scores: Sequence[Path] = ()
    rivals: Path | None = None

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The table's rows, further trainings under names of their own."""
        rows = read_table(self.table)
        return [row | {"run": name_of(row["run"], int(row["replicate"]))} for row in rows]

    @cached_property
    def runs(self) -> list[RunScores]:
        """The runs' scores, of several trainings their mean."""
        return read_means(self.scores)

    @cached_property
    def others(self) -> tuple[Rival, ...]:
        return load_rivals(self.rivals) if self.rivals else ()


def paper_tables(sources: Sources, names: Iterable[str], folder: Path) -> None:
    """Write each table called in `names` as `folder`/NAME.csv, .md and .tex.

    Args:
        sources: what they are made of.
        names: as `study.paper_tables.table_names` gives them.

    Raises:
        UserError: no table is called so; a file is missing or is not what it should be.
    """
    for name in names:
        found = _of(name, sources)
        for suffix, text in zip(FORMATS, (as_csv(found), as_markdown(found), as_latex(found)), strict=True):
            write_text(folder / f"{name}.{suffix}", text)


def _of(name: str, sources: Sources) -> Table:
    rows = sources.rows
    if name == "uniformity":
        return of_uniformity(sources.uniformity)
    if name == "posterior-gap":
        return of_posterior_gap(sources.uniformity)
    if name == "prior-emptiness":
        return of_prior_emptiness([run.path for run in sources.runs if run.ablation is None])
    if name == "image-sets":
        return of_image_sets(sources.images)
    if name == "memorisation":
        return of_memorisation(sources.scores)
    if name == "cost":
        return of_cost(sources.runs, sources.others, rows)
    if name.startswith(ABLATION):
        return of_ablation(name.removeprefix(ABLATION), sources.runs, rows)
    if name.startswith("scores-"):
        archive = name.removeprefix("scores-")
        return of_dataset(archive, [row for row in rows if row["dataset"] == archive])
    made: Mapping[str, Callable[[Sequence[Row]], Table]] = {
        "schemes": of_schemes,
        "guidance": of_guidance,
        "posterior-hole": of_posterior_hole,
    }
    if name not in made:
        raise UserError(f"No table is called '{name}'{nearest(name, [*OTHERS, *made])}.")
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
    """Reconstructions beside draws, of Sphere Encoders and of their baselines; draws unguided."""
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


def _measured(number: Number) -> Measured:
    """Without its error where that is nothing, or is not known of a single image."""
    error = number.se if number.se > NO_SPREAD * abs(number.value) else 0.0
    return Measured(f"{number.value:.6g}", f"{error:.6g}" if error else "")


def _by_steps(key: Sequence[str], found: Mapping[tuple[str, ...], Mapping[int, Row]]) -> list[Line]:
    """A line for each entry of `found`, a column for each number of steps that any has."""
    steps = sorted({count for of in found.values() for count in of})
    known = {count for of in found.values() for count, row in of.items() if row["published_frechet"]}
    return [
        dict(zip(key, place, strict=True))
        | {
            head: cell
            for count in steps
            for head, cell in _of_steps(count, of.get(count), published=count in known).items()
        }
        for place, of in found.items()
    ]


def _of_steps(count: int, row: Row | None, *, published: bool) -> dict[str, Cell]:
    """The cells of one number of steps, empty where it was not drawn; a published one where any is known."""
    head = f"{count} step{'s' if count > 1 else ''}"
    ours: dict[str, Cell] = {head: Measured(row["frechet"], row["frechet_se"]) if row else ""}
    return ours | ({f"{head}, published": row["published_frechet"] if row else ""} if published else {})


def _same_model(row: Row) -> tuple[str, str, str]:
    guidance = f"{row['guidance_position']} {row['guidance_scale']}" if row["guidance_position"] else "none"
    return row["run"], row["metric"], guidance


def _steps(row: Row) -> int:
    """0 for what is no generation."""
    return int(row["steps"]) if row["kind"] == "generation" else 0
