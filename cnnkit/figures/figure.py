"""A figure that reacts: what Python gives the page, and the scripts that it runs on."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True, repr=False)
class Figure:
    """A figure that reacts to mouse, touch and keyboard, without a kernel and without a network.

    As the last line of a cell it shows itself, in JupyterLab, in Colab and on the site. Its output holds all
    that it needs: the state, the scripts, and a sentence with a picture for readers without JavaScript.

    Attributes:
        kind: the name of its script, such as ``output-size``.
        state: what it shows at first, plain data.
        label: what it is, for readers who do not see it.
        fallback: one sentence that says what it shows at first.
        picture: an SVG of what it shows at first.
        scripts: what its script builds on, by name, besides the core.
        height: how high it is, in rem, on a wide page and on a phone: the room is kept while the page loads.
    """

    kind: str
    state: Mapping[str, Any]
    label: str
    fallback: str
    picture: str
    scripts: tuple[str, ...] = ()
    height: tuple[float | int, float | int] = (24, 32)

    def __repr__(self) -> str:
        """What kind of figure it is; the state would be long."""
        return f"Figure({self.kind!r})"

    def _repr_html_(self) -> str:
        """The custom element, its state, its fallback, and the scripts that bring it to life."""
        name, (wide, narrow) = f"cnn-{self.kind}", self.height
        state = json.dumps(self.state, ensure_ascii=False).replace("<", "\\u003c")
        label = html.escape(self.label)
        scripts = "".join(
            f"<script>{source(script)}</script>" for script in ("core", *self.scripts, self.kind)
        )
        return (
            f"<style>{name}{{display:grid;grid-template-columns:minmax(0,1fr);min-height:{wide}rem}}"
            f"@media(max-width:600px){{{name}{{min-height:{narrow}rem}}}}</style>"
            f'<{name} aria-label="{label}"><script type="application/json">{state}</script>'
            f"<p>{html.escape(self.fallback)} (The figure reacts where JavaScript runs; in a notebook, run "
            f"its cell.)</p>{self.picture}</{name}>{scripts}"
        )


def source(name: str) -> str:
    """A script as it goes into an output: without comments on lines of their own and without indentation."""
    text = (SCRIPTS / f"{name}.js").read_text(encoding="utf8")
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not re.match(r"//", line))


def grid(rows: list[list[Any]], side: int = 26) -> str:
    """A still picture for the fallback: values in squares, row below row.

    Args:
        rows: numbers or short texts; None leaves a square out.
        side: of a square, in pixels.
    """
    width, height = side * max(map(len, rows)), side * len(rows)
    squares = "".join(
        f'<rect x="{side * j + 1}" y="{side * i + 1}" width="{side - 2}" height="{side - 2}"/>'
        f'<text x="{side * j + side / 2:g}" y="{side * i + 0.65 * side:g}">{html.escape(str(value))}</text>'
        for i, row in enumerate(rows)
        for j, value in enumerate(row)
        if value is not None
    )
    return (
        f'<svg role="img" aria-label="The values in squares" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" style="max-width:100%;height:auto"><style>'
        f".still rect{{fill:none;stroke:currentColor}}"
        f".still text{{fill:currentColor;font:11px sans-serif;text-anchor:middle}}</style>"
        f'<g class="still">{squares}</g></svg>'
    )
