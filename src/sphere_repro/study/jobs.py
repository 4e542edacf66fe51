"""What each job of a study needs to know, and nothing more.

A job's record is passed to its verb as one JSON string; a change elsewhere in the study leaves the string,
and so the job, alone. The records are derived from a `Study` here and nowhere else.
"""

from __future__ import annotations

import json
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from sphere_repro.data.dataset import Dataset
from sphere_repro.data.hub import Pretrained
from sphere_repro.data.sources import Format
from sphere_repro.errors import UserError
from sphere_repro.seeds import Random, is_torch
from sphere_repro.strict import Strict, is_none
from sphere_repro.study.architecture import Architecture, Kind, Model
from sphere_repro.study.config import Ablation, Run, Study
from sphere_repro.study.generation import Generation, Precision
from sphere_repro.study.init_from import InitFrom, is_place
from sphere_repro.study.objective import Loss, check_perceptual_precision, check_terms
from sphere_repro.study.prior_path import PRIOR_PATH, PriorPath
from sphere_repro.study.recipe import LENGTH, Training
from sphere_repro.study.replicates import NamedSeed, RunName, Seed, replicate_of, seed_of
from sphere_repro.study.scoring import FEWEST, Score, Uniformity


class PrepareJob(Strict):
    """Make one dataset's archive; `content` is the hash of images of one's own: new ones make it old.

    So does another `format`, which the table of datasets may be given: archives of JPEGs were made once.
    """

    dataset: Dataset
    content: str | None = Field(None, exclude_if=lambda value: value is None)
    format: Format = Field("png", exclude_if=lambda value: value == "png")

    @model_validator(mode="after")
    def _of_the_dataset(self) -> Self:
        if self.format != self.dataset.stored:
            stored = self.dataset.stored
            raise ValueError(f"format is {self.format}, but {self.dataset.name} is stored as {stored}")
        return self


class TrainJob(Strict):
    """Train one run."""

    seed: NamedSeed
    run: RunName
    dataset: Dataset
    model: Model
    loss: Loss
    training: Training
    init_from: InitFrom | None = Field(None, exclude_if=is_none)
    random: Random = Field("torch", exclude_if=is_torch)

    @model_validator(mode="after")
    def _every_term_counts(self) -> Self:
        check_terms(self.loss, self.model.kind)
        check_perceptual_precision(self.loss.perceptual, self.training.precision)
        return self

    @property
    def architecture(self) -> Architecture:
        return self.model.architecture(self.dataset)

    @property
    def course(self) -> dict[str, Any]:
        """All of it but its length, as JSON: a training may go on from one of the same course."""
        fields = self.model_dump(mode="json")
        kept = {key: value for key, value in fields["training"].items() if key not in LENGTH}
        return fields | {"training": kept}


class ReleasedJob(Strict):
    """Make a run's model of a released checkpoint; `content` is its hash: another checkpoint makes it old."""

    run: RunName
    released: str = Field(min_length=1)
    dataset: Dataset
    model: Model
    alpha_max: float = Field(ge=0, lt=90)
    content: str | None = None

    @property
    def architecture(self) -> Architecture:
        return self.model.architecture(self.dataset)


class PretrainedJob(Strict):
    """Make a run's model of an autoencoder that others trained.

    `content` is the hash of a folder of one's own; the files of a hub are those that were fetched first.
    """

    run: RunName
    pretrained: Pretrained
    dataset: Dataset
    content: str | None = Field(None, exclude_if=lambda value: value is None)


class SampleJob(Strict):
    """Draw one set of images from a trained run."""

    seed: NamedSeed
    run: RunName
    kind: Kind
    dataset: Dataset
    set: str
    weights: Literal["raw", "ema"]
    count: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    generation: Generation | None
    labels: Literal["balanced", "dataset"] = Field("balanced", exclude_if=lambda value: value == "balanced")
    precision: Precision = Field("float32", exclude_if=lambda value: value == "float32")
    prior_path: PriorPath | None = Field(None, exclude_if=is_none)
    random: Random = Field("torch", exclude_if=is_torch)


