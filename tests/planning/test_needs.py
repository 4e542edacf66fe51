"""What jobs need: parameters, calls, bytes on disk, and which jobs are done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch.utils.flop_counter import FlopCounterMode

from conftest import ROOT
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import write_archive, write_encoded
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.images import encode
from sphere_repro.data.prepare import own_content
from sphere_repro.data.sources import Format
from sphere_repro.errors import UserError
from sphere_repro.metrics.control_images import NOISE_IMAGES
from sphere_repro.metrics.features import make_extractor
from sphere_repro.metrics.recognition import arrays_of, train_judge
from sphere_repro.metrics.statistics import make_statistics, save_statistics
from sphere_repro.models.autoencoder import build, parameter_count
from sphere_repro.models.checkpoint import save_model
from sphere_repro.planning import memory, needs, perceptual_cost, scoring_needs
from sphere_repro.planning.archives import BYTES_PER_PIXEL, archive_bytes, photographs_bytes
from sphere_repro.planning.need import Need
from sphere_repro.planning.tracing import peak_bytes
from sphere_repro.study import flops, jobs
from sphere_repro.study.architecture import SIZES, Architecture
from sphere_repro.study.config import Study, load_study
from sphere_repro.training.adamw import unmoved
from sphere_repro.training.state import initial_state

SMOKE = load_study(ROOT / "params" / "smoke.yaml")
# Method, section 2: trained and fixed parameters.
PAPER = {
    "cifar-10 base": ("base", 32, 2, 8, 10, "conv", 2, 263_818_155),
    "cifar-10 large": ("large", 32, 2, 8, 10, "conv", 2, 921_569_387),
    "animal-faces base": ("base", 256, 8, 128, 0, "linear", 4, 199_264_548),
    "animal-faces large": ("large", 256, 8, 128, 0, "linear", 4, 642_148_324),
    "oxford-flowers large": ("large", 256, 8, 128, 102, "linear", 4, 948_844_516),
    "imagenet large": ("large", 256, 8, 64, 1000, "linear", 4, 950_354_532),
    "imagenet xlarge": ("xlarge", 256, 8, 64, 1000, "linear", 4, 1_388_922_404),
}


def planned(study: Study, folder: Path) -> dict[str, Need]:
    return {need.record: need for need in needs.needs(study, folder)}


def changed(**fields: Any) -> Study:
    """The smoke study with other fields in the run `digits`."""
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    for key, value in fields.items():
        part, name = key.split("__")
        raw["runs"]["digits"].setdefault(part, {})[name] = value
    return Study.model_validate(raw)


@pytest.mark.parametrize("name", PAPER)
def test_parameters_of_the_papers_models(name: str) -> None:
    size, pixels, patch, channels, classes, head, depth, expected = PAPER[name]
    shape = Architecture(
        image_size=pixels,
        patch_size=patch,
        token_channels=channels,
        classes=classes,
        pixel_head=head,
        encoder=SIZES[size],
        decoder=SIZES[size],
        encoder_mixer_depth=depth,
        decoder_mixer_depth=depth,
    )
    assert parameter_count(shape) == expected


@pytest.mark.parametrize(
    ("name", "size", "dataset", "ratio", "head", "depth"),
    [
        ("cifar-10 large", "large", "cifar10", 1.5, "conv", 2),
        ("imagenet xlarge", "xlarge", "imagenet", 3.0, "linear", 4),
    ],
)
def test_a_plan_of_the_papers_runs(
    tmp_path: Path, name: str, size: str, dataset: str, ratio: float, head: str, depth: int
) -> None:
    mixers = {"encoder_mixer_depth": depth, "decoder_mixer_depth": depth}
    run = {
        "dataset": {"name": dataset},
        "model": {"encoder": size, "decoder": size, "ratio": ratio, "pixel_head": head, **mixers},
        "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
        "training": {"epochs": 800, "warmup_epochs": 5},
        "execution": {"processes": 8, "micro_batch_size": 8, "activation_checkpointing": True},
        "sampling": {"count": 50_000, "generations": [{"steps": 4}]},
    }
    study = Study.model_validate({"study": "large", "runs": {"one": run}})
    found = planned(study, tmp_path)
    training = found["results/large/one/model.json"]
    shape, loss = study.runs["one"].architecture, study.runs["one"].loss
    assert training.parameters == PAPER[name][-1]
    of_one = flops.training_flops(shape, loss) + flops.recomputed_flops(shape, loss)
    assert training.flops == training.half == training.images * of_one
    images = study.runs["one"].dataset.source.images
    assert images and training.images == 800 * (images // 256) * 256


def test_every_job_stands_once(tmp_path: Path) -> None:
    found = needs.needs(SMOKE, tmp_path)
    names = [f"{need.run} {need.job} {need.subject}" for need in found]
    assert names == [
        "digits prepare digits-8px",
        "digits train digits-8px",
        "digits sample reconstruction",
        "digits sample generation-1",
        "digits sample generation-4-fixed-shared",
        "digits sample prior-path",
        "digits images 1 image set",
        "digits encode digits-8px",
        "digits reference digits-8px",
        "digits score 4 sets",
        "digits-vae train digits-8px",
        "digits-vae sample reconstruction",
        "digits-vae sample prior",
        "digits-vae sample posterior",
        "digits-vae sample prior-path",
        "digits-vae encode digits-8px",
        "digits-vae score 4 sets",
    ]
    assert not any(need.done for need in found)


def test_training_counts_steps_calls_and_copies(tmp_path: Path) -> None:
    need = planned(SMOKE, tmp_path)["results/smoke/digits/model.json"]
    run = SMOKE.runs["digits"]
    steps = 1797 // 64
    stored = 4 * parameter_count(run.architecture)
    assert need.parameters == parameter_count(run.architecture)
    assert need.images == steps * 64
    assert need.flops == steps * 64 * flops.training_flops(run.architecture, run.loss)
    kept = memory.activation_bytes(run.architecture, run.loss, 64, half=False)
    assert need.device == 5 * stored + kept
    assert need.disk == (2 + 4) * stored and need.working == 12 * stored and need.half == 0
    unkept = planned(changed(execution__keep_state=False), tmp_path)["results/smoke/digits/model.json"]
    assert unkept.disk == 2 * stored


def test_bfloat16_training_and_a_perceptual_network(tmp_path: Path) -> None:
    record = "results/smoke/digits/model.json"
    plain = planned(changed(training__precision="bfloat16"), tmp_path)[record]
    assert plain.half == plain.flops and not plain.notes
    perceived = changed(
        training__precision="bfloat16",
        loss__perceptual={"network": "efficientnet-lite1"},
        loss__pix_recon_perceptual=1,
    )
    need = planned(perceived, tmp_path)[record]
    one = perceptual_cost.perceptual_flops(perceived.runs["digits"].loss.perceptual, 8, 1)
    assert one and need.flops == plain.flops + plain.images * one and need.half == need.flops


def test_an_unknown_perceptual_network_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual_cost, "perceptual_flops", lambda *_: None)
    study = changed(loss__perceptual={"network": "efficientnet-lite1"}, loss__pix_recon_perceptual=1)
    need = planned(study, tmp_path)["results/smoke/digits/model.json"]
    assert "'efficientnet-lite1' is not counted" in need.notes[0]


def test_sample_sets(tmp_path: Path) -> None:
    found = planned(SMOKE, tmp_path)
    shape, vae = SMOKE.runs["digits"].architecture, SMOKE.runs["digits-vae"].architecture
    encode, decode = flops.encoder_call(shape).forward, flops.decoder_call(shape).forward
    folder = "results/smoke/digits/samples"
    assert found[f"{folder}/reconstruction.json"].flops == 64 * (encode + decode)
    assert found[f"{folder}/generation-1.json"].flops == 64 * decode
    assert found[f"{folder}/generation-4-fixed-shared.json"].flops == 64 * (3 * encode + 4 * decode)
    encode, decode = flops.encoder_call(vae).forward, flops.decoder_call(vae).forward
    folder = "results/smoke/digits-vae/samples"
    assert found[f"{folder}/prior.json"].flops == 64 * decode
    assert found[f"{folder}/prior-path.json"].flops == 6 * (encode + 3 * decode)  # six paths of three points
    assert found[f"{folder}/posterior.json"].flops == 64 * decode + 1797 * encode


def test_scoring(tmp_path: Path) -> None:
    found = planned(SMOKE, tmp_path)
    lite = scoring_needs.EXTRACTORS["efficientnet-lite0"]
    reference = found["results/smoke/reference/digits-8px.efficientnet-lite0.json"]
    images = 2 * 128 + NOISE_IMAGES  # and planted copies
    assert reference.images == images and reference.flops == images * lite.flops
    assert found["results/smoke/digits/scores.efficientnet-lite0.json"].images == 3 * 64 + 18


def test_every_extractor_has_its_reference_and_scores(tmp_path: Path) -> None:
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    raw["score"]["also"] = ["inception-legacy"]
    found, inception = (
        planned(Study.model_validate(raw), tmp_path),
        scoring_needs.EXTRACTORS["inception-legacy"],
    )
    assert found["results/smoke/reference/digits-8px.inception-legacy.json"].flops == (
        (256 + NOISE_IMAGES) * inception.flops
    )
    for run in ("digits", "digits-vae"):
        assert found[f"results/smoke/{run}/scores.inception-legacy.json"].flops == 210 * inception.flops
    assert set(found) > set(planned(SMOKE, tmp_path))


@pytest.mark.parametrize("name", ["efficientnet-lite0", pytest.param("inception", marks=pytest.mark.slow)])
def test_the_extractors_cost_is_counted_on_the_network(name: str) -> None:
    extractor, cost = make_extractor(name), scoring_needs.EXTRACTORS[name]
    images = torch.zeros(1, 3, extractor.pixels or 0, extractor.pixels or 0)
    with torch.inference_mode():
        extractor.network(images)  # the first call compiles
        with FlopCounterMode(display=False) as counter:
            extractor.network(images)
        peak = peak_bytes(lambda: extractor.network(torch.zeros_like(images)))
    assert cost.flops == pytest.approx(counter.get_total_flops(), rel=0.02)
    assert cost.activations == pytest.approx(peak, rel=0.05)
    assert cost.dimension == extractor.dimension


@pytest.mark.parametrize("pixels", [8, 32, 150])
def test_an_archive_of_noise_just_fits_the_bound(tmp_path: Path, pixels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, pixels, pixels, 3), dtype=np.uint8)
    write_archive(tmp_path / "a.zip", iter(noise), np.arange(20))
    size = (tmp_path / "a.zip").stat().st_size
    bound = archive_bytes(20, pixels)
    assert size <= bound <= 1.02 * size + 2000


def test_imagenet_is_planned_as_photographs_with_its_parts_beside_it(tmp_path: Path) -> None:
    """253 GB would be noise. The bytes per pixel are those of the benchmark's photograph with more detail."""
    measured = json.loads((ROOT / "benchmarks/image_formats.json").read_text())["formats"]
    rows = {"png": "png", "webp": "webp, method 0", "jpeg": "jpeg, quality 95"}
    for form, row in rows.items():
        most = max(measured[row]["bytes_per_pixel"].values())
        assert BYTES_PER_PIXEL[form] == pytest.approx(most, abs=0.005)
    weights = {"pix_recon_perceptual": 0, "pix_con_perceptual": 0}
    run = {"dataset": {"name": "imagenet"}, "training": {"epochs": 40}, "loss": weights}
    study = Study.model_validate({"study": "s", "runs": {"a": run}, "score": {"reference_count": 50000}})
    need = planned(study, tmp_path)["data/prepared/imagenet-256px.json"]
    assert 125e9 < need.disk < 140e9 and need.working == need.disk
    jpegs = photographs_bytes(1_281_167, 256, "jpeg", 50_000)
    assert 55e9 < jpegs < 65e9
    assert photographs_bytes(40_000, 256, "jpeg", 50_000) == photographs_bytes(40_000, 256, "webp")
    assert photographs_bytes(100, 32, "png") == archive_bytes(100, 32)


