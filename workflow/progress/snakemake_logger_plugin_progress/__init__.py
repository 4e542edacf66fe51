"""A quiet log for Snakemake: a line for each finished job, errors in full, and where the time went.

`workflow/scripts/run.py` switches it on (`--logger=progress`); the detail is in Snakemake's own log file.
With --verbose, --printshellcmds, --debug-dag or --dry-run everything is shown, as Snakemake shows it, and
--quiet quiets this as well.
"""

from __future__ import annotations

import contextlib
import json
import sys
from logging import INFO, LogRecord
from pathlib import Path
from typing import Any

from snakemake.logging import ColorizingTextHandler, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from . import shared
from .pace import TARGETS, Job, Pace, named

KNOWN = Path(".state/pace.json")  # seconds of a job by study and rule, from earlier runs
# What Snakemake tells of itself and not of the work; its log file has it.
CHATTER = (
    *("Using workflow specific profile", "Assuming unrestricted shared", "Building DAG of jobs"),
    *("Using shell:", "Provided cores:", "Provided resources:", "Rules claiming more threads"),
    *("Conda environments: ignored", "Select jobs to execute", "Execute ", "host:"),
)
HIDDEN = {LogEvent.PROGRESS, LogEvent.SHELLCMD, LogEvent.RESOURCES_INFO, LogEvent.GROUP_INFO}
HIDDEN |= {LogEvent.JOB_STARTED, LogEvent.WORKFLOW_STARTED}


class LogHandler(LogHandlerBase):
    """Takes the records of a run, which Snakemake hands to it one after another."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        asked = self.common_settings
        self.whole = asked.dryrun or asked.verbose or asked.printshellcmds or asked.debug_dag
        self.plain = ColorizingTextHandler(
            nocolor=asked.nocolor,
            stream=sys.stdout if asked.stdout else sys.stderr,
            formatter=DefaultFormatter(asked.quiet, asked.show_failed_logs),
        )
        self.pace = Pace()
        self.study = ""
        self.told = False

    def emit(self, record: LogRecord) -> None:
        try:
            line = self._noted(record)
        except Exception:  # a log that breaks must not stop the work
            self.handleError(record)
            line = None
        if self.whole or self._is_shown(record):
            with contextlib.suppress(BrokenPipeError):
                self.plain.emit(record)
        elif line:
            self._say(line)

    def _noted(self, record: LogRecord) -> str | None:
        """Take note of a record; the line that is said of it, if any."""
        known: dict[str, Any] = record.__dict__
        match known.get("event"):
            case LogEvent.WORKFLOW_STARTED:
                self.study = " ".join(map(str, known.get("configfiles") or ()))
            case LogEvent.RUN_INFO:
                return self._begun(known["stats"])
            case LogEvent.JOB_ERROR:
                self.pace.fail(known["jobid"])
            case LogEvent.JOB_INFO if known["rule_name"] not in TARGETS:
                rule, about = named(known["rule_name"], known["wildcards"] or {})
                self.pace.begin(known["jobid"], Job(rule, about, record.created))
            case LogEvent.JOB_FINISHED if known["job_id"] in self.pace.running:
                job, seconds = self.pace.finish(known["job_id"], record.created)
                self._let_go()
                return self.pace.line(job, seconds, record.created)
        return None

    def _begun(self, stats: dict[str, int]) -> str:
        total: dict[str, int] = {}
        for rule, count in stats.items():
            name, _ = named(rule, {})
            if name not in TARGETS | {"total"}:
                total[name] = total.get(name, 0) + count
        self.pace.total = total
        self.pace.before = _read().get(self.study, {})
        self._let_go()
        jobs = "1 job" if self.pace.jobs == 1 else f"{self.pace.jobs} jobs"
        return f"{jobs}: " + ", ".join(f"{rule} {count}" for rule, count in sorted(total.items()))

    def _let_go(self) -> None:
        """Of what studies share, once this run has made its part of it."""
        if not self.common_settings.dryrun and not any(map(self.pace.unfinished, shared.RULES)):
            shared.let_go()

    def _is_shown(self, record: LogRecord) -> bool:
        """Whether a record is shown as Snakemake shows it: what is wrong, and what is no routine."""
        if record.levelno > INFO:
            return True
        event = getattr(record, "event", None)
        if event is None:
            return not str(record.msg).startswith(CHATTER)
        return event not in HIDDEN | {LogEvent.RUN_INFO, LogEvent.JOB_INFO, LogEvent.JOB_FINISHED}

    def _say(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            print(line, file=self.plain.stream, flush=True)

    def close(self) -> None:
        """The end of the run, however it came."""
        if self.pace.finished and not self.told and not self.common_settings.dryrun:
            self.told = True
            self._say(self.pace.table())
            _write(self.study, self.pace.means())
        super().close()


def _read() -> dict[str, dict[str, float]]:
    """What earlier runs took; nothing where that is not known or not readable."""
    try:
        found = json.loads(KNOWN.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(study: str, means: dict[str, float]) -> None:
    known = _read()
    known[study] = known.get(study, {}) | {rule: round(seconds, 2) for rule, seconds in means.items()}
    new = KNOWN.with_suffix(".new")
    with contextlib.suppress(OSError):  # a folder that cannot be written: the next run knows less
        KNOWN.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        new.replace(KNOWN)
