"""Executes the notebooks and stores their outputs: the only way outputs get into the book.

Everything that could make two executions differ is pinned: the interpreter, the folder, the threads, the
back end of matplotlib, and the metadata that front ends scatter over a notebook. A notebook that raises keeps
its old file.

Usage: ``python book/tools/execute_notebooks.py`` executes all; with names, ``... pooling resnet``, those.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"

# The Makefile gives nbval the same: a sum's last digits depend on how many threads share it.
THREADS = "2"
CELL_TIMEOUT_S = 300
SLOW_CELL_S = 30.0
SLOW_NOTEBOOK_S = 90.0

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
# No version: it changes with every patch release. The lexer is the one that knows IPython's magics.
LANGUAGE_INFO = {"name": "python", "pygments_lexer": "ipython3"}
FRONT_END_KEYS = {"accelerator", "colab", "execution", "interpreter", "papermill", "toc", "vscode", "widgets"}
CELL_STATE_KEYS = {"collapsed", "scrolled", "trusted", "execution", "ExecuteTime", "executionInfo"} | {
    "colab",
    "id",
    "outputId",
    "papermill",
    "vscode",
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class NotebookError(Exception):
    """A cell failed; the message names notebook, cell and error."""


@dataclass(frozen=True)
class Report:
    """What one execution found: its times, and whether the file changed."""

    page: str
    seconds: float
    slowest_cell: int
    slowest_s: float
    changed: bool

    def lines(self) -> list[str]:
        """One line, and one more for each limit that was passed."""
        state = "written" if self.changed else "unchanged"
        slowest = f"slowest cell {self.slowest_cell}: {self.slowest_s:.1f} s"
        lines = [f"{self.page}: {self.seconds:.1f} s, {slowest}; {state}"]
        if self.slowest_s > SLOW_CELL_S:
            lines.append(
                f"  warning: cell {self.slowest_cell} took more than {SLOW_CELL_S:.0f} s: move long runs to "
                "benchmarks/experiments"
            )
        if self.seconds > SLOW_NOTEBOOK_S:
            lines.append(f"  warning: the notebook took more than {SLOW_NOTEBOOK_S:.0f} s")
        return lines


def select_pages(names: list[str], folder: Path = BOOK) -> list[Path]:
    """Returns the notebooks with these names, or all: ``pooling``, ``pooling.ipynb``, ``book/pooling.ipynb``.

    Raises:
        ValueError: If there is no notebook of that name; the message lists those that there are.
    """
    pages = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    if not names:
        return list(pages.values())
    stems = [Path(name).name.removesuffix(".ipynb") for name in names]
    for stem in stems:
        if stem not in pages:
            raise ValueError(f"PAGE={stem!r} is no notebook in {folder}: expected one of {', '.join(pages)}")
    return [pages[stem] for stem in dict.fromkeys(stems)]


def kernel_environment() -> dict[str, str]:
    """Returns the environment of the kernel: the reader's own, with what moves outputs pinned."""
    environment = dict(os.environ, OMP_NUM_THREADS=THREADS)
    environment.pop("MPLBACKEND", None)  # ipykernel chooses the inline back end only where nothing is set
    return environment


