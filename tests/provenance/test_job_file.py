"""Job files: older than everything where a result stands, else new and never the same twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from sphere_repro.errors import UserError
from sphere_repro.provenance import job_file

JOB = '{"seed":1}'


def test_a_result_that_stands_has_a_file_older_than_everything(tmp_path: Path) -> None:
    path = tmp_path / "jobs" / "a.json"
    for _ in range(2):
        job_file.keep(path, JOB, stands=True, found=True)
        assert path.read_text() == JOB and path.stat().st_mtime == 1
        assert job_file.read(path) == (JOB, True)


def test_a_result_of_another_job_has_a_new_file_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    job_file.keep(path, JOB, stands=True, found=True)
    found = set()
    for _ in range(3):
        job_file.keep(path, JOB, stands=False, found=True)
        assert job_file.read(path) == (JOB, False) and path.stat().st_mtime > 1
        found.add(path.read_text())
    assert len(found) == 3


def test_where_there_is_no_result_the_file_is_left_alone_until_the_job_is_another(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    job_file.keep(path, JOB, stands=False, found=False)
    before = path.read_text()
    job_file.keep(path, JOB, stands=False, found=False)
    assert path.read_text() == before
    job_file.keep(path, '{"seed":2}', stands=False, found=False)
    assert job_file.read(path) == ('{"seed":2}', False)


@pytest.mark.parametrize("content", [None, b"", b"\xff"])
def test_what_is_no_job_file_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is no job file"):
        job_file.read(path)
