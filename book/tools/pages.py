"""The pages of the book, as the tools that generate pages read them.

A link to a section is ``page.ipynb#slug``. The slugs are those of the site's Markdown parser, which
`myst_heading_anchors` in ``_config.yml`` turns on, so a link that is sound here lands on the site.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.front_matter import front_matter_plugin
from myst_parser.mdit_to_docutils.base import default_slugify

ROOT = Path(__file__).resolve().parents[2]

# The site's Markdown parser with the site's extensions for mathematics: what this reads, Sphinx registers.
MARKDOWN = (
    MarkdownIt("commonmark")
    .enable("table")
    .use(front_matter_plugin)
    .use(colon_fence_plugin)
    .use(dollarmath_plugin, allow_labels=True)
)


@dataclass(frozen=True)
class Section:
    """A heading of a page and the Markdown below it, up to the next heading of any level."""

    level: int
    title: str
    slug: str
    text: str


@dataclass(frozen=True)
class Part:
    """A part of the table of contents; its pages are relative to ``book/``, without suffix."""

    caption: str
    pages: list[str]


def parts(root: Path) -> list[Part]:
    """The parts of the table of contents in order; the front page is a part without caption."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found = [Part("", [_page(toc["root"])])]
    for part in toc.get("parts", []):
        found.append(Part(part["caption"], [_page(entry["file"]) for entry in part["chapters"]]))
    return found


def chapters(root: Path) -> list[str]:
    """The pages of the table of contents in order, relative to ``book/``, without suffix."""
    return [page for part in parts(root) for page in part.pages]


def _page(name: str) -> str:
    return re.sub(r"\Abook/|\.(md|ipynb)\Z", "", name)


def path_of(root: Path, page: str) -> Path:
    """The file of a page.

    Raises:
        FileNotFoundError: there is neither a notebook nor a Markdown file of this name.
    """
    for suffix in (".ipynb", ".md"):
        path = (root / "book" / page).with_suffix(suffix)
        if path.exists():
            return path
    raise FileNotFoundError(f"there is no page book/{page}, neither .ipynb nor .md")


def markdown_cells(path: Path) -> Iterator[tuple[int, str]]:
    """The Markdown of a page with the number of its cell, counted from 1; a Markdown file is cell 0."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        yield 0, text
        return
    for number, cell in enumerate(json.loads(text)["cells"], start=1):
        if cell["cell_type"] == "markdown":
            yield number, "".join(cell["source"])


def title(path: Path) -> str:
    """The title of a page: its first heading, or its name where it has none."""
    for _, source in markdown_cells(path):
        if heading := re.search(r"^# +(.+?)\s*$", source, re.MULTILINE):
            return heading[1]
    return path.stem


def sections(path: Path) -> list[Section]:
    """The sections of a page in order, its title among them, with the slugs by which links name them."""
    found: list[Section] = []
    for _, source in markdown_cells(path):
        lines, tokens = source.splitlines(), MARKDOWN.parse(source)
        starts = [i for i, token in enumerate(tokens) if token.type == "heading_open" and token.level == 0]
        if found and (not starts or tokens[starts[0]].map != [0, 1]):
            before = lines[: _line(tokens[starts[0]])] if starts else lines
            last = found[-1]
            found[-1] = Section(last.level, last.title, last.slug, "\n".join([last.text, *before]).strip())
        ends = [*(_line(tokens[i]) for i in starts[1:]), len(lines)]
        for i, end in zip(starts, ends, strict=False):
            heading, below = tokens[i + 1], lines[_line(tokens[i]) + 1 : end]
            texts = [part.content for part in heading.children or [] if part.type in ("text", "code_inline")]
            slug = _unique(default_slugify("".join(texts)), [section.slug for section in found])
            found.append(Section(int(tokens[i].tag[1]), heading.content, slug, "\n".join(below).strip()))
    return found


def _line(token: Token) -> int:
    assert token.map is not None, "every block of Markdown has a place"
    return token.map[0]


def _unique(slug: str, taken: list[str]) -> str:
    """The slug that the site's parser gives to a heading whose words have occurred before."""
    number = 1
    while slug in taken:
        slug, number = f"{slug}-{number}", number + 1
    return slug


def run(arguments: list[str] | None, root: Path, target: Path, page: str, found: list[str]) -> int:
    """Be the command line of a tool that generates a page.

    Args:
        arguments: those of the command line; None takes them from `sys.argv`.
        root: the repository.
        target: the page's file, below the root.
        page: the page.
        found: what is wrong with its sources, one line each.

    Returns:
        The exit status: 1 if something is wrong, or if ``--check`` finds the page out of date.
    """
    parser = argparse.ArgumentParser(description=f"Check the sources of {target.as_posix()} and write it.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    path, problems = root / target, list(found)
    if not parser.parse_args(arguments).check:
        path.write_text(page, encoding="utf-8", newline="\n")
    elif not path.exists() or path.read_text(encoding="utf-8") != page:
        problems.append(f"{target.as_posix()} is out of date: run make pages")
    for line in problems:
        print(line, file=sys.stderr)
    return 1 if problems else 0
