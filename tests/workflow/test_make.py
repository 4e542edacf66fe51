"""make and make_env.sh: without pip, without GPUs, with the user's own packages about, in odd places."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from odd import NOWHERE, SCRIPTS, plain, program

# -- the environment


class Bench:
    """A place to make environments in: an interpreter and a `uv` that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.env = folder, folder / "env"
        self.calls = folder / "calls"
        self.calls.touch()
        shutil.copy(ROOT / "requirements.lock", folder)
        (folder / "without" / "ensurepip").mkdir(parents=True)
        (folder / "without" / "ensurepip" / "__init__.py").write_text(
            "raise ImportError('as Debian has it')\n"
        )

    def interpreter(self, *, ensurepip: bool) -> Path:
        search = "" if ensurepip else f"export PYTHONPATH='{self.folder}/without'"
        return program(self.folder / f"python-{ensurepip}", search, f'exec {sys.executable} "$@"')

    def uv(self) -> None:
        """Put a `uv` on the PATH."""
        program(
            self.folder / "bin" / "uv",
            f'printf "%s " "$@" "site:$PYTHONNOUSERSITE" >> "{self.calls}"; echo >> "{self.calls}"',
            f'if [ "${{@: -1}}" = - ]; then cat > "{self.folder}/stdin"; fi',
        )

    def make(self, *arguments: str, ensurepip: bool = True) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "PYTHON": str(self.interpreter(ensurepip=ensurepip)),
            "HOME": str(self.folder),
        }
        return subprocess.run(
            ["bash", str(SCRIPTS / "make_env.sh"), str(self.env), "requirements.lock", *arguments],
            cwd=self.folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )

    def uv_calls(self) -> list[str]:
        """The calls that install what is pinned."""
        return [line for line in self.calls.read_text().splitlines() if "--requirement" in line]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_without_ensurepip_every_call_says_the_same(bench: Bench) -> None:
    """The first one used to leave half an environment behind, and the second one to trip over it."""
    said = set()
    for _ in range(2):
        done = bench.make(ensurepip=False)
        assert done.returncode == 2 and done.stdout == ""
        said.add(done.stderr)
        assert not bench.env.exists()
    assert len(said) == 1
    (sentence,) = said
    assert sentence.count("\n") == 1 and "has no ensurepip" in sentence
    assert "python3-venv" in sentence and "uv" in sentence and "PYTHON=" in sentence


