"""Training curves while they grow, logged with DVCLive, for `dvc plots show` and whatever reads its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.runtime import writing


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
