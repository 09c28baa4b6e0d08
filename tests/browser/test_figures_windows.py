"""Figures of windows that slide over a row: what a reader can do to them."""

from collections.abc import Callable

import pytest
import torch
from figure_page import numbers, press, sentence, slide, state
from playwright.sync_api import Page

from cnnkit import figures
from cnnkit.reference.conv import conv1d
from cnnkit.shapes import Window, receptive_fields

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


# ------------------------------------------------------------------------------------------ convolution
@in_both_schemes
def test_convolution_1d(show: Callable, scheme: str) -> None:
    page = show(figures.convolution_1d(), scheme=scheme)
    assert sentence(page) == (
        "The window of output 3 covers nodes 3 to 5: y₃ = w₀ x₃ + w₁ x₄ + w₂ x₅ = "
        "(−1) · 4 + 0 · 4 + 1 · 4 = (−4) + 0 + 4 = 0."
    )
    drawing = page.get_by_role("application")
    press(drawing, "ArrowRight", "ArrowDown")
    assert "y₅ = w₀ x₅ + w₁ x₆ + w₂ x₇ = (−1) · 4 + 0 · 2 + 1 · 0 = (−4) + 0 + 0 = −4." in sentence(page)
    press(drawing, "End", "ArrowRight")
    assert sentence(page).startswith("The window of output 6 covers nodes 6 to 8: ")
    press(drawing, "Home", "ArrowLeft")
    assert sentence(page).startswith("The window of output 0 covers nodes 0 to 2: ")

    # after four letters and nine inputs with their numbers: weights and products, then the sums
    texts = drawing.locator("text").all_text_contents()
    assert texts[22:28] == ["−1", "−1", "0", "0", "1", "1"]
    assert texts[28::2] == ["0", "3", "3", "0", "−2", "−4", "−2"]


@in_both_schemes
def test_weights_inputs_stride_and_padding_are_changed(show: Callable, scheme: str) -> None:
    x, w = [3.0, -1, 2, 5, 0, 1], [1.0, 1]
    page = show(figures.convolution_1d(x, w), scheme=scheme)
    page.get_by_label("w 1").fill("-2")
    page.get_by_label("x 5").fill("0.5")
    x[5], w[1] = 0.5, -2
    for stride, padding in ((1, 0), (3, 1), (2, 2)):
        slide(page, "stride S", stride)
        slide(page, "padding P", padding)
        y = conv1d(torch.tensor([x]), torch.tensor([[w]]), stride=stride, padding=padding)[0].tolist()
        for i, value in enumerate(y):
            press(page.get_by_role("application"), "ArrowRight" if i else "Home")
            assert numbers(sentence(page).partition(". No")[0].rstrip("."))[-1] == value
        assert page.locator(".equation").inner_text().endswith(f"i = 0 to {len(y) - 1}")
    assert page.locator(".equation").text_content() == "yi = Σk wk · x2i + k − 2,  i = 0 to 4"
    assert sentence(page).startswith(
        "The window of output 4 covers nodes 6 to 7 (2 of padding): y₄ = w₀ x₆ + "
    )
    slide(page, "stride S", 3)
    slide(page, "padding P", 0)
    assert sentence(page).endswith("= 5. No window reaches the crossed-out node.")


def test_sums_that_are_rounded_say_so(show: Callable) -> None:
    page = show(figures.convolution_1d([1, 2, 3], [1 / 3, 1 / 3, 1 / 3]))
    assert sentence(page).endswith("= 0.3333 · 1 + 0.3333 · 2 + 0.3333 · 3 ≈ 0.3333 + 0.6667 + 1 = 2.")
    page.get_by_label("x 0").fill("2")
    assert sentence(page).endswith("≈ 0.6667 + 0.6667 + 1 ≈ 2.3333.")


def test_the_filter_follows_the_pointer(show: Callable) -> None:
    page = show(figures.convolution_1d())
    box = page.get_by_role("application").bounding_box()
    page.mouse.click(box["x"] + 28 + 34 * 2.5, box["y"] + 60)  # on node 2, the middle of window 1
    assert state(page)["i"] == 1
    page.mouse.down()
    page.mouse.move(box["x"] + 28 + 34 * 6.5, box["y"] + 190)
    page.mouse.up()
    assert state(page)["i"] == 5
    page.mouse.move(box["x"] + 28 + 34 * 2.5, box["y"] + 60)
    assert state(page)["i"] == 5


# ------------------------------------------------------------------------------------------ receptive fields
def equations(page: Page) -> list[str]:
    return page.locator(".equation").all_inner_texts()


