"""Progress that is silent where nobody looks, and durations as people say them."""

from __future__ import annotations

import pytest

from sphere_repro.machine.progress import duration, progress


def test_progress_passes_everything_and_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(iter(range(5)), label="test", total=5)) == [0, 1, 2, 3, 4]
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (0.01, "< 0.1 s"), (3, "3.0 s"), (119, "119.0 s"), (7200, "2.0 h"), (8e7, "2.5 years")],
)
def test_times_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
