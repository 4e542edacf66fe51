"""A study says what it may say: derived values follow the paper, every mistake is named, none passed on."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sphere_repro.data.dataset import Dataset
from sphere_repro.data.sources import SOURCES
from sphere_repro.errors import UserError
from sphere_repro.strict import parse
from sphere_repro.study import config, jobs
from sphere_repro.study.architecture import (
    MOST_CHANNELS,
    SIZES,
    Architecture,
    Model,
    Size,
    default_patch_size,
    resolve_size,
)
from sphere_repro.study.config import Run, Study, load_study
from sphere_repro.study.generation import Generation, Guidance

DELETE = object()
TINY = {"width": 32, "layers": 1, "heads": 2}
RUN: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "model": {"encoder": TINY, "decoder": TINY},
    "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
    "training": {"epochs": 20},
}
STUDY: dict[str, Any] = {"study": "test", "runs": {"a": RUN}}


def changed(**changes: Any) -> dict[str, Any]:
    """`STUDY` with values replaced, added or deleted; two underscores go one level down from the run."""
    study = copy.deepcopy(STUDY)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place: Any = study if parents[:1] == ["study"] else study["runs"]["a"]
        for parent in parents[1:] if parents[:1] == ["study"] else parents:
            place = place.setdefault(parent, {})
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
    return study


def load(tmp_path: Path, study: Any) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(study if isinstance(study, str) else yaml.safe_dump(study), encoding="utf-8")
    return load_study(path)


def refused(tmp_path: Path, study: Any, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, study)
    message = str(caught.value)
    for word in (str(tmp_path / "study.yaml"), *words):
        assert word in message
    assert "\n" not in message
    assert "pydantic" not in message.lower()


# -- derived values


@pytest.mark.parametrize(
    ("pixels", "patch"), [(32, 2), (64, 2), (128, 4), (256, 8), (512, 16), (8, 2), (16, 2)]
)
def test_patch_table(pixels: int, patch: int) -> None:
    assert default_patch_size(pixels) == patch
    dataset = Dataset(name="digits", resolution=pixels)
    assert Model().architecture(dataset).patch_size == patch


@pytest.mark.parametrize(
    ("pixels", "ratio", "channels", "dimension"),
    [(32, 1.5, 8, 2_048), (256, 1.5, 128, 131_072), (256, 3.0, 64, 65_536)],
)
def test_latents_of_the_papers_table(pixels: int, ratio: float, channels: int, dimension: int) -> None:
    architecture = Model(ratio=ratio).architecture(Dataset(name="digits", resolution=pixels))
    assert architecture.token_channels == channels
    assert architecture.latent_dimension == dimension
    assert architecture.grid**2 == architecture.tokens == dimension // channels


@given(
    patch=st.integers(1, 16),
    grid=st.integers(1, 32),
    ratio=st.floats(0.01, 100, allow_nan=False),
)
def test_channels_are_pixels_over_ratio(patch: int, grid: int, ratio: float) -> None:
    assume(patch * grid >= 4)
    dataset = Dataset(name="digits", resolution=patch * grid)
    model = Model(ratio=ratio, patch_size=patch)
    if 3 * patch**2 / ratio < 1:
        with pytest.raises(ValueError, match="no latent channel"):
            model.architecture(dataset)
        return
    if 3 * patch**2 / ratio > MOST_CHANNELS:
        with pytest.raises(ValueError, match="too small: a token of the latent would have"):
            model.architecture(dataset)
        return
    architecture = model.architecture(dataset)
    assert architecture.grid == grid
    assert architecture.token_channels <= 3 * patch**2 / ratio < architecture.token_channels + 1
    assert architecture.latent_dimension == grid**2 * architecture.token_channels


def test_sizes_are_the_papers() -> None:
    shapes = {name: (size.width, size.layers, size.heads) for name, size in SIZES.items()}
    assert shapes == {
        "small": (512, 8, 8),
        "base": (768, 12, 12),
        "large": (1024, 24, 16),
        "xlarge": (1152, 28, 16),
        "huge": (1280, 32, 16),
        "giant": (1664, 40, 16),
    }
    assert resolve_size("base") is SIZES["base"]
    assert resolve_size(Size(**TINY)) == Size(width=32, layers=1, heads=2)


def test_classes_come_from_the_dataset() -> None:
    digits, photos = Dataset(name="digits"), Dataset(name="photo-patches")
    assert Model().architecture(digits).classes == 10
    assert Model(conditional=False).architecture(digits).classes == 0
    assert Model().architecture(photos).classes == 0


def test_dataset_names_its_archive() -> None:
    assert Dataset(name="digits").archive == "digits-8px"
    assert Dataset(name="digits", resolution=32).archive == "digits-32px"
    assert Dataset(name="photo-patches").pixels == SOURCES["photo-patches"].native_resolution


@pytest.mark.parametrize(
    ("generation", "name"),
    [
        (Generation(steps=1), "generation-1"),
        (Generation(steps=1, strength="linear", noise="independent"), "generation-1"),
        (Generation(steps=4), "generation-4-fixed-shared"),
        (Generation(steps=4, strength="linear", noise="independent"), "generation-4-linear-independent"),
        (Generation(steps=4, guidance=Guidance(position="enc")), "generation-4-fixed-shared"),
        (Generation(steps=2, guidance=Guidance(scale=1.4)), "generation-2-fixed-shared-combo1.4"),
        (Generation(steps=1, guidance=Guidance(scale=2, position="dec")), "generation-1-dec2"),
    ],
)
def test_generation_names(generation: Generation, name: str) -> None:
    assert generation.name == name


def test_sets_of_a_run() -> None:
    run = parse(Run, RUN, "here")
    assert run.sets == ("reconstruction", "generation-1", "generation-4-fixed-shared")
    assert run.generation("generation-4-fixed-shared").steps == 4
    vae = changed(model__kind="vae", loss={"pix_recon_perceptual": 0})["runs"]["a"]
    assert parse(Run, vae, "here").sets == ("reconstruction", "prior", "posterior")


# -- good studies


def test_a_short_study_gets_the_papers_defaults(tmp_path: Path) -> None:
    study = load(tmp_path, STUDY)
    run = study.runs["a"]
    assert (study.seed, study.score.extractor, run.model.ratio) == (0, "inception", 1.5)
    assert (run.loss.alpha_max, run.loss.lat_con, run.loss.hard_cases.probability) == (80, 0.1, 0.1)
    assert (run.training.learning_rate, run.training.ema_decay, run.sampling.count) == (1e-4, 0.9997, 50_000)
    assert run.architecture == Architecture.model_validate(run.architecture.model_dump())


def test_a_study_survives_being_written(tmp_path: Path) -> None:
    study = load(tmp_path, changed(training__learning_rate=3e-4, study__seed=7))
    assert load(tmp_path, study.model_dump(mode="json", exclude_unset=True)) == study


def test_exponents_without_a_point_are_numbers(tmp_path: Path) -> None:
    """YAML 1.1 reads 1e-4 as text; a study may write it all the same."""
    text = yaml.safe_dump(changed(training__learning_rate="MARK")).replace("MARK", "1e-4")
    assert load(tmp_path, text).runs["a"].training.learning_rate == 1e-4


def test_records_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Generation(steps=1).steps = 2  # type: ignore[misc]


def test_the_projects_own_studies_are_good() -> None:
    folder = Path(config.__file__).resolve().parents[2] / "params"
    studies = [path for path in sorted(folder.glob("*.yaml")) if path.name != "expected.yaml"]
    for path in studies:
        assert load_study(path).study == path.stem


# -- unknown and missing keys


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (changed(traning={}), ["runs.a", "'traning'", "did you mean 'training'?"]),
        (changed(training__batchsize=3), ["runs.a.training", "did you mean 'batch_size'?"]),
        (changed(model__encoder={**TINY, "widht": 3}), ["runs.a.model.encoder", "did you mean 'width'?"]),
        (changed(loss__hard_cases={"probabilty": 0.1}), ["loss.hard_cases", "did you mean 'probability'?"]),
        (changed(sampling__generations=[{"step": 1}]), ["generations.0", "did you mean 'steps'?"]),
        (changed(study__sed=1), ["'sed'", "did you mean 'seed'?"]),
        (changed(training__zzzzzzzz=1), ["'zzzzzzzz'", "known are epochs, warmup_epochs"]),
        (changed(dataset__name="digit"), ["runs.a.dataset.name", "'digit'", "did you mean 'digits'?"]),
        (changed(dataset__name="mnist"), ["'mnist'", "known are digits, photo-patches"]),
        (changed(training__epochs=DELETE), ["runs.a.training.epochs is missing"]),
        (changed(dataset=DELETE), ["runs.a.dataset is missing"]),
        (changed(study__study=DELETE), ["study is missing"]),
        (changed(study__runs=DELETE), ["runs is missing"]),
        (changed(study__runs={}), ["runs"]),
    ],
)
def test_unknown_and_missing_keys(tmp_path: Path, study: Any, words: list[str]) -> None:
    refused(tmp_path, study, *words)


# -- types and ranges


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dataset__resolution", 3),
        ("dataset__resolution", 2048),
        ("dataset__resolution", 8.5),
        ("model__kind", "gan"),
        ("model__encoder", "bas"),
        ("model__encoder", {"width": 32, "layers": 1}),
        ("model__encoder", {**TINY, "heads": 3}),
        ("model__encoder", {**TINY, "heads": 0}),
        ("model__ratio", 0),
        ("model__ratio", -1),
        ("model__ratio", float("inf")),
        ("model__patch_size", 0),
        ("model__encoder_mixer_depth", -1),
        ("loss__alpha_max", 90),
        ("loss__alpha_max", -1),
        ("loss__lat_con", -0.1),
        ("loss__label_dropout", 1.1),
        ("loss__hard_cases", {"probability": -0.1}),
        ("loss__perceptual", {"network": "vgg"}),
        ("training__epochs", 0),
        ("training__epochs", float("nan")),
        ("training__epochs", "many"),
        ("training__batch_size", 0),
        ("training__batch_size", -1),
        ("training__batch_size", 1.5),
        ("training__batch_size", None),
        ("training__ema_decay", 1),
        ("training__precision", "float16"),
        ("training__horizontal_flip", "perhaps"),
        ("sampling__count", 1),
        ("sampling__weights", "best"),
        ("sampling__generations", []),
        ("sampling__generations", [{"steps": 0}]),
        ("sampling__generations", [{"steps": 1001}]),
        ("sampling__generations", [{"steps": 4, "strength": "cubic"}]),
        ("sampling__generations", [{"steps": 4, "guidance": {"scale": 0.5}}]),
        ("sampling__generations", [{"steps": 4, "guidance": {"position": "both"}}]),
        ("baseline_of", 3),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, path: str, value: Any) -> None:
    refused(tmp_path, changed(**{path: value}), f"runs.a.{path.replace('__', '.')}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("study", "Two Words"),
        ("study", ""),
        ("study", "../up"),
        ("study", "x" * 61),
        ("score", {"extractor": "vgg"}),
        ("score", {"also": ["inception"]}),
        ("score", {"kid_subsets": 1}),
        ("uniformity", {"count": 1}),
        ("figures", ["sampels"]),
        ("runs", []),
        ("runs", {"Bad Name": RUN}),
        ("runs", {1: RUN}),
        ("runs", {"a": None}),
        ("runs", {"a": [RUN]}),
    ],
)
def test_wrong_values_of_the_study(tmp_path: Path, key: str, value: Any) -> None:
    refused(tmp_path, {**STUDY, key: value}, key)


# -- contradictions


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (changed(model__patch_size=3), ["runs.a", "patch_size 3 does not divide", "8-pixel"]),
        (changed(dataset__resolution=100), ["patch_size 3 does not divide", "100-pixel"]),
        (changed(model__ratio=13), ["ratio 13", "at most 12"]),
        (changed(sampling__generations=[{"steps": 4}, {"steps": 4}]), ["generation-4-fixed-shared", "twice"]),
        (
            changed(sampling__generations=[{"steps": 1}, {"steps": 1, "strength": "linear"}]),
            ["'generation-1' is listed twice", "no scheme"],
        ),
        (
            changed(
                dataset__name="photo-patches",
                sampling__generations=[{"steps": 4, "guidance": {"scale": 2}}],
            ),
            ["generation-4-fixed-shared-combo2", "unconditional"],
        ),
        (changed(loss__kl=0.1), ["loss.kl has no meaning for a Sphere Encoder"]),
        (changed(loss__pix_recon_perceptual=1), ["loss.pix_recon_perceptual must be 0"]),
        (changed(loss=DELETE), ["loss.pix_recon_perceptual must be 0"]),
        (
            changed(loss__perceptual={"network": "none", "lpips_weight": 1}),
            ["runs.a.loss.perceptual", "lpips_weight has no meaning for network none: remove it"],
        ),
        (
            changed(loss__perceptual={"network": "lpips-convnext", "size": 32}),
            ["size has no meaning for network lpips-convnext"],
        ),
        (
            changed(loss__perceptual={"network": "lpips-convnext", "lpips_weight": 0, "convnext_weight": 0}),
            ["the sum of lpips_weight and convnext_weight must be above 0"],
        ),
        (
            changed(loss__perceptual={"network": "lpips-convnext"}),
            ["runs.a", "LPIPS needs images of at least 16 pixels, not 8", "lpips_weight to 0"],
        ),
        (changed(training__warmup_epochs=11), ["runs.a.training", "warmup_epochs 11", "half of epochs 20"]),
        (changed(baseline_of="b"), ["runs.a.baseline_of", "no run is called 'b'"]),
        (changed(sampling__count=5), ["runs.a.sampling.count is 5", "score.jackknife_groups"]),
        (
            changed(sampling__count=15) | {"score": {"inception_score_splits": 20}},
            ["runs.a.sampling.count is 15", "score.inception_score_splits"],
        ),
    ],
)
def test_contradictions(tmp_path: Path, study: Any, words: list[str]) -> None:
    refused(tmp_path, study, *words)


@pytest.mark.parametrize("key", config.CONSISTENCY_KEYS)
def test_a_vae_has_no_consistency_terms(tmp_path: Path, key: str) -> None:
    value = {} if key == "hard_cases" else 0.5
    study = changed(model__kind="vae", loss={"pix_recon_perceptual": 0, key: value})
    refused(tmp_path, study, f"loss.{key} has no meaning for a VAE: remove it")


@pytest.mark.parametrize(("key", "value"), [("kl", 0.1), ("kl", 0), ("lat_con", 0.5), ("alpha_max", 80)])
def test_a_plain_autoencoder_reconstructs_and_nothing_else(tmp_path: Path, key: str, value: float) -> None:
    loss = {"pix_recon_perceptual": 0}
    study = load(tmp_path, changed(model__kind="autoencoder", loss=loss))
    assert study.runs["a"].sets == ("reconstruction", "prior", "posterior")
    wrong = changed(model__kind="autoencoder", loss=loss | {key: value})
    refused(tmp_path, wrong, f"loss.{key} has no meaning for a plain autoencoder: remove it")


def test_a_plain_autoencoder_is_no_vae_to_figures_and_claims(tmp_path: Path) -> None:
    """It may name the run that it is a baseline of; what is called a VAE is one."""
    both = changed(model__kind="autoencoder", loss={"pix_recon_perceptual": 0}, baseline_of="b")
    both["runs"]["b"] = changed()["runs"]["a"]
    study = load(tmp_path, both)
    assert study.runs["a"].baseline_of == "b" and jobs.baseline(study, "b") is None
    both["runs"]["a"]["baseline_of"], both["runs"]["b"]["baseline_of"] = None, "b"
    refused(tmp_path, both, "runs.b.baseline_of: a Sphere Encoder is no baseline")


def test_no_noise_at_all(tmp_path: Path) -> None:
    """A spherified autoencoder; what is no angle and would not be told from rounding is refused."""
    none = {"hard_cases": {"probability": 0}, "pix_recon_perceptual": 0, "pix_con_perceptual": 0}
    study = load(tmp_path, changed(loss={"alpha_max": 0, **none}))
    assert study.runs["a"].loss.alpha_max == 0 and jobs.noise_angle(study.runs["a"]) is None
    assert jobs.encode_job(study, "a").alpha_max is None
    tiny = changed(loss={"alpha_max": 1e-4, **none})
    refused(tmp_path, tiny, "runs.a.loss.alpha_max", "set it to 0 (no noise), or to 0.001 degrees at least")
    hard = changed(loss={"alpha_max": 0, **none, "hard_cases": {"probability": 0.1}})
    refused(tmp_path, hard, "loss.hard_cases.probability must be 0 where loss.alpha_max is 0")


def test_a_vae_needs_none_of_them(tmp_path: Path) -> None:
    study = load(tmp_path, changed(model__kind="vae", loss={"pix_recon_perceptual": 0, "kl": 0.1}))
    assert study.runs["a"].loss.kl == 0.1


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    study = changed(training__batch_size=0, training__epochs=-1, study__seed=-1)
    refused(tmp_path, study, "seed", "training.batch_size", "training.epochs")


# -- files that are no study


def test_missing_study(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml does not exist.*params/demo\.yaml"):
        load_study(tmp_path / "none.yaml")


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not readable YAML"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3",
        "[]",
        "- a",
        "text",
        "a: [",
        "{",
        "a: b: c",
        "\t",
        "&a [*a]",
        "? [1]\n: 2",
        "!!python/none 3",
        "a\0b",
    ],
)
def test_not_a_study(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


def test_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_bytes(b"study: \xff")
    with pytest.raises(UserError, match="not readable YAML"):
        load_study(tmp_path / "study.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "study: 2024-13-45",  # PyYAML makes dates of what looks like one
        "study: " + "1" * 5000,
        "[" * 3000,
        '"\\ud800": 1',
        yaml.safe_dump(changed(dataset__name="MARK")).replace("MARK", '"\\ud800"'),
        yaml.safe_dump(changed(model__ratio=5e-324)),
    ],
    ids=["date", "digits", "nesting", "surrogate-key", "surrogate-dataset", "ratio"],
)
def test_odd_studies(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


@pytest.mark.parametrize("line", ["seed: 1\nseed: 2\n", "seed: 2\n<<: {seed: 1}\nseed: 3\n"])
def test_a_key_given_twice(tmp_path: Path, line: str) -> None:
    refused(tmp_path, line + yaml.safe_dump(STUDY), "seed")


@pytest.mark.parametrize("path", ["training__batch_size", "training__clip_norm", "study__seed"])
def test_true_is_no_number(tmp_path: Path, path: str) -> None:
    refused(tmp_path, changed(**{path: True}), path.rpartition("__")[2])


def test_a_conv_head_needs_more_than_one_token(tmp_path: Path) -> None:
    refused(tmp_path, changed(model__patch_size=8, model__pixel_head="conv"), "patch_size")


# -- garbage

# A ratio below 1e-300 is one of `test_odd_studies`.
numbers = st.floats().filter(lambda value: value == 0 or not abs(value) < 1e-300)
scalars = st.none() | st.booleans() | st.integers() | numbers | st.text(max_size=12)
garbage = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


def only_user_errors(tmp_path: Path, study: Any) -> None:
    try:
        assert isinstance(load(tmp_path, study), Study)
    except UserError as error:
        assert str(tmp_path) in str(error) and "\n" not in str(error)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a nested dictionary, the root left out."""
    below = (
        [place for key in value for place in places(value[key], (*here, key))]
        if isinstance(value, dict)
        else []
    )
    return ([here] if here else []) + below


