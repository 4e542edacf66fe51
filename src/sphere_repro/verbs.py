"""What each verb of the command line does: read a job, compute, write the result and its provenance.

Every verb returns one line that says what was done; modules that import torch are imported on use.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sphere_repro.errors import UserError
from sphere_repro.machine import gpus
from sphere_repro.machine.files import read_json
from sphere_repro.machine.notes import note
from sphere_repro.provenance import code
from sphere_repro.provenance.hashes import file_hash
from sphere_repro.provenance.integrity import write_record
from sphere_repro.provenance.record import provenance_of
from sphere_repro.strict import Strict
from sphere_repro.study import jobs
from sphere_repro.study.config import Study
from sphere_repro.study.generation import Generation
from sphere_repro.study.recipe import Execution

if TYPE_CHECKING:
    from sphere_repro.training.loop import Estimates, Files


def download(name: str, folder: Path | None) -> str:
    """Fetch, verify and unpack the files of a dataset."""
    from sphere_repro.data import raw
    from sphere_repro.data.sources import SOURCES
    from sphere_repro.errors import nearest

    if name not in SOURCES:
        raise UserError(f"There is no dataset '{name}'{nearest(name, SOURCES)}")
    record = raw.download(name, SOURCES[name], folder or raw.DOWNLOADS / name)
    return f"download {name}: {SOURCES[name].images} images, recorded in {record}"


def prepare(
    job: jobs.PrepareJob, out: Path, *, downloads: Path | None = None, state: Path, threads: int = 1
) -> str:
    """Make the image archive of a dataset."""
    from sphere_repro.data.prepare import prepare as make
    from sphere_repro.data.report import told

    started = time.time()
    facts = make(job.dataset, out, downloads=downloads, state=state, workers=threads, content=job.content)
    _stamp(out.with_suffix(".json"), job, started, [out])
    return "; ".join(
        part
        for part in (f"prepare {job.dataset.archive}: {facts['images']} images in {out}", told(facts))
        if part
    )


def train(
    job: jobs.TrainJob,
    files: Files,
    device: str,
    execution: Execution | None = None,
    log: Path | None = None,
) -> str:
    """Train a run: model file, training curves, provenance; lines on progress go to `log`.

    A process that only helps others writes nothing.
    """
    from sphere_repro.models.autoencoder import parameter_count
    from sphere_repro.models.checkpoint import read_class_names
    from sphere_repro.training.loop import train as run

    with gpus.device(device) as chosen:
        started = time.time()
        tell = functools.partial(note, log=log)
        result = run(job, files, chosen, execution, tell, estimates(job, execution or Execution()))
    if result is None:
        return ""
    facts = {
        "steps": result.steps,
        "resumed_at_step": result.resumed_at,
        "training_seconds": round(result.seconds, 3),
        "images_per_second": round(result.images_per_second, 1),
        "utilisation": result.utilisation and round(result.utilisation, 4),
        "processes": result.processes,
        "execution": _plain(execution or Execution()),
        "parameter_count": parameter_count(job.architecture),
        **({"class_names": names} if (names := read_class_names(files.model)) else {}),
        "last": result.last,
        "sha256": file_hash(files.model),
    }
    origin = provenance_of(
        _plain(job), inputs={"data": files.archive}, code=code.MODEL, device=str(chosen), **facts
    )
    _write_record(job, started, origin, [files.model, files.curves])
    return (
        f"train {job.run}: {result.steps} steps in {result.seconds:.0f} s "
        f"({result.images_per_second:.0f} images/s), loss {result.last['loss']:.4f}"
    )


def estimates(job: jobs.TrainJob, execution: Execution) -> Estimates:
    """The planner's, which is loaded when it is asked."""
    from sphere_repro.training.loop import Estimates

    def flops_per_image() -> int:
        from sphere_repro.planning.training_cost import flops_per_image

        return flops_per_image(job)

    def memory_advice(free: int) -> str:
        from sphere_repro.planning.advice import memory_advice

        return memory_advice(job, execution, free)

    return Estimates(flops_per_image, memory_advice)


