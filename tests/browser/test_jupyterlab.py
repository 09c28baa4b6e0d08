"""A notebook opens in JupyterLab and runs to its end."""

import json
import os
import secrets
import shutil
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
from playwright.sync_api import Browser, expect

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
SCROLL_TO_FIGURE = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const index = notebook.widgets.findIndex((cell) => cell.model.sharedModel.source.startsWith("figures."));
  notebook.activeCellIndex = index;
  await notebook.scrollToItem(index);
}"""


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


def test_notebook_runs_in_jupyterlab(browser: Browser, lab: tuple[str, str, Path]) -> None:
    address, token, folder = lab
    copy = folder / "chapter.ipynb"
    shutil.copy(ROOT / "book" / "stride-and-padding.ipynb", copy)
    cells = json.loads(copy.read_text(encoding="utf-8"))
    for cell in cells["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    copy.write_text(json.dumps(cells), encoding="utf-8")

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{address}/lab/tree/{copy.name}?token={token}")
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        page.evaluate(RUN_ALL)

        # a figure that reacts does so here, too, and its arrow keys do not move between cells
        page.evaluate(SCROLL_TO_FIGURE)
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