@pytest.mark.parametrize("form", ["png", "webp", "jpeg"])
def test_a_photographs_archive_is_about_as_large_as_planned(tmp_path: Path, form: Format) -> None:
    photo = load_sample_image("china.jpg")
    squares = [
        photo[row : row + 256, column : column + 256] for row in (0, 85, 171) for column in (0, 190, 384)
    ]
    small = [np.asarray(Image.fromarray(photo).resize((384, 256)))[:, at : at + 256] for at in (0, 64, 128)]
    images = [np.ascontiguousarray(square) for square in squares + small]
    write_encoded(tmp_path / "a.zip", (encode(image, form) for image in images), range(len(images)))
    planned = photographs_bytes(len(images), 256, form)
    assert (tmp_path / "a.zip").stat().st_size == pytest.approx(planned, rel=0.2)


def test_model_and_reference_files_are_as_large_as_said(tmp_path: Path) -> None:
    shape = SMOKE.runs["digits"].architecture
    weights = build(shape).state_dict()
    save_model(tmp_path / "m.safetensors", weights, weights, shape, 80.0)
    found = planned(SMOKE, tmp_path)
    told = found["results/smoke/digits/model.json"].disk
    size = (tmp_path / "m.safetensors").stat().st_size
    assert size == pytest.approx(told / 3, rel=0.05)
    state = initial_state(jobs.train_job(SMOKE, "digits"), torch.device("cpu"))
    for parameter in state.adam.parameters:
        state.adam.state[parameter] = unmoved(parameter)
    torch.save(state.record(""), tmp_path / "m.state.pt")
    size = (tmp_path / "m.state.pt").stat().st_size
    assert size == pytest.approx(told * 2 / 3, rel=0.2)  # of few numbers: the file's own words count
    features = np.random.default_rng(0).random((128, 1280), dtype=np.float32)
    write_archive(tmp_path / "a.zip", np.zeros((128, 8, 8, 3), np.uint8), np.arange(128) % 10)
    judge = train_judge(features, ImageArchive(tmp_path / "a.zip"), np.arange(128))
    save_statistics(tmp_path / "r.npz", make_statistics(features), arrays_of(judge))
    told = found["results/smoke/reference/digits-8px.efficientnet-lite0.json"].disk
    assert (tmp_path / "r.npz").stat().st_size == pytest.approx(told, rel=0.01)


