"""A notebook opens in JupyterLab and runs to its end; what reacts in it does so there."""

import io
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_site import ROOT
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

pytestmark = pytest.mark.browser

# the promise of notebook:run-all-cells comes when the last cell has run
RUN_ALL = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const panel = app.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await app.commands.execute("notebook:run-all-cells");
  await app.commands.execute("docmanager:save");
}"""
SCROLL_TO_CELL = """async (start) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const index = notebook.widgets.findIndex((cell) => cell.model.sharedModel.source.startsWith(start));
  notebook.activeCellIndex = index;
  await notebook.scrollToItem(index);
}"""


def small_picture() -> bytes:
    """A PNG of 8 by 5 pixels."""
    buffer = io.BytesIO()
    Image.new("L", (8, 5), 128).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """A JupyterLab of its own: its address, its token and the folder it serves."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    settings = tmp_path / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTER_TOKEN": token,
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--LabApp.expose_app_in_browser=True",
    ]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=5).close()
                break
            except (urllib.error.URLError, TimeoutError):
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.5)
        else:
            pytest.fail((tmp_path / "log").read_text())
        yield address, token, folder
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def copy_without_outputs(page: str, folder: Path) -> Path:
    """A page of the book as a reader finds it who has cleared all outputs."""
    notebook = json.loads((ROOT / "book" / f"{page}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    copy = folder / f"{page}.ipynb"
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    return copy


def test_notebook_runs_in_jupyterlab(browser: Browser, lab: tuple[str, str, Path]) -> None:
    address, token, folder = lab
    copy = copy_without_outputs("stride-and-padding", folder)

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{address}/lab/tree/{copy.name}?token={token}")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.evaluate(RUN_ALL)

        # a figure that reacts does so here, too, and its arrow keys do not move between cells
        page.evaluate(SCROLL_TO_CELL, "figures.")
        figure = page.locator("cnn-output-size")
        sentence = figure.locator(".sentence")
        expect(sentence).to_contain_text("Output 0 has its window at the nodes 0 to 2.", timeout=60_000)
        figure.get_by_role("application").press("ArrowDown")
        expect(sentence).to_contain_text("Output 1 has its window at the nodes 2 to 4.")
        figure.get_by_label("nodes n").fill("8")
        expect(sentence).to_contain_text("3 windows reach 7 of the 8 nodes")
    finally:
        context.close()

    code = [
        cell for cell in json.loads(copy.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"
    ]
    source = {cell["id"]: "".join(cell["source"]) for cell in code}
    assert [source[cell["id"]] for cell in code if source[cell["id"]] and not cell["execution_count"]] == []
    expected = [cell["id"] for cell in code if "raises-exception" in cell["metadata"].get("tags", [])]
    errors = [cell["id"] for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert errors == expected, [source[cell] for cell in errors]


def test_experiments_react_in_jupyterlab(browser: Browser, lab: tuple[str, str, Path]) -> None:
    address, token, folder = lab
    copy = copy_without_outputs("experiments", folder)
    # a run that nothing but the button ends, on however fast a machine
    text, endless = copy.read_text(encoding="utf-8"), '"curves.steps = 10**6\\n", "curves"]'
    assert text.count('"curves"]') == 1
    copy.write_text(text.replace('"curves"]', endless), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    try:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(f"{address}/lab/tree/{copy.name}?token={token}")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.evaluate(RUN_ALL)

        def shown(start: str, label: str) -> Locator:
            """The widget below the cell that starts so, with a control of this name."""
            page.evaluate(SCROLL_TO_CELL, start)
            return page.locator(".widget-vbox").filter(has=page.get_by_label(label)).first

        # a curve grows while its network trains, and the keyboard alone starts and stops it
        expect(shown("own =", "mask")).to_be_visible(timeout=60_000)
        curves = shown("curves =", "batch norm")
        curves.get_by_label("step size").select_option("0.03")
        curves.get_by_label("batch norm").uncheck()
        train = curves.get_by_role("button", name="Train")
        train.focus()
        page.keyboard.press("Enter")
        expect(curves.get_by_role("status")).to_contain_text(
            "Training: step size 0.03, no batch norm", timeout=60_000
        )
        picture = curves.get_by_role("img")
        expect(picture).to_have_accessible_name(re.compile("step size 0.03, no batch norm: [1-9]0 steps"))
        page.keyboard.press("Enter")
        expect(curves.get_by_role("status")).to_contain_text(
            re.compile(r"Stopped after step \d+: step size 0.03"), timeout=60_000
        )
        expect(train).to_be_focused()

        own = shown("own =", "mask")
        own.get_by_label("w₂₂").fill("1")
        page.keyboard.press("Tab")
        expect(own.get_by_role("status")).to_contain_text("your own (weights sum to 1) on camera")
        for name, content, role, said in (
            ("small.png", small_picture(), "status", "yours: small.png, 5 by 8"),
            ("letter.txt", b"Dear diary", "alert", "letter.txt is not a picture that can be read"),
        ):
            with page.expect_file_chooser() as chooser:
                own.get_by_role("button", name="Open a picture").click()
            chooser.value.set_files([{"name": name, "mimeType": "", "buffer": content}])
            expect(own.get_by_role(role)).to_contain_text(said)
        expect(own.get_by_role("img")).to_have_accessible_name(re.compile("5 by 8"))
        expect(own.get_by_label("picture")).to_have_value("yours: small.png")
    finally:
        context.close()
