"""What a study may say: the single source of every parameter, its type, range, default and meaning.

A study is a YAML file in `params/`. Unknown keys are errors; derived values (patch size, token channels,
latent dimension) are properties. Sections are those that `ledger.py` lists.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import AfterValidator, Field, field_serializer, model_validator

from sphere_repro.data.dataset import LOSSLESS, Dataset, held_count
from sphere_repro.errors import UserError, nearest
from sphere_repro.ledger import ledger
from sphere_repro.seeds import Random, is_torch
from sphere_repro.strict import Name, Strict, UniqueKeys, is_none, parse, quoted
from sphere_repro.study.architecture import KIND_NAMES, Architecture, Model
from sphere_repro.study.catalogue import KINDS
from sphere_repro.study.generation import Generation
from sphere_repro.study.image_sets import Draws
from sphere_repro.study.image_sources import check_image_sets, check_sources
from sphere_repro.study.init_from import check_init_from
from sphere_repro.study.objective import CONSISTENCY_KEYS, Loss, check_perceptual_precision, check_terms
from sphere_repro.study.prior_path import PRIOR_PATH
from sphere_repro.study.recipe import Execution, StudyExecution, Training
from sphere_repro.study.replicates import MOST_REPLICATES, is_replicate, name_of
from sphere_repro.study.scoring import Score, Uniformity


class Ablation(Strict):
    """What a run varies: runs of one axis are compared with each other and with the study's first run."""

    axis: Name = Field(
        description="what is varied, e.g. alpha-max", json_schema_extra=ledger(reason="names of ours")
    )
    value: str = Field(
        min_length=1,
        max_length=40,
        description="how the figure and the claims call this run",
        json_schema_extra=ledger(reason="names of ours"),
    )
    baseline: str = Field(
        "baseline",
        min_length=1,
        max_length=40,
        description="the first run's value on this axis",
        json_schema_extra=ledger(reason="names of ours"),
    )


