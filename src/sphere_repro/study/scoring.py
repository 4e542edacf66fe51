"""What a study may say of its measures: how images become distances, and latents statistics."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from sphere_repro.ledger import ledger
from sphere_repro.strict import MOST_BATCH, MOST_DRAWS, MOST_IMAGES, Strict, is_none

ExtractorName = Literal["inception", "inception-legacy", "efficientnet-lite0"]
EXTRACTORS: tuple[str, ...] = get_args(ExtractorName)


FEWEST = 5  # fewer points say nothing of a distribution


class Score(Strict):
    """How images become numbers."""

    extractor: ExtractorName = Field(
        "inception",
        description="feature network of figures and claims; inception resizes as Clean-FID's clean, "
        "inception-legacy as its legacy_tensorflow, which the published numbers used",
        json_schema_extra=ledger(
            section="published numbers",
            released="inception-legacy",
            reason="Clean-FID's advice; add inception-legacy to compare with published ones",
        ),
    )
    also: tuple[ExtractorName, ...] = Field(
        (),
        description="further feature networks, for the table",
        json_schema_extra=ledger(section="published numbers", reason="the demo needs none"),
    )
    batch_size: int = Field(
        64,
        gt=0,
        le=MOST_BATCH,
        description="images per pass",
        json_schema_extra=ledger(unit="images", reason="no number depends on it"),
    )
    reference_count: int | None = Field(
        None,
        ge=4,
        le=MOST_IMAGES,
        description="real images at most, a seeded choice; default: all of the training split",
        json_schema_extra=ledger(
            unit="images",
            section="published numbers",
            released={"imagenet": 50000},
            reason="all training images, as published for the other datasets",
        ),
    )
    reference: str | dict[str, str] | None = Field(
        None,
        exclude_if=is_none,
        description="statistics that others made (.npz with mu and sigma), compared with instead of those of "
        "the real images; of a study of several datasets by name: {imagenet: PATH}",
        json_schema_extra=ledger(
            section="published numbers",
            reason="which statistics the published numbers were taken with is not known for every dataset",
        ),
    )
    kid_subsets: int = Field(
        100,
        gt=1,
        le=MOST_DRAWS,
        description="random subsets of the kernel distance",
        json_schema_extra=ledger(
            unit="subsets", reason="the kernel distance's usual number; not published for this method"
        ),
    )
    kid_subset_size: int = Field(
        1000,
        gt=1,
        le=MOST_IMAGES,
        description="images per subset, at most what there is",
        json_schema_extra=ledger(
            unit="images", reason="the kernel distance's usual number; not published for this method"
        ),
    )
    jackknife_groups: int = Field(
        10,
        gt=1,
        le=MOST_IMAGES,
        description="groups left out in turn for the standard error",
        json_schema_extra=ledger(
            unit="groups", reason="nothing is published about errors; ten groups take ten Fréchet distances"
        ),
    )
    inception_score_splits: int = Field(
        10,
        ge=2,
        le=MOST_IMAGES,
        description="parts of a set whose Inception Scores are averaged",
        json_schema_extra=ledger(
            unit="parts",
            section="published numbers",
            reason="the usual ten; the published number is not stated",
        ),
    )

    @model_validator(mode="after")
    def _extractors_differ(self) -> Self:
        names = self.extractors
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"also: '{name}' is listed twice; extractor counts as well")
        return self

    @model_validator(mode="after")
    def _reference_is_one_or_the_other(self) -> Self:
        places = self.reference.values() if isinstance(self.reference, dict) else [self.reference]
        if self.reference == {} or "" in places:
            raise ValueError("reference: an empty path; name a file, or leave the key out")
        if isinstance(self.reference, str) and self.reference_count is not None:
            raise ValueError("reference_count is of our own statistics: remove it, or reference")
        return self

    def reference_of(self, dataset: str) -> str | None:
        """The statistics by others that the dataset of this name is compared with, if any."""
        return self.reference.get(dataset) if isinstance(self.reference, dict) else self.reference

    @property
    def extractors(self) -> tuple[ExtractorName, ...]:
        """Every feature network that the study is scored with, that of the figures first."""
        return (self.extractor, *self.also)


class Uniformity(Strict):
    """The uniformity statistics and their null distribution (section 5)."""

    count: int = Field(
        1000,
        ge=20,
        le=MOST_IMAGES,
        description="training images whose latents are examined, spread over the dataset",
        json_schema_extra=ledger(
            unit="images",
            section="figures, uniformity",
            reason="the paper shows a picture; enough images for an effect size",
        ),
    )
    per_class: int = Field(
        FEWEST,
        ge=FEWEST,
        le=MOST_IMAGES,
        exclude_if=lambda value: value == FEWEST,
        description="of each class at least so many (or all), beyond count where that is needed",
        json_schema_extra=ledger(
            unit="images",
            section="figures, uniformity",
            reason="fewer points of a class say nothing of it; effect sizes are averaged over classes",
        ),
    )
    null_draws: int = Field(
        200,
        ge=20,
        le=MOST_DRAWS,
        description="true uniform clouds that make the null distribution",
        json_schema_extra=ledger(
            unit="draws",
            section="figures, uniformity",
            reason="the paper shows a picture without a null distribution",
        ),
    )
