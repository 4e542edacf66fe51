"""What scoring finished sets costs, in CPU seconds, beside the same by the plain form.

Usage: scoring.py NAME [--rounds 3] --study STUDY --run RUN --data ARCHIVE --reference STATISTICS --sets …

Each round runs the whole job `sphere-repro score` twice, in processes of their own that take turns: `plain`
takes the eigenvalues of every replicate of the jackknife, decodes images whenever they are looked at, has
its memory from the system again and again, copies maps to pad them unevenly, resizes channel by channel,
takes SSIM image by image, finds the balls around the real images anew for each set, gathers neighbours in
large blocks, and loads SciPy's statistics and scikit-learn whole; `ours` is what the workflow runs. Adds NAME
to scoring.json beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
OUT = Path(__file__).with_suffix(".json")
VARIANTS = ("plain", "ours")


def work(variant: str, arguments: list[str]) -> None:
    """In a process of its own: one scoring job."""
    from sphere_repro import cli

    with contextlib.ExitStack() as patches:
        for patch in plain_form() if variant == "plain" else ():
            patches.enter_context(patch)
        sys.exit(cli.main(arguments))


def plain_form() -> list[Any]:
    """What makes a job the plain one."""
    import scipy.stats  # noqa: F401
    import sklearn.metrics  # noqa: F401

    from sphere_repro import cli
    from sphere_repro.data import archive
    from sphere_repro.metrics import features, frechet, lite0, memorisation, reconstruction, score

    return [
        mock.patch.object(score, "frechet_estimate", frechet._estimate_of_sums),
        mock.patch.object(cli, "keep_freed_memory", lambda: False),
        mock.patch.object(archive, "REMEMBERED", 0),
        mock.patch.object(lite0, "_fold_padding", padded_by_copies),
        mock.patch.object(features, "lite0_resize", lite0.published_resize),
        mock.patch.object(reconstruction, "_ssim", ssim_by_image),
        mock.patch.object(score, "neighbours", neighbours_anew),
        mock.patch.object(memorisation, "TOGETHER", memorisation.QUERIES),
    ]


def padded_by_copies(mirrored: Any) -> None:
    """The padding of a convolution whose kernel was mirrored, by a copy where it is uneven."""
    from torch import nn

    padding = getattr(mirrored, "static_padding", None)
    if not isinstance(padding, nn.ZeroPad2d):
        return
    left, right, top, bottom = padding.padding
    even = left == right and top == bottom
    mirrored.padding = (top, left) if even else (0, 0)
    mirrored.static_padding = nn.Identity() if even else nn.ZeroPad2d((right, left, bottom, top))


def ssim_by_image(images: Any, rebuilt: Any) -> Any:
    """scikit-image's own SSIM of pairs uint8 (B, H, H, 3)."""
    import numpy as np
    from skimage.metrics import structural_similarity

    from sphere_repro.metrics.reconstruction import SIGMA, window

    how = {"gaussian_weights": True, "sigma": SIGMA, "use_sample_covariance": False, "data_range": 255}
    size = window(images.shape[1])
    pairs = zip(images, rebuilt, strict=True)
    return np.array([structural_similarity(*pair, win_size=size, channel_axis=-1, **how) for pair in pairs])


def neighbours_anew(real: Any, generated: Any) -> Any:
    """The four measures, with the balls of both sides found for this one set."""
    from sphere_repro.metrics.neighbours import Balls, neighbours

    return neighbours(Balls.of(real.features), generated)


def cpu_seconds(variant: str, arguments: list[str]) -> float:
    """User and system time of a job that must succeed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, __file__, "--work", variant, *arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measured(asked: list[str], rounds: int, folder: Path) -> dict[str, Any]:
    """Median CPU seconds of the job `asked` (options of `score`) by variant, and plain over ours.

    `folder`: a new one, for what the jobs write.
    """
    found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for turn in range(rounds):
        for variant in VARIANTS:
            place = folder / f"{variant}-{turn}"
            ends = ["--out", str(place / "scores.json"), "--state", str(place / "state")]
            found[variant].append(cpu_seconds(variant, ["score", *asked, *ends]))
    plain, ours = (statistics.median(found[variant]) for variant in VARIANTS)
    return {
        "cpu_seconds": {"plain": round(plain, 2), "ours": round(ours, 2)},
        "plain_over_ours": plain / ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--rounds", type=int, default=3)
    options, asked = parser.parse_known_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        row = measured(asked, options.rounds, Path(folder))
    row["plain_over_ours"] = round(row["plain_over_ours"], 3)
    report = json.loads(OUT.read_text()) if OUT.is_file() else {}
    sets = asked[asked.index("--sets") + 1 :]
    report[options.name] = {"sets": len(sets), "rounds": options.rounds, "load_before": round(load, 2), **row}
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(OUT.read_text(), end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], sys.argv[3:])
    else:
        main()
