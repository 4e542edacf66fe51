"""From archives to numbers: reference statistics of real images, and the scores of one run's sample sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.frequencies import NOTED, difference
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json, write_json
from sphere_repro.metrics.features import Extractor, extract, make_extractor
from sphere_repro.metrics.frechet import FrechetReference, frechet_distance, frechet_estimate
from sphere_repro.metrics.inception_score import inception_score
from sphere_repro.metrics.kernel import kernel_distance
from sphere_repro.metrics.reconstruction import psnr
from sphere_repro.metrics.statistics import (
    Statistics,
    jackknife_groups,
    load_statistics,
    make_statistics,
    save_statistics,
)
from sphere_repro.provenance.code import SCORE
from sphere_repro.provenance.record import provenance_of
from sphere_repro.seeds import derive
from sphere_repro.study.config import Ablation
from sphere_repro.study.generation import Generation
from sphere_repro.study.scoring import Score

REFERENCE_SPLIT = "train"  # method, section 6: the published distances are taken to the training set
REFERENCE_SEED = 0  # the reference belongs to the dataset, not to a study
DESCRIPTION = ("extractor", "metric", "resize", "weights_sha256")


class Floor(BaseModel):
    """The distance between two halves of the real images, and the images per half."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    frechet: float
    count: int = Field(ge=2)


class ReferenceRecord(BaseModel):
    """What the JSON beside reference statistics must say, whatever else stands there."""

    model_config = ConfigDict(strict=True)
    extractor: str
    metric: str
    resize: str
    weights_sha256: str
    reference_split: str
    count: int = Field(ge=4)
    floor: Floor


@dataclass(frozen=True)
class ScoreInputs:
    """What is scored.

    Attributes:
        run: name of the run.
        dataset: name of the dataset's archive, e.g. `digits-8px`.
        kind: `sphere` or `vae`.
        sets: set name → archive, in the order of the tables.
        generations: set name → how it was generated (`config.Generation` or its fields as a mapping).
        real: the dataset's archive, which the reconstructions are held against.
        reference: statistics made by `make_reference`, with their JSON beside.
        ablation: what the run varies; None where it varies nothing.
    """

    run: str
    dataset: str
    kind: str
    sets: Mapping[str, Path]
    generations: Mapping[str, Generation | Mapping[str, Any]]
    real: Path
    reference: Path
    ablation: Ablation | None = None


def make_reference(
    archive_path: Path, out: Path, *, dataset: str, score: Score, device: torch.device | str
) -> None:
    """Write features and moments of real images to `out` (npz), and what they are to the JSON beside.

    Fewer than all images (`score.reference_count`) are a seeded random choice, so that the order of the
    archive (by class, say) does not matter. `floor` is the distance between two random halves of them: what a
    perfect model would get with that many images.

    Raises:
        UserError: the archive is broken, holds too few images, or the network's weights are missing.
    """
    archive = ImageArchive(archive_path)
    extractor = make_extractor(score.extractor, device=device)
    generator = np.random.default_rng(REFERENCE_SEED)
    indices = _choice(archive, score.reference_count, generator)
    features = extract(
        archive,
        extractor,
        batch_size=score.batch_size,
        indices=indices,
        device=device,
        label=f"reference {dataset}",
    )
    save_statistics(out, make_statistics(features))
    parameters = {"dataset": dataset, "score": score.model_dump(mode="json")}
    write_json(
        out.with_suffix(".json"),
        {
            "dataset": dataset,
            **_described(extractor),
            "reference_split": REFERENCE_SPLIT,
            "count": len(indices),
            "floor": _floor(features, generator),
            "provenance": provenance_of(
                parameters,
                inputs={"archive": archive_path},
                code=SCORE,
                device=str(device),
                seed=REFERENCE_SEED,
            ),
        },
    )