def test_half_an_environment_of_an_earlier_make_is_made_anew(bench: Bench) -> None:
    """What `python -m venv` leaves behind where ensurepip fails: an interpreter and no pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bench.env)], check=True)
    done = bench.make(ensurepip=False)
    assert done.returncode == 2 and "has no ensurepip" in done.stderr
    assert "No module named" not in done.stderr


def test_where_there_is_uv_no_pip_is_needed(bench: Bench) -> None:
    bench.uv()
    done = bench.make(ensurepip=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (bench.env / "bin" / "python").exists()
    (call,) = bench.uv_calls()
    assert f"--python {bench.env}/bin/python" in call and "--requirement requirements.lock" in call
    assert "site:1" in call, "uv and pip must not see ~/.local"


def test_a_folder_of_other_things_is_never_removed(bench: Bench) -> None:
    bench.uv()
    bench.env.mkdir()
    (bench.env / "thesis.tex").write_text("years of work")
    done = bench.make()
    assert done.returncode == 2 and "no environment" in done.stderr and "ENV=" in done.stderr
    assert (bench.env / "thesis.tex").read_text() == "years of work"


def test_another_build_of_torch_comes_without_the_libraries_of_gpus(bench: Bench) -> None:
    bench.uv()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bench.env)], check=True)
    (bench.env / "left.txt").touch()
    assert bench.make("cpu").returncode == 0
    assert not (bench.env / "left.txt").exists(), "an environment of another build is made anew"
    (call,) = bench.uv_calls()
    assert "--torch-backend cpu --requirement -" in call
    pins = (bench.folder / "stdin").read_text().splitlines()
    lock = (bench.folder / "requirements.lock").read_text().splitlines()
    left_out = {line.split("==")[0] for line in lock} - {line.split("==")[0] for line in pins}
    assert {"nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-nccl-cu13", "triton", "cuda-toolkit"} <= left_out
    assert all(name.startswith(("nvidia-", "cuda-", "triton")) for name in left_out)
    assert not {"torch", "torchvision", "nvidia-ml-py"} & left_out, "the last one only reads a driver"
    (bench.env / "left.txt").touch()
    assert bench.make("cpu").returncode == 0
    assert (bench.env / "left.txt").exists(), "the same build again only brings it up to date"


def test_an_active_conda_environment_is_filled_and_not_replaced(bench: Bench) -> None:
    bench.uv()
    (bench.env / "conda-meta").mkdir(parents=True)
    program(bench.env / "bin" / "python", f'exec {sys.executable} "$@"')
    assert bench.make("cpu").returncode == 0
    assert (bench.env / "conda-meta").is_dir() and not (bench.env / "pyvenv.cfg").exists()
    assert len(bench.uv_calls()) == 1


def test_every_pin_that_only_a_gpu_needs_is_known() -> None:
    """A new release of torch may bring a library with another name, which TORCH=cpu would then install."""
    lock = [line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()]
    gpu = [name for name in lock if name.startswith(("nvidia", "cuda", "cu1", "triton", "pytorch-triton"))]
    pattern = next(
        line.split("'")[1]
        for line in (SCRIPTS / "make_env.sh").read_text().splitlines()
        if line.strip().startswith("grep -vE")
    )
    found = subprocess.run(
        ["grep", "-E", pattern], input="\n".join(gpu), capture_output=True, text=True, check=True
    )
    assert set(gpu) - set(found.stdout.split()) == {"nvidia-ml-py"}


# -- make


@pytest.fixture
def odd_checkout(tmp_path: Path) -> Path:
    """A checkout whose path has spaces, braces and a quote; its environment only writes down calls."""
    folder = tmp_path / "my {odd} check'out"
    shutil.copytree(SCRIPTS, folder / "workflow" / "scripts")
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    lines = [
        'printf "%s\\n" "$@" "" >> called',
        'printf "%s\\n" "$PYTHONNOUSERSITE" "$PYTHONPATH" "${HOME}" "${UV_CACHE_DIR:-}" > variables',
        'case "$1" in *print_place.py) echo "a place of $2" ;; esac',
    ]
    program(folder / ".venv" / "bin" / "python", *lines)
    (folder / ".venv" / ".ready").touch()
    return folder


def make(folder: Path, *arguments: str, **variables: str) -> list[str]:
    """Run make; return what it has called, an empty line after each, without the environment's own making."""
    (folder / "called").unlink(missing_ok=True)
    done = subprocess.run(
        ["make", "-o", ".venv/.ready", *arguments],
        cwd=folder,
        env=plain(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (folder / "called").read_text().splitlines()


@pytest.mark.parametrize(
    "study", ["params/my study.yaml", "params/it's.yaml", "params/demo.yaml", "a $b;c.yaml"]
)
def test_a_study_may_have_any_name(odd_checkout: Path, study: str) -> None:
    given = f"STUDY={study.replace('$', '$$')}"
    ran = ["workflow/scripts/run.py", "--configfile", study, "--cores", "all", ""]
    assert make(odd_checkout, "demo", given) == [*ran, "workflow/scripts/tell_verdict.py", study, ""]
    assert make(odd_checkout, "pipeline", given) == ["workflow/scripts/write_pipeline.py", study, ""]
    assert make(odd_checkout, "reference", given) == ["workflow/scripts/keep_reference.py", study, ""]


@pytest.mark.parametrize("study", ["params/it's mine.yaml", "params/demo.yaml"])
def test_a_report_names_the_study_where_it_is_not_the_default(odd_checkout: Path, study: str) -> None:
    program(odd_checkout / ".venv/bin/sphere-repro", 'printf "%s\\n" "$@" >> overview')
    called = make(odd_checkout, "report", f"STUDY={study}")
    place = f"a place of {study}"
    assert called[-3:] == ["--report", f"{place}/report.html", ""]
    named = [] if study == "params/demo.yaml" else ["--configfile", study]
    assert (odd_checkout / "overview").read_text().splitlines() == ["overview", place, *named]


def test_make_leaves_the_users_own_packages_out(odd_checkout: Path) -> None:
    make(odd_checkout, "demo")
    no_site, search, _, cache = (odd_checkout / "variables").read_text().splitlines()
    assert no_site == "1" and search == f"{odd_checkout}/src" and cache == ""


def test_make_without_a_home(odd_checkout: Path) -> None:
    make(odd_checkout, "demo", HOME=NOWHERE)
    _, _, home, cache = (odd_checkout / "variables").read_text().splitlines()
    assert home == f"{odd_checkout}/.state/home" and cache.startswith(home)


def test_make_passes_the_status_on(odd_checkout: Path) -> None:
    program(odd_checkout / ".venv" / "bin" / "python", "exit 7")
    done = subprocess.run(
        ["make", "-o", ".venv/.ready", "demo"],
        cwd=odd_checkout,
        env=plain(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2 and b"Error 7" in done.stderr


@pytest.mark.parametrize(
    ("made_with", "asked", "build"),
    [
        (None, [], None),
        (None, ["TORCH=cpu"], "cpu"),
        ("cpu", [], None),
        ("cpu", ["TORCH=cpu"], None),
        ("cpu", ["TORCH=default"], "default"),
    ],
)
def test_make_remembers_the_build_of_torch(
    odd_checkout: Path, made_with: str | None, asked: list[str], build: str | None
) -> None:
    if made_with:
        (odd_checkout / ".venv" / "torch.txt").write_text(f"{made_with}\n")
    done = subprocess.run(
        ["make", "-n", "env", *asked],
        cwd=odd_checkout,
        env=plain(),
        capture_output=True,
        text=True,
        check=True,
    )
    called = [line.split()[-1] for line in done.stdout.splitlines() if "make_env.sh" in line]
    assert called == ([build] if build else [])
