"""Sample sets and latents as files: counts, labels, order, and what does not belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from miniature import draw_set
from sphere_repro.commands.sample import sample
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.choice import choose
from sphere_repro.data.loading import to_unit
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import SphereAutoencoder, build
from sphere_repro.models.checkpoint import FORMAT, load_model, save_model
from sphere_repro.provenance.code import SAMPLE
from sphere_repro.provenance.kept import Ranges, kept_parts
from sphere_repro.provenance.maker import maker
from sphere_repro.sampling import estimates, refine, sets
from sphere_repro.sampling.encoding import encode_set, spread
from sphere_repro.sampling.latents import read_latents, read_noised
from sphere_repro.sampling.noising import noised
from sphere_repro.sampling.sets import draw_generation
from sphere_repro.sphere import spherify
from sphere_repro.study.architecture import KIND_NAMES, Architecture, Model
from sphere_repro.study.generation import Generation, Guidance
from sphere_repro.study.jobs import EncodeJob, SampleJob
from sphere_repro.study.scoring import Uniformity

CPU = torch.device("cpu")
SIZE = {"width": 16, "layers": 1, "heads": 2}
COUNT = 96


def shape_of(kind: str, *, conditional: bool = True) -> Architecture:
    from sphere_repro.data.dataset import Dataset

    model = Model.model_validate(
        {
            "kind": {"bare": "sphere"}.get(kind, kind),
            "encoder": SIZE,
            "decoder": SIZE,
            "pixel_head": "conv",
            "encoder_mixer_depth": 1,
            "decoder_mixer_depth": 1,
            "conditional": conditional,
        }
    )
    return model.architecture(Dataset(name="digits"))


def lively_state(shape: Architecture, seed: int) -> dict[str, torch.Tensor]:
    """Weights none of which is zero: fresh ones would decode everything to grey."""
    generator = torch.Generator().manual_seed(seed)
    model = build(shape, generator=generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.state_dict()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model files by kind: raw and ema weights differ."""
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name in ("sphere", "vae", "autoencoder", "bare"):
        shape = shape_of(name, conditional=name != "bare")
        found[name] = folder / f"{name}.safetensors"
        save_model(
            found[name],
            lively_state(shape, 1),
            lively_state(shape, 2),
            shape,
            0.0 if name in ("vae", "autoencoder") else 70.0,
        )
    return found


def sample_job(set_name: str, kind: str = "sphere", **changes: Any) -> SampleJob:
    generation = None
    if set_name.startswith("generation"):
        steps = int(set_name.split("-")[1])
        generation = {"steps": steps}
    return SampleJob.model_validate(
        {
            "seed": 5,
            "run": "tiny",
            "kind": {"bare": "sphere"}.get(kind, kind),
            "dataset": {"name": "digits"},
            "set": set_name,
            "weights": "raw",
            "count": 23,
            "batch_size": 8,
            "generation": generation,
        }
        | changes
    )


def encode_job(kind: str = "sphere", **changes: Any) -> EncodeJob:
    return EncodeJob.model_validate(
        {
            "seed": 5,
            "run": "tiny",
            "kind": {"bare": "sphere"}.get(kind, kind),
            "dataset": {"name": "digits"},
            "weights": "raw",
            "count": 40,
        }
        | changes
    )


SETS = [
    ("sphere", "reconstruction"),
    ("sphere", "generation-1"),
    ("sphere", "generation-3-fixed-shared"),
    ("vae", "reconstruction"),
    ("vae", "prior"),
    ("vae", "posterior"),
    ("autoencoder", "reconstruction"),
    ("autoencoder", "prior"),
    ("autoencoder", "posterior"),
]


# -- sample sets


