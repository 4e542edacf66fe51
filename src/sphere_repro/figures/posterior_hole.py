"""The posterior hole (section 5): what a decoder makes of points that its encoder never sent there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import reconstructed
from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.figures.samples import open_alike, read, spread
from sphere_repro.results.counts import distances
from sphere_repro.results.scores import RunScores, SetScore, metric_label, of_runs, read_scores

# Block title → (column title, set name or None for the input, which share of the set's images).
BLOCKS: dict[str, tuple[tuple[str, str | None, int], ...]] = {
    "Sphere Encoder": (
        ("input", None, 0),
        ("reconstruction", "reconstruction", 0),
        ("random point of the sphere", "generation-1", 0),
        ("another random point", "generation-1", 1),
    ),
    "VAE": (
        ("input", None, 0),
        ("reconstruction", "reconstruction", 0),
        ("draw from the prior", "prior", 0),
        ("draw from the estimated posterior", "posterior", 0),
    ),
}


@dataclass(frozen=True)
class Scores:
    """Scores files of the two runs, where there are any."""

    sphere: Path | None = None
    vae: Path | None = None


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `real`, `sphere.SET`, `vae.SET`, `scores.sphere` and `scores.vae`."""
    sphere, vae = _under(inputs, "sphere."), _under(inputs, "vae.")
    title = titled("Posterior hole", subject)
    return draw(need(inputs, "real"), sphere, vae, _scores(inputs), title=title)


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """The distance of each column, from `scores.sphere` and `scores.vae`."""
    return table(_scores(inputs))


def _scores(inputs: Mapping[str, Path]) -> Scores:
    return Scores(inputs.get("scores.sphere"), inputs.get("scores.vae"))


def _under(inputs: Mapping[str, Path], prefix: str) -> dict[str, Path]:
    return {key.removeprefix(prefix): path for key, path in inputs.items() if key.startswith(prefix)}


@style.house()
def draw(
    real: Path,
    sphere_sets: Mapping[str, Path],
    vae_sets: Mapping[str, Path],
    scores: Scores | None = None,
    *,
    shape: tuple[int, int] = (3, 5),
    title: str = "Posterior hole",
) -> Figure:
    """Inputs, reconstructions, and decodes of random latents, of a Sphere Encoder above those of a VAE.

    A VAE's decoder knows the latents its encoder makes; draws from the prior fall into the holes between
    them. The estimated posterior is the normal distribution with the elementwise mean and deviation of the
    training latents.

    Args:
        real: archive of the dataset, of whose images (`choice.reconstructed`) those of `reconstruction` are.
        sphere_sets: 'reconstruction' and 'generation-1' → archive.
        vae_sets: 'reconstruction', 'prior' and 'posterior' → archive; empty leaves the block out.
        scores: scores files; the Fréchet distance of each set then stands above its images.
        shape: rows and columns of images in each panel.

    Raises:
        UserError: an archive is missing, broken or of another resolution than the others.
    """
    found = _read(scores)
    opened = open_alike([real, *sphere_sets.values(), *vae_sets.values()])
    blocks = {
        name: {key: opened[path] for key, path in sets.items()}
        for name, sets in {"Sphere Encoder": sphere_sets, "VAE": vae_sets}.items()
        if sets
    }
    if not blocks:
        raise UserError("The figure 'posterior-hole' needs the sample sets of one run at least.")
    room = style.WIDTH / 4 * shape[0] / shape[1]
    drawn = style.figure(height=0.5 + len(blocks) * (room + (0.45 if found else 0.28)))
    grid = drawn.subplots(len(blocks), 4, squeeze=False)
    for row, (name, sets) in zip(grid, blocks.items(), strict=True):
        for axes, (heading, wanted, share) in zip(row, BLOCKS[name], strict=True):
            set_name = present(sets, wanted)
            images = panel(opened[real], sets, set_name, share, shape)
            style.show_montage(axes, images)
            guided = ", guided" if set_name != wanted else ""
            axes.set_title(heading + guided + distance_of(found.get(name), set_name), fontsize=9.5)
        row[0].set_ylabel(name, fontsize=11, fontweight="bold")
    style.heading(drawn, title, _caption(found))
    style.warning(drawn, of_runs(found.values()))
    return drawn


