"""The catalogue of figures: what each one reads is made, drawn and shown."""

from __future__ import annotations

import importlib
import json

import pytest

from conftest import ROOT
from sphere_repro.errors import UserError
from sphere_repro.study import catalogue
from sphere_repro.study.config import Study, load_study
from sphere_repro.study.files import StudyFiles

STUDIES = ["demo", "smoke", "paper", "released", "ablations", "ablations-small", "gallery"]


@pytest.fixture(params=STUDIES)
def files(request: pytest.FixtureRequest) -> StudyFiles:
    return StudyFiles(load_study(ROOT / f"params/{request.param}.yaml"))


@pytest.mark.parametrize("kind", catalogue.KINDS)
def test_a_kind_is_a_row_a_module_and_a_notebook(kind: str) -> None:
    module = importlib.import_module(f"sphere_repro.figures.{kind.replace('-', '_')}")
    assert callable(module.figure) and callable(module.numbers)
    assert (ROOT / f"notebooks/{kind}.ipynb").is_file()
    assert catalogue.KINDS[kind].caption.endswith(".")
    assert callable(getattr(module, "page", None)) == catalogue.KINDS[kind].page


def test_no_module_or_notebook_is_without_a_row() -> None:
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    modules = {path.stem for path in (ROOT / "src/sphere_repro/figures").glob("*.py")}
    kinds = {*catalogue.KINDS}
    assert notebooks == kinds
    assert modules - {"__init__", "draw", "notebook", "style"} == {kind.replace("-", "_") for kind in kinds}


def test_what_a_figure_reads_some_job_makes(files: StudyFiles) -> None:
    made = {path for step in files.steps() for path in step.makes}
    for figure in catalogue.figures(files).values():
        assert figure.inputs and set(figure.inputs.values()) <= {*made, catalogue.RIVALS}, figure.name


def test_names_tell_figures_apart(files: StudyFiles) -> None:
    found = catalogue.figures(files)
    assert [figure.name for figure in found.values()] == [*found]
    everything = {(figure.kind, figure.subject) for figure in found.values()}
    assert len(everything) == len(found)


def test_a_study_has_the_figures_that_it_asks_for() -> None:
    study = load_study(ROOT / "params/demo.yaml")
    kinds = ("samples", "samples-curated", "posterior-hole", "uniformity", "globes", "spherification")
    of_runs = [f"{kind}-{run}" for kind in kinds for run in ("digits", "photo-patches")]
    of_runs.remove("samples-curated-photo-patches")  # there are no classes
    found = [*catalogue.wanted(StudyFiles(study))]
    image_sets = ("conditional-manipulation", "crossover", "interpolation", "foreign-reconstructions")
    shown = [f"{kind}-{run}" for kind in image_sets for run in ("digits", "photo-patches")]
    refined = [f"refinement-{run}" for run in ("digits", "photo-patches")]
    shown += [f"memorisation-{run}" for run in ("digits", "photo-patches")]
    assert found == [*of_runs, "distance-by-steps", *refined, "training-curves", *shown, "cost"]
    fewer = study.model_copy(update={"figures": ("training-curves",)})
    assert catalogue.figure_files(StudyFiles(fewer), "here") == ["here/figures/training-curves.png"]
    assert catalogue.notebook_files(StudyFiles(fewer), "here") == ["here/notebooks/training-curves.ipynb"]
    assert catalogue.page_files(StudyFiles(fewer), "here") == []
    pages = ["here/pages/globes-digits.html", "here/pages/globes-photo-patches.html"]
    assert catalogue.page_files(StudyFiles(study), "here") == pages


def test_nothing_is_drawn_of_what_is_not_there() -> None:
    """No curves of models that were not trained, no hole beside a run without a baseline."""
    kinds = {
        figure.kind
        for figure in catalogue.figures(StudyFiles(load_study(ROOT / "params/released.yaml"))).values()
    }
    assert "training-curves" not in kinds and "posterior-hole" not in kinds


def test_image_sets_are_drawn_where_they_are_and_beside_the_baselines() -> None:
    files = StudyFiles(load_study(ROOT / "params/demo.yaml"))
    found = catalogue.figures(files)
    sphere, vae = (files.places.images_record(run) for run in ("digits", "digits-vae"))
    assert found["crossover-digits"].inputs == {"images": sphere}
    assert found["foreign-reconstructions-digits"].inputs == {"images": sphere, "baseline": vae}
    assert "foreign-reconstructions-digits-vae" not in found
    image_sets = ("conditional-manipulation", "crossover", "interpolation", "foreign-reconstructions")
    without = catalogue.figures(StudyFiles(load_study(ROOT / "params/ablations.yaml")))
    assert not [figure for figure in without.values() if figure.kind in image_sets]


def test_curated_are_the_generated_sets_of_runs_with_classes() -> None:
    files = StudyFiles(load_study(ROOT / "params/demo.yaml"))
    found = catalogue.figures(files)["samples-curated-digits"]
    generated = [name for name in files.sets("digits") if name.startswith("generation")]
    assert [*found.inputs] == [*generated, "scores"]
    assert found.inputs["scores"] == files.scores()["digits"]
    run = files.study.runs["digits"]
    free = run.model.model_copy(update={"conditional": False})
    assert free.architecture(run.dataset).classes == 0
    unconditional = run.model_copy(update={"model": free})
    unconditional.__dict__.pop("architecture")  # a copy keeps what was computed
    runs = files.study.runs | {"digits": unconditional}
    bare = catalogue.figures(StudyFiles(files.study.model_copy(update={"runs": runs})))
    assert not [name for name in bare if name.startswith("samples-curated")] and "samples-digits" in bare


def test_spherification_is_of_runs_with_noise() -> None:
    study = load_study(ROOT / "params/demo.yaml")
    still = study.runs["digits"].model_copy(
        update={"loss": study.runs["digits"].loss.model_copy(update={"alpha_max": 0.0})}
    )
    files = StudyFiles(study.model_copy(update={"runs": study.runs | {"digits": still}}))
    assert files.judged == ["digits", "photo-patches"] and files.noised == ["photo-patches"]
    found = [name for name in catalogue.figures(files) if name.startswith("spherification")]
    assert found == ["spherification-photo-patches"]


def test_a_notebook_is_run_with_what_its_figure_reads(files: StudyFiles) -> None:
    for figure in catalogue.figures(files).values():
        told = json.loads(figure.parameters)
        assert told == {"subject": figure.subject, "inputs": dict(figure.inputs)}
        assert [*told["inputs"]] == [*figure.inputs]  # colours go by this order


def test_usual_figures_are_the_default() -> None:
    usual = tuple(name for name, kind in catalogue.KINDS.items() if kind.usual)
    assert Study.model_fields["figures"].default == usual and "ablations" not in usual


def test_an_unknown_figure_names_the_nearest(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = (ROOT / "params/smoke.yaml").read_text() + "\nfigures: [sample]\n"
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(UserError, match=r"figures.*'sample'; did you mean 'samples'\?|given twice"):
        load_study(tmp_path / "a.yaml")
