"""Every built page, light and dark, wide and narrow, and what single pages must offer."""

import re
from collections.abc import Callable
from pathlib import Path

import axe_playwright_python
import pytest
from built_site import built_pages, notebook_pages
from fontTools.ttLib import TTFont
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = """async () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  await Promise.all(document.getAnimations().map((fading) => fading.finished.catch(() => null)));
  const found = (await axe.run({ resultTypes: ["violations"] })).violations;
  return found.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target} ${node.failureSummary}`));
}"""
ICON_POINTS = """() => [...document.querySelectorAll("i[class*=fa-], span[class*=fa-]")].map((icon) => {
  const drawn = getComputedStyle(icon, "::before");
  return [icon.className, drawn.fontFamily, drawn.content.replaceAll('"', "").codePointAt(0)];
})"""

# the root page is not among these, because it sends the reader on at once
pages = pytest.mark.parametrize("name", built_pages() or ["the site is not built"])
# the first page is for everybody, and shows no formula
WITHOUT_FORMULAS = {"index"}
notebooks = pytest.mark.parametrize("name", notebook_pages() or ["the site is not built"])


def violations(page: Page) -> list[str]:
    """What axe-core finds, with everything unfolded that a reader can unfold."""
    page.evaluate(AXE)
    return page.evaluate(VIOLATIONS)


@pages
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_page(open_page: Callable, address: str, name: str, scheme: str, width: int) -> None:
    page, record = open_page(f"{address}/{name}", scheme, width)
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    # after all that, because a late request or message counts too
    assert record.problems == []


@pytest.mark.parametrize("name", [*built_pages(), "index.html"])
def test_head(site: Path, name: str) -> None:
    head = (site / name).read_text(encoding="utf-8").partition("</head>")[0]
    assert '<html lang="en"' in head
    assert re.search(r"<title>[^<]+</title>", head)
    assert re.search(r'<meta name="description" content="[^"]{20,}"', head)
    assert re.search(r'<meta property="og:image" content="https://[^"]+/_static/social.png"', head)
    assert (site / "_static" / "social.png").exists()


def test_root_page_sends_the_reader_on(open_page: Callable, address: str) -> None:
    page, record = open_page(f"{address}/search.html")
    page.goto(f"{address}/")
    page.wait_for_url(f"{address}/book/index.html")
    assert record.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_root_page_itself(open_page: Callable, address: str, site: Path, scheme: str) -> None:
    page, record = open_page(f"{address}/search.html", scheme)
    text = (site / "index.html").read_text(encoding="utf-8")
    still = re.sub(r'<meta http-equiv="refresh"[^>]*>', "", text)
    assert still != text
    page.route(f"{address}/index.html", lambda route: route.fulfill(body=still, content_type="text/html"))
    page.goto(f"{address}/index.html")
    assert violations(page) == []
    page.get_by_role("link").click()
    assert page.url == f"{address}/book/index.html"
    assert record.problems == []


@pages
def test_icons_are_in_the_fonts_that_were_cut_down(
    open_page: Callable, address: str, site: Path, name: str
) -> None:
    page, _ = open_page(f"{address}/{name}")
    fonts = site / "_static" / "vendor" / "fontawesome" / "webfonts"
    points = {file.stem: set(TTFont(file).getBestCmap()) for file in fonts.glob("*.woff")}
    icons = page.evaluate(ICON_POINTS)
    for label, family, point in icons:
        file = "fa-brands-400" if "Brands" in family else "fa-solid-900"
        assert point in points[file], f"{label} is not in {file}.woff"
    families = page.evaluate("[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)")
    assert not icons or any("Awesome" in family for family in families), f"no icon font among {families}"


@notebooks
def test_buttons(open_page: Callable, address: str, repository: str, name: str) -> None:
    page, _ = open_page(f"{address}/book/{name}.html")
    links = page.eval_on_selector_all(
        ".article-header-buttons a", "all => all.map((a) => a.getAttribute('href'))"
    )
    path = f"book/{name}.ipynb"
    assert f"https://github.com/{repository}" in links
    assert f"https://github.com/{repository}/edit/main/{path}" in links
    assert any(link.startswith(f"https://github.com/{repository}/issues/new") for link in links)
    assert f"https://colab.research.google.com/github/{repository}/blob/main/{path}" in links
    assert f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{path}" in links
    download = next(link for link in links if link.endswith(".ipynb") and not link.startswith("http"))
    assert page.request.get(f"{address}/book/{download}").ok


@notebooks
def test_formulas_are_set_and_pictures_have_a_size(open_page: Callable, address: str, name: str) -> None:
    page, _ = open_page(f"{address}/book/{name}.html")
    assert (page.locator(".math").count() > 0) == (name not in WITHOUT_FORMULAS)
    assert page.locator(".math:not(:has(mjx-container mjx-assistive-mml))").count() == 0
    assert page.locator("mjx-merror, .math [data-mjx-error]").count() == 0
    for picture in page.locator(".bd-article img").all():
        assert picture.evaluate("(img) => img.hasAttribute('width') && img.hasAttribute('height')")


@notebooks
def test_chapter_opens_from_a_file(open_page: Callable, site: Path, name: str) -> None:
    page, record = open_page((site / "book" / f"{name}.html").as_uri())
    assert (page.locator("mjx-container").count() > 0) == (name not in WITHOUT_FORMULAS)
    assert record.problems == []


def test_dark_figures_turn_their_page_round(open_page: Callable, address: str) -> None:
    schematic = ".bd-article .cell_output img[src$='.svg']"
    for name in notebook_pages():
        page, _ = open_page(f"{address}/book/{name}.html", "dark")
        if page.locator(schematic).count():
            style = page.locator(schematic).first.evaluate(
                "(img) => [getComputedStyle(img).filter, getComputedStyle(img).mixBlendMode]"
            )
            assert style == ["invert(1) hue-rotate(180deg)", "screen"]
            return
    pytest.fail("no chapter shows a schematic")


def test_first_paint_is_in_the_systems_colours(open_page: Callable, address: str) -> None:
    # a picture first, because a page's scripts would remember the colours
    page, _ = open_page(f"{address}/_static/favicon.svg", "dark")
    page.route("**/*.js*", lambda route: route.abort())
    page.goto(f"{address}/book/index.html")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
