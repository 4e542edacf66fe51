"""The benchmarks still run: a few steps of the smallest study, no judgement of their speed."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
import yaml

from conftest import ROOT
from sphere_repro.models.autoencoder import build
from sphere_repro.models.checkpoint import save_model
from sphere_repro.study.config import load_study
from sphere_repro.study.jobs import train_job


def load(name: str):
    """A benchmark as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # as dataclasses want it
    spec.loader.exec_module(module)
    return module


def test_start_up() -> None:
    benchmark = load("start_up")
    found = benchmark.measured(1)
    assert list(found) == list(benchmark.COMMANDS)
    assert all(0 < row["least"] <= row["median"] for row in found.values())


def test_jobs_load_what_they_need_and_no_more(tmp_path: Path) -> None:
    """torch's compiler, SymPy and the like are seconds of each job that loads them."""
    benchmark = load("start_up")
    benchmark.prepared(tmp_path)
    found = {kind: benchmark.started(kind, tmp_path) for kind in benchmark.JOBS}
    assert all(row["cpu_seconds"] > 0 for row in found.values())
    loaded = {kind: row["loaded"] for kind, row in found.items()}
    for kind in ("train", "train --live", "sample", "encode", "score"):
        assert loaded[kind] == ["torch"], kind
    assert loaded["figure samples"] == ["scipy.stats"]  # seaborn's
    assert not (tmp_path / "new.zip").exists()


def test_portable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = load("portable")
    monkeypatch.setattr(benchmark, "RUNS", ("digits",))
    chosen = benchmark.SETTINGS["portable"]
    monkeypatch.setattr(benchmark, "SETTINGS", {"own choice": {}, "portable": chosen})
    options = ["--study", str(benchmark.study(tmp_path, 0.1)), "--run", "digits"]
    benchmark.python(["prepare", *options, "--out", str(tmp_path / "data.zip")], {})
    found = benchmark.costs(tmp_path, 1, benchmark.FEW)
    assert list(found) == ["own choice", "portable"] and all(row["cpu_seconds"] > 0 for row in found.values())
    assert benchmark.bits(tmp_path, chosen) == benchmark.bits(tmp_path, chosen, ["env"])


def test_training() -> None:
    benchmark = load("training")
    study = str(ROOT / "params/smoke.yaml")
    words = ["--study", study, "--run", "digits", "--batch", "8", "--steps", "1", "--device", "cpu"]
    asked = benchmark.parsed([*words, "--variants", "plain", "eager"])
    job = benchmark.asked_job(asked)
    assert job.training.batch_size == 8 and job.loss.perceptual.network == "none"
    found = benchmark.measured(asked)
    assert list(found["variants"]) == ["plain", "eager"] and found["peak_flops"] > 0
    for row in found["variants"].values():
        assert row["images_per_second"] > 0 and row["utilisation"] > 0 and row["speed_over_plain"] > 0
    assert 0 < found["variants"]["eager"]["products"] < 1
    for name in ("checkpointing", "two micro batches"):
        images, device = benchmark.random_images(job, 16), torch.device("cpu")
        variant = benchmark.Variant(job, images, benchmark.variants(8)[name], device)
        variant.take_step()
        assert variant.last > 0


def test_curves() -> None:
    benchmark = load("curves")
    job = benchmark.without_perceptual(train_job(load_study(ROOT / "params/smoke.yaml"), "digits"), 8)
    images = sys.modules["training"].random_images(job, 16)
    ways = [way for way in benchmark.WAYS if way != "compiled"]
    found = {way: benchmark.losses(job, images, way, 3) for way in ways}
    apart = {way: benchmark.relative(found, way).max() for way in ways}
    assert apart["eager"] == 0 and apart["plain"] < 1e-5 < apart[benchmark.OTHER_SEED]
    assert len(benchmark.drawn(found).axes) == 2


