"""The paper's studies say what the paper says, and each ablation changes one thing."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.stage.utils import is_valid_name

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.models.autoencoder import parameter_count
from sphere_repro.planning.plan import plan
from sphere_repro.results import statements
from sphere_repro.strict import UniqueKeys, parse
from sphere_repro.study import catalogue, jobs
from sphere_repro.study.config import Run, Study, load_study
from sphere_repro.study.files import StudyFiles
from sphere_repro.study.generation import Generation
from sphere_repro.study.replicates import is_replicate

STUDIES = (
    "paper",
    "released",
    "ablations",
    "ablations-small",
    "cifar10-small",
    "gallery",
    "holes",
    "holes-small",
)
PAPER = load_study(ROOT / "params/paper.yaml")


# -- the paper


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("cifar10-base", 263_818_155),
        ("cifar10-large", 921_569_387),
        ("animal-faces-base", 199_264_548),
        ("animal-faces-large", 642_148_324),
        ("oxford-flowers-large", 948_844_516),
        ("imagenet-large", 950_354_532),
        ("imagenet-xlarge", 1_388_922_404),
    ],
)
def test_parameters_of_the_papers_table(name: str, count: int) -> None:
    assert parameter_count(PAPER.runs[name].architecture) == count


# dataset: angle, a1, a2, b1, b2, c, epochs, warm-up, classes, latent dimension, samples, guidance, noise
TABLE: dict[str, tuple[Any, ...]] = {
    "cifar10": (80, 1, 1, 0.5, 0.5, 0.1, 5000, 10, 10, 2048, 50_000, "combo 1.2", "shared"),
    "cifar10-unconditional": (80, 1, 1, 0.5, 0.5, 0.1, 5000, 10, 0, 2048, 50_000, "", "shared"),
    "animal-faces": (85, 25, 1, 1, 1, 0.1, 1000, 10, 0, 131_072, 50_000, "", "shared"),
    "oxford-flowers": (85, 25, 1, 1, 1, 0.1, 1000, 10, 102, 131_072, 51_000, "combo 1.6", "independent"),
    "imagenet": (85, 50, 1, 25, 1, 0.1, 800, 5, 1000, 65_536, 50_000, "combo 1.4", "shared"),
}


SCHEMES = {(strength, noise) for strength in ("fixed", "linear") for noise in ("shared", "independent")}


def drawn(run: Run) -> Generation:
    """The published set of 4 steps; the sets of its guidance are those that a run should have."""
    one, last = (next(each for each in run.sampling.generations if each.steps == steps) for steps in (1, 4))
    assert one.guidance == last.guidance
    same = [each for each in run.sampling.generations if each.guidance == last.guidance]
    by_steps = {
        steps: {(each.strength, each.noise) for each in same if each.steps == steps and steps > 1}
        for steps in {each.steps for each in same}
    }
    if run in COMPLETE:  # Tables 5 and 6
        assert by_steps.keys() == set(range(1, 11)) and by_steps.pop(1) == set()
        assert all(schemes == {*SCHEMES, ("fixed", "initial")} for schemes in by_steps.values())
    else:
        usual = {("fixed", "shared")}
        assert by_steps == {1: set(), 2: usual, 4: SCHEMES, 6: usual}
    assert "generation-1" in run.sets
    return last


COMPLETE = [PAPER.runs[name] for name in ("cifar10-base", "cifar10-unconditional-base")]


def settings(run: Run) -> tuple[Any, ...]:
    loss, training, last = run.loss, run.training, drawn(run)
    guided = f"{last.guidance.position} {last.guidance.scale:g}" if last.guidance.scale > 1 else ""
    recon, consistency = (
        (loss.pix_recon_l1, loss.pix_recon_perceptual),
        (loss.pix_con_l1, loss.pix_con_perceptual),
    )
    shape = run.architecture
    return (
        *(loss.alpha_max, *recon, *consistency, loss.lat_con, training.epochs, training.warmup_epochs),
        *(shape.classes, shape.latent_dimension, run.sampling.count, guided, last.noise),
    )


@pytest.mark.parametrize("name", [name for name, run in PAPER.runs.items() if run.model.kind == "sphere"])
def test_settings_of_the_paper(name: str) -> None:
    run = PAPER.runs[name]
    family, _, size = name.rpartition("-")
    assert settings(run) == TABLE[family]
    assert run.model.encoder == run.model.decoder == size
    assert run.loss.perceptual.network == "lpips-convnext" and run.loss.hard_cases.probability == 0.1
    assert (run.training.batch_size, run.training.learning_rate, run.training.ema_decay) == (
        256,
        1e-4,
        0.9997,
    )
    assert run.sampling.weights == "raw" and run.sampling.generations[1].strength == "fixed"
    depth, head = (2, "conv") if run.dataset.name == "cifar10" else (4, "linear")
    assert (run.model.encoder_mixer_depth, run.model.decoder_mixer_depth) == (depth, depth)
    assert run.model.pixel_head == head


@pytest.mark.slow
@pytest.mark.parametrize("name", ["paper", "ablations"])
def test_every_training_fits_a_gpu_of_80_gb(name: str, tmp_path: Path) -> None:
    """With a tenth to spare: what the planner counts is not all that a training takes."""
    made = plan(load_study(ROOT / f"params/{name}.yaml"), "h100", folder=tmp_path)
    assert {need.run: need.device for need in made.needs if need.device > 0.9 * made.device.memory} == {}


def test_runs_and_scoring_of_the_paper() -> None:
    families = {name.rpartition("-")[0] for name, run in PAPER.runs.items() if run.model.kind == "sphere"}
    assert families == set(TABLE)
    assert PAPER.score.extractors == ("inception", "inception-legacy")
    assert PAPER.score.reference_count == 50_000
    assert {run.random for run in PAPER.runs.values() if run.is_trained} == {"philox"}
    for run in PAPER.runs.values():  # every micro-batch divides the batch
        assert not run.is_trained or run.recipe.batch_size % (run.execution.micro_batch_size or 1) == 0


def test_pretrained_autoencoders_are_pinned_to_commits_and_digests() -> None:
    found = [run for run in PAPER.runs.values() if run.model.kind == "pretrained-vae"]
    assert {run.dataset.name for run in found} == {"animal-faces"} and len(found) == 2
    for run in found:
        wanted = run.model.pretrained
        assert wanted.pinned and "diffusion_pytorch_model.safetensors" in wanted.sha256
        assert run.sampling.count == 50_000 and run.dataset.pixels % 16 == 0


def test_each_dataset_has_a_vae_of_the_same_backbone() -> None:
    paired = {run.baseline_of: run for run in PAPER.runs.values() if run.baseline_of and run.is_trained}
    assert {run.dataset.name for run in paired.values()} == {run.dataset.name for run in PAPER.runs.values()}
    for other, vae in paired.items():
        sphere = PAPER.runs[other or ""]
        assert vae.architecture.model_dump(exclude={"kind"}) == sphere.architecture.model_dump(
            exclude={"kind"}
        )
        assert (vae.dataset, vae.training) == (sphere.dataset, sphere.training)
        assert vae.loss.pix_recon_l1 == sphere.loss.pix_recon_l1 and vae.loss.kl > 0
        assert vae.sampling.count == sphere.sampling.count


def test_released_checkpoints_are_the_papers_runs() -> None:
    study = load_study(ROOT / "params/released.yaml")
    spheres = {name: run for name, run in PAPER.runs.items() if run.model.kind == "sphere"}
    assert list(study.runs) == list(spheres)
    for name, run in study.runs.items():
        assert run.released == f"data/released/{name}.pth"
        for key in ("dataset", "model", "loss", "training", "sampling"):
            assert getattr(run, key) == getattr(spheres[name], key), (name, key)
    assert study.score == PAPER.score and study.seed == PAPER.seed


# -- ablations

AXES = {
    "loss-terms": {"loss.pix_con_l1", "loss.pix_con_perceptual", "loss.lat_con"},
    "alpha-max": {"loss.alpha_max"},
    "ratio": {"model.ratio"},
    "mixer-depth": {"model.encoder_mixer_depth", "model.decoder_mixer_depth"},
    "hard-cases": {"loss.hard_cases.probability", "loss.hard_cases.independent_draw"},
}


def flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {f"{prefix}{key}": item}
    return found


@pytest.mark.parametrize("name", ["ablations", "ablations-small"])
def test_each_ablation_changes_its_axis_and_nothing_else(name: str) -> None:
    study = load_study(ROOT / f"params/{name}.yaml")
    (first, baseline), *others = ((run, study.runs[run]) for run in StudyFiles(study).first)
    assert first == "baseline" and baseline.ablation is None
    kept = {"sampling", "ablation", "replicates"}
    ours, axes = flat(baseline.model_dump(exclude=kept)), set()
    for run_name, run in others:
        assert run.ablation is not None
        theirs = flat(run.model_dump(exclude=kept))
        differ = {key for key in ours if ours[key] != theirs[key]}
        assert differ and differ <= AXES[run.ablation.axis], run_name
        axes.add(run.ablation.axis)
        # its sets are some of the baseline's, drawn in the same way
        drawn = {generation.name for generation in baseline.sampling.generations}
        assert {generation.name for generation in run.sampling.generations} <= drawn
        same = {"count", "weights", "batch_size"}
        assert run.sampling.model_dump(include=same) == baseline.sampling.model_dump(include=same)
        assert jobs.score_job(study, run_name, study.score.extractor).ablation == run.ablation
    assert axes == set(AXES)
    values = [(run.ablation.axis, run.ablation.value) for _, run in others if run.ablation]
    assert len(set(values)) == len(values)
    assert (statements.LOSS_AXIS, statements.ALONE) in values and statements.ANGLE_AXIS in axes
    assert study.figures == ("ablations", "noise-angle", "guidance")


def test_what_claims_compare_is_trained_several_times() -> None:
    study = load_study(ROOT / "params/ablations.yaml")
    several = {name for name, run in study.runs.items() if run.replicates > 1 and not is_replicate(name)}
    compared = {
        name
        for name in StudyFiles(study).first
        if (run := study.runs[name]).ablation is None
        or run.ablation.axis == statements.ANGLE_AXIS
        or run.ablation.value == statements.ALONE
    }
    assert several == compared and len(compared) == 7
    assert len(study.runs) == 33  # as the study's head and docs/paper.md say


def test_stages_of_several_trainings(writer: Any) -> None:
    """Each training is a stage of its own, with a name that DVC takes; none is judged or drawn."""
    several = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
    once = stages_of(writer, parse(Study, several, "here"))
    several["runs"]["digits"]["replicates"] = 3
    thrice = stages_of(writer, parse(Study, several, "here"))
    more = [f"{stage}-digits_r{number}" for number in (1, 2) for stage in ("train", "sample", "score")]
    assert sorted(thrice.keys() - once.keys()) == sorted(more)
    assert all(is_valid_name(name) for name in thrice)
    same = thrice.keys() & once.keys() - {"tables", "figures"}
    assert {name: thrice[name] for name in same} == {name: once[name] for name in same}
    assert "latents" not in str(thrice["sample-digits_r1"]) and "latents" in str(thrice["sample-digits"])
    scores = "results/smoke/digits_r2/scores.efficientnet-lite0.json"
    assert scores in thrice["tables"]["deps"] and scores in thrice["figures"]["deps"]
    assert not any("_r1/training.csv" in dependence for dependence in thrice["figures"]["deps"])


def test_dvc_keeps_what_a_run_writes_and_git_none_of_it(writer: Any) -> None:
    outs = stages_of(writer, load_study(ROOT / "params/demo.yaml"))["figures"]["outs"]
    said = {name: more for out in outs for name, more in out.items()}
    figures = catalogue.figure_files(StudyFiles(load_study(ROOT / "params/demo.yaml")), "results")
    assert len(figures) > 20
    for path in figures:
        name = path.removesuffix(".png")
        kept = [said[f"{name}{form}"] for form in (".png", ".csv", ".json", ".pdf")]
        assert kept == [{"persist": True}] * 4
    listed = subprocess.run(
        ["git", "ls-files", "results", ".snakemake"], cwd=ROOT, capture_output=True, check=True
    )
    assert listed.stdout == b""
    ignored = ["git", "check-ignore", "results/fid_table.csv", "src/sphere_repro/results/new.py"]
    found = subprocess.run(ignored, cwd=ROOT, capture_output=True, check=False, text=True)
    assert found.stdout.splitlines() == ["results/fid_table.csv"], "the package's folder has the same name"


def test_a_stage_compares_a_study_whose_results_are_kept(writer: Any) -> None:
    stages = stages_of(writer, load_study(ROOT / "params/demo.yaml"))
    assert "reference/demo" in stages["reproduction"]["deps"]
    assert stages["reproduction"]["cmd"].endswith("-- results/reproduction.json")
    assert {"results/reproduction.csv": {"persist": True}} in stages["reproduction"]["outs"]
    assert "reproduction" not in stages_of(writer, load_study(ROOT / "params/gallery.yaml"))


def test_the_ablations_values_are_their_runs() -> None:
    study = load_study(ROOT / "params/ablations.yaml")
    for run in study.runs.values():
        if run.ablation and run.ablation.axis == "alpha-max":
            assert run.ablation.value == f"{run.loss.alpha_max:g}°"
            assert 75 <= run.loss.alpha_max <= 87
        if run.ablation and run.ablation.axis == "ratio":
            assert float(run.ablation.value) == run.model.ratio
    baseline = study.runs["baseline"]
    assert (
        baseline.model == PAPER.runs["cifar10-base"].model
        and baseline.loss == PAPER.runs["cifar10-base"].loss
    )
    assert baseline.training == PAPER.runs["cifar10-base"].training
    generations = baseline.sampling.generations
    assert {g.steps for g in generations} == set(range(1, 11))
    assert len({(g.strength, g.noise) for g in generations if g.noise != "initial"}) == 4
    assert {g.guidance.position for g in generations} == {"enc", "dec", "combo"}


def ablated(**changes: Any) -> dict[str, Any]:
    tiny = {"width": 8, "layers": 1, "heads": 2}
    first = {
        "dataset": {"name": "digits"},
        "model": {"encoder": tiny, "decoder": tiny},
        "loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0},
        "training": {"epochs": 20},
    }
    other = first | {"ablation": {"axis": "ratio", "value": "2"}} | changes
    return {"study": "s", "runs": {"a": first, "b": other}}


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (ablated(dataset={"name": "photo-patches"}), r"runs\.b\.ablation: dataset and kind must be those"),
        (
            ablated() | {"runs": dict(reversed(ablated()["runs"].items()))},
            r"runs\.b\.ablation: the first run is what the others are compared with",
        ),
        (
            ablated()
            | {
                "runs": ablated()["runs"]
                | {"c": ablated(ablation={"axis": "ratio", "value": "3", "baseline": "1.5"})["runs"]["b"]}
            },
            r"runs\.c\.ablation\.baseline: '1\.5' is called 'baseline' before",
        ),
    ],
)
def test_ablations_that_cannot_be_compared(study: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse(Study, study, "here")


# -- files that three programs read


@pytest.mark.parametrize("name", STUDIES)
def test_merged_keys_read_the_same_everywhere(name: str) -> None:
    """YAML anchors and merge keys: our loader, Snakemake's and DVC's."""
    from dvc.utils.serialize import load_yaml
    from snakemake.common.configfile import load_configfile

    path = ROOT / f"params/{name}.yaml"
    study = load_study(path)
    assert parse(Study, dict(load_configfile(str(path))), "Snakemake") == study
    assert parse(Study, load_yaml(str(path)), "DVC") == study


def test_a_key_given_twice_is_refused_and_an_overridden_one_is_not(tmp_path: Any) -> None:
    path = tmp_path / "a.yaml"
    text = (ROOT / "params/ablations-small.yaml").read_text()
    path.write_text(text.replace("alpha_max: 75}", "alpha_max: 75, alpha_max: 76}"))
    with pytest.raises(UserError, match="key 'alpha_max' is given twice"):
        load_study(path)
    # `inner` has been merged into `later` before it is built itself, and then holds k twice
    merged = "base: &base {k: 1}\nouter:\n  inner: &inner {<<: *base, k: 2}\nlater: {<<: *inner}\n"
    found = yaml.load(merged, Loader=UniqueKeys)
    assert found["outer"]["inner"] == found["later"] == {"k": 2}


# -- the DVC pipeline of released runs


@pytest.fixture(scope="module")
def writer() -> Any:
    spec = importlib.util.spec_from_file_location("writer", ROOT / "workflow/scripts/write_pipeline.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stages_of(writer: Any, study: Study) -> dict[str, Any]:
    params = f"params/{study.study}.yaml"
    found: dict[str, Any] = writer.Pipeline(StudyFiles(study), params, set()).stages()
    return found


def test_stages_of_released_runs_claim_no_curves(writer: Any) -> None:
    stages = stages_of(writer, load_study(ROOT / "params/released.yaml"))
    names = list(stages)
    assert not any(name.startswith("train-") for name in names)
    assert names.index("import-imagenet-large") < names.index("sample-imagenet-large")
    assert "training.csv" not in str(stages) and "/live" not in str(stages)
    deps = stages["jobs"]["deps"]
    assert {"data/released/imagenet-large.pth", "data/released/imagenet-large.json"} <= set(deps)
    assert stages["import-imagenet-large"]["deps"] == [
        "results/released/jobs/import_released-imagenet-large.json"
    ]
    trained = stages_of(writer, load_study(ROOT / "params/ablations.yaml"))
    assert "train-baseline" in trained and not any(name.startswith("import") for name in trained)


def test_a_study_may_mix_trained_and_released_runs(writer: Any) -> None:
    mixed = yaml.safe_load((ROOT / "params/smoke.yaml").read_text())
    mixed["runs"]["digits"]["released"] = "data/released/digits.pth"
    stages = stages_of(writer, parse(Study, mixed, "here"))
    made = [name for name in stages if name.startswith(("train-", "import-"))]
    assert made == ["import-digits", "train-digits-vae"]
