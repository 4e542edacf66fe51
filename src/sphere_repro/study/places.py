"""Paths of results: no other file spells one.

A path takes a name, or a pattern such as `{run}`, which a rule then fills in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

DEFAULT_STUDY = "params/demo.yaml"
PREPARED = "data/prepared"
RESULTS = "results"
REFERENCE = "reference"  # results that git keeps, to hold others against


@dataclass(frozen=True)
class Places:
    """Paths of the results of the study called `study`, relative to the checkout."""

    study: str

    @property
    def home(self) -> str:
        """Folder of everything that belongs to single runs."""
        return f"{RESULTS}/{self.study}"

    @property
    def is_default(self) -> bool:
        """Whether this is the study that is run where none is named."""
        return self.study == PurePosixPath(DEFAULT_STUDY).stem

    @property
    def summary(self) -> str:
        """Folder of the study's tables, figures and verdict, which no other study replaces unasked."""
        return RESULTS if self.is_default else f"{RESULTS}/studies/{self.study}"

    @property
    def kept(self) -> str:
        """Folder of the study's results that git keeps, where somebody kept some."""
        return f"{REFERENCE}/{self.study}"

    @cached_property
    def judged(self) -> str:
        """Folder of what is said of the latents."""
        return f"{RESULTS}/uniformity/{self.study}"

    @property
    def jobs(self) -> str:
        """Folder of the jobs' parameters, one file each, as DVC is told of them."""
        return f"{self.home}/jobs"

    def model(self, run: str) -> str:
        return f"{self.home}/{run}/model.safetensors"

    def curves(self, run: str) -> str:
        return f"{self.home}/{run}/training.csv"

    def live(self, run: str) -> str:
        """Folder of curves and pictures that grow while a run is trained."""
        return f"{self.home}/{run}/live"

    def samples(self, run: str) -> str:
        """Folder of a run's sample sets."""
        return f"{self.home}/{run}/samples"

    def sample(self, run: str, name: str) -> str:
        return f"{self.samples(run)}/{name}.zip"

    def images(self, run: str) -> str:
        """Folder of a run's image sets."""
        return f"{self.home}/{run}/images"

    def images_record(self, run: str) -> str:
        """Record of the job that draws them all."""
        return record_of(self.images(run))

    def latents(self, run: str) -> str:
        return f"{self.home}/{run}/latents.npz"

    def reference(self, archive: str, extractor: str) -> str:
        """Features of the real images."""
        return f"{self.home}/reference/{archive}.{extractor}.npz"

    def scores(self, run: str, extractor: str) -> str:
        return f"{self.home}/{run}/scores.{extractor}.json"

    def neighbours(self, run: str, extractor: str) -> str:
        """Nearest training images of its samples."""
        return f"{self.home}/{run}/scores.{extractor}.npz"

    def uniformity(self, run: str) -> str:
        return f"{self.judged}/{run}.json"


def archive_file(archive: str) -> str:
    """A prepared archive, which studies share."""
    return f"{PREPARED}/{archive}.zip"


def downloads_file(dataset: str) -> str:
    """Record of a dataset's downloads."""
    return f"data/raw/{dataset}.json"


def record_of(path: str) -> str:
    """The record (JSON) beside a result, a file or a folder."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}.json"


def state_of(model: str) -> str:
    """The last state of a finished training, beside its model file; no output of a job that others read."""
    return f"{model.removesuffix('.safetensors')}.state.pt"


def table_files(place: str) -> list[str]:
    """The tables in `place` that say everything."""
    return [f"{place}/fid_table.csv", f"{place}/claims.json"]


def verdict_file(place: str) -> str:
    """How the tables and figures in `place` compare with those that were kept."""
    return f"{place}/reproduction.json"