def import_run(job: jobs.ReleasedJob, out: Path) -> str:
    """Make the model file of a run that is not trained."""
    from sphere_repro.models.autoencoder import parameter_count
    from sphere_repro.models.released import import_run as make

    started = time.time()
    inputs = make(job, out)
    count = parameter_count(job.architecture)
    facts = {"parameter_count": count, "sha256": file_hash(out)}
    origin = provenance_of(_plain(job), inputs=inputs, code=code.IMPORT, device="cpu", **facts)
    _write_record(job, started, origin, [out])
    return f"import {job.run}: {count} parameters of {job.released}"


def sample(job: jobs.SampleJob, model: Path, data: Path, out: Path, device: str) -> str:
    """Draw one sample set of a trained run."""
    from sphere_repro.sampling.sets import draw_set

    return _timed(
        lambda chosen: draw_set(job, model, data, out, chosen),
        (job, out, {"model": model, "data": data}, code.SAMPLE, device),
        f"sample {job.run}/{job.set}",
    )


def encode(job: jobs.EncodeJob, model: Path, data: Path, out: Path, device: str) -> str:
    """Encode training images to latents."""
    from sphere_repro.sampling.sets import encode_set

    return _timed(
        lambda chosen: encode_set(job, model, data, out, chosen),
        (job, out, {"model": model, "data": data}, code.SAMPLE, device),
        f"encode {job.run}",
    )


def reference(job: jobs.ReferenceJob, data: Path, out: Path, device: str) -> str:
    """Make the reference statistics of a dataset."""
    from sphere_repro.metrics.score import make_reference
    from sphere_repro.sampling.sets import open_archive

    open_archive(data, job.dataset, job.dataset.source.classes)
    with gpus.device(device) as chosen:
        started = time.time()
        make_reference(data, out, dataset=job.dataset.archive, score=job.score, device=chosen)
    seconds = _stamp(out.with_suffix(".json"), job, started, [out])
    return f"reference {job.dataset.archive}, {job.score.extractor}: {seconds:.1f} s"


def score(
    job: jobs.ScoreJob, data: Path, features: Path, sets: Sequence[Path], out: Path, device: str
) -> str:
    """Compare all sample sets of a run with the real images."""
    from sphere_repro.metrics.score import ScoreInputs, class_note, score_run
    from sphere_repro.sampling.sets import open_archive

    found = {path.stem: path for path in sets}
    missing = [name for name in job.sets if name not in found]
    if missing:
        raise UserError(f"score {job.run}: the archive of '{missing[0]}' is not among --sets. Add it.")
    for path in (data, *(found[name] for name in job.sets)):
        open_archive(path, job.dataset)
    inputs = ScoreInputs(
        run=job.run,
        dataset=job.dataset.archive,
        kind=job.kind,
        sets={name: found[name] for name in job.sets},
        generations=job.generations,
        real=data,
        reference=features,
        ablation=job.ablation,
    )
    with gpus.device(device) as chosen:
        started = time.time()
        score_run(inputs, out, score=job.score, seed=job.seed, device=chosen)
    seconds = _stamp(out, job, started)
    return f"score {job.run}, {job.score.extractor}: {len(sets)} sets in {seconds:.1f} s{class_note(out)}"


def uniformity(job: jobs.UniformityJob, latents: Path, baseline: Path | None, out: Path) -> str:
    """Judge a run's latents against their controls."""
    from sphere_repro.metrics.uniformity import uniformity as judge

    started = time.time()
    judge(
        latents,
        out,
        run=job.run,
        classes=job.classes,
        settings=job.uniformity,
        seed=job.seed,
        baseline=baseline,
        baseline_run=job.baseline,
    )
    seconds = _stamp(out, job, started, [out.with_suffix(".npz")])
    return f"uniformity {job.run}: {seconds:.1f} s"


def figure(name: str, inputs: Mapping[str, Path], subject: str, out: Path) -> str:
    """Draw one figure from result files."""
    from sphere_repro.figures import catalogue, style

    started = time.time()
    style.save(catalogue.draw(name, inputs, subject), out)
    origin = provenance_of({"figure": name}, inputs=inputs, code=code.FIGURE, sha256=file_hash(out))
    write_record(out.with_suffix(".json"), origin | _times(started), [out])
    return f"figure {name}: {out}"


