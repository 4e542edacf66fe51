"""What runs networks in a browser: onnxruntime-web, too large for git, by npm or from a folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sphere_repro.errors import UserError

LOCK = Path(__file__).parent / "npm"  # package.json and its lock, with a digest of every package
NAME = "onnxruntime-web"
SCRIPT = "ort.wasm.min.js"
MODULE, WASM = "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"
PATIENCE = 600  # seconds


def version() -> str:
    """The version that the lock names."""
    found: str = json.loads((LOCK / "package.json").read_text(encoding="utf-8"))["dependencies"][NAME]
    return found


@contextlib.contextmanager
def runtime(given: Path | None) -> Iterator[Path]:
    """A folder with `SCRIPT`, `MODULE` and `WASM`, for as long as this lasts.

    Args:
        given: such a folder, or that of the whole package; None: npm fetches the version of the lock.

    Raises:
        UserError: a file is not there, npm is not, or it fetches nothing.
    """
    if given is not None:
        yield _checked(given)
        return
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            f"The page needs {NAME} {version()}, and there is no npm here to fetch it. Give its folder with "
            "--runtime, or leave out --page."
        )
    with tempfile.TemporaryDirectory() as folder:
        yield _checked(_fetched(npm, Path(folder)))


def _fetched(npm: str, folder: Path) -> Path:
    for path in LOCK.glob("*.json"):
        shutil.copy(path, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(_not_fetched(f"nothing came within {PATIENCE // 60} minutes")) from error
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if "error" in line]
        raise UserError(_not_fetched(said[0] if said else f"it left with {done.returncode}"))
    return folder / "node_modules" / NAME


def _not_fetched(why: str) -> str:
    return (
        f"npm did not fetch {NAME} {version()}: {why}. Try again, give its folder with --runtime, or leave "
        "out --page"
    )


def _checked(folder: Path) -> Path:
    place = folder / "dist" if (folder / "dist").is_dir() else folder
    for name in (SCRIPT, MODULE, WASM):
        if not (place / name).is_file():
            raise UserError(
                f"{place} has no {name}. Give the folder of {NAME} {version()}, or leave out --runtime."
            )
    with (place / SCRIPT).open("rb") as file:
        head = file.read(1000).decode("utf-8", "replace")
    if f"v{version()}\n" not in head:
        raise UserError(
            f"{place} is not {NAME} {version()}, which the page is tested with. Give its folder, or leave "
            "out --runtime."
        )
    return place
