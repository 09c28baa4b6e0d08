"""The equation ledger: one equation, one function, one test.

An equation of the book has a label, listed in ``book/equations.toml`` with its title and the page that owns
it. The page writes the equation once, ``$$ ... $$ (eq-size)``; the docstring of the function that computes it
says ``Implements eq-size``; the test of that function carries ``@pytest.mark.equation("eq-size")``. This
script reads all three without importing anything, checks that they agree, and generates the page that shows
them together.

Usage: ``python -m book.tools.equation_ledger`` writes ``book/equation-index.md``; with ``--check`` it writes
nothing. Either way it prints what is wrong, and then exits with status 1.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from book.tools import pages
from book.tools.pages import MARKDOWN, ROOT

INDEX = Path("book/equation-index.md")

LABEL = r"eq-[a-z0-9]+(?:-[a-z0-9]+)*"
IMPLEMENTS = re.compile(rf"\bImplements\s+({LABEL}(?:(?:,\s*and|,|\s+and)\s+{LABEL})*)")
IN_TEXT = re.compile(r"\$\$.+?\$\$\s*\((eq-[^)]*)\)", re.DOTALL)
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n(?:.*\n)*?---\n|(?::[\w-]+:.*\n)+)")
NOT_MARKDOWN = {"code", "code-block", "code-cell", "sourcecode", "literalinclude", "raw", "eval-rst"}


@dataclass(frozen=True)
class Equation:
    """An entry of ``equations.toml``; ``chapter`` is the page that owns it, below ``book/``, no suffix."""

    title: str
    chapter: str


@dataclass(frozen=True)
class Definition:
    """A labelled equation on a page; ``latex`` is what stands between the dollars."""

    label: str
    page: str
    where: str
    latex: str


@dataclass(frozen=True)
class Function:
    """A function, method or class whose docstring says ``Implements`` and the label; ``role`` is Sphinx's."""

    label: str
    name: str
    role: str
    where: str

    @property
    def public(self) -> bool:
        """Whether the API page shows it, so that the index can link to it."""
        return not any(part.startswith(("_", "<")) for part in self.name.split("."))


@dataclass(frozen=True)
class Test:
    """A test that carries the mark ``equation`` with the label; ``name`` is what pytest takes."""

    label: str
    name: str


@dataclass
class Ledger:
    """Everything that is said about equations in the repository."""

    equations: dict[str, Equation]
    chapters: list[str]
    titles: dict[str, str] = field(default_factory=dict)
    definitions: list[Definition] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    tests: list[Test] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


# ---------------------------------------------------------------------- collecting
def collect(root: Path = ROOT) -> Ledger:
    """Read the list, the table of contents, the pages, the package and the tests below ``root``.

    Raises:
        FileNotFoundError: there is no ``book/equations.toml`` or no ``_toc.yml``.
        ValueError: an entry of ``equations.toml`` has not exactly the keys ``title`` and ``chapter``.
    """
    ledger = Ledger(equations=_equations(root / "book/equations.toml"), chapters=pages.chapters(root))
    for path in _files(root, "book", (".ipynb", ".md")):
        _read_page(root, path, ledger)
    for path in _files(root, "cnnkit", (".py",)):
        _read_module(root, path, ledger)
    for path in _files(root, "tests", (".py",)):
        _read_tests(root, path, ledger)
    return ledger


