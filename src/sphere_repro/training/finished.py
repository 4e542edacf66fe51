"""Going on with a finished training: its last state lies beside the model, and a longer one takes it up.

The rate of a step follows from the step and the schedule (`study.schedule`), its images and its draws from
the step and the seed. So a state serves every training that differs in its length alone and whose rates at
all steps that were taken are the same: it ends in the weights that it would have had from the start.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output, writing
from sphere_repro.machine.notes import notice
from sphere_repro.models.checkpoint import DamagedFileError, read_pickle
from sphere_repro.provenance.hashes import value_hash
from sphere_repro.strict import parse
from sphere_repro.study.jobs import TrainJob
from sphere_repro.study.recipe import Training
from sphere_repro.study.replicates import run_of
from sphere_repro.study.schedule import parting
from sphere_repro.training.saved import ANYWAY, Saved, other_maker
from sphere_repro.training.segments import Segment
from sphere_repro.training.state import FORMAT, State


def about(job: TrainJob, origin: Mapping[str, str]) -> dict[str, Any]:
    """What a state says besides of its training: `course`, a hash of all but its length, and the recipe.

    Args:
        job: what is trained.
        origin: hashes of what it is trained on and begins with.
    """
    course = value_hash({"job": job.course, **origin})
    return {"course": course, "training": job.training.model_dump(mode="json")}


@dataclass(frozen=True)
class Finished:
    """The last state of a training that has ended.

    Attributes:
        path: of the state, beside the model.
        job: what is to be trained now.
        course: hash of all of it but its length.
        steps_per_epoch: of its dataset.
    """

    path: Path
    job: TrainJob
    course: str
    steps_per_epoch: int

    def replace(self, saved: Saved, *, keep: bool) -> None:
        """Put the last of the states of a training that has ended here, or keep none; remove the others.

        What lay here belongs to a model that has been replaced.
        """
        last = next(iter(saved.steps().values()), None)
        if keep and last is not None:
            self._move(last)
        else:
            self.path.unlink(missing_ok=True)
        saved.remove()

    def _move(self, last: Path) -> None:
        try:
            with writing(self.path):
                last.replace(self.path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with atomic_output(self.path) as temporary:  # on another file system
                shutil.copyfile(last, temporary)

    def take_up(self, state: State, now: Segment, resume: str) -> Segment:
        """Restore the state if the job goes on from it, and say so; else leave `state` as it is.

        A state that has all steps already serves nothing: who has a finished training run again wants it run.

        Args:
            state: of step 0.
            now: this process.
            resume: as `Execution.resume`.

        Returns:
            `now`; where the state was restored, with `after_epochs`, those of the finished training.

        Raises:
            UserError: it is damaged, or by other code or versions, and `resume` does not say what to do.
        """
        record = self._read(state, resume) if self.path.is_file() else None
        if record is None or record.get("course") != self.course:
            return now
        before = parse(Training, record["training"], f"the training state {self.path}")
        run, total = self.job.run, self.job.training.total_steps(self.steps_per_epoch)
        if reason := parting(before, self.job.training, self.steps_per_epoch):
            notice(f"{run} starts from step 0: {reason}.")
        if reason or record["step"] == total:
            return now
        maker = other_maker(record, now)
        if maker and resume == "anew":
            notice(f"{run} starts from step 0: the training state {self.path} was made by {maker}.")
            return now
        if maker and (resume == "exact" or record["format"] != FORMAT):
            raise UserError(
                f"{run} would go on from {self.path}, which was made by {maker}. Go back to what made it, or "
                f"set runs.{run_of(run)}.execution.resume: {ANYWAY}'anew' starts from step 0."
            )
        state.restore(record)
        notice(f"{run} goes on from epoch {before.epochs:g}, step {record['step']} ({self.path}).")
        return now | {"after_epochs": before.epochs}

    def _read(self, state: State, resume: str) -> dict[str, Any] | None:
        """The state's record, checked; None of one that is damaged, where a new start is asked for."""
        try:
            record = read_pickle(self.path, "training state")
            if record.get("course") == self.course and record.get("format") == FORMAT:
                state.check(record)
        except DamagedFileError as error:
            if resume != "anew":
                raise UserError(
                    f"The training state {self.path}, from which {self.job.run} might go on, is damaged. "
                    f"Restore it from a backup, or delete it, and {self.job.run} starts from step 0."
                ) from error
            notice(f"{self.job.run} starts from step 0: the training state {self.path} is damaged.")
            return None
        return record