def test_statistics_by_others_still_take_features_for_a_classifier(tmp_path: Path) -> None:
    """None where the dataset has no classes: then nothing of the real images is looked at."""
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    raw["score"]["reference"] = "theirs.npz"
    raw["score"].pop("reference_count", None)
    found = planned(Study.model_validate(raw), tmp_path)
    reference = found["results/smoke/reference/digits-8px.efficientnet-lite0.json"]
    assert reference.images == 1797 and reference.flops > 0
    raw["runs"] = {"patches": raw["runs"]["digits"] | {"dataset": {"name": "photo-patches", "resolution": 8}}}
    raw["runs"]["patches"]["model"] = raw["runs"]["patches"]["model"] | {"conditional": False}
    found = planned(Study.model_validate(raw), tmp_path)
    reference = found["results/smoke/reference/photo-patches-8px.efficientnet-lite0.json"]
    assert reference.images == 0 and reference.flops == 0


def test_a_job_is_done_only_if_it_was_this_job(tmp_path: Path) -> None:
    record = tmp_path / "results/smoke/digits/model.json"
    record.parent.mkdir(parents=True)
    job = jobs.train_job(SMOKE, "digits").model_dump(mode="json")
    record.write_text(json.dumps({"job": job}))
    assert planned(SMOKE, tmp_path)["results/smoke/digits/model.json"].done
    record.write_text(json.dumps({"job": job | {"seed": 1}}))
    assert not planned(SMOKE, tmp_path)["results/smoke/digits/model.json"].done
    for text in ("{", "[]", '{"job": 3}'):
        record.write_text(text)
        assert not planned(SMOKE, tmp_path)["results/smoke/digits/model.json"].done