def test_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, with the smallest model that the perceptual networks take."""
    benchmark = load("gpu")
    paper = yaml.safe_load((ROOT / "params/paper.yaml").read_text())
    size, (name, run) = {"width": 16, "layers": 1, "heads": 2}, next(iter(paper["runs"].items()))
    run["dataset"]["resolution"] = 16
    run["model"] |= {"encoder": size, "decoder": size}
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps({"study": "tiny", "runs": {name: run | {"sampling": {}}}}))
    plain, whole = (benchmark.Case(name, 2, perceptual, study=path) for perceptual in (False, True))
    monkeypatch.setattr(benchmark, "TRAINED", {"a": plain, "b": whole})
    monkeypatch.setattr(benchmark, "SAMPLED", {"c": plain})
    monkeypatch.setattr(benchmark, "AWAITED", {"d": plain})
    for module in (benchmark, sys.modules["training"]):
        monkeypatch.setattr(module, "WARM_UP", 0)
    ceiling = benchmark.devices.measure("cpu")
    found = {each: benchmark.measured(each, 1, torch.device("cpu"), ceiling, ("eager",)) for each in "abcd"}
    for each in "abc":
        assert found[each]["eager"]["images_per_second"] > 0 and found[each]["eager"]["utilisation"] > 0
    planned = [found[each]["eager"]["planned_bytes"] for each in "ab"]
    assert 0 < planned[0] < planned[1]
    assert [*found["d"]] == ["torch", "philox"]
    assert all(seconds > 0 for row in found["d"].values() for seconds in row.values())


def test_sampling_speed() -> None:
    found = load("sampling_speed").measured(ROOT / "params/smoke.yaml", "digits", [2, 3], 3, 1)
    assert found["same_images"] and 0 < found["products"] < 1
    for row in found["images_per_cpu_second"].values():
        assert row["plain"] > 0 and row["ours"] > 0 and row["ratio"] > 0


def test_perceptual() -> None:
    found = load("perceptual").measured(16, 1, 1, torch.device("cpu"))
    assert list(found) == ["float32", "bfloat16"]
    assert found["float32"]["loss_differs_by"] < 1e-5 and found["float32"]["gradient_cosine"] > 0.9999
    assert 0 < found["bfloat16"]["gradient_differs_by"] < 0.5


def test_image_formats() -> None:
    benchmark = load("image_formats")
    found = benchmark.measured(1)
    assert list(found) == list(benchmark.FORMATS)
    for name, row in found.items():
        assert (row["psnr_db"] is None) == (not name.startswith("jpeg"))
        assert all(0 < size < 3 for size in row["bytes_per_pixel"].values())
    committed = json.loads((ROOT / "benchmarks/image_formats.json").read_text())["formats"]
    assert committed.keys() == found.keys()


def test_sampling(tmp_path) -> None:
    benchmark = load("sampling")
    shape = train_job(load_study(ROOT / "params/smoke.yaml"), "digits").architecture
    model = build(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in model.parameters():  # a new model's heads are zero: one grey, in every precision
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    save_model(tmp_path / "model.safetensors", model.state_dict(), None, shape, 80.0)
    found = benchmark.measured(tmp_path / "model.safetensors", 6, 4, torch.device("cpu"))
    assert list(found) == ["1 step", "4 steps"]
    for row in found.values():
        assert list(row) == ["float32", "bfloat16"]
        assert 15 < row["bfloat16"]["worst_psnr_db"] <= row["bfloat16"]["psnr_db"] < 80


def test_the_documents_say_what_was_measured() -> None:
    text = (ROOT / "docs/large-models.md").read_text()
    report = json.loads((ROOT / "benchmarks/sampling.json").read_text())
    for name in ("digits", "photo-patches"):
        by_steps = next(row["by_steps"] for key, row in report.items() if key.startswith(f"demo/{name},"))
        for steps, row in zip((1, 4), by_steps.values(), strict=True):
            exact, half = row["float32"], row["bfloat16"]
            apart = f"{half['psnr_db']:.1f} dB | {half['worst_psnr_db']:.1f} dB"
            scored = " | ".join(f"{one['frechet']:.1f} ± {one['frechet_se']:.1f}" for one in (exact, half))
            assert f"| {name} | {steps} | {apart} | {scored} |" in text
            assert abs(exact["frechet"] - half["frechet"]) < 1.2 * exact["frechet_se"]
            assert half["mean_difference"] < 1 / 3 + 0.01


def test_the_page_on_performance_says_what_was_measured() -> None:
    text = (ROOT / "docs/performance.md").read_text()
    training = json.loads((ROOT / "benchmarks/training.json").read_text())
    for name, report in training.items():
        if "plain" in report["variants"]:
            plain, ours = report["variants"]["plain"], report["variants"]["eager"]
            seconds = f"{plain['seconds_per_step']:.3f} | {ours['seconds_per_step']:.3f}"
            assert f"| {name} | {seconds} | {ours['speed_over_plain']:.2f} |" in text
    for name, report in json.loads((ROOT / "benchmarks/perceptual.json").read_text()).items():
        for precision, row in report["precisions"].items():
            assert f"| {name} | {precision} | {100 * row['loss_differs_by']:.2g} % |" in text
            assert f"| {row['gradient_cosine']:.4f} | {row['shared_over_apart']:.2f} |" in text
    for device, report in json.loads((ROOT / "benchmarks/gpu.json").read_text()).items():
        for name, rows in report["cases"].items():
            for random, row in rows.items() if name.startswith("wait") else ():
                seconds = f"{row['seconds_ahead']:.4f} | {row['seconds_on_the_device']:.4f}"
                assert f"| {name}, {device} | {random} | {seconds} |" in text
    search = (ROOT / "benchmarks/demo_search.csv").read_text().splitlines()[1:]
    assert len(search) > 10 and all(f"| {row.replace(',', ' | ')} |" in text for row in search)
    curves = load("curves")
    rows = list(csv.DictReader((ROOT / "benchmarks/curves.csv").open()))
    found = {way: [float(row[way]) for row in rows] for way in curves.WAYS}
    apart = {way: curves.relative(found, way) for way in curves.WAYS}
    assert len(rows) == 300 and all(apart[way][:60].max() < 1.3e-6 for way in ("plain", "compiled"))
    said = [f"{100 * apart[way][200:].mean():.1f} % a" for way in ("plain", "compiled", curves.OTHER_SEED)]
    assert all(words in text for words in said) and apart[curves.OTHER_SEED][:60].mean() > 0.01
    jobs = json.loads((ROOT / "benchmarks/jobs.json").read_text())["cpu_seconds"]
    for name, row in jobs.items():
        assert f"| {name} | {row['median']:.1f} |" in text
    for name, report in json.loads((ROOT / "benchmarks/sampling_speed.json").read_text()).items():
        assert report["same_images"] and f"{100 * report['products']:.0f} % of the time" in text
        for batch, row in report["images_per_cpu_second"].items():
            assert (
                f"| {name} | {batch} | {row['plain']:.1f} | {row['ours']:.1f} | {row['ratio']:.2f} |" in text
            )
    for name, report in json.loads((ROOT / "benchmarks/scoring.json").read_text()).items():
        plain, ours = report["cpu_seconds"]["plain"], report["cpu_seconds"]["ours"]
        assert f"| {name} | {plain:.1f} | {ours:.1f} | {report['plain_over_ours']:.2f} |" in text
    start_up = json.loads((ROOT / "benchmarks/start_up.json").read_text())
    for kind, row in start_up["cpu_seconds_of_jobs"].items():
        assert f"| {kind} | {row['least']:.2f} |" in text


def test_jobs(tmp_path) -> None:
    benchmark = load("jobs")
    benchmark.FIGURES = 2
    variants = benchmark.sampling(tmp_path) | benchmark.drawing(tmp_path)
    found = benchmark.measured(variants, 1)
    committed = json.loads((ROOT / "benchmarks/jobs.json").read_text())["cpu_seconds"]
    assert list(committed) == [*found, *(f"dry run, {runs} runs" for runs in benchmark.RUNS)]
    assert all(0 < row["least"] <= row["median"] for row in found.values())
    sets = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("together",)]
    assert len(sets[0]) == 10
    made = {folder: sorted(tmp_path.glob(f"{folder}/*/*.*")) for folder in ("drawn-alone", "drawn-together")}
    assert [len(paths) for paths in made.values()] == [10, 10]


def test_the_search_is_a_study_of_the_demos_runs(tmp_path) -> None:
    """Each variant is valid, and differs from the demo's run in nothing but what the table says."""
    benchmark = load("demo_search")
    table = yaml.safe_load((ROOT / "benchmarks/demo_search.yaml").read_text())
    demo = yaml.safe_load((ROOT / "params/demo.yaml").read_text())
    assert [
        row.split(",")[0] for row in (ROOT / "benchmarks/demo_search.csv").read_text().splitlines()[1:]
    ] == [*table]
    path = tmp_path / "search.yaml"
    path.write_text(yaml.safe_dump(benchmark.search_study(demo, table, [*table], 0), sort_keys=False))
    study = load_study(path)
    chosen = load_study(ROOT / "params/demo.yaml").runs["digits"]
    assert study.runs["digits-half-more-third"].loss == chosen.loss
    assert study.runs["digits-half-more-third"].model == chosen.model
    assert study.runs["patches-before"].dataset.name == "photo-patches"
