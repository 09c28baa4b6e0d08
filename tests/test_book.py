"""The pages of the book: executed in order, described for who cannot see, named once, and small.

Each rule is a function from a page to a list of complaints; the first tests apply the rules to every page,
the others show each rule a page that breaks it.
"""

import base64
import re
from collections import Counter, defaultdict

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from book.tools.execute_notebooks import KERNELSPEC, LANGUAGE_INFO, ROOT

BOOK = ROOT / "book"
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
PAGES = sorted([*NOTEBOOKS, *BOOK.glob("*.md")])
PICTURES = ("image/png", "image/svg+xml", "image/jpeg")
MAX_PICTURE_BYTES = 300_000
MAX_NOTEBOOK_BYTES = 1_500_000

FENCE = re.compile(
    r"^(?P<fence>`{3,}|~{3,}|:{3,})[ ]*(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=fence)[ ]*$", re.M | re.S
)
MACHINE = re.compile(
    r"(?<![\w.:/~-])/(?:home|root|Users|tmp|private|workspace|opt|mnt)/[\w.-]+"
    r"|\b[A-Z]:\\+Users\b|site-packages|\bat 0x[0-9a-f]{6,}"
)


def code_cells(notebook):
    return [(index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def pictures(cell):
    """The picture outputs of a cell as pairs of MIME type and data."""
    data = [output.data for output in cell.outputs if "data" in output]
    return [(kind, bundle[kind]) for bundle in data for kind in PICTURES if kind in bundle]


def markdown(page):
    """The Markdown of a page: of a notebook, that of its text cells."""
    if page.suffix == ".md":
        return page.read_text(encoding="utf-8")
    notebook = nbformat.read(page, as_version=4)
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def without_code(text):
    """Markdown without code blocks and code spans, which show syntax and do not use it."""

    def body(match):
        # the body of a directive is Markdown again; any other fence is code
        return without_code_blocks(match["body"]) if match["info"].startswith("{") else ""

    def without_code_blocks(part):
        return FENCE.sub(lambda match: f"{match['info']}\n{body(match)}" if body(match) else "", part)

    return re.sub(r"(`+)(?!`)(?:.(?!\n\n))+?(?<!`)\1(?!`)", "", without_code_blocks(text), flags=re.S)


def execution_problems(notebook):
    """Cells that were not run, were run out of order, or failed without having announced it."""
    problems = []
    for number, (index, cell) in enumerate(code_cells(notebook), start=1):
        if cell.execution_count != number:
            problems.append(f"cell {index}: execution count {cell.execution_count}, expected {number}")
        failed = [output.ename for output in cell.outputs if output.output_type == "error"]
        if failed and "raises-exception" not in tags(cell):
            problems.append(f"cell {index}: raised {failed[0]} without the tag raises-exception")
        if "raises-exception" in tags(cell) and not failed:
            problems.append(f"cell {index}: tagged raises-exception, but nothing was raised")
        noise = [output.text for output in cell.outputs if output.get("name") == "stderr"]
        if noise:
            problems.append(f"cell {index}: wrote to stderr: {noise[0][:80]!r}")
    return problems


def metadata_problems(notebook):
    """Metadata other than what the executor writes."""
    problems = []
    for key, expected in (("kernelspec", KERNELSPEC), ("language_info", LANGUAGE_INFO)):
        if notebook.metadata.get(key) != expected:
            problems.append(f"{key} is {notebook.metadata.get(key)}, expected {expected}")
    known = {"tags", "mystnb", "jupyter", "slideshow"}
    for index, cell in enumerate(notebook.cells):
        if unknown := set(cell.metadata) - known:
            problems.append(f"cell {index}: metadata {sorted(unknown)}, expected some of {sorted(known)}")
    return problems


def picture_problems(notebook):
    """Pictures without alt text or caption, too large, or that nothing but their pixels speaks of."""
    problems = []
    for index, cell in code_cells(notebook):
        found = pictures(cell)
        if found and not cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip():
            problems.append(f"cell {index}: a picture without metadata mystnb.image.alt")
        if found and not cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "").strip():
            problems.append(f"cell {index}: a picture without metadata mystnb.figure.caption")
        if len(found) > 1:
            problems.append(f"cell {index}: {len(found)} pictures, but one cell has one alt text")
        for kind, data in found:
            size = len(data.encode()) if kind == "image/svg+xml" else len(base64.b64decode(data))
            if size > MAX_PICTURE_BYTES:
                problems.append(f"cell {index}: {kind} of {size} bytes, expected at most {MAX_PICTURE_BYTES}")
        compared = any(output.get("name") == "stdout" for output in cell.outputs)
        if any(kind != "image/svg+xml" for kind, _ in found) and not compared:
            problems.append(f"cell {index}: no test compares pixels, so print the picture's key numbers too")
    return problems


def ignored_problems(notebook):
    """Too many outputs that no test compares."""
    with_outputs = [cell for _, cell in code_cells(notebook) if cell.outputs]
    ignored = [cell for cell in with_outputs if {"nbval-ignore-output", "nbval-skip"} & set(tags(cell))]
    if 3 * len(ignored) > len(with_outputs):
        return [f"{len(ignored)} of {len(with_outputs)} outputs are not compared, expected at most a third"]
    return []


def machine_problems(text):
    """Paths and addresses in memory of the machine that executed a notebook."""
    found = [match[0] for match in MACHINE.finditer(text)]
    return [*found, str(ROOT)] if str(ROOT) in text else found


def alt_problems(text):
    """Pictures of Markdown, of directives and of HTML that have no alternative text."""
    problems = [f"no alt text: {match[0]}" for match in re.finditer(r"!\[\s*\]\([^)]*\)", without_code(text))]
    for match in FENCE.finditer(text):
        if re.match(r"\{(figure|image)\}", match["info"]) and not re.search(
            r"^:alt:[ ]*\S", match["body"], re.M
        ):
            problems.append(f"no :alt: in {match['info']}")
        if match["info"].startswith("{") and not re.match(r"\{(code|literalinclude|raw)", match["info"]):
            problems += [problem for problem in alt_problems(match["body"]) if problem not in problems]
    for match in re.finditer(r"<img\b[^>]*>", without_code(text)):
        if not re.search(r"""\balt=(?:"[^"]*[^"\s][^"]*"|'[^']*[^'\s][^']*')""", match[0]):
            problems.append(f"no alt text: {match[0]}")
    return problems


def link_problems(text):
    """External links in HTML: the weekly check of links sees only those in Markdown."""
    return re.findall(r"""<a\b[^>]*\bhref=["']https?:[^>]*>""", without_code(text))


def labels(page):
    """Every label that a page defines: of equations, headings, directives and figures of cells."""
    text = without_code(markdown(page))
    found = re.findall(r"\$\$[ ]*\(([^()\s]+)\)", text)
    found += re.findall(r"^\(([\w:.-]+)\)=[ ]*$", text, re.M)
    found += re.findall(r"^:(?:name|label):[ ]*(\S+)", text, re.M)
    if page.suffix == ".ipynb":
        notebook = nbformat.read(page, as_version=4)
        figures = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in notebook.cells]
        found += [figure["name"] for figure in figures if "name" in figure]
    return [label.lower() for label in found]