FULL = {
    **parse(Study, STUDY, "here").model_dump(mode="json"),
    "figures": ["samples"],
}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=garbage)
def test_garbage(tmp_path: Path, value: Any) -> None:
    only_user_errors(tmp_path, value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(places(FULL)), value=garbage)
@example(place=("runs", "a", "model", "patch_size"), value=10**400)
@example(place=("runs", "a", "training", "epochs"), value=10**400)
def test_a_good_study_with_one_garbage_value(tmp_path: Path, place: tuple[Any, ...], value: Any) -> None:
    study = copy.deepcopy(FULL)
    del study["runs"]["a"]["loss"]["kl"]
    target: Any = study
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    only_user_errors(tmp_path, study)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("ab:-[]{}#&*!|>'\"%@`,? \n\t~"))
def test_garbage_text(tmp_path: Path, text: str) -> None:
    only_user_errors(tmp_path, text)


# -- images of one's own


def pictures(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def with_dataset(dataset: Any) -> Any:
    study = copy.deepcopy(STUDY)
    study["runs"]["a"]["dataset"] = dataset
    return study


def test_a_dataset_of_the_table_says_no_more_than_it_ever_did() -> None:
    assert Dataset(name="digits").model_dump() == {"name": "digits", "resolution": None}
    assert Dataset(name="cifar10", resolution=32).model_dump() == {"name": "cifar10", "resolution": 32}


def test_a_folder_alone_is_a_dataset(tmp_path: Path) -> None:
    root = pictures(tmp_path / "Cats & dogs", "cat/a.png", "dog/b.jpg")
    dataset = Dataset.model_validate({"folder": str(root)})
    assert (dataset.classes, dataset.pixels, dataset.source.horizontal_flip) == (2, 64, False)
    assert re.fullmatch(r"cats-dogs-[0-9a-f]{6}-64px", dataset.archive)
    assert load(tmp_path, with_dataset({"folder": str(root)})).runs["a"].architecture.classes == 2


def test_a_job_looks_at_no_folder(tmp_path: Path) -> None:
    root = pictures(tmp_path / "cats", "cat/a.png", "dog/b.jpg")
    dataset = Dataset.model_validate({"folder": str(root), "name": "mine", "resolution": 32})
    assert re.fullmatch(r"mine-[0-9a-f]{6}-32px", dataset.archive)
    said = dataset.model_dump(mode="json")
    root.rename(tmp_path / "gone")
    assert Dataset.model_validate(said) == dataset
    with pytest.raises(ValidationError, match="cannot be read"):
        Dataset.model_validate({"folder": str(root)})


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ({}, ["runs.a.dataset.name", "is missing", "folder, zip or list"]),
        ({"folder": "/nowhere/at/all"}, ["runs.a.dataset", "/nowhere/at/all", "cannot be read"]),
        ({"zip": "/nowhere/at/all.zip"}, ["/nowhere/at/all.zip", "does not exist"]),
        ({"folder": "x", "zip": "y"}, ["exclude each other"]),
        ({"folder": 3}, ["runs.a.dataset.folder", "string"]),
        ({"folder": ""}, ["runs.a.dataset.folder"]),
        ({"name": "digits", "classes": 3}, ["classes is for your own images"]),
        ({"name": "digits", "split": "train"}, ["split is for a folder of your own"]),
        ({"zip": "x", "split": "train"}, ["split is for a folder of your own"]),
        ({"folder": "x", "classes": 0, "resize": "cubic"}, ["runs.a.dataset.resize", "'bicubic'"]),
        ({"folder": "x", "classes": 0, "name": "digits"}, ["'digits' is a dataset of data/sources.yaml"]),
        ({"folder": "x", "classes": 0, "name": "My Cats"}, ["'My Cats' is no name", "my-cats"]),
        ({"foldr": "x"}, ["unknown key 'foldr'", "did you mean 'folder'?"]),
        ({"folder": "x", "classes": -1}, ["runs.a.dataset.classes"]),
    ],
)
def test_what_a_dataset_of_ones_own_may_not_say(tmp_path: Path, dataset: Any, words: list[str]) -> None:
    refused(tmp_path, with_dataset(dataset), *words)


