"""Pictures of a model in training: what stands in their rows, and that drawing them changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_loop import CPU, tiny_job

from miniature import draw_set
from sphere_repro.data.loading import load_training_images
from sphere_repro.models.autoencoder import build
from sphere_repro.sampling.refine import to_bytes
from sphere_repro.seeds import generator
from sphere_repro.study.jobs import SampleJob
from sphere_repro.training.grids import GAP, LEAST, MOST, Grid, tiled


@pytest.fixture(params=["sphere", "vae", "autoencoder"])
def job(request: pytest.FixtureRequest):
    return tiny_job(request.param)


def model_of(job):
    return build(job.architecture, generator=generator(0)).eval()


def test_rows(job, digits_archive: Path) -> None:
    grid = Grid(job, load_training_images(digits_archive, 10))
    rows = grid.rows(model_of(job))
    assert len(rows) == (4 if job.model.kind == "sphere" else 3)
    assert all(row.shape == (8, 3, 8, 8) and row.abs().max() <= 1 for row in rows)
    images = load_training_images(digits_archive, 10)
    shown, real = to_bytes(rows[0]).int(), images.take(grid.chosen).permute(0, 2, 3, 1).int()
    assert (shown - real).abs().max() <= 1  # floor, as samples are stored (section 4)


def test_its_samples_are_the_first_ones_of_the_run(digits_archive: Path, tmp_path: Path) -> None:
    from sphere_repro.data.archive import ImageArchive
    from sphere_repro.models.checkpoint import save_model

    job = tiny_job()
    model = model_of(job)
    save_model(tmp_path / "m.safetensors", model.state_dict(), None, job.architecture, job.loss.alpha_max)
    sample = SampleJob.model_validate(
        {
            "seed": job.seed,
            "run": job.run,
            "kind": "sphere",
            "dataset": job.dataset,
            "set": "generation-4-fixed-shared",
            "weights": "raw",
            "count": 8,
            "batch_size": 8,
            "generation": {"steps": 4},
        }
    )
    draw_set(sample, tmp_path / "m.safetensors", digits_archive, tmp_path / "s.zip", CPU)
    rows = Grid(job, load_training_images(digits_archive, 10)).rows(model)
    assert np.array_equal(ImageArchive(tmp_path / "s.zip").load(), to_bytes(rows[-1]).numpy())


@pytest.mark.parametrize("pixels", [8, 16, 100, 256])
def test_images_are_enlarged_in_whole_pixels_or_reduced(pixels: int) -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, pixels, pixels, 3), dtype=np.uint8)
    canvas = tiled([images, images[:1]])
    side = (canvas.shape[0] - GAP) // 2
    assert canvas.shape == (2 * side + GAP, 2 * side + GAP, 3)
    assert LEAST <= side <= MOST or side == pixels
    if pixels <= MOST:
        factor = side // pixels
        assert np.array_equal(canvas[:side:factor, :side:factor], images[0])
    assert (canvas[side + GAP :, side + GAP :] == 255).all()  # the second row is shorter


def test_the_picture_is_a_png(job, digits_archive: Path, tmp_path: Path) -> None:
    grid = Grid(job, load_training_images(digits_archive, 10))
    grid.write(model_of(job), tmp_path / "new" / "a.png")
    with Image.open(tmp_path / "new" / "a.png") as picture:
        assert picture.format == "PNG" and picture.width == 8 * (64 + GAP) - GAP
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
