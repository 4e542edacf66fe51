"""Images of edits, crossovers, interpolations and reconstructions, in a fixed order, and what is measured.

Noise belongs to a seed and to the number of the input (or the pair, the path), not to class, scheme or batch:
what differs between two images of one input is what the set varies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from sphere_repro.data.class_names import class_number, class_word
from sphere_repro.data.loading import to_unit
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import SphereAutoencoder, unit
from sphere_repro.models.checkpoint import Checkpoint
from sphere_repro.sampling import measures, paths, refine
from sphere_repro.seeds import Random
from sphere_repro.sphere import spherify
from sphere_repro.study.architecture import KIND_NAMES
from sphere_repro.study.generation import Generation, Scheme
from sphere_repro.study.image_sets import Crossover, Cut, Edit, Interpolation, Reconstruction

Seed = tuple[str | int, ...]
Axes = dict[str, list[Any]]
Item = TypeVar("Item")
Parent = Literal["first", "second"]


@dataclass(frozen=True)
class Setting:
    """With what images are made: the model, the seed of their noise, and how many fit into one pass."""

    checkpoint: Checkpoint
    seed: Seed
    batch: int
    device: torch.device
    random: Random = "torch"

    @property
    def model(self) -> SphereAutoencoder:
        """Raises UserError where the model is no Sphere Encoder."""
        model = self.checkpoint.model
        if not isinstance(model, SphereAutoencoder):
            raise UserError(
                f"The model is {KIND_NAMES[model.shape.kind]}. Only a Sphere Encoder edits, crosses and "
                "interpolates."
            )
        return model

    @property
    def shape(self) -> tuple[int, int]:
        """(N, d)."""
        return self.checkpoint.model.shape.tokens, self.checkpoint.model.shape.token_channels

    def images(self, pixels: np.ndarray) -> Tensor:
        """uint8 (B, H, H, 3) → (B, 3, H, H) in [-1, 1] on the device."""
        return to_unit(torch.from_numpy(pixels).permute(0, 3, 1, 2)).to(self.device)

    def noise(self, indices: Sequence[int], draws: int, *more: str | int) -> Tensor:
        """(draws, B, N, d) for the inputs called `indices`."""
        own = (*self.seed, *more)
        return refine.sample_noise(own, indices, self.shape, draws, self.device, self.random)


@dataclass(frozen=True)
class Drawn:
    """A set's images.

    Attributes:
        images: uint8 (…, H, H, 3), one leading axis for each of `axes`.
        axes: name → what stands along it.
        labels: the class asked for, of each image in row-major order; None where there is none, or a mixture.
        measures: what a figure or a claim says of the set.
    """

    images: np.ndarray
    axes: Axes
    labels: np.ndarray | None = None
    measures: dict[str, Any] = field(default_factory=dict)

    @property
    def flat(self) -> np.ndarray:
        """uint8 (n, H, H, 3)."""
        return self.images.reshape(-1, *self.images.shape[-3:])


def scheme_name(scheme: Scheme) -> str:
    """How axes call a scheme, e.g. `fixed-shared`."""
    return f"{scheme.strength}-{scheme.noise}"


def draw_edit(setting: Setting, settings: Edit, inputs: np.ndarray) -> Drawn:
    """Axes: scheme, class, input, step (0: the input itself).

    Args:
        setting: model and seed.
        settings: of the set.
        inputs: uint8 (n, H, H, 3).

    Raises:
        UserError: there is no such class, or the model is no conditional Sphere Encoder where one is needed.
    """
    model, names = setting.model, setting.checkpoint.class_names
    classes = classes_of(settings.classes, model.shape.classes, names)
    refuse_guidance([settings], classes)
    by_scheme, curves = [], {}
    for scheme in settings.schemes:
        images, curve = _edited(setting, settings, scheme, classes, inputs)
        by_scheme.append(images)
        curves[scheme_name(scheme)] = curve
    axes: Axes = {
        "scheme": [scheme_name(scheme) for scheme in settings.schemes],
        "class": [class_word(label, names) for label in classes] or ["none"],
        "input": list(range(len(inputs))),
        "step": list(range(settings.steps + 1)),
    }
    labels = None
    if classes:
        repeated = np.repeat(classes, len(inputs) * (settings.steps + 1))
        labels = np.tile(repeated, len(settings.schemes)).astype(np.int64)
    return Drawn(np.stack(by_scheme), axes, labels, {"curves": curves})


def _edited(
    setting: Setting, settings: Edit, scheme: Scheme, classes: list[int], inputs: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Bytes uint8 (classes or 1, n, T+1, H, H, 3) with one scheme, and their curves."""
    model, alpha = setting.model, setting.checkpoint.alpha_max
    draws = 1 if scheme.noise == "shared" else settings.steps
    targets, count = classes or [model.null_class], len(inputs)

    def refined(part: list[tuple[int, int]]) -> list[Tensor]:
        indices = [index for _, index in part]
        x = setting.images(inputs[indices])
        labels = torch.tensor([target for target, _ in part], device=setting.device) if classes else None
        asked = refine.condition(model, labels, settings.guidance)
        noise, strength, steps = setting.noise(indices, draws), settings.strength, settings.steps
        return [x, *refine.edit(model, x, noise, asked, alpha, scheme, strength=strength, steps=steps)]

    pairs = [(target, index) for target in targets for index in range(count)]
    images, rows = _passes(pairs, setting.batch, refined)
    shaped = images.reshape(len(targets), count, *images.shape[1:])
    return shaped, measures.summary(rows)


