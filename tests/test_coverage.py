"""The pages generated from other pages: coverage of the notes, and the list of exercises.

The repository's pages are up to date; then each rule is shown a small book that breaks it.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from book.tools import coverage_table, pages, solutions_list

ROOT = Path(__file__).resolve().parents[1]

Files = dict[str, str | list[str]]  # a list of strings is the Markdown cells of a notebook

ROWS = [
    "# Rows of nodes\n\nFirst this.\n\n## One row: `conv1d`, and $n$ nodes",
    "More of it.\n\n## Stride\n\nNot a heading:\n\n```\n## Padding\n```\n\n## Stride",
    "### Exercise 1 (by hand)\n\nA row of 2.5 nodes {cite:p}`lecun1998`. How\nmany windows?",
    "<details>\n<summary>Hint</summary>\n\nCount.\n\n</details>\n\n"
    "<details>\n<summary>Solution</summary>\n\nTwo.\n\n</details>",
    "### Exercise 2 (by code, then by hand)\n\nComplete this table:\n\n| a |\n|---|",
    "<details>\n<summary>Solution</summary>\n\nOne.\n\n</details>",
]
COVERAGE = """
    lines = 9
    beyond = ["more"]

    [[statement]]
    says = "rows"
    lines = [1, 4]
    sections = ["index", "rows#one-row-conv1d-and--nodes"]

    [[statement]]
    says = "stride"
    lines = [5, 9]
    sections = ["rows#stride", "rows#stride-1"]
