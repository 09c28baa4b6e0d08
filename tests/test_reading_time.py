"""The reading time of a page: counted as its module says, and shown for chapters only."""

import re

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book.tools.address import ROOT
from book.tools.reading_time import minutes, sentence

WORDS = "word " * 1800  # ten minutes


@pytest.fixture
def page(tmp_path):
    """A function that writes a notebook of these cells."""

    def write(*cells):
        path = tmp_path / "page.ipynb"
        nbformat.write(new_notebook(cells=list(cells)), path)
        return path

    return write


def shown(kind, data):
    return new_output("display_data", data={kind: data})


def test_words_are_read(page, tmp_path):
    assert minutes(page(new_markdown_cell(WORDS))) == (10, 0)
    (tmp_path / "page.md").write_text(f"# A page\n\n{WORDS}", encoding="utf-8")
    assert minutes(tmp_path / "page.md") == (10, 0)


def test_the_shortest_page_takes_five_minutes(page):
    assert minutes(page(new_markdown_cell("# A page"))) == (5, 0)


@pytest.mark.parametrize(
    ("cell", "added"),
    [
        (new_code_cell("x = 1\n\n" * 150), 10),
        (new_code_cell("x = 1\n" * 150, metadata={"tags": ["hide-input"]}), 0),
        (new_code_cell("1", outputs=[shown("image/png", "AAAA")] * 30), 10),
        (new_code_cell("1", outputs=[shown("text/html", "<cnn-mask></cnn-mask>")] * 5), 10),
        (new_code_cell("1", outputs=[shown("text/html", "<table></table>")] * 5), 0),
        (new_code_cell("1", outputs=[shown("text/markdown", "```python\n" + "y\n" * 148 + "```")]), 10),
        (new_code_cell("1", outputs=[shown("text/markdown", "*8 seeds*\n" * 150)]), 0),
        (
            new_code_cell(
                "x\n" * 150, metadata={"tags": ["hide-cell"]}, outputs=[shown("image/png", "A")] * 30
            ),
            0,
        ),
        (new_markdown_cell("$$\nx\n$$ (eq-x)\n\n" * 30), 10),
        (new_markdown_cell("```bash\n" + "# not a heading but code\n" * 150 + "```"), 10),
    ],
)
def test_code_equations_and_pictures_are_looked_at(page, cell, added):
    assert minutes(page(new_markdown_cell(WORDS), cell)) == (10 + added, 0)


def test_exercises_count_by_their_grade_and_are_not_read(page):
    exercise = [new_markdown_cell(f"### Exercise 1 (by hand)\n\n{WORDS}"), new_code_cell("x\n" * 150)]
    after = new_markdown_cell(
        f"### Exercise 2 (to think about, then by code)\n{WORDS}\n## What to keep\n{WORDS}"
    )
    assert minutes(page(new_markdown_cell(f"## Exercises\n{WORDS}"), *exercise, after)) == (20, 15)


def test_a_heading_below_an_exercise_belongs_to_it(page):
    text = f"### Exercise 1 (by code)\n\n#### A hint\n\n{WORDS}\n\n### Elsewhere\n\n{WORDS}"
    assert minutes(page(new_markdown_cell(text))) == (10, 10)


def test_the_line_for_a_page():
    assert sentence(25, 40) == "About 25 minutes to read, 40 more for the exercises."
    assert sentence(5, 0) == "About 5 minutes to read."


def test_a_chapter_takes_between_a_quarter_of_an_hour_and_two_hours():
    read, exercises = minutes(ROOT / "book" / "pooling.ipynb")
    assert 15 <= read <= 120
    assert 30 <= exercises <= 60


def test_the_first_page_says_how_long_each_part_takes():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    text = "\n".join(cell.source for cell in nbformat.read(ROOT / "book/index.ipynb", as_version=4).cells)
    said = {
        title: (float(read), float(exercises))
        for title, read, exercises in re.findall(
            r"^\| \[(.*?)\].*\| ([\d.]+) h \| ([\d.]+) h \|$", text, re.M
        )
    }
    counted = {}
    for part in parts:
        if part["caption"] != "Reference":
            each = [minutes(ROOT / f"{page['file']}.ipynb") for page in part["chapters"]]
            counted[part["caption"]] = tuple(
                round(sum(column) / 30) / 2 for column in zip(*each, strict=True)
            )
    assert said == counted
