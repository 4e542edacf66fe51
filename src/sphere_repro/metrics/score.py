"""From archives to numbers: the scores of one run's sample sets against reference statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.choice import reconstructed
from sphere_repro.data.frequencies import NOTED, difference
from sphere_repro.errors import UserError
from sphere_repro.machine.files import read_json, write_json
from sphere_repro.machine.notes import notice
from sphere_repro.metrics import emptiness
from sphere_repro.metrics.emptiness import Emptiness
from sphere_repro.metrics.features import Extractor, extract, make_extractor
from sphere_repro.metrics.frechet import FrechetReference, frechet_estimate
from sphere_repro.metrics.inception_score import inception_score
from sphere_repro.metrics.kernel import kernel_distance
from sphere_repro.metrics.memorisation import Memory, write_arrays
from sphere_repro.metrics.neighbours import FEWEST, MEASURES, Balls, neighbours
from sphere_repro.metrics.recognition import Judge
from sphere_repro.metrics.reconstruction import Closeness, closeness
from sphere_repro.metrics.reference import DESCRIPTION, checked_reference, judge_of
from sphere_repro.metrics.statistics import Statistics, jackknife_groups, load_statistics
from sphere_repro.provenance.code import SCORE
from sphere_repro.provenance.kept import Kept, kept_parts
from sphere_repro.provenance.maker import maker
from sphere_repro.provenance.record import provenance_of
from sphere_repro.results import degenerate
from sphere_repro.results.recognised import accuracy_of, unrecognised
from sphere_repro.results.variety import variety
from sphere_repro.seeds import derive
from sphere_repro.study.config import Ablation
from sphere_repro.study.generation import Generation, remembered, single_step
from sphere_repro.study.prior_path import PRIOR_PATH, PriorPath
from sphere_repro.study.replicates import Seed
from sphere_repro.study.scoring import Score


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
        reference: statistics made by `reference.make_reference`, with their JSON beside.
        ablation: what the run varies; None where it varies nothing.
        state: folder in which the sets' features are kept until all are scored; None: nowhere.
        held_out: share of the real images that the run was not trained on.
        prior_path: how the set of that name was drawn, where there is one: it is scored by what is empty
            along the way, and by nothing else.
    """

    run: str
    dataset: str
    kind: str
    sets: Mapping[str, Path]
    generations: Mapping[str, Generation | Mapping[str, Any]]
    real: Path
    reference: Path
    ablation: Ablation | None = None
    state: Path | None = None
    held_out: float = 0.0
    prior_path: PriorPath | None = None


def score_run(inputs: ScoreInputs, out: Path, *, score: Score, seed: Seed, device: torch.device | str) -> str:
    """Score all sets of one run against the reference; write one JSON, and neighbours beside it (npz).

    Every set has its Fréchet distance and kernel distance with standard errors, and its Inception Score where
    the extractor has Inception's classifier (else null); reconstructions have their PSNR, SSIM and LPIPS
    too (`reconstruction.closeness`; a record says why LPIPS is null). Sets with
    classes have the share of their images that a classifier of the real ones recognises (`recognition`; null
    where that classifier hardly sees the classes itself), and generated ones the images that it is surest of,
    which a curated figure shows. Where classes
    occur in other frequencies than among the real images, `class_difference` says for which share. How
    different a set's images are from one another stands beside that of the real ones. `emptiness` is the
    share of a set's images that lie farther from every training image than real ones do, and `prior_path` how
    that grows on the way from the posterior to the prior. The random choices
    (jackknife groups, kernel subsets, the score's parts) follow from `seed` alone.

    Returns:
        Which sets' scores say nothing, and why (`results.degenerate`); empty where all may be believed.

    Raises:
        UserError: the reference was made from other images or with another extractor, an archive is broken, a
            set is unknown or too small, or the network's weights are missing.
    """
    details = {name: _details(name, inputs.generations) for name in inputs.sets if name != PRIOR_PATH}
    real = ImageArchive(inputs.real)
    archives = {name: ImageArchive(path) for name, path in inputs.sets.items()}
    statistics = load_statistics(inputs.reference)
    extractor = make_extractor(score.extractor, device=device)
    provenance = _provenance(inputs, score, seed, device)
    real_sha256 = provenance["inputs"]["real"]["sha256"]
    reference = checked_reference(
        inputs.reference, len(statistics), extractor, real_sha256, _given(score), inputs.held_out
    )
    judge = judge_of(inputs.reference, reference)
    scorer = _Scorer(score, extractor, device, statistics, derive(*seed), judge)
    memory = Memory.of(inputs.reference, real, inputs.held_out, device) if len(statistics) else None
    empty = _emptiness(memory, statistics, device)
    looked_at = _looked_at(inputs) if memory else []
    records, half_done = [], _kept(inputs, extractor, score, provenance)
    along = archives.pop(PRIOR_PATH, None)
    if along is not None and empty is None:
        notice(
            f"{PRIOR_PATH} of {inputs.run} is not scored: the reference holds no features of "
            f"{emptiness.FEWEST} real images or more"
        )
    for name, archive in archives.items():
        close = None
        if name == "reconstruction":
            close = closeness(real, archive, device=device, held_out=inputs.held_out)
        generated = details[name]["kind"] == "generation"
        label = f"{inputs.run} {name}"
        measured, features = scorer.measure(archive, label, half_done.get(name), generated=generated)
        if memory and name in looked_at:
            measured["memorisation"] = memory.look(name, features, archive, statistics.features)
        if memory and empty and (not generated or name in looked_at):
            near = memory.looked.get(name)
            measured["emptiness"] = empty.of_set(empty.look(features) if near is None else near)
        apart = difference(real.labels, archive.labels)
        noted = {"class_difference": round(apart, 4)} if apart >= NOTED else {}
        alike = _variety(archive, real, name, inputs.held_out)
        records.append({**details[name], **measured, **_closeness(close), "variety": alike, **noted})
    report = {
        "run": inputs.run,
        "dataset": inputs.dataset,
        "kind": inputs.kind,
        **({"ablation": inputs.ablation.model_dump()} if inputs.ablation else {}),
        **{key: reference[key] for key in DESCRIPTION},
        "reference_split": reference["reference_split"],
        "reference_count": reference["count"],
        "floor": reference["floor"],
        "classifier": reference["classifier"],
        "memorisation": memory.described if memory else None,
        "emptiness": {**empty.described, "prior": _prior(inputs)} if empty else None,
        "prior_path": scorer.path(along, inputs, empty, half_done.get(PRIOR_PATH))
        if along and empty
        else None,
        "records": records,
        "provenance": provenance,
    }
    write_arrays(out.with_suffix(".npz"), memory.arrays if memory else {})
    write_json(out, report)
    for kept in half_done.values():
        kept.remove()
    _tell_unrecognised(inputs.run, records, accuracy_of(report))
    return _doubtful(inputs.run, records)


