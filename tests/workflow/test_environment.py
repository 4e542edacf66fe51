"""requirements.lock, environment.yml and pyproject.toml say the same; generated files are up to date."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import ROOT, environment

LOCK = [
    line
    for line in (ROOT / "requirements.lock").read_text().splitlines()
    if line.strip() and not line.startswith("#")
]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "workflow" / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_pins_exactly_and_names_no_index():
    for line in LOCK:
        requirement = Requirement(line)
        assert [item.operator for item in requirement.specifier] == ["=="], line
        assert requirement.url is None
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_every_requirement_is_in_the_lock_and_satisfied_by_it():
    pins = {}
    for line in LOCK:
        requirement = Requirement(line)
        version = next(iter(requirement.specifier)).version
        pins.setdefault(canonicalize_name(requirement.name), []).append(version)
    wanted = [
        *PYPROJECT["build-system"]["requires"],  # the package is installed without fetching anything else
        *PROJECT["dependencies"],
        *(r for group in PROJECT["optional-dependencies"].values() for r in group),
    ]
    for text in wanted:
        requirement = Requirement(text)
        versions = pins.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement.name} is not in requirements.lock: run make lock"
        assert all(requirement.specifier.contains(version) for version in versions), text


def test_environment_is_what_the_lock_says():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    python, pip, packages = environment["dependencies"]
    assert pip == "pip"
    assert python == "python=" + re.search(r">=(\d+\.\d+)", PROJECT["requires-python"]).group(1)
    assert packages["pip"] == LOCK
    assert not any("-r" in line.split() or "-e" in line.split() for line in packages["pip"])
    written = script("write_environment").environment(
        (ROOT / "requirements.lock").read_text(), (ROOT / "pyproject.toml").read_text()
    )
    assert (ROOT / "environment.yml").read_text() == written


def test_the_command_is_installed_and_runs_anywhere(tmp_path):
    """`make env` puts sphere-repro beside the interpreter; the package named by PYTHONPATH goes before it."""
    command = str(Path(sys.executable).with_name("sphere-repro"))
    bare = environment()
    del bare["PYTHONPATH"]
    assert _printed(command, tmp_path, bare).startswith("sphere-repro ")
    other = tmp_path / "src" / "sphere_repro"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("")
    (other / "cli.py").write_text("def main():\n    print('of another checkout')\n")
    assert _printed(command, tmp_path, environment()) == "of another checkout\n"


def _printed(command, folder, variables):
    done = subprocess.run(
        [command, "--version"], cwd=folder, env=variables, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_parameter_ledger_and_schema_are_up_to_date():
    writer = script("write_parameters")
    assert (ROOT / "params" / "schema.json").read_text() == writer.schema(), "run make parameters"
    assert (ROOT / "params" / "README.md").read_text() == writer.ledger(), "run make parameters"


@pytest.mark.parametrize(
    "package", ["torch", "torchvision", "snakemake", "dvc", "clean-fid", "matplotlib", "seaborn"]
)
def test_the_packages_asked_for_are_there(package):
    assert any(canonicalize_name(Requirement(line).name) == package for line in LOCK)


def test_the_package_imports_neither_snakemake_nor_dvc():
    pattern = re.compile(r"^\s*(from|import)\s+(snakemake|dvc)\b", re.MULTILINE)
    found = [path for path in (ROOT / "src").rglob("*.py") if pattern.search(path.read_text())]
    assert found == []


def test_dvclive_is_loaded_by_those_who_ask_for_live_curves_alone():
    """It brings DVC along, which a bare GPU machine need not have."""
    pattern = re.compile(r"^\s*(from|import)\s+dvclive\b", re.MULTILINE)
    found = [path.name for path in (ROOT / "src").rglob("*.py") if pattern.search(path.read_text())]
    assert found == ["live.py"]
    modules = "sphere_repro.training.live, sphere_repro.training.loop"
    code = f"import sys, {modules}; sys.exit('dvc' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=False).returncode == 0
    )
