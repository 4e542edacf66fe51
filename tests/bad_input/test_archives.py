"""Image archives that are broken, or hold other images than they should."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from bad_input.bench import SETS, Bench, archive_of, picture, spoil
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.archive_writing import image_name
from sphere_repro.data.choice import choose

READERS = ("train", "sample", "encode", "reference")


@pytest.mark.parametrize("verb", READERS)
def test_bad_archives(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    def bad(*words: str) -> None:
        arguments = bench.command(verb, **({"set": "reconstruction"} if verb == "sample" else {}))
        refused(arguments, str(bench.data), *words)

    data = bench.data.read_bytes()
    for kept in (0, 30, len(data) // 2, len(data) - 1):
        bench.data.write_bytes(data[:kept])
        bad("not a readable zip archive")
    shutil.copy(bench.model, bench.data)
    bad("not a readable zip archive")
    good = [picture() for _ in range(47)]
    for mode in ("L", "RGBA", "P"):
        archive_of(bench.data, [picture(mode), *good])
        bad(image_name(0), f"mode {mode}, not RGB")
    archive_of(bench.data, [picture(side=16) for _ in range(48)])
    bad("16-pixel images")
    archive_of(bench.data, [picture(), *good], [[image_name(index), index] for index in range(48)])
    bad("label 47, but the last class is 9")
    archive_of(bench.data, [picture(), *good], None)
    bad("no labels, but 10 classes")
    bench.data.unlink()
    bad("does not exist", "Make it first")


@pytest.mark.parametrize("verb", READERS)
def test_broken_image(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    archive_of(bench.data, [b"not a picture", *[picture() for _ in range(47)]])
    arguments = bench.command(verb, **({"set": "reconstruction"} if verb == "sample" else {}))
    refused(arguments, image_name(0), "is broken (its bytes are no PNG)")


def test_bad_image_in_the_middle_of_the_work(bench: Bench, refused: Callable[..., str]) -> None:
    """The reconstruction of 20 images is under way when the 21st turns out to be grey."""
    bad = int(choose(48, 24)[20])
    archive_of(bench.data, [picture("L" if index == bad else "RGB") for index in range(48)])
    refused(bench.command("sample", set="reconstruction"), image_name(bad), "mode L")


def test_sample_sets_that_do_not_belong(bench: Bench, refused: Callable[..., str]) -> None:
    bad = bench.set("generation-1")
    spoil(bad, 0.9)
    refused(bench.command("score"), str(bad), "not a readable zip archive")
    archive_of(bad, [picture(side=16) for _ in range(24)])
    refused(bench.command("score"), str(bad), "16-pixel images")
    archive_of(bad, [picture(), picture()])
    refused(bench.command("score"), str(bad), "too few for 4 jackknife groups")
    bad.unlink()
    refused(bench.command("score", sets=[bench.set(name) for name in SETS]), str(bad), "does not exist")


@pytest.mark.parametrize("larger", ["real", "reconstruction", "generation-1"])
@pytest.mark.parametrize("figure", ["samples", "posterior-hole"])
def test_figures_of_two_resolutions(
    bench: Bench, refused: Callable[..., str], figure: str, larger: str
) -> None:
    path = bench.data if larger == "real" else bench.set(larger)
    archive_of(path, [picture(side=16) for _ in range(24)])
    sets = [f"{'sphere.' * (figure != 'samples')}{name}={bench.set(name)}" for name in SETS]
    arguments = bench.command("figure", places=[figure, f"real={bench.data}", *sets])
    refused(arguments, str(path), "16-pixel", "8-pixel", "archives of one run")


def test_archive_is_what_the_tests_think(bench: Bench) -> None:
    archive = ImageArchive(bench.data, 10)
    assert len(archive) == 48 and archive.resolution == 8
