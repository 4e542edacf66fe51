"""How far a run of the workflow is, how long the rest takes, and where the time went: numbers and words.

Knows nothing of Snakemake: jobs have a number, a rule and a name, and times are seconds of the epoch.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# Rules that only name targets do nothing, and are not counted.
TARGETS = {"all", "data", "references", "image_sets", "uniformities", "tables", "figures"}


@dataclass(frozen=True)
class Job:
    """A job that has begun: its rule, what it is about in words, and when it began."""

    rule: str
    about: str
    began: float


@dataclass
class Pace:
    """A run of the workflow.

    Attributes:
        total: jobs of each rule, as the run begins.
        before: seconds that a job of a rule took in an earlier run, on average.
    """

    total: Mapping[str, int] = field(default_factory=dict)
    before: Mapping[str, float] = field(default_factory=dict)
    running: dict[int, Job] = field(default_factory=dict)
    taken: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    first: float | None = None
    last: float = 0.0

    @property
    def jobs(self) -> int:
        return sum(self.total.values())

    @property
    def finished(self) -> int:
        return sum(map(len, self.taken.values()))

    def begin(self, number: int, job: Job) -> None:
        self.first = job.began if self.first is None else self.first
        self.running[number] = job

    def fail(self, number: int) -> None:
        self.running.pop(number, None)

    def finish(self, number: int, at: float) -> tuple[Job, float]:
        """Note that a job has ended; it and the seconds that it took."""
        job = self.running.pop(number)
        self.taken.setdefault(job.rule, []).append((at - job.began, job.about))
        self.last = max(self.last, at)
        return job, at - job.began

    def unfinished(self, rule: str) -> int:
        """How many jobs of a rule have not ended yet."""
        return self.total.get(rule, 0) - len(self.taken.get(rule, ()))

    def means(self) -> dict[str, float]:
        """Seconds of a job of each rule that has finished here, on average."""
        return {rule: sum(each for each, _ in found) / len(found) for rule, found in self.taken.items()}

    def left(self, at: float) -> tuple[float, bool]:
        """Seconds that the rest takes, and whether that is all of it: of some rules nothing may be known.

        Each rule at its own pace, here or else in an earlier run, and as many jobs at a time as until now.
        """
        known = dict(self.before) | self.means()
        begun = Counter(job.rule for job in self.running.values())
        ended = {rule: len(found) for rule, found in self.taken.items()}
        waiting = Counter(self.total) - begun - Counter(ended)
        still = [
            max(0.0, known[job.rule] - (at - job.began)) for job in self.running.values() if job.rule in known
        ]
        work = sum(still) + sum(count * known.get(rule, 0.0) for rule, count in waiting.items())
        whole = all(rule in known for rule in {*waiting, *begun})
        return max([work / self.at_a_time(at), *still]), whole

    def at_a_time(self, at: float) -> float:
        """How many jobs ran at the same time until now, on average; at least one."""
        busy = sum(each for found in self.taken.values() for each, _ in found)
        busy += sum(at - job.began for job in self.running.values())
        wall = at - self.first if self.first is not None else 0.0
        return max(1.0, busy / wall) if wall > 0 else 1.0

    def line(self, job: Job, seconds: float, at: float) -> str:
        """What is said of a job that has ended."""
        parts = [f"{self.finished} of {self.jobs}", f"{job.rule} {job.about}".strip(), lasted(seconds)]
        if self.finished < self.jobs:
            left, whole = self.left(at)
            parts.append(f"{'about' if whole else 'at least'} {rounded(left)} left")
        return " · ".join(parts)

    def table(self) -> str:
        """Where the time went: job seconds of each rule, the most first."""
        rows = [("rule", "jobs", "seconds", "longest")]
        sums = {rule: sum(each for each, _ in found) for rule, found in self.taken.items()}
        for rule in sorted(sums, key=lambda rule: (-sums[rule], rule)):
            longest, about = max(self.taken[rule])
            rows.append(
                (rule, str(len(self.taken[rule])), f"{sums[rule]:.0f}", f"{longest:.0f} {about}".strip())
            )
        wide = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [f"{a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}  {d}".rstrip() for a, b, c, d in rows]
        wall = self.last - self.first if self.first is not None else 0.0
        total = sum(sums.values())
        jobs = f"{total:.0f} job seconds in {lasted(wall)}"
        at_a_time = f", {total / wall:.1f} jobs at a time" if wall > 0 else ""
        return "\n".join(["Where the time went:", *(f"  {line}" for line in lines), f"  {jobs}{at_a_time}"])


def named(rule: str, wildcards: Mapping[str, str]) -> tuple[str, str]:
    """A job in words: its rule, alike ones under one name, and what it is about.

    `place` is the folder of results, which is the same for all jobs of a run.
    """
    about = " ".join(value for key, value in wildcards.items() if key != "place")
    return re.sub(r"_\d+$", "", rule), about


def lasted(seconds: float) -> str:
    """A time that has passed: 0.4 s, 12 s, 3:05 min, 2:03 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def rounded(seconds: float) -> str:
    """A time to come, as exactly as it can be known."""
    if seconds < 60:
        return "1 min"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    if seconds < 172_800:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86_400)} days"
