"""A chapter on paper: no controls of the site, nothing cut off, what is folded left out or marked, always light."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

CHAPTER = "pooling"
# the width of the text on A4 with the margins of the style sheet, in CSS pixels
PAPER = 672
HIDDEN = (
    ".bd-sidebar-primary",
    ".bd-sidebar-secondary",
    ".bd-header-article",
    ".prev-next-area",
    ".bd-footer-content",
    "#pst-back-to-top",
    ".copybtn",
    ".headerlink",
    "details.hide:not([open])",
)
CUT_OFF = """() => [...document.querySelectorAll(".bd-article *")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth)
  .map((element) => `${element.tagName}.${element.className}`)"""


@pytest.fixture
def paper(open_page: Callable, address: str) -> Page:
    """A chapter as it is printed."""
    page, _ = open_page(f"{address}/book/{CHAPTER}.html", width=PAPER)
    page.emulate_media(media="print")
    return page


def test_paper_shows_no_controls_and_cuts_nothing_off(paper: Page) -> None:
    for selector in HIDDEN:
        found = paper.locator(selector)
        assert found.count() > 0, f"nothing is called {selector} any more"
        assert not any(element.is_visible() for element in found.all()), f"{selector} is printed"
    assert paper.evaluate("document.documentElement.scrollWidth") <= PAPER
    assert paper.evaluate(CUT_OFF) == []


def test_long_lines_of_code_wrap(paper: Page) -> None:
    code = paper.locator(".bd-article pre").first
    long_line = "a_name_without_a_blank_" * 20
    code.evaluate("(pre, text) => (pre.textContent = text)", long_line)
    assert paper.evaluate(CUT_OFF) == []
    assert code.evaluate("(pre) => pre.scrollWidth <= pre.clientWidth")


def test_what_is_folded_is_marked_and_what_is_unfolded_is_printed(paper: Page) -> None:
    solution = paper.locator("details:not(.hide)").first
    mark = "(summary) => getComputedStyle(summary, '::after').content"
    assert "folded" in solution.locator("summary").evaluate(mark)
    solution.evaluate("(details) => (details.open = true)")
    assert solution.locator("summary").evaluate(mark) == "none"
    assert solution.locator("p").first.is_visible()
    code = paper.locator("details.hide:has(pre)").first
    code.evaluate("(details) => (details.open = true)")
    assert code.locator("pre").is_visible()
    assert not code.locator("summary").is_visible()


def test_figures_and_tables_stay_in_one_piece(paper: Page) -> None:
    for kind in ("figure", "table", ".output.text_html", "mjx-container[display]"):
        for element in paper.locator(f".bd-article {kind}").all():
            assert element.evaluate("(element) => getComputedStyle(element).breakInside") == "avoid", kind


def test_paper_prints_the_address_of_a_link(open_page: Callable, address: str) -> None:
    page, _ = open_page(f"{address}/book/how-this-book-is-tested.html", width=PAPER)
    page.emulate_media(media="print")
    link = page.locator(".bd-article a.external[href*='axe-core']")
    printed = link.evaluate("(link) => getComputedStyle(link, '::after').content")
    assert link.get_attribute("href") in printed
    page.goto(f"{address}/book/bibliography.html")
    for link in page.locator(".citation a.external").all():
        assert link.evaluate("(link) => getComputedStyle(link, '::after').content") == "none"


def test_a_dark_page_prints_light(open_page: Callable, address: str, tmp_path: Path) -> None:
    page, record = open_page(f"{address}/book/{CHAPTER}.html", "dark")
    # after the site's own listeners
    page.evaluate("""() => addEventListener("beforeprint", () => {
      const text = getComputedStyle(document.querySelector(".bd-article li")).color;
      window.printed = [document.documentElement.dataset.theme, text];
    })""")
    pdf = page.pdf(path=tmp_path / "chapter.pdf", format="A4")
    theme, colour = page.evaluate("window.printed")
    assert theme == "light"
    assert max(int(value) for value in re.findall(r"\d+", colour)[:3]) < 100
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 10 <= pages <= 40, f"{CHAPTER} takes {pages} pages"
    assert record.problems == []
