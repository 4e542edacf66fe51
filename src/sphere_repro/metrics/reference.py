"""Reference statistics of real images: how they are made, and held against what is scored with them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import choose, held_out, trained_on
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json, write_json
from sphere_repro.machine.notes import notice
from sphere_repro.metrics import control_images, given, memorisation
from sphere_repro.metrics.features import Extractor, extract, make_extractor
from sphere_repro.metrics.frechet import frechet_distance
from sphere_repro.metrics.recognition import (
    MOST_IMAGES,
    Judge,
    Recognition,
    arrays_of,
    load_judge,
    train_judge,
)
from sphere_repro.metrics.statistics import make_statistics, save_statistics
from sphere_repro.provenance.code import SCORE
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.kept import Kept, kept_parts
from sphere_repro.provenance.maker import maker
from sphere_repro.provenance.record import provenance_of
from sphere_repro.study.jobs import ReferenceJob
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
    count: int | None = Field(ge=4)  # of statistics that others made, neither is known
    floor: Floor | None
    classifier: Recognition | None  # none where the real images have no classes
    given: str | None = None  # their file
    held_out: float = Field(0.0, ge=0, lt=1)  # share of the images that is not among them


def make_reference(
    archive_path: Path,
    out: Path,
    *,
    dataset: str,
    score: Score,
    device: torch.device | str,
    state: Path | None = None,
    held_out: float = 0.0,
) -> None:
    """Write features and moments of real images to `out` (npz), and what they are to the JSON beside.

    Fewer than all images (`score.reference_count`) are a random choice (`data.choice`), so that the order of
    the archive (by class, say) does not matter; reconstructions are of the same choice. `floor` is the
    distance between two random halves of them: what a perfect model would get with that many images.
    Of the share that is held out (`choice.held_out`) none is among them: the reference is of images that
    models are trained on. Beside the features lie the nearest neighbours of what samples are held against
    (`memorisation`): training images, those that are held out, copies of training images with noise, and
    images of noise alone.
    Features are kept in parts in the folder `state` (None: nowhere) until all are there.
    Where the images have classes, a classifier of them is kept with the features (`recognition`).

    Raises:
        UserError: the archive is broken, holds too few images, or the network's weights are missing.
    """
    archive = ImageArchive(archive_path)
    extractor = make_extractor(score.extractor, device=device)
    indices = _choice(archive, score.reference_count, held_out)
    kept = None if state is None else _kept(archive_path, state, extractor, dataset, score, held_out)
    features = extract(
        archive,
        extractor,
        batch_size=score.batch_size,
        indices=indices,
        device=device,
        label=f"reference {dataset}",
        kept=kept,
    )
    judge = train_judge(features, archive, indices)
    near = _near(archive, features, indices, extractor, score, held_out, device)
    save_statistics(out, make_statistics(features), {**arrays_of(judge), **near})
    parameters: dict[str, Any] = {"dataset": dataset, "score": score.model_dump(mode="json")}
    if held_out > 0:
        parameters["held_out"] = held_out
    write_json(
        out.with_suffix(".json"),
        {
            "dataset": dataset,
            **_described(extractor),
            "reference_split": REFERENCE_SPLIT,
            "held_out": held_out,
            "count": len(indices),
            "floor": _floor(features, np.random.default_rng(REFERENCE_SEED)),
            "classifier": _of(judge),
            "provenance": provenance_of(
                parameters,
                inputs={"archive": archive_path},
                code=SCORE,
                device=str(device),
                seed=REFERENCE_SEED,
            ),
        },
    )
    if kept is not None:
        kept.remove()


def _near(
    archive: ImageArchive,
    features: NDArray[np.float32],
    indices: NDArray[np.int64],
    extractor: Extractor,
    score: Score,
    share: float,
    device: torch.device | str,
) -> dict[str, NDArray[Any]]:
    """What the controls of memorisation lie nearest to among the images of `indices`, for the npz."""
    network = functools.partial(extract, extractor=extractor, batch_size=score.batch_size, device=device)
    copies, _ = control_images.planted_copies(archive, indices)
    noise = control_images.NoiseImages(archive.resolution)
    others = held_out(len(archive), share, archive.labels)
    found = memorisation.controls(
        {"features": features, "pixels": control_images.pixels(archive, indices)},
        {"features": network(copies, label="planted copies"), "pixels": control_images.pixels(copies)},
        {"features": network(noise, label="images of noise"), "pixels": control_images.pixels(noise)},
        {
            "features": network(archive, indices=others, label="images held out"),
            "pixels": control_images.pixels(archive, others),
        }
        if len(others)
        else None,
        device=device,
    )
    return {**memorisation.as_arrays(found, indices), memorisation.IMAGES: indices}


def _kept(
    archive: Path, state: Path, extractor: Extractor, dataset: str, score: Score, held_out: float
) -> Kept:
    fixes: dict[str, Any] = {
        "images": file_hash(archive),
        "count": score.reference_count,
        "weights": extractor.weights_sha256,
        "batch_size": score.batch_size,
    }
    if held_out > 0:
        fixes["held_out"] = held_out
    name, what = ("reference", dataset, extractor.name), f"features of {dataset}"
    return kept_parts(state, name, fixes, maker(SCORE), what=what, anew=True)


def take_reference(job: ReferenceJob, archive_path: Path, out: Path, *, device: torch.device | str) -> None:
    """Write moments that others made to `out`, as `make_reference` writes ours, and beside it what they are.

    How many images they are of is not known, nor the features: there is no floor, and no kernel distance.
    A classifier is trained on the dataset's own images, `archive_path`, where these have classes.

    Raises:
        UserError: their file is missing, has changed since the work was planned, or is not of the extractor.
    """
    place = Path(str(job.score.reference)).expanduser()
    if job.content is not None and given.content(place) != job.content:
        raise UserError(f"{place} has changed while the workflow ran. Run it again.")
    extractor = make_extractor(job.score.extractor, device=device)
    statistics = given.read_given(place, extractor.dimension)
    judge = _judge_of(ImageArchive(archive_path), extractor, job, device)
    save_statistics(out, statistics, arrays_of(judge))
    if job.score.extractor == "inception":
        notice(
            f"{place.name} is compared with images resized as Clean-FID does; most published statistics were "
            "made with Inception's own resize, which is the extractor inception-legacy"
        )
    parameters = {"dataset": job.dataset.archive, "score": job.score.model_dump(mode="json")}
    inputs = {"given": place, "archive": archive_path}
    origin = provenance_of(parameters, inputs=inputs, code=SCORE, device=str(device))
    about: dict[str, Any] = {
        "reference_split": place.name,
        "held_out": job.dataset.held_out,
        "count": None,
        "floor": None,
        "classifier": _of(judge),
    }
    about["given"] = str(job.score.reference)
    record = {"dataset": job.dataset.archive, **_described(extractor), **about, "provenance": origin}
    write_json(out.with_suffix(".json"), record)


def checked_reference(
    path: Path,
    images: int,
    extractor: Extractor,
    real_sha256: str,
    wanted: str | None = None,
    held_out: float = 0.0,
) -> dict[str, Any]:
    """The reference's JSON, held against its `images`, the extractor and the real images of this job.

    Args:
        path: the statistics.
        images: how many images' features they hold.
        extractor: what the sets are compared by.
        real_sha256: digest of the dataset's archive.
        wanted: the file of statistics by others that the job asks for (`score.reference`), if any.
        held_out: share of the images that models are not trained on.

    Raises:
        UserError: it does not describe reference statistics, or those of something else.
    """
    beside = path.with_suffix(".json")
    reference = read_json(beside)
    try:
        described = ReferenceRecord.model_validate(reference)
        made_from = reference["provenance"]["inputs"]["archive"]["sha256"]
    except (ValidationError, KeyError, TypeError) as error:
        raise UserError(
            f"{beside} does not describe reference statistics{_fault(error)}. Delete it and make it again."
        ) from error
    if described.given != wanted:
        ours = "the real images"
        raise UserError(
            f"Reference {path} was made of {described.given or ours}, but this job compares with "
            f"{wanted or ours}. Make the reference again with the same scoring."
        )
    if described.held_out != held_out:
        raise UserError(
            f"Reference {path} leaves out {described.held_out:g} of the images, but this job holds out "
            f"{held_out:g}. Make the reference again with the same dataset.held_out."
        )
    if (described.count or 0) != images:
        raise UserError(
            f"{beside} speaks of {described.count or 0} images, but {path} holds {images}. Delete both and "
            "make them again."
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


def judge_of(path: Path, reference: dict[str, Any]) -> Judge | None:
    """The classifier that is kept with a reference, of its checked JSON; None where it has none.

    Raises:
        UserError: the file holds none as described.
    """
    found = reference["classifier"]
    return load_judge(path, None if found is None else Recognition.model_validate(found))


def _judge_of(
    archive: ImageArchive, extractor: Extractor, job: ReferenceJob, device: torch.device | str
) -> Judge | None:
    """A classifier of the dataset's own images; none are looked at where they have no classes."""
    if archive.labels is None:
        return None
    trained = trained_on(archive, job.dataset.held_out)
    indices = trained[choose(len(trained), MOST_IMAGES)]
    label = f"classes of {job.dataset.archive}"
    size = job.score.batch_size
    features = extract(archive, extractor, batch_size=size, indices=indices, device=device, label=label)
    return train_judge(features, archive, indices)


def _of(judge: Judge | None) -> dict[str, Any] | None:
    return None if judge is None else judge.described.model_dump(mode="json")


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


def _choice(archive: ImageArchive, count: int | None, held_out: float) -> NDArray[np.int64]:
    trained = trained_on(archive, held_out)
    if len(trained) < 4:
        without = f" beside those held out ({held_out:g})" if held_out else ""
        raise UserError(
            f"{archive.path} holds {len(trained)} images{without}; reference statistics need at least 4."
        )
    return trained[choose(len(trained), count)]


def _floor(features: NDArray[np.float32], generator: np.random.Generator) -> dict[str, float | int]:
    """The distance between two random halves of the real images, and the images per half."""
    half = len(features) // 2
    order = generator.permutation(len(features))
    first, second = (make_statistics(features[part]) for part in (order[:half], order[half : 2 * half]))
    return {"frechet": frechet_distance(first, second), "count": half}