def _closeness(found: Closeness | None) -> dict[str, Any]:
    """The fields of a record on how close reconstructions come; null for other sets."""
    names = [field.name for field in fields(Closeness)]
    return dict.fromkeys(names) if found is None else asdict(found)


def class_note(scores: Path) -> str:
    """What a log says of sets whose classes occur in other frequencies than among the real images."""
    apart = [record for record in read_json(scores)["records"] if "class_difference" in record]
    told = ", ".join(f"{record['set']} ({record['class_difference'] * 100:.0f} %)" for record in apart)
    return f"; classes in other frequencies than among the real images: {told}" if told else ""


def _kept(
    inputs: ScoreInputs, extractor: Extractor, score: Score, provenance: Mapping[str, Any]
) -> dict[str, Kept]:
    """Where the features of each set are kept; nowhere without a folder for them."""
    if inputs.state is None:
        return {}
    found = {}
    for name in inputs.sets:
        fixes = {
            "images": provenance["inputs"][name]["sha256"],
            "extractor": extractor.name,
            "weights": extractor.weights_sha256,
            "batch_size": score.batch_size,
        }
        of = ("score", inputs.run, extractor.name, name)
        what = f"features of {inputs.run}/{name}"
        found[name] = kept_parts(inputs.state, of, fixes, maker(SCORE), what=what, anew=True)
    return found


