"""Image sets beyond generations: edits, crossovers, interpolations, reconstructions (section 4).

Each is a named set of a run, with an archive and a record of its own. Those that begin with given images take
them from a dataset of the study by index, or from a folder of one's own, prepared as training images are.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from sphere_repro.ledger import ledger
from sphere_repro.strict import MOST_IMAGES, Limited, Name, Strict, is_none
from sphere_repro.study.generation import Generation, Guidance, Scheme
from sphere_repro.study.generation_grid import Generations
from sphere_repro.study.sampling import Sampling

Cut = Literal["left-right", "top-bottom", "diagonal", "antidiagonal"]
Index = Annotated[int, Field(ge=0, le=MOST_IMAGES)]
CUTS: tuple[Cut, ...] = ("left-right", "top-bottom", "diagonal", "antidiagonal")
MOST_STEPS, MOST_POINTS, MOST_PATHS = 1000, 1000, 1000
CORNERS = {"line": 2, "square": 4}
OURS = ledger(reason="a name of yours")


def _from_given_images(scheme: Scheme) -> Scheme:
    if scheme.noise == "initial":
        raise ValueError("noise: initial is the draw that a sample starts from, and given images have none")
    return scheme


class Inputs(Strict):
    """Given images: by index from a dataset of the study, or from a place of one's own."""

    name: Name = Field(description="name of the set", json_schema_extra=OURS)
    dataset: str | None = Field(
        None,
        exclude_if=is_none,
        description="a dataset of this study that the images are taken from, by its name; or else inputs",
        json_schema_extra=ledger(section="sampling, editing", reason="the released images are not known"),
    )
    indices: tuple[Index, ...] = Field(
        (),
        exclude_if=lambda value: not value,
        description="which of its images, from 0, in their order",
        json_schema_extra=ledger(unit="images", reason="the released images are not known"),
    )
    inputs: str | None = Field(
        None,
        min_length=1,
        exclude_if=is_none,
        description="a folder of images of your own, or one image; instead of dataset",
        json_schema_extra=ledger(reason="for images that no dataset of the study has"),
    )

    @model_validator(mode="after")
    def _from_one_place(self) -> Self:
        if (self.dataset is None) == (self.inputs is None):
            raise ValueError("say either dataset, with indices, or inputs")
        if (self.dataset is None) != (not self.indices):
            raise ValueError("indices belong to a dataset, and a dataset needs them")
        return self


class ForeignInputs(Inputs):
    """Given images from outside the training distribution."""

    negatives: bool = Field(
        False,
        description="whether each image is followed by its negative",
        json_schema_extra=ledger(reason="digits are bright on dark, photographs mostly not"),
    )


class Edit(ForeignInputs):
    """Conditional manipulation: refine images from outside the training distribution towards classes."""

    classes: tuple[Index | str, ...] = Field(
        (),
        description="target classes, by number or name; default: all",
        json_schema_extra=ledger(
            unit="classes", section="sampling, editing", reason="all of them show what a class does"
        ),
    )
    strength: Limited = Field(
        0.25,
        description="k, which scales the noise of every step",
        json_schema_extra=ledger(
            unit="1", section="sampling, editing", released=1.0, reason="the released flag reaches no number"
        ),
    )
    steps: int = Field(
        10,
        ge=1,
        le=MOST_STEPS,
        description="T; the images after every step are kept",
        json_schema_extra=ledger(unit="steps", section="sampling, editing", reason="the page shows 1 to 10"),
    )
    schemes: tuple[Scheme, ...] = Field((Scheme(), Scheme(strength="linear")), min_length=1)
    guidance: Guidance = Guidance()

    @property
    def set(self) -> str:
        """Name of the set in paths."""
        return f"edit-{self.name}"

    @field_validator("schemes")
    @classmethod
    def _unique(cls, schemes: tuple[Scheme, ...]) -> tuple[Scheme, ...]:
        if len(set(schemes)) < len(schemes):
            raise ValueError("a scheme is listed twice")
        return tuple(map(_from_given_images, schemes))


