"""Sphinx extension that finishes the site: page descriptions, a root page, and less to download.

The theme's pages load 0.8 MB (compressed) that this book does not show: every Font Awesome icon as SVG in a
script, and again as fonts and as style rules. The last step of the build keeps the icons that the pages draw,
merges the style sheets that hold up the first paint, and keeps the room of pictures and equations, so that
the text does not jump when they arrive. Only one step adds to what a page says: how long a chapter takes.
"""

import hashlib
import html
import logging
import os
import re
import struct
import urllib.parse
from pathlib import Path
from typing import Any

from docutils import nodes
from fontTools import subset
from fontTools.ttLib import TTFont
from reading_time import minutes, sentence  # Jupyter Book puts this folder on the path
from sphinx.application import Sphinx

DESCRIPTION_LENGTH = 160  # search engines and link previews cut what is longer
ICON_RULE = re.compile(r'((?:\.fa-[\w-]+:before,?)+)\{content:"\\([0-9a-f]+)\s*"\}')
ICON_SCRIPT = "fontawesome.js"
STYLESHEET = re.compile(
    r'\s*<link\b(?=[^>]*rel="stylesheet")[^>]*\bhref="((?!https?:)(?![^"]*/book\.)[^"?]+)[^>]*>'
)
# the theme asks the system only at the end of the page: until then a dark page would flash in light
SYSTEM_THEME = 'matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"'


def first_sentences(doctree: nodes.document) -> str:
    """The opening prose of a page as plain text of about DESCRIPTION_LENGTH characters, "" if it has none."""
    text = ""
    for paragraph in doctree.findall(nodes.paragraph):
        # whole sentences: not the line that announces a list
        if isinstance(paragraph.parent, nodes.section) and paragraph.astext().endswith((".", "?", "!")):
            text = f"{text} {paragraph.astext()}".strip()
        if len(text) > DESCRIPTION_LENGTH:
            break
    text = re.sub(r"\s*\[[^\]]*\d{4}[a-z]?\]", "", text)  # citations
    text = re.sub(r"[\\{}]|\s+", lambda match: " " if match[0].isspace() else "", text)  # what TeX leaves
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    return text[: text.rindex(" ", 0, DESCRIPTION_LENGTH)].rstrip(",;: ") + "…"


def social_metadata(app: Sphinx, title: str, description: str, address: str) -> str:
    """The description, Open Graph and Twitter tags of the page at this address below the site's."""
    properties = {
        "og:type": "article",
        "og:site_name": app.config.html_title,
        "og:title": title,
        "og:description": description,
        "og:url": app.config.html_baseurl + address,
        "og:image": app.config.html_baseurl + "_static/social.png",
        "og:image:alt": app.config.site_image_alt,
    }
    tags = [f'<meta name="description" content="{html.escape(description)}" />']
    tags += [
        f'<meta property="{name}" content="{html.escape(value)}" />' for name, value in properties.items()
    ]
    tags += ['<meta name="twitter:card" content="summary_large_image" />']
    return "\n".join(tags) + "\n"


