"""What the browser tests know of the built site, and the record they keep of a page's doings."""

import http.server
import os
import urllib.parse
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import BrowserContext, Request, Response, Route

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def unavailable(reason: str) -> NoReturn:
    """Skip the test for this reason, or fail it where a browser is required."""
    if os.environ.get("CNN_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{reason}, and CNN_REQUIRE_BROWSER is 1", pytrace=False)
    pytest.skip(reason)


def built_pages() -> list[str]:
    """Every page of the built site but its root page, as paths below it."""
    pages = (path.relative_to(SITE) for path in SITE.rglob("*.html"))
    return sorted(page.as_posix() for page in pages if page.parts[0] not in ("_static", "index.html"))


def notebook_pages() -> list[str]:
    """The pages of the built site that were made from notebooks."""
    return sorted(path.stem for path in (SITE / "_sources" / "book").glob("*.ipynb"))


class Record:
    """What a page asked of the network and said on the console; `problems` is empty for a page that is in order."""

    def __init__(self, context: BrowserContext) -> None:
        self.problems: list[str] = []
        context.route("**/*", self._allow_local)
        context.on("requestfailed", self._check_failure)
        context.on("response", self._check_status)
        context.on(
            "console", lambda message: self._note(f"console {message.type}", message.text, message.type)
        )
        context.on("weberror", lambda error: self._note("exception", str(error.error)))

    def _allow_local(self, route: Route, request: Request) -> None:
        address = urllib.parse.urlparse(request.url)
        if address.scheme in ("http", "https") and address.hostname != "127.0.0.1":
            self._note("external request", request.url)
            route.abort()
        else:
            route.continue_()

    def _check_failure(self, request: Request) -> None:
        # the browser aborts what a page still loads when the reader leaves it
        if request.failure != "net::ERR_ABORTED":
            self._note("failed", f"{request.url} {request.failure}")

    def _check_status(self, response: Response) -> None:
        if response.status >= 400:
            self._note(f"status {response.status}", response.url)

    def _note(self, kind: str, text: str, level: str = "error") -> None:
        if level in ("error", "warning"):
            self.problems.append(f"{kind}: {text}")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line of log for each."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
