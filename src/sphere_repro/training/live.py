"""A training while it goes on: curves logged with DVCLive, pictures, and a line on its speed now and then.

`dvc plots show`, DVC's editor plugins, and whatever reads TSV and PNG files show what lies there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from sphere_repro.data.loading import TrainingImages
from sphere_repro.errors import UserError
from sphere_repro.machine.files import writing
from sphere_repro.models.autoencoder import Autoencoder
from sphere_repro.study.jobs import TrainJob
from sphere_repro.training.grids import Grid
from sphere_repro.training.log import Row
from sphere_repro.training.meter import Meter, Speed
from sphere_repro.training.state import State

PICTURES = "samples"
REPORT_SECONDS = 30.0


class LiveCurves:
    """A folder of DVCLive: `plots/metrics/NAME.tsv`, one line per logged step, and `metrics.json`, the last.

    The folder is a function of the rows alone: a resumed training writes the earlier ones anew.
    """

    def __init__(self, folder: Path, rows: Iterable[Mapping[str, float]] = ()) -> None:
        """Empty `folder` and log `rows`, those of the steps taken before.

        Raises:
            UserError: DVCLive is not installed, the working folder is no DVC project, or the disk refuses.
        """
        try:
            from dvclive import Live
        except ImportError as error:
            raise UserError("--live needs the package dvclive. Install it, or leave --live out.") from error
        if not any((parent / ".dvc").is_dir() for parent in (Path.cwd(), *Path.cwd().parents)):
            # DVCLive would make one without asking
            raise UserError("--live needs a DVC project. Say dvc init, or leave --live out.")
        self.folder = folder
        with writing(folder):
            self._live = Live(str(folder), save_dvc_exp=False, dvcyaml=False)
        for row in rows:
            self._log(row)
        self.save()

    def add(self, row: Mapping[str, float]) -> None:
        """Log one row: its `step`, and every other key as a metric."""
        self._log(row)
        self.save()

    def add_speed(self, speed: Speed) -> None:
        """Put the speed into `metrics.json`; it has no curve: it says more of the machine than of the run."""
        numbers = {"images_per_second": speed.images_per_second, "seconds_to_go": speed.seconds_to_go}
        if speed.utilisation is not None:
            numbers["utilisation"] = speed.utilisation
        for name, value in numbers.items():
            self._live.log_metric(name, float(f"{value:.4g}"), plot=False)
        self.save()

    def save(self) -> None:
        """Write `metrics.json`."""
        with writing(self.folder):
            self._live.make_summary()

    def _log(self, row: Mapping[str, float]) -> None:
        self._live.step = int(row["step"])
        with writing(self.folder):
            for name, value in row.items():
                if name != "step":
                    self._live.log_metric(name, float(value))


class Reporter:
    """Tells of a training: every logged row, a picture at even intervals, and the speed twice a minute."""

    def __init__(
        self,
        job: TrainJob,
        images: TrainingImages,
        folder: Path | None,
        *,
        grids: int,
        total_steps: int,
        state: State,
        tell: Callable[[str], None],
    ) -> None:
        """Go on from `state`: earlier rows are written anew, pictures of steps that come again are removed.

        Args:
            job: what is trained.
            images: its dataset.
            folder: for curves and pictures, if any.
            grids: how many pictures; the last shows the finished model.
            total_steps: of the training.
            state: where the training stands.
            tell: is given a line twice a minute.

        Raises:
            UserError: as `LiveCurves`, or the disk refuses.
        """
        self.run, self.total, self.tell = job.run, total_steps, tell
        self.curves = LiveCurves(folder, state.log.rows) if folder else None
        self.pictures = folder / PICTURES if folder else None
        self.grid = Grid(job, images) if folder and grids else None
        self.grids = grids
        self.told = time.monotonic()
        if self.pictures:
            _remove_later(self.pictures, state.step)

    def add(self, row: Row) -> None:
        """A row of the log."""
        if self.curves:
            self.curves.add(row)

    def after_step(self, step: int, model: Autoencoder, loss: float, meter: Meter) -> None:
        """Step number `step`, counted from 1, has ended."""
        due = step * self.grids // self.total > (step - 1) * self.grids // self.total  # the last step too
        if self.grid and self.pictures and due:
            model.eval()
            self.grid.write(model, self.pictures / f"step-{step:08d}.png")
            model.train()
        told = time.monotonic() - self.told >= REPORT_SECONDS
        if told:
            self.told = time.monotonic()
        if not (told or step == self.total) or (speed := meter.speed(self.total - step)) is None:
            return
        if told:
            self.tell(f"train {self.run}: step {step} of {self.total}, loss {loss:.4f}, {speed}")
        if self.curves:
            self.curves.add_speed(speed)


def _remove_later(folder: Path, step: int) -> None:
    """Remove pictures of steps that are taken again."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for picture in folder.glob("step-*.png"):
            if int(picture.stem.removeprefix("step-")) > step:
                picture.unlink()