def describe_page(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Add the metadata of a page: its opening sentences, or the book's description where it has no prose."""
    description = (doctree and first_sentences(doctree)) or app.config.site_description
    title = html.unescape(re.sub(r"<[^>]+>", "", context.get("title") or app.config.html_title))
    context["metatags"] = context.get("metatags", "") + social_metadata(
        app, title, description, f"{pagename}.html"
    )


def tell_reading_time(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Say under the title of a chapter, which is a page with exercises, how long it takes."""
    source = Path(app.env.doc2path(pagename))
    if source.is_file():
        read, exercises = minutes(source)
        if exercises:
            line = f'</h1>\n<p class="reading-time">{sentence(read, exercises)}</p>'
            context["body"] = context["body"].replace("</h1>", line, 1)


def write_root_page(app: Sphinx) -> None:
    """Write index.html: it sends the reader on, and is a page in its own right for who does not follow."""
    target = f"{app.config.root_doc}.html"
    title = html.escape(app.config.html_title)
    page = f"""<!DOCTYPE html>
<html lang="{app.config.language}">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta http-equiv="refresh" content="0; url={target}" />
    <style>
      :root {{ color-scheme: light dark; }}
      body {{ background: canvas; color: canvastext; font-family: sans-serif; margin: 2rem; }}
    </style>
    <title>{title}</title>
    <link rel="canonical" href="{app.config.html_baseurl}{target}" />
    <link rel="icon" href="_static/favicon.svg" />
    {social_metadata(app, app.config.html_title, app.config.site_description, target).strip()}
  </head>
  <body>
    <main>
      <h1>{title}</h1>
      <p>{html.escape(app.config.site_description)}</p>
      <p><a href="{target}">Open the book</a></p>
    </main>
  </body>
</html>
"""
    (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def keep_used_icons(static: Path, pages: list[str]) -> None:
    """Cut Font Awesome's rules and fonts down to the icons that pages, scripts and style sheets name."""
    stylesheet = static / "styles" / "pydata-sphinx-theme.css"
    rules = stylesheet.read_text(encoding="utf-8")
    scripts = [
        path.read_text(encoding="utf-8") for path in static.glob("scripts/*.js") if path.name != ICON_SCRIPT
    ]
    used = set(re.findall(r"\bfa-[a-z0-9-]+", " ".join([*pages, *scripts])))

    def keep(match: re.Match[str]) -> str:
        return match[0] if used & set(re.findall(r"\.(fa-[\w-]+):", match[1])) else ""

    rules = ICON_RULE.sub(keep, rules)
    rules = re.sub(
        r'url\(([^)]*)\.woff2\) format\("woff2"\),url\([^)]*\) format\("truetype"\)',
        r'url(\1.woff) format("woff")',
        rules,
    )
    stylesheet.write_text(rules, encoding="utf-8")

    sheets = "".join(path.read_text(encoding="utf-8") for path in static.rglob("*.css"))
    # admonitions draw icons by code point: some style sheets escape it, some hold the character
    points = {int(point, 16) for point in re.findall(r'"\\([0-9a-f]{4})\s*"', sheets)}
    points |= {ord(character) for character in sheets if "\ue000" <= character <= "\uf8ff"}
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it reports each table that it cuts
    for truetype in (static / "vendor" / "fontawesome" / "webfonts").glob("*.ttf"):
        font = TTFont(truetype)
        subsetter = subset.Subsetter()
        subsetter.populate(unicodes=points)
        subsetter.subset(font)
        font.flavor = "woff"  # woff2 needs a compressor that Python lacks, and would save a few hundred bytes
        font.save(truetype.with_suffix(".woff"))
        truetype.unlink()
        truetype.with_suffix(".woff2").unlink()


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a PNG or SVG file in CSS pixels, or None for what it cannot read them from."""
    if path.suffix == ".png":
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        return width, height
    if path.suffix == ".svg":
        root = re.search(r"<svg\b[^>]*>", path.read_text(encoding="utf-8"))
        sizes = [
            re.search(rf'\s{side}="([\d.]+)(pt|px|)"', root[0]) if root else None
            for side in ("width", "height")
        ]
        if all(sizes):
            pixels = [float(size[1]) * (4 / 3 if size[2] == "pt" else 1) for size in sizes if size]
            return round(pixels[0]), round(pixels[1])
    return None


def size_pictures(page: str, folder: Path) -> str:
    """Write each picture's size into its tag, and let those after the first load when they come near."""
    seen = 0

    def add_size(match: re.Match[str]) -> str:
        nonlocal seen
        tag = match[0]
        source = re.search(r'\bsrc="([^":?]+)"', tag)
        if source is None or re.search(r"\s(width|height|loading|style)=", tag):
            return tag
        size = picture_size(folder / urllib.parse.unquote(source[1]))
        attributes = f' width="{size[0]}" height="{size[1]}" style="--width: {size[0]}px"' if size else ""
        if "/_images/" in source[1]:
            seen += 1
            attributes += ' loading="lazy"' if seen > 1 else ""
        return tag.replace("<img", f"<img{attributes}", 1)

    return re.sub(r"<img\b[^>]*>", add_size, page)


def reserve_room(page: str) -> str:
    """Write into each displayed equation the height that MathJax will give it, for site.css to keep free."""

    def add_room(match: re.Match[str]) -> str:
        rows = html.unescape(match[2]).split(r"\\")
        heights = [
            3.8 if re.search(r"\\(sum|prod|int)", row) else 2.6 if "frac" in row else 1.5 for row in rows
        ]
        # as measured, in em; the last addend is the margin
        return f'{match[1]} style="--room: {sum(heights) + 2.4:.1f}em">{match[2]}</div>'

    return re.sub(r'(<div class="math\b(?![^>]*--room)[^>]*)>(.*?)</div>', add_room, page, flags=re.DOTALL)


def unblock(page: str) -> str:
    """Let the scripts of the head wait until the page is drawn, and draw it in the system's colours at once.

    Only documentation_options.js may not wait: scripts within the page use it while the page is read.
    """
    page = re.sub(rf"\s*<script[^>]*/{ICON_SCRIPT}[^>]*></script>", "", page)
    page = re.sub(r'\s*<link rel="preload" as="script"[^>]*>', "", page)
    page = page.replace(
        'localStorage.getItem("theme") || "auto"', f'localStorage.getItem("theme") || ({SYSTEM_THEME})'
    )
    head, end, body = page.partition("</head>")
    head = re.sub(r'<script src="(?!https?:)(?![^"]*documentation_options)', '<script defer src="', head)
    return head + end + body


def nest_lists(page: str) -> str:
    """Put the list of submodules, on Sphinx's list of all modules, into the item of their module."""
    return re.sub(r"</li>\s*<ul>((?:(?!<ul>).)*?)</ul>", r"\n<ul>\1</ul></li>", page, flags=re.DOTALL)


def read_stylesheet(path: Path, base: Path) -> str:
    """The rules of a style sheet with its imports in place and its addresses relative to the folder base."""
    rules = path.read_text(encoding="utf-8")
    rules = re.sub(
        r'@import "([^":]+)";', lambda match: read_stylesheet((path.parent / match[1]).resolve(), base), rules
    )

    def rebase(match: re.Match[str]) -> str:
        target = os.path.relpath(path.parent / match[1], base)
        return f"url({Path(target).as_posix()})"

    # an address with a colon (data:, https:) or a hash (a part of the page) is not a file of ours
    return re.sub(r"""url\(["']?([^"':#)]+)["']?\)""", rebase, rules)


def merge_stylesheets(page: str, folder: Path, static: Path) -> str:
    """Replace the style sheets of a page, each of which holds up its first paint, by one file with all."""
    links = list(STYLESHEET.finditer(page))
    if not links:
        return page
    paths = [(folder / urllib.parse.unquote(link[1])).resolve() for link in links]
    rules = "\n".join(read_stylesheet(path, static.resolve()) for path in paths)
    name = f"book.{hashlib.sha256(rules.encode()).hexdigest()[:12]}.css"
    (static / name).write_text(rules, encoding="utf-8")
    address = Path(os.path.relpath(static / name, folder)).as_posix()
    first = links[0].start()
    return page[:first] + f'<link rel="stylesheet" href="{address}" />' + STYLESHEET.sub("", page[first:])


def skip_tuple_fields(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leave out the fields of named tuples, whose only documentation is "Alias for field number 0"."""
    return True if type(member).__name__ == "_tuplegetter" else None


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Finish a site that was built without an error."""
    if exception is not None or app.builder.name != "html":
        return
    write_root_page(app)
    output = Path(app.outdir)
    files = [path for path in output.rglob("*.html") if "_static" not in path.relative_to(output).parts]
    pages = {path: path.read_text(encoding="utf-8") for path in files}
    keep_used_icons(output / "_static", list(pages.values()))
    (output / "_static" / "scripts" / ICON_SCRIPT).unlink(missing_ok=True)
    for path, page in pages.items():
        merged = merge_stylesheets(unblock(page), path.parent, output / "_static")
        finished = reserve_room(size_pictures(nest_lists(merged), path.parent))
        if finished != page:
            path.write_text(finished, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the steps: what is documented, a page's metadata, and the rest when all pages are written."""
    # sphinx-mathjax-offline, which comes before this extension, sets the bundle
    app.config.mathjax_path = "mathjax/startup.js"
    app.add_config_value("site_description", "", "html", str)
    app.add_config_value("site_image_alt", "", "html", str)
    app.connect("html-page-context", describe_page)
    app.connect("html-page-context", tell_reading_time)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    # late, because sphinx_external_toc and the MathJax extension also write when the build has finished
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