def score_run(inputs: ScoreInputs, out: Path, *, score: Score, seed: int, device: torch.device | str) -> None:
    """Score all sets of one run against the reference, and write one JSON.

    Every set has its Fréchet distance and kernel distance with standard errors, and its Inception Score where
    the extractor has Inception's classifier (else null); reconstructions have their PSNR too. Where classes
    occur in other frequencies than among the real images, `class_difference` says for which share. The random
    choices (jackknife groups, kernel subsets, the score's parts) follow from `seed` and the run's name alone.

    Raises:
        UserError: the reference was made from other images or with another extractor, an archive is broken, a
            set is unknown or too small, or the network's weights are missing.
    """
    details = {name: _details(name, inputs.generations) for name in inputs.sets}
    real = ImageArchive(inputs.real)
    archives = {name: ImageArchive(path) for name, path in inputs.sets.items()}
    statistics = load_statistics(inputs.reference)
    extractor = make_extractor(score.extractor, device=device)
    provenance = _provenance(inputs, score, seed, device)
    real_sha256 = provenance["inputs"]["real"]["sha256"]
    reference = _checked_reference(inputs.reference, len(statistics), extractor, real_sha256)
    scorer = _Scorer(score, extractor, device, statistics, derive(seed, inputs.run))
    records = []
    for name, archive in archives.items():
        closeness = psnr(real, archive) if name == "reconstruction" else None
        measured = scorer.measure(archive, f"{inputs.run} {name}")
        apart = difference(real.labels, archive.labels)
        noted = {"class_difference": round(apart, 4)} if apart >= NOTED else {}
        records.append({**details[name], **measured, "psnr": closeness, **noted})
    report = {
        "run": inputs.run,
        "dataset": inputs.dataset,
        "kind": inputs.kind,
        **({"ablation": inputs.ablation.model_dump()} if inputs.ablation else {}),
        **{key: reference[key] for key in DESCRIPTION},
        "reference_split": reference["reference_split"],
        "reference_count": reference["count"],
        "floor": reference["floor"],
        "records": records,
        "provenance": provenance,
    }
    write_json(out, report)


def class_note(scores: Path) -> str:
    """What a log says of sets whose classes occur in other frequencies than among the real images."""
    apart = [record for record in read_json(scores)["records"] if "class_difference" in record]
    told = ", ".join(f"{record['set']} ({record['class_difference'] * 100:.0f} %)" for record in apart)
    return f"; classes in other frequencies than among the real images: {told}" if told else ""


class _Scorer:
    """Holds images of one run against one reference; every set gets the same random choices."""

    def __init__(
        self,
        score: Score,
        extractor: Extractor,
        device: torch.device | str,
        statistics: Statistics,
        seed: int,
    ) -> None:
        self.score = score
        self.extractor = extractor
        self.device = device
        self.statistics = statistics
        self.reference = FrechetReference.of(statistics)
        self.seed = seed

    def measure(self, archive: ImageArchive, label: str) -> dict[str, float | int | None]:
        """Count, distances and their standard errors, Inception Score."""
        groups = self._groups(archive)
        features = extract(
            archive, self.extractor, batch_size=self.score.batch_size, device=self.device, label=label
        )
        frechet = frechet_estimate(self.reference, make_statistics(features), groups)
        kernel = kernel_distance(
            self.statistics.features,
            features,
            subsets=self.score.kid_subsets,
            subset_size=self.score.kid_subset_size,
            generator=np.random.default_rng(derive(self.seed, "kernel")),
        )
        return {
            "count": len(archive),
            "frechet": frechet.value,
            "frechet_se": frechet.standard_error,
            "kid": kernel.value,
            "kid_se": kernel.standard_error,
            **self._inception_score(features, archive),
        }

    def _inception_score(
        self, features: NDArray[np.float32], archive: ImageArchive
    ) -> dict[str, float | None]:
        keys = ("inception_score", "inception_score_sd", "inception_score_splits")
        if self.extractor.classifier is None:
            return dict.fromkeys(keys)
        parts = self.score.inception_score_splits
        generator = np.random.default_rng(derive(self.seed, "inception score"))
        try:
            found = inception_score(features, self.extractor.classifier, parts=parts, generator=generator)
        except UserError as error:
            raise UserError(f"{archive.path}: {error}") from error
        return dict(zip(keys, (found.value, found.sd, parts), strict=True))

    def _groups(self, archive: ImageArchive) -> NDArray[np.int64]:
        generator = np.random.default_rng(derive(self.seed, "jackknife"))
        try:
            return jackknife_groups(len(archive), self.score.jackknife_groups, generator)
        except UserError as error:
            raise UserError(f"{archive.path}: {error}") from error