def test_prepared_images_are_counted_where_they_are(tmp_path: Path) -> None:
    record = tmp_path / "data/prepared/digits-8px.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"images": 640}))
    found = planned(SMOKE, tmp_path)
    assert found["data/prepared/digits-8px.json"].images == 640
    assert found["results/smoke/digits/model.json"].images == 640


def test_images_of_ones_own_are_counted_and_known_when_they_are_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for index in range(70):
        place = tmp_path / "pets" / ("cat" if index % 2 else "dog") / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(place)
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    raw["runs"]["digits"]["dataset"] = {"folder": "pets", "resolution": 8}
    study = Study.model_validate(raw)
    dataset = study.runs["digits"].dataset
    record = f"data/prepared/{dataset.archive}.json"
    need = planned(study, tmp_path)[record]
    assert need.images == 70 and not need.done
    job = jobs.prepare_job(study.runs["digits"], own_content(dataset)).model_dump(mode="json")
    (tmp_path / record).parent.mkdir(parents=True)
    (tmp_path / record).write_text(json.dumps({"images": 70, "job": job}))
    assert planned(study, tmp_path)[record].done
    place.unlink()
    assert not planned(study, tmp_path)[record].done


def test_nobody_knows_how_many_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = SMOKE.runs["digits"].dataset.source.model_copy(update={"images": None})
    monkeypatch.setattr(Dataset, "source", property(lambda _: unknown))
    with pytest.raises(UserError, match=r"known only once it is prepared.*digits-8px\.zip first"):
        needs.needs(SMOKE, tmp_path)


