"""What is recorded beside a result: hashes that move with content and with nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from sphere_repro.machine import notes
from sphere_repro.provenance import code, record
from sphere_repro.provenance.code import code_hash
from sphere_repro.provenance.hashes import file_hash, value_hash
from sphere_repro.provenance.machine import machine
from sphere_repro.provenance.record import PACKAGES, commit, interpreter, provenance_of, versions


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small package in a fresh checkout, in place of the real one."""
    source = tmp_path / "src" / "package"
    (source / "data").mkdir(parents=True)
    (source / "config.py").write_text("a = 1\n")
    (source / "data" / "archive.py").write_text("b = 2\n")
    monkeypatch.setattr(code, "SOURCE", source)
    monkeypatch.setattr(record, "SOURCE", source)
    forget()
    yield source
    forget()


def forget() -> None:
    code_hash.cache_clear()
    commit.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# -- hashes


@pytest.mark.parametrize("content", [b"", b"abc", bytes(range(256)) * 5000])
def test_file_hash(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert file_hash(tmp_path / "a") == hashlib.sha256(content).hexdigest()


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=6))
def test_value_hash_does_not_depend_on_the_order(value: dict[str, object]) -> None:
    turned = dict(reversed(value.items()))
    assert value_hash(value) == value_hash(turned)
    assert len(value_hash(value)) == 64
    assert value_hash({**value, "new key": 1}) != value_hash(value)


def test_value_hash_keeps_values_and_keys_apart() -> None:
    assert value_hash({"a": 1, "b": 2}) != value_hash({"a": 2, "b": 1})
    assert value_hash([1, 2]) != value_hash([2, 1])
    assert value_hash(1) != value_hash("1")


def test_code_hash_moves_with_its_modules_only(package: Path) -> None:
    everything, data, settings = code_hash(), code_hash("data"), code_hash("config")
    assert len({everything, data, settings}) == 3
    (package / "config.py").write_text("a = 2\n")
    forget()
    assert code_hash("data") == data
    assert code_hash("config") != settings
    assert code_hash() != everything


def test_code_hash_sees_a_renamed_module(package: Path) -> None:
    before = code_hash()
    (package / "config.py").rename(package / "settings.py")
    forget()
    assert code_hash() != before


def test_code_hash_of_the_real_package() -> None:
    assert code_hash("data") == code_hash("data")
    assert code_hash("data") != code_hash("study")


def test_code_hash_of_no_module(package: Path) -> None:
    with pytest.raises(ValueError, match="dta"):
        code_hash("dta")


# -- commit


def nothing(why: str) -> dict[str, str | None]:
    return {"commit": None, "dirty": None, "unknown": why}


def test_outside_a_checkout(package: Path) -> None:
    assert commit() == nothing("the package lies in no git checkout of its own")