"""
SOUND: Files = {
    "_toc.yml": """
        format: jb-book
        root: book/index
        parts:
          - caption: One dimension
            chapters:
              - file: book/rows
              - file: book/more
    """,
    "book/coverage.toml": COVERAGE,
    "book/index.md": "# The book\n",
    "book/rows.ipynb": ROWS,
    "book/more.md": "# More\n\n### Exercise 1 (by hand)\n\nHow?\n\n<summary>Solution</summary>\n",
}


def tree(root: Path, changes: Files | None = None) -> Path:
    """Write the sound book with some files changed or added."""
    for name, content in (SOUND | (changes or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            cells = [{"cell_type": "markdown", "metadata": {}, "source": [text]} for text in content]
            content = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        indent = {"_toc.yml": "        ", "book/coverage.toml": "    "}.get(name, "")
        path.write_text(re.sub(f"^{indent}", "", content, flags=re.MULTILINE), encoding="utf-8")
    return root


def uncovered(root: Path, changes: Files | None = None) -> list[str]:
    return coverage_table.violations(coverage_table.collect(tree(root, changes)))


def unsolved(root: Path, cells: list[str]) -> list[str]:
    return solutions_list.violations(solutions_list.collect(tree(root, {"book/rows.ipynb": cells})))


# ---------------------------------------------------------------------- the repository
@pytest.mark.parametrize("tool", [coverage_table, solutions_list], ids=lambda tool: tool.__name__)
def test_the_repositorys_page_is_sound_and_up_to_date(tool, capsys: pytest.CaptureFixture[str]) -> None:
    status = tool.main(["--check"])
    assert status == 0, capsys.readouterr().err


def test_the_notes_have_34_statements_and_the_last_is_a_caution() -> None:
    statements = coverage_table.collect().statements
    assert len(statements) == 34
    assert statements[-1].sections[0].partition("#")[0] == "a-caution"


# ---------------------------------------------------------------------- sections
def test_sections_have_the_slugs_of_the_sites_parser(tmp_path: Path) -> None:
    found = pages.sections(tree(tmp_path) / "book/rows.ipynb")
    assert [(section.level, section.slug) for section in found] == [
        (1, "rows-of-nodes"),
        (2, "one-row-conv1d-and--nodes"),
        (2, "stride"),
        (2, "stride-1"),
        (3, "exercise-1-by-hand"),
        (3, "exercise-2-by-code-then-by-hand"),
    ]
    assert found[1].title == "One row: `conv1d`, and $n$ nodes"
    assert found[1].text == "More of it."
    assert found[2].text.endswith("```")
    assert "Two." in found[4].text
    assert "Two." not in found[5].text


def test_a_page_is_a_notebook_or_a_markdown_file(tmp_path: Path) -> None:
    root = tree(tmp_path)
    assert pages.path_of(root, "rows").name == "rows.ipynb"
    assert pages.path_of(root, "more").name == "more.md"
    with pytest.raises(FileNotFoundError, match="no page book/other"):
        pages.path_of(root, "other")


# ---------------------------------------------------------------------- coverage
def test_a_sound_table_has_no_violations(tmp_path: Path) -> None:
    assert uncovered(tmp_path) == []


def test_the_page_links_to_each_section_and_back(tmp_path: Path) -> None:
    page = coverage_table.render(coverage_table.collect(tree(tmp_path)))
    assert (
        "| 1 | rows | 1–4 | [The book](index.md); "
        "Rows of nodes: [One row: `conv1d`, and $n$ nodes](rows.ipynb#one-row-conv1d-and--nodes) |" in page
    )
    assert (
        "| 2 | stride | 5–9 | Rows of nodes: [Stride](rows.ipynb#stride) · [Stride](rows.ipynb#stride-1) |"
        in page
    )
    assert "| [Rows of nodes](rows.ipynb) | 1, 2 |" in page
    assert "| [More](more.md) | none: it goes beyond the notes |" in page


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            '"rows#stride-1"',
            '"rows#padding"',
            "statement 2: no page of _toc.yml has the section rows#padding",
        ),
        ('"index"', '"images"', "statement 1: no page of _toc.yml has the section images"),
        ("[5, 9]", "[6, 9]", "statement 2 has the lines 6 to 9, but line 5 is next"),
        ("[5, 9]", "[4, 9]", "statement 2 has the lines 4 to 9, but line 5 is next"),
        ("lines = 9", "lines = 10", "the statements end at line 9, the notes at line 10"),
        ('["more"]', "[]", "the chapter more treats no statement, and is not listed as beyond the notes"),
        ('"index"', '"more"', "the chapter more treats a statement, but is listed as beyond the notes"),
    ],
)
def test_a_gap_is_found(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    assert old in COVERAGE
    assert uncovered(tmp_path, {"book/coverage.toml": COVERAGE.replace(old, new, 1)}) == [complaint]


def test_a_missing_row_is_found(tmp_path: Path) -> None:
    without_first = COVERAGE[: COVERAGE.index("[[")] + COVERAGE[COVERAGE.rindex("[[") :]
    assert len(tomllib.loads(without_first)["statement"]) == 1
    assert "statement 1 has the lines 5 to 9, but line 1 is next" in uncovered(
        tmp_path, {"book/coverage.toml": without_first}
    )


@pytest.mark.parametrize("wrong", ["section = []", "sections = []"])
def test_a_statement_without_a_section_is_refused(tmp_path: Path, wrong: str) -> None:
    text = re.sub(r"sections = .*", wrong, COVERAGE, count=1)
    with pytest.raises(ValueError, match="statement 1 needs says, lines, sections"):
        uncovered(tmp_path, {"book/coverage.toml": text})


# ---------------------------------------------------------------------- exercises
def test_sound_exercises_have_no_violations(tmp_path: Path) -> None:
    assert unsolved(tmp_path, ROWS) == []


def test_the_list_shows_kind_and_first_sentence(tmp_path: Path) -> None:
    page = solutions_list.render(solutions_list.collect(tree(tmp_path)))
    assert "## One dimension\n\n### [Rows of nodes](rows.ipynb)\n" in page
    assert "- [Exercise 1](rows.ipynb#exercise-1-by-hand), by hand: A row of 2.5 nodes.\n" in page
    assert (
        "- [Exercise 2](rows.ipynb#exercise-2-by-code-then-by-hand), by code, then by hand: Complete this table.\n"
        in page
    )


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Solution", "Answer", "rows.ipynb, exercise 1: no folded solution, <summary>Solution</summary>"),
        ("Exercise 1 (by hand)", "Exercise 1", 'rows.ipynb: "Exercise 1" is not "Exercise 1 (by hand)"'),
        ("Exercise 2", "Exercise 3", "rows.ipynb, exercise 3: exercise 2 comes next"),
    ],
)
def test_a_badly_made_exercise_is_found(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    cells = [*ROWS]
    place = next(i for i, cell in enumerate(cells) if old in cell)
    cells[place] = cells[place].replace(old, new)
    assert complaint in unsolved(tmp_path, cells)


# ---------------------------------------------------------------------- both
@pytest.mark.parametrize(
    ("tool", "name"),
    [(coverage_table, "coverage.md"), (solutions_list, "solutions.md")],
    ids=lambda x: str(x),
)
def test_check_writes_nothing_and_fails_until_the_page_is_written(
    tool, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tree(tmp_path)
    assert tool.main(["--check"], root) == 1
    assert not (root / "book" / name).exists()
    assert capsys.readouterr().err == f"book/{name} is out of date: run make pages\n"
    assert tool.main([], root) == 0
    assert tool.main(["--check"], root) == 0
    (root / "book/more.md").write_text(
        "# Even more\n\n### Exercise 1 (by hand)\n\n<summary>Solution</summary>\n"
    )
    assert tool.main(["--check"], root) == 1