def _files(root: Path, folder: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted((root / folder).rglob("*")):
        hidden = any(part.startswith((".", "_build")) for part in path.relative_to(root).parts)
        if path.suffix in suffixes and not hidden:
            yield path


def _equations(path: Path) -> dict[str, Equation]:
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    for label, entry in entries.items():
        if not re.fullmatch(LABEL, label):
            raise ValueError(f"{path.name}: a label is eq-... in lower case with hyphens, got {label!r}")
        if not isinstance(entry, dict) or set(entry) != {"title", "chapter"} or not all(entry.values()):
            raise ValueError(f"{path.name}: {label} must have the keys title and chapter, got {entry!r}")
    return {label: Equation(**entry) for label, entry in entries.items()}


def _read_page(root: Path, path: Path, ledger: Ledger) -> None:
    page = path.relative_to(root / "book").with_suffix("").as_posix()
    name = path.relative_to(root).as_posix()
    ledger.titles[page] = pages.title(path)
    for number, source in pages.markdown_cells(path):
        _read_markdown(source, page, f"{name}, cell {number}" if number else name, ledger)


def _read_markdown(source: str, page: str, where: str, ledger: Ledger) -> None:
    after_math = False
    for token in MARKDOWN.parse(source):
        if token.type == "math_block_label":
            ledger.definitions.append(Definition(token.info, page, where, token.content.strip()))
        elif token.type in ("fence", "colon_fence"):
            directive = re.match(r"\{([\w:-]+)\}", token.info.strip())
            if directive and directive[1] == "math":
                for label in re.findall(r"^:label:\s*(\S+)", token.content, re.MULTILINE):
                    ledger.problems.append(
                        f"{where}: write {label} as $$ ... $$ ({label}), which other hosts render too"
                    )
            elif directive and directive[1] not in NOT_MARKDOWN:
                _read_markdown(OPTIONS.sub("", token.content, count=1), page, where, ledger)
        elif token.type == "inline":
            text = CODE_SPAN.sub("", token.content)
            lost = IN_TEXT.findall(text)
            if after_math and (label_below := re.match(r"\((eq-[^)]*)\)", text)):
                lost.append(label_below[1])
            for label in lost:
                ledger.problems.append(
                    f"{where}: {label} is not registered: the equation must stand alone in its paragraph, "
                    "with the label on the line of the closing dollars"
                )
        if token.type != "paragraph_open":
            after_math = token.type == "math_block"


def _read_module(root: Path, path: Path, ledger: Ledger) -> None:
    parts = path.relative_to(root).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def visit(node: ast.AST, scope: str, in_class: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                visit(child, scope, in_class)
                continue
            is_class = isinstance(child, ast.ClassDef)
            name = f"{scope}.{child.name}"
            role = "class" if is_class else ("meth" if in_class else "func")
            where = f"{path.relative_to(root).as_posix()}:{child.lineno}"
            for labels in IMPLEMENTS.findall(ast.get_docstring(child) or ""):
                for label in re.findall(LABEL, labels):
                    ledger.functions.append(Function(label, name, role, where))
            visit(child, name if is_class else f"{name}.<locals>", is_class)

    visit(ast.parse(path.read_text(encoding="utf-8")), module, False)


def _read_tests(root: Path, path: Path, ledger: Ledger) -> None:
    file = path.relative_to(root).as_posix()

    def visit(node: ast.AST, scope: str) -> None:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                visit(child, scope)
                continue
            name = f"{scope}::{child.name}"
            for mark in child.decorator_list:
                if not isinstance(mark, ast.Call) or not ast.unparse(mark.func).endswith("mark.equation"):
                    continue
                where = f"{file}:{mark.lineno}"
                if not child.name.startswith(("test_", "Test")):
                    ledger.problems.append(f"{where}: {child.name} carries a mark but pytest does not run it")
                    continue
                for argument in mark.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        ledger.tests.append(Test(argument.value, name))
                    else:
                        ledger.problems.append(
                            f'{where}: a label is written out, "eq-...", got {ast.unparse(argument)}'
                        )
            visit(child, name)

    visit(ast.parse(path.read_text(encoding="utf-8")), file)


# ---------------------------------------------------------------------- checking
def violations(ledger: Ledger) -> list[str]:
    """Say in one line each what breaks the rule "one equation, one function, one test".

    A label may have its function and its test before its chapter is in the table of contents. Every
    equation of a chapter that is there must be on the page and have both.
    """
    found = list(ledger.problems)
    known = ledger.equations
    places = [(d.label, d.where) for d in ledger.definitions]
    places += [(f.label, f"{f.where} ({f.name})") for f in ledger.functions]
    places += [(t.label, t.name) for t in ledger.tests]
    found += [f"{where}: {name} is not in book/equations.toml" for name, where in places if name not in known]

    for label, count in Counter(d.label for d in ledger.definitions).items():
        if count > 1:
            where = "; ".join(d.where for d in ledger.definitions if d.label == label)
            found.append(f"{label} is defined {count} times: {where}")
    for d in ledger.definitions:
        if d.label in known and d.page != known[d.label].chapter:
            found.append(f"{d.where}: {d.label} belongs to the page {known[d.label].chapter}")
    for f in ledger.functions:
        if not f.public:
            found.append(f"{f.where}: {f.name} implements {f.label} but is private")

    defined = {d.label for d in ledger.definitions if d.label in known and d.page == known[d.label].chapter}
    implemented = {f.label for f in ledger.functions}
    tested = {t.label for t in ledger.tests}
    for label, equation in known.items():
        in_book = equation.chapter in ledger.chapters
        if in_book and label not in defined:
            found.append(f"{label}: its chapter {equation.chapter} does not define it, $$ ... $$ ({label})")
        if not (in_book or label in defined | implemented | tested):
            continue
        if label not in implemented:
            found.append(f'{label}: no docstring of a function in cnnkit says "Implements {label}"')
        if label not in tested:
            found.append(f'{label}: no test carries @pytest.mark.equation("{label}")')
    return found


# ---------------------------------------------------------------------- the page
HEAD = """\
% Generated by book/tools/equation_ledger.py from the chapters, the docstrings and the tests: do not edit.

# Equation index

Each numbered equation of this book is computed by a function of `cnnkit`, and a test proves that function.
Below each equation you find

- **Book**: the place where it is derived and used, and the label by which code and tests name it;
- **Code**: the functions that compute it. The link leads to the documentation, and from there to the source;
- **Test**: what proves the code. Run one with `pytest` and its name.

The page is generated from these three, and a test fails if one of them is missing.
That the three name the same equation does not make them right: this is what the tests are for, which compare
with a case worked out by hand, with PyTorch, or with both.
"""


def render(ledger: Ledger) -> str:
    """The page: for each chapter its equations, and for each equation the book, the code and the test."""
    lines = [HEAD]
    for chapter in ledger.chapters:
        definitions = {d.label: d for d in reversed(ledger.definitions) if d.page == chapter}
        labels = [label for label in ledger.equations if label in definitions]
        if not labels:
            continue
        suffix = Path(definitions[labels[0]].where.split(",")[0]).suffix
        link = f"[{ledger.titles.get(chapter, chapter)}]({chapter}{suffix})"
        lines += [f"## {link}", ""]
        for label in labels:
            functions = [f for f in ledger.functions if f.label == label]
            tests = [f"`{t.name}`" for t in ledger.tests if t.label == label]
            lines += [f"### {ledger.equations[label].title}", ""]
            lines += ["$$", definitions[label].latex, "$$", ""]
            lines += [f"- **Book**: equation {{eq}}`{label}`, `{label}`"]
            lines += _item("Code", [f"{{py:{f.role}}}`{f.name}`" for f in functions])
            lines += _item("Test", tests)
            lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def _item(name: str, entries: list[str]) -> list[str]:
    if len(entries) <= 1:
        return [f"- **{name}**: {entries[0] if entries else 'missing'}"]
    return [f"- **{name}**:", *(f"  - {entry}" for entry in entries)]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the page, or with ``--check`` compare it; print what is wrong; return the exit status."""
    ledger = collect(root)
    return pages.run(arguments, root, INDEX, render(ledger), violations(ledger))


if __name__ == "__main__":
    sys.exit(main())
