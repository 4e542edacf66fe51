"""A proposed study as a YAML file for people: each choice with its reason."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from sphere_repro.machine.progress import duration
from sphere_repro.planning.look import Look
from sphere_repro.planning.propose import ENOUGH, SMALL, Proposal
from sphere_repro.planning.reach import LEAST
from sphere_repro.study.architecture import default_patch_size

WIDTH = 110  # columns
MOST_NAMED = 24  # classes


def study_text(made: Proposal, path: str) -> str:
    """The study's YAML; `path` is where it will lie, for the commands in its head."""
    comments = _comments(made)
    lines = [*_comment("", _head(made, path)), *_mapping(made.data, comments, ())]
    return "\n".join(lines) + "\n"


def seen(look: Look) -> str:
    """What was found in the folder, in one sentence or two."""
    size = f"shorter sides of {look.short_side} pixels (median of {look.looked_at} looked at)"
    lost = f"; {look.unreadable} of those cannot be read" if look.unreadable else ""
    if not look.classes:
        return f"{look.images} images without classes; {size}{lost}."
    named = [f"{name} {count}" for name, count in look.classes.items()]
    more = f", and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    names = ", ".join(named[:MOST_NAMED]) + more
    return f"{look.images} images in {len(named)} classes ({names}); {size}{lost}."


def _head(made: Proposal, path: str) -> list[str]:
    kind = "measured" if made.measured else "assumed"
    rarest, fewest = made.look.rarest
    few = f"The class {rarest} has {fewest}: expect little of it." if rarest and fewest < 20 else ""
    lanes = ", two jobs side by side" if made.lanes > 1 else ""
    pace = f"at {made.pace:.3g} images/s in training ({kind})"
    paragraphs = [
        f"Written by 'sphere-repro new' for {made.device.name} and {duration(made.budget)}. Change what you "
        "like: params/README.md has every key.",
        f"Found: {seen(made.look)} {few}",
        f"Estimated: {duration(made.seconds)} in all{lanes}, {pace}.",
        f"Look first: sphere-repro check {path}; sphere-repro plan {path}",
        f"Run: snakemake --cores all results/fid_table.csv results/claims.json --configfile {path}",
    ]
    return [paragraph.strip() for paragraph in paragraphs]


def _comments(made: Proposal) -> dict[tuple[str, ...], str]:
    """Why each choice, by its place in the file; of the baseline only what is its own."""
    found = {("runs", "sphere", *key.split(".")): text for key, text in _of_sphere(made).items()}
    found |= {("runs", "sphere", *key.split(".")): text for key, text in _of_training(made).items()}
    found["runs", "vae"] = (
        "the baseline: a VAE of the same networks, images and length, so that only the method differs"
    )
    found["runs", "vae", "loss", "kl"] = "ours: the paper does not state it"
    found["score", "extractor"] = (
        "as in the demo: Inception does 7 images/s on two cores"
        if made.device.shares_host
        else "Inception, whose distances are FIDs"
    )
    found["score", "reference_count"] = "real images at most"
    return found


def _of_sphere(made: Proposal) -> dict[str, str]:
    rung, run = made.rung, made.study.runs["sphere"]
    pixels, patch = run.dataset.pixels, run.architecture.patch_size
    reached = made.steps * rung.rate
    limit = f"networks of this width are for {rung.pixels} at most"
    perceptual = "the paper's weights for small datasets"
    if run.loss.perceptual.network == "none":
        perceptual += (
            ", without the perceptual parts, whose networks cost more than all else here; with hours on a "
            "GPU add perceptual: {network: lpips-convnext} and make both perceptual weights 1"
        )
    paper = patch == default_patch_size(pixels)
    tokens = f"{run.architecture.grid} x {run.architecture.grid} tokens"
    return {
        "dataset.folder": "class subfolders are the classes; classes: 0 leaves them out",
        "dataset.resolution": f"the largest power of two that most of your images have; {limit}",
        "model.encoder": "the largest networks that the time carries far enough: steps · rate is "
        f"{reached:.2g}; {ENOUGH:g} is wanted, {LEAST.product:.2g} is the least that is known to work "
        f"({LEAST.run})",
        "model.ratio": "the paper's",
        "model.patch_size": f"{tokens}" + ("" if paper else ", fewer than the paper's: a step is quicker"),
        "model.pixel_head": f"the paper's for {'small' if pixels <= SMALL else 'large'} images",
        "loss.alpha_max": "degrees; the paper's for this size",
        "loss.pix_recon_l1": perceptual,
        "sampling.count": "as many as there are images, unless that takes more than a fifth of the time",
        "sampling.generations": "one step, the paper's four, and a rival of its scheme",
        "execution.micro_batch_size": f"what fits into the memory of {made.device.name}; changes no result",
    }


def _of_training(made: Proposal) -> dict[str, str]:
    rung, training = made.rung, made.study.runs["sphere"].recipe
    short = training.encoder_learning_rate_factor == 1
    return {
        "training.epochs": f"{made.steps} steps: what the time allows for",
        "training.batch_size": "small, so that few images make enough steps",
        "training.learning_rate": f"stated at batch 256: {rung.rate:.3g} at this one. 0.144/width lies "
        "between the demo's recipe (width 96) and the paper's (768 and more)",
        "training.encoder_learning_rate_factor": "the paper's 0.1 is for longer trainings"
        if short
        else "the paper's",
        "training.ema_decay": "1 - 5/steps, as in the demo and the paper",
        "training.precision": "bfloat16 is slow on many CPUs" if made.device.shares_host else "the paper's",
    }


def _mapping(
    data: Mapping[str, Any], comments: Mapping[tuple[str, ...], str], place: tuple[str, ...]
) -> Iterator[str]:
    """Lines of a mapping: comments above their keys, mappings of plain values on one line where they fit."""
    indent = "  " * len(place)
    for key, value in data.items():
        if value == {}:
            continue  # what says nothing is left out
        here = (*place, key)
        if here in comments:
            yield from _comment(indent, [comments[here]])
        below = any(other[: len(here)] == here and other != here for other in comments)
        line = f"{indent}{key}: {_flow(value)}"
        if not isinstance(value, Mapping) or (len(line) <= WIDTH and len(here) > 1 and not below):
            yield line
        else:
            yield f"{indent}{key}:"
            yield from _mapping(value, comments, here)


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(indent: str, paragraphs: list[str]) -> list[str]:
    start = f"{indent}# "
    found = []
    for paragraph in paragraphs:
        found += textwrap.wrap(
            paragraph, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False
        )
    return found
