"""The whole architecture: parameter counts of the specification, initial weights, shapes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from conftest import ROOT
from sphere_repro.data.dataset import Dataset
from sphere_repro.models.autoencoder import build, parameter_count
from sphere_repro.study.architecture import SIZES, Architecture, Model


def shape(size: str, ratio: float, classes: int, head: str, mixer: int, pixels: int) -> Architecture:
    patch = 2 if pixels <= 64 else pixels // 32
    return Architecture(
        image_size=pixels,
        patch_size=patch,
        token_channels=int(3 * patch**2 / ratio),
        classes=classes,
        pixel_head=head,
        encoder=SIZES[size],
        decoder=SIZES[size],
        encoder_mixer_depth=mixer,
        decoder_mixer_depth=mixer,
    )


@pytest.mark.parametrize(
    ("built", "count"),
    [
        (("base", 1.5, 10, "conv", 2, 32), 263_818_155),
        (("large", 1.5, 10, "conv", 2, 32), 921_569_387),
        (("base", 1.5, 0, "linear", 4, 256), 199_264_548),
        (("large", 1.5, 0, "linear", 4, 256), 642_148_324),
        (("large", 1.5, 102, "linear", 4, 256), 948_844_516),
        (("large", 3.0, 1000, "linear", 4, 256), 950_354_532),
        (("xlarge", 3.0, 1000, "linear", 4, 256), 1_388_922_404),
    ],
    ids=["cifar-b", "cifar-l", "afhq-b", "afhq-l", "flowers-l", "imagenet-l", "imagenet-xl"],
)
def test_parameter_counts_of_the_specification(built, count):
    assert parameter_count(shape(*built)) == count


def test_initial_weights(tiny_shape):
    model = build(tiny_shape, generator=torch.Generator().manual_seed(0))
    for side in (model.encoder, model.decoder):
        assert side.head.linear.weight.abs().sum() == 0
        assert side.head.modulation.linear.weight.abs().sum() == 0
        assert side.blocks[0].modulation.linear.weight.abs().sum() == 0
        assert side.class_embedding.table.weight.std().item() == pytest.approx(0.02, rel=0.4)
        assert side.mixer.blocks[0].token_scale.item() == 0
    assert model.decoder.embed.weight.std().item() == pytest.approx(1, rel=0.2)
    assert model.decoder.mixer.blocks[0].token_mlp.up.weight.std().item() == pytest.approx(1, rel=0.2)
    bound = (6 / (16 + 48)) ** 0.5  # qkv: 16 → 48
    assert bound * 0.9 < model.encoder.blocks[0].attention.qkv.weight.abs().max().item() <= bound
    patch = model.encoder.patch.weight.view(16, -1)
    assert patch.abs().max().item() <= (6 / (16 + 12)) ** 0.5
    assert model.decoder.pixels.expand.weight.abs().max().item() < 0.01
    biases = [parameter for name, parameter in model.named_parameters() if name.endswith("bias")]
    assert biases and all(bias.abs().sum() == 0 for bias in biases)


def test_initial_weights_follow_the_generator(tiny_shape):
    first, again, other = (build(tiny_shape, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(first.encoder.patch.weight, other.encoder.patch.weight)


def test_models_that_differ_in_one_place_share_the_other_weights(tiny_shape):
    """Arms of an ablation start alike: a deeper Mixer or another latent moves no other weight."""
    weights = dict(build(tiny_shape, generator=torch.Generator().manual_seed(1)).named_parameters())
    for change in ({"decoder_mixer_depth": 3}, {"encoder_mixer_depth": 0}, {"token_channels": 5}):
        model = build(tiny_shape.model_copy(update=change), generator=torch.Generator().manual_seed(1))
        others = dict(model.named_parameters())
        kept = [name for name in weights.keys() & others.keys() if weights[name].shape == others[name].shape]
        assert {"encoder.patch.weight", "decoder.blocks.0.attention.qkv.weight"} <= set(kept)
        assert all(torch.equal(weights[name], others[name]) for name in kept), change
    drawn = [
        weights[f"{side}.blocks.{i}.attention.qkv.weight"]
        for side in ("encoder", "decoder")
        for i in (0, 1)
        if f"{side}.blocks.{i}.attention.qkv.weight" in weights
    ]
    assert len(drawn) > 1 and not any(torch.equal(drawn[0], other) for other in drawn[1:])


@pytest.mark.parametrize("kind", ["sphere", "vae", "autoencoder"])
@pytest.mark.parametrize("head", ["linear", "conv"])
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("classes", [0, 3])
def test_shapes(tiny_shape, kind, head, depth, classes):
    change = {"kind": kind, "pixel_head": head, "classes": classes}
    change |= {
        "encoder_mixer_depth": depth,
        "decoder_mixer_depth": depth,
        "patch_size": 4,
        "token_channels": 5,
    }
    model = build(tiny_shape.model_copy(update=change), generator=torch.Generator().manual_seed(0))
    x, y = torch.zeros(2, 3, 8, 8), torch.tensor([0, classes]) if classes else None
    z = model.encode(x, y) if kind == "sphere" else model.posterior(x, y)[0]
    assert z.shape == (2, 4, 5)
    assert model.decode(z, y).shape == (2, 3, 8, 8)


def test_a_conditional_model_needs_labels(lively):
    with pytest.raises(ValueError, match="null class"):
        lively.encode(torch.zeros(1, 3, 8, 8))


def test_model_and_dataset_fix_the_shapes():
    assert Model(ratio=1.5).architecture(Dataset(name="digits")).latent_dimension == 128


def test_shapes_without_memory_load_no_compiler() -> None:
    """Arithmetic on the meta device imports torch._dynamo, a second of every job that opens a model."""
    program = (
        "import sys, torch\n"
        "from sphere_repro.models.autoencoder import build\n"
        "from sphere_repro.study.architecture import Architecture, Size\n"
        "size = Size(width=16, layers=1, heads=2)\n"
        "shape = Architecture(image_size=8, patch_size=2, token_channels=8, classes=3, pixel_head='conv',\n"
        "    encoder=size, decoder=size, encoder_mixer_depth=1, decoder_mixer_depth=1)\n"
        "with torch.device('meta'):\n"
        "    tables = {name: tensor.shape for name, tensor in build(shape).named_buffers()}\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "assert tables == {name: tensor.shape for name, tensor in build(shape).named_buffers()} and tables\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=True
    )