def _provenance(inputs: ScoreInputs, score: Score, seed: int, device: torch.device | str) -> dict[str, Any]:
    parameters = {
        "run": inputs.run,
        "dataset": inputs.dataset,
        "kind": inputs.kind,
        "score": score.model_dump(mode="json"),
    }
    files = {"real": inputs.real, "reference": inputs.reference, **inputs.sets}
    return provenance_of(parameters, inputs=files, code=SCORE, device=str(device), seed=seed)


def _described(extractor: Extractor) -> dict[str, str]:
    """What must agree between a reference and the sets that are held against it."""
    return {
        "extractor": extractor.name,
        "metric": extractor.metric,
        "resize": extractor.resize_name,
        "weights_sha256": extractor.weights_sha256,
    }


def _fault(error: Exception) -> str:
    """Which value of a reference's JSON is wrong, where that is known."""
    if not isinstance(error, ValidationError):
        return ""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f" ({place}: {first['msg'][0].lower()}{first['msg'][1:]})" if place else ""


def _checked_reference(path: Path, images: int, extractor: Extractor, real_sha256: str) -> dict[str, Any]:
    """The reference's JSON, held against its `images`, the extractor and the real images of this job."""
    beside = path.with_suffix(".json")
    reference = read_json(beside)
    try:
        described = ReferenceRecord.model_validate(reference)
        made_from = reference["provenance"]["inputs"]["archive"]["sha256"]
    except (ValidationError, KeyError, TypeError) as error:
        raise UserError(
            f"{beside} does not describe reference statistics{_fault(error)}. Delete it and make it again."
        ) from error
    if described.count != images:
        raise UserError(
            f"{beside} speaks of {described.count} images, but {path} holds {images}. Delete both and make "
            "them again."
        )
    for key, value in _described(extractor).items():
        if reference[key] != value:
            raise UserError(
                f"Reference {path} has {key} '{reference[key]}', but this job has '{value}'. "
                "Make the reference again with the same scoring."
            )
    if made_from != real_sha256:
        raise UserError(
            f"Reference {path} was made from other images than the dataset has now. Make it again."
        )
    return dict(reference)


def _choice(archive: ImageArchive, count: int | None, generator: np.random.Generator) -> NDArray[np.int64]:
    if len(archive) < 4:
        raise UserError(f"{archive.path} holds {len(archive)} images; reference statistics need at least 4.")
    if count is None or count >= len(archive):
        return np.arange(len(archive))
    return np.sort(generator.choice(len(archive), count, replace=False))


def _floor(features: NDArray[np.float32], generator: np.random.Generator) -> dict[str, float | int]:
    """The distance between two random halves of the real images, and the images per half."""
    half = len(features) // 2
    order = generator.permutation(len(features))
    first, second = (make_statistics(features[part]) for part in (order[:half], order[half : 2 * half]))
    return {"frechet": frechet_distance(first, second), "count": half}


def _details(name: str, generations: Mapping[str, Generation | Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of a record that say how the set was made; null where they have no meaning."""
    details: dict[str, Any] = dict.fromkeys(
        ("steps", "strength", "noise", "guidance_scale", "guidance_position")
    )
    if name in ("reconstruction", "prior", "posterior"):
        return {"set": name, "kind": name, **details}
    if name not in generations:
        raise UserError(
            f"Set '{name}' is neither reconstruction, prior or posterior nor a generation of the run. "
            "Draw it from the study that is scored."
        )
    generation = Generation.model_validate(generations[name])
    details["steps"] = generation.steps
    details["guidance_scale"] = generation.guidance.scale
    if generation.steps > 1:
        details |= {"strength": generation.strength, "noise": generation.noise}
    if generation.guidance.scale > 1:
        details["guidance_position"] = generation.guidance.position
    return {"set": name, "kind": "generation", **details}
