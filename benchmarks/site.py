"""Measure the site: the time to build it, what its first chapter downloads, and Lighthouse's scores.

Run ``python -m benchmarks.site`` on an otherwise idle machine. It needs Chromium and node; npm fetches
Lighthouse. The result is ``benchmarks/results/site.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import gzip
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupyter_book
import sphinx
import yaml
from playwright.sync_api import sync_playwright

from benchmarks.record import environment, write

ROOT = Path(__file__).parents[1]
LIGHTHOUSE = "lighthouse@12"  # 13 wants node 22
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
METRICS = (
    "first-contentful-paint",
    "largest-contentful-paint",
    "total-blocking-time",
    "cumulative-layout-shift",
    "speed-index",
)
COMPRESSED = (".html", ".css", ".js", ".svg", ".json")
TARGETS = {
    "build_seconds": 40,
    "first_chapter_kilobytes": 700,
    "performance": 90,
    "accessibility": 100,
    "best-practices": 100,
    "seo": 100,
}


def build(output: Path) -> float:
    """Build the site from the stored outputs into an empty folder; the seconds that took."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [str(program), "build", ".", "-W", "-n", "--keep-going", "--path-output", str(output)]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"the site does not build:\n{done.stdout}\n{done.stderr}")
    return seconds


class GzipHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files as a public host does: text compressed, one connection for many requests."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send a file, compressed if it is text."""
        path = Path(self.translate_path(self.path))
        if not (path.is_file() and path.suffix in COMPRESSED):
            super().do_GET()
            return
        body = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder while the context is open, at the address that it gives."""
    handler = functools.partial(GzipHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def transfer(chromium: str, address: str) -> dict[str, float]:
    """Requests and kilobytes (1000 bytes, bodies and headers) of a page, as opened and as read to its end."""
    sizes: list[int] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 412, "height": 823})
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
        page.goto(address, wait_until="networkidle")
        opened = {"requests": len(sizes), "kilobytes": round(sum(sizes) / 1000, 1)}
        for picture in page.locator(".bd-article img").all():
            picture.scroll_into_view_if_needed()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        browser.close()
    return opened | {"kilobytes_read_to_the_end": round(sum(sizes) / 1000, 1)}


def lighthouse(chromium: str, address: str) -> dict[str, Any]:
    """One audit of a page with Lighthouse's mobile settings: scores of 100, metrics in ms, its version."""
    flags = "--headless=new --no-sandbox --disable-gpu"
    command = ["npx", "--yes", LIGHTHOUSE, address, "--output=json", "--quiet", f"--chrome-flags={flags}"]
    done = subprocess.run(command, env=os.environ | {"CHROME_PATH": chromium}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Lighthouse failed:\n{done.stderr}")
    report = json.loads(done.stdout)
    return {
        "version": report["lighthouseVersion"],
        "scores": {name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES},
        "metrics": {name: round(report["audits"][name]["numericValue"], 3) for name in METRICS},
        "load": round(os.getloadavg()[0], 2),
    }


def first_chapter() -> str:
    """The address of the first chapter below the site's, from the table of contents."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return f"{contents['parts'][0]['chapters'][0]['file']}.html"


def main() -> None:
    """Measure everything, and write and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="repetitions, of which the median is taken (default 5)"
    )
    runs = parser.parse_args().runs
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or shutil.which("npx") is None:
        sys.exit("benchmarks.site needs Chromium (or its path in CHROMIUM) and npx, which comes with node")

    surroundings = environment()
    seconds, audits = [], []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            seconds.append(round(build(Path(folder) / str(run)), 2))
        with serve(Path(folder) / "0" / "_build" / "html") as address:
            page = first_chapter()
            downloaded = transfer(chromium, f"{address}/{page}")
            for _ in range(runs):
                audits.append(lighthouse(chromium, f"{address}/{page}"))

    median = {
        "build_seconds": statistics.median(seconds),
        "first_chapter_kilobytes": downloaded["kilobytes"],
        **{name: statistics.median(audit["scores"][name] for audit in audits) for name in CATEGORIES},
        **{name: statistics.median(audit["metrics"][name] for audit in audits) for name in METRICS},
    }
    versions = {
        "jupyter-book": jupyter_book.__version__,
        "sphinx": sphinx.__version__,
        "lighthouse": audits[0]["version"],
        "chromium": subprocess.run([chromium, "--version"], capture_output=True, text=True).stdout.strip(),
    }
    write(
        "site",
        {
            "command": "python -m benchmarks.site",
            "page": page,
            "median": median,
            "targets": TARGETS,
            "environment": surroundings | versions,
            "build_seconds": seconds,
            "transfer": downloaded,
            "audits": audits,
        },
    )
    for name, value in median.items():
        print(f"{name:26} {value:8} {'target ' + str(TARGETS[name]) if name in TARGETS else ''}")


if __name__ == "__main__":
    main()