@in_both_schemes
def test_receptive_field(show: Callable, scheme: str) -> None:
    page = show(figures.receptive_field(), scheme=scheme)
    drawing = page.get_by_role("application")
    assert sentence(page) == (
        "Node 3 of layer 3 sees nodes 2 to 4 of layer 2, nodes 4 to 9 of layer 1, and in the input r = 8 nodes, "
        "from s + i · j = −3 + 3 · 2 = 3 to 3 + 8 − 1 = 10."
    )
    assert equations(page) == [
        "r₃ = r₂ + (F₃ − 1) d₃ j₂ = 4 + 2 · 1 · 2 = 8",
        "s₃ = s₂ − P₃ j₂ = −1 − 1 · 2 = −3",
        "j₃ = j₂ S₃ = 2 · 1 = 2",
    ]
    press(drawing, "Home")
    assert sentence(page).endswith(
        "from s + i · j = −3 + 0 · 2 = −3 to −3 + 8 − 1 = 4; of these it sees nodes 0 to 4."
    )
    press(drawing, "End", "ArrowLeft", "ArrowDown")
    assert sentence(page).startswith("Node 4 of layer 2 sees nodes 8 to 9 of layer 1, and in the input r = 4")
    press(drawing, "PageDown")
    assert sentence(page) == "Node 9 of the input sees itself."  # its middle, 8.5, lies between two
    assert equations(page) == ["r₀ = 1", "s₀ = 0", "j₀ = 1"]
    press(drawing, "ArrowUp")
    assert sentence(page).startswith("Node 9 of layer 1 sees in the input r = 3 nodes, from")
    press(drawing, "PageUp", "ArrowRight")
    assert (state(page)["layer"], state(page)["node"]) == (3, 5)


@in_both_schemes
def test_layers_are_changed_added_and_removed(show: Callable, scheme: str) -> None:
    page = show(figures.receptive_field(16, [Window(3), Window(3)]), scheme=scheme)
    page.get_by_label("S of layer 1").select_option("2")
    page.get_by_label("P of layer 1").select_option("1")
    page.get_by_label("d of layer 2").select_option("2")
    page.get_by_label("F of layer 2").select_option("2")
    layers = [Window(3, stride=2, padding=1), Window(2, dilation=2)]
    assert state(page)["layers"] == [vars(window) for window in layers]

    page.get_by_role("button", name="Add a layer").click()
    assert state(page)["layer"] == 3
    layers.append(Window(3))
    for layer, field in enumerate(receptive_fields(layers)):
        row = page.locator("tr", has=page.get_by_role("rowheader", name=str(layer or "input")))
        assert [numbers(text)[0] for text in row.locator("td:not(:has(*))").all_inner_texts() if text] == [
            field.size,
            field.jump,
            field.start,
        ]
    page.get_by_role("button", name="Add a layer").click()
    assert page.get_by_role("button", name="Add a layer").is_disabled()

    page.get_by_label("F of layer 2").select_option("5")  # spans 9 nodes, and layer 1 has 8
    assert sentence(page).startswith(
        "Invalid: the filter of layer 2 covers 9 nodes, and the padded row below has only 8. Node"
    )
    assert state(page)["layer"] == 1
    page.get_by_role("button", name="Remove layer 2").click()
    assert state(page)["layers"] == [vars(window) for window in (Window(3, 2, 1), Window(3), Window(3))]
    assert sentence(page).startswith("Node")
    for _ in range(2):
        page.get_by_role("button", name="Remove layer 1").click()
    assert page.get_by_role("button", name="Remove layer 1").is_disabled()
    slide(page, "inputs n", 2)
    assert sentence(page) == (
        "Invalid: the filter of layer 1 covers 3 nodes, and the padded row below has only 2. "
        "Node 1 of the input sees itself."
    )


def test_gaps_of_a_field_are_told(show: Callable) -> None:
    page = show(figures.receptive_field(9, [Window(3, dilation=2), Window(2, stride=2)], node=1))
    assert sentence(page) == (
        "Node 1 of layer 2 sees nodes 2 to 3 of layer 1, and in the input r = 6 nodes, "
        "from s + i · j = 0 + 1 · 2 = 2 to 2 + 6 − 1 = 7."
    )
    page.get_by_label("F of layer 2").select_option("1")
    assert sentence(page).endswith(
        "from s + i · j = 0 + 1 · 2 = 2 to 2 + 5 − 1 = 6; of these it sees nodes 2, 4, 6."
    )


def test_padding_stays_no_wider_than_the_filter_allows(show: Callable) -> None:
    page = show(figures.receptive_field(12, [Window(5, padding=2)]))
    page.get_by_label("F of layer 1").select_option("2")
    assert state(page)["layers"][0]["padding"] == 0
    assert page.get_by_label("P of layer 1").locator("option:not([disabled])").all_inner_texts() == ["0"]


def test_receptive_field_follows_the_pointer(show: Callable) -> None:
    page = show(figures.receptive_field(8, [Window(3), Window(3)]))
    drawing = page.get_by_role("application")
    place = drawing.locator("circle").nth(8 + 1).bounding_box()  # after the eight inputs: node 1 of layer 1
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    assert (state(page)["layer"], state(page)["node"]) == (1, 1)
    page.mouse.move(place["x"] + 60, place["y"] + 5)
    page.mouse.up()
    assert (state(page)["layer"], state(page)["node"]) == (1, 3)
    assert "nodes, from s + i · j = 0 + 3 · 1 = 3 to 3 + 3 − 1 = 5." in sentence(page)
