"""The spelling check reads of a notebook what its author wrote, and not the outputs."""

import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book.tools.address import ROOT

# in two parts, because this file is checked too
WRONG = "t" + "eh"


def test_misspelt_words_of_a_notebook_are_found(tmp_path):
    described = {"figure": {"caption": f"{WRONG} 3"}, "image": {"alt": f"{WRONG} 4"}}
    outputs = [
        new_output("stream", name="stdout", text=f"{WRONG}\n{WRONG}\n"),
        new_output("display_data", data={"text/html": f"{WRONG}\n{WRONG}", "image/png": WRONG}),
    ]
    cells = [
        new_markdown_cell(f"# A page\n\n{WRONG} 1"),
        new_code_cell(f"x = 1\n# {WRONG} 2", metadata={"mystnb": described}, outputs=outputs),
    ]
    page = tmp_path / "page.ipynb"
    nbformat.write(new_notebook(cells=cells), page)
    command = [sys.executable, "-m", "codespell_lib", "--toml", str(ROOT / "pyproject.toml"), str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = page.read_text(encoding="utf-8").splitlines()
    found = [lines[int(line.split(":")[1]) - 1] for line in done.stdout.splitlines()]
    assert sorted(line.split(WRONG)[1].strip('"\\n, ') for line in found) == ["1", "2", "3", "4"]
