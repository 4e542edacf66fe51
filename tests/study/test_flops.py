"""FLOPs from shapes agree with what torch's counter sees the models do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from sphere_repro.models.autoencoder import build
from sphere_repro.planning.memory import step_forward
from sphere_repro.sampling import refine
from sphere_repro.study import flops
from sphere_repro.study.architecture import SIZES, Architecture, Size
from sphere_repro.study.generation import Generation, Guidance
from sphere_repro.study.objective import Loss

TOLERANCE = 0.02
BATCH = 3
SMALL = {"encoder": Size(width=48, layers=2, heads=3), "decoder": Size(width=64, layers=3, heads=4)}
WITHOUT_P = {"pix_recon_perceptual": 0, "pix_con_perceptual": 0}


def architecture(**changes: Any) -> Architecture:
    """CIFAR-10's shapes with small networks."""
    fields: dict[str, Any] = {
        "image_size": 32,
        "patch_size": 2,
        "token_channels": 8,
        "classes": 10,
        "pixel_head": "conv",
        "encoder_mixer_depth": 2,
        "decoder_mixer_depth": 2,
    }
    return Architecture(**(fields | SMALL | changes))


def counted(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


VARIANTS: dict[str, dict[str, Any]] = {
    "conditional": {},
    "unconditional": {"classes": 0},
    "linear head": {"pixel_head": "linear", "patch_size": 4, "token_channels": 32},
    "no mixer": {"encoder_mixer_depth": 0, "decoder_mixer_depth": 0},
    "deep mixer": {"encoder_mixer_depth": 4, "decoder_mixer_depth": 1},
    "vae": {"kind": "vae"},
    "autoencoder": {"kind": "autoencoder"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_forward_calls_on_real_models(name: str) -> None:
    shape = architecture(**VARIANTS[name])
    model = build(shape)
    labels = torch.zeros(BATCH, dtype=torch.long) if shape.classes else None
    images, latent = torch.zeros(BATCH, 3, 32, 32), torch.zeros(BATCH, shape.tokens, shape.token_channels)
    encoder, decoder = flops.encoder_call(shape), flops.decoder_call(shape)
    assert BATCH * encoder.forward == pytest.approx(
        counted(lambda: model.encoder(images, labels)), rel=TOLERANCE
    )
    assert BATCH * decoder.forward == pytest.approx(
        counted(lambda: model.decoder(latent, labels)), rel=TOLERANCE
    )
    assert 0 < encoder.attention < encoder.forward and 0 < encoder.first < encoder.dense


LOSSES: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "all terms": ({}, {}),
    "no lat_con": ({}, {"lat_con": 0}),
    "lat_con alone": ({}, {"pix_recon_l1": 0, "pix_con_l1": 0}),
    "pix_con alone": ({}, {"pix_recon_l1": 0, "lat_con": 0}),
    "unconditional": ({"classes": 0}, {}),
    "vae": ({"kind": "vae"}, {"kl": 1}),
    "vae without kl": ({"kind": "vae"}, {}),
    "autoencoder": ({"kind": "autoencoder"}, {}),
    "spherified": ({}, {"alpha_max": 0, "hard_cases": {"probability": 0}, "pix_con_l1": 0, "lat_con": 0}),
    "vae, kl alone": ({"kind": "vae"}, {"kl": 1, "pix_recon_l1": 0}),
}


@pytest.mark.parametrize("name", LOSSES)
def test_real_training_steps(name: str) -> None:
    changes, weights = LOSSES[name]
    shape, loss = architecture(**changes), Loss(**(WITHOUT_P | weights))
    model = build(shape)
    seen = counted(lambda: step_forward(model, loss, BATCH, None).backward())
    assert BATCH * flops.training_flops(shape, loss) == pytest.approx(seen, rel=TOLERANCE)


@pytest.mark.parametrize("name", LOSSES)
def test_real_training_steps_that_compute_blocks_again(name: str) -> None:
    changes, weights = LOSSES[name]
    shape, loss = architecture(**changes), Loss(**(WITHOUT_P | weights))
    model = build(shape)
    plain = counted(lambda: step_forward(model, loss, BATCH, None).backward())
    model.encoder.checkpointing = model.decoder.checkpointing = True
    more = counted(lambda: step_forward(model, loss, BATCH, None).backward())
    assert BATCH * flops.recomputed_flops(shape, loss) == pytest.approx(more - plain, rel=TOLERANCE)
    assert more > 1.1 * plain


PAPER: dict[str, Architecture] = {
    "cifar-10 base": architecture(encoder=SIZES["base"], decoder=SIZES["base"]),
    "cifar-10 base without mixer": architecture(
        encoder=SIZES["base"], decoder=SIZES["base"], encoder_mixer_depth=0, decoder_mixer_depth=0
    ),
    **{
        name: architecture(
            image_size=256,
            patch_size=8,
            token_channels=channels,
            classes=classes,
            pixel_head="linear",
            encoder_mixer_depth=4,
            decoder_mixer_depth=4,
            encoder=SIZES[size],
            decoder=SIZES[size],
        )
        for name, size, channels, classes in [
            ("animal-faces base", "base", 128, 0),
            ("imagenet large", "large", 64, 1000),
        ]
    },
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if "large" in name else ()) for name in PAPER]
)
def test_a_training_step_of_the_papers_models(name: str) -> None:
    """On tensors without numbers: the counter needs shapes only."""
    shape, loss = PAPER[name], Loss(**WITHOUT_P)
    with FakeTensorMode():
        model = build(shape)
        seen = counted(lambda: step_forward(model, loss, 2, None).backward())
    assert 2 * flops.training_flops(shape, loss) == pytest.approx(seen, rel=TOLERANCE)


def test_a_training_step_of_a_paper_model_that_computes_blocks_again() -> None:
    shape, loss = PAPER["animal-faces base"], Loss(**WITHOUT_P)
    with FakeTensorMode():
        model = build(shape)
        model.encoder.checkpointing = model.decoder.checkpointing = True
        seen = counted(lambda: step_forward(model, loss, 2, None).backward())
    told = flops.training_flops(shape, loss) + flops.recomputed_flops(shape, loss)
    assert 2 * told == pytest.approx(seen, rel=TOLERANCE)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(("scale", "position"), [(1.0, "combo"), (1.5, "enc"), (1.5, "dec"), (1.5, "combo")])
def test_sampling(steps: int, scale: float, position: Any) -> None:
    shape = architecture()
    model = build(shape).eval()
    generation = Generation(steps=steps, guidance=Guidance(scale=scale, position=position))
    asked = refine.condition(model, torch.zeros(BATCH, dtype=torch.long), generation.guidance)
    noise = torch.randn(max(2, steps), BATCH, shape.tokens, shape.token_channels)
    seen = counted(lambda: refine.generate(model, noise[0], noise[1:], asked, 80.0, generation))
    expected = BATCH * flops.forward_flops(shape, flops.generation_calls(generation))
    assert expected == pytest.approx(seen, rel=TOLERANCE)


def test_perceptual_terms() -> None:
    sphere, vae = architecture(), architecture(kind="vae")
    lite = {"perceptual": {"network": "efficientnet-lite1"}}
    assert flops.perceptual_terms(sphere, Loss(**lite)) == 2
    assert flops.perceptual_terms(sphere, Loss(**lite, pix_con_perceptual=0)) == 1
    assert flops.perceptual_terms(vae, Loss(**lite)) == 1
    assert flops.perceptual_terms(sphere, Loss(**WITHOUT_P)) == 0
