"""What a training has done already: a finished one, from which it goes on, as its record tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sphere_repro.errors import UserError
from sphere_repro.planning.counts import recorded
from sphere_repro.planning.outside import beginning
from sphere_repro.strict import parse
from sphere_repro.study import jobs
from sphere_repro.study.config import Study
from sphere_repro.study.places import Places, record_of, state_of
from sphere_repro.study.schedule import parting


@dataclass(frozen=True)
class Lengthened:
    """A training of which a finished one is the beginning, or would be.

    Attributes:
        epochs: of the finished one.
        steps: of it, which are not taken again.
        reason: why they are, in words; empty where the training goes on.
    """

    epochs: float
    steps: int
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"starts from step 0: {self.reason}"
        return f"goes on from epoch {self.epochs:g}, step {self.steps}"


def lengthened(study: Study, name: str, images: int, folder: Path = Path()) -> Lengthened | None:
    """What there is of run `name`'s training in another length; None where there is nothing, or it is done.

    Whether its images and code are today's is seen only when the training starts.

    Args:
        study: of the run.
        name: of a run that is trained.
        images: that it is trained on.
        folder: where `results/` lies.
    """
    model = folder / Places(study.study).model(name)
    found = recorded(Path(record_of(model.as_posix()))).get("job")
    if not Path(state_of(model.as_posix())).is_file() or found is None:
        return None
    job = jobs.train_job(study, name, beginning(study, name, folder))
    try:
        before = parse(jobs.TrainJob, found, "its record")
    except UserError:  # of another version: whatever it was, it is another training
        return None
    epoch = images // job.training.batch_size
    if before == job or before.course != job.course or not epoch:
        return None
    steps, reason = before.training.total_steps(epoch), parting(before.training, job.training, epoch)
    if not reason and steps == job.training.total_steps(epoch):
        return None
    return Lengthened(before.training.epochs, 0 if reason else steps, reason)
