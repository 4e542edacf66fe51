"""The figures of curves: refinement by scheme, guidance by position, noise angle, length of training."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.errors import UserError
from sphere_repro.figures import guidance, noise_angle, refinement, style, training_length

METRIC = "frechet-efficientnet-lite0-128px-bicubic"
Sets = dict[tuple[int, str | None, str | None, float, str | None], float]


def named(steps: int, strength: str | None, noise: str | None, scale: float, position: str | None) -> str:
    guided = f"-{position}{scale:g}" if scale > 1 else ""
    return "-".join(filter(None, [f"generation-{steps}", strength, noise])) + guided


def scored(path: Path, sets: Sets, **changes: Any) -> Path:
    keys = ("steps", "strength", "noise", "guidance_scale", "guidance_position")
    rebuilt = {"set": "reconstruction", "kind": "reconstruction", "count": 40, "frechet": 50, "frechet_se": 1}
    records = [rebuilt] + [
        {"set": named(*about), "kind": "generation", "count": 40, "frechet": far, "frechet_se": 2.0}
        | dict(zip(keys, about, strict=True))
        for about, far in sets.items()
    ]
    data = {"run": path.stem, "dataset": "digits-8px", "kind": "sphere", "metric": METRIC, "records": records}
    path.write_text(json.dumps(data | {"classifier": None} | changes))
    return path


def plain(steps: int, strength: str = "fixed", noise: str = "shared") -> Any:
    return (steps, None, None, 1.0, None) if steps == 1 else (steps, strength, noise, 1.0, None)


SCHEMES: Sets = {
    plain(1): 300,
    **{plain(steps): 300 - 20 * steps for steps in (2, 4, 8)},
    **{plain(steps, "linear"): 310 - 10 * steps for steps in (2, 4)},
    plain(4, "fixed", "initial"): 260,
    (4, "fixed", "shared", 2.0, "combo"): 90,
}


def archive(path: Path, seed: int) -> Path:
    images = np.random.default_rng(seed).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    write_archive(path, images, [index % 4 for index in range(12)])
    return path


def refined(folder: Path) -> dict[str, Path]:
    sets = {
        named(*about): archive(folder / f"{place}.zip", place)
        for place, about in enumerate(SCHEMES)
        if about[0] != 8
    }
    return {**sets, "scores": scored(folder / "digits.json", SCHEMES)}


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def line(axes: Axes, label: str) -> list[tuple[float, float]]:
    """Points of the line called `label`, without the shift that keeps marks apart."""
    bars = next(each for each in axes.containers if each.get_label() == label)
    return [(round(float(x)), float(y)) for x, y in zip(*bars.lines[0].get_data(), strict=True)]


def test_each_scheme_has_a_line_that_begins_with_a_single_step(tmp_path: Path) -> None:
    axes = refinement.figure(refined(tmp_path), "digits").axes[0]
    assert line(axes, "fixed, shared") == [(1, 300), (2, 260), (4, 220), (8, 140)]
    assert line(axes, "linear, shared") == [(1, 300), (2, 290), (4, 270)]
    assert line(axes, "fixed, initial") == [(1, 300), (4, 260)]
    assert "reconstructions" in {each.get_label() for each in axes.lines}


def test_the_strip_shows_the_same_seeds_and_leaves_white_what_is_not_there(tmp_path: Path) -> None:
    inputs = refined(tmp_path)
    below = refinement.figure(inputs).axes[1]
    shown = np.asarray(below.get_images()[0].get_array())
    cell = 96 + 4
    assert [label.get_text() for label in below.get_yticklabels()] == [
        *("fixed, shared", "linear, shared", "fixed, initial")
    ]
    columns = [label.get_text() for label in below.get_xticklabels()]
    assert columns == ["1", "2", "4"] * 4  # four seeds; the images of eight steps are not at hand

    def at(row: int, column: int) -> Any:
        return shown[row * cell : row * cell + 96, column * cell : column * cell + 96][::12, ::12]

    first, second = (ImageArchive(inputs["generation-4-fixed-shared"]).read(index) for index in (0, 1))
    np.testing.assert_array_equal(at(0, 2), first)
    np.testing.assert_array_equal(at(0, 6), second)  # behind the empty column
    single = ImageArchive(inputs["generation-1"]).read(0)
    for row in range(3):
        np.testing.assert_array_equal(at(row, 0), single)
    assert (at(2, 1) == 255).all()  # no initial noise with two steps


def test_refinement_is_of_the_first_guidance_and_its_numbers_are_the_points(tmp_path: Path) -> None:
    table = refinement.numbers(refined(tmp_path))
    assert len(table) == 4 + 3 + 2 and 90 not in set(table["distance"])
    assert "guidance" not in words(refinement.figure(refined(tmp_path)))
    guided = {(*about[:3], 2.0, "combo"): far for about, far in SCHEMES.items() if about[3] == 1}
    files = {"scores": scored(tmp_path / "guided.json", guided | {plain(3): 1.0})}
    assert "guidance combo 2" in words(refinement.figure(files))
    assert set(refinement.numbers(files)["steps"]) == {1, 2, 4, 8}


def test_several_trainings_are_their_mean(tmp_path: Path) -> None:
    far = {about: value + 10 for about, value in SCHEMES.items()}
    files = {
        "scores": scored(tmp_path / "digits.json", SCHEMES),
        "scores_r1": scored(tmp_path / "digits_r1.json", far),
    }
    table = refinement.numbers(files)
    assert table["distance"].iloc[0] == 305 and table["trainings"].iloc[0] == 2
    assert table["deviation between trainings"].iloc[0] == pytest.approx(50**0.5)
    assert "Of several trainings" in words(refinement.figure(files))


GUIDED: Sets = {
    plain(1): 300,
    plain(4): 200,
    (1, None, None, 2.0, "dec"): 250,
    (1, None, None, 3.0, "dec"): 260,
    (4, "fixed", "shared", 3.0, "enc"): 180,
    (4, "fixed", "shared", 2.0, "enc"): 190,
    (4, "fixed", "shared", 2.0, "dec"): 150,
    (4, "linear", "shared", 2.0, "dec"): 1,
    (2, "fixed", "shared", 2.0, "combo"): 1,
}


def test_guidance_has_a_panel_for_each_step_and_a_line_for_each_position(tmp_path: Path) -> None:
    figure = guidance.figure({"scores": scored(tmp_path / "digits.json", GUIDED)}, "digits")
    one, four = figure.axes
    assert (one.get_title(loc="left"), four.get_title(loc="left")) == ("1 step", "4 steps")
    assert line(one, "decoder") == [(1, 300), (2, 250), (3, 260)]
    assert line(four, "encoder") == [(1, 200), (2, 190), (3, 180)]
    assert line(four, "decoder") == [(1, 200), (2, 150)]
    assert "A single step has guidance of the decoder alone" in words(figure)
    table = guidance.numbers({"scores": tmp_path / "digits.json"})
    assert list(table["position"]) == ["none", "dec", "dec", "none", "enc", "enc", "dec"]
    assert 1 not in set(table["distance"])


ANGLES = {"baseline": (80, 200.0), "angle-87": (87, 250.0), "angle-75": (75, 215.0)}


def angled(folder: Path) -> dict[str, Path]:
    found = {}
    for run, (degrees, far) in ANGLES.items():
        sets: Sets = {plain(1): far + 100, plain(4): far} | ({plain(8): 1.0} if run == "baseline" else {})
        found[run] = scored(folder / f"{run}.json", sets)
        record = folder / f"model-{run}.json"
        job = {"loss": {"alpha_max": degrees}} if run != "angle-75" else {"alpha_max": degrees}
        record.write_text(json.dumps({"job": job}))
        found[f"model.{run}"] = record
    return found


def test_the_angle_stands_where_the_model_was_trained_with_its_ratio_above(tmp_path: Path) -> None:
    figure = noise_angle.figure(angled(tmp_path))
    axes = figure.axes[0]
    assert line(axes, "4 steps, fixed, shared") == [(75, 215), (80, 200), (87, 250)]
    assert line(axes, "1 step") == [(75, 315), (80, 300), (87, 350)]
    assert not any(each.get_label().startswith("8 steps") for each in axes.containers)  # not of every run
    (above,) = axes.child_axes
    assert [label.get_text() for label in above.get_xticklabels()] == ["3.73", "5.67", "19.1"]
    table = noise_angle.numbers(angled(tmp_path))
    assert table["noise-to-signal ratio"].iloc[1] == pytest.approx(5.6712818)
    filled = [
        tuple(map(float, (each.get_xdata()[0], each.get_ydata()[0])))
        for each in axes.lines
        if len(each.get_xdata()) == 1
    ]
    assert filled == [(80, 300), (80, 200)]


LENGTHS = {"digits": (1000, 150.0, 0.1), "half": (500, 220.0, 0.3), "tenth": (100, 400.0, 0.9)}


def lengthened(folder: Path, classifier: bool = True) -> dict[str, Path]:
    found = {}
    for run, (steps, far, cosine) in LENGTHS.items():
        found[run] = scored(folder / f"{run}.json", {plain(1): far + 100, plain(4): far})
        if classifier:
            data = json.loads(found[run].read_text())
            for record in data["records"]:
                record["share_recognised"] = 1 - cosine / 2
            found[run].write_text(json.dumps(data))
        found[f"curves.{run}"] = folder / f"{run}.csv"
        found[f"curves.{run}"].write_text(f"step,loss\n10,2.0\n{steps},1.0\n")
        overall = {"mean_cosine": {"value": cosine, "se": 0.01}}
        overall |= {"anisotropy": {"value": 40 * cosine, "se": 1.0}}
        found[f"latents.{run}"] = folder / f"latents-{run}.json"
        found[f"latents.{run}"].write_text(
            json.dumps({"run": run, "clouds": [{"key": "latents", "overall": overall}]})
        )
    return found


def test_each_training_stands_at_its_last_step_with_what_its_latents_are(tmp_path: Path) -> None:
    figure = training_length.figure(lengthened(tmp_path))
    distance, share, cosine, anisotropy = figure.axes
    assert line(distance, "reconstruction") == [(100, 50), (500, 50), (1000, 50)]
    assert line(distance, "4 steps, fixed, shared") == [(100, 400), (500, 220), (1000, 150)]
    assert [*map(float, share.lines[0].get_ydata())] == pytest.approx([0.55, 0.85, 0.95])
    assert [*map(float, cosine.containers[0].lines[0].get_ydata())] == [0.9, 0.3, 0.1]
    uniform = [float(axes.lines[-1].get_ydata()[0]) for axes in (cosine, anisotropy)]
    assert uniform == [0, 1] and distance.get_xscale() == "log"
    table = training_length.numbers(lengthened(tmp_path))
    assert len(table) == 9 and set(table["optimizer steps"]) == {100, 500, 1000}
    assert set(table["anisotropy, latents"]) == {4.0, 12.0, 36.0}
    assert not training_length.figure(lengthened(tmp_path, classifier=False)).axes[1].get_visible()


@pytest.mark.parametrize("name", ["refinement", "guidance", "noise-angle", "training-length"])
def test_same_results_same_bytes_and_nothing_cut_off(name: str, tmp_path: Path) -> None:
    def drawn() -> bytes:
        if name == "refinement":
            return style.png(refinement.figure(refined(tmp_path)))
        if name == "guidance":
            return style.png(guidance.figure({"scores": scored(tmp_path / "digits.json", GUIDED)}))
        if name == "noise-angle":
            return style.png(noise_angle.figure(angled(tmp_path)))
        return style.png(training_length.figure(lengthened(tmp_path)))

    data = drawn()
    assert data == drawn()
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert min(pixels[0].min(), pixels[-1].min(), pixels[:, 0].min(), pixels[:, -1].min()) == 255


def test_a_figure_that_is_saved_twice_is_one_picture(tmp_path: Path) -> None:
    """A second layout would move things: the notebook shows the figure before the workflow saves it."""
    drawn = refinement.figure(refined(tmp_path))
    first = style.png(drawn)
    style.pdf(drawn)
    drawn.stale = True  # else the same bytes are given again
    assert style.png(drawn) == first


def test_a_figure_is_rendered_again_when_it_was_changed_and_only_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, rendered = refinement.figure(refined(tmp_path)), []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *a, **k: rendered.append(k["format"]) or savefig(figure, *a, **k)
    )
    first = style.png(drawn)
    assert style.png(drawn) is first and rendered == ["png"]
    drawn.axes[0].lines[0].set_linewidth(7)
    style.pdf(drawn)
    changed = style.png(drawn)
    assert changed != first and rendered == ["png", "pdf", "png"]
    drawn.texts[0].set_text("Another title")
    assert style.png(drawn) not in (first, changed)


def test_mistakes_are_named(tmp_path: Path) -> None:
    single = scored(tmp_path / "digits.json", {plain(1): 300})
    for module, words_of in (
        (refinement, "needs samples of more than one step"),
        (guidance, "needs two guided sample sets"),
    ):
        with pytest.raises(UserError, match=words_of):
            module.figure({"scores": single})
        with pytest.raises(UserError, match=r"needs scores=PATH"):
            module.figure({})
        with pytest.raises(UserError, match="shows one run, not digits, other"):
            module.figure({"scores": single, "scores_r1": scored(tmp_path / "other.json", SCHEMES)})
    long = lengthened(tmp_path)
    with pytest.raises(UserError, match="two lengths at least"):
        training_length.figure({key: path for key, path in long.items() if "digits" in key})
    for missing in ("curves.half", "latents.half"):
        with pytest.raises(UserError, match=rf"needs {missing}=PATH"):
            training_length.figure({key: path for key, path in long.items() if key != missing})
    long["latents.half"].write_text("{}")
    with pytest.raises(UserError, match="is no uniformity file"):
        training_length.figure(long)
    found = angled(tmp_path)
    with pytest.raises(UserError, match=r"needs model\.angle-87=PATH"):
        noise_angle.figure({key: path for key, path in found.items() if key != "model.angle-87"})
    with pytest.raises(UserError, match="two angles at least"):
        noise_angle.figure({key: path for key, path in found.items() if "angle" not in key})
    found["model.angle-87"].write_text(json.dumps({"job": {"loss": {"alpha_max": 90}}}))
    with pytest.raises(UserError, match="says a noise angle of 90°: it lies below 90°"):
        noise_angle.figure(found)
    found["model.angle-87"].write_text("{}")
    with pytest.raises(UserError, match="does not say its largest noise angle"):
        noise_angle.figure(found)