def test_a_batch_larger_than_the_dataset(tmp_path: Path) -> None:
    record = tmp_path / "data/prepared/digits-8px.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"images": 20}')  # prepared with fewer images than the table names
    with pytest.raises(UserError, match="batch_size is 64"):
        needs.needs(SMOKE, tmp_path)


def test_what_cannot_be_done_is_told(tmp_path: Path) -> None:
    nothing = changed(loss__pix_recon_l1=0, loss__pix_con_l1=0, loss__lat_con=0)
    with pytest.raises(
        UserError, match=r"runs\.digits cannot be planned: every weight of the objective is 0"
    ):
        needs.needs(nothing, tmp_path)


TRAINED = "results/smoke/digits/model.json"


def executed(folder: Path, **settings: Any) -> Need:
    """The training of `digits` under other execution settings; its batch is 64."""
    return planned(changed(**{f"execution__{key}": value for key, value in settings.items()}), folder)[
        TRAINED
    ]


def test_processes_share_a_batch_and_keep_their_gradients_once_more(tmp_path: Path) -> None:
    run = SMOKE.runs["digits"]
    stored = 4 * parameter_count(run.architecture)
    alone, shared = executed(tmp_path), executed(tmp_path, processes=3, nodes=2)
    kept = memory.activation_bytes(run.architecture, run.loss, 11, half=False)  # 64 / 6, rounded up
    assert (shared.processes, shared.nodes, shared.devices) == (3, 2, 6) and alone.devices == 1
    assert shared.device == 6 * stored + kept
    assert (shared.flops, shared.disk) == (alone.flops, alone.disk)
    assert shared.host > 2 * (alone.host - 4 * stored)  # three processes hold the images; one of them writes


