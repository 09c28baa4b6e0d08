"""What every notebook of the book starts with: figures, source code on the page, stored results."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown, display

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
EXPERIMENTS, RESULTS = BENCHMARKS / "experiments", BENCHMARKS / "results"


def setup(seed: int = 0) -> None:
    """Make a notebook repeatable: the seed, the number style of tensors, and the book's figures.

    Args:
        seed: for torch's random numbers.
    """
    from cnnkit import plots

    torch.manual_seed(seed)
    torch.set_printoptions(precision=4, sci_mode=False)
    plots.use_style()


def show_source(*functions: Callable[..., Any]) -> Markdown:
    """The code of functions as it is, without their docstrings, as a highlighted cell output.

    Args:
        functions: functions or classes written in Python.

    Returns:
        Markdown, which JupyterLab and the site both highlight; nbval compares it, so a page that shows old
        code fails.

    Raises:
        TypeError: one of them has no Python source.
    """
    return Markdown("```python\n" + "\n\n\n".join(map(_source, functions)) + "\n```")


def live_curves() -> Callable[[list[dict[str, int | float]]], None]:
    """Curves that grow while a model trains: ``fit(recipe, watch=live_curves())``.

    Returns:
        A function that draws a history, in the place where it drew the last one.
    """
    from cnnkit import plots

    place = display(display_id=True)

    def draw(history: list[dict[str, int | float]]) -> None:
        figure = plots.training_curves(history)
        place.update(figure)
        plt.close(figure)

    return draw


def _source(function: Callable[..., Any]) -> str:
    if function.__name__ == "<lambda>":
        raise TypeError(f"a function or class with a definition of its own is needed, got {function!r}")
    source = textwrap.dedent(inspect.getsource(function))
    definition = ast.parse(source).body[0]
    assert isinstance(definition, ast.FunctionDef | ast.ClassDef)
    lines = source.splitlines()
    if ast.get_docstring(definition) is not None:
        docstring = definition.body[0]
        assert docstring.end_lineno is not None
        del lines[docstring.lineno - 1 : docstring.end_lineno]
        if not "".join(lines[docstring.lineno - 1 : docstring.lineno]).strip():
            del lines[docstring.lineno - 1 : docstring.lineno]
    return "\n".join(lines).rstrip()


def experiment(name: str) -> ModuleType:
    """Load the script of a stored experiment, so that a page shows and runs the code that made its numbers.

    Args:
        name: such as ``"hidden-filter"`` for ``benchmarks/experiments/hidden_filter.py``.

    Raises:
        FileNotFoundError: there is no such script; the message names those that there are, or says that the
            repository is missing.
    """
    path = _stored("experiment", EXPERIMENTS, name.replace("-", "_"), ".py")
    specification = importlib.util.spec_from_file_location(path.stem, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def stored_result(name: str) -> dict[str, Any]:
    """Read what an experiment that is too long for a notebook wrote.

    Args:
        name: the file's name under ``benchmarks/results/`` without its ending.

    Returns:
        What the file holds, with ``settings``, ``seeds``, ``environment`` and ``runs``, one a seed.

    Raises:
        FileNotFoundError: there is no such result; the message names those that there are, or says that the
            repository is missing (an installed `cnnkit` does not carry the results).
    """
    return json.loads(_stored("stored result", RESULTS, name, ".json").read_text(encoding="utf8"))


def _stored(what: str, folder: Path, stem: str, ending: str) -> Path:
    path = folder / (stem + ending)
    if not path.exists():
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} is not there: experiments and their results come with the repository, not "
                "with the installed package. Clone the repository and install it with `pip install -e .`"
            )
        known = ", ".join(sorted(p.stem for p in folder.glob(f"*{ending}"))) or "none"
        raise FileNotFoundError(f"no {what} {stem!r}; there are: {known}")
    return path


def provenance(result: dict[str, Any]) -> Markdown:
    """One sentence that says where a stored result comes from: how many runs, machine, versions, command.

    Args:
        result: what `stored_result` returned.
    """
    environment = result["environment"]
    if "seeds" in result:
        seeds = result["seeds"]
        runs = f"{len(seeds)} seeds ({seeds[0]} to {seeds[-1]})"
    else:
        runs = f"Medians of {result['repeats']} measurements"
    return Markdown(
        f"*{runs}, {environment['processor']}, "
        f"{environment['device']}, Python {environment['python']}, torch {environment['torch']}, "
        f"{environment['date']}. To run it again:* `{result['command']}`"
    )
