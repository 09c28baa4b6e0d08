"""Figures of connections: what a reader can do to them."""

from collections.abc import Callable

import pytest
from figure_page import press, sentence, slide, state

from cnnkit import figures

pytestmark = pytest.mark.browser

# the looks of all connections, each as colour and dashes
LOOKS = """() => [...document.querySelectorAll("*")].find((element) => element.shadowRoot).shadowRoot
  .querySelectorAll("svg line").values().map((line) =>
    line.getAttribute("stroke") + " " + line.getAttribute("stroke-dasharray")).toArray()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_connectivity(show: Callable, scheme: str) -> None:
    page = show(figures.connectivity("local", n=7, kernel_size=3), scheme=scheme)
    equation = page.locator(".equation")
    assert equation.inner_text() == "local: n F = 7 · 3 = 21 weights, 21 connections"
    assert sentence(page) == (
        "y₄ = f(w₁₀ x₃ + w₁₁ x₄ + w₁₂ x₅): 3 weights that no other node has. 7 such nodes make 7 · 3 = 21. "
        "2 of the 21 connections see only added zeros."
    )
    assert len(page.evaluate(LOOKS)) == 21
    assert len(set(page.evaluate(LOOKS))) == 1

    page.get_by_role("button", name="shared").click()
    assert page.get_by_role("button", pressed=True).inner_text() == "shared"
    assert equation.inner_text() == "shared: F = 3 weights, 21 connections"
    assert sentence(page).startswith(
        "y₄ = f(w₋₁ x₃ + w₀ x₄ + w₊₁ x₅): the same 3 weights as at every other node."
    )
    looks = page.evaluate(LOOKS)
    assert len(looks) == 21
    assert [looks.count(look) for look in sorted(set(looks))] == [7, 7, 7]
    marks = page.locator("svg text").filter(has_text="w").all_text_contents()
    assert marks == ["w₋₁", "w₀", "w₊₁"]

    page.get_by_role("button", name="full").click()
    assert equation.inner_text() == "full: n² = 7² = 49 weights, 49 connections"
    assert sentence(page).startswith("y₄ = f(w₂₂ x₁ + w₂₃ x₂ + … + w₂₇ x₆ + w₂₈ x₇): 7 weights that no other")
    assert page.get_by_label("window F").is_disabled()
    assert page.get_by_label("zeros at the ends").is_disabled()
    cells = page.locator("td").all_inner_texts()
    assert cells == ["", "49", "21", "3", "49", "21", "21"]


def test_connectivity_by_keyboard(show: Callable) -> None:
    page = show(figures.connectivity("local", n=7, kernel_size=3))
    drawing = page.get_by_role("application")
    press(drawing, "Home")
    assert sentence(page).startswith("y₁ = f(w₁ 0 + w₂ x₁ + w₃ x₂): ")
    press(drawing, "ArrowLeft")
    assert state(page)["node"] == 0
    press(drawing, "End")
    assert sentence(page).startswith("y₇ = f(w₁₉ x₆ + w₂₀ x₇ + w₂₁ 0): ")
    slide(page, "nodes n", 10)
    slide(page, "window F", 5)
    page.get_by_label("zeros at the ends").press("Space")
    assert page.locator(".equation").inner_text() == (
        "local: (n − F + 1) F = (10 − 5 + 1) · 5 = 30 weights, 30 connections"
    )
    assert "zeros" not in sentence(page)
    press(drawing, "Home")
    assert sentence(page).startswith("y₃ = f(w₁ x₁ + w₂ x₂ + w₃ x₃ + w₄ x₄ + w₅ x₅): ")
    page.get_by_role("button", name="shared").press("Enter")
    assert sentence(page).startswith("y₃ = f(w₋₂ x₁ + w₋₁ x₂ + w₀ x₃ + w₊₁ x₄ + w₊₂ x₅): the same 5 weights")
    assert len(set(page.evaluate(LOOKS))) == 5
    slide(page, "window F", 1)
    assert page.locator(".equation").inner_text() == "shared: F = 1 weight, 10 connections"
    assert "the same 1 weight as" in sentence(page)


def test_connectivity_follows_the_pointer(show: Callable) -> None:
    page = show(figures.connectivity("shared", n=7, kernel_size=3))
    box = page.get_by_role("application").bounding_box()
    pitch = box["width"] / 9
    page.mouse.move(box["x"] + 1.5 * pitch, box["y"] + 20)
    page.mouse.down()
    assert sentence(page).startswith("y₁ ")
    page.mouse.move(box["x"] + 5.5 * pitch, box["y"] + 60)
    page.mouse.up()
    assert sentence(page).startswith("y₅ ")