@pytest.mark.parametrize(("kind", "name"), SETS)
def test_sets_have_their_count_and_repeat_their_bytes(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, kind: str, name: str
) -> None:
    out = tmp_path / "a.zip"
    assert draw_set(sample_job(name, kind), models[kind], digits_archive, out, CPU) == 23
    torch.manual_seed(77)
    draw_set(sample_job(name, kind), models[kind], digits_archive, tmp_path / "b.zip", CPU)
    assert out.read_bytes() == (tmp_path / "b.zip").read_bytes()
    archive = ImageArchive(out, 10)
    assert len(archive) == 23 and archive.resolution == 8
    assert archive.load().std() > 5  # pictures, not one grey
    assert archive.labels is not None
    if name == "reconstruction":
        real = ImageArchive(digits_archive).labels
        assert real is not None and archive.labels.tolist() == real[choose(COUNT, 23)].tolist()
    else:
        assert archive.labels.tolist() == [index % 10 for index in range(23)]


@pytest.mark.parametrize(("kind", "name"), SETS)
def test_batch_size_changes_rounding_at_most(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, kind: str, name: str
) -> None:
    found = []
    for size in (1, 23):
        out = tmp_path / f"{size}.zip"
        draw_set(sample_job(name, kind, batch_size=size), models[kind], digits_archive, out, CPU)
        found.append(ImageArchive(out).load().astype(int))
    assert abs(found[0] - found[1]).max() <= 1


@pytest.mark.parametrize("name", ["generation-1", "prior", "posterior"])
def test_more_samples_begin_with_the_same_ones(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, name: str
) -> None:
    kind = "sphere" if name.startswith("generation") else "vae"
    for count in (8, 16):
        draw_set(
            sample_job(name, kind, count=count), models[kind], digits_archive, tmp_path / f"{count}.zip", CPU
        )
    few, many = (ImageArchive(tmp_path / f"{count}.zip").load() for count in (8, 16))
    assert (few == many[:8]).all()


@pytest.mark.parametrize("change", [{"seed": 6}, {"seed": [5, "replicate", 1]}, {"weights": "ema"}])
@pytest.mark.parametrize(
    ("kind", "name"), [("sphere", "generation-1"), ("vae", "prior"), ("vae", "posterior")]
)
def test_seed_and_weights_decide_the_draws(
    models: dict[str, Path],
    digits_archive: Path,
    tmp_path: Path,
    kind: str,
    name: str,
    change: dict[str, Any],
) -> None:
    draw_set(sample_job(name, kind), models[kind], digits_archive, tmp_path / "a.zip", CPU)
    draw_set(sample_job(name, kind, **change), models[kind], digits_archive, tmp_path / "b.zip", CPU)
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize(
    ("kind", "name"), [("sphere", "generation-1"), ("vae", "prior"), ("vae", "posterior")]
)
def test_a_run_by_another_name_draws_the_same(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, kind: str, name: str
) -> None:
    for run in ("a", "b"):
        job = sample_job(name, kind, run=run)
        draw_set(job, models[kind], digits_archive, tmp_path / f"{run}.zip", CPU)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("kind", ["sphere", "vae", "autoencoder", "bare"])
def test_a_reconstruction_is_of_the_image_chosen(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, kind: str
) -> None:
    draw_set(sample_job("reconstruction", kind), models[kind], digits_archive, tmp_path / "a.zip", CPU)
    found = ImageArchive(tmp_path / "a.zip").load()
    model = load_model(models[kind]).model
    real = ImageArchive(digits_archive)
    for index in (0, 7, 8, 22):
        x = to_unit(torch.from_numpy(real.read(int(choose(COUNT, 23)[index]))).permute(2, 0, 1)[None])
        null = torch.tensor([model.null_class]) if model.shape.classes else None
        with torch.no_grad():
            if isinstance(model, SphereAutoencoder):
                rebuilt = model.decode(spherify(model.encode(x, null)), null)
            else:
                rebuilt = model.decode(model.posterior(x, null)[0], null)
        expected = refine.to_bytes(rebuilt)[0].numpy()
        assert abs(found[index].astype(int) - expected).max() <= 1, index
    assert not (found[0] == found[1]).all()


