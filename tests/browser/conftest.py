"""Fixtures of the browser tests: the built site on 127.0.0.1, one Chromium, and a record of what a page did.

Without a browser, or without a built site, the tests are skipped and say why; CNN_REQUIRE_BROWSER=1, which CI sets,
turns that into a failure.
"""

import functools
import http.server
import os
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from built_site import BROWSERS, ROOT, SITE, QuietHandler, Record, unavailable
from figure_page import PAGE, THEMES
from playwright.sync_api import Browser, Page, sync_playwright

from cnnkit.figures.figure import Figure


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    if not (SITE / "book" / "index.html").exists():
        unavailable(f"{SITE.relative_to(ROOT)} holds no site: run `make book` first")
    return SITE


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The address at which the built site is served."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(site))
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for all tests: that of the environment variable CHROMIUM, or the system's."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        unavailable(f"no browser: neither CHROMIUM is set nor any of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright:
        # containers have no user namespaces for the sandbox; the other flags stop Chromium's own requests
        flags = [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
        ]
        chromium = playwright.chromium.launch(executable_path=program, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., tuple[Page, Record]]]:
    """A function that opens an address and waits until its formulas are set; it gives the page and its record."""
    contexts = []

    def open_page(url: str, scheme: str = "light", width: int = 1280) -> tuple[Page, Record]:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        record = Record(context)
        page = context.new_page()
        page.goto(url, wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        page.evaluate("() => document.fonts.ready.then(() => true)")
        return page, record

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def show(open_page: Callable[..., tuple[Page, Record]], tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """A function that opens a page with figures that react; at the end nothing must have gone wrong on it."""
    records = []

    def show(*shown: Figure, scheme: str = "light", width: int = 1280) -> Page:
        path = tmp_path / f"page{len(records)}.html"
        outputs = "".join(figure._repr_html_() for figure in shown)
        path.write_text(PAGE.format(colours=THEMES[scheme], figures=outputs), encoding="utf-8")
        page, record = open_page(path.as_uri(), scheme, width)
        records.append(record)
        return page

    yield show
    for record in records:
        assert record.problems == []


@pytest.fixture(scope="session")
def repository() -> str:
    """The owner/name of the repository, from its one setting."""
    setting = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["cnn-companion"]
    return f"{setting['owner']}/{setting['repository']}"
