"""Datasets given as the released code's JSON lists: read like a folder, and what is wrong with them said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sphere_repro.data import lists
from sphere_repro.data.archive import ImageArchive
from sphere_repro.data.dataset import Dataset
from sphere_repro.data.prepare import own_content, planned_content, prepare
from sphere_repro.data.summary import own_count, own_images
from sphere_repro.errors import UserError
from sphere_repro.planning.outside import outside_paths
from sphere_repro.strict import parse
from sphere_repro.study import jobs
from sphere_repro.study.config import Study

PLACE = "set/train.json"
CLASSES = ("cats", "dogs")


def row(index: int, path: str, **changes: Any) -> dict[str, Any]:
    """What the released code keeps of one image."""
    label = index % len(CLASSES)
    known = {"class_id": label, "class_name": CLASSES[label], "image_path": path, "is_absolute_path": False}
    return known | changes


def write(rows: object, place: str = PLACE) -> None:
    Path(place).parent.mkdir(exist_ok=True)
    Path(place).write_text(json.dumps(rows))


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A list of six images below its own folder, in an order that no folder has."""
    monkeypatch.chdir(tmp_path)
    found = []
    for index in (3, 0, 5, 1, 4, 2):
        path = f"{CLASSES[index % 2]}/{index}.png"
        full = Path("set") / path
        full.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * index, np.uint8)).save(full)
        found.append(row(index, path))
    write(found)
    return found


def dataset(**changes: Any) -> Dataset:
    return parse(Dataset, {"list": PLACE, "resolution": 8} | changes, "here")


def archive(found: Dataset) -> ImageArchive:
    prepare(found, Path("out.zip"), state=Path("state"))
    return ImageArchive(Path("out.zip"))