def test_fewer_reconstructions_are_of_all_classes_of_a_sorted_archive(
    models: dict[str, Path], tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
    write_archive(tmp_path / "sorted.zip", images, np.repeat(np.arange(10), 20))
    job = sample_job("reconstruction", count=60)
    draw_set(job, models["sphere"], tmp_path / "sorted.zip", tmp_path / "a.zip", CPU)
    labels = ImageArchive(tmp_path / "a.zip").labels
    assert labels is not None
    assert len(np.unique(labels)) == 10 and np.bincount(labels).max() < 15


@pytest.mark.parametrize(("count", "recorded"), [(23, choose(COUNT, 23).tolist()), (COUNT, None)])
def test_the_record_says_which_images_were_reconstructed(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, count: int, recorded: list[int] | None
) -> None:
    job = sample_job("reconstruction", count=count)
    sample(job, models["sphere"], digits_archive, tmp_path / "a.zip", "cpu")
    assert json.loads((tmp_path / "a.json").read_text()).get("indices") == recorded


def test_no_more_reconstructions_than_images(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    job = sample_job("reconstruction", count=1000)
    assert draw_set(job, models["sphere"], digits_archive, tmp_path / "a.zip", CPU) == COUNT
    assert len(ImageArchive(tmp_path / "a.zip")) == COUNT


def test_sets_without_classes_have_no_labels(models: dict[str, Path], tmp_path: Path) -> None:
    bare = tmp_path / "bare.zip"
    write_archive(bare, np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8), None)
    for name in ("reconstruction", "generation-1"):
        draw_set(sample_job(name, count=9), models["bare"], bare, tmp_path / f"{name}.zip", CPU)
        assert ImageArchive(tmp_path / f"{name}.zip").labels is None


def test_prior_decodes_standard_normal_draws(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    draw_set(sample_job("prior", "vae"), models["vae"], digits_archive, tmp_path / "a.zip", CPU)
    noise = refine.sample_noise((5,), range(23), (16, 8), 1)[0]
    with torch.no_grad():
        images = load_model(models["vae"]).model.decode(noise, torch.arange(23) % 10)
    expected = refine.to_bytes(images).numpy().astype(int)
    assert abs(ImageArchive(tmp_path / "a.zip").load() - expected).max() <= 1


def estimated(
    model: Path, archive: Path, folder: Path, batch: int, part: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of a VAE's training latents, summed up in parts of `part` images."""
    checkpoint, source = load_model(model), ImageArchive(archive)
    ranges = Ranges(len(source), batch, part)
    kept = kept_parts(folder, ("sample", "tiny"), {}, maker(SAMPLE), what="sums")
    make = estimates.summing(checkpoint, source, (5,), ranges, kept)
    for number in range(len(ranges)):
        make(number)
    mean, deviation = estimates.estimate(checkpoint, ranges, kept)
    assert isinstance(mean, torch.Tensor) and isinstance(deviation, torch.Tensor)
    return mean, deviation


def test_posterior_statistics_are_numpys(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    """The estimate is NumPy's mean and deviation of the latents that `encode` writes for the same images."""
    encode_set(encode_job("vae", count=COUNT), models["vae"], digits_archive, tmp_path / "latents.npz", CPU)
    with np.load(tmp_path / "latents.npz") as stored:
        latents = stored["latents"].astype(np.float64)
    for batch, part in ((7, 21), (256, 4096), (7, 7)):
        mean, deviation = estimated(models["vae"], digits_archive, tmp_path / f"{batch}-{part}", batch, part)
        assert mean.shape == deviation.shape == (16, 8)
        np.testing.assert_allclose(mean.flatten(), latents.mean(0), atol=1e-5)
        np.testing.assert_allclose(deviation.flatten(), latents.std(0), atol=1e-5)


def test_posterior_decodes_draws_from_the_estimate(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    draw_set(sample_job("posterior", "vae"), models["vae"], digits_archive, tmp_path / "a.zip", CPU)
    model = load_model(models["vae"]).model
    mean, deviation = estimated(models["vae"], digits_archive, tmp_path / "sums", 256, 4096)
    noise = refine.sample_noise((5,), range(23), (16, 8), 1)[0]
    with torch.no_grad():
        images = model.decode(mean + deviation * noise, torch.arange(23) % 10)
    expected = refine.to_bytes(images).numpy().astype(int)
    assert abs(ImageArchive(tmp_path / "a.zip").load() - expected).max() <= 1


def test_latents_of_a_plain_autoencoder_have_no_noise(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    """They are its code, bit for bit, whatever the seed; the estimate is of them."""
    kind = "autoencoder"
    encode_set(encode_job(kind, count=COUNT), models[kind], digits_archive, tmp_path / "a.npz", CPU)
    with np.load(tmp_path / "a.npz") as stored:
        latents, labels = stored["latents"], torch.from_numpy(stored["labels"])
    other = encode_job(kind, count=COUNT, seed=6)
    encode_set(other, models[kind], digits_archive, tmp_path / "b.npz", CPU)
    assert np.array_equal(np.load(tmp_path / "b.npz")["latents"], latents)
    x = to_unit(torch.from_numpy(ImageArchive(digits_archive).load()).permute(0, 3, 1, 2))
    with torch.no_grad():
        code = load_model(models[kind]).model.encoder(x, labels).flatten(1)
    np.testing.assert_allclose(latents, code.numpy(), atol=1e-6)
    mean, deviation = estimated(models[kind], digits_archive, tmp_path / "sums", 7, 21)
    np.testing.assert_allclose(mean.flatten(), latents.astype(np.float64).mean(0), atol=1e-5)
    np.testing.assert_allclose(deviation.flatten(), latents.astype(np.float64).std(0), atol=1e-5)


# -- latents


@pytest.mark.parametrize("kind", ["sphere", "vae", "autoencoder", "bare"])
def test_latents_file(models: dict[str, Path], digits_archive: Path, tmp_path: Path, kind: str) -> None:
    assert encode_set(encode_job(kind, count=80), models[kind], digits_archive, tmp_path / "a.npz", CPU) == 80
    encode_set(encode_job(kind, count=80), models[kind], digits_archive, tmp_path / "b.npz", CPU)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    assert {name: (array.dtype.name, array.shape) for name, array in arrays.items()} == {
        "latents": ("float32", (80, 128)),
        "labels": ("int64", (80,)),
        "pixels": ("float32", (80, 192)),
    }
    real = ImageArchive(digits_archive)
    assert real.labels is not None
    indices = np.linspace(0, COUNT - 1, 80).round().astype(int)
    assert (arrays["labels"] == real.labels[indices]).all()
    pixels = real.load()[indices].transpose(0, 3, 1, 2).reshape(80, -1)
    np.testing.assert_allclose(arrays["pixels"], pixels / 127.5 - 1, atol=1e-6)
    assert arrays["pixels"].min() == -1 and arrays["pixels"].max() == 1
    if kind not in ("vae", "autoencoder"):
        np.testing.assert_allclose(np.linalg.norm(arrays["latents"], axis=1), np.sqrt(128), rtol=1e-5)


def test_latents_keep_the_noise_angles_of_their_run(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    """What the file says is what `noised` makes of its latents, and belongs to one angle."""
    job = encode_job(count=80, alpha_max=70)
    encode_set(job, models["sphere"], digits_archive, tmp_path / "a.npz", CPU)
    with np.load(tmp_path / "a.npz") as stored:
        expected = noised(stored["latents"], 70, job.seed)
        found = read_noised(tmp_path / "a.npz", 70)
        assert found.keys() == expected.keys() <= {*stored}
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    with pytest.raises(UserError, match="made for noise of 70°, but this job asks for 80°"):
        read_noised(tmp_path / "a.npz", 80)
    encode_set(encode_job("vae"), models["vae"], digits_archive, tmp_path / "b.npz", CPU)
    with pytest.raises(UserError, match="does not say which noise angles its latents reach"):
        read_noised(tmp_path / "b.npz", 70)


def test_latents_of_the_sphere_are_the_encoders(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    encode_set(encode_job(count=COUNT), models["sphere"], digits_archive, tmp_path / "a.npz", CPU)
    real = ImageArchive(digits_archive)
    assert real.labels is not None
    x = to_unit(torch.from_numpy(real.load()).permute(0, 3, 1, 2))
    with torch.no_grad():
        points = spherify(load_model(models["sphere"]).model.encode(x, torch.from_numpy(real.labels)))
    with np.load(tmp_path / "a.npz") as stored:
        np.testing.assert_allclose(stored["latents"], points.flatten(1), atol=1e-4)


def test_every_class_of_many_has_latents(models: dict[str, Path], tmp_path: Path) -> None:
    """Sixty classes in their order, of eight images each but one: thirty spread over all are too few."""
    labels = np.repeat(np.arange(60), 8)[:-5]
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 8, 8, 3), dtype=np.uint8)
    write_archive(tmp_path / "many.zip", images, labels)
    job = encode_job(count=30)
    encode_set(job, models["bare"], tmp_path / "many.zip", tmp_path / "a.npz", CPU)
    with np.load(tmp_path / "a.npz") as stored:
        found = np.bincount(stored["labels"])
        pixels = stored["pixels"]
    assert found.tolist() == [5] * 59 + [3]  # of the last one all there are
    assert len(np.unique(pixels, axis=0)) == found.sum()
    assert len(read_latents(tmp_path / "a.npz", Uniformity(count=30), 60).labels) == found.sum()


def test_enough_of_each_class_changes_nothing() -> None:
    labels = np.repeat(np.arange(10), 50)
    plain = np.linspace(0, 499, 60).round().astype(int)
    assert spread(500, labels, 60, 5).tolist() == spread(500, None, 60, 5).tolist() == plain.tolist()
    more = spread(500, labels, 60, 20)
    assert np.bincount(labels[more]).tolist() == [20] * 10 and set(plain) <= set(more)


def test_unlabelled_images_have_zero_labels(models: dict[str, Path], tmp_path: Path) -> None:
    bare = tmp_path / "bare.zip"
    write_archive(bare, np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), dtype=np.uint8), None)
    assert encode_set(encode_job(), models["bare"], bare, tmp_path / "a.npz", CPU) == 9
    with np.load(tmp_path / "a.npz") as stored:
        assert stored["labels"].tolist() == [0] * 9


# -- what does not belong together


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("vae", "generation-1", "'generation-1' is not a sample set of a VAE"),
        ("autoencoder", "generation-1", "'generation-1' is not a sample set of a plain autoencoder"),
        ("sphere", "prior", "'prior' is not a sample set of a Sphere Encoder"),
        ("sphere", "posterior", "'posterior' is not a sample set of a Sphere Encoder"),
    ],
)
def test_sets_of_the_other_kind(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, kind: str, name: str, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        draw_set(sample_job(name, kind), models[kind], digits_archive, tmp_path / "a.zip", CPU)
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize(("kind", "other"), [("sphere", "vae"), ("vae", "sphere"), ("vae", "autoencoder")])
def test_model_of_the_other_kind(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path, kind: str, other: str
) -> None:
    """Reconstructions and latents can be had of either kind: the job says of which."""
    out = tmp_path / "a.out"
    words = f"is {KIND_NAMES[other]}, but run 'tiny' is {KIND_NAMES[kind]}"
    with pytest.raises(UserError, match=words):
        draw_set(sample_job("reconstruction", kind), models[other], digits_archive, out, CPU)
    with pytest.raises(UserError, match=words):
        encode_set(encode_job(kind), models[other], digits_archive, out, CPU)
    assert not out.exists()


def test_model_of_another_resolution_or_dataset(
    models: dict[str, Path], digits_archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.zip"
    for change, words in (
        ({"dataset": {"name": "digits", "resolution": 16}}, "8-pixel images, .* digits-16px has 16 pixels"),
        ({"dataset": {"name": "photo-patches", "resolution": 8}}, "knows 10 classes, .* photo-patches has 0"),
    ):
        with pytest.raises(UserError, match=words):
            draw_set(sample_job("generation-1", **change), models["sphere"], digits_archive, out, CPU)
        with pytest.raises(UserError, match=words):
            encode_set(encode_job(**change), models["sphere"], digits_archive, out, CPU)
    assert not out.exists()


def test_archive_of_another_resolution_or_classes(models: dict[str, Path], tmp_path: Path) -> None:
    images = np.zeros((30, 16, 16, 3), np.uint8)
    write_archive(tmp_path / "large.zip", images, [0] * 30)
    write_archive(tmp_path / "odd.zip", images[:, :8, :8], [0] * 29 + [10])
    for name, words in (
        ("large", "16-pixel images, .* has 8 pixels"),
        ("odd", "label 10, .* last class is 9"),
    ):
        for work, job in ((draw_set, sample_job("reconstruction")), (encode_set, encode_job())):
            with pytest.raises(UserError, match=words):
                work(job, models["sphere"], tmp_path / f"{name}.zip", tmp_path / "a.out", CPU)  # type: ignore[arg-type]


# -- by hand


def test_generate_by_hand(models: dict[str, Path], tmp_path: Path) -> None:
    settings = Generation(steps=2, guidance=Guidance(scale=1.5))
    for name, seed, weights in (("a", 0, "raw"), ("b", 0, "raw"), ("c", 1, "raw"), ("d", 0, "ema")):
        draw_generation(
            models["sphere"],
            tmp_path / f"{name}.zip",
            settings,
            count=70,
            seed=seed,
            weights=weights,
            device=CPU,
        )
    a, b, c, d = ((tmp_path / f"{name}.zip").read_bytes() for name in "abcd")
    assert a == b and len({a, c, d}) == 3
    archive = ImageArchive(tmp_path / "a.zip", 10)
    assert archive.labels is not None and archive.labels.tolist() == [index % 10 for index in range(70)]


def test_generate_without_classes(models: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "a.zip"
    draw_generation(models["bare"], out, Generation(steps=1), count=3, seed=0, weights="raw", device=CPU)
    assert ImageArchive(out).labels is None
    guided = Generation(steps=1, guidance=Guidance(scale=2))
    with pytest.raises(UserError, match="guidance has no meaning"):
        draw_generation(models["bare"], out, guided, count=3, seed=0, weights="raw", device=CPU)


def test_generate_from_a_vae(models: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs the model of a Sphere Encoder"):
        draw_generation(
            models["vae"], tmp_path / "a.zip", Generation(steps=1), count=3, seed=0, weights="raw", device=CPU
        )


@pytest.fixture
def named_archive(tmp_path: Path) -> Path:
    """Digits of three classes, in other frequencies, with names for all ten."""
    path = tmp_path / "named.zip"
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    write_archive(path, images, [0] * 28 + [3] * 8 + [9] * 4, NAMES)
    return path


NAMES = tuple(f"class-{word}" for word in "abcdefghij")


@pytest.mark.parametrize(
    ("set_name", "kind"), [("generation-1", "sphere"), ("generation-3", "sphere"), ("prior", "vae")]
)
def test_classes_are_drawn_as_often_as_the_dataset_has_them(
    models: dict[str, Path], named_archive: Path, tmp_path: Path, set_name: str, kind: str
) -> None:
    balanced, asked = (
        sample_job(set_name, kind, count=40, batch_size=7, labels=labels)
        for labels in ("balanced", "dataset")
    )
    draw_set(balanced, models[kind], named_archive, tmp_path / "a.zip", CPU)
    draw_set(asked, models[kind], named_archive, tmp_path / "b.zip", CPU)
    first, second = ImageArchive(tmp_path / "a.zip"), ImageArchive(tmp_path / "b.zip")
    assert first.labels is not None and np.bincount(first.labels).tolist() == [4] * 10
    assert second.labels is not None
    assert np.abs(np.bincount(second.labels, minlength=10)[[0, 3, 9]] - [28, 8, 4]).max() <= 1
    same = first.labels == second.labels  # image i has the same noise: its class alone decides
    assert same.any() and not same.all()
    for index in range(40):
        equal = (first.read(index) == second.read(index)).all()
        assert equal == same[index]
    assert first.class_names == second.class_names == NAMES


def test_frequencies_of_an_archive_without_labels(models: dict[str, Path], tmp_path: Path) -> None:
    write_archive(tmp_path / "a.zip", np.zeros((9, 8, 8, 3), np.uint8), None)
    job = sample_job("generation-1", labels="dataset")
    with pytest.raises(UserError, match=r"no labels"):
        draw_set(job, models["sphere"], tmp_path / "a.zip", tmp_path / "b.zip", CPU)


def test_reconstructions_have_the_datasets_names(
    models: dict[str, Path], named_archive: Path, tmp_path: Path
) -> None:
    draw_set(sample_job("reconstruction"), models["sphere"], named_archive, tmp_path / "a.zip", CPU)
    assert ImageArchive(tmp_path / "a.zip").class_names == NAMES


def test_latents_have_the_datasets_names(
    models: dict[str, Path], named_archive: Path, digits_archive: Path, tmp_path: Path
) -> None:
    encode_set(encode_job(), models["sphere"], named_archive, tmp_path / "a.npz", CPU)
    assert read_latents(tmp_path / "a.npz", Uniformity(count=COUNT), 10).class_names == NAMES
    encode_set(encode_job(), models["sphere"], digits_archive, tmp_path / "b.npz", CPU)
    assert read_latents(tmp_path / "b.npz", Uniformity(count=COUNT), 10).class_names is None


def test_generate_draws_the_classes_that_are_asked_for_by_name(
    models: dict[str, Path], tmp_path: Path
) -> None:
    named = tmp_path / "named.safetensors"
    plain = load_model(models["sphere"]).model
    save_model(named, plain.state_dict(), None, plain.shape, 70.0, NAMES)
    assert load_model(named).class_names == NAMES

    def drawn(model: Path, classes: list[str]) -> ImageArchive:
        draw_generation(
            model,
            tmp_path / "a.zip",
            Generation(steps=1),
            count=5,
            seed=0,
            weights="raw",
            device=CPU,
            classes=classes,
        )
        return ImageArchive(tmp_path / "a.zip")

    found = drawn(named, ["class-h", "2"])
    assert found.labels is not None and found.labels.tolist() == [7, 2, 7, 2, 7]
    assert found.class_names == NAMES
    other = drawn(models["sphere"], ["7", "2"])
    np.testing.assert_array_equal(other.load(), found.load())
    with pytest.raises(UserError, match="no class 'class-x'"):
        drawn(named, ["class-x"])
    with pytest.raises(UserError, match="unconditional"):
        drawn(models["bare"], ["1"])


@pytest.mark.parametrize("names", [NAMES[:9], [*NAMES[:9], 3], "abcdefghij"])
def test_names_that_do_not_fit_the_model(models: dict[str, Path], tmp_path: Path, names: Any) -> None:
    import json

    from safetensors.torch import load_file, save_file

    about = {"format": FORMAT, "architecture": shape_of("sphere").model_dump(), "alpha_max": 70.0}
    path = tmp_path / "model.safetensors"
    save_file(
        load_file(models["sphere"]),
        path,
        metadata={"sphere-repro": json.dumps(about | {"class_names": names})},
    )
    with pytest.raises(UserError, match="no list of as many names"):
        load_model(path)


def test_balanced_labels() -> None:
    labels = sets.balanced_labels(range(8, 13), 10)
    assert labels is not None and labels.tolist() == [8, 9, 0, 1, 2]
    assert sets.balanced_labels(range(3), 0) is None
