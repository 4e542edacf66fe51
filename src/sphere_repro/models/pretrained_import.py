"""The model file of a pretrained autoencoder, made of the files that diffusers saved."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sphere_repro.data import hub
from sphere_repro.errors import UserError
from sphere_repro.machine.devices import out_of_memory
from sphere_repro.models.checkpoint import save_model
from sphere_repro.models.pretrained import CLASSES, PretrainedShape, PretrainedVae, diffusers_class
from sphere_repro.study.jobs import PretrainedJob

NAMED = 4  # tensors that a message lists


def import_pretrained(job: PretrainedJob, out: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """Write the model file of a run with a pretrained autoencoder.

    Returns:
        The files that it was made of, by name, and what its record says of them.

    Raises:
        UserError: a file is missing, broken or another one than it should be, the class is not known here, or
            the images' side is no multiple of what the encoder makes one place of.
    """
    wanted = job.pretrained
    digests = hub.verified(wanted)
    if job.content is not None and hub.content(wanted.place) != job.content:
        raise UserError(f"{wanted} has changed while the workflow ran. Run it again.")
    config = read_config(wanted.place / hub.CONFIG)
    network = _load(wanted.place, config["_class_name"])
    shape = shape_of(network, config["_class_name"], job.dataset.pixels, str(wanted))
    model = PretrainedVae(shape)
    model.offset, model.spread, said = normalisation(network, shape, config, str(wanted))
    model.encoder[0], model.decoder[1] = network.encoder, network.decoder
    model.encoder[1] = network.quant_conv or nn.Identity()
    model.decoder[0] = network.post_quant_conv or nn.Identity()
    state = model.state_dict()
    if broken := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise UserError(f"{wanted}: {broken[0]} holds numbers that are not finite. Fetch it again.")
    save_model(out, state, None, shape, 0.0)
    files = {path.name: path for path in hub.files_of(wanted.place)}
    facts = {"network": shape.network, "normalisation": said, "digests": digests, **_origin(wanted)}
    return files, {**facts, "parameter_count": sum(parameter.numel() for parameter in model.parameters())}


def read_config(path: Path) -> dict[str, Any]:
    """The configuration that diffusers saved.

    Raises:
        UserError: it cannot be read, or is of another class.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable JSON ({error}). Fetch it again.") from error
    name = found.get("_class_name") if isinstance(found, dict) else None
    if name not in CLASSES:
        raise UserError(
            f"{path} is the configuration of {name or 'no class that it names'}; pretrained-vae knows "
            f"{' and '.join(CLASSES)}."
        )
    return dict(found)


def shape_of(network: Any, name: str, pixels: int, where: str) -> PretrainedShape:
    """The shapes of diffusers' module `network` for images of `pixels`.

    Raises:
        UserError: it does not map colour images to colour images, or the side does not fit.
    """
    config = {key: value for key, value in dict(network.config).items() if not key.startswith("_")}
    if (config["in_channels"], config["out_channels"]) != (3, 3):
        raise UserError(
            f"{where} maps images of {config['in_channels']} channels to {config['out_channels']}; here "
            "both are 3."
        )
    sides = set(config.get("patch_size") or (1,))
    if len(sides) != 1:
        raise UserError(f"{where} normalises patches that are not square, which is not known here.")
    factor, patch = 2 ** (len(config["block_out_channels"]) - 1), sides.pop()
    if pixels % (factor * patch):
        raise UserError(
            f"{where} makes one place of its latents of {factor * patch} pixels along a side, which does "
            "not divide "
            f"the images' {pixels}: set dataset.resolution to a multiple of {factor * patch}."
        )
    return PretrainedShape(
        image_size=pixels,
        network=name,
        config=json.loads(json.dumps(config)),
        channels=config["latent_channels"],
        factor=factor,
        patch=patch,
    )


def normalisation(
    network: Any, shape: PretrainedShape, written: dict[str, Any], where: str
) -> tuple[Tensor, Tensor, str]:
    """Offset and spread of each channel (d,), float32, and in words what they follow from.

    Args:
        network: diffusers' module.
        shape: its shapes.
        written: what stands in config.json: the class has defaults for the rest.
        where: for messages.

    Raises:
        UserError: the spread is no positive number, or the configuration contradicts itself.
    """
    if shape.network == "AutoencoderKLFlux2":
        mean, variance = network.bn.running_mean.double(), network.bn.running_var.double()
        spread, said = (
            (variance + network.config.batch_norm_eps).sqrt(),
            "running statistics of batch normalisation",
        )
        return *_checked(mean, spread, where), said
    config = network.config
    ones = torch.ones(shape.token_channels, dtype=torch.float64)
    scale = 1.0 if config.scaling_factor is None else float(config.scaling_factor)
    unsaid = "" if "scaling_factor" in written else " (not in config.json: the class has it)"
    said = f"scaling_factor {scale:g}{unsaid}"
    means, deviations, shift = config.latents_mean, config.latents_std, config.shift_factor
    if (means is None) != (deviations is None) or (means is not None and shift is not None):
        raise UserError(
            f"{where}: the configuration has only one of latents_mean and latents_std, or a shift_factor "
            "besides. "
            "Use the config.json that belongs to the weights."
        )
    if not math.isfinite(scale) or scale <= 0:
        raise UserError(f"{where}: scaling_factor is {scale:g}, not a positive number.")
    if means is not None:
        listed = [torch.tensor(values, dtype=torch.float64).flatten() for values in (means, deviations)]
        if any(len(values) != shape.channels for values in listed):
            raise UserError(
                f"{where}: latents_mean and latents_std do not have {shape.channels} numbers each."
            )
        return *_checked(listed[0], listed[1] / scale, where), f"{said}, latents_mean and latents_std"
    offset = ones * (0.0 if shift is None else float(shift))
    return *_checked(offset, ones / scale, where), said + (
        "" if shift is None else f", shift_factor {float(shift):g}"
    )


def _checked(offset: Tensor, spread: Tensor, where: str) -> tuple[Tensor, Tensor]:
    if not (offset.isfinite().all() and spread.isfinite().all() and (spread > 0).all()):
        raise UserError(
            f"{where}: its latents cannot be normalised, as their mean or deviation is no number above 0."
        )
    return offset.float(), spread.float()


def _load(place: Path, name: str) -> Any:
    """diffusers' module with exactly the weights in `place`, float32."""
    cls = diffusers_class(name)
    try:
        network, found = cls.from_pretrained(
            place,
            use_safetensors=True,
            local_files_only=True,
            torch_dtype=torch.float32,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
    except UserError:
        raise
    except Exception as error:  # diffusers, safetensors and torch raise what they like on damaged files
        if out_of_memory(error):
            raise
        raise UserError(
            f"The autoencoder in {place} cannot be read ({' '.join(str(error).split())[:300]}). Fetch it "
            "again, or "
            "use the configuration and the weights that belong together."
        ) from error
    faults = [
        f"{key.replace('_keys', '')}: {', '.join(map(str, found[key][:NAMED]))}"
        for key in _FAULTS
        if found[key]
    ]
    if faults:
        raise UserError(
            f"The weights in {place} do not fit {place / hub.CONFIG} ({'; '.join(faults)}). Use the files "
            "that belong "
            "together."
        )
    return network.eval()


def _origin(wanted: hub.Pretrained) -> dict[str, Any]:
    """Which version was fetched, under which licence."""
    if wanted.local:
        return {}
    record = json.loads(wanted.record.read_text(encoding="utf-8"))
    return {"commit": record["commit"], "licence": record["licence"]}


_FAULTS = ("missing_keys", "unexpected_keys", "mismatched_keys")
