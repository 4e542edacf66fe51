"""Pretrained autoencoders: diffusers' own numbers, in the latents that its pipelines see, or a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sphere_repro.data.hub import Pretrained
from sphere_repro.errors import UserError
from sphere_repro.models.checkpoint import load_model
from sphere_repro.models.pretrained import AT_ONCE, PretrainedVae
from sphere_repro.models.pretrained_import import import_pretrained
from sphere_repro.strict import parse
from sphere_repro.study.config import Dataset
from sphere_repro.study.jobs import PretrainedJob
from tiny_autoencoders import rewritten, saved

WEIGHTS = "diffusion_pytorch_model.safetensors"
Seen = Callable[[Any, Tensor], Tensor]


def scaled(model: Any, z: Tensor) -> Tensor:
    """As the pipelines of Stable Diffusion and FLUX.1 see latents."""
    return (z - (model.config.shift_factor or 0)) * (model.config.scaling_factor or 1)


def standardised(model: Any, z: Tensor) -> Tensor:
    """As that of Stable Diffusion XL sees them, where the configuration has moments."""
    mean, deviation = (torch.tensor(values).view(1, -1, 1, 1) for values in (MEANS, DEVIATIONS))
    return (z - mean) * model.config.scaling_factor / deviation


def patched(model: Any, z: Tensor) -> Tensor:
    """As that of FLUX.2 sees them: 2×2 places are channels, in the order channel, row, column."""
    found = torch.empty(len(z), 4 * z.shape[1], z.shape[2] // 2, z.shape[3] // 2)
    for channel in range(z.shape[1]):
        for row in (0, 1):
            for column in (0, 1):
                found[:, 4 * channel + 2 * row + column] = z[:, channel, row::2, column::2]
    mean, variance = (values.view(1, -1, 1, 1) for values in (model.bn.running_mean, model.bn.running_var))
    return (found - mean) / (variance + model.config.batch_norm_eps).sqrt()


MEANS, DEVIATIONS = [0.1, -0.2, 0.3, 0.4], [0.5, 1.5, 2.5, 0.7]
FLUX2 = {"flux2": True}
UNQUANTISED = {"use_quant_conv": False, "use_post_quant_conv": False}
CASES: dict[str, tuple[dict[str, Any], Seen]] = {
    "Stable Diffusion": ({"scaling_factor": 0.18215}, scaled),
    "no factor": ({"scaling_factor": None}, scaled),
    "FLUX.1": ({"scaling_factor": 0.36, "shift_factor": 0.12, "latent_channels": 16, **UNQUANTISED}, scaled),
    "one channel": ({"latent_channels": 1}, scaled),
    "moments": ({"latents_mean": MEANS, "latents_std": DEVIATIONS, "scaling_factor": 0.5}, standardised),
    "FLUX.2": (FLUX2, patched),
    "FLUX.2 without convolutions": ({**FLUX2, "latent_channels": 8, **UNQUANTISED}, patched),
}


def job(place: Path, resolution: int = 8, **more: Any) -> PretrainedJob:
    dataset = Dataset.model_validate({"name": "digits", "resolution": resolution})
    return PretrainedJob(run="a", pretrained=Pretrained(source=str(place), **more), dataset=dataset)


def opened(place: Path, out: Path) -> PretrainedVae:
    import_pretrained(job(place), out)
    model = load_model(out).model
    assert isinstance(model, PretrainedVae)
    return model


@pytest.mark.parametrize("case", CASES)
def test_latents_and_images_are_those_of_diffusers(case: str, tmp_path: Path) -> None:
    settings, seen = CASES[case]
    theirs = saved(tmp_path / "theirs", **settings)
    ours = opened(tmp_path / "theirs", tmp_path / "model.safetensors")
    x = torch.rand((3, 3, 8, 8), generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        wanted = theirs.encode(x).latent_dist
        mean, log_variance = ours.posterior(x)
        up = seen(theirs, wanted.mean + wanted.std) - seen(theirs, wanted.mean)
        tokens = seen(theirs, wanted.mean).flatten(2).transpose(1, 2)
        torch.testing.assert_close(mean, tokens, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            (0.5 * log_variance).exp(), up.flatten(2).transpose(1, 2), rtol=1e-3, atol=1e-5
        )
        torch.testing.assert_close(ours.decode(mean), theirs.decode(wanted.mean).sample, rtol=1e-4, atol=1e-5)
    assert mean.shape == (3, ours.shape.tokens, ours.shape.token_channels)
    assert ours.shape.latent_dimension == mean[0].numel() and ours.shape.classes == 0


def test_a_large_batch_passes_in_parts(tmp_path: Path) -> None:
    """Whatever batch a job asks for: feature maps of convolutions are large."""
    theirs = saved(tmp_path / "a")
    ours, seen = opened(tmp_path / "a", tmp_path / "model.safetensors"), []
    for network in (ours.encoder, ours.decoder):
        network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    x = torch.rand((AT_ONCE + 3, 3, 8, 8), generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        mean, _ = ours.posterior(x)
        images = ours.decode(mean)
        torch.testing.assert_close(
            images, theirs.decode(theirs.encode(x).latent_dist.mean).sample, rtol=1e-4, atol=1e-5
        )
    assert seen == [AT_ONCE, 3, AT_ONCE, 3]


def test_the_classes_own_factor_is_told(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    rewritten(tmp_path / "a", scaling_factor=...)
    _, facts = import_pretrained(job(tmp_path / "a"), tmp_path / "model.safetensors")
    assert facts["normalisation"] == "scaling_factor 0.18215 (not in config.json: the class has it)"
    assert [*facts["digests"]] == ["config.json", WEIGHTS]


def test_old_names_of_attention_are_read(tmp_path: Path) -> None:
    """As in the files of Stable Diffusion's VAE."""
    theirs = saved(tmp_path / "a")
    path = tmp_path / "a" / WEIGHTS
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = load_file(path)
    for new, name in old.items():
        state = {key.replace(f"attentions.0.{new}.", f"attentions.0.{name}."): t for key, t in state.items()}
    assert any("proj_attn" in key for key in state)
    save_file(state, path, metadata={"format": "pt"})
    ours = opened(tmp_path / "a", tmp_path / "model.safetensors")
    x = torch.zeros(1, 3, 8, 8)
    torch.testing.assert_close(
        ours.posterior(x)[0], scaled(theirs, theirs.encode(x).latent_dist.mean).flatten(2).transpose(1, 2)
    )