@pytest.mark.parametrize(("asked", "passed"), [(5, 5), (64, 64), (1000, 64), (None, 64)])
def test_memory_is_that_of_one_micro_batch(tmp_path: Path, asked: int | None, passed: int) -> None:
    run = SMOKE.runs["digits"]
    need = executed(tmp_path, micro_batch_size=asked)
    kept = memory.activation_bytes(run.architecture, run.loss, passed, half=False)
    assert need.device == 5 * 4 * parameter_count(run.architecture) + kept
    assert need.flops == executed(tmp_path).flops


def test_checkpointing_saves_memory_and_costs_flops(tmp_path: Path) -> None:
    run = SMOKE.runs["digits"]
    plain, again = executed(tmp_path), executed(tmp_path, activation_checkpointing=True)
    more = flops.recomputed_flops(run.architecture, run.loss)
    assert again.flops == plain.flops + again.recomputed and again.recomputed == again.images * more
    assert again.device < plain.device and plain.recomputed == 0
    assert any("compile" in note for note in executed(tmp_path, compile=True).notes)


def test_a_large_dataset_is_not_held_in_memory(tmp_path: Path) -> None:
    archive = tmp_path / "data/prepared/digits-8px.json"
    archive.parent.mkdir(parents=True)
    archive.write_text(json.dumps({"images": 10**9}))  # 192 GB of pixels
    alone = executed(tmp_path)
    assert 10**9 < alone.host < 10**12 / 1.1


def test_a_released_run_is_imported_and_not_trained(tmp_path: Path) -> None:
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    raw["runs"]["digits"]["released"] = "data/released/digits.pth"
    study = Study.model_validate(raw)
    need = planned(study, tmp_path)[TRAINED]
    stored = 4 * parameter_count(study.runs["digits"].architecture)
    assert (need.job, need.flops, need.images, need.device) == ("import", 0, 0, 0)
    assert need.disk == 2 * stored and not need.done
    job = jobs.released_job(study, "digits", "its hash").model_dump(mode="json")
    record = tmp_path / TRAINED
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"job": job}))
    assert planned(study, tmp_path)[TRAINED].done
    record.write_text(json.dumps({"job": job | {"released": "other.pth"}}))
    assert not planned(study, tmp_path)[TRAINED].done


def sampled(folder: Path, kind: str = "generation-1", **settings: Any) -> Need:
    """A set of `digits`, or of `digits-vae`, under other settings of its sampling."""
    raw = SMOKE.model_dump(mode="json", exclude_unset=True)
    run = "digits-vae" if kind in ("prior", "posterior") else "digits"
    raw["runs"][run]["sampling"] |= settings
    return planned(Study.model_validate(raw), folder)[f"results/smoke/{run}/samples/{kind}.json"]


def test_processes_share_a_set_and_each_holds_the_model(tmp_path: Path) -> None:
    alone, shared = sampled(tmp_path), sampled(tmp_path, processes=3)
    assert (alone.devices, shared.devices) == (1, 3)
    assert (shared.flops, shared.disk, shared.device) == (alone.flops, alone.disk, alone.device)
    assert shared.host == 3 * alone.host


def test_precision_moves_flops_from_one_rate_to_another(tmp_path: Path) -> None:
    found = {kind: sampled(tmp_path, precision=kind) for kind in ("float32", "tf32", "bfloat16")}
    flops = found["float32"].flops
    assert {kind: (need.half, need.tf32) for kind, need in found.items()} == {
        "float32": (0, 0),
        "tf32": (0, flops),
        "bfloat16": (flops, 0),
    }
    assert all(need.flops == flops for need in found.values())


def test_parts_and_result_lie_on_the_disk_together(tmp_path: Path) -> None:
    """Of a posterior there are sums besides; scoring keeps its features until the end."""
    need, other = sampled(tmp_path), sampled(tmp_path, "posterior")
    assert need.working == need.disk > 0
    assert other.working - other.disk == 2 * 8 * SMOKE.runs["digits-vae"].architecture.latent_dimension
    score = planned(SMOKE, tmp_path)["results/smoke/digits/scores.efficientnet-lite0.json"]
    assert score.working == (3 * 64 + 18) * 1280 * 4