# -- what an archive holds follows from its name


def own(place: Path | str, **said: Any) -> Dataset:
    return Dataset.model_validate({"folder": str(place), **said})


def test_the_paths_spelling_changes_nothing(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", "cat/a.png", "dog/b.jpg")
    same = [own(root), own(f"{root}/"), own(f"{tmp_path}/./p//"), own(root, classes=2, resolution=64)]
    same.append(own(root, name="p", resize="bicubic"))
    assert all(dataset == same[0] for dataset in same)
    assert {dataset.archive for dataset in same} == {same[0].archive}
    again = Dataset.model_validate(same[0].model_dump(mode="json"))
    assert again == same[0]


def test_another_content_has_another_name(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", "train/cat/a.png", "train/dog/b.jpg", "val/cat/a.png", "val/dog/b.jpg")
    other = pictures(tmp_path / "other" / "p", "cat/a.png", "dog/b.jpg")
    several = [
        *(own(root, split="train"), own(root, split="val"), own(root, classes=0), own(other)),
        *(own(root, split="train", classes=0), own(other, resize="lanczos"), own(other, resolution=32)),
        *(own(root, classes=0, name="mine"), own(other, name="mine"), own(other, classes=0, name="mine")),
    ]
    assert len({dataset.archive for dataset in several}) == len(several)


def test_names_of_the_tables_datasets_stand(tmp_path: Path) -> None:
    for name, source in SOURCES.items():
        plain = Dataset(name=name)
        assert plain.archive == f"{name}-{source.native_resolution}px"
        assert Dataset(name=name, resolution=48).archive == f"{name}-48px"
        assert Dataset(name=name, resize="lanczos").archive != plain.archive


def test_default_names_are_names(tmp_path: Path) -> None:
    places = ("~/Pictures/My Cats!", "/data/cats", "…", "/data/digits")
    found = [own(place, classes=0).name for place in places]
    assert found == ["my-cats", "cats", "images", "own-digits"]
    assert own("/old/cats", classes=0).archive != own("/data/cats", classes=0).archive


def test_labels_as_often_as_the_dataset_has_them_need_classes(tmp_path: Path) -> None:
    study = with_dataset({"name": "digits"})
    study["runs"]["a"]["sampling"] = {"labels": "dataset"}
    assert load(tmp_path, study).runs["a"].sampling.labels == "dataset"
    study["runs"]["a"]["model"] = study["runs"]["a"].get("model", {}) | {"conditional": False}
    refused(tmp_path, study, "runs.a: sampling.labels", "unconditional")


@pytest.mark.parametrize(
    ("score", "count", "words"),
    [
        ({}, 50_000, "score.reference_count takes all"),
        ({"reference_count": 50_001}, 50_000, "score.reference_count takes 50001"),
        ({"reference_count": 50_000}, 50_001, "runs.a.sampling.count takes 50001"),
        ({"reference_count": 50_000}, 50_000, None),
        ({"reference": "theirs.npz"}, 50_000, None),
    ],
)
def test_of_jpegs_no_more_is_measured_than_stays_as_it_is(
    score: dict[str, Any], count: int, words: str | None
) -> None:
    run: dict[str, Any] = {"dataset": {"name": "imagenet", "format": "jpeg"}, "training": {"epochs": 40}}
    run |= {"sampling": {"count": count}, "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0}}
    study = {"study": "s", "runs": {"a": run}, "score": score}
    if words is None:
        assert parse(Study, study, "s.yaml").runs["a"].dataset.stored == "jpeg"
        return
    with pytest.raises(UserError, match=f"of JPEGs 50000 images stay as they are, but {re.escape(words)}"):
        parse(Study, study, "s.yaml")
    run["dataset"] = {"name": "imagenet"}
    assert parse(Study, study, "s.yaml").runs["a"].dataset.stored == "webp"
