"""What a study may say: the single source of every parameter, its type, range, default and meaning.

A study is a YAML file in `params/`. Unknown keys are errors; derived values (patch size, token channels,
latent dimension) are properties. Section numbers refer to the method's description in the README.
"""

from __future__ import annotations

import math
import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from sphere_repro.architecture import Architecture, Size, SizeName, default_patch_size, resolve_size
from sphere_repro.data import own
from sphere_repro.data.sources import SOURCES, Source, nearest, own_source
from sphere_repro.errors import UserError
from sphere_repro.strict import Strict, UniqueKeys, parse, quoted

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=60)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
# Bounds far beyond use: products of two such numbers, and what they make of a loss, still fit float32.
MOST = 1e6
Limited = Annotated[float, Field(ge=0, le=MOST)]
LimitedPositive = Annotated[float, Field(gt=0, le=MOST)]


def _is_none(value: Any) -> bool:
    return value is None


class Dataset(Strict):
    """Which images, at which resolution: a dataset of the table, or images of one's own."""

    # Left out where they say nothing: the jobs of the table's datasets read as they always did.
    folder: str | None = Field(
        None,
        min_length=1,
        exclude_if=_is_none,
        description="a folder of your own images, in class subfolders or without; instead of name",
    )
    zip: str | None = Field(
        None,
        min_length=1,
        exclude_if=_is_none,
        description="an archive of your own in the layout of StyleGAN and EDM; instead of name",
    )
    name: str = Field(
        "",
        validate_default=True,
        description="a name from data/sources.yaml; for your own images a new one, default: from their path",
    )
    resolution: int | None = Field(
        None, ge=4, le=1024, description="pixels; default: the dataset's own, for a folder 64"
    )
    classes: int | None = Field(
        None,
        exclude_if=_is_none,
        ge=0,
        description="classes of your own images; default: what is found there; 0: use none",
    )

    @model_validator(mode="before")
    @classmethod
    def _look_at_own_images(cls, data: Any) -> Any:
        """Fill in what the study leaves to the images; a job says everything, and nothing is looked at."""
        if not isinstance(data, dict):
            return data
        places = [key for key in ("folder", "zip") if data.get(key) is not None]
        if len(places) == 2:
            raise ValueError("folder and zip exclude each other: remove one")
        if not places:
            if data.get("classes") is not None:
                raise ValueError("classes is for your own images (folder or zip): remove it")
            return data
        place = data[places[0]]
        if not isinstance(place, str) or not place:
            return data  # pydantic will say what is wrong with it
        try:
            return own.completed(data, places[0], place)
        except UserError as error:
            raise ValueError(str(error)) from error

    @field_validator("name")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        if not {"folder", "zip"} <= info.data.keys():
            return name  # one of them is wrong, and that is said already
        if info.data["folder"] is not None or info.data["zip"] is not None:
            if name in SOURCES:
                raise ValueError(f"'{name}' is a dataset of data/sources.yaml; give your images another name")
            if not re.fullmatch(NAME_PATTERN, name):
                wanted = "lower-case letters, digits and single hyphens, such as my-cats"
                raise ValueError(f"{quoted(name)} is no name; names are {wanted}")
        elif not name:
            raise ValueError("is missing: give a name from data/sources.yaml, or your own folder or zip")
        elif name not in SOURCES:
            raise ValueError(f"unknown dataset {quoted(name)}{nearest(name, SOURCES)}")
        return name

    @property
    def source(self) -> Source:
        if self.folder is not None:
            return own_source("folder", self.folder, self.classes or 0)
        if self.zip is not None:
            return own_source("zip", self.zip, self.classes or 0)
        return SOURCES[self.name]

    @property
    def pixels(self) -> int:
        return self.resolution or self.source.native_resolution

    @property
    def archive(self) -> str:
        """Name of the prepared archive, without suffix: dataset and resolution fix its content."""
        return f"{self.name}-{self.pixels}px"


