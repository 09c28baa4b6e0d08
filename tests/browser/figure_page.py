"""A page of its own for figures that react, and what a test asks of such a figure."""

import re
from typing import Any

from playwright.sync_api import Locator, Page

# the colours that the site gives its pages
THEMES = {
    "light": "--pst-color-text-base: #222832; --pst-color-background: #ffffff",
    "dark": "--pst-color-text-base: #ced6dd; --pst-color-background: #14181e",
}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A figure</title>
<meta name="viewport" content="width=device-width">
<style>body {{ {colours}; background: var(--pst-color-background); margin: 8px }}</style></head>
<body><main><h1 style="color: var(--pst-color-text-base)">A figure</h1>{figures}</main></body></html>"""


def state(page: Page) -> dict[str, Any]:
    """What the first figure of a page shows now."""
    return page.evaluate("[...document.querySelectorAll('*')].find((element) => element.shadowRoot).state")


def sentence(page: Page) -> str:
    """The live sentence of the first figure of a page."""
    return page.locator(".sentence").first.inner_text()


def numbers(text: str) -> list[float]:
    """The numbers of a text, in order."""
    return [float(number.replace("−", "-")) for number in re.findall(r"[−-]?\d+(?:\.\d+)?", text)]


def slide(page: Page, label: str, value: float) -> None:
    """Move the slider with this label."""
    page.get_by_label(label, exact=False).first.fill(str(value))


def press(drawing: Locator, *keys: str) -> None:
    """Press keys in a drawing."""
    for key in keys:
        drawing.press(key)
