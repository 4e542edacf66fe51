"""Every figure, drawn from small synthetic results: it renders, it is reproducible, its words are right."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from conftest import ROOT
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.errors import UserError
from sphere_repro.figures import (
    cost,
    distance_by_steps,
    globes,
    posterior_hole,
    samples,
    samples_curated,
    spherification,
    style,
    training_curves,
    uniformity,
)
from sphere_repro.metrics import uniformity as statistics
from sphere_repro.results.rivals import load_rivals
from sphere_repro.results.trainings import read_means
from sphere_repro.sampling.noising import noised
from sphere_repro.sphere import spherify
from sphere_repro.study import config

GENERATIONS = {
    "generation-1": (1, None, None),
    "generation-2-fixed-shared": (2, "fixed", "shared"),
    "generation-4-fixed-shared": (4, "fixed", "shared"),
    "generation-4-linear-independent": (4, "linear", "independent"),
}
METRIC = "frechet-efficientnet-lite0-128px-bicubic"
LARGEST_PDF = 1_000_000  # bytes


def archive(path: Path, count: int = 40, size: int = 8, seed: int = 0, classes: int = 4) -> Path:
    images = np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    write_archive(path, images, [index % classes for index in range(count)] if classes else None)
    return path


def score(
    name: str, kind: str, frechet: float, steps: int | None = None, **more: object
) -> dict[str, object]:
    return {
        "set": name,
        "kind": kind,
        "steps": steps,
        "count": 40,
        "frechet": frechet,
        "frechet_se": 2.0,
    } | more


def scores(path: Path, kind: str = "sphere", metric: str = METRIC, scale: float = 1.0) -> Path:
    if kind == "vae":
        records = [score("reconstruction", "reconstruction", 48), score("prior", "prior", 410)]
        records.append(score("posterior", "posterior", 300))
    else:
        records = [score("reconstruction", "reconstruction", 45 * scale, psnr=21.0)]
        for name, (steps, strength, noise) in GENERATIONS.items():
            distance = (300 - 40 * steps) * scale
            records.append(score(name, "generation", distance, steps, strength=strength, noise=noise))
    data = {"run": path.stem, "dataset": "digits-8px", "kind": kind, "metric": metric, "records": records}
    path.write_text(
        json.dumps(
            data | {"floor": {"frechet": 13.1, "count": 20}, "reference_count": 40, "classifier": None}
        )
    )
    return path


def latents(path: Path, classes: int, baseline: bool, alpha_max: float | None = None) -> Path:
    generator = np.random.default_rng(0)
    source = path.with_name("latents.npz")
    labels = np.arange(80) % max(1, classes)
    pixels = generator.uniform(-1, 0, (80, 27)).astype(np.float32)
    points = generator.standard_normal((80, 16))
    angles = {}
    if alpha_max is not None:
        points = spherify(torch.from_numpy(points).float()).numpy()
        angles = noised(points, alpha_max, (0,))
    np.savez(source, latents=points, labels=labels, pixels=pixels, **angles)
    statistics.uniformity(
        source,
        path,
        run="digits",
        classes=classes,
        settings=config.Uniformity(count=80, null_draws=20),
        seed=0,
        baseline=source if baseline else None,
        baseline_run="digits-vae" if baseline else None,
        alpha_max=alpha_max,
    )
    return path


def training(path: Path, terms: tuple[str, ...], rows: int = 50) -> Path:
    steps = np.arange(1, rows + 1)
    columns = {"step": steps, "epoch": steps / 5, "learning_rate": 1e-4, "grad_norm": 1.0, "loss": 2 / steps}
    pd.DataFrame(columns | dict.fromkeys(terms, 1 / steps) | {"lat_con": 0.0}).to_csv(path, index=False)
    return path


NUMBERS = ("", "_r1", "_r2")
Drawing = Callable[[Path], Figure]


def draw_samples(folder: Path) -> Figure:
    sets = {name: archive(folder / f"{name}.zip", seed=1) for name in ["reconstruction", *GENERATIONS]}
    return samples.draw(sets, archive(folder / "real.zip"))


def draw_posterior_hole(folder: Path) -> Figure:
    sphere = {name: archive(folder / f"{name}.zip") for name in ("reconstruction", "generation-1")}
    vae = {name: archive(folder / f"vae-{name}.zip") for name in ("reconstruction", "prior", "posterior")}
    found = posterior_hole.Scores(scores(folder / "a.json"), scores(folder / "b.json", "vae"))
    return posterior_hole.draw(archive(folder / "real.zip"), sphere, vae, found)


def draw_uniformity(folder: Path) -> Figure:
    return uniformity.draw(latents(folder / "uniformity.json", 4, baseline=True))


def draw_uniformity_without_classes(folder: Path) -> Figure:
    return uniformity.draw(latents(folder / "uniformity.json", 0, baseline=False))


def draw_globes(folder: Path) -> Figure:
    return globes.draw(latents(folder / "u.json", 4, baseline=True), folder / "u.npz")


def draw_globes_without_classes(folder: Path) -> Figure:
    return globes.draw(latents(folder / "u.json", 0, baseline=False), folder / "u.npz")


def draw_spherification(folder: Path) -> Figure:
    path = latents(folder / "u.json", 4, baseline=False, alpha_max=80.0)
    return spherification.figure({"result": path}, "digits")


def curated(folder: Path, classes: int = 12, kept: bool = True) -> dict[str, Path]:
    """Two sets of which images were chosen, and scores that say which."""
    inputs = {"generation-1": archive(folder / "one.zip", 60, seed=1, classes=classes)}
    inputs["generation-4-fixed-shared"] = archive(folder / "four.zip", 60, seed=2, classes=classes)
    data = json.loads(scores(folder / "scores.json").read_text())
    chosen = [
        {"class": label, "of": 5, "indices": [label + classes, label], "probability": [0.9, 0.75]}
        for label in range(3)
    ]
    for record in data["records"]:
        if record["kind"] == "generation":
            record["surest"] = chosen if kept and record["set"] in inputs else None
    data["classifier"] = {"accuracy": 0.97, "sees": "pixels"}
    (folder / "scores.json").write_text(json.dumps(data))
    return inputs | {"scores": folder / "scores.json"}


def draw_curated(folder: Path) -> Figure:
    return samples_curated.figure(curated(folder), "digits")


def draw_nothing_curated(folder: Path) -> Figure:
    return samples_curated.figure(curated(folder, kept=False), "digits")


def draw_distances(folder: Path) -> Figure:
    return distance_by_steps.draw([scores(folder / "digits.json"), scores(folder / "digits-vae.json", "vae")])


def draw_cost(folder: Path) -> Figure:
    found = [scores(folder / "digits.json"), scores(folder / "big.json", scale=1.2)]
    records = {path.stem: model_record(folder / f"{path.stem}.model.json") for path in found}
    return cost.draw(read_means(found), records, load_rivals(ROOT / "params/rivals.yaml"))


def model_record(path: Path) -> Path:
    dataset = {"name": "digits", "resolution": 8}
    model = {
        "encoder": {"width": 16, "layers": 1, "heads": 2},
        "decoder": {"width": 16, "layers": 1, "heads": 2},
    }
    job = {"dataset": dataset, "model": model | {"ratio": 1.5, "patch_size": 2, "pixel_head": "conv"}}
    path.write_text(json.dumps({"job": job, "parameter_count": 12_345}))
    return path


def draw_training(folder: Path) -> Figure:
    sphere = training(folder / "a.csv", ("pix_recon_l1", "pix_con_l1"))
    return training_curves.draw({"digits": sphere, "digits-vae": training(folder / "b.csv", ("kl",))})


DRAWINGS = [
    draw_samples,
    draw_posterior_hole,
    draw_uniformity,
    draw_uniformity_without_classes,
    draw_globes,
    draw_globes_without_classes,
    draw_spherification,
    draw_curated,
    draw_nothing_curated,
    draw_distances,
    draw_cost,
    draw_training,
]


def words(figure: Figure) -> str:
    found = [text.get_text() for text in figure.findobj(Text)]
    return "\n".join(text for text in found if isinstance(text, str))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_same_results_same_bytes_and_nothing_cut_off(draw: Drawing, tmp_path: Path) -> None:
    made = style.save(draw(tmp_path), tmp_path / "first.png")
    assert made == [tmp_path / "first.png", tmp_path / "first.pdf"]
    data, vectors = (path.read_bytes() for path in made)
    again = draw(tmp_path)
    assert data == style.png(again) and vectors == style.pdf(again)
    assert len(data) <= style.LARGEST_FILE and len(vectors) < LARGEST_PDF
    picture = Image.open(io.BytesIO(data))
    assert not picture.info.keys() & {"Software", "Creation Time", "date"}
    assert edge(picture).min() == 255


def test_pngs_have_200_dots_per_inch_and_pdfs_their_size_and_text(tmp_path: Path) -> None:
    """The PDF is read by hand: a page as large as the figure, words that are text, no time."""
    figure = draw_distances(tmp_path)
    picture = Image.open(io.BytesIO(style.png(figure)))
    assert picture.size == tuple((figure.get_size_inches() * 200).round().astype(int))
    data = style.pdf(figure)
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
    assert box and [float(value) for value in box.groups()] == pytest.approx(figure.get_size_inches() * 72)
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL)
    content = b"".join(map(inflated, streams))
    assert content.count(b"TJ") + content.count(b"Tj") > 10 and b"/Type0" in data and b"/Type3" not in data
    assert not re.search(rb"CreationDate|/Producer|/Creator|D:20\d\d", data)


def inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:  # not compressed
        return stream


def edge(picture: Image.Image) -> np.ndarray:
    """The outermost pixels, (n, 3): white where nothing is cut off."""
    pixels = np.asarray(picture.convert("RGB"))
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def test_curated_shows_the_chosen_images_and_says_that_they_are(tmp_path: Path) -> None:
    inputs = curated(tmp_path)
    figure = samples_curated.figure(inputs, "digits")
    text = words(figure)
    assert "Curated: the 2 of 5 per class that a classifier of real images is surest of" in text
    assert "It sees small pixels and is right on 97 % of real images held out." in text
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["1 step", "4 steps, fixed, shared"]
    grid = np.asarray(figure.axes[1].get_images()[0].get_array())
    four = ImageArchive(inputs["generation-4-fixed-shared"])
    size, factor = style.CELL + 4, style.CELL // 8
    for row, column, index in ((0, 0, 12), (0, 1, 0), (2, 0, 14)):
        cell = grid[row * size : row * size + style.CELL, column * size : column * size + style.CELL]
        assert np.array_equal(cell[::factor, ::factor], four.read(index))
    table = samples_curated.numbers(inputs).reset_index()
    assert len(table) == 2 * 3 * 2
    assert table.loc[table["set"] == "1 step", "index"].tolist() == [12, 0, 13, 1, 14, 2]
    assert table["probability"].tolist() == [0.9, 0.75] * 6


def test_without_a_classifier_nothing_is_curated_and_older_scores_are_refused(tmp_path: Path) -> None:
    inputs = curated(tmp_path, kept=False)
    assert "it hardly sees the classes itself" in words(samples_curated.figure(inputs, "digits"))
    assert samples_curated.numbers(inputs).empty
    data = json.loads(inputs["scores"].read_text())
    inputs["scores"].write_text(json.dumps(data | {"classifier": None}))
    assert "the real images have no classifier" in words(samples_curated.figure(inputs, "digits"))
    with pytest.raises(UserError, match="before curated images were kept"):
        samples_curated.figure({"scores": scores(tmp_path / "old.json")})


def test_spherification_has_the_law_beside_the_angles(tmp_path: Path) -> None:
    path = latents(tmp_path / "u.json", 4, baseline=False, alpha_max=80.0)
    table = spherification.numbers({"result": path}).reset_index()
    told = json.loads(path.read_text())["spherification"]
    for key, name in (("full", "full strength"), ("any", "any strength")):
        part = table[table["strength"] == name]
        assert part["share"].tolist() == told[key]["share"] and part["law"].tolist() == told[key]["law"]
    text = words(spherification.figure({"result": path}, "digits"))
    assert f"(Kolmogorov-Smirnov): {told['full']['distance']:.3f}" in text and "16 dimensions" in text
    with pytest.raises(UserError, match="says nothing of noise angles"):
        spherification.figure({"result": latents(tmp_path / "b.json", 4, baseline=False)})


def test_samples_rows_are_in_reading_order(tmp_path: Path) -> None:
    labels = [label.get_text() for label in draw_samples(tmp_path).axes[0].get_yticklabels()]
    assert labels == [
        "real",
        "reconstruction",
        "1 step",
        "2 steps\nfixed, shared",
        "4 steps\nfixed, shared",
        "4 steps\nlinear, independent",
    ]


def test_samples_name_the_classes_and_say_where_frequencies_differ(tmp_path: Path) -> None:
    images = np.zeros((40, 8, 8, 3), np.uint8)
    names = ["cat", "dog", "a very long name of a class", "cow"]
    write_archive(tmp_path / "real.zip", images, [0] * 30 + [1] * 4 + [2] * 3 + [3] * 3, names)
    write_archive(tmp_path / "drawn.zip", images, [0, 1, 2, 3] * 10, names)
    figure = samples.draw({"generation-1": tmp_path / "drawn.zip"}, tmp_path / "real.zip")
    words = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert words[:4] == ["cat", "dog", "a very long name …", "cow"]
    text = " ".join(words_of(figure)).replace("\n", " ")
    assert "Names above the columns are classes." in text
    assert "other frequencies than the dataset's: 50 % of the images differ" in text
    alike = samples.draw({"generation-1": tmp_path / "real.zip"}, tmp_path / "real.zip")
    assert "frequencies" not in " ".join(words_of(alike))


def test_uniformity_names_the_classes(tmp_path: Path) -> None:
    path = latents(tmp_path / "u.json", 3, baseline=False)
    plain = words_of(uniformity.draw(path))
    assert "cat" not in plain and "2" in plain
    with np.load(tmp_path / "latents.npz") as stored:
        np.savez(tmp_path / "named.npz", **stored, class_names=np.array(["cat", "dog", "a very long name"]))
    judged = config.Uniformity(count=80, null_draws=20)
    statistics.uniformity(tmp_path / "named.npz", path, run="r", classes=3, settings=judged, seed=0)
    assert json.loads(path.read_text())["class_names"] == ["cat", "dog", "a very long name"]
    assert {"all", "cat", "dog", "a very …"} <= set(words_of(uniformity.draw(path)))


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def test_samples_show_the_same_images_in_each_row(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip")
    figure = samples.draw({"generation-1": path, "generation-4-fixed-shared": path})
    grid = np.asarray(figure.axes[0].get_images()[0].get_array())
    half = grid.shape[0] // 2
    assert np.array_equal(grid[: half - 2], grid[half + 2 :])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [*"0123012301"]


def test_spread_takes_every_class_once_before_any_twice() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    assert samples.spread(labels, 8, 5) == [0, 3, 5, 1, 4]
    assert samples.spread(labels, 8, 2) == [0, 5]
    assert samples.spread(None, 8, 3) == [0, 1, 2]
    assert samples.spread(labels, 8, 50) == [0, 3, 5, 1, 4, 6, 2, 7]


def test_montage_enlarges_without_mixing_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 3, 8, 8, 3), dtype=np.uint8)
    canvas = style.montage(images, gap=4)
    factor = style.CELL // 8
    assert canvas.shape == (2 * style.CELL + 4, 3 * style.CELL + 8, 3)
    corner = canvas[style.CELL + 4 : 2 * style.CELL + 4 : factor, : style.CELL : factor]
    assert np.array_equal(corner, images[1, 0])


def test_posterior_hole_names_metric_and_distances(tmp_path: Path) -> None:
    text = words(draw_posterior_hole(tmp_path))
    assert "Fréchet distance (EfficientNet-Lite0, 128 px; not FID)" in text
    assert "draw from the prior\n410 ± 2" in text
    assert "random point of the sphere\n260 ± 2" in text


def test_posterior_hole_shows_different_random_points(tmp_path: Path) -> None:
    axes = draw_posterior_hole(tmp_path).axes
    panels = [np.asarray(panel.get_images()[0].get_array()) for panel in axes[:4]]
    assert not np.array_equal(panels[2], panels[3])


def test_posterior_hole_without_vae_or_scores(tmp_path: Path) -> None:
    sets = {
        name: archive(tmp_path / f"{name}.zip", classes=0)
        for name in ("reconstruction", "generation-1-combo2")
    }
    figure = posterior_hole.draw(archive(tmp_path / "real.zip", classes=0), sets, {})
    assert len(figure.axes) == 4
    with pytest.raises(UserError, match="needs the sample set 'prior'"):
        posterior_hole.draw(tmp_path / "real.zip", {}, {"reconstruction": sets["reconstruction"]})


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        (METRIC, "Fréchet distance\n(EfficientNet-Lite0, 128 px; not FID)"),
        ("fid-inception-clean", "FID\n(Inception, clean resize)"),
        ("fid-inception-legacy-tensorflow", "FID\n(Inception, legacy TensorFlow resize)"),
        ("frechet-other", "Fréchet distance\n(other; not FID)"),
    ],
)
def test_axis_names_the_metric(metric: str, label: str, tmp_path: Path) -> None:
    figure = distance_by_steps.draw([scores(tmp_path / "digits.json", metric=metric)])
    assert figure.axes[0].get_ylabel() == label


def test_distances_stand_where_they_were_measured(tmp_path: Path) -> None:
    axes = draw_distances(tmp_path).axes[0]
    line = next(line for line in axes.lines if len(line.get_xdata()) == 3)
    assert list(line.get_xdata()) == [1, 2, 4]
    assert list(line.get_ydata()) == [260, 220, 140]
    text = words(axes.get_figure())  # type: ignore[arg-type]
    for label in (
        "digits-vae: prior (410)",
        "digits: reconstruction (45)",
        "floor: 40 images of a perfect model (6.55)",
    ):
        assert label in text


def test_of_several_trainings_the_mean_stands_with_their_deviation(tmp_path: Path) -> None:
    files = [
        scores(tmp_path / f"digits{number}.json", scale=1 + 0.1 * place)
        for place, number in enumerate(NUMBERS)
    ]
    figure = distance_by_steps.draw([*files, scores(tmp_path / "digits-vae.json", "vae")])
    axes = figure.axes[0]
    line = next(line for line in axes.lines if len(line.get_xdata()) == 3)
    assert list(line.get_ydata()) == pytest.approx([1.1 * distance for distance in (260, 220, 140)])
    bars = next(bars for bars in axes.containers if len(bars.lines[0].get_xdata()) == 3)
    heights = [(top - bottom) / 2 for (_, bottom), (_, top) in bars.lines[2][0].get_segments()]
    assert heights == pytest.approx([0.1 * distance for distance in (260, 220, 140)])
    text = words(figure)
    assert "standard deviation between them: digits (3)." in text and "digits_r1" not in text
    assert "Of several trainings" not in words(draw_distances(tmp_path))
    table = distance_by_steps.table(files)
    assert list(table["trainings"]) == [3] * len(table)
    assert table["deviation between trainings"].iloc[0] == pytest.approx(4.5)


def test_fewer_images_are_named_beside_their_distance(tmp_path: Path) -> None:
    path = scores(tmp_path / "digits.json")
    data = json.loads(path.read_text())
    data["records"][0]["count"] = 25
    path.write_text(json.dumps(data))
    assert "digits: reconstruction of 25 images (45)" in words(distance_by_steps.draw([path]))
    real, copies = archive(tmp_path / "real.zip"), archive(tmp_path / "reconstruction.zip")
    figure = posterior_hole.draw(
        real, {"reconstruction": copies, "generation-1": copies}, {}, posterior_hole.Scores(path)
    )
    assert "sets of 25 to 40 images; 40 images of a perfect model: 6.55" in words(figure)
    ratio = posterior_hole.table(posterior_hole.Scores(path))["ratio to the reconstruction"].iloc[1]
    assert ratio == pytest.approx(260 / (45 - 131 * (1 / 25 - 1 / 40)))


def test_reconstructions_stand_below_the_images_they_are_of(tmp_path: Path) -> None:
    """Also where they are fewer than the images of a sorted archive."""
    labels = np.repeat(np.arange(5), 20)
    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)
    chosen = choose(100, 20)
    write_archive(tmp_path / "real.zip", images, labels)
    write_archive(tmp_path / "reconstruction.zip", images[chosen], labels[chosen])
    sets = {"reconstruction": tmp_path / "reconstruction.zip"}
    shown = np.asarray(samples.draw(sets, tmp_path / "real.zip").axes[0].get_images()[0].get_array())
    height = (len(shown) - 4) // 2  # the rows are four pixels apart
    np.testing.assert_array_equal(shown[:height], shown[-height:])
    hole = posterior_hole.draw(tmp_path / "real.zip", sets | {"generation-1": tmp_path / "real.zip"}, {})
    panels = [np.asarray(panel.get_images()[0].get_array()) for panel in hole.axes[:2]]
    np.testing.assert_array_equal(*panels)


def test_each_metric_has_its_own_panel(tmp_path: Path) -> None:
    files = [scores(tmp_path / "a.json"), scores(tmp_path / "b.json", metric="fid-inception-clean")]
    assert len(distance_by_steps.draw(files).axes) == 2


def test_crowded_labels_are_moved_apart() -> None:
    found = distance_by_steps.apart([0.1, 0.5, 0.51, 0.52, 0.9], 0.06)
    assert np.all(np.diff(found) >= 0.06 - 1e-6)
    assert found[0] == 0.1 and found[-1] == 0.9
    assert found[2] == pytest.approx(0.51, abs=0.01)


def test_training_panels_leave_out_terms_that_are_off(tmp_path: Path) -> None:
    titles = [axes.get_title() for axes in draw_training(tmp_path).axes if axes.get_visible()]
    assert titles == [
        "loss (weighted sum)",
        "reconstruction, smooth L1",
        "pixel consistency, smooth L1",
        "KL divergence per latent number",
    ]


def test_tables_hold_the_numbers(tmp_path: Path) -> None:
    vae = scores(tmp_path / "digits-vae.json", "vae")
    ratios = posterior_hole.table(posterior_hole.Scores(None, vae))["ratio to the reconstruction"]
    assert list(ratios) == pytest.approx([1, 410 / 48, 300 / 48])
    distances = distance_by_steps.table([vae])
    assert list(distances["distance"]) == [48, 410, 300]
    numbers = uniformity.table(latents(tmp_path / "u.json", 4, baseline=True))
    assert len(numbers) == 4 * 5
    assert training_curves.table({"a": training(tmp_path / "a.csv", ("kl",))}).loc["a", "steps"] == 50
    sets = {"generation-1": archive(tmp_path / "s.zip")}
    assert samples.table(sets, scores(tmp_path / "digits.json")).iloc[0, 1] == 260


def test_mistakes_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("{}")
    (tmp_path / "empty.csv").write_text("step,loss\n")
    with pytest.raises(UserError, match="needs one scores file"):
        distance_by_steps.draw([])
    with pytest.raises(UserError, match=r"empty\.json is no scores file"):
        distance_by_steps.draw([tmp_path / "empty.json"])
    with pytest.raises(UserError, match=r"empty\.json is no uniformity file"):
        uniformity.draw(tmp_path / "empty.json")
    with pytest.raises(UserError, match=r"empty\.csv is no training log"):
        training_curves.draw({"run": tmp_path / "empty.csv"})
    with pytest.raises(UserError, match=r"missing\.csv does not exist"):
        training_curves.draw({"run": tmp_path / "missing.csv"})
    with pytest.raises(UserError, match="needs one sample set"):
        samples.draw({})
    path = latents(tmp_path / "u.json", 0, baseline=False)
    path.with_suffix(".npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match="missing or damaged"):
        uniformity.draw(path)


def test_many_colours_are_given_up_only_where_that_makes_a_small_file(tmp_path: Path) -> None:
    """Points in many shades shrink to 256 colours; noise, the worst case for PNG, keeps all of its own."""
    shades = Image.open(io.BytesIO(style.png(shaded())))
    assert shades.mode == "P" and len(style.png(shaded())) <= style.LARGEST_FILE
    sets = {name: archive(tmp_path / f"{name}.zip", 8, 160, classes=0) for name in GENERATIONS}
    noise = style.png(samples.draw(sets))
    assert len(noise) > style.LARGEST_FILE and Image.open(io.BytesIO(noise)).mode != "P"


def shaded() -> Figure:
    figure = style.figure(10.0)
    rows = np.random.default_rng(0).random((4000, 2))
    figure.subplots().scatter(*rows.T, c=rows[:, 0], cmap="viridis", s=12, alpha=0.6, linewidths=0)
    return figure


@pytest.mark.parametrize("smallest", [0.5, 1e-3, 1e-12])
def test_logarithmic_axes_have_labels_whatever_they_span(smallest: float, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pd.DataFrame({"step": [1, 2, 3], "loss": [smallest, 0.7, 1.0]}).to_csv(path, index=False)
    figure = training_curves.draw({"digits": path})
    figure.canvas.draw()
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    shown = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert 2 <= len(shown) <= 12


def grey(path: Path, classes: int = 4) -> Path:
    write_archive(path, np.full((40, 8, 8, 3), 128, dtype=np.uint8), [i % classes for i in range(40)])
    return path


def test_samples_that_are_all_alike_are_told_under_the_figure(tmp_path: Path) -> None:
    assert "Degenerate" not in words(draw_samples(tmp_path))
    sets = {"generation-1": grey(tmp_path / "g.zip"), "reconstruction": archive(tmp_path / "r.zip", seed=1)}
    drawn = samples.draw(sets, archive(tmp_path / "real.zip"))
    (sentence,) = [text for text in words(drawn).splitlines() if text.startswith("Degenerate")]
    assert "1 step: its images are alike" in sentence and "reconstruction" not in sentence
    drawn.draw_without_rendering()
    assert drawn.get_supxlabel() and drawn.findobj(Text)


def test_scores_that_say_nothing_are_told_under_the_figure(tmp_path: Path) -> None:
    good = words(draw_distances(tmp_path)) + words(draw_posterior_hole(tmp_path))
    assert "Degenerate" not in good + words(draw_training(tmp_path))
    for name in ("digits", "a"):
        still = {"term": "pix_recon_l1", "first": 0.09, "last": 0.09}
        (tmp_path / "model.json").write_text(json.dumps({"moved": still}))
        assert scores(tmp_path / f"{name}.json").is_file()
    assert "its model learned nothing" in words(draw_distances(tmp_path)).replace("\n", " ")
    assert "its model learned nothing" in words(draw_posterior_hole(tmp_path)).replace("\n", " ")


def test_curves_that_hardly_move_are_told_under_the_figure(tmp_path: Path) -> None:
    frame = pd.DataFrame({"step": range(1, 41), "loss": 0.5, "pix_recon_l1": 0.1})
    frame.to_csv(tmp_path / "a.csv", index=False)
    drawn = training_curves.draw({"stamps": tmp_path / "a.csv"})
    assert "stamps: its loss pix_recon_l1 hardly moved (0.1 at first, 0.1 at last)" in words(drawn)