class _Scorer:
    """Holds images of one run against one reference; every set gets the same random choices."""

    def __init__(
        self,
        score: Score,
        extractor: Extractor,
        device: torch.device | str,
        statistics: Statistics,
        seed: int,
        judge: Judge | None,
    ) -> None:
        self.score = score
        self.extractor = extractor
        self.device = device
        self.statistics = statistics
        self.reference = FrechetReference.of(statistics)
        self.balls = Balls.of(statistics.features) if len(statistics) >= FEWEST else None
        self.seed = seed
        self.judge = judge

    def measure(
        self, archive: ImageArchive, label: str, kept: Kept | None = None, *, generated: bool = False
    ) -> tuple[dict[str, Any], NDArray[np.float32]]:
        """Count, distances with standard errors, precision and recall, Inception Score, share recognised.

        Of a generated set also the images that are most surely of their classes (`surest`); and the features
        that all this is of.
        """
        groups = self._groups(archive)
        features = self._features(archive, label, kept)
        frechet = frechet_estimate(self.reference, features, groups)
        measured = {
            "count": len(archive),
            "frechet": frechet.value,
            "frechet_se": frechet.standard_error,
            **self._kernel_distance(features),
            **self._neighbours(features),
            **self._inception_score(features, archive),
            "share_recognised": self.judge.share(features, archive) if self.judge else None,
            **({"surest": self.judge.surest(features, archive) if self.judge else None} if generated else {}),
        }
        return measured, features

    def _features(self, archive: ImageArchive, label: str, kept: Kept | None) -> NDArray[np.float32]:
        """Features (n, D) of an archive's images, those that an interrupted job has kept among them."""
        return extract(
            archive,
            self.extractor,
            batch_size=self.score.batch_size,
            device=self.device,
            label=label,
            kept=kept,
        )

    def path(
        self, archive: ImageArchive, inputs: ScoreInputs, empty: Emptiness, kept: Kept | None
    ) -> dict[str, Any]:
        """What is empty on the way from the posterior to the prior.

        Raises:
            UserError: the archive holds other paths than the job says.
        """
        asked = inputs.prior_path
        if asked is None or len(archive) != asked.images:
            wanted = "no paths" if asked is None else f"{asked.paths} paths of {asked.points} points"
            raise UserError(
                f"{archive.path} holds {len(archive)} images, but the run has {wanted}. Draw it again from "
                "the study that is scored."
            )
        label = f"{inputs.run} {PRIOR_PATH}"
        features = self._features(archive, label, kept)
        found = empty.of_paths(empty.look(features), asked.points)
        return {"paths": asked.paths, "points": asked.places, "measures": found}

    def _kernel_distance(self, features: NDArray[np.float32]) -> dict[str, float | None]:
        """None where the reference is of moments alone."""
        if not len(self.statistics):
            return {"kid": None, "kid_se": None}
        kernel = kernel_distance(
            self.statistics.features,
            features,
            subsets=self.score.kid_subsets,
            subset_size=self.score.kid_subset_size,
            generator=np.random.default_rng(derive(self.seed, "kernel")),
        )
        return {"kid": kernel.value, "kid_se": kernel.standard_error}

    def _neighbours(self, features: NDArray[np.float32]) -> dict[str, float | None]:
        """None where the reference is of moments alone, or a side is too small."""
        if self.balls is None or len(features) < FEWEST:
            return dict.fromkeys(MEASURES)
        return dict(asdict(neighbours(self.balls, Balls.of(features))))

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


def _given(score: Score) -> str | None:
    """The file of statistics by others; of a job it is one (`jobs.scored_by`)."""
    return None if score.reference is None else str(score.reference)


def _looked_at(inputs: ScoreInputs) -> list[str]:
    """Sets whose images' nearest neighbours are looked for."""
    settings = [Generation.model_validate(inputs.generations[name]) for name in inputs.generations]
    return [name for name in remembered(settings) if name in inputs.sets]


def _emptiness(memory: Memory | None, statistics: Statistics, device: torch.device | str) -> Emptiness | None:
    """None where the reference is of moments alone, or of too few images."""
    if memory is None or len(statistics) < emptiness.FEWEST:
        return None
    return Emptiness.of(memory.groups, memory.indices, statistics.features, device)


def _prior(inputs: ScoreInputs) -> str | None:
    """The set of prior draws: a VAE's, or random points of the sphere, decoded once."""
    if inputs.kind != "sphere":
        return "prior"
    found = single_step(Generation.model_validate(each) for each in inputs.generations.values())
    return found.name if found else None


def _variety(
    archive: ImageArchive, real: ImageArchive, name: str, held_out: float
) -> dict[str, float | None]:
    """Reconstructions are held against the images that they reconstruct, other sets against all."""
    of = reconstructed(real, archive, held_out) if name == "reconstruction" else None
    return degenerate.described(variety(archive), variety(real, of))


def _doubtful(run: str, records: list[dict[str, Any]]) -> str:
    """Tell people of sets whose scores say nothing."""
    pairs = [(record["set"], why) for record in records for why in degenerate.doubts(record)]
    found = degenerate.listed(pairs)
    if found:
        notice(f"scores of {run} that say nothing: {found}. Claims on them are undecided.")
    return found


def _tell_unrecognised(run: str, records: list[dict[str, Any]], accuracy: float | None) -> None:
    """Tell people of sets that do not show the classes they were drawn for."""
    pairs = [(record["set"], unrecognised(record["share_recognised"], accuracy)) for record in records]
    if found := degenerate.listed(pairs):
        notice(f"classes of {run}: {found}. No distance says so.")


def _provenance(inputs: ScoreInputs, score: Score, seed: Seed, device: torch.device | str) -> dict[str, Any]:
    parameters = {
        "run": inputs.run,
        "dataset": inputs.dataset,
        "kind": inputs.kind,
        "score": score.model_dump(mode="json"),
        **({"held_out": inputs.held_out} if inputs.held_out else {}),
    }
    files = {"real": inputs.real, "reference": inputs.reference, **inputs.sets}
    return provenance_of(parameters, inputs=files, code=SCORE, device=str(device), seed=seed)


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
