"""How long a chapter takes: an estimate that is counted, not measured, and rounded to five minutes.

Reading: 180 words a minute; 4 seconds for a line of code that the page shows (folded code does not count);
20 seconds for a displayed equation or a picture; 2 minutes for a figure that reacts. Exercises: by their
grade, see ``EXERCISE_MINUTES``; their texts and solutions do not count as reading.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

WORD = 1 / 180
CODE_LINE = 4 / 60
LOOK = 20 / 60
REACTING_FIGURE = 2.0
EXERCISE_MINUTES = {"by hand": 5, "by code": 10, "by experiment": 10, "to think about": 5}

PICTURES = {"image/png", "image/svg+xml"}


def minutes(page: Path) -> tuple[int, int]:
    """The minutes to read a page, a notebook or Markdown, and those for its exercises, 0 if it has none."""
    read, exercises = 0.0, 0
    level = 0  # of the heading of the exercise that the current line belongs to; 0 for none
    for cell in _cells(page):
        text = "".join(cell["source"])
        if cell["cell_type"] == "code":
            read += 0 if level else _code_minutes(cell, text)
            continue
        in_code = False
        for line in text.splitlines():
            if line.startswith("```"):
                in_code = not in_code and not line.startswith("```{")
            elif not in_code and (heading := re.match(r"(#+) (.*)", line)):
                if len(heading[1]) <= level:
                    level = 0
                if re.match(r"Exercise \d", heading[2]):
                    level = len(heading[1])
                    grades = [grade for grade in EXERCISE_MINUTES if grade in heading[2]]
                    exercises += max((EXERCISE_MINUTES[grade] for grade in grades), default=5)
            if not level:
                read += CODE_LINE if in_code else len(line.split()) * WORD + line.count("$$") / 2 * LOOK
    return max(5, _round(read)), _round(exercises)


def sentence(read: int, exercises: int) -> str:
    """What `minutes` found, as a line for a page."""
    more = f", {exercises} more for the exercises" if exercises else ""
    return f"About {read} minutes to read{more}."


def _cells(page: Path) -> list[dict[str, Any]]:
    text = page.read_text(encoding="utf-8")
    return (
        json.loads(text)["cells"] if page.suffix == ".ipynb" else [{"cell_type": "markdown", "source": text}]
    )


def _code_minutes(cell: dict[str, Any], text: str) -> float:
    tags = cell["metadata"].get("tags", [])
    if "hide-cell" in tags:
        return 0.0
    total = 0.0
    shown = "" if "hide-input" in tags else text
    for output in cell["outputs"]:
        data = {kind: "".join(content) for kind, content in output.get("data", {}).items()}
        total += LOOK * bool(PICTURES & data.keys())
        total += REACTING_FIGURE * ("<cnn-" in data.get("text/html", ""))
        if "```python" in (source := data.get("text/markdown", "")):  # from notebook.show_source
            shown += source
    return total + CODE_LINE * sum(bool(line.strip()) for line in shown.splitlines())


def _round(minutes: float) -> int:
    return 5 * round(minutes / 5)
