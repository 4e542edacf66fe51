"""References, scores, latents and logs that are broken or foreign."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable

import numpy as np
import pytest

from bad_input.bench import Bench, archive_of, picture, spoil
from sphere_repro.sampling.latents import KINDS


@pytest.mark.parametrize("kept", [None, 0, 0.5, -1])
def test_reference_that_is_missing_or_cut(
    bench: Bench, refused: Callable[..., str], kept: float | None
) -> None:
    for path in (bench.own_reference(), bench.reference.with_suffix(".json")):
        data = path.read_bytes()
        if kept is None:
            path.unlink()
        else:
            spoil(path, kept if path.suffix == ".npz" or kept != -1 else -2)
        refused(bench.command("score"), str(path), "exist" if kept is None else "Delete it and make it again")
        path.write_bytes(data)


def test_foreign_reference(bench: Bench, refused: Callable[..., str]) -> None:
    beside = bench.reference.with_suffix(".json")
    good, words = bench.own_reference().read_bytes(), "Delete it and make it again"
    shutil.copy(bench.latents, bench.reference)
    refused(bench.command("score"), str(bench.reference), words)
    with bench.reference.open("wb") as file:
        np.savez(file, features=np.array([{}]), mean=0, covariance=0)
    refused(bench.command("score"), str(bench.reference), words)
    bench.reference.write_bytes(good)
    described = json.loads(beside.read_text())
    for content in ([], {}, 3, json.loads(bench.scores.read_text())):
        beside.write_text(json.dumps(content))
        refused(bench.command("score"), str(beside), "does not describe reference statistics")
    floor = described["floor"]
    for change, words in (
        ({"floor": 3}, "(floor:"),
        ({"floor": {"frechet": 3.0}}, "(floor.count: field required)"),
        ({"floor": floor | {"frechet": "low"}}, "(floor.frechet:"),
        ({"floor": floor | {"frechet": math.nan}}, "(floor.frechet:"),
        ({"floor": floor | {"best": 1}}, "(floor.best:"),
        ({"count": "many"}, "(count:"),
        ({"reference_split": None}, "(reference_split:"),
    ):
        beside.write_text(json.dumps(described | change))
        refused(bench.command("score"), f"{beside} does not describe reference statistics", words)
    beside.write_text(json.dumps(described | {"count": 31}))
    refused(bench.command("score"), f"{beside} speaks of 31 images", "holds 32")
    beside.write_text(json.dumps(described | {"extractor": "inception"}))
    refused(bench.command("score"), "extractor 'inception'", "Make the reference again")
    beside.write_text(json.dumps(described))
    archive_of(bench.data, [picture() for _ in range(48)])
    refused(bench.command("score"), "other images")


@pytest.mark.parametrize("verb", ["table", "claims", "figure"])
def test_bad_scores(bench: Bench, refused: Callable[..., str], verb: str) -> None:
    path = bench.scores
    arguments = bench.command(
        verb, **({"places": ["distance-by-steps", f"a={path}"]} if verb == "figure" else {})
    )
    good = path.read_text()
    for text in ("", good[:10], good[: len(good) // 2], good[:-3], "\x00"):
        path.write_text(text)
        refused(arguments, str(path), "not a readable JSON file")
    foreign = [[], {}, 3, None, "x", json.loads(bench.reference.with_suffix(".json").read_text())]
    changed = [{"records": 3}, {"records": [3]}, {"records": [{}]}, {"floor": 3}]
    for content in (*foreign, *[json.loads(good) | change for change in changed]):
        path.write_text(json.dumps(content))
        refused(arguments, str(path), "is no scores file", "score the run again")
    path.unlink()
    refused(arguments, str(path), "does not exist")


@pytest.mark.parametrize(("verb", "option"), [("table", "expected"), ("claims", "table")])
def test_published_numbers_or_a_table_that_are_foreign(
    bench: Bench, refused: Callable[..., str], verb: str, option: str
) -> None:
    path = bench.folder / "given"
    arguments = bench.command(verb, **{option: path})
    refused(arguments, str(path), "does not exist")
    path.write_text("a: 3\n")
    refused(arguments, str(path))
    path.write_bytes(b"\xff\xfe\x00")
    refused(arguments, str(path))


def test_bad_latents(bench: Bench, refused: Callable[..., str]) -> None:
    good = bench.latents.read_bytes()
    for kept in (0, 10, 0.5, -1):
        spoil(bench.latents, kept)
        refused(bench.command("uniformity"), str(bench.latents), "Delete it and make it again")
        bench.latents.write_bytes(good)
    shutil.copy(bench.reference, bench.latents)
    refused(bench.command("uniformity"), str(bench.latents), "no readable array")
    bench.latents.unlink()
    refused(bench.command("uniformity"), str(bench.latents), "Encode the training images first")


@pytest.mark.parametrize("option", ["latents", "baseline"])
def test_latents_of_another_kind_or_length(bench: Bench, refused: Callable[..., str], option: str) -> None:
    path = bench.folder / "digits-vae" / "latents.npz" if option == "baseline" else bench.latents
    with np.load(path) as stored:
        good = {name: stored[name] for name in stored}
    arguments = bench.command("uniformity", **{option: path})
    for changes, words in (
        ({"latents": good["latents"].astype(str)}, "not real numbers"),
        ({"latents": good["latents"].astype(complex)}, "not real numbers"),
        ({"labels": good["labels"][:-1]}, "different lengths"),
        ({name: np.concatenate([good[name]] * 2) for name in KINDS}, "holds 96 latents"),
        ({"latents": good["latents"].astype(float) * 1e200}, "has no direction"),
    ):
        np.savez(path, **(good | changes))
        refused(arguments, str(path), words, "again")


def test_bad_training_log(bench: Bench, refused: Callable[..., str]) -> None:
    for text in ("", "a,b\n1,2\n", "step,loss\n", "step,loss\n1,x\n"):
        bench.curves.write_text(text)
        refused(bench.command("figure"), str(bench.curves), "is no training log")
    bench.curves.unlink()
    refused(bench.command("figure"), str(bench.curves), "does not exist")