def test_half_precision_files_become_float32(tmp_path: Path) -> None:
    saved(tmp_path / "a").to(torch.bfloat16).save_pretrained(tmp_path / "a")
    ours = opened(tmp_path / "a", tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in ours.state_dict().values()} == {torch.float32}


def faulty(folder: Path, fault: str) -> PretrainedJob:
    saved(folder, flux2=fault == "variance")
    path = folder / WEIGHTS
    state = load_file(path)
    match fault:
        case "class":
            rewritten(folder, _class_name="VQModel")
        case "no class":
            rewritten(folder, _class_name=...)
        case "channels":
            rewritten(folder, in_channels=4)
        case "missing":
            save_file({k: v for k, v in state.items() if k != "quant_conv.bias"}, path, {"format": "pt"})
        case "unexpected":
            save_file(state | {"more": torch.zeros(1)}, path, {"format": "pt"})
        case "shape":
            rewritten(folder, latent_channels=8)
        case "not finite":
            save_file(state | {"quant_conv.bias": torch.full((8,), torch.nan)}, path, {"format": "pt"})
        case "truncated":
            path.write_bytes(path.read_bytes()[:1000])
        case "scale":
            rewritten(folder, scaling_factor=0)
        case "half of the moments":
            rewritten(folder, latents_mean=MEANS)
        case "both":
            rewritten(folder, latents_mean=MEANS, latents_std=DEVIATIONS, shift_factor=0.1)
        case "variance":
            save_file(state | {"bn.running_var": torch.full((16,), -1.0)}, path, {"format": "pt"})
        case "pickled":
            path.rename(path.with_suffix(".bin"))
        case "no weights":
            path.unlink()
        case "digest":
            return job(folder, sha256={WEIGHTS: "0" * 64})
    return job(folder)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            "class",
            "is the configuration of VQModel; pretrained-vae knows AutoencoderKL and AutoencoderKLFlux2",
        ),
        ("no class", "is the configuration of no class that it names"),
        ("channels", "cannot be read"),
        ("missing", "missing: quant_conv.bias"),
        ("unexpected", "unexpected: more"),
        ("shape", "cannot be read"),
        ("not finite", "holds numbers that are not finite"),
        ("truncated", "cannot be read"),
        ("scale", "scaling_factor is 0, not a positive number"),
        ("half of the moments", "only one of latents_mean and latents_std"),
        ("both", "or a shift_factor besides"),
        ("variance", "its latents cannot be normalised"),
        ("pickled", "a pickled file, which can run code and is never read"),
        ("no weights", "it holds no diffusion_pytorch_model.safetensors"),
        ("digest", "is not the file that the study names"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(fault: str, words: str, tmp_path: Path) -> None:
    asked = faulty(tmp_path / "a", fault)
    with pytest.raises(UserError, match=words.replace("(", r"\(")):
        import_pretrained(asked, tmp_path / "model.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("flux2", "multiple"), [(False, 2), (True, 4)])
def test_images_whose_side_is_no_multiple(flux2: bool, multiple: int, tmp_path: Path) -> None:
    saved(tmp_path / "a", flux2=flux2)
    with pytest.raises(UserError, match=f"set dataset.resolution to a multiple of {multiple}"):
        import_pretrained(job(tmp_path / "a", 9), tmp_path / "model.safetensors")


def test_a_folder_that_changed_meanwhile(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    asked = job(tmp_path / "a").model_copy(update={"content": "0" * 64})
    with pytest.raises(UserError, match="has changed while the workflow ran"):
        import_pretrained(asked, tmp_path / "model.safetensors")


def test_a_model_file_that_was_cut(tmp_path: Path) -> None:
    saved(tmp_path / "a")
    opened(tmp_path / "a", tmp_path / "model.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        about = file.metadata()
    state = load_file(tmp_path / "model.safetensors")
    state.pop("raw.spread")
    save_file(state, tmp_path / "cut.safetensors", about)
    with pytest.raises(UserError, match="it lacks spread"):
        load_model(tmp_path / "cut.safetensors")


def test_the_sentence_on_its_description() -> None:
    with pytest.raises(UserError, match="revision has no meaning for a folder"):
        parse(Pretrained, {"source": "./a", "revision": "main"}, "here")