def repeated_labels(pages):
    places = defaultdict(list)
    for page in pages:
        for label in labels(page):
            places[label].append(page.name)
    return {label: names for label, names in places.items() if len(names) > 1}


def contents(root):
    """The files that the table of contents names, without suffix."""

    def files(node):
        if isinstance(node, list):
            return [name for item in node for name in files(item)]
        if isinstance(node, dict):
            own = [node[key] for key in ("root", "file") if key in node]
            return own + [name for value in node.values() for name in files(value)]
        return []

    return files(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8")))


def contents_problems(root):
    """Pages that the table of contents does not name, names twice, or names though they do not exist."""
    listed = Counter(contents(root))
    paths = [*root.glob("book/*.ipynb"), *root.glob("book/*.md")]
    pages = {path.relative_to(root).with_suffix("").as_posix() for path in paths}
    problems = [f"{name}: not in _toc.yml" for name in sorted(pages - listed.keys())]
    problems += [f"{name}: in _toc.yml, but there is no such page" for name in sorted(listed.keys() - pages)]
    return problems + [f"{name}: {count} times in _toc.yml" for name, count in listed.items() if count > 1]


# Every page of the book keeps the rules.


def test_the_table_of_contents_is_complete():
    assert contents_problems(ROOT) == []


def test_every_label_is_defined_once():
    assert repeated_labels(PAGES) == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_of_the_text_has_alt_text(page):
    assert alt_problems(markdown(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_external_link_is_within_reach_of_the_link_check(page):
    assert link_problems(markdown(page)) == []


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
@pytest.mark.parametrize(
    "rule",
    [execution_problems, metadata_problems, picture_problems, ignored_problems],
    ids=lambda rule: rule.__name__,
)
def test_a_notebook_keeps_the_rule(page, rule):
    assert rule(nbformat.read(page, as_version=4)) == []


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebook_is_small_and_names_no_machine(page):
    assert page.stat().st_size <= MAX_NOTEBOOK_BYTES
    assert machine_problems(page.read_text(encoding="utf-8")) == []


# Every rule finds the page that breaks it.

PNG = base64.b64encode(b"pixels").decode()


def cell(count=1, outputs=(), source="1", **metadata):
    return new_code_cell(source, execution_count=count, outputs=list(outputs), metadata=metadata)


def shown(kind=PICTURES[0], data=PNG):
    return new_output("display_data", data={kind: data, "text/plain": "<Figure>"})


def printed(name="stdout", text="0.25\n"):
    return new_output("stream", name=name, text=text)


def notebook(*cells):
    return new_notebook(
        cells=list(cells), metadata={"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    )


ALT = {"image": {"alt": "a row of nodes"}, "figure": {"caption": "Each node sees three inputs."}}
CAPTION = {"figure": ALT["figure"]}


def test_a_good_notebook_has_no_problems():
    good = notebook(
        new_markdown_cell("# A page"),
        cell(1, [printed()]),
        cell(2, [printed(), shown()], mystnb=ALT),
        cell(3, [shown("image/svg+xml", "<svg/>")], mystnb=ALT),
        cell(4, [new_output("error", ename="ValueError", evalue="F=4")], tags=["raises-exception"]),
        cell(5, [printed()], tags=["nbval-ignore-output"]),
    )
    for rule in (execution_problems, metadata_problems, picture_problems, ignored_problems):
        assert rule(good) == []


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (cell(None), "execution count None, expected 1"),
        (cell(2), "execution count 2, expected 1"),
        (cell(1, [new_output("error", ename="ValueError", evalue="")]), "raised ValueError without"),
        (cell(1, tags=["raises-exception"]), "nothing was raised"),
        (cell(1, [printed("stderr", "a warning")]), "wrote to stderr: 'a warning'"),
    ],
)
def test_a_badly_executed_notebook_is_found(bad, complaint):
    assert complaint in execution_problems(notebook(bad))[0]


def test_foreign_metadata_is_found():
    bad = notebook(cell(1, collapsed=True))
    bad.metadata.kernelspec = {"name": "julia"}
    bad.metadata.language_info = {"name": "python", "version": "3.12.1"}
    problems = metadata_problems(bad)
    assert [problem.split(" ")[0] for problem in problems] == ["kernelspec", "language_info", "cell"]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (cell(1, [printed(), shown()], mystnb=CAPTION), "without metadata mystnb.image.alt"),
        (
            cell(1, [printed(), shown()], mystnb=CAPTION | {"image": {"alt": " "}}),
            "without metadata mystnb.image.alt",
        ),
        (
            cell(1, [printed(), shown()], mystnb={"image": ALT["image"]}),
            "without metadata mystnb.figure.caption",
        ),
        (
            cell(1, [printed(), shown()], mystnb=ALT | {"figure": {"name": "fig-row"}}),
            "mystnb.figure.caption",
        ),
        (cell(1, [printed(), shown(), shown()], mystnb=ALT), "2 pictures"),
        (cell(1, [shown()], mystnb=ALT), "print the picture's key numbers"),
        (cell(1, [shown("image/svg+xml", "x" * (MAX_PICTURE_BYTES + 1))], mystnb=ALT), "of 300001 bytes"),
        (cell(1, [printed(), shown(data="AAAA" * 100_001)], mystnb=ALT), "image/png of 300003 bytes"),
    ],
)
def test_a_bad_picture_is_found(bad, complaint):
    problems = picture_problems(notebook(bad))
    assert len(problems) == 1
    assert complaint in problems[0]


def test_too_many_ignored_outputs_are_found():
    cells = [cell(count, [printed()]) for count in range(1, 7)]
    cells[0].metadata.tags = ["nbval-ignore-output"]
    cells[1].metadata.tags = ["nbval-skip"]
    assert ignored_problems(notebook(*cells)) == []
    assert ignored_problems(notebook(*cells[:5])) == [
        "2 of 5 outputs are not compared, expected at most a third"
    ]
    cells[5].outputs = []
    assert len(ignored_problems(notebook(*cells))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "File /home/alice/cnns/x.py",
        r"C:\\Users\\alice",
        "/tmp/pytest-1",
        "<Slider at 0x7f03a2b4>",
        "lib/python3.11/site-packages/torch",
        f"in {ROOT}/cnnkit",
    ],
)
def test_a_machines_path_is_found(text):
    assert machine_problems(text) != []


