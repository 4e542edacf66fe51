"""What may be asked of a model that is served: the settings of each view, as they stand in an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sphere_repro.errors import UserError
from sphere_repro.strict import Limited, Strict, parse
from sphere_repro.study.generation import Generation, Guidance, Position, Scheme, Sharing, Strength
from sphere_repro.study.image_sets import Crossover, Cut, Edit, Interpolation

MOST_COUNT, MOST_STEPS, MOST_PASSES = 8, 10, 10
MOST_POINTS = {"line": 21, "square": 7}
MOST_SEED = 2**53 - 1  # whole numbers of a browser
DRAWN_STEPS = 4  # of an image that is drawn where none is given

Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Steps = Annotated[int, Field(ge=1, le=MOST_STEPS)]


def _listed(value: Any) -> Any:
    return (
        tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value
    )


Classes = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Draw(Strict):
    """Random points, decoded and refined in one to `steps` steps."""

    seed: Seed = 0
    classes: Classes = ()
    count: Annotated[int, Field(ge=1, le=MOST_COUNT)] = 4
    steps: Steps = MOST_STEPS
    strength: Strength = "fixed"
    noise: Sharing = "shared"
    guidance: Annotated[float, Field(ge=1, le=100)] = 1.0
    position: Position = "combo"

    @property
    def generation(self) -> Generation:
        guidance = Guidance(scale=self.guidance, position=self.position)
        return Generation(steps=self.steps, strength=self.strength, noise=self.noise, guidance=guidance)


class Between(Strict):
    """Images on a line between two random points, or on a square between four."""

    seed: Seed = 0
    classes: Classes = ()
    form: Literal["line", "square"] = "line"
    points: Annotated[int, Field(ge=2)] = 11
    through: Literal["linear", "spherical"] = "linear"
    steps: Steps = 1
    at: Annotated[int, Field(ge=0)] = 0
    """Which image is shown large; changes none."""

    @property
    def interpolation(self) -> Interpolation:
        """Raises UserError: too many points."""
        most = MOST_POINTS[self.form]
        if self.points > most:
            raise UserError(f"A {self.form} has at most {most} points along a side here, not {self.points}.")
        said = {"form": self.form, "points": self.points, "classes": self.classes, "through": self.through}
        generations = (Generation(steps=self.steps),)
        return parse(Interpolation, said | {"name": "served", "generations": generations}, "between")


class FromImages(Strict):
    """What begins with images: those that come with the question, or drawn ones in their place."""

    seed: Seed = 0
    drawn: Seed = 0
    """Seed of the image that is drawn where none is given."""
    drawn_class: str = ""


class Editing(FromImages):
    """An image refined towards classes."""

    classes: Classes = ()
    strength: Limited = 0.25
    steps: Steps = MOST_STEPS
    scheme: Strength = "fixed"
    noise: Literal["shared", "independent"] = "shared"
    guidance: Annotated[float, Field(ge=1, le=100)] = 1.0
    position: Position = "combo"

    @property
    def edit(self) -> Edit:
        said = {"classes": self.classes, "strength": self.strength, "steps": self.steps}
        said |= {"guidance": Guidance(scale=self.guidance, position=self.position)}
        said |= {"schemes": (Scheme(strength=self.scheme, noise=self.noise),)}
        return parse(Edit, said | {"name": "served", "inputs": "given"}, "edit")


class Stitching(FromImages):
    """Two images stitched and passed through the model."""

    second: Seed = 1
    second_class: str = ""
    cut: Cut = "left-right"
    passes: Annotated[int, Field(ge=1, le=MOST_PASSES)] = 5

    @property
    def crossover(self) -> Crossover:
        said = {"cuts": (self.cut,), "passes": self.passes}
        return parse(Crossover, said | {"name": "served", "inputs": "given"}, "stitch")


VIEWS: Mapping[str, type[Strict]] = {"draw": Draw, "between": Between, "edit": Editing, "stitch": Stitching}
