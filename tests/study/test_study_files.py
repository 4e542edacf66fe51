"""Which files each job of a study reads and makes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from conftest import ROOT
from sphere_repro.study.config import load_study
from sphere_repro.study.files import Outside, StudyFiles
from sphere_repro.study.jobs import as_text
from sphere_repro.study.places import DEFAULT_STUDY, Places, archive_file, record_of, table_files

STUDIES = ["demo", "smoke", "paper", "released", "ablations", "ablations-small", "holes", "holes-small"]


@pytest.fixture(params=STUDIES)
def files(request: pytest.FixtureRequest) -> StudyFiles:
    return StudyFiles(load_study(ROOT / f"params/{request.param}.yaml"))


def read(files: StudyFiles) -> list[tuple[str, str]]:
    """(job, file) for every file that is read."""
    found = []
    for step in files.steps():
        for value in step.reads.values():
            found += [(step.name, path) for path in ([value] if isinstance(value, str) else value)]
    return found


def test_the_default_study_is_there() -> None:
    assert (ROOT / DEFAULT_STUDY).is_file()


def test_each_file_has_one_maker(files: StudyFiles) -> None:
    made = [path for step in files.steps() for path in step.makes]
    assert len(made) == len(set(made))
    names = [step.name for step in files.steps()]
    assert len(names) == len(set(names))
    assert all(Path(name).name == name for name in names)


def test_what_a_job_reads_an_earlier_one_has_made(files: StudyFiles) -> None:
    """In the order of the list; records of downloads alone come from outside."""
    made: set[str] = set()
    for step in files.steps():
        wanted = {path for name, path in read(files) if name == step.name}
        assert {
            path for path in wanted - made if not path.startswith(("data/raw/", "data/pretrained/"))
        } == set(), step.name
        made.update(step.makes)


def test_every_job_says_in_its_record_what_made_it(files: StudyFiles) -> None:
    for step in files.steps():
        assert step.record in step.makes and step.record.endswith(".json")
        assert step.record == record_of(step.makes[0])


def test_what_the_table_names_is_made(files: StudyFiles) -> None:
    made = {path for step in files.steps() for path in step.makes}
    scores = {path for each in files.study.score.extractors for path in files.scores(each).values()}
    assert made >= scores | set(files.made_by())


def test_further_extractors_add_their_own_jobs_alone(files: StudyFiles) -> None:
    few, many = files.steps(["inception"]), files.steps(["inception", "inception-legacy"])
    more = {step.name for step in many} - {step.name for step in few}
    assert len(more) == len(files.archives) + len(files.study.runs)
    assert all(name.startswith(("reference-", "score-")) and "legacy" in name for name in more)


def test_a_pattern_fills_in_to_the_path_of_a_name() -> None:
    places = Places("mine")
    for pattern, wanted in (
        (archive_file("{archive}"), archive_file("cats")),
        (places.sample("{run}", "{set}"), places.sample("big", "prior")),
        (places.reference("{archive}", "{extractor}"), places.reference("cats", "inception")),
        (places.uniformity("{run}"), places.uniformity("big")),
        (record_of(places.model("{run}")), record_of(places.model("big"))),
    ):
        assert pattern.format(archive="cats", run="big", set="prior", extractor="inception") == wanted


def test_studies_never_write_the_same_file() -> None:
    """Prepared archives are shared; tables lie in a folder of each study."""
    made = {}
    for name in STUDIES:
        steps = StudyFiles(load_study(ROOT / f"params/{name}.yaml")).steps()
        made[name] = {path for step in steps for path in step.makes if not path.startswith("data/prepared/")}
    for one, other in itertools.combinations(STUDIES, 2):
        assert made[one] & made[other] == set()
    tables = [set(table_files(Places(name).summary)) for name in STUDIES]
    assert all(one.isdisjoint(other) for one, other in itertools.combinations(tables, 2))
    assert [name for name in STUDIES if Places(name).is_default] == ["demo"]


def test_content_from_outside_is_part_of_the_job() -> None:
    study = load_study(ROOT / "params/released.yaml")
    run = next(iter(study.runs))
    told = StudyFiles(study, Outside(checkpoints={run: "abc"}))
    (step,) = [step for step in told.steps() if step.rule == "import_released" and step.subject == run]
    assert '"content":"abc"' in as_text(step.job)
    archive = study.runs[run].dataset.archive
    told = StudyFiles(study, Outside(images={archive: "def"}))
    (step,) = [step for step in told.steps() if step.rule == "prepare" and step.subject == archive]
    assert '"content":"def"' in as_text(step.job)


def test_runs_by_what_is_done_with_them() -> None:
    files = StudyFiles(load_study(ROOT / "params/demo.yaml"))
    assert files.trained == [*files.study.runs] and files.imported == []
    assert files.spheres == files.judged == files.paired == ["digits", "photo-patches"]
    assert files.encoded == [*files.study.runs]
    assert files.compared == {"digits": "digits-vae", "photo-patches": "photo-patches-vae"}
    assert files.judged_images == [*files.judged, *files.compared.values()]
    ablations = StudyFiles(load_study(ROOT / "params/ablations-small.yaml"))
    assert ablations.judged == ablations.encoded == ["baseline"]
    assert ablations.paired == ablations.judged_images == [] and ablations.compared == {}
    released = StudyFiles(load_study(ROOT / "params/released.yaml"))
    assert released.trained == [] and released.imported == [*released.study.runs]
