"""The archive of the site, unpacked somewhere: it opens from a file, finds words, and its figures react."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from built_site import ROOT
from figure_page import state
from playwright.sync_api import expect

from book.tools.archive import archive

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def unpacked(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the archive, at a place whose name has a space and a letter that addresses escape."""
    place = tmp_path_factory.mktemp("my books é")
    pack = archive(ROOT)
    with zipfile.ZipFile(pack) as files:
        files.extractall(place)
    (folder,) = place.iterdir()
    return folder


def test_the_archive_opens_from_a_file(open_page: Callable, unpacked: Path) -> None:
    page, record = open_page((unpacked / "genindex.html").as_uri())
    page.goto((unpacked / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    page.locator(".start-here a").first.click()
    expect(page.locator("mjx-container").first).to_be_visible()
    assert record.problems == []


def test_the_archive_is_searched_from_a_file(open_page: Callable, unpacked: Path) -> None:
    page, record = open_page((unpacked / "book" / "index.html").as_uri())
    page.locator("button.search-button-field").click()
    page.get_by_role("searchbox").fill("connectivity")
    page.keyboard.press("Enter")
    found = page.locator("#search-results a[href*='local-connectivity.html']").first
    expect(found).to_be_visible()
    found.click()
    page.wait_for_url("**/book/local-connectivity.html*")
    assert record.problems == []


def test_figures_of_the_archive_react(open_page: Callable, unpacked: Path) -> None:
    page, record = open_page((unpacked / "book" / "explorers.html").as_uri())
    before = state(page)
    slider = page.locator("input[type=range]").first
    slider.press("ArrowRight" if slider.input_value() != slider.get_attribute("max") else "ArrowLeft")
    assert state(page) != before
    assert record.problems == []