class EncodeJob(Strict):
    """Encode training images for the uniformity statistics.

    Latents of a Sphere Encoder are moved by noise of the angle `alpha_max` too; None: they are not.
    """

    seed: NamedSeed
    run: RunName
    kind: Kind
    dataset: Dataset
    weights: Literal["raw", "ema"]
    count: int = Field(ge=1)
    per_class: int = Field(FEWEST, ge=FEWEST, exclude_if=lambda value: value == FEWEST)
    alpha_max: float | None = Field(None, gt=0, lt=90, exclude_if=lambda value: value is None)
    random: Random = Field("torch", exclude_if=is_torch)


class ReferenceJob(Strict):
    """Features of the real images, or moments that others made; `content` is the hash of their file."""

    dataset: Dataset
    score: Score
    content: str | None = Field(None, exclude_if=lambda value: value is None)


class ScoreJob(Strict):
    """Compare all sets of one run with the real images."""

    seed: NamedSeed
    run: RunName
    dataset: Dataset
    kind: Kind
    score: Score
    sets: tuple[str, ...]
    generations: dict[str, Generation]
    ablation: Ablation | None = Field(None, exclude_if=lambda value: value is None)
    prior_path: PriorPath | None = Field(None, exclude_if=is_none)


class UniformityJob(Strict):
    """Statistics of one run's latents against controls; `seed` is that of the controls.

    With `alpha_max`, the noise angles that the latents reach are held against their law.
    """

    seed: int
    run: RunName
    baseline: str | None
    classes: int
    uniformity: Uniformity
    alpha_max: float | None = Field(None, gt=0, lt=90, exclude_if=lambda value: value is None)


def prepare_job(run: Run, content: str | None = None) -> PrepareJob:
    whole = run.dataset.model_copy(update={"held_out": 0.0})  # images that are held out are prepared too
    return PrepareJob(dataset=whole, content=content, format=run.dataset.stored)


def train_job(study: Study, name: str, content: str | None = None) -> TrainJob:
    """The training of run `name`.

    Args:
        study: of the run.
        name: of the run.
        content: hash of the model from elsewhere that it starts from, where it does.

    Raises:
        UserError: the run's model is a released one.
    """
    run = study.runs[name]
    if not run.is_trained:
        made_of = run.released or run.model.pretrained
        raise UserError(
            f"runs.{name} is not trained: its model is made of {made_of}. Use 'sphere-repro import'."
        )
    return TrainJob(
        seed=seed_for(study, name),
        run=name,
        dataset=run.dataset,
        model=run.model,
        loss=run.loss,
        training=run.recipe,
        init_from=None if run.init_from is None else _init_from(study, run.init_from, content),
        random=run.random,
    )


def _init_from(study: Study, init_from: str, content: str | None) -> InitFrom:
    from sphere_repro.study.places import Places

    if is_place(init_from):
        return InitFrom(path=init_from, content=content)
    return InitFrom(path=Places(study.study).model(init_from), run=init_from)


def released_job(study: Study, name: str, content: str | None = None) -> ReleasedJob:
    """The making of run `name`'s model from a released checkpoint.

    Raises:
        UserError: the run is trained.
    """
    run = study.runs[name]
    if run.released is None:
        raise UserError(
            f"runs.{name} names no released checkpoint: give it one, or use 'sphere-repro train'."
        )
    return ReleasedJob(
        run=name,
        released=run.released,
        dataset=run.dataset,
        model=run.model,
        alpha_max=run.loss.alpha_max,
        content=content,
    )


def pretrained_job(study: Study, name: str, content: str | None = None) -> PretrainedJob:
    """The making of run `name`'s model from an autoencoder that others trained.

    Raises:
        UserError: the run has no such model.
    """
    run = study.runs[name]
    if run.model.kind != "pretrained-vae":
        raise UserError(f"runs.{name} is no pretrained-vae: use 'sphere-repro train', or give it that kind.")
    return PretrainedJob(run=name, pretrained=run.model.pretrained, dataset=run.dataset, content=content)


