"""Images on the way from the posterior to the prior: what stands at both ends, and between them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_sets import CPU, lively_state, shape_of

from miniature import draw_set
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import choose
from sphere_repro.data.loading import to_unit
from sphere_repro.models.autoencoder import SphereAutoencoder
from sphere_repro.models.checkpoint import Checkpoint, load_model, save_model
from sphere_repro.sampling import prior_path, refine
from sphere_repro.sampling.painting import latents
from sphere_repro.sphere import spherify
from sphere_repro.study.jobs import SampleJob
from sphere_repro.study.prior_path import PRIOR_PATH, PriorPath

SETTINGS = PriorPath(paths=5, points=3)
SEED = (5,)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("models"), {}
    for kind in ("sphere", "vae", "bare"):
        shape = shape_of("vae" if kind == "vae" else "sphere", conditional=kind != "bare")
        found[kind] = folder / f"{kind}.safetensors"
        angle = 0.0 if kind == "vae" else 70.0
        save_model(found[kind], lively_state(shape, 1), lively_state(shape, 2), shape, angle)
    return found


def job(kind: str, settings: PriorPath = SETTINGS, **changes: Any) -> SampleJob:
    said = {
        "seed": 5,
        "run": "tiny",
        "kind": "vae" if kind == "vae" else "sphere",
        "dataset": {"name": "digits"},
        "set": PRIOR_PATH,
        "weights": "raw",
        "count": settings.images,
        "batch_size": 4,
        "generation": None,
        "prior_path": settings,
    }
    return SampleJob.model_validate(said | changes)


def drawn(kind: str, models: dict[str, Path], archive: Path, out: Path, **changes: Any) -> ImageArchive:
    settings = changes.pop("settings", SETTINGS)
    assert draw_set(job(kind, settings, **changes), models[kind], archive, out, CPU) == settings.images
    return ImageArchive(out)


def ends(checkpoint: Checkpoint, source: ImageArchive, path: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Both ends of one path by the words of the documentation, (N, d) each."""
    model, index = checkpoint.model, int(choose(len(source), SETTINGS.paths)[path])
    x = to_unit(torch.tensor(source.read(index)).permute(2, 0, 1)[None])
    label = torch.tensor([source.labels[index]]) if model.shape.classes else None  # type: ignore[index]
    first = latents(checkpoint, x, label, (*SEED, PRIOR_PATH), range(path, path + 1))
    shape = (model.shape.tokens, model.shape.token_channels)
    last = refine.sample_noise((*SEED, PRIOR_PATH, "end"), [path], shape, 1)[0]
    return first[0], last[0]


@pytest.mark.parametrize("kind", ["sphere", "vae", "bare"])
def test_both_ends_are_decoded_in_the_class_of_the_training_image(
    kind: str, models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    found = drawn(kind, models, digits_archive, tmp_path / "path.zip")
    checkpoint, source = load_model(models[kind], "raw", CPU), ImageArchive(digits_archive)
    sphere = isinstance(checkpoint.model, SphereAutoencoder)
    chosen = choose(len(source), SETTINGS.paths)
    if kind == "bare":
        assert found.labels is None
    else:
        assert found.labels.tolist() == np.repeat(source.labels[chosen], 3).tolist()  # type: ignore[index, union-attr]
    for path in (0, 3):
        label = None if kind == "bare" else torch.tensor([source.labels[chosen[path]]])  # type: ignore[index]
        for point, latent in ((0, ends(checkpoint, source, path)[0]), (2, ends(checkpoint, source, path)[1])):
            z = spherify(latent[None]) if sphere else latent[None]
            with torch.no_grad():
                image = refine.to_bytes(checkpoint.model.decode(z, label))[0].numpy()
            made = found.read(3 * path + point).astype(int)
            assert np.abs(made - image).max() <= 1  # rounding of another batch


@pytest.mark.parametrize("kind", ["sphere", "vae"])
def test_no_image_depends_on_the_batch(
    kind: str, models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    small, large = (
        drawn(kind, models, digits_archive, tmp_path / f"{size}.zip", batch_size=size) for size in (2, 250)
    )
    for index in range(len(small)):
        assert np.abs(small.read(index).astype(int) - large.read(index)).max() <= 1


def test_further_points_and_paths_leave_the_ends_alone(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    more = drawn("vae", models, digits_archive, tmp_path / "more.zip", settings=PriorPath(paths=5, points=5))
    few = drawn("vae", models, digits_archive, tmp_path / "few.zip")
    for path in range(5):
        for ours, theirs in ((0, 0), (1, 2), (2, 4)):
            a, b = few.read(3 * path + ours).astype(int), more.read(5 * path + theirs)
            assert np.abs(a - b).max() <= 1


def test_paths_begin_in_turn_where_there_are_fewer_images(digits_archive: Path) -> None:
    source = ImageArchive(digits_archive)
    found = prior_path.starts(source, PriorPath(paths=200, points=2))
    assert found[:96].tolist() == [*range(96)] and found[96:192].tolist() == [*range(96)]


def test_normal_draws_keep_their_deviation_on_the_way_of_a_vae_and_not_on_a_straight_line() -> None:
    generator = torch.Generator().manual_seed(0)
    first, last = torch.randn(2, 400, 50, generator=generator)
    way = prior_path.between(first, last, PriorPath(paths=2, points=5), sphere=False)
    assert torch.equal(way[0], first)
    torch.testing.assert_close(way[-1], last, atol=1e-6, rtol=0)
    assert all(each.std().item() == pytest.approx(1, abs=0.02) for each in way)
    assert ((first + last) / 2).std().item() == pytest.approx(0.5**0.5, abs=0.02)


def test_the_way_of_a_sphere_encoder_is_a_great_circle_at_even_speed() -> None:
    generator = torch.Generator().manual_seed(1)
    first, last = torch.randn(2, 16, 8, generator=generator)
    way = prior_path.between(first, last, PriorPath(paths=2, points=5), sphere=True)
    torch.testing.assert_close(way, spherify(way), atol=1e-4, rtol=0)
    angles = [
        torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0).acos().item()
        for a, b in itertools.pairwise(way)
    ]
    assert angles == pytest.approx([angles[0]] * 4, rel=1e-3)
    torch.testing.assert_close(way[[0, -1]], spherify(torch.stack([first, last])), atol=1e-4, rtol=0)


def test_a_path_has_as_many_places_as_points() -> None:
    assert PriorPath(points=5).places == [0, 0.25, 0.5, 0.75, 1]
    assert PriorPath(paths=7, points=3).images == 21
