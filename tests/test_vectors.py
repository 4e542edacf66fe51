"""The reference vectors: they, and nothing else, decide whether the model is right.

Any further file of either kind put into the folder is taken too, whatever its configuration.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conftest import VECTORS
from miniature import released_words
from sphere_repro import sphere
from sphere_repro.models import released_names
from sphere_repro.models.autoencoder import SphereAutoencoder, unit
from sphere_repro.models.layers import position_embedding, rope_table, rotate
from sphere_repro.sampling import refine
from sphere_repro.study.generation import Generation, Scheme
from sphere_repro.study.objective import Loss
from sphere_repro.study.schedule import Schedule
from sphere_repro.training import losses, optim

SINGLE = 1e-4  # at most one encode and one decode, and losses
SEVERAL = 1e-3  # several steps amplify rounding
GRADIENT = 1e-3  # relative
TRAINED = 5e-5

FILES = sorted(VECTORS.glob("*.npz")) if VECTORS.is_dir() else []


def _keys(path: Path) -> list[str]:
    with np.load(path) as data:
        return data.files


MODELS = [path for path in FILES if "encode" in _keys(path)]
TRAININGS = [path for path in FILES if "steps/x" in _keys(path)]
OPERATIONS = [path for path in FILES if "spherify/in" in _keys(path)]


def by_file(paths: list[Path]) -> pytest.MarkDecorator:
    skipped = pytest.param(
        None, marks=pytest.mark.skip(reason=f"no reference vectors in {VECTORS}"), id="missing"
    )
    return pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in paths] or [skipped])


class Reference:
    """One file: its arrays as tensors, its configuration, its model."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as data:
            self.arrays = {name: data[name] for name in data.files}
        self.config: dict[str, Any] = json.loads(str(self.arrays["config"]))

    def __getitem__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(np.asarray(self.arrays[name]))

    def under(self, prefix: str) -> dict[str, torch.Tensor]:
        return {name[len(prefix) :]: self[name] for name in self.arrays if name.startswith(prefix)}

    def model(self) -> SphereAutoencoder:
        from sphere_repro.models.checkpoint import build_with
        from sphere_repro.models.released_config import ReleasedConfig
        from sphere_repro.models.released_state import released_state

        shape = ReleasedConfig.model_validate(released_words(self.config)).architecture
        model = build_with(released_state(self.under("weights/"), shape, "vectors"), shape, "vectors")
        assert isinstance(model, SphereAutoencoder)
        return model

    @property
    def labels(self) -> torch.Tensor | None:
        return self["y"] if "y" in self.arrays else None


def close(found: torch.Tensor, expected: torch.Tensor, tolerance: float, what: str) -> None:
    assert found.shape == expected.shape, what
    difference = (found.detach().double() - expected.double()).abs().max().item()
    assert difference <= tolerance, f"{what}: {difference:.2e} > {tolerance}"


def no_drops(batch: int) -> list[torch.Tensor]:
    return [torch.zeros(size, dtype=torch.bool) for size in (batch, 2 * batch, batch)]


def test_every_file_is_of_a_known_kind() -> None:
    if not FILES:
        pytest.skip(f"no reference vectors in {VECTORS}")
    assert set(FILES) == {*MODELS, *TRAININGS, *OPERATIONS}


@by_file(OPERATIONS)
def test_operations(path: Path) -> None:
    with np.load(path) as data:
        arrays = {name: torch.from_numpy(data[name]) for name in data.files}
    close(sphere.spherify(arrays["spherify/in"]), arrays["spherify/out"], SINGLE, "spherify")
    for name, expected in arrays.items():
        kind, *rest = name.split("/")
        if kind == "noisy":
            angle = float(rest[0].removeprefix("angle="))
            v = sphere.spherify(arrays["spherify/in"])
            close(sphere.turn(v, arrays["spherify/e"], sphere.angle_to_sigma(angle)), expected, SINGLE, name)
        elif kind == "pos_embed":
            dim, grid = (int(part.split("=")[1]) for part in rest)
            close(position_embedding(dim, grid), expected, SINGLE, name)
        elif kind == "rope" and "=" in rest[0]:
            head_dim, grid = (int(part.split("=")[1]) for part in rest)
            cosines, sines = rope_table(head_dim, grid)
            close(torch.cat([cosines, sines], dim=-1), expected, SINGLE, name)
            close(rotate(arrays["rope/q"], cosines, sines), arrays["rope/q_rotated"], SINGLE, "rotated q")
        elif kind == "lr" and rest[0].startswith("value"):
            given = dict(
                part.split("=") for part in rest[0].removeprefix("value(").removesuffix(")").split(",")
            )
            schedule = Schedule(
                float(given["max"]), float(given["min"]), float(given["warmup"]), int(given["total"])
            )
            rates = torch.tensor([schedule(int(step)) for step in arrays["lr/steps"]], dtype=torch.float64)
            close(rates * 1e4, expected * 1e4, 1e-6, name)


@by_file(MODELS)
def test_encode_and_decode(path: Path) -> None:
    reference = Reference(path)
    model, x, y = reference.model(), reference["x"], reference.labels
    with torch.no_grad():
        latent = model.encode(x, y)
        close(latent, reference["encode"], SINGLE, "encode")
        close(sphere.spherify(reference["encode"]), reference["spherify"], SINGLE, "spherify")
        close(model.decode(reference["spherify"], y), reference["decode"], SINGLE, "decode")
        close(unit(refine.reconstruct(model, x, y)), reference["reconstruct_01"], SINGLE, "reconstruct")
        if y is not None:
            null = torch.full_like(y, model.null_class)
            close(model.encode(x, null), reference["encode_null"], SINGLE, "encode_null")
            close(model.decode(reference["spherify"], null), reference["decode_null"], SINGLE, "decode_null")