def table(
    scores: Sequence[Path], out: Path, metrics: Path | None = None, expected: Path | None = None
) -> str:
    """Gather score files into one CSV, beside the published numbers, and into one JSON of metrics."""
    from sphere_repro.results import tables

    started = time.time()
    tables.fid_table(list(scores), out, expected)
    if metrics is not None:
        tables.metrics(list(scores), metrics)
    inputs = {str(path): path for path in (*scores, *([expected] if expected else []))}
    origin = provenance_of({}, inputs=inputs, code=code.TABLE, sha256=file_hash(out))
    files = [path for path in (out, metrics) if path is not None and path.parent == out.parent]
    write_record(out.with_suffix(".json"), origin | _times(started), files)
    return f"table: {len(scores)} score files in {out}"


def claims(scores: Sequence[Path], results: Sequence[Path], table: Path | None, out: Path) -> str:
    """Test the paper's statements on the study's results, and the table's rows on their published numbers."""
    from sphere_repro.results.claims import claims as judge
    from sphere_repro.results.published import published_claims

    further = {table: published_claims(table)} if table is not None else {}
    judge(list(scores), list(results), out, further)
    return f"claims: {out}"


def plan(study: Study, device: str, utilisation: float, *, as_json: bool) -> tuple[str, bool]:
    """What a study costs on a device, as text or JSON, and whether it fits."""
    from sphere_repro.planning import plan as planner

    made = planner.plan(study, device, utilisation)
    return planner.as_json(made) if as_json else planner.as_text(made), made.fits


def explain(result: Path, *, as_json: bool) -> str:
    """The chain from a result back to the data, as text or JSON."""
    from sphere_repro.provenance import explain as chain

    found = chain.trace(result)
    return json.dumps(found, indent=2, ensure_ascii=False) if as_json else chain.text(found)


def import_released(checkpoint: Path, config: Path, out: Path) -> str:
    """Convert a released checkpoint."""
    from sphere_repro.models.checkpoint import import_released as convert

    convert(checkpoint, config, out)
    return f"import-released: {out}"


def generate(
    model: Path,
    out: Path,
    settings: Generation,
    *,
    count: int,
    seed: int,
    weights: str,
    device: str,
    classes: Sequence[str] = (),
) -> str:
    """Draw images from any model file of a Sphere Encoder, by hand."""
    from sphere_repro.sampling.sets import draw_generation

    with gpus.device(device) as chosen:
        draw_generation(
            model, out, settings, count=count, seed=seed, weights=weights, device=chosen, classes=classes
        )
    return f"generate: {count} images in {out}"


def _timed(
    work: Callable[[Any], int],
    about: tuple[Strict, Path, Mapping[str, Path], tuple[str, ...], str],
    label: str,
) -> str:
    """Run `work` on the chosen device, write its provenance beside it, and say how long it took."""
    job, out, inputs, made_by, device = about
    with gpus.device(device) as chosen:
        started = time.time()
        facts = {"count": work(chosen), "sha256": file_hash(out)}
    origin = provenance_of(_plain(job), inputs=inputs, code=made_by, device=str(chosen), **facts)
    _write_record(job, started, origin, [out])
    return f"{label}: {facts['count']} images in {time.time() - started:.1f} s"


def _write_record(job: Strict, started: float, origin: Mapping[str, Any], files: Sequence[Path]) -> None:
    """Write the record of a job beside the first of its files."""
    record = {**origin, "job": _plain(job), **_times(started)}
    out = files[0]
    write_record(out.with_suffix(".json"), record, [path for path in files if path.parent == out.parent])


def _stamp(record: Path, job: Strict, started: float, files: Sequence[Path] = ()) -> float:
    """Add the job, its times and the seals to a record that its maker wrote; return the seconds it took.

    The workflow holds `job` against the study, so that old results never pass for new ones.
    """
    times = _times(started)
    write_record(record, read_json(record) | {"job": _plain(job)} | times, files)
    return float(times["seconds"])


def _plain(job: Strict) -> dict[str, Any]:
    return job.model_dump(mode="json")


def _times(started: float) -> dict[str, Any]:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started))
    return {"started": stamp, "seconds": round(time.time() - started, 3)}