class Run(Strict):
    """One model trained on one dataset, and what is drawn from it."""

    dataset: Dataset
    model: Model = Model()
    loss: Loss = Loss()
    training: Training | None = Field(
        None,
        exclude_if=is_none,
        description="optimizer, schedule and length; required, except of a pretrained-vae",
    )
    execution: Execution = Execution()
    sampling: Draws = Draws()
    baseline_of: str | None = Field(
        None,
        description="the run beside which figures show this one",
        json_schema_extra=ledger(
            section="figures",
            reason="a VAE or a plain autoencoder of the same backbone and data, so that only the method "
            "differs",
        ),
    )
    released: str | None = Field(
        None,
        min_length=1,
        exclude_if=is_none,
        description="a released checkpoint, scored instead of a training: a .pth or .safetensors with its "
        ".json beside it, or a folder with cfg.json and ckpt/latest.pth",
        json_schema_extra=ledger(
            section="published numbers", reason="scores the authors' weights instead of trained ones"
        ),
    )
    init_from: str | None = Field(
        None,
        min_length=1,
        exclude_if=is_none,
        description="starts from another model's raw weights, of which the rest starts anew: a run of the "
        "study by its name, or by its path a model file, a run's folder or a released checkpoint",
        json_schema_extra=ledger(section="objective", reason="released: from weights that are drawn"),
    )
    ablation: Ablation | None = Field(None, exclude_if=is_none, description="what this run varies")
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**32,
        exclude_if=is_none,
        description="every draw of this run derives from it; default: the study's, which all runs share",
        json_schema_extra=ledger(
            unit="1",
            reason="a run's name is no part of its seed: runs that are compared start from the same weights, "
            "order and noise, wherever their shapes are the same",
        ),
    )
    random: Random = Field(
        "torch",
        exclude_if=is_torch,
        description="what makes the random numbers of each step and sample: torch's generators on the CPU, "
        "or the counter-based Philox where the model is, which gives the same on every device",
        json_schema_extra=ledger(
            section="objective, sampling",
            reason="the paper names no generator; Philox is ours, for large models: no CPU draws, and no GPU "
            "is sent, 33 million numbers a step (docs/large-models.md)",
        ),
    )
    replicates: int = Field(
        1,
        ge=1,
        le=MOST_REPLICATES,
        exclude_if=lambda value: value == 1,
        description="trainings that differ in their seed only; further ones are called NAME_r1, NAME_r2, …",
        json_schema_extra=ledger(
            unit="trainings",
            section="published numbers",
            reason="the published numbers are of one training each; a claim that compares trainings needs "
            "several on one side at least",
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model.kind == "pretrained-vae":
            return self._check_pretrained()
        if self.training is None:
            raise ValueError("training is missing")
        _ = self.architecture  # raises where the shapes do not fit
        named = KIND_NAMES[self.model.kind]
        if self.model.kind != "sphere":
            for key in CONSISTENCY_KEYS:
                if key in self.loss.model_fields_set:
                    raise ValueError(f"loss.{key} has no meaning for {named}: remove it")
            if "generations" in self.sampling.model_fields_set:
                raise ValueError(f"sampling.generations has no meaning for {named}: remove it")
        if self.model.kind != "vae" and "kl" in self.loss.model_fields_set:
            raise ValueError(f"loss.kl has no meaning for {named}: remove it or set model.kind to vae")
        self._check_guidance()
        check_image_sets(self.sampling, self.model.kind, self.architecture.classes)
        self._check_labels()
        self._check_execution()
        self._check_released()
        self._check_batch()
        check_terms(self.loss, self.model.kind)
        check_perceptual_precision(self.loss.perceptual, self.recipe.precision)
        self.loss.perceptual.check_pixels(self.architecture.image_size)
        return self

    def _check_pretrained(self) -> Self:
        for key in ("loss", "training", "execution", "released", "replicates", "ablation", "init_from"):
            if key in self.model_fields_set and getattr(self, key) is not None:
                raise ValueError(
                    f"{key} has no meaning for a pretrained-vae, which is not trained: remove it"
                )
        for key in ("generations", "labels"):
            if key in self.sampling.model_fields_set:
                raise ValueError(f"sampling.{key} has no meaning for a pretrained-vae: remove it")
        if self.sampling.weights == "ema":
            raise ValueError(
                "sampling.weights has no meaning for a pretrained-vae, which has one set of them"
            )
        check_image_sets(self.sampling, self.model.kind, 0)
        return self

    def _check_guidance(self) -> None:
        for generation in self.sampling.generations:
            if generation.guidance.scale > 1 and not self.architecture.classes:
                raise ValueError(
                    f"sampling: '{generation.name}' asks for guidance, but the model is unconditional"
                )

    def _check_labels(self) -> None:
        if self.sampling.labels == "dataset" and not self.architecture.classes:
            raise ValueError("sampling.labels: the model is unconditional, so there are no classes to draw")

    def _check_execution(self) -> None:
        if self.execution.world_size > self.recipe.batch_size:
            raise ValueError(
                f"execution: {self.execution.world_size} processes cannot share a batch of "
                f"{self.recipe.batch_size} images; use fewer, or raise training.batch_size"
            )

    def _check_batch(self) -> None:
        images, batch = self.dataset.source.images, self.recipe.batch_size
        if images is not None:
            images -= held_count(images, self.dataset.held_out)
        if self.released is None and images is not None and batch > images:
            raise ValueError(
                f"training.batch_size is {batch}, but {self.dataset.name} has only {images} images"
                f"{' beside those held out' if self.dataset.held_out else ''}: choose a smaller batch"
            )

    def _check_released(self) -> None:
        if self.released is not None and self.model.kind != "sphere":
            named = KIND_NAMES[self.model.kind]
            raise ValueError(f"released has no meaning for {named}: only Sphere Encoders were released")
        if self.released is not None and self.init_from is not None:
            raise ValueError("init_from has no meaning for a released checkpoint, which is not trained")
        if self.released is not None and self.replicates > 1:
            raise ValueError("replicates has no meaning for a released checkpoint, which is not trained")

    @property
    def recipe(self) -> Training:
        """How it is trained; asked of a run that has a training."""
        assert self.training is not None
        return self.training

    @property
    def is_trained(self) -> bool:
        """Whether its model is trained here; the others' are imported."""
        return self.released is None and self.model.kind != "pretrained-vae"

    @property
    def classes(self) -> int:
        """Classes that its model knows; 0 where it is unconditional."""
        return 0 if self.model.kind == "pretrained-vae" else self.architecture.classes

    @cached_property
    def architecture(self) -> Architecture:
        return self.model.architecture(self.dataset)

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of the run's sample sets, in the order of the tables."""
        if self.model.kind != "sphere":
            return ("reconstruction", "prior", "posterior")
        return ("reconstruction", *(generation.name for generation in self.sampling.generations))

    @property
    def drawn(self) -> tuple[str, ...]:
        """Those, and the set that is scored by what is empty along its paths, where it is asked for."""
        return (*self.sets, PRIOR_PATH) if self.sampling.prior_path else self.sets

    def generation(self, name: str) -> Generation:
        return next(generation for generation in self.sampling.generations if generation.name == name)


def _known_figure(name: str) -> str:
    if name not in KINDS:
        raise ValueError(f"no figure is called {quoted(name)}{nearest(name, KINDS)}")
    return name


FigureName = Annotated[str, AfterValidator(_known_figure), Field(json_schema_extra={"enum": [*KINDS]})]
USUAL_FIGURES = tuple(name for name, kind in KINDS.items() if kind.usual)


class Study(Strict):
    """A list of runs, and how they are scored and drawn.

    `runs` has the further trainings of each run as well, after all runs (`replicates`).
    """

    study: Name = Field(
        description="name; results lie in results/<study>/",
        json_schema_extra=ledger(reason="a name of yours"),
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="every draw of the study derives from it",
        json_schema_extra=ledger(unit="1", reason="the released seeds are unknown"),
    )
    execution: StudyExecution = StudyExecution()
    runs: dict[Name, Run] = Field(min_length=1)
    score: Score = Score()
    uniformity: Uniformity = Uniformity()
    figures: tuple[FigureName, ...] = Field(
        USUAL_FIGURES,
        description="which figures and notebooks are made",
        json_schema_extra=ledger(
            section="figures", reason="all that every study has; ablations is for studies of ablations"
        ),
    )

    @model_validator(mode="after")
    def _enough_to_score(self) -> Self:
        needed = {"jackknife_groups": self.score.jackknife_groups}
        if any(name.startswith("inception") for name in self.score.extractors):
            needed["inception_score_splits"] = self.score.inception_score_splits
        for name, run in self.runs.items():
            images = run.dataset.source.images  # of which there are no more reconstructions
            if images is not None:
                images -= held_count(images, run.dataset.held_out)
            for key, least in needed.items():
                if run.sampling.count < least:
                    raise ValueError(
                        f"runs.{name}.sampling.count is {run.sampling.count}, "
                        f"fewer than score.{key} = {least}"
                    )
                if images is not None and images < least:
                    raise ValueError(
                        f"runs.{name}: {run.dataset.name} has {images} images, "
                        f"fewer than score.{key} = {least}"
                    )
        return self

    @model_validator(mode="after")
    def _images_are_there(self) -> Self:
        datasets = [run.dataset for run in self.runs.values()]
        for name, run in self.runs.items():
            check_sources(f"runs.{name}.sampling", run.sampling, run.dataset, datasets)
        return self

    @model_validator(mode="after")
    def _jpegs_are_not_measured(self) -> Self:
        """References and reconstructions are of images that lost nothing."""
        for name, run in self.runs.items():
            images = run.dataset.source.images
            if run.dataset.format != "jpeg" or (images is not None and images <= LOSSLESS):
                continue
            ours = self.score.reference_of(run.dataset.name) is None
            taken = {"score.reference_count": self.score.reference_count} if ours else {}
            for key, count in {**taken, f"runs.{name}.sampling.count": run.sampling.count}.items():
                if count is None or count > LOSSLESS:
                    raise ValueError(
                        f"runs.{name}.dataset.format: of JPEGs {LOSSLESS} images stay as they are, but {key} "
                        f"takes {'all' if count is None else count}. Set it to at most {LOSSLESS}, or the "
                        "format to webp"
                    )
        return self

    @model_validator(mode="after")
    def _same_images_are_held_out(self) -> Self:
        """A reference belongs to an archive, whichever run is compared with it."""
        first: dict[str, tuple[str, float]] = {}
        for name, run in self.runs.items():
            other, share = first.setdefault(run.dataset.archive, (name, run.dataset.held_out))
            if share != run.dataset.held_out:
                raise ValueError(
                    f"runs.{name}.dataset.held_out is {run.dataset.held_out:g}, but {share:g} in "
                    f"runs.{other} of the same images ({run.dataset.archive}): give both the same"
                )
        return self

    @model_validator(mode="after")
    def _references_fit(self) -> Self:
        given = self.score.reference
        archives = {run.dataset.archive: run.dataset.name for run in self.runs.values()}
        names = list(archives.values())
        if isinstance(given, str) and len(archives) > 1:
            raise ValueError(
                f"score.reference: statistics are of one dataset, but the study has {', '.join(archives)}; "
                f"write score.reference: {{{names[0]}: PATH}}"
            )
        for name in given if isinstance(given, dict) else ():
            if name not in names:
                raise ValueError(f"score.reference: no run is on '{name}'{nearest(name, names)}")
            if names.count(name) > 1:
                raise ValueError(f"score.reference: '{name}' is there at more than one resolution")
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        for name in {"reference", "jobs"} & set(self.runs):
            raise ValueError(f"runs.{name}: this name is taken by a folder of results; choose another")
        if self.study in {"figures", "notebooks", "studies", "uniformity"}:
            raise ValueError(f"study: '{self.study}' is taken by a folder of results; choose another name")
        return self

    @model_validator(mode="after")
    def _baselines_fit(self) -> Self:
        for name, run in self.runs.items():
            if run.baseline_of is not None and run.baseline_of not in self.runs:
                hint = nearest(run.baseline_of, self.runs)
                raise ValueError(f"runs.{name}.baseline_of: no run is called '{run.baseline_of}'{hint}")
            if run.baseline_of is not None and run.model.kind == "sphere":
                raise ValueError(f"runs.{name}.baseline_of: a Sphere Encoder is no baseline")
            if run.baseline_of is not None and self.runs[run.baseline_of].model.kind != "sphere":
                raise ValueError(f"runs.{name}.baseline_of: '{run.baseline_of}' is no Sphere Encoder")
        return self

    @model_validator(mode="after")
    def _starts_fit(self) -> Self:
        check_init_from(self.runs)
        return self

    @model_validator(mode="after")
    def _ablations_fit(self) -> Self:
        varied = {name: run for name, run in self.runs.items() if run.ablation is not None}
        first, baseline = next(iter(self.runs.items()))
        words: dict[str, str] = {}
        for name, run in varied.items():
            if first in varied:
                raise ValueError(f"runs.{first}.ablation: the first run is what the others are compared with")
            if run.dataset != baseline.dataset or run.model.kind != baseline.model.kind:
                raise ValueError(f"runs.{name}.ablation: dataset and kind must be those of the first run")
            assert run.ablation is not None
            word = words.setdefault(run.ablation.axis, run.ablation.baseline)
            if word != run.ablation.baseline:
                raise ValueError(
                    f"runs.{name}.ablation.baseline: '{run.ablation.baseline}' is called '{word}' before"
                )
        return self

    @model_validator(mode="after")
    def _add_replicates(self) -> Self:
        """The last check: those before it speak of the runs as they are written."""
        for name, run in [*self.runs.items()]:
            self.runs.update({name_of(name, number): run for number in range(1, run.replicates)})
        return self

    @field_serializer("runs")
    def _written(self, runs: dict[str, Run]) -> dict[str, Run]:
        """Without the replicates, which follow from the rest."""
        return {name: run for name, run in runs.items() if not is_replicate(name)}


def load_study(path: str | Path) -> Study:
    """Read and check a study's YAML file.

    Raises:
        UserError: the file is missing, is not YAML, or says something a study may not say.
    """
    path = Path(path)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=UniqueKeys)
    except FileNotFoundError as error:
        raise UserError(
            f"Study {path} does not exist. Studies lie in params/; the default is params/demo.yaml."
        ) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"Study {path} is not readable YAML: {' '.join(str(error).split())}.") from error
    return parse(Study, data, str(path))
