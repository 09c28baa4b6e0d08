"""The search finds a chapter, on a server and from a folder of files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_search_over_http(open_page: Callable, address: str) -> None:
    page, record = open_page(f"{address}/book/index.html")
    page.locator("button.search-button-field").click()
    page.get_by_role("searchbox").fill("connectivity")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=connectivity*")
    found = page.locator("#search-results li", has=page.locator("a[href*='local-connectivity.html']")).first
    expect(found).to_be_visible()
    expect(found.locator("p.context")).to_contain_text("connect")
    assert record.problems == []


def test_search_from_a_file(open_page: Callable, site: Path) -> None:
    page, record = open_page(f"{(site / 'search.html').as_uri()}?q=connectivity")
    found = page.locator("#search-results a[href*='local-connectivity.html']").first
    expect(found).to_be_visible()
    found.click()
    page.wait_for_url("**/book/local-connectivity.html*")
    assert record.problems == []
