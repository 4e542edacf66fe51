"""Where the results of a study lie: which files each of its jobs reads and makes.

The workflow's rules, the writer of DVC pipelines and the planner ask here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from sphere_repro.data.hub import Pretrained
from sphere_repro.strict import Strict
from sphere_repro.study import curves, jobs
from sphere_repro.study.config import Run, Study
from sphere_repro.study.generation import remembered, single_step
from sphere_repro.study.image_job import images_job
from sphere_repro.study.places import Places, archive_file, downloads_file, record_of
from sphere_repro.study.replicates import is_replicate
from sphere_repro.study.samples_job import drawn_together

NOTHING: Mapping[str, str | None] = MappingProxyType({})


@dataclass(frozen=True)
class Step:
    """One job of a study and its files.

    Attributes:
        rule: the workflow's name for such jobs.
        subject: the run, or the archive, that it is about.
        job: its parameters.
        reads: the files it reads, by the name of the rule's input.
        makes: the files it makes; the record, which says by which job they were made, among them.
    """

    rule: str
    subject: str
    job: Strict
    reads: Mapping[str, str | list[str]]
    makes: tuple[str, ...]

    @property
    def record(self) -> str:
        return next(path for path in self.makes if path.endswith(".json"))

    @property
    def name(self) -> str:
        """A name of its own within the study, e.g. `sample-digits.prior`."""
        parts = self.record.rsplit("/", 1)[-1].removesuffix(".json").split(".")
        about = {"sample": parts, "reference": parts[1:], "score": parts[1:]}.get(self.rule, [])
        return ".".join([f"{self.rule}-{self.subject}", *about])


@dataclass(frozen=True)
class Outside:
    """Content (a hash) of what a study takes from outside; None where it is not at hand.

    Attributes:
        images: by archive; None for the datasets of the table.
        checkpoints: by run, for those that are made of files of one's own.
        references: by archive, for those compared with statistics by others.
        inputs: by place, for images of one's own that image sets begin with.
        beginnings: by run, for models from elsewhere that trainings start from.
    """

    images: Mapping[str, str | None] = field(default_factory=lambda: NOTHING)
    checkpoints: Mapping[str, str | None] = field(default_factory=lambda: NOTHING)
    references: Mapping[str, str | None] = field(default_factory=lambda: NOTHING)
    inputs: Mapping[str, str | None] = field(default_factory=lambda: NOTHING)
    beginnings: Mapping[str, str | None] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True)
class StudyFiles:
    """The jobs of a study, with the files of each.

    Lists of runs are kept, for others to read: figures ask for them run by run, of hundreds of runs.
    """

    study: Study
    outside: Outside = field(default_factory=Outside)

    @cached_property
    def places(self) -> Places:
        return Places(self.study.study)

    @cached_property
    def trained(self) -> list[str]:
        """Runs that are trained; the others' models are imported."""
        return [name for name, run in self.study.runs.items() if run.is_trained]

    @cached_property
    def imported(self) -> list[str]:
        return [name for name, run in self.study.runs.items() if run.released is not None]

    @cached_property
    def pretrained(self) -> list[str]:
        """Runs of autoencoders that others trained."""
        return [name for name, run in self.study.runs.items() if run.model.kind == "pretrained-vae"]

    @cached_property
    def fetched(self) -> dict[str, Pretrained]:
        """What the study takes from a hub of models, by the name of its files."""
        found = [self.study.runs[name].model.pretrained for name in self.pretrained]
        return {each.name: each for each in found if not each.local}

    @cached_property
    def together(self) -> list[str]:
        """Runs whose sample sets one job draws; those of the others are a job each."""
        return [name for name, run in self.study.runs.items() if drawn_together(run)]

    @cached_property
    def first(self) -> list[str]:
        """Runs as the study names them, without further trainings of the same run (replicates).

        Those are trained, drawn from and scored; their latents are not judged, and no figure shows their
        images or curves.
        """
        return [name for name in self.study.runs if not is_replicate(name)]

    @cached_property
    def spheres(self) -> list[str]:
        """Runs of Sphere Encoders, of each the first training."""
        return [name for name in self.first if self.study.runs[name].model.kind == "sphere"]

    @cached_property
    def shown(self) -> list[str]:
        """Runs with image sets, of each the first training."""
        return [name for name in self.first if self.study.runs[name].sampling.image_sets]

    @cached_property
    def judged(self) -> list[str]:
        """Runs whose latents are judged: the paper says nothing of those of ablations."""
        return [name for name in self.spheres if self.study.runs[name].ablation is None]

    @cached_property
    def measured(self) -> list[str]:
        """Runs whose latents become statistics: those that are judged, and trainings of other lengths."""
        return [*self.judged, *curves.of_other_length(self)]

    @cached_property
    def noised(self) -> list[str]:
        """Of those, the runs that are trained with noise."""
        return [name for name in self.judged if jobs.noise_angle(self.study.runs[name])]

    @cached_property
    def compared(self) -> dict[str, str]:
        """The VAE that a run's image sets are held against: run → VAE, where both have some."""
        pairs = {run: self.baseline(run) for run in self.judged if run in self.shown}
        return {run: vae for run, vae in pairs.items() if vae is not None and vae in self.shown}

    @cached_property
    def judged_images(self) -> list[str]:
        """Runs whose image sets claims read: those whose latents are judged, and their baselines."""
        return [*(run for run in self.judged if run in self.shown), *self.compared.values()]

    @cached_property
    def encoded(self) -> list[str]:
        """Runs whose latents are needed: those that are measured, and their baselines."""
        baselines = {self.baseline(name) for name in self.measured}
        return [name for name in self.study.runs if name in {*self.measured, *baselines}]

    @cached_property
    def paired(self) -> list[str]:
        """Runs that have a baseline and a set of one step to show beside it."""
        return [name for name in self.spheres if self.baseline(name) and self.single_step(name)]

    def beside(self, run: str) -> str | None:
        """The Sphere Encoder that a pretrained VAE is shown beside, where it has a set of one step."""
        of = self.study.runs[run].baseline_of
        return of if of is not None and self.single_step(of) else None

    @cached_property
    def side_by_side(self) -> list[str]:
        """Models whose posterior holes are shown together, dataset by dataset: those of datasets with a "
        "VAE."""
        runs = {name: self.study.runs[name] for name in self.first}
        datasets = dict.fromkeys(run.dataset.archive for run in runs.values())
        with_vae = {run.dataset.archive for run in runs.values() if run.model.kind != "sphere"}
        return [
            name
            for archive in datasets
            for name, run in runs.items()
            if run.dataset.archive == archive and archive in with_vae and run.ablation is None
            if run.model.kind != "sphere" or self.single_step(name)
        ]

    def baseline(self, run: str) -> str | None:
        """The run that is shown beside `run`."""
        return self._baselines[run]

    @cached_property
    def _baselines(self) -> dict[str, str | None]:
        return {run: jobs.baseline(self.study, run) for run in self.study.runs}

    def single_step(self, run: str) -> str | None:
        """The run's set of one step (`generation.single_step`)."""
        found = single_step(self.study.runs[run].sampling.generations)
        return found.name if found else None

    def remembered(self, run: str) -> list[str]:
        """The run's sets that are held against the training images (`generation.remembered`)."""
        return remembered(self.study.runs[run].sampling.generations)

    @cached_property
    def held_against_training(self) -> list[str]:
        """Sphere Encoders of which such sets were drawn, and whose reference holds features."""
        found = {run: self.study.runs[run].dataset.name for run in self.judged if self.remembered(run)}
        return [run for run, dataset in found.items() if self.study.score.reference_of(dataset) is None]

    @property
    def held_against_real(self) -> list[str]:
        """Runs, of each the first training, of which images that are nothing are counted: whose reference
        holds features."""
        named = {run: self.study.runs[run].dataset.name for run in self.first}
        return [run for run, dataset in named.items() if self.study.score.reference_of(dataset) is None]

    @cached_property
    def archives(self) -> dict[str, Run]:
        """Every prepared archive, with the first run that reads it."""
        found: dict[str, Run] = {}
        for run in self.study.runs.values():
            found.setdefault(run.dataset.archive, run)
        return found

    def archive_of(self, run: str) -> str:
        return archive_file(self.study.runs[run].dataset.archive)

    def sets(self, run: str) -> dict[str, str]:
        """The run's sample sets: name → file."""
        return {name: self.places.sample(run, name) for name in self.study.runs[run].sets}

    def drawn(self, run: str) -> dict[str, str]:
        """The same, and images on the way from the posterior to the prior, where the run has some."""
        return {name: self.places.sample(run, name) for name in self.study.runs[run].drawn}

    def scores(self, extractor: str | None = None) -> Mapping[str, str]:
        """Scores of every run: run → file; by the study's main extractor unless another is named."""
        chosen = extractor or self.study.score.extractor
        if chosen not in self._scores:
            self._scores[chosen] = {run: self.places.scores(run, chosen) for run in self.study.runs}
        return self._scores[chosen]

    @cached_property
    def _scores(self) -> dict[str, Mapping[str, str]]:
        return {}

    def made_by(self) -> list[str]:
        """Records that say which code trained and drew what the table shows."""
        models = [record_of(self.places.model(run)) for run in self.study.runs]
        return models + [record_of(path) for run in self.study.runs for path in self.sets(run).values()]

    def steps(self, extractors: Sequence[str] | None = None) -> list[Step]:
        """Every job from the images to the numbers, in an order in which they can run.

        Args:
            extractors: what is scored with; the study's unless others are named.
        """
        chosen = self.study.score.extractors if extractors is None else extractors
        return [
            *self._prepares(),
            *(self._model(run) for run in self.study.runs),
            *(step for run in self.study.runs for step in self._samples(run)),
            *(self._images(run) for run in self.shown),
            *(self._encode(run) for run in self.first),
            *(self._reference(archive, each) for archive in self.archives for each in chosen),
            *(self._score(run, each) for run in self.study.runs for each in chosen),
            *(self._uniformity(run) for run in self.spheres),
        ]

    def _prepares(self) -> Iterator[Step]:
        for archive, run in self.archives.items():
            job = jobs.prepare_job(run, self.outside.images.get(archive))
            downloaded = {"raw": downloads_file(run.dataset.name)} if run.dataset.source.files else {}
            made = archive_file(archive)
            yield Step("prepare", archive, job, downloaded, (made, record_of(made)))

    def _model(self, run: str) -> Step:
        model = self.places.model(run)
        if run in self.imported:
            job = jobs.released_job(self.study, run, self.outside.checkpoints.get(run))
            return Step("import_released", run, job, {}, (model, record_of(model)))
        if run in self.pretrained:
            wanted = self.study.runs[run].model.pretrained
            made_of = jobs.pretrained_job(self.study, run, self.outside.checkpoints.get(run))
            fetched: dict[str, str | list[str]] = {} if wanted.local else {"raw": wanted.record.as_posix()}
            return Step("import_pretrained", run, made_of, fetched, (model, record_of(model)))
        made = (model, record_of(model), self.places.curves(run))
        training = jobs.train_job(self.study, run, self.outside.beginnings.get(run))
        read: dict[str, str | list[str]] = {"data": self.archive_of(run)}
        if training.init_from is not None and training.init_from.run:
            read["init"] = training.init_from.path
        return Step("train", run, training, read, made)

    def _drawn_from(self, run: str) -> dict[str, str | list[str]]:
        return {"model": self.places.model(run), "data": self.archive_of(run)}

    def _samples(self, run: str) -> Iterator[Step]:
        for name, path in self.drawn(run).items():
            job = jobs.sample_job(self.study, run, name)
            yield Step("sample", run, job, self._drawn_from(run), (path, record_of(path)))

    def _images(self, run: str) -> Step:
        folder = self.places.images(run)
        job = images_job(self.study, run, self.outside.inputs)
        data = [archive_file(name) for name in dict.fromkeys(job.archives.values())]
        reads: dict[str, str | list[str]] = {"model": self.places.model(run), "data": data}
        return Step("images", run, job, reads, (record_of(folder), folder))

    def _encode(self, run: str) -> Step:
        path = self.places.latents(run)
        job = jobs.encode_job(self.study, run)
        return Step("encode", run, job, self._drawn_from(run), (path, record_of(path)))

    def _reference(self, archive: str, extractor: str) -> Step:
        path = self.places.reference(archive, extractor)
        content = self.outside.references.get(archive)
        job = jobs.reference_job(self.study, self.archives[archive], extractor, content)
        return Step("reference", archive, job, {"data": archive_file(archive)}, (path, record_of(path)))

    def _score(self, run: str, extractor: str) -> Step:
        reference = self.places.reference(self.study.runs[run].dataset.archive, extractor)
        reads: dict[str, str | list[str]] = {
            "data": self.archive_of(run),
            "reference": reference,
            "about": record_of(reference),
            "sets": list(self.drawn(run).values()),
        }
        job = jobs.score_job(self.study, run, extractor)
        made = (self.places.scores(run, extractor), self.places.neighbours(run, extractor))
        return Step("score", run, job, reads, made)

    def _uniformity(self, run: str) -> Step:
        other = self.baseline(run)
        reads: dict[str, str | list[str]] = {"latents": self.places.latents(run)}
        if other:
            reads["baseline"] = self.places.latents(other)
        result = self.places.uniformity(run)
        made = (result, f"{result.removesuffix('.json')}.npz")
        return Step("uniformity", run, jobs.uniformity_job(self.study, run), reads, made)