def sample_job(study: Study, name: str, set_name: str) -> SampleJob:
    run = study.runs[name]
    generation = run.generation(set_name) if set_name.startswith("generation") else None
    along = run.sampling.prior_path if set_name == PRIOR_PATH else None
    return SampleJob(
        seed=seed_for(study, name),
        run=name,
        kind=run.model.kind,
        dataset=run.dataset,
        set=set_name,
        weights=run.sampling.weights,
        count=along.images if along else run.sampling.count,
        batch_size=run.sampling.batch_size,
        generation=generation,
        labels="balanced" if set_name in ("reconstruction", PRIOR_PATH) else run.sampling.labels,
        precision=run.sampling.precision,
        prior_path=along,
        random=run.random,
    )


def encode_job(study: Study, name: str) -> EncodeJob:
    run = study.runs[name]
    return EncodeJob(
        seed=seed_for(study, name),
        run=name,
        kind=run.model.kind,
        dataset=run.dataset,
        weights=run.sampling.weights,
        count=study.uniformity.count,
        per_class=study.uniformity.per_class,
        alpha_max=noise_angle(run),
        random=run.random,
    )


def reference_job(study: Study, run: Run, extractor: str, content: str | None = None) -> ReferenceJob:
    score = scored_by(study.score, extractor, run.dataset)
    return ReferenceJob(dataset=run.dataset, score=score, content=content)


def score_job(study: Study, name: str, extractor: str) -> ScoreJob:
    run = study.runs[name]
    generations = {} if run.model.kind != "sphere" else {g.name: g for g in run.sampling.generations}
    return ScoreJob(
        seed=seed_for(study, name),
        run=name,
        dataset=run.dataset,
        kind=run.model.kind,
        score=scored_by(study.score, extractor, run.dataset),
        sets=run.drawn,
        generations=generations,
        ablation=run.ablation,
        prior_path=run.sampling.prior_path,
    )


def uniformity_job(study: Study, name: str) -> UniformityJob:
    run = study.runs[name]
    return UniformityJob(
        seed=study.seed,
        run=name,
        baseline=baseline(study, name),
        classes=run.dataset.source.classes,
        uniformity=study.uniformity,
        alpha_max=noise_angle(run),
    )


def noise_angle(run: Run) -> float | None:
    """The largest noise angle that the run's latents are trained with, in degrees; None without noise."""
    return run.loss.alpha_max or None if run.model.kind == "sphere" else None


def seed_for(study: Study, name: str) -> Seed:
    """The seed of run `name`: its own or the study's, and the number of its training.

    The name is no part of it, so that runs with different names and the same recipe are the same.
    """
    chosen = study.runs[name].seed
    return seed_of(study.seed if chosen is None else chosen, replicate_of(name)[1])


def baseline(study: Study, name: str) -> str | None:
    """The first VAE of this study's that names `name` as the one it is a baseline of.

    A pretrained one has another backbone and length: figures show it apart, and its latents are not judged.
    """
    own = {other: run.baseline_of for other, run in study.runs.items() if run.model.kind == "vae"}
    return next((other for other, of in own.items() if of == name), None)


def scored_by(score: Score, extractor: str, dataset: Dataset) -> Score:
    """The same scoring with one feature extractor, of one dataset, whatever else the study is scored with."""
    one = {"extractor": extractor, "also": (), "reference": score.reference_of(dataset.name)}
    if one["reference"] is not None:
        one["reference_count"] = None  # of the other datasets
    return Score.model_validate(score.model_dump() | one)


def as_text(job: Strict, *, defaults: bool = True) -> str:
    """A job as a line of JSON with sorted keys: the same job, the same text; with its defaults or without."""
    fields = job.model_dump(mode="json", exclude_defaults=not defaults)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
