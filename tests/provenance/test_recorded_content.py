"""What a record tells of what came from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sphere_repro.provenance.integrity import recorded_content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"job": {"content": "abc"}}), "abc"),
        (json.dumps({"job": {"content": None}}), None),
        (json.dumps({"job": {}}), None),
        ("[]", None),
        ("no JSON", None),
        (None, None),
    ],
)
def test_a_record_that_tells_nothing_is_no_error(
    tmp_path: Path, text: str | None, expected: str | None
) -> None:
    record = tmp_path / "model.json"
    if text is not None:
        record.write_text(text)
    assert recorded_content(record) == expected
