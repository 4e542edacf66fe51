"""How far a training can carry the weights, held against recipes that are known to work.

AdamW moves a weight by about its rate in a step, whatever the gradient's size, so that no weight gets further
than steps times rate. A training of few steps takes a high rate, one at a low rate many steps; one that has
neither teaches nothing, and its samples do not say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sphere_repro.planning.counts import trained_count
from sphere_repro.study.config import Run, Study
from sphere_repro.study.replicates import is_replicate

# By experiment (docs/own-images.md): 0.007 teaches nothing, 0.03 blurs; the least recipe has 0.96.
FAR = 0.1  # share of the least known reach


@dataclass(frozen=True)
class Reach:
    """A training's length and rate.

    Attributes:
        run: its name.
        steps: optimizer steps.
        rate: the decoder's largest learning rate, scaled to the batch.
        batch: images per step.
        stated: `training.learning_rate`, which is for a batch of 256.
        images: of the dataset; a batch that is larger leaves no step.
        init_from: the model that it starts from; those of known recipes start from drawn weights.
    """

    run: str
    steps: int
    rate: float
    batch: int = 256
    stated: float = 0.0
    images: int = 0
    init_from: str | None = None

    @property
    def product(self) -> float:
        return self.steps * self.rate

    @property
    def far_below(self) -> bool:
        """Whether it is far below every recipe that is known to work."""
        return self.init_from is None and self.product < FAR * LEAST.product

    def __str__(self) -> str:
        return (
            f"{self.steps} steps of {self.batch} images, rate {self.rate:.3g} "
            f"({self.stated:.3g} · {self.batch}/256)"
            f"{f', from the weights of {self.init_from}' if self.init_from else ''}"
        )

    @property
    def warning(self) -> str:
        """A sentence where it is far below; else empty."""
        if not self.far_below:
            return ""
        return (
            f"{self.run}: {self.steps} steps at a rate of {self.rate:.3g} are far below every recipe that is "
            f"known to work: steps · rate is {self.product:.2g}, and at least {LEAST.product:.2g} in the "
            f"paper's studies and the demo ({LEAST.run}: {LEAST.steps} steps at {LEAST.rate:.3g}). Expect a "
            "blur at best: raise training.epochs or training.learning_rate, or let 'sphere-repro "
            "new' choose."
        )


# Of the paper's table of training settings, and of the default study; a test holds them against params/.
KNOWN = (
    Reach("demo, digits", 1680, 6e-3),
    Reach("demo, photo-patches", 1024, 3e-3),
    Reach("paper, CIFAR-10", 975_000, 1e-4),
    Reach("paper, Animal-Faces", 63_000, 1e-4),
    Reach("paper, Oxford-Flowers", 31_000, 1e-4),
    Reach("paper, ImageNet", 4_003_200, 1e-4),
)
LEAST = min(KNOWN, key=lambda recipe: recipe.product)


def reach(name: str, run: Run, images: int) -> Reach:
    """The reach of one run on so many images."""
    training = run.recipe
    whole = images // training.batch_size
    return Reach(
        run=name,
        steps=training.total_steps(whole) if whole else 0,
        rate=training.learning_rate * training.scale,
        batch=training.batch_size,
        stated=training.learning_rate,
        images=images,
        init_from=run.init_from,
    )


def reaches(study: Study, folder: Path) -> list[Reach]:
    """The reach of every training of a study, whose data lie or will lie in `folder`.

    Raises:
        UserError: a run's own images cannot be read.
    """
    trained = {
        name: run
        for name, run in study.runs.items()
        if run.is_trained and not is_replicate(name)  # which are trained alike
    }
    return [reach(name, run, trained_count(run, folder)) for name, run in trained.items()]


def warnings(found: Iterable[Reach]) -> list[str]:
    """A sentence for each training that is far below what is known to work."""
    return [item.warning for item in found if item.far_below]
