"""The posterior hole of every model of a study, below each other, and the page on which they are switched."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from sphere_repro.data.archive import ImageArchive
from sphere_repro.errors import UserError
from sphere_repro.figures import style
from sphere_repro.figures.draw import need, titled
from sphere_repro.figures.posterior_hole import BLOCKS, distance_of, panel, present, ratio
from sphere_repro.figures.samples import open_alike
from sphere_repro.results.scores import RunScores, metric_label, of_runs, read_scores
from sphere_repro.study.architecture import KIND_NAMES

NAMES = {kind: words.partition(" ")[2] for kind, words in KIND_NAMES.items()}  # without their article
ON_PAGE = (3, 5)  # rows and columns of images in each panel
IN_FIGURE = (1, 4)
LARGEST = 128  # pixels of an image on the page: a dozen models at 256 would be a hundred megabytes
QUALITY = 92  # of JPEGs; images of LARGEST / 2 and less are kept as they are


@dataclass(frozen=True)
class Shown:
    """One model: its scores, its dataset's archive, and its sample sets by name."""

    scores: RunScores
    real: ImageArchive
    sets: Mapping[str, ImageArchive]

    @property
    def columns(self) -> tuple[tuple[str, str | None, int], ...]:
        """Title, set (None: the inputs) and share of each column, as in the figure 'posterior-hole'."""
        block = BLOCKS["Sphere Encoder" if self.scores.kind == "sphere" else "VAE"]
        return tuple((title, present(self.sets, wanted), share) for title, wanted, share in block)

    @property
    def kind(self) -> str:
        return NAMES.get(self.scores.kind, self.scores.kind)


def figure(inputs: Mapping[str, Path], subject: str = "") -> Figure:
    """Drawn from `RUN.real`, `RUN.scores` and `RUN.SET` of each run."""
    return draw(_read(inputs), titled("Posterior hole by model", subject))


def numbers(inputs: Mapping[str, Path]) -> pd.DataFrame:
    """The distance of each model's columns from the real images, and its ratio to the reconstructions."""
    rows = []
    for name, scores in _scores(inputs).items():
        base = scores.find("reconstruction")
        sets = [key.partition(".")[2] for key in inputs if key.startswith(f"{name}.")]
        for score in (found for each in sets if (found := scores.find(each))):
            rows.append(
                {"run": name, "model": NAMES.get(scores.kind, scores.kind), "dataset": scores.dataset}
                | {"set": score.set, "images": score.count, "metric": metric_label(scores.metric)}
                | {"distance": score.frechet, "standard error": score.frechet_se}
                | {"ratio to the reconstruction": ratio(scores, score, base)}
            )
    return pd.DataFrame(rows)


def page(inputs: Mapping[str, Path], subject: str = "") -> str:
    """One self-contained HTML page: one model at a time, chosen by buttons, arrow keys or a swipe."""
    data = {
        "title": titled("Posterior hole by model", subject),
        "models": [_on_page(name, shown) for name, shown in _read(inputs).items()],
    }
    template = resources.files("sphere_repro.figures").joinpath("posterior_hole_models.html")
    # "</" would end the script
    text = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    return template.read_text(encoding="utf-8").replace("__DATA__", text)


@style.house()
def draw(models: Mapping[str, Shown], title: str = "Posterior hole by model") -> Figure:
    """A row for each model: inputs, reconstructions, and decodes of random latents, with their distances."""
    height = style.WIDTH / 4 / IN_FIGURE[1] + 0.42
    drawn = style.figure(height=0.6 + len(models) * height)
    grid = drawn.subplots(len(models), 4, squeeze=False)
    for row, (name, shown) in zip(grid, models.items(), strict=True):
        for axes, (heading, wanted, share) in zip(row, shown.columns, strict=True):
            style.show_montage(axes, panel(shown.real, shown.sets, wanted, share, IN_FIGURE))
            guided = ", guided" if wanted and wanted.startswith("generation-1-") else ""
            axes.set_title(heading + guided + distance_of(shown.scores, wanted), fontsize=8)
        row[0].set_ylabel(f"{name}\n{shown.kind}", fontsize=8)
    measures = dict.fromkeys(metric_label(shown.scores.metric) for shown in models.values())
    style.heading(drawn, title, f"Above the panels: {' / '.join(measures)} ± standard error.")
    style.warning(drawn, of_runs(shown.scores for shown in models.values()))
    return drawn


def _scores(inputs: Mapping[str, Path]) -> dict[str, RunScores]:
    found = {
        key.partition(".")[0]: read_scores(path) for key, path in inputs.items() if key.endswith(".scores")
    }
    if not found:
        raise UserError("The figure 'posterior-hole-models' needs RUN.scores=PATH of one run at least.")
    return found


def _read(inputs: Mapping[str, Path]) -> dict[str, Shown]:
    """Every model by its run's name.

    Raises:
        UserError: a file is missing, broken, or of another resolution than the others of its run.
    """
    models = {}
    for name, scores in _scores(inputs).items():
        real = need(inputs, f"{name}.real")
        own = {
            key.partition(".")[2]: path
            for key, path in inputs.items()
            if key.startswith(f"{name}.") and key not in (f"{name}.real", f"{name}.scores")
        }
        opened = open_alike([real, *own.values()])
        models[name] = Shown(scores, opened[real], {key: opened[path] for key, path in own.items()})
    return models


def _on_page(name: str, shown: Shown) -> dict[str, Any]:
    scores = shown.scores
    return {
        "name": name,
        "kind": shown.kind,
        "dataset": scores.dataset,
        "metric": metric_label(scores.metric),
        "columns": [
            {
                "title": heading,
                "set": wanted or "the dataset",
                "distance": distance_of(scores, wanted).strip(),
                "image": _picture(panel(shown.real, shown.sets, wanted, share, ON_PAGE)),
            }
            for heading, wanted, share in shown.columns
        ],
    }


def _picture(images: style.Images) -> str:
    """Images (R, C, H, W, 3) side by side, as the address of a picture that holds its own bytes."""
    rows, columns, side = images.shape[:3]
    joined = images.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 3)
    picture, data = Image.fromarray(np.ascontiguousarray(joined)), io.BytesIO()
    if side <= LARGEST // 2:
        picture.save(data, "PNG", optimize=True)
        kind = "png"
    else:
        size = min(side, LARGEST)
        shrunk = picture.resize((columns * size, rows * size), Image.Resampling.LANCZOS)
        shrunk.save(data, "JPEG", quality=QUALITY)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
