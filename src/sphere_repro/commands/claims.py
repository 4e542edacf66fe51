"""`sphere-repro claims`: test the paper's statements on the results."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from sphere_repro.commands.verb import Verb


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scores", type=Path, nargs="+", required=True)
    parser.add_argument("--uniformity", type=Path, nargs="*", default=[])
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="records of image sets")
    parser.add_argument(
        "--baselines",
        type=_pair,
        nargs="*",
        default=[],
        metavar="RUN=VAE",
        help="the VAE that the image sets of a run are held against",
    )
    parser.add_argument("--table", type=Path, help="table whose published numbers are judged as well")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")


def run(o: argparse.Namespace) -> str:
    return claims(o.scores, o.uniformity, o.table, o.out, o.images, dict(o.baselines))


def _pair(text: str) -> tuple[str, str]:
    run, equals, other = text.partition("=")
    if not (run and equals and other):
        raise argparse.ArgumentTypeError(f"'{text}' is not RUN=VAE")
    return run, other


def claims(
    scores: Sequence[Path],
    results: Sequence[Path],
    table: Path | None,
    out: Path,
    images: Sequence[Path] = (),
    baselines: Mapping[str, str] | None = None,
) -> str:
    """Test the paper's statements on the study's results, and the table's rows on their published numbers."""
    from sphere_repro.results.claims import claims as judge
    from sphere_repro.results.published import published_claims

    further = {table: published_claims(table)} if table is not None else {}
    judge(list(scores), list(results), out, further, images=images, baselines=baselines)
    return f"claims: {out}"


VERB = Verb(
    "claims",
    "test the paper's statements on the results",
    add_options,
    run,
    torch=False,
    beside=(".csv", ".md"),
)
