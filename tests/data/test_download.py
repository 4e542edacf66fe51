"""Downloads against a real server that cuts, stalls, lies and corrupts: the right bytes, or a sentence."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from conftest import environment
from data.server import Faults, Server, closed_port, serving
from sphere_repro.data.download import BLOCK, Patience, digests_of, fetch
from sphere_repro.data.sources import SourceFile
from sphere_repro.errors import UserError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()
ONCE = Patience(read=0.5, attempts=0, pause=0)
QUICK = Patience(connect=5, read=0.5, attempts=3, pause=0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.files["data.bin"] = CONTENT
        yield server


def described(server: Server, **changes: object) -> SourceFile:
    facts = {"name": "data.bin", "url": server.url("data.bin"), "digest": f"sha256:{SHA}"}
    return SourceFile.model_validate(facts | changes)


def starting(header: str) -> int:
    """The first byte that a Range header asks for."""
    return int(header.removeprefix("bytes=").rstrip("-") or 0)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_plain_download(server: Server, tmp_path: Path) -> None:
    assert fetch(described(server), tmp_path / "raw", None, QUICK) == SHA
    assert (tmp_path / "raw" / "data.bin").read_bytes() == CONTENT
    assert names(tmp_path / "raw") == {"data.bin"}
    assert fetch(described(server), tmp_path / "raw", None, QUICK) == SHA
    assert len(server.ranges) == 1  # what is there is verified, not fetched again


def test_an_md5_digest_serves_as_well(server: Server, tmp_path: Path) -> None:
    digest = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert fetch(described(server, digest=digest, size=len(CONTENT)), tmp_path, None, QUICK) == SHA
    assert digests_of(tmp_path / "data.bin", "md5", "sha256") == {"md5": digest[4:], "sha256": SHA}


@pytest.mark.parametrize("unannounced", [False, True])
def test_cut_connections_are_taken_up_where_they_ended(
    server: Server, tmp_path: Path, unannounced: bool
) -> None:
    server.faults = Faults(cut_after=700_000, cut_first=3, unannounced=unannounced)
    fetch(described(server, size=len(CONTENT)), tmp_path, None, QUICK)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert server.ranges[0] == "" and len(server.ranges) == 4
    for number, wanted in enumerate(server.ranges):  # each goes on within a block of where the last one ended
        assert number * (700_000 - BLOCK) <= starting(wanted) <= number * 700_000
    assert starting(server.ranges[3]) > 3 * (700_000 - BLOCK)


def test_a_stalled_server_is_left_and_asked_for_the_rest(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(stall_after=1_000_000, stall_first=1)
    fetch(described(server), tmp_path, None, QUICK)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert len(server.ranges) == 2 and 1_000_000 - BLOCK < starting(server.ranges[1]) <= 1_000_000


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, status: int) -> None:
    server.faults = Faults(busy=status, busy_first=2)
    assert fetch(described(server), tmp_path, None, QUICK) == SHA
    assert len(server.ranges) == 3


def test_a_server_without_ranges_starts_over(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(cut_after=700_000, cut_first=1, no_ranges=True)
    fetch(described(server), tmp_path, None, QUICK)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_wrong_part_is_not_appended(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(cut_after=700_000, cut_first=1, wrong_range=True)
    fetch(described(server), tmp_path, None, QUICK)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert [starting(wanted) > 0 for wanted in server.ranges] == [False, True, False]


def test_a_file_that_changed_in_between_is_not_spliced(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(cut_after=700_000, cut_first=1)
    with pytest.raises(UserError):
        fetch(described(server), tmp_path, None, ONCE)
    kept = (tmp_path / "data.bin.part").read_bytes()
    assert kept and CONTENT.startswith(kept)
    other = CONTENT[::-1]
    server.files["data.bin"] = other
    server.faults = Faults(tag='"two"')
    found = fetch(described(server, digest=f"sha256:{hashlib.sha256(other).hexdigest()}"), tmp_path, None)
    assert found == hashlib.sha256(other).hexdigest()


def test_a_part_that_was_whole_already(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(cut_after=700_000, cut_first=1)
    with pytest.raises(UserError):
        fetch(described(server), tmp_path, None, ONCE)
    (tmp_path / "data.bin.part").write_bytes(CONTENT)  # killed between the last byte and the move
    assert fetch(described(server), tmp_path, None, QUICK) == SHA
    assert server.ranges[-1] == f"bytes={len(CONTENT)}-"


def test_an_announced_length_that_never_comes(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(longer=1000, no_ranges=True)
    with pytest.raises(UserError, match="could not be downloaded"):
        fetch(described(server), tmp_path, None, QUICK)
    assert not (tmp_path / "data.bin").exists()


@pytest.mark.parametrize("longer", [-1000, 1000])
def test_another_length_than_the_publisher_says(server: Server, tmp_path: Path, longer: int) -> None:
    server.faults = Faults(longer=longer)
    with pytest.raises(UserError, match=f"announces {len(CONTENT) + longer} bytes instead of {len(CONTENT)}"):
        fetch(described(server, size=len(CONTENT)), tmp_path, None, QUICK)


def test_more_bytes_than_there_should_be(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(unannounced=True)
    with pytest.raises(UserError, match="sends more than 1000 bytes"):
        fetch(described(server, size=1000), tmp_path, None, QUICK)
    assert (tmp_path / "data.bin.part").stat().st_size <= 1000


def test_a_length_that_cuts_the_file_short_is_found_by_its_digest(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(longer=-1000)
    with pytest.raises(UserError, match="wrong digest"):
        fetch(described(server), tmp_path, None, QUICK)


def test_corrupted_bytes_are_kept_aside_and_both_digests_named(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(corrupt=1234)
    with pytest.raises(UserError) as caught:
        fetch(described(server), tmp_path, None, QUICK)
    bad = (tmp_path / "data.bin.wrong").read_bytes()
    assert len(bad) == len(CONTENT) and bad != CONTENT
    assert SHA in str(caught.value) and hashlib.sha256(bad).hexdigest() in str(caught.value)
    assert str(tmp_path / "data.bin.wrong") in str(caught.value)
    assert names(tmp_path) == {"data.bin.wrong"}
    assert len(server.ranges) == 1  # it stops
    server.faults = Faults()
    assert fetch(described(server), tmp_path, None, QUICK) == SHA


def test_a_file_put_there_by_hand(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert fetch(described(server, url=None), tmp_path, None, QUICK) == SHA
    (tmp_path / "data.bin").write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="wrong digest"):
        fetch(described(server), tmp_path, None, QUICK)
    assert names(tmp_path) == {"data.bin.wrong"} and server.ranges == []


def test_the_first_downloads_digest_is_held(server: Server, tmp_path: Path) -> None:
    file = described(server, digest=None)
    first = fetch(file, tmp_path, None, QUICK)
    assert first == SHA
    (tmp_path / "data.bin").unlink()
    server.files["data.bin"] = b"something else"
    with pytest.raises(UserError, match=f"that of the first download is sha256 {SHA}"):
        fetch(file, tmp_path, first, QUICK)


def test_a_page_instead_of_an_archive_is_not_taken_for_the_first_download(
    server: Server, tmp_path: Path
) -> None:
    server.files["data.zip"] = b"<html>Please sign in</html>"
    file = described(server, name="data.zip", url=server.url("data.zip"), digest=None)
    with pytest.raises(UserError, match="no whole zip archive"):
        fetch(file, tmp_path, None, QUICK)
    assert names(tmp_path) == {"data.zip.wrong"}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("a", b"b" * 1000)
    server.files["data.zip"] = whole.getvalue()
    assert fetch(file, tmp_path, None, QUICK) == hashlib.sha256(whole.getvalue()).hexdigest()


def test_mirrors_are_asked_when_the_first_address_fails(server: Server, tmp_path: Path) -> None:
    gone = server.url("gone.bin")
    file = described(server, url=gone, mirrors=(server.url("data.bin"),))
    assert fetch(file, tmp_path, None, QUICK) == SHA
    assert server.paths == ["/gone.bin", "/data.bin"]


def test_what_came_from_one_address_is_not_mixed_with_another(server: Server, tmp_path: Path) -> None:
    server.files["old.bin"] = CONTENT[::-1]
    server.faults = Faults(cut_after=700_000, cut_first=1)
    with pytest.raises(UserError):
        fetch(described(server, url=server.url("old.bin")), tmp_path, None, ONCE)
    assert (tmp_path / "data.bin.part").stat().st_size > 600_000
    assert fetch(described(server), tmp_path, None, QUICK) == SHA


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_not_repeated(server: Server, tmp_path: Path, status: int) -> None:
    server.faults = Faults(missing=status)
    with pytest.raises(UserError, match=f"HTTP status {status}"):
        fetch(described(server), tmp_path, None, QUICK)
    assert len(server.ranges) == 1


def test_without_a_network_the_address_and_the_place_are_told(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}/data.bin"
    file = SourceFile(name="data.bin", url=url, digest=f"sha256:{SHA}")
    with pytest.raises(UserError) as caught:
        fetch(file, tmp_path / "raw", None, QUICK)
    assert url in str(caught.value) and str(tmp_path / "raw" / "data.bin") in str(caught.value)
    assert "refused" in str(caught.value) and "object at 0x" not in str(caught.value)


def test_an_unknown_host_is_a_sentence(tmp_path: Path) -> None:
    file = SourceFile(name="data.bin", url="http://nowhere.invalid/data.bin")
    with pytest.raises(UserError, match=r"http://nowhere\.invalid/data\.bin"):
        fetch(file, tmp_path, None, Patience(attempts=1, pause=0))


def test_two_at_once(server: Server, tmp_path: Path) -> None:
    with FileLock(tmp_path / "data.bin.lock"), pytest.raises(UserError, match="is being downloaded already"):
        fetch(described(server), tmp_path, None, QUICK)


def test_a_place_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file")
    with pytest.raises(UserError, match="is a file"):
        fetch(described(server), tmp_path / "raw", None, QUICK)


KILLED = """
import sys
from pathlib import Path
from sphere_repro.data.download import Patience, fetch
from sphere_repro.data.sources import SourceFile
fetch(SourceFile(name="data.bin", url=sys.argv[1]), Path(sys.argv[2]), None, Patience(read=3000))
"""


def test_a_killed_download_goes_on(server: Server, tmp_path: Path) -> None:
    server.faults = Faults(stall_after=2_000_000, stall_first=1)
    source = Path(__file__).resolve().parents[2] / "src"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, server.url("data.bin"), str(tmp_path)],
        env=environment() | {"PYTHONPATH": str(source)},
    )
    part = tmp_path / "data.bin.part"
    try:
        while not part.is_file() or part.stat().st_size < 1 << 20:
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    have = os.path.getsize(part)  # noqa: PTH202
    assert 0 < have < len(CONTENT)
    assert fetch(described(server), tmp_path, None, QUICK) == SHA
    assert server.ranges == ["", f"bytes={have}-"]
