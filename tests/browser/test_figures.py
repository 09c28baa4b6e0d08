"""Figures that react, each on a page of its own that is opened from a file: what must hold for every one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from figure_page import PAGE, THEMES, sentence, state
from playwright.sync_api import Browser
from test_pages import violations

from cnnkit import figures

pytestmark = pytest.mark.browser

every_figure = pytest.mark.parametrize("name", figures.__all__)

# milliseconds until the page is drawn again after the value of a control changed, over all its controls
REACTIONS = """async () => {
  const root = [...document.querySelectorAll("*")].find((element) => element.shadowRoot).shadowRoot, times = [];
  const measure = (change) => {
    const start = performance.now();
    change();
    root.firstElementChild.getBoundingClientRect();  // forces the layout
    times.push(performance.now() - start);
  };
  for (const input of root.querySelectorAll("input[type=range]"))
    for (const value of [input.min, input.max, input.min])
      measure(() => { input.value = value; input.dispatchEvent(new Event("input", { bubbles: true })); });
  for (const svg of root.querySelectorAll("svg[tabindex]"))
    for (const key of ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"])
      measure(() => svg.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })));
  for (const input of root.querySelectorAll("input[type=radio]")) measure(() => input.click());
  for (const button of [...root.querySelectorAll("button")].slice(0, 8)) measure(() => button.click());
  return times;
}"""
SHIFTS = """() => new Promise((resolve) => {
  let total = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (total += entry.value)))
    .observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(total), 100);
})"""


# ----------------------------------------------------------------------------- every figure
@every_figure
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_figure_fits_and_is_accessible(show: Callable, name: str, scheme: str, width: int) -> None:
    page = show(getattr(figures, name)(), scheme=scheme, width=width)
    assert page.locator(".figure").count() == 1
    assert ("dark" in page.locator(".figure").get_attribute("class")) == (scheme == "dark")
    assert sentence(page)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
    assert page.evaluate(SHIFTS) < 0.1


@every_figure
def test_figure_shows_the_state_that_python_gave(show: Callable, name: str) -> None:
    figure = getattr(figures, name)()
    found = state(show(figure))
    assert {key: found[key] for key in figure.state} == figure.state


@every_figure
def test_every_control_is_reached_by_the_keyboard(show: Callable, name: str) -> None:
    page = show(getattr(figures, name)())
    # the radio buttons of a question are one stop together
    controls = ":is(button, input:not([type=radio]), select, svg[tabindex]):not([disabled], [tabindex='-1'])"
    wanted = page.locator(f".figure {controls}, .figure fieldset").count()
    page.evaluate("""() => {
      const host = [...document.querySelectorAll("*")].find((element) => element.shadowRoot);
      globalThis.reached = new Set();
      host.shadowRoot.addEventListener("focusin", (event) => reached.add(event.target));
    }""")
    for _ in range(wanted + 2):
        page.keyboard.press("Tab")
    assert page.evaluate("reached.size") == wanted


@every_figure
def test_a_finger_scrolls_the_page_across_every_drawing(show: Callable, name: str) -> None:
    page = show(getattr(figures, name)(), width=375)
    page.evaluate("document.body.style.paddingBottom = '900px'")
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for drawing in page.locator(".figure svg").all():
        if "the arrow keys move the pen" in drawing.get_attribute("aria-label"):
            continue  # here a finger draws
        drawing.evaluate("svg => scrollTo(0, svg.getBoundingClientRect().bottom + scrollY - 300)")
        before, box = page.evaluate("scrollY"), drawing.bounding_box()
        for kind, y in [("touchStart", 280), *(("touchMove", y) for y in range(270, 150, -10))]:
            finger = {"x": box["x"] + 0.6 * box["width"], "y": y}
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [finger]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert page.evaluate("scrollY") > before + 60, drawing.get_attribute("aria-label")


@every_figure
def test_two_figures_of_a_kind_do_not_disturb_each_other(show: Callable, name: str) -> None:
    make = getattr(figures, name)
    page = show(make(), make())
    assert page.locator(".figure").count() == 2
    texts = page.locator(".sentence").all_inner_texts()
    assert texts[0] == texts[1]


@every_figure
def test_without_javascript_there_is_a_sentence_and_a_picture(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    figure = getattr(figures, name)()
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(colours=THEMES["light"], figures=figure._repr_html_()), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False, viewport={"width": 375, "height": 800})
    try:
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.get_by_text(figure.fallback).is_visible()
        box = page.locator("svg, ol").first.bounding_box()  # a picture; the questions of a quiz
        assert box["width"] > 50
        assert box["x"] + box["width"] <= 375
    finally:
        context.close()


@every_figure
def test_reactions_are_measured(show: Callable, name: str, record_property: Callable) -> None:
    times = show(getattr(figures, name)()).evaluate(REACTIONS)
    assert times, "nothing reacts"
    record_property("milliseconds", [round(time, 2) for time in times])
    print(f"{name}: {len(times)} reactions, slowest {max(times):.1f} ms")  # reported, not judged: pytest -rP
