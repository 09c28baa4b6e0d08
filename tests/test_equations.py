"""The equation ledger: the repository keeps its rules, and each rule catches what it is for."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from book.tools import equation_ledger

ROOT = Path(__file__).resolve().parents[1]

Files = dict[str, str | list[str]]  # a list of strings is the Markdown cells of a notebook

CHAPTER = ["# Rows of nodes\n\nFirst this.", "So:\n\n$$\ns = a + b\n$$ (eq-sum)\n\nwhere $a$ is one."]

# A small tree that keeps every rule: one chapter with one equation, one function, one test.
SOUND: Files = {
    "_toc.yml": """
        format: jb-book
        root: book/index
        parts:
          - caption: One dimension
            chapters:
              - file: book/rows
    """,
    "book/equations.toml": """
        [eq-sum]
        title = "A sum"
        chapter = "rows"
        [eq-later]
        title = "An equation of a chapter to come"
        chapter = "images"
    """,
    "book/index.md": "# Index\n\nSee {eq}`eq-sum`.\n",
    "book/rows.ipynb": CHAPTER,
    "cnnkit/loops.py": 'def total(a, b):\n    """The sum. Implements eq-sum."""\n',
    "tests/test_loops.py": '@pytest.mark.equation("eq-sum")\ndef test_total(): ...\n',
}


def tree(root: Path, changes: Files | None = None) -> Path:
    """Write the sound tree with some files changed or added."""
    for name, content in (SOUND | (changes or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            cells = [{"cell_type": "markdown", "metadata": {}, "source": [text]} for text in content]
            content = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        indent = "        " if name in ("_toc.yml", "book/equations.toml") else ""
        path.write_text(re.sub(f"^{indent}", "", content, flags=re.MULTILINE), encoding="utf-8")
    return root


def found(root: Path, changes: Files | None = None) -> list[str]:
    return equation_ledger.violations(equation_ledger.collect(tree(root, changes)))


# ---------------------------------------------------------------------- the repository
def test_the_repository_keeps_the_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    status = equation_ledger.main(["--check"])
    assert status == 0, capsys.readouterr().err


def test_every_module_that_a_reader_can_call_is_on_the_api_page() -> None:
    def has_public_names(path: Path) -> bool:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        kinds = (ast.FunctionDef, ast.ClassDef)
        return any(isinstance(node, kinds) and not node.name.startswith("_") for node in body)

    paths = [p for p in (ROOT / "cnnkit").rglob("*.py") if has_public_names(p)]
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths}
    page = (ROOT / "book/api.md").read_text(encoding="utf-8")
    assert set(re.findall(r"automodule:: (cnnkit\.\S+)", page)) == modules


# ---------------------------------------------------------------------- a sound tree
def test_a_sound_tree_has_no_violations(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_the_ledger_reads_the_book_the_code_and_the_tests(tmp_path: Path) -> None:
    ledger = equation_ledger.collect(tree(tmp_path))
    assert ledger.chapters == ["index", "rows"]
    assert ledger.definitions == [
        equation_ledger.Definition("eq-sum", "rows", "book/rows.ipynb, cell 2", "s = a + b")
    ]
    assert ledger.functions == [
        equation_ledger.Function("eq-sum", "cnnkit.loops.total", "func", "cnnkit/loops.py:1")
    ]
    assert ledger.tests == [equation_ledger.Test("eq-sum", "tests/test_loops.py::test_total")]


def test_several_labels_in_one_docstring_and_on_one_test(tmp_path: Path) -> None:
    code = (
        "class Layer:\n"
        '    """A layer. Implements eq-sum, eq-later\n    and eq-size. It resembles eq-other."""\n\n'
        "    def forward(self):\n"
        '        """Implements eq-size."""\n'
    )
    tests = (
        '@pytest.mark.equation("eq-sum")\n@pytest.mark.equation("eq-later", "eq-size")\n'
        "class TestLayer:\n"
        '    @pytest.mark.equation("eq-size")\n'
        "    async def test_forward(self): ...\n"
    )
    ledger = equation_ledger.collect(
        tree(tmp_path, {"cnnkit/loops.py": code, "tests/unit/test_loops.py": tests})
    )
    assert [(f.label, f.name, f.role) for f in ledger.functions] == [
        ("eq-sum", "cnnkit.loops.Layer", "class"),
        ("eq-later", "cnnkit.loops.Layer", "class"),
        ("eq-size", "cnnkit.loops.Layer", "class"),
        ("eq-size", "cnnkit.loops.Layer.forward", "meth"),
    ]
    assert [(t.label, t.name) for t in ledger.tests if "unit" in t.name] == [
        ("eq-sum", "tests/unit/test_loops.py::TestLayer"),
        ("eq-later", "tests/unit/test_loops.py::TestLayer"),
        ("eq-size", "tests/unit/test_loops.py::TestLayer"),
        ("eq-size", "tests/unit/test_loops.py::TestLayer::test_forward"),
    ]


def test_code_and_test_may_come_before_their_chapter(tmp_path: Path) -> None:
    code = 'def later():\n    """Implements eq-later."""\n'
    test = '@pytest.mark.equation("eq-later")\ndef test_later(): ...\n'
    assert found(tmp_path, {"cnnkit/__init__.py": code, "tests/test_later.py": test}) == []


@pytest.mark.parametrize(
    "cell",
    [
        "- an item\n\n  $$\n  a\n  $$ (eq-sum)",
        "> $$ a $$ (eq-sum)",
        "```{note}\n:class: tip\n$$ a $$ (eq-sum)\n```",
        "````{admonition} Title\n---\nclass: tip\n---\n```{note}\n$$ a $$ (eq-sum)\n```\n````",
        ":::{note}\n$$ a $$ (eq-sum)\n:::",
        "<details>\n\n$$ a $$ (eq-sum)\n\n</details>",
    ],
)
def test_an_equation_counts_wherever_the_site_registers_it(tmp_path: Path, cell: str) -> None:
    ledger = equation_ledger.collect(tree(tmp_path, {"book/rows.ipynb": [cell]}))
    assert [(d.label, d.latex) for d in ledger.definitions] == [("eq-sum", "a")]
    assert ledger.problems == []


@pytest.mark.parametrize(
    "cell", ["```\n$$ a $$ (eq-x)\n```", "```{code-block} md\n$$ a $$ (eq-x)\n```", "Write `$$ a $$ (eq-x)`."]
)
def test_an_equation_quoted_as_code_does_not_count(tmp_path: Path, cell: str) -> None:
    assert found(tmp_path, {"book/how.md": cell}) == []


def test_a_notebooks_checkpoint_does_not_count(tmp_path: Path) -> None:
    assert found(tmp_path, {"book/.ipynb_checkpoints/rows-checkpoint.ipynb": CHAPTER}) == []


# ---------------------------------------------------------------------- each rule
def test_an_unknown_label_is_found_in_each_place(tmp_path: Path) -> None:
    assert found(
        tmp_path,
        {
            "book/rows.ipynb": [*CHAPTER, "$$ a $$ (eq-unlisted)"],
            "cnnkit/more.py": 'def f():\n    """Implements eq-summ."""\n',
            "tests/test_more.py": '@pytest.mark.equation("eq_sum")\ndef test_f(): ...\n',
        },
    ) == [
        "book/rows.ipynb, cell 3: eq-unlisted is not in book/equations.toml",
        "cnnkit/more.py:1 (cnnkit.more.f): eq-summ is not in book/equations.toml",
        "tests/test_more.py::test_f: eq_sum is not in book/equations.toml",
    ]


def test_a_label_defined_twice(tmp_path: Path) -> None:
    assert found(tmp_path, {"book/rows.ipynb": ["$$ a $$ (eq-sum)", "$$ b $$ (eq-sum)"]}) == [
        "eq-sum is defined 2 times: book/rows.ipynb, cell 1; book/rows.ipynb, cell 2"
    ]


def test_a_label_defined_on_a_page_that_does_not_own_it(tmp_path: Path) -> None:
    assert found(tmp_path, {"book/index.md": "$$ a $$ (eq-sum)", "book/rows.ipynb": ["# Rows"]}) == [
        "book/index.md: eq-sum belongs to the page rows",
        "eq-sum: its chapter rows does not define it, $$ ... $$ (eq-sum)",
    ]


def test_a_chapter_without_its_equation(tmp_path: Path) -> None:
    assert found(tmp_path, {"book/rows.ipynb": ["# Rows"]}) == [
        "eq-sum: its chapter rows does not define it, $$ ... $$ (eq-sum)"
    ]


def test_an_equation_without_a_function(tmp_path: Path) -> None:
    assert found(tmp_path, {"cnnkit/loops.py": 'def total():\n    """The sum of eq-sum."""\n'}) == [
        'eq-sum: no docstring of a function in cnnkit says "Implements eq-sum"'
    ]


def test_an_equation_without_a_test(tmp_path: Path) -> None:
    assert found(tmp_path, {"tests/test_loops.py": "def test_total(): ...\n"}) == [
        'eq-sum: no test carries @pytest.mark.equation("eq-sum")'
    ]


def test_a_function_without_a_test_before_its_chapter(tmp_path: Path) -> None:
    assert found(tmp_path, {"cnnkit/later.py": 'def later():\n    """Implements eq-later."""\n'}) == [
        'eq-later: no test carries @pytest.mark.equation("eq-later")'
    ]


def test_a_test_without_a_function_before_its_chapter(tmp_path: Path) -> None:
    test = '@pytest.mark.equation("eq-later")\ndef test_later(): ...\n'
    assert found(tmp_path, {"tests/test_later.py": test}) == [
        'eq-later: no docstring of a function in cnnkit says "Implements eq-later"'
    ]


@pytest.mark.parametrize(
    "cell",
    [
        "So $$ a $$ (eq-sum) holds.",
        "So\n$$\na\n$$ (eq-sum)",
        "$$ a $$ (eq-sum), as above",
        "$$ a $$\n(eq-sum)",
        "| a |\n|---|\n| $$a$$ (eq-sum) |",
        "```{note}\nSo $$ a $$ (eq-sum)\n```",
    ],
)
def test_an_equation_that_does_not_stand_alone(tmp_path: Path, cell: str) -> None:
    first = found(tmp_path, {"book/rows.ipynb": [cell]})[0]
    assert first == (
        "book/rows.ipynb, cell 1: eq-sum is not registered: the equation must stand alone in its paragraph, "
        "with the label on the line of the closing dollars"
    )


def test_an_equation_labelled_by_a_directive(tmp_path: Path) -> None:
    cell = "```{math}\n:label: eq-sum\na\n```"
    assert found(tmp_path, {"book/rows.ipynb": [cell]})[0] == (
        "book/rows.ipynb, cell 1: write eq-sum as $$ ... $$ (eq-sum), which other hosts render too"
    )


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ('def _total():\n    """Implements eq-sum."""\n', "cnnkit.loops._total"),
        ('class _Layer:\n    def f(self):\n        """Implements eq-sum."""\n', "cnnkit.loops._Layer.f"),
        ('def f():\n    def g():\n        """Implements eq-sum."""\n', "cnnkit.loops.f.<locals>.g"),
    ],
)
def test_a_private_function_cannot_stand_for_an_equation(tmp_path: Path, code: str, name: str) -> None:
    (violation,) = found(tmp_path, {"cnnkit/loops.py": code})
    assert violation.endswith(f"{name} implements eq-sum but is private")


def test_a_mark_on_a_function_that_pytest_does_not_run(tmp_path: Path) -> None:
    test = '@pytest.mark.equation("eq-sum")\ndef check_total(): ...\n'
    assert found(tmp_path, {"tests/test_loops.py": test}) == [
        "tests/test_loops.py:1: check_total carries a mark but pytest does not run it",
        'eq-sum: no test carries @pytest.mark.equation("eq-sum")',
    ]


def test_a_label_that_is_not_written_out(tmp_path: Path) -> None:
    test = "@pytest.mark.equation(LABEL)\ndef test_total(): ...\n"
    assert found(tmp_path, {"tests/test_loops.py": test})[0] == (
        'tests/test_loops.py:1: a label is written out, "eq-...", got LABEL'
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('[eq-sum]\ntitle = "A sum"', "eq-sum must have the keys title and chapter"),
        ('[eq-sum]\ntitle = ""\nchapter = "rows"', "eq-sum must have the keys title and chapter"),
        ('[eq-sum]\ntitle = "A"\nchapter = "rows"\npage = 1', "eq-sum must have the keys title and chapter"),
        ('[Sum]\ntitle = "A sum"\nchapter = "rows"', "got 'Sum'"),
    ],
)
def test_an_entry_that_is_not_as_the_others(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        found(tmp_path, {"book/equations.toml": entry})


# ---------------------------------------------------------------------- the generated page
def test_the_page_shows_the_equation_with_its_chapter_function_and_test(tmp_path: Path) -> None:
    page = equation_ledger.render(equation_ledger.collect(tree(tmp_path)))
    assert page.endswith(
        "## [Rows of nodes](rows.ipynb)\n\n### A sum\n\n$$\ns = a + b\n$$\n\n"
        "- **Book**: equation {eq}`eq-sum`, `eq-sum`\n"
        "- **Code**: {py:func}`cnnkit.loops.total`\n"
        "- **Test**: `tests/test_loops.py::test_total`\n"
    )
    assert "eq-later" not in page


def test_check_writes_nothing_and_fails_until_the_page_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = tree(tmp_path) / equation_ledger.INDEX
    assert equation_ledger.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == ("book/equation-index.md is out of date: run make pages\n")
    assert not index.exists()

    assert equation_ledger.main([], tmp_path) == 0
    assert equation_ledger.main(["--check"], tmp_path) == 0

    index.write_text(index.read_text(encoding="utf-8") + "\nedited by hand\n", encoding="utf-8")
    assert equation_ledger.main(["--check"], tmp_path) == 1


def test_violations_are_printed_one_a_line_and_the_page_is_written_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree(tmp_path, {"tests/test_loops.py": "", "cnnkit/loops.py": ""})
    assert equation_ledger.main([], tmp_path) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert "- **Code**: missing\n- **Test**: missing\n" in (tmp_path / equation_ledger.INDEX).read_text(
        "utf-8"
    )