def table(scores: Scores) -> pd.DataFrame:
    """Distance of each column from the real images, its standard error, its ratio to the reconstruction."""
    records = []
    for name, found in _read(scores).items():
        base = found.find("reconstruction")
        for set_name in dict.fromkeys(entry[1] for entry in BLOCKS[name] if entry[1]):
            score = found.find(present([record.set for record in found.records], set_name) or set_name)
            if score:
                label = metric_label(found.metric)
                records.append(
                    {"model": name, "set": set_name, "images": score.count}
                    | {label: score.frechet, "standard error": score.frechet_se}
                    | {"ratio to the reconstruction": ratio(found, score, base)}
                )
    return pd.DataFrame(records)


def ratio(run: RunScores, score: SetScore, base: SetScore | None) -> float:
    """How many times as far as the reconstructions, both as if of equally many images; else not a number."""
    if base is None:
        return float("nan")
    first, second = distances([(run, score), (run, base)])
    return first.value / second.value


def _read(scores: Scores | None) -> dict[str, RunScores]:
    paths = {"Sphere Encoder": scores.sphere, "VAE": scores.vae} if scores else {}
    return {name: read_scores(path) for name, path in paths.items() if path}


def panel(
    real: ImageArchive, sets: Mapping[str, ImageArchive], name: str | None, share: int, shape: tuple[int, int]
) -> style.Images:
    """Images of one column, uint8 (rows, columns, H, W, 3); `share` 1 takes others than `share` 0."""
    wanted = shape[0] * shape[1]
    if name in (None, "reconstruction"):
        rebuilt = _need(sets, "reconstruction")
        of = reconstructed(real, rebuilt)
        shown = spread(None if real.labels is None else real.labels[of], len(of), wanted)
        images = read(real, of[shown].tolist()) if name is None else read(rebuilt, shown)
    else:
        archive = _need(sets, name)
        indices = spread(archive.labels, len(archive), 2 * wanted)
        images = read(archive, indices[share * wanted : (share + 1) * wanted] or indices[:wanted])
    filled = np.full((wanted, *images.shape[1:]), 255, dtype=np.uint8)
    filled[: len(images)] = images
    return filled.reshape(*shape, *images.shape[1:])


def present(names: Iterable[str], wanted: str | None) -> str | None:
    """`wanted`, or the guided single-step set where only that was drawn."""
    found = list(names)
    guided = (name for name in found if wanted == "generation-1" and name.startswith("generation-1-"))
    return wanted if wanted in found else next(guided, wanted)


def _need(sets: Mapping[str, ImageArchive], name: str | None) -> ImageArchive:
    if name is None or name not in sets:
        raise UserError(
            f"The figure 'posterior-hole' needs the sample set '{name}'; it got: {', '.join(sets)}."
        )
    return sets[name]


def distance_of(found: RunScores | None, name: str | None) -> str:
    score = found.find(name) if found and name else None
    if score is None:
        return "\n" if found else ""
    return f"\n{score.frechet:.3g} ± {score.frechet_se:.1g}"


def _caption(found: Mapping[str, RunScores]) -> str:
    metrics = list(dict.fromkeys(metric_label(scores.metric) for scores in found.values()))
    if not metrics:
        return "Random points decode as well as encoded images only where the latent space has no holes."
    return f"Above the panels: {' / '.join(metrics)} ± standard error{_counts(found)}."


def _counts(found: Mapping[str, RunScores]) -> str:
    """How many images there are (fewer are a larger distance), and what a perfect model's would score."""
    sizes = sorted({score.count for scores in found.values() for score in scores.records})
    largest = sizes[-1]
    floor = next(
        (level for scores in found.values() if (level := scores.floor_of(largest)) is not None), None
    )
    unequal = f"; sets of {' to '.join(map(str, (sizes[0], largest)))} images" if len(sizes) > 1 else ""
    return unequal + (f"; {largest} images of a perfect model: {floor:.3g}" if floor is not None else "")