def draw_crossover(setting: Setting, settings: Crossover, inputs: np.ndarray) -> Drawn:
    """Axes: cut, pair, pass (0: stitched); `inputs` are pairs, first and second image.

    Before the cuts stand `first` and `second`, the images themselves under the same passes: what a crossover
    moves beyond them comes from the stitching.

    Raises:
        UserError: there is an odd number of images, or the model is no Sphere Encoder.
    """
    if len(inputs) % 2:
        raise UserError(f"A crossover takes pairs of images, not {len(inputs)}. Give an even number.")
    names: list[Cut | Parent] = ["first", "second", *settings.cuts]
    images, rows = _crossed(setting, settings, names, inputs)
    pairs = len(inputs) // 2
    axes: Axes = {"cut": [*names], "pair": list(range(pairs)), "pass": list(range(settings.passes + 1))}
    by_cut = zip(names, rows.reshape(len(names), pairs, *rows.shape[1:]), strict=True)
    curves = {name: measures.summary(of_cut) for name, of_cut in by_cut}
    return Drawn(images.reshape(len(names), pairs, *images.shape[1:]), axes, None, {"curves": curves})


def _crossed(
    setting: Setting, settings: Crossover, names: Sequence[Cut | Parent], inputs: np.ndarray
) -> tuple[np.ndarray, Tensor]:
    """Bytes uint8 (names x pairs, T+1, H, H, 3), cut by cut, and `measures.by_pass` of them."""
    draws = 1 if settings.scheme.noise == "shared" else settings.passes

    def crossed(part: list[tuple[Cut | Parent, int]]) -> list[Tensor]:
        pairs = [pair for _, pair in part]
        return refine.crossover(
            setting.model,
            torch.cat(
                [_stitched(setting.images(inputs[2 * pair : 2 * pair + 2]), name) for name, pair in part]
            ),
            steps=settings.passes,
            noise=setting.noise(pairs, draws) if settings.strength > 0 else None,
            strength=settings.strength,
            alpha_max=setting.checkpoint.alpha_max,
            scheme=settings.scheme,
        )

    items = [(name, pair) for name in names for pair in range(len(inputs) // 2)]
    return _passes(items, setting.batch, crossed)


def _stitched(pair: Tensor, name: Cut | Parent) -> Tensor:
    """Of two images (2, 3, H, H) the one called `name`, or both stitched: (1, 3, H, H)."""
    if name == "first":
        return pair[:1]
    return pair[1:] if name == "second" else refine.stitch(pair[:1], pair[1:], name)


def draw_reconstruction(setting: Setting, settings: Reconstruction, inputs: np.ndarray) -> Drawn:
    """Axes: input, pass (0: the input); a VAE decodes its posterior's mean, a plain autoencoder its code."""

    def looped(part: list[int]) -> list[Tensor]:
        images = [setting.images(inputs[part])]
        for _ in range(settings.passes):
            images.append(reconstruct(setting.checkpoint, images[-1]))
        return images

    images, rows = _passes(list(range(len(inputs))), setting.batch, looped)
    axes: Axes = {"input": list(range(len(inputs))), "pass": list(range(settings.passes + 1))}
    return Drawn(images, axes, None, {"curves": {"reconstruction": measures.summary(rows)}})


@torch.no_grad()
def reconstruct(checkpoint: Checkpoint, images: Tensor) -> Tensor:
    """One pass under the null class and without noise, of any kind of model: (B, 3, H, H) in [-1, 1]."""
    model = checkpoint.model
    null = None
    if model.shape.classes:
        null = torch.full((len(images),), model.null_class, device=images.device)
    if isinstance(model, SphereAutoencoder):
        return refine.reconstruct(model, images, null)
    mean, _ = model.posterior(images, null)
    return model.decode(mean, null)


def refuse_guidance(asked: Sequence[Generation | Edit], classes: list[int]) -> None:
    """Raises UserError where guidance is asked of a model without classes."""
    if not classes and any(each.guidance.scale > 1 for each in asked):
        raise UserError("The model is unconditional: guidance has no meaning for it. Leave it at 1.")


def draw_interpolation(setting: Setting, settings: Interpolation) -> Drawn:
    """Axes: generation, path, point; or generation, path, row, column.

    Raises:
        UserError: there is no such class, or the model is no Sphere Encoder, or unconditional where it may
            not be.
    """
    model, names = setting.model, setting.checkpoint.class_names
    classes = classes_of(settings.classes, model.shape.classes, names)
    refuse_guidance(settings.generations, classes)
    corners = settings.corners
    labels = [
        [classes[(path * corners + corner) % len(classes)] for corner in range(corners)] if classes else None
        for path in range(settings.paths)
    ]
    found, speeds = [], {}
    for generation in settings.generations:
        made = [_path(setting, settings, generation, path, labels[path]) for path in range(settings.paths)]
        found.append(np.stack([images for images, _ in made]))
        speeds[generation.name] = [speed for _, speed in made]
    shape = (settings.points,) * (1 if settings.form == "line" else 2)
    images = np.stack(found)
    images = images.reshape(*images.shape[:2], *shape, *images.shape[-3:])
    along = ("point",) if settings.form == "line" else ("row", "column")
    axes: Axes = {
        "generation": [generation.name for generation in settings.generations],
        "path": list(range(settings.paths)),
        **{name: torch.linspace(0, 1, settings.points).tolist() for name in along},
    }
    named = [None if found is None else [class_word(label, names) for label in found] for found in labels]
    facts: dict[str, Any] = {"corner_classes": named}
    if settings.form == "line":
        facts["speeds"] = speeds
    return Drawn(images, axes, None, facts)


def _path(
    setting: Setting, settings: Interpolation, generation: Generation, path: int, labels: list[int] | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """One path's images uint8 (P, H, H, 3), and how fast it moves."""
    model, alpha = setting.model, setting.checkpoint.alpha_max
    ends = range(path * settings.corners, (path + 1) * settings.corners)
    corners = setting.noise(ends, 1, "corner")[0]
    points, weights = paths.points(settings, corners), paths.weights(settings).to(corners)
    later = refine.draws(generation) - 1
    asked = None if labels is None else torch.tensor(labels, device=setting.device)
    images = []
    for start in range(0, len(points), setting.batch):
        part = range(start, min(start + setting.batch, len(points)))
        at = slice(part.start, part.stop)
        numbers = [path] if settings.later_noise == "shared" else [path * len(points) + each for each in part]
        noise = setting.noise(numbers, max(later, 1), "later")  # of a single step none is used
        images.append(
            refine.interpolate(
                model, corners, weights[at], asked, noise, alpha, generation, points=points[at]
            )
        )
    drawn = torch.cat(images)
    speed = measures.speeds(drawn, _encoded(model, images), points) if settings.form == "line" else {}
    return refine.to_bytes(drawn).numpy(), speed


@torch.no_grad()
def _encoded(model: SphereAutoencoder, batches: list[Tensor]) -> Tensor:
    """Points of the sphere that the encoder gives images, under the null class."""
    nulls = (refine.null_condition(model, images) for images in batches)
    return torch.cat(
        [spherify(model.encode(images, null.labels)) for images, null in zip(batches, nulls, strict=True)]
    )


def _passes(
    items: list[Item], batch: int, work: Callable[[list[Item]], list[Tensor]]
) -> tuple[np.ndarray, Tensor]:
    """Bytes uint8 (n, T+1, H, H, 3) of all items, some at a time, and `measures.by_pass` (n, T, 2)."""
    images, rows = [], []
    for start in range(0, len(items), batch):
        made = work(items[start : start + batch])
        refined = [refine.to_bytes(each).numpy() for each in made[1:]]
        images.append(np.stack([_given_bytes(made[0]), *refined], axis=1))
        rows.append(measures.by_pass(made))
    return np.concatenate(images), torch.cat(rows)


def _given_bytes(images: Tensor) -> np.ndarray:
    """The bytes that given images (B, 3, H, H) were made of: `to_bytes` would round some of them down."""
    return unit(images).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def classes_of(asked: Sequence[int | str], classes: int, names: Sequence[str] | None) -> list[int]:
    """Numbers of the classes asked for; default: all.

    Raises:
        UserError: there is no such class, or the model is unconditional.
    """
    numbered = {label for label in asked if isinstance(label, int) and 0 <= label < classes}
    found = [label if label in numbered else class_number(str(label), classes, names) for label in asked]
    return [int(label) for label in found] or list(range(classes))