class Crossover(Inputs):
    """Two images, the first and the second of each pair, stitched and refined under the null class."""

    cuts: tuple[Cut, ...] = Field(
        CUTS,
        min_length=1,
        description="the first image left, at the top, above the diagonal or above the antidiagonal",
        json_schema_extra=ledger(section="sampling, editing", released="all four", reason="all four"),
    )
    passes: int = Field(
        10,
        ge=1,
        le=MOST_STEPS,
        description="passes through the model; the images after every one of them are kept, and before",
        json_schema_extra=ledger(unit="passes", section="sampling, editing", reason="the page shows 0 to 10"),
    )
    strength: Limited = Field(
        0.0,
        description="k, which scales the noise of every pass; 0: no noise",
        json_schema_extra=ledger(
            unit="1",
            section="sampling, editing",
            released=1.0,
            reason="no noise, as the paper's page says; the released script applies full noise",
        ),
    )
    scheme: Scheme = Scheme()

    @property
    def set(self) -> str:
        """Name of the set in paths."""
        return f"crossover-{self.name}"

    @field_validator("scheme")
    @classmethod
    def _of_given_images(cls, scheme: Scheme) -> Scheme:
        return _from_given_images(scheme)

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if len(self.indices) % 2:
            raise ValueError(f"indices are pairs, first and second image, but there are {len(self.indices)}")
        if len(set(self.cuts)) < len(self.cuts):
            raise ValueError("a cut is listed twice")
        return self


class Interpolation(Strict):
    """Images along lines between two draws, or on squares between four; classes are mixed as well."""

    name: Name = Field(description="name of the set", json_schema_extra=OURS)
    form: Literal["line", "square"] = Field(
        "line",
        description="between two draws, or between four",
        json_schema_extra=ledger(section="sampling, interpolation", released="both", reason="one set each"),
    )
    points: int = Field(
        11,
        ge=2,
        le=MOST_POINTS,
        description="images along the line, or along a side of the square",
        json_schema_extra=ledger(unit="images", section="sampling, interpolation", reason="ten equal parts"),
    )
    paths: int = Field(
        1,
        ge=1,
        le=MOST_PATHS,
        description="how many lines or squares, each between draws of its own",
        json_schema_extra=ledger(unit="paths", reason="one is enough to look at"),
    )
    classes: tuple[Index | str, ...] = Field(
        (),
        description="classes of the ends or corners, by number or name, in turn; default: all",
        json_schema_extra=ledger(
            unit="classes", section="sampling, interpolation", reason="neighbouring classes"
        ),
    )
    through: Literal["linear", "spherical"] = Field(
        "linear",
        description="points between Gaussian draws, then projected; or along great circles of the sphere",
        json_schema_extra=ledger(section="sampling, interpolation", released="linear"),
    )
    later_noise: Literal["shared", "each"] = Field(
        "shared",
        description="noise of the later steps: one along the path, or one for each point",
        json_schema_extra=ledger(
            section="sampling, interpolation",
            released="each",
            reason="shared noise leaves the path alone to change the image",
        ),
    )
    generations: Generations = Field((Generation(steps=1), Generation(steps=4)), min_length=1)

    @property
    def set(self) -> str:
        """Name of the set in paths."""
        return f"interpolation-{self.name}"

    @property
    def corners(self) -> int:
        """Draws that a path lies between."""
        return CORNERS[self.form]

    @property
    def images_per_path(self) -> int:
        """Images of one path with one number of steps."""
        return self.points if self.form == "line" else self.points**2

    @field_validator("generations")
    @classmethod
    def _unique(cls, generations: tuple[Generation, ...]) -> tuple[Generation, ...]:
        names = [generation.name for generation in generations]
        if len(set(names)) < len(names):
            raise ValueError("a generation is listed twice (a single step has no scheme)")
        return generations


class Reconstruction(ForeignInputs):
    """Encode and decode given images again and again, without noise and under the null class."""

    passes: int = Field(
        10,
        ge=1,
        le=MOST_STEPS,
        description="passes; the images after every one of them are kept, and before",
        json_schema_extra=ledger(unit="passes", section="sampling, editing", reason="one, and many"),
    )

    @property
    def set(self) -> str:
        """Name of the set in paths."""
        return f"reconstruction-{self.name}"


ImageSet = Edit | Crossover | Interpolation | Reconstruction


def unique(sets: tuple[ImageSet, ...]) -> None:
    """Raises ValueError where two sets of one kind have one name."""
    names = [each.set for each in sets]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' is there twice: sets of one kind need names of their own")


class Draws(Sampling):
    """What to draw from a trained model: sample sets, which are scored, and image sets, which are shown."""

    edits: tuple[Edit, ...] = ()
    crossovers: tuple[Crossover, ...] = ()
    interpolations: tuple[Interpolation, ...] = ()
    reconstructions: tuple[Reconstruction, ...] = ()

    @field_validator("edits", "crossovers", "interpolations", "reconstructions")
    @classmethod
    def _names_differ(cls, sets: tuple[ImageSet, ...]) -> tuple[ImageSet, ...]:
        unique(sets)
        return sets

    @property
    def image_sets(self) -> tuple[ImageSet, ...]:
        """All of them, in the order of the keys."""
        return (*self.edits, *self.crossovers, *self.interpolations, *self.reconstructions)