def execute(notebook: NotebookNode, folder: Path) -> list[float]:
    """Executes a notebook in place, in ``folder``, from a fresh kernel of this interpreter.

    Returns:
        The seconds that each cell took; 0 for cells of text.

    Raises:
        NotebookError: If a cell raises and is not tagged ``raises-exception``, hangs or kills the kernel.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # Without folders to search, the name means this interpreter and no kernel that the reader registered.
    specs = KernelSpecManager(kernel_dirs=[])
    manager = AsyncKernelManager(kernel_name=KERNELSPEC["name"], kernel_spec_manager=specs)
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=CELL_TIMEOUT_S,
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=[
            "--log-level=ERROR"
        ],  # a warning about the kernel's own sockets is no reader's concern
    )
    client.reset_execution_trackers()
    seconds = []
    with client.setup_kernel(cwd=str(folder), env=kernel_environment(), cleanup_kc=True):
        for index, cell in enumerate(notebook.cells):
            start = time.perf_counter()
            try:
                client.execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                raise NotebookError(_describe(error, notebook, index)) from error
            seconds.append(time.perf_counter() - start if cell.cell_type == "code" else 0.0)
    return seconds


def normalise(notebook: NotebookNode) -> None:
    """Removes, in place, what a front end or this machine left; keeps cell ids, tags and MyST's metadata."""
    for key in FRONT_END_KEYS & notebook.metadata.keys():
        del notebook.metadata[key]
    notebook.metadata["kernelspec"] = NotebookNode(KERNELSPEC)
    notebook.metadata["language_info"] = NotebookNode(LANGUAGE_INFO)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    ids: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        for key in CELL_STATE_KEYS & cell.metadata.keys():
            del cell.metadata[key]
        if cell.get("id", "") in ids or not cell.get("id"):
            cell["id"] = f"cell-{index}"
        ids.add(cell["id"])
        for output in cell.get("outputs", []):
            _normalise_output(output)


def process(path: Path) -> Report:
    """Executes one notebook and writes it if anything in it changed.

    Raises:
        NotebookError: If a cell fails; the file then stays as it was.
    """
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    start = time.perf_counter()
    seconds = execute(notebook, path.parent)
    total = time.perf_counter() - start
    normalise(notebook)
    after = nbformat.writes(notebook) + "\n"
    if after != before:
        write(path, after)
    slowest = max(range(len(seconds)), key=seconds.__getitem__, default=0)
    return Report(path.name, total, slowest, max(seconds, default=0.0), after != before)


def write(path: Path, text: str) -> None:
    """Writes a file in one step: whoever interrupts it finds the old file or the new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
        file.write(text.encode("utf-8"))
    os.chmod(file.name, path.stat().st_mode)
    os.replace(file.name, path)


def main(arguments: list[str] | None = None, folder: Path = BOOK) -> int:
    """Runs the command line; returns the exit status: 1 if a notebook failed, 2 for an unknown page."""
    parser = argparse.ArgumentParser(description="Execute notebooks and store their outputs.")
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="a notebook; none: all")
    try:
        paths = select_pages(parser.parse_args(arguments).pages, folder)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    total, failed = 0.0, 0
    for path in paths:
        try:
            report = process(path)
        except NotebookError as error:
            print(f"{path.name}: {error}", file=sys.stderr, flush=True)
            failed += 1
        else:
            print("\n".join(report.lines()), flush=True)
            total += report.seconds
    print(
        f"{len(paths) - failed} notebooks executed in {total:.0f} s, {failed} failed and kept their old file"
    )
    return 1 if failed else 0


def _describe(error: Exception, notebook: NotebookNode, index: int) -> str:
    first = next(iter(notebook.cells[index].source.splitlines()), "")
    where = f"cell {index} ({first!r})"
    if isinstance(error, CellExecutionError):
        return f"{where} raised {error.ename}: {error.evalue}\n{error.traceback}"
    if isinstance(error, CellTimeoutError):
        return f"{where} did not end within {CELL_TIMEOUT_S} s"
    return f"{where} ended the kernel: {error}"


def _normalise_output(output: NotebookNode) -> None:
    if output.output_type == "error":
        # The frames name files by their place on this machine; IPython abbreviates the home folder.
        for root in (str(ROOT), str(ROOT).replace(str(Path.home()), "~", 1)):
            output.traceback = [line.replace(root + os.sep, "") for line in output.traceback]
    elif "data" in output:
        # A widget's view names its model by a random id, which no other kernel knows.
        output.data.pop(WIDGET_VIEW, None)


if __name__ == "__main__":
    sys.exit(main())
