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
    assert "3 windows reach 7 of the 8 nodes" in sentence(page)
    assert "invalid" in page.locator(".equation").get_attribute("class")
    labels = page.locator(".controls button").all_inner_texts()
    assert labels == [
        "nodes n = 7",
        "nodes n = 9",
        "filter F = 2",
        "filter F = 4",
        "stride S = 1",
        "stride S = 5",
    ]
    page.get_by_role("button", name="filter F = 4").click()
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
