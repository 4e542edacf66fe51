"""A figure's notebook, run by papermill; the figure's files are of the figure that it shows.

So what is imported and drawn is imported and drawn once; several notebooks may share a kernel, and with it
the imports. Needs the packages of the workflow (papermill).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sphere_repro.errors import UserError
from sphere_repro.machine.files import atomic_output

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

KERNEL = "python3"
# After the notebook's own cells, in the same kernel; no part of the notebook that is kept. The next notebook
# finds no name and no count of this one, as in a new kernel.
_SAVE = """\
from pathlib import Path
from sphere_repro.figures.draw import write
write({kind!r}, inputs, figure, Path({out!r}))
get_ipython().reset()
"""


@contextmanager
def one_kernel() -> Iterator[AsyncKernelManager]:
    """A kernel for several notebooks, one after another; it starts with the first and ends with this.

    Raises:
        UserError: there is no papermill.
    """
    _papermill()
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync

    kernel = AsyncKernelManager(kernel_name=KERNEL)
    try:
        yield kernel
    finally:
        run_sync(kernel.shutdown_kernel)(now=True)


def run(
    kind: str,
    inputs: Mapping[str, Path],
    subject: str,
    out: Path,
    notebook: tuple[Path, Path],
    kernel: AsyncKernelManager | None = None,
) -> None:
    """Run the notebook of a figure, and write the figure's files as `draw.write` does.

    Args:
        kind: e.g. samples.
        inputs: result files by the names that the catalogue gives them; the notebook's parameter `inputs`.
        subject: what the title names, e.g. the run; the notebook's parameter `subject`.
        out: the PNG to write.
        notebook: the source, whose variable `figure` is drawn into `out`, and the executed one to write.
        kernel: of `one_kernel`; without one the notebook has a kernel of its own.

    Raises:
        UserError: the source is missing or no notebook, an input is missing or broken, or there is no
            papermill.
    """
    source, executed = notebook
    content = _read(source)
    parameters = {"subject": subject, "inputs": {name: str(path) for name, path in inputs.items()}}
    content["cells"].append(_saving(kind, out))
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, source.name), Path(folder, "executed.ipynb")
        given.write_text(json.dumps(content), encoding="utf-8")
        _execute(given, made, parameters, kernel)
        found = json.loads(made.read_text(encoding="utf-8"))
    found["cells"].pop()
    found["metadata"]["papermill"] |= {"input_path": str(source), "output_path": str(executed)}
    with atomic_output(executed) as temporary:
        temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _execute(given: Path, made: Path, parameters: dict[str, Any], kernel: AsyncKernelManager | None) -> None:
    """Run a notebook here, so that relative paths are the caller's.

    Raises:
        UserError: the notebook has raised one.
        papermill.exceptions.PapermillExecutionError: it has raised something else, with its traceback.
    """
    papermill = _papermill()
    try:
        papermill.execute_notebook(
            given,
            made,
            parameters,
            kernel_name=KERNEL,
            km=kernel,
            progress_bar=False,
            log_output=False,
            cwd=os.curdir,
        )
    except papermill.exceptions.PapermillExecutionError as error:
        if error.ename == UserError.__name__:
            raise UserError(error.evalue) from None
        raise


def _papermill() -> ModuleType:
    """The package, whose import takes longer than many a figure.

    Raises:
        UserError: it is not installed.
    """
    try:
        import papermill
    except ImportError as error:
        raise UserError(
            "A figure's notebook is run by papermill, which is not installed. Leave out --notebook, or use "
            "the environment of make env."
        ) from error
    found: ModuleType = papermill
    return found


def _read(source: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
        _ = content["cells"][-1]["id"], content["nbformat"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{source} is no notebook that can be run ({error!r}). Restore it with git checkout {source}."
        ) from error
    return content


def _saving(kind: str, out: Path) -> dict[str, Any]:
    source = _SAVE.format(kind=kind, out=str(out))
    return {
        "cell_type": "code", "id": "save", "metadata": {}, "execution_count": None, "outputs": [],
        "source": source,
    }  # fmt: skip