@pytest.mark.parametrize(
    "text", ["https://example.org/home/alice", "book/pooling.ipynb", "at 0x3", "1/root/2"]
)
def test_other_paths_are_allowed(text):
    assert machine_problems(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "see ![](row.svg) here",
        "```{figure} row.svg\n:name: fig-row\nA caption\n```\n",
        ":::{image} row.svg\n:alt:\n:::\n",
        "::::{note}\n:::{figure} row.svg\nA caption\n:::\n::::\n",
        ":::{note}\n![](row.svg)\n:::\n",
        '<img src="row.svg">',
        '<img alt="" src="row.svg">',
    ],
)
def test_a_picture_without_alt_text_is_found(text):
    assert len(alt_problems(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "![a row](row.svg)",
        "```{figure} row.svg\n:alt: a row\nA caption\n```\n",
        '<img src="row.svg" alt="a row">',
        "```markdown\n![](row.svg)\n```\n",
        "write `![](row.svg)` so",
    ],
)
def test_described_pictures_and_shown_syntax_are_allowed(text):
    assert alt_problems(text) == []


def test_a_link_in_html_is_found():
    assert len(link_problems('see <a class="x" href="https://example.org/">there</a>')) == 1
    assert link_problems("see [there](https://example.org/), `<a href='https://example.org/'>`") == []
    assert link_problems('<a href="pooling.html">there</a>') == []


