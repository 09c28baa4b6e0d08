"""Figures of windows that slide over a row: what a reader can do to them."""

from collections.abc import Callable

import pytest
from figure_page import press, sentence, slide, state

from cnnkit import figures

pytestmark = pytest.mark.browser
in_both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


@in_both_schemes
def test_output_size(show: Callable, scheme: str) -> None:
    page = show(figures.output_size(n=7, kernel_size=3, stride=2), scheme=scheme)
    assert page.locator(".equation").inner_text() == "(n′ − 1) · 2 + 3 = 7 + 2 · 0, n′ = 3"
    assert sentence(page).startswith("(3 − 1) · 2 + 3 = 7: 3 output nodes. Output 0")
    assert page.locator(".controls button").count() == 0

    drawing = page.get_by_role("application")
    press(drawing, "ArrowRight", "ArrowDown", "ArrowDown")
    assert "Output 2 has its window at the nodes 4 to 6." in sentence(page)
    press(drawing, "Home")
    assert "Output 0 has its window at the nodes 0 to 2." in sentence(page)

    slide(page, "nodes n", 8)
    assert sentence(page) == (
        "Invalid: 3 windows reach 7 of the 8 nodes of the padded row. "
        "PyTorch drops the other one (crossed out) without a word."
    )
    assert page.locator(".equation").inner_text() == "(n′ − 1) · 2 + 3 = 8 + 2 · 0, n′ = 3.5"
    assert "invalid" in page.locator(".equation").get_attribute("class")
    labels = page.locator(".controls button").all_inner_texts()
    assert labels == ["n = 7", "n = 9", "F = 2", "F = 4", "S = 1", "S = 5"]
    page.get_by_role("button", name="F = 4").click()
    assert sentence(page).startswith("(3 − 1) · 2 + 4 = 8: 3 output nodes.")

    slide(page, "padding P", 1)
    slide(page, "dilation", 2)
    assert sentence(page).startswith("Invalid: 2 windows reach 9 of the 10 nodes")
    slide(page, "nodes n", 1)
    assert sentence(page) == "Invalid: the filter covers 7 nodes, and the padded row has only 3."


def test_output_size_follows_the_pointer(show: Callable) -> None:
    page = show(figures.output_size(n=7, kernel_size=3, stride=2))
    box = page.get_by_role("application").bounding_box()
    page.mouse.click(box["x"] + 120, box["y"] + box["height"] - 34)
    assert state(page)["window"] == 2
    page.mouse.click(box["x"] + 3.5 * 26, box["y"] + 20)  # on node 3, the middle of the window of output 1
    assert state(page)["window"] == 1


def test_output_size_names_the_nodes_under_a_dilated_filter(show: Callable) -> None:
    page = show(figures.output_size(n=5, kernel_size=3, stride=1, padding=2, dilation=2))
    # of the five nodes that the window covers two lie in the padding, and one of these two is under the filter
    assert sentence(page).endswith("window at the nodes −2, 0, 2; 1 of them lies in the padding.")
    press(page.get_by_role("application"), "ArrowRight", "ArrowRight")
    assert sentence(page).endswith("window at the nodes 0, 2, 4.")
    slide(page, "filter F", 1)
    assert sentence(page).endswith("Output 2 has its window at node 0.")


@pytest.mark.parametrize("width", [1280, 375])
def test_the_row_of_output_size_stays_where_it_is_and_legible(show: Callable, width: int) -> None:
    page = show(figures.output_size(stride=2, padding=4), width=width)
    drawing, places = page.get_by_role("application"), set()
    for n in range(4, 17):
        slide(page, "nodes n", n)
        places.add(drawing.bounding_box()["y"])
        shown = drawing.evaluate("svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width")
        assert shown == pytest.approx(1, abs=0.01), "the drawing is not shrunk, nor are its numbers"
    assert len(places) == 1


def test_the_row_of_output_size_fits_when_the_page_becomes_narrower(show: Callable) -> None:
    page = show(figures.output_size(n=16, stride=1, padding=4))
    page.set_viewport_size({"width": 375, "height": 800})
    drawing = page.get_by_role("application")
    page.wait_for_function(
        "svg => svg.viewBox.baseVal.width < 350", arg=drawing.element_handle(), timeout=5000
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