def test_images_and_labels_in_the_lists_order(rows: list[dict[str, Any]]) -> None:
    found = archive(dataset())
    assert [int(found.read(index)[0, 0, 0]) // 40 for index in range(6)] == [3, 0, 5, 1, 4, 2]
    assert found.labels is not None and found.labels.tolist() == [1, 0, 1, 1, 0, 0]
    assert lists.read_list(Path(PLACE)).class_names == CLASSES
    assert found.class_names == CLASSES
    record = json.loads(Path("out.json").read_text())
    assert record["class_names"] == list(CLASSES) and record["class_counts"] == [3, 3]


def test_check_says_what_will_be_trained_on(rows: list[dict[str, Any]]) -> None:
    write(rows[:-1])
    told = "\n".join(own_images([dataset(classes=3)]))
    assert f"5 images of {PLACE}, 3 classes" in told
    assert "class   0  cats  2 images" in told and "class   1  dogs  3 images" in told
    assert "1 of the classes have no image" in told
    assert own_count(dataset()) == own_count(dataset(classes=0)) == 5


def test_broken_pictures_may_be_left_out(rows: list[dict[str, Any]]) -> None:
    Path("set", rows[0]["image_path"]).write_text("<html>")
    with pytest.raises(UserError, match=r"3\.png"):
        archive(dataset())
    found = archive(dataset(on_broken="skip"))
    assert len(found) == 5 and found.labels is not None and found.labels.tolist() == [0, 1, 1, 0, 0]


def test_a_study_leaves_the_rest_to_the_list(rows: list[dict[str, Any]]) -> None:
    found = dataset(resolution=None)
    assert (found.pixels, found.classes, found.source.classes) == (64, 2, 2)
    assert found.name.startswith("train")
    assert archive(dataset(classes=0)).labels is None
    write([{**each, "class_id": 0, "class_name": "all"} for each in rows])
    assert dataset().classes == 0  # one class alone is none


def test_paths_from_elsewhere_and_absolute_ones(rows: list[dict[str, Any]]) -> None:
    expected = archive(dataset()).labels
    write(rows, "lists/train.json")
    with pytest.raises(UserError, match=r"lists 6 images, but 6 of them are not there.*lists/dogs/3\.png"):
        archive(dataset(list="lists/train.json"))
    np.testing.assert_array_equal(archive(dataset(list="lists/train.json", root="set")).labels, expected)
    absolute = [
        each | {"image_path": str(Path("set", each["image_path"]).absolute()), "is_absolute_path": True}
        for each in rows
    ]
    write(absolute, "lists/absolute.json")
    np.testing.assert_array_equal(archive(dataset(list="lists/absolute.json")).labels, expected)
    with pytest.raises(UserError, match="root is for a list"):
        dataset(list=None, name="digits", root="set")
    with pytest.raises(UserError, match="folder and list exclude each other"):
        dataset(folder="set")


def test_another_list_and_another_image_are_another_job(rows: list[dict[str, Any]]) -> None:
    found, state = dataset(), Path("state")
    contents = [own_content(found, state), own_content(found, state)]
    assert contents[0] == contents[1] and contents[0] is not None
    image = Path("set", rows[2]["image_path"])
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(image)
    contents.append(own_content(found, state))
    write(rows[:-1])
    contents.append(own_content(found, state))
    assert len(set(contents)) == 3
    with pytest.raises(UserError, match=rf"images at {PLACE} have changed"):
        prepare(found, Path("out.zip"), state=state, content=contents[0])
    Path("set", rows[0]["image_path"]).unlink()
    with pytest.raises(UserError, match="lists 5 images, but 1 of them are not there"):
        own_content(found, state)


def test_a_clone_without_the_list(rows: list[dict[str, Any]]) -> None:
    found = dataset()
    content = own_content(found, Path("state"))
    prepared = Path("prepared")
    prepared.mkdir()
    record = {"job": jobs.PrepareJob(dataset=found, content=content).model_dump(mode="json")}
    (prepared / f"{found.archive}.json").write_text(json.dumps(record))
    image = Path("set", rows[0]["image_path"])
    for missing in (image, Path(PLACE)):  # a list may be under git and its images not
        missing.unlink()
        assert planned_content(found, prepared) == content


def test_dvc_watches_the_list_and_its_images(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    run = {"dataset": {"list": PLACE, "resolution": 8}, "training": {"epochs": 40}}
    run |= {"loss": {"pix_recon_perceptual": 0, "pix_con_perceptual": 0}}
    study = parse(Study, {"study": "mine", "runs": {"own": run}}, "here")
    assert outside_paths(study) == [PLACE, "set"]
    deep = tmp_path / "set" / "cats"
    assert lists.depends_on(Path(PLACE), None)[1:] == ["set"]
    write([each for each in rows if each["class_id"] == 0])
    assert lists.depends_on(Path(PLACE), None) == [PLACE, deep.relative_to(tmp_path).as_posix()]
    far = [row(0, "/a/x/1.png", is_absolute_path=True), row(1, "/b/y/1.png", is_absolute_path=True)]
    write(far)
    assert lists.depends_on(Path(PLACE), None) == [PLACE, "/a/x", "/b/y"]
    Path(PLACE).unlink()
    assert lists.depends_on(Path(PLACE), None) == [PLACE]


def test_gaps_between_classes(rows: list[dict[str, Any]]) -> None:
    write([each | {"class_id": 7 * each["class_id"]} for each in rows])
    with pytest.raises(UserError, match=r"no image of class 1, 2, 3, 4, 5 and 1 more, but of class 7"):
        dataset()
    assert dataset(classes=8).classes == 8
    assert archive(dataset(classes=8)).labels is not None
    with pytest.raises(UserError, match="images of class 7, but the study says classes: 5"):
        archive(dataset(classes=5))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "lists no image"),
        ({"images": []}, "is no list of images"),
        ([3], r"is no list of images \(0: "),
        ([{"class_id": 0}], r"\(0\.image_path: field required"),
        ([row(0, "a.png"), row(1, "b.png", class_id="1")], r"\(1\.class_id: input should be a valid integer"),
        ([row(0, "a.png", class_id=True)], r"\(0\.class_id"),
        ([row(0, "a.png", class_id=-1)], r"\(0\.class_id"),
        ([row(0, "")], r"\(0\.image_path"),
        ([row(0, "/a.png")], "'/a.png' has is_absolute_path false"),
        ([row(0, "a.png", is_absolute_path=True)], "'a.png' has is_absolute_path true"),
        ([row(0, "a.png"), row(0, "b.png", class_name="lions")], "calls class 0 both 'cats' and 'lions'"),
    ],
)
def test_what_is_no_list(rows: list[dict[str, Any]], content: object, words: str) -> None:
    write(content)
    with pytest.raises(UserError, match=rf"{PLACE}.*{words}"):
        dataset()
    for text in ("", "{", "\x00"):
        Path(PLACE).write_text(text)
        with pytest.raises(UserError, match=r"train\.json is not a readable JSON file"):
            dataset()


def test_a_list_may_leave_out_names_and_flags(rows: list[dict[str, Any]]) -> None:
    write([{key: each[key] for key in ("class_id", "image_path")} for each in rows])
    assert lists.read_list(Path(PLACE)).class_names == ()
    assert archive(dataset()).labels is not None
    assert lists.read_list(Path(PLACE), classes=lists.ANY).class_names == ()