@by_file(MODELS)
def test_losses_and_gradients(path: Path) -> None:
    reference = Reference(path)
    model = reference.model().train()
    radii = reference["train/r"].flatten()
    small = radii * reference["train/s"].flatten() * 0.5
    draws = losses.Draws(radii, small, *no_drops(len(radii)), reference["train/e"])
    angle = float(reference.config["angle"])
    points = losses.noisy_points(reference["encode"], draws, angle)
    close(points.large, reference["train/v_NOISY"], SINGLE, "v_NOISY")
    close(points.small, reference["train/v_noisy"], SINGLE, "v_noisy")
    loss = _smooth_l1_only(angle)
    terms = losses.sphere_losses(model, reference["x"], reference.labels, draws, loss, None)
    for term, name in (
        ("pix_recon_l1", "pix_recon_smooth_l1"),
        ("pix_con_l1", "pix_con_smooth_l1"),
        ("lat_con", "lat_con_cosine"),
    ):
        close(terms[term], reference[f"train/{name}"], SINGLE, name)
    losses.total(terms, loss).backward()
    parameters = dict(model.named_parameters())
    norms = released_names.rename(reference.under("train/gradnorm/"))
    assert set(norms) == {name for name, parameter in parameters.items() if parameter.grad is not None}
    for name, norm in norms.items():
        found = parameters[name].grad.norm().item()
        assert found == pytest.approx(norm.item(), rel=GRADIENT, abs=1e-9), name


@by_file(MODELS)
def test_samples_and_edits(path: Path) -> None:
    reference = Reference(path)
    model, angle = reference.model(), float(reference.config["angle"])
    compared = 0
    for name in reference.arrays:
        if name.startswith("gen/steps="):
            generation = _generation(name)
            asked = refine.condition(model, reference.labels, generation.guidance)
            first, later = reference["gen/e0"], reference["gen/step_noise"]
            x = refine.generate(model, first, later, asked, angle, generation)
            tolerance = SINGLE if generation.steps == 1 else SEVERAL
            close(unit(x).clamp(0, 1), reference[name], tolerance, name)
            compared += 1
        elif name.startswith("edit/"):
            given = dict(part.split("=") for part in name.split("/") if "=" in part)
            scheme = Scheme(noise="shared" if "shared" in name else "independent")
            images = refine.edit(
                model,
                reference["x"],
                reference["gen/step_noise"],
                refine.condition(model, reference.labels),
                angle,
                scheme,
                strength=float(given["strength"]),
                steps=int(given["steps"]),
            )
            close(unit(torch.stack(images)).clamp(0, 1), reference[name], SEVERAL, name)
            compared += 1
    assert compared > 0


@by_file(TRAININGS)
def test_training_steps(path: Path) -> None:
    reference = Reference(path)
    config = reference.config
    model = reference.model().train()
    schedule = Schedule(config["lr_max"], config["lr_min"], config["warmup_steps"], config["total_steps"])
    adam = optim.optimizer(model.encoder, model.decoder)
    ema = [parameter.detach().clone() for parameter in model.parameters()]
    loss = _smooth_l1_only(config["angle"])
    for step, x in enumerate(reference["steps/x"]):
        radii, second = (reference[f"steps/{name}"][step].flatten() for name in "rs")
        draws = losses.Draws(radii, radii * second * 0.5, *no_drops(len(radii)), reference["steps/e"][step])
        labels = reference["steps/y"][step] if config["classes"] else None
        value = losses.total(losses.sphere_losses(model, x, labels, draws, loss, None), loss)
        adam.zero_grad()
        value.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config["clip_norm"])
        optim.set_rates(adam, schedule(step), config["encoder_lr_factor"])
        adam.step()
        optim.average(ema, model.parameters(), config["ema_decay"])
        close(value, reference["steps/loss"][step], SINGLE, f"loss of step {step}")
        assert norm.item() == pytest.approx(reference["steps/grad_norm"][step].item(), rel=GRADIENT)
        assert schedule(step) == pytest.approx(reference["steps/lr"][step].item(), rel=1e-6)
    averages = dict(zip([name for name, _ in model.named_parameters()], ema, strict=True))
    for prefix, found in (("after/", dict(model.named_parameters())), ("ema/", averages)):
        expected = released_names.rename(reference.under(prefix))
        assert set(found) <= set(expected)
        for name, tensor in found.items():
            close(tensor, expected[name], TRAINED, prefix + name)


def _smooth_l1_only(angle: float) -> Loss:
    """25·recon + 1·con + 0.1·lat, without hard cases and perceptual part."""
    return Loss(
        alpha_max=angle,
        pix_recon_l1=25,
        pix_con_l1=1,
        lat_con=0.1,
        pix_recon_perceptual=0,
        pix_con_perceptual=0,
    )


def _generation(name: str) -> Generation:
    given = dict(part.split("=") for part in name.split("/") if "=" in part)
    scale, position = given["cfg"].split("-")
    return Generation.model_validate(
        {
            "steps": int(given["steps"]),
            "strength": given["schedule"],
            "noise": given["noise"],
            "guidance": {"scale": float(scale), "position": position},
        }
    )