class Model(Strict):
    """The autoencoder (section 2)."""

    kind: Literal["sphere", "vae"] = Field("sphere", description="Sphere Encoder or Gaussian VAE baseline")
    encoder: SizeName | Size = Field("base", description="size of the encoder")
    decoder: SizeName | Size = Field("base", description="size of the decoder")
    ratio: Positive = Field(1.5, description="compression ratio: 3·H² pixels per latent number")
    patch_size: int | None = Field(None, gt=0, description="pixels; default: the paper's for the resolution")
    conditional: bool = Field(True, description="use the dataset's classes, where it has any")
    pixel_head: Literal["linear", "conv"] = Field("linear", description="last layers of the decoder")
    encoder_mixer_depth: int = Field(
        4, ge=0, le=1000, description="MLP-Mixer blocks after the encoder's head"
    )
    decoder_mixer_depth: int = Field(
        4, ge=0, le=1000, description="MLP-Mixer blocks in the decoder's input embedding"
    )
    affine: bool = Field(True, description="whether the Mixer's last RMSNorm has a weight")

    def architecture(self, dataset: Dataset) -> Architecture:
        """The shapes for `dataset`: d = int(3·H²/g²/ratio), p by the paper's table."""
        pixels = dataset.pixels
        patch = self.patch_size or default_patch_size(pixels)
        if pixels % patch:
            raise ValueError(
                f"patch_size {patch} does not divide the {pixels}-pixel images of '{dataset.name}'"
            )
        ratio_of_one = 3 * patch**2 / self.ratio
        if not math.isfinite(ratio_of_one):
            raise ValueError(f"ratio {self.ratio} is too small")
        channels = int(ratio_of_one)
        if channels < 1:
            raise ValueError(
                f"ratio {self.ratio} leaves no latent channel: it must be at most {3 * patch**2}"
            )
        return Architecture(
            kind=self.kind,
            image_size=pixels,
            patch_size=patch,
            token_channels=channels,
            classes=dataset.source.classes if self.conditional else 0,
            pixel_head=self.pixel_head,
            encoder=resolve_size(self.encoder),
            decoder=resolve_size(self.decoder),
            encoder_mixer_depth=self.encoder_mixer_depth,
            decoder_mixer_depth=self.decoder_mixer_depth,
            affine=self.affine,
        )


class HardCases(Strict):
    """Noise beyond α_max for a fraction of the images (section 3)."""

    probability: Fraction = Field(0.1, description="q; 0 switches hard cases off")
    extra_angle: NonNegative = Field(5.0, description="degrees above α_max, capped at 89°")
    independent_draw: bool = Field(False, description="draw the strength separately from the choice")


LPIPS_PIXELS = 16  # VGG-16 halves them four times before the last maps that LPIPS compares