def test_every_kind_of_label_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "(Start)=\n# A page\n\n$$\na\n$$ (eq-a)\n\n$$ b $$ (eq-b)\n\n"
        ":::{figure} row.svg\n:name: fig-row\n:alt: a row\n:::\n\n```{math}\n:label: eq-c\nc\n```\n\n"
        "```markdown\n$$ d $$ (eq-d)\n```\n\nWrite `$$ e $$ (eq-e)`; see {eq}`eq-a`.\n",
        encoding="utf-8",
    )
    assert sorted(labels(page)) == ["eq-a", "eq-b", "eq-c", "fig-row", "start"]


def test_a_repeated_label_is_found_across_pages(tmp_path):
    figure = {"figure": {"caption": "A row", "name": "fig-row"}}
    nbformat.write(notebook(cell(1, [printed()], mystnb=figure)), tmp_path / "one.ipynb")
    nbformat.write(notebook(new_markdown_cell("(Fig-Row)=\n## Again")), tmp_path / "two.ipynb")
    nbformat.write(notebook(new_markdown_cell("(elsewhere)=\n## Else")), tmp_path / "three.ipynb")
    pages = sorted(tmp_path.iterdir())
    assert repeated_labels(pages) == {"fig-row": ["one.ipynb", "two.ipynb"]}


def test_a_gap_in_the_table_of_contents_is_found(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book/index.md").write_text("# Book\n", encoding="utf-8")
    nbformat.write(notebook(), tmp_path / "book/forgotten.ipynb")
    toc = "root: book/index\nparts:\n- caption: One\n  chapters:\n  - file: book/lost\n  - file: book/index\n"
    (tmp_path / "_toc.yml").write_text(toc, encoding="utf-8")
    assert contents_problems(tmp_path) == [
        "book/forgotten: not in _toc.yml",
        "book/lost: in _toc.yml, but there is no such page",
        "book/index: 2 times in _toc.yml",
    ]