def test_without_git(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(package, "init", "-q", str(package.parents[1]))
    monkeypatch.setenv("PATH", "")
    assert commit() == nothing("git is not installed")


def test_somebody_elses_repository_around_the_package(package: Path) -> None:
    """An environment inside another project: its commit says nothing of the package."""
    root = package.parents[1]
    (root / ".gitignore").write_text("src/\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "another project")
    assert commit() == nothing("the package lies in no git checkout of its own")


def test_a_checkout_without_a_commit(package: Path) -> None:
    root = package.parents[1]
    git(root, "init", "-q")
    git(root, "add", ".")
    assert commit() == nothing("the checkout has no commit yet")


def test_inside_a_hook_of_another_repository(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, root = tmp_path / "other", package.parents[1]
    for folder in (other, root):
        git(tmp_path, "init", "-q", str(folder))
        (folder / "a.txt").write_text(folder.name)
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "first")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    found = commit()["commit"]
    monkeypatch.delenv("GIT_DIR")
    assert found == git(root, "rev-parse", "HEAD")


def test_a_git_that_does_not_answer_leaves_nothing_clean(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = package.parents[1]
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    real = subprocess.run

    def slow(command: list[str], **options: object) -> object:
        if "status" in command:
            raise subprocess.TimeoutExpired(command, 20)
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(record.subprocess, "run", slow)
    found = commit()
    assert found["commit"] and found["dirty"] is None
    assert found["unknown"] == "git did not answer within 20 seconds"


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a checkout away")
def test_a_checkout_of_another_user_says_why_and_how_to_mend_it(
    package: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(notes.SAID, raising=False)
    root = package.parents[1]
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    head = git(root, "rev-parse", "HEAD")
    for path in (root, root / ".git"):
        os.chown(path, 65534, 65534)
    for _ in range(2):
        found = commit()
        forget()
    assert found["commit"] is None and found["dirty"] is None
    assert "belongs to another user" in found["unknown"] and "safe.directory" in found["unknown"]
    assert str(root) not in found["unknown"]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    # what it says is all there is to do
    mend = shlex.split(said.split("Say once: ")[1])
    monkeypatch.setenv("HOME", str(root))
    subprocess.run(mend, check=True)
    assert commit() == {"commit": head, "dirty": False}


def test_clean_checkout(package: Path) -> None:
    root = package.parents[1]
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    assert commit() == {"commit": git(root, "rev-parse", "HEAD"), "dirty": False}
    (root / "results").mkdir()
    (root / "results" / "a.json").write_text("{}")
    forget()
    assert commit()["dirty"] is False


@pytest.mark.parametrize("name", ["src/package/config.py", "params/demo.yaml", "Snakefile"])
def test_changed_checkout(package: Path, name: str) -> None:
    root = package.parents[1]
    (root / "params").mkdir()
    (root / "params" / "demo.yaml").write_text("study: demo\n")
    (root / "Snakefile").write_text("rule all:\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    (root / name).write_text("changed\n")
    assert commit()["dirty"] is True


# -- the record


def test_versions() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert set(found) == {"python", *PACKAGES}
    assert found["numpy"] != "not installed"


def test_the_machine_below_the_packages() -> None:
    import torch

    found = machine()
    assert found["processor"] and found["system"].startswith(platform.system())
    assert found["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert found["threads"] == torch.get_num_threads()
    assert json.loads(json.dumps(found)) == found


def test_a_gpu_is_named_with_its_driver_and_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)
    monkeypatch.setattr("sphere_repro.provenance.machine._driver", lambda: "570.1")
    found = machine()
    assert (found["gpu"], found["driver"]) == ("NVIDIA H100", "570.1")
    assert set(found["tf32"]) == {"products", "convolutions"} and {"cuda", "cudnn"} <= found.keys()


def test_who_does_not_use_torch_does_not_load_it_for_a_record() -> None:
    code = (
        "import sys; from sphere_repro.provenance.record import provenance_of\n"
        "made = provenance_of({}, inputs={}, code=('seeds.py',))\n"
        "assert made['machine']['processor'] and 'threads' not in made['machine']\n"
        "assert 'torch' not in sys.modules"
    )
    source = str(Path(record.__file__).resolve().parents[2])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": source}, check=True)


def test_a_result_trained_by_two_codes_says_so(tmp_path: Path) -> None:
    from sphere_repro.provenance.explain import trace

    today = {"modules": ["seeds.py"], "sha256": code_hash("seeds.py"), "commit": None, "dirty": None}
    pieces = [{"from_step": 0, "code": {"sha256": "0" * 64}}, {"from_step": 70, "code": today}]
    (tmp_path / "a.json").write_text(json.dumps({"code": today, "segments": pieces}))
    changes = trace(tmp_path / "a.json")["changes"]
    assert changes == ["steps from 70 on were trained by other code than those before"]


def test_versions_of_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "PACKAGES", ("no-such-package-here",))
    assert versions()["no-such-package-here"] == "not installed"


def test_the_interpreter_of_a_virtual_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python3.11"))
    found = interpreter()
    assert found["path"] == "bin/python3.11" and found["environment"] == "venv"
    (tmp_path / "conda-meta").mkdir()
    assert interpreter()["environment"] == "conda"
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert interpreter()["path"] == "python3.11" and interpreter()["environment"] == "system"


def test_packages_from_outside_of_the_environment_are_named(tmp_path: Path) -> None:
    """In a process of its own: a pillow of the user's lies where Python looks first."""
    assert interpreter()["outside"] == []
    about = tmp_path / "pillow-1.2.3.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pillow\nVersion: 1.2.3\n")
    code = (
        "import json; from sphere_repro.provenance.record import interpreter, versions; "
        "print(json.dumps([versions()['pillow'], interpreter()]))"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, check=True
    )
    assert sys.prefix == sys.base_prefix or b"pillow: from outside of the environment" in done.stderr
    version, found = json.loads(done.stdout)
    assert version == "1.2.3" and found["outside"] == ["pillow"]


def test_record_is_complete_and_json(tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(b"abc")
    made = provenance_of(
        {"epochs": 3}, inputs={"data": tmp_path / "in.zip"}, code=("data",), device="cuda:0", seconds=1.5
    )
    assert json.loads(json.dumps(made)) == made
    assert made["parameters"] == {"epochs": 3}
    assert made["inputs"] == {
        "data": {"path": str(tmp_path / "in.zip"), "sha256": hashlib.sha256(b"abc").hexdigest()}
    }
    assert made["device"] == "cuda:0" and made["seconds"] == 1.5
    assert made["code"]["modules"] == ["data"] and made["code"]["sha256"] == code_hash("data")
    assert {"commit", "dirty"} < set(made["code"])
    assert made["versions"] == versions()
    assert made["interpreter"] == interpreter()
    assert made["machine"] == machine()


def test_record_of_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        provenance_of({}, inputs={"data": tmp_path / "none"})


def test_the_same_job_gives_the_same_record(tmp_path: Path) -> None:
    (tmp_path / "in.zip").write_bytes(b"abc")
    inputs = {"data": tmp_path / "in.zip"}
    assert provenance_of({"a": 1}, inputs=inputs) == provenance_of({"a": 1}, inputs=inputs)