class Perceptual(Strict):
    """The perceptual distance P (section 3)."""

    network: Literal["none", "efficientnet-lite1", "lpips-convnext"] = Field(
        "none", description="frozen networks of the distance; the paper's is lpips-convnext"
    )
    size: int = Field(
        32, ge=16, le=1024, description="pixels to which images are enlarged for EfficientNet-Lite1"
    )
    lpips_weight: NonNegative = Field(1.0, description="LPIPS (VGG-16) in lpips-convnext, before the mean")
    convnext_weight: NonNegative = Field(
        0.1, description="squared difference of ConvNeXt-Small's logits in lpips-convnext, before the mean"
    )

    @model_validator(mode="after")
    def _only_own_keys(self) -> Self:
        for key in sorted(self._foreign_keys & self.model_fields_set):
            raise ValueError(f"{key} has no meaning for network {self.network}: remove it")
        if not 0 < self.lpips_weight + self.convnext_weight < math.inf:
            raise ValueError("the sum of lpips_weight and convnext_weight must be above 0 and finite")
        return self

    @model_serializer(mode="wrap")
    def _own_keys(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A job's text has no keys of other networks: that of a job from before these networks is kept."""
        return {key: value for key, value in serialize(self).items() if key not in self._foreign_keys}

    def check_pixels(self, pixels: int) -> None:
        """Raises ValueError where images of this size are too small for the networks."""
        if self.network == "lpips-convnext" and self.lpips_weight > 0 and pixels < LPIPS_PIXELS:
            raise ValueError(
                f"loss.perceptual: LPIPS needs images of at least {LPIPS_PIXELS} pixels, not {pixels}; set "
                "lpips_weight to 0 or use another network"
            )

    @property
    def _foreign_keys(self) -> set[str]:
        return {"size"} if self.network == "lpips-convnext" else {"lpips_weight", "convnext_weight"}


CONSISTENCY_KEYS = ("pix_con_l1", "pix_con_perceptual", "lat_con", "hard_cases", "alpha_max")


class Loss(Strict):
    """Weights of the objective (section 3)."""

    alpha_max: float = Field(
        80.0, ge=0.001, lt=90, description="largest noise angle of the large noise, degrees"
    )
    pix_recon_l1: Limited = Field(1.0, description="a₁, smooth L1 of the reconstruction")
    pix_recon_perceptual: Limited = Field(1.0, description="a₂, perceptual part of the reconstruction")
    pix_con_l1: Limited = Field(0.5, description="b₁, smooth L1 of pixel consistency")
    pix_con_perceptual: Limited = Field(0.5, description="b₂, perceptual part of pixel consistency")
    lat_con: Limited = Field(0.1, description="c, latent consistency")
    label_dropout: Fraction = Field(
        0.1, description="probability of the null class, drawn anew in every call"
    )
    hard_cases: HardCases = HardCases()
    perceptual: Perceptual = Perceptual()
    kl: Limited = Field(0.0, description="weight of the KL divergence per latent number; VAE only")


class Training(Strict):
    """Optimizer, schedule and length (section 3)."""

    epochs: LimitedPositive = Field(description="passes over the dataset; fractions allowed")
    warmup_epochs: NonNegative = Field(10.0, description="linear warm-up, in epochs")
    batch_size: int = Field(256, gt=0, description="global batch")
    learning_rate: LimitedPositive = Field(1e-4, description="maximum at global batch 256; scaled linearly")
    minimum_learning_rate: Limited = Field(1e-6, description="minimum at global batch 256; scaled linearly")
    encoder_learning_rate_factor: LimitedPositive = Field(
        0.1, description="encoder's rate over the decoder's"
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.9997, description="decay of the weights' average"
    )
    clip_norm: Positive = Field(1.0, description="joint gradient norm of both networks")
    precision: Literal["float32", "bfloat16"] = Field(
        "bfloat16", description="autocast; weights stay float32"
    )
    horizontal_flip: bool | None = Field(None, description="mirror images at random; default: the dataset's")

    @model_validator(mode="after")
    def _warm_up_fits(self) -> Self:
        if 2 * self.warmup_epochs > self.epochs:
            raise ValueError(
                f"warmup_epochs {self.warmup_epochs:g} must be at most half of epochs {self.epochs:g}"
            )
        return self


class Execution(Strict):
    """How a training is computed, not what: a change here makes no result old.

    The weights stay the same up to the order of float32 sums (`compile`: of fused operations).
    """

    processes: int = Field(1, ge=1, le=4096, description="processes on each node, on GPUs one each")
    nodes: int = Field(1, ge=1, le=4096, description="machines, inside one Slurm job")
    micro_batch_size: int | None = Field(
        None,
        gt=0,
        description="images per pass of one process; gradients are summed; default: its whole share",
    )
    activation_checkpointing: bool = Field(
        False, description="compute the blocks' activations again instead of keeping them"
    )
    compile: bool = Field(False, description="torch.compile both networks")
    checkpoint_seconds: Positive = Field(300.0, description="seconds between resumable checkpoints")
    grids: int = Field(20, ge=0, description="pictures of samples and reconstructions during the training")

    @property
    def world_size(self) -> int:
        """Processes over all nodes."""
        return self.processes * self.nodes


class Guidance(Strict):
    """Classifier-free guidance (section 4)."""

    scale: Annotated[float, Field(ge=1)] = Field(1.0, description="s; 1 is one conditional pass")
    position: Literal["enc", "dec", "combo"] = Field("combo", description="where it acts")


class Scheme(Strict):
    """How the noise of the later steps is scaled and drawn (section 4)."""

    strength: Literal["fixed", "linear"] = Field("fixed", description="ρ = 1, or ρ_t = 1 - t/T")
    noise: Literal["shared", "independent"] = Field(
        "shared", description="one noise for all steps, or one each"
    )


class Generation(Scheme):
    """One set of generated images (section 4)."""

    steps: int = Field(ge=1, le=1000, description="T; 1 decodes once")
    guidance: Guidance = Guidance()

    @property
    def name(self) -> str:
        """Name of the set in paths and tables; combinations that coincide have one name."""
        parts = [f"generation-{self.steps}"]
        if self.steps > 1:
            parts += [self.strength, self.noise]
        if self.guidance.scale > 1:
            parts.append(f"{self.guidance.position}{self.guidance.scale:g}")
        return "-".join(parts)


class Sampling(Strict):
    """What to draw from a trained model."""

    weights: Literal["raw", "ema"] = Field("raw", description="trained weights or their average")
    count: int = Field(50_000, ge=2, description="images per set")
    batch_size: int = Field(250, gt=0, description="images per pass; changes no image")
    generations: tuple[Generation, ...] = Field((Generation(steps=1), Generation(steps=4)), min_length=1)

    @field_validator("generations")
    @classmethod
    def _unique(cls, generations: tuple[Generation, ...]) -> tuple[Generation, ...]:
        names = [generation.name for generation in generations]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{name}' is listed twice (a single step has no scheme)")
        return generations


class Ablation(Strict):
    """What a run varies: runs of one axis are compared with each other and with the study's first run."""

    axis: Name = Field(description="what is varied, e.g. alpha-max")
    value: str = Field(min_length=1, max_length=40, description="how the figure and the claims call this run")
    baseline: str = Field(
        "baseline", min_length=1, max_length=40, description="the first run's value on this axis"
    )


class Run(Strict):
    """One model trained on one dataset, and what is drawn from it."""

    dataset: Dataset
    model: Model = Model()
    loss: Loss = Loss()
    training: Training
    execution: Execution = Execution()
    sampling: Sampling = Sampling()
    baseline_of: str | None = Field(None, description="the run beside which figures show this one")
    released: str | None = Field(
        None,
        min_length=1,
        exclude_if=_is_none,
        description="a released checkpoint (.pth, beside it its .json), scored instead of a training",
    )
    ablation: Ablation | None = Field(None, exclude_if=_is_none, description="what this run varies")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _ = self.architecture  # raises where the shapes do not fit
        if self.model.kind == "vae":
            for key in CONSISTENCY_KEYS:
                if key in self.loss.model_fields_set:
                    raise ValueError(f"loss.{key} has no meaning for a VAE: remove it")
            if "generations" in self.sampling.model_fields_set:
                raise ValueError("sampling.generations has no meaning for a VAE: remove it")
        elif "kl" in self.loss.model_fields_set:
            raise ValueError(
                "loss.kl has no meaning for a Sphere Encoder: remove it or set model.kind to vae"
            )
        self._check_guidance()
        self._check_execution()
        self._check_released()
        check_terms(self.loss, self.model.kind)
        self.loss.perceptual.check_pixels(self.architecture.image_size)
        return self

    def _check_guidance(self) -> None:
        for generation in self.sampling.generations:
            if generation.guidance.scale > 1 and not self.architecture.classes:
                raise ValueError(
                    f"sampling: '{generation.name}' asks for guidance, but the model is unconditional"
                )

    def _check_execution(self) -> None:
        if self.execution.world_size > self.training.batch_size:
            raise ValueError(
                f"execution: {self.execution.world_size} processes cannot share a batch of "
                f"{self.training.batch_size} images; use fewer, or raise training.batch_size"
            )

    def _check_released(self) -> None:
        if self.released is not None and self.model.kind == "vae":
            raise ValueError("released has no meaning for a VAE: only Sphere Encoders were released")
        if self.released is not None and not self.released.endswith(".pth"):
            raise ValueError(f"released: {quoted(self.released)} is no .pth file")

    @cached_property
    def architecture(self) -> Architecture:
        return self.model.architecture(self.dataset)

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of the run's sample sets, in the order of the tables."""
        if self.model.kind == "vae":
            return ("reconstruction", "prior", "posterior")
        return ("reconstruction", *(generation.name for generation in self.sampling.generations))

    def generation(self, name: str) -> Generation:
        return next(generation for generation in self.sampling.generations if generation.name == name)


ExtractorName = Literal["inception", "inception-legacy", "efficientnet-lite0"]
EXTRACTORS: tuple[str, ...] = get_args(ExtractorName)


class Score(Strict):
    """How images become numbers."""

    extractor: ExtractorName = Field(
        "inception",
        description="feature network of figures and claims; inception resizes as Clean-FID's clean, "
        "inception-legacy as its legacy_tensorflow, which the published numbers used",
    )
    also: tuple[ExtractorName, ...] = Field((), description="further feature networks, for the table")
    batch_size: int = Field(64, gt=0, description="images per pass")
    reference_count: int | None = Field(
        None, ge=4, description="real images at most, a seeded choice; default: all of the training split"
    )
    kid_subsets: int = Field(100, gt=1, description="random subsets of the kernel distance")
    kid_subset_size: int = Field(1000, gt=1, description="images per subset, at most what there is")
    jackknife_groups: int = Field(10, gt=1, description="groups left out in turn for the standard error")
    inception_score_splits: int = Field(
        10, ge=2, description="parts of a set whose Inception Scores are averaged"
    )

    @model_validator(mode="after")
    def _extractors_differ(self) -> Self:
        names = self.extractors
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"also: '{name}' is listed twice; extractor counts as well")
        return self

    @property
    def extractors(self) -> tuple[ExtractorName, ...]:
        """Every feature network that the study is scored with, that of the figures first."""
        return (self.extractor, *self.also)


