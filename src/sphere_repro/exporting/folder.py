"""The folder of an exported model: its networks, what they are, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from sphere_repro.errors import UserError
from sphere_repro.exporting.networks import Exported, decoder, difference, encoder, write_onnx
from sphere_repro.models.autoencoder import PlainAutoencoder, SphereAutoencoder, VariationalAutoencoder
from sphere_repro.provenance import code
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.sampling.opened import Opened
from sphere_repro.study.architecture import KIND_NAMES

FORMAT = "sphere-repro onnx 1"
MOST_BYTES = 1_900_000_000  # a file holds 2 GiB
METADATA = "metadata.json"
CLASS_INPUT = "weights (B, classes + 1) of the classes, the last of no class: one is 1, or several sum to 1"
LATENTS = {
    "sphere": "the encoder's latents are projected to the sphere, z·(mean(z²) + 1e-6)^-1/2 over all of an "
    "image's, before they are moved or decoded; moved by noise of an angle α they are projected again: "
    "z + tan(α)·e, e standard normal",
    "vae": "the decoder takes draws of N(posterior_mean, exp(posterior_log_variance)), or of N(0, 1)",
    "autoencoder": "the decoder takes the encoder's latents as they are",
}


@dataclass(frozen=True)
class Written:
    """What was written of one model: files by side, and the largest difference from torch."""

    files: Mapping[str, Path]
    largest: float


def exportable(opened: Opened, place: Path) -> Exported:
    """The model, where it is one that can be exported.

    Raises:
        UserError: it is a pretrained one, whose networks are others' code, or one too large for the format.
    """
    model = opened.checkpoint.model
    if not isinstance(model, SphereAutoencoder | VariationalAutoencoder | PlainAutoencoder):
        raise UserError(
            f"{place} is {KIND_NAMES[model.shape.kind]}, which is not exported. Give another model."
        )
    size = max(_bytes(model.encoder), _bytes(model.decoder))
    if size > MOST_BYTES:
        raise UserError(
            f"{place}: a network has {size / 1e9:.1f} GB, and an ONNX file holds {MOST_BYTES / 1e9:g}. "
            "Export a smaller model."
        )
    return model


def describe(opened: Opened, model: Exported, weights: str) -> dict[str, Any]:
    """What a program must know to use the networks; it stands in the files themselves as well."""
    shape, checkpoint = model.shape, opened.checkpoint
    return {
        "format": FORMAT,
        "kind": shape.kind,
        "image_size": shape.image_size,
        "value_range": [-1, 1],
        "latent_shape": [shape.tokens, shape.token_channels],
        "alpha_max": checkpoint.alpha_max,
        "classes": shape.classes,
        "class_names": list(checkpoint.class_names) if checkpoint.class_names else None,
        "null_class": shape.classes if shape.classes else None,
        "class_input": CLASS_INPUT if shape.classes else None,
        "latents": LATENTS[shape.kind],
        "weights": weights,
        "model_sha256": {name: file_hash(path) for name, path in opened.files.items()},
    }


def write_networks(
    folder: Path, opened: Opened, model: Exported, weights: str, beside: Opened | None = None
) -> Written:
    """Write both networks into `folder`, and the decoder of the model `beside` it, and check them.

    Raises:
        UserError: they differ from torch by more than 1e-4.
    """
    about = describe(opened, model, weights)
    sides = [("encoder", encoder(model), about), ("decoder", decoder(model), about)]
    if beside is not None:
        other = beside.checkpoint.model
        assert isinstance(other, VariationalAutoencoder | PlainAutoencoder)  # `stage_of_page` saw to it
        sides.append(("beside", decoder(other), describe(beside, other, weights)))
    files, largest = {}, 0.0
    for side, network, said in sides:
        path = folder / f"{side}.onnx"
        write_onnx(network, path, said)
        largest = max(largest, difference(network, path))
        files[side] = path
    return Written(files, largest)


def write_metadata(
    folder: Path,
    opened: Opened,
    model: Exported,
    weights: str,
    written: Written,
    beside: Opened | None = None,
) -> None:
    """Write `metadata.json`, the record of the folder."""
    said = {"weights": weights, "format": FORMAT}
    inputs = {f"beside {name}": path for name, path in beside.files.items()} if beside else {}
    origin = provenance_of(said, inputs=opened.files | inputs, code=code.IMPORT)
    about = describe(opened, model, weights)
    sides = {
        side: {"file": path.name, "sha256": file_hash(path), "bytes": path.stat().st_size}
        for side, path in written.files.items()
    }
    checked = {"largest_difference": written.largest, "against": "torch", "by": "onnxruntime"}
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    write_record(folder / METADATA, {**about, **sides, "checked": checked, **origin}, files)


def _bytes(network: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