class Uniformity(Strict):
    """The uniformity statistics and their null distribution (section 5)."""

    count: int = Field(1000, ge=20, description="training images whose latents are examined")
    null_draws: int = Field(200, ge=20, description="true uniform clouds that make the null distribution")


FigureName = Literal[
    "samples", "posterior-hole", "uniformity", "distance-by-steps", "training-curves", "ablations"
]


class Study(Strict):
    """A list of runs, and how they are scored and drawn."""

    study: Name = Field(description="name; results lie in results/<study>/")
    seed: int = Field(0, ge=0, lt=2**32, description="every draw of the study derives from it")
    runs: dict[Name, Run] = Field(min_length=1)
    score: Score = Score()
    uniformity: Uniformity = Uniformity()
    figures: tuple[FigureName, ...] = (
        "samples",
        "posterior-hole",
        "uniformity",
        "distance-by-steps",
        "training-curves",
    )

    @model_validator(mode="after")
    def _enough_to_score(self) -> Self:
        groups = self.score.jackknife_groups
        for name, run in self.runs.items():
            if run.sampling.count < groups:
                raise ValueError(
                    f"runs.{name}.sampling.count is {run.sampling.count}, "
                    f"fewer than score.jackknife_groups = {groups}"
                )
        return self

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        for name in {"reference"} & set(self.runs):
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
            if run.baseline_of is not None and run.model.kind != "vae":
                raise ValueError(f"runs.{name}.baseline_of: only a VAE is a baseline")
            if run.baseline_of is not None and self.runs[run.baseline_of].model.kind != "sphere":
                raise ValueError(f"runs.{name}.baseline_of: '{run.baseline_of}' is no Sphere Encoder")
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


def check_terms(loss: Loss, kind: str) -> None:
    """Refuse weights of terms that a model of `kind` would be trained without.

    Raises:
        ValueError: a perceptual term without a network, or the KL divergence of a Sphere Encoder.
    """
    if loss.perceptual.network == "none":
        for key in ("pix_recon_perceptual", "pix_con_perceptual")[: 1 if kind == "vae" else 2]:
            if getattr(loss, key) > 0:
                raise ValueError(f"loss.{key} must be 0 where loss.perceptual.network is none")
    if kind == "sphere" and loss.kl > 0:
        raise ValueError("loss.kl must be 0 for a Sphere Encoder")


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
