"""Figures of images: what a reader can do to them."""

from collections.abc import Callable

import pytest
import torch
from figure_page import numbers, press, sentence, slide, state
from playwright.sync_api import Locator

from cnnkit import figures
from cnnkit.reference.conv import conv1d_backward, conv2d
from cnnkit.reference.pool import avg_pool2d_backward, max_pool2d, max_pool2d_backward

pytestmark = pytest.mark.browser
in_both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


def point(drawing: Locator, x: float, y: float, press: bool = False) -> None:
    """Move the mouse to a place of a drawing, given as shares of its width and height, and maybe click."""
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    mouse = drawing.page.mouse
    mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    if press:
        mouse.down()
        mouse.up()


def texts(drawing: Locator) -> list[str]:
    """The texts of a drawing, in order."""
    return drawing.locator("text").all_text_contents()


# ------------------------------------------------------------------------------------------ a mask
@in_both_schemes
def test_convolution(show: Callable, scheme: str) -> None:
    image = torch.arange(24.0).view(4, 6).mul(0.04)
    page = show(figures.convolution(image, "edge"), scheme=scheme)
    source, target = page.get_by_role("application").all()
    terms = page.get_by_role("img", name="The nine products")
    assert state(page)["name"] == "edge"

    press(source, "Home", "PageUp")
    assert sentence(page) == (
        "Window at rows 0 to 2, columns 0 to 2: y(0, 0) = 0 · (−1) + 0.04 · 0 + 0.08 · 1 + 0.24 · (−1) + "
        "0.28 · 0 + 0.32 · 1 + 0.48 · (−1) + 0.52 · 0 + 0.56 · 1 = 0.24."
    )
    assert texts(terms)[-2:] == ["0.56 · 1", "0.56"]
    press(source, "ArrowRight", "ArrowDown")
    assert "y(1, 1) = 0.28 · (−1)" in sentence(page)
    press(target, "End", "ArrowLeft", "ArrowLeft")
    assert "Window at rows 1 to 3, columns 1 to 3" in sentence(page)

    page.get_by_role("combobox").select_option("blur")
    expected = conv2d(image[None], torch.full((1, 1, 3, 3), 1 / 9))[0]
    assert "0.28 · 1/9" in sentence(page)
    assert numbers(sentence(page))[-1] == round(expected[1, 1].item(), 4)
    page.get_by_role("combobox").select_option("edge")
    page.get_by_label("w(1, 2)").fill("-2.5")
    assert state(page)["name"] == "my own"
    assert page.get_by_role("combobox").input_value() == "my own"
    mask = torch.tensor([[-1.0, 0, 1], [-1, 0, -2.5], [-1, 0, 1]])
    expected = conv2d(image[None], mask[None, None])[0]
    assert "0.6 · (−2.5)" in sentence(page)
    assert numbers(sentence(page))[-1] == round(expected[1, 1].item(), 4)

    slide(page, "stride S", 2)
    slide(page, "padding P", 1)
    press(target, "Home", "PageUp")
    expected = conv2d(image[None], mask[None, None], stride=2, padding=1)[0]
    assert sentence(page).startswith("Window at rows −1 to 1, columns −1 to 1: y(0, 0) = 0 · (−1)")
    assert numbers(sentence(page))[-1] == round(expected[0, 0].item(), 4)
    assert "output y, 2 × 3" in page.locator("figcaption").nth(1).inner_text()


def test_convolution_follows_the_pointer_on_input_and_output(show: Callable) -> None:
    page = show(figures.convolution())
    source, target = page.get_by_role("application").all()
    point(source, 3.5 / 24, 5.5 / 24)  # on pixel (5, 3): the window around it
    assert "rows 4 to 6, columns 2 to 4: y(4, 2) =" in sentence(page)
    point(source, 0.1 / 24, 0.1 / 24)
    assert "y(0, 0) =" in sentence(page)
    point(target, 20.5 / 22, 3.5 / 22)
    assert "rows 3 to 5, columns 20 to 22: y(3, 20) =" in sentence(page)
    slide(page, "stride S", 4)  # 6 outputs a row
    point(target, 5.5 / 6, 0.5 / 6, press=True)
    assert "rows 0 to 2, columns 20 to 22: y(0, 5) =" in sentence(page)


def test_convolution_ignores_what_is_no_number_and_keeps_weights_in_range(show: Callable) -> None:
    page = show(figures.convolution())
    field = page.get_by_label("w(0, 0)")
    field.fill("")
    assert state(page)["mask"][0][0] == -1
    field.fill("99")
    assert state(page)["mask"][0][0] == 9
    field.press("Tab")
    assert field.input_value() == "9"


# ------------------------------------------------------------------------------------------ a shared weight
@in_both_schemes
def test_weight_gradient(show: Callable, scheme: str) -> None:
    page = show(figures.weight_gradient(), scheme=scheme)
    drawing, rows = page.get_by_role("application"), page.locator("tr")
    assert page.locator(".equation").inner_text() == "∂L/∂wk = Σi δi · xi + k − 1"
    assert sentence(page) == (
        "Position 1 adds δ₁ x₀ = 1 · 0 = 0 to ∂L/∂w₀, δ₁ x₁ = 1 · 0 = 0 to ∂L/∂w₁, δ₁ x₂ = 1 · 2 = 2 to "
        "∂L/∂w₂. So far: ∂L/∂w₀ = 0 + 0 = 0; ∂L/∂w₁ = 0 + 0 = 0; ∂L/∂w₂ = 0 + 2 = 2."
    )
    page.get_by_role("button", name="Next position").click()
    assert rows.nth(3).inner_text().split() == ["2", "0", "−2", "−3"]
    assert rows.last.inner_text().split() == ["so", "far", "0", "−2", "−1"]
    press(drawing, "End")
    assert rows.last.inner_text().split() == ["sum", "−4", "−8", "−7"]
    assert "All positions together: ∂L/∂w₀ = 0 + 0 + 0 + (−4) + 0 + 0 = −4;" in sentence(page)
    page.get_by_role("button", name="Next position").click()
    assert state(page)["i"] == 0
    press(drawing, "ArrowRight", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowLeft")
    assert state(page)["i"] == 0

    page.get_by_label("x 3").fill("-1.5")
    page.get_by_label("delta 5").fill("2")
    slide(page, "position i", 5)
    x, delta = torch.tensor([0.0, 0, 2, -1.5, 3, 1]), torch.tensor([0.0, 1, -1, -2, 0, 2])
    _, expected, _ = conv1d_backward(delta[None], x[None], torch.zeros(1, 1, 3), padding=1)
    assert numbers(rows.last.inner_text()) == expected[0, 0].tolist()
    assert "δ₅ x₆ = 2 · 0 = 0 to ∂L/∂w₂" in sentence(page), "the padding adds nothing"


def test_weight_gradient_follows_the_pointer(show: Callable) -> None:
    page = show(figures.weight_gradient([1, 2, 3, 4, 5], [1, 2, 3], stride=2))
    drawing = page.get_by_role("application")
    assert page.locator(".equation sub").last.inner_text() == "2i + k − 1"
    point(drawing, 5.5 / 7, 0.5, press=True)  # above the last node
    assert sentence(page).startswith("Position 2 adds δ₂ x₃ = 3 · 4 = 12")
    point(drawing, 1.5 / 7, 0.5, press=True)
    assert sentence(page).startswith("Position 0 adds δ₀ x₋₁ = 1 · 0 = 0")


def test_sums_that_are_rounded_say_so(show: Callable) -> None:
    page = show(figures.weight_gradient([0.125, 1], [0.5, 0.333], kernel_size=1, padding=0))
    press(page.get_by_role("application"), "ArrowRight")
    assert sentence(page) == (
        "Position 1 adds δ₁ x₁ = 0.333 · 1 = 0.333 to ∂L/∂w₀. All positions together: "
        "∂L/∂w₀ = 0.0625 + 0.333 = 0.3955."
    )
    page.get_by_label("x 1").fill("0.33333")
    assert "δ₁ x₁ = 0.333 · 0.3333 ≈ 0.111 to" in sentence(page)

    # a mask of sixteenths shows them whole
    gauss = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    page = show(figures.convolution(torch.full((3, 3), 0.5), gauss))
    assert sentence(page).startswith(
        "Window at rows 0 to 2, columns 0 to 2: y(0, 0) = 0.5 · 0.0625 + 0.5 · 0.125 "
    )
    assert sentence(page).endswith(" = 0.5.")


def test_fields_show_their_digits_and_wrap_on_a_phone(show: Callable) -> None:
    x, delta = [-1.25, 2.37, -3.5, 4, -5.55, 6.66, -7.77], [-1.15] * 9
    page = show(figures.weight_gradient(x, delta, padding=2), width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    cut = """fields => fields.filter((field) => field.scrollWidth > field.clientWidth).map((field) => field.value)"""
    assert page.locator(".figure input[type=number]").evaluate_all(cut) == []


# ------------------------------------------------------------------------------------------ pooling
@in_both_schemes
def test_pooling(show: Callable, scheme: str) -> None:
    page = show(figures.pooling(), scheme=scheme)
    source, target = page.get_by_role("application").all()
    errors, gradient = page.locator(".figure svg[role=img]").all()
    assert sentence(page) == (
        "y(0, 0) = max{1, 3, 5, 5} = 5; its error δ(0, 0) = 4 goes to x(1, 0), the first of 2 equal maxima. "
        "Chosen node: ∂L/∂x(1, 0) = 4, from window (0, 0)."
    )
    press(source, "ArrowRight")
    assert sentence(page).endswith("∂L/∂x(1, 1) = 0, as an equal maximum comes first.")
    page.get_by_label("value of the chosen node").fill("5.5")
    assert sentence(page).startswith(
        "y(0, 0) = max{1, 3, 5, 5.5} = 5.5; its error δ(0, 0) = 4 goes to x(1, 1). "
    )
    press(source, "ArrowRight")
    assert sentence(page).endswith("∂L/∂x(1, 2) = 0, as it is the maximum of no window.")
    press(source, "ArrowLeft", "ArrowDown", "9")  # typed on the drawing: x(2, 1) = 9
    press(target, "ArrowDown")
    assert sentence(page).startswith(
        "y(1, 0) = max{0, 9, 2, −1} = 9; its error δ(1, 0) = 12 goes to x(2, 1). "
    )
    press(source, "-")
    assert state(page)["x"][2][1] == -9

    slide(page, "stride S", 1)
    x = torch.tensor([[1.0, 3, 0, 2], [5, 5.5, -4, 2], [0, -9, 6, 1], [2, -1, 1, 6]])[None]
    delta = 4 * torch.arange(1.0, 10).view(1, 3, 3)
    shown = [numbers(text)[0] for text in texts(target)]
    assert shown == max_pool2d(x, 2, 1).flatten().tolist()
    assert [numbers(text)[0] for text in texts(errors)] == delta.flatten().tolist()
    expected = max_pool2d_backward(delta, x, 2, 1)
    assert [numbers(text)[0] for text in texts(gradient)] == expected.flatten().tolist()
    press(source, "ArrowUp")  # x(1, 1) is the maximum of four windows
    assert sentence(page).endswith("∂L/∂x(1, 1) = 4 + 8 + 16 = 28, from windows (0, 0), (0, 1), (1, 0).")

    page.get_by_label("pooling").last.select_option("average")
    expected = avg_pool2d_backward(delta, x, 2, 1)
    assert [numbers(text)[0] for text in texts(gradient)] == expected.flatten().tolist()
    assert "of its error δ(1, 0) = 16 each of the 4 nodes gets 4." in sentence(page)

    slide(page, "window F", 3)
    slide(page, "stride S", 4)  # one window; the last row and column are in none
    assert sentence(page).startswith("y(0, 0) = (1 + 3 + 0 + 5 + 5.5 + (−4) + 0 + (−9) + 6) / 9 ≈ 0.83;")
    press(source, "End")
    assert sentence(page).endswith("∂L/∂x(1, 3) = 0, as it is in no window.")


def test_pooling_follows_the_pointer(show: Callable) -> None:
    page = show(figures.pooling())
    source, target = page.get_by_role("application").all()
    errors, gradient = page.locator(".figure svg[role=img]").all()
    field = page.get_by_label("value of the chosen node")
    field.fill("4.5")
    point(source, 0.9, 0.1, press=True)
    assert field.input_value() == "2", "the field goes with the chosen node, also from under the caret"
    assert (state(page)["u"], state(page)["v"]) == (0, 3)
    point(target, 0.9, 0.1, press=True)
    assert (state(page)["i"], state(page)["j"]) == (0, 1)
    point(errors, 0.1, 0.9, press=True)
    assert (state(page)["i"], state(page)["j"]) == (1, 0)
    point(gradient, 0.4, 0.6, press=True)
    assert (state(page)["u"], state(page)["v"]) == (2, 1)
    assert sentence(page).endswith("∂L/∂x(2, 1) = 12, from window (1, 0).")


# ------------------------------------------------------------------------------------------ one by one
@in_both_schemes
def test_one_by_one(show: Callable, scheme: str) -> None:
    image = torch.arange(12.0).view(3, 2, 2) / 20
    page = show(figures.one_by_one(image, [[1, 0, -1], [0.5, 0.5, 0]]), scheme=scheme)
    drawing, network = page.get_by_role("application"), page.get_by_role("img", name="The network")
    press(drawing, "Home", "ArrowUp")
    assert sentence(page) == (
        "Pixel (0, 0) is red 0, green 0.2, blue 0.4: y₀(0, 0) = 0 · 1 + 0.2 · 0 + 0.4 · (−1) = −0.4; "
        "y₁(0, 0) = 0 · 0.5 + 0.2 · 0.5 + 0.4 · 0 = 0.1. The same 6 weights mix all 4 pixels."
    )
    press(drawing, "ArrowRight", "ArrowDown")
    assert sentence(page).startswith("Pixel (1, 1) is red 0.15, green 0.35, blue 0.55: ")
    page.get_by_label("W1(2)").fill("-2")
    page.get_by_label("W0(0)").fill("0.5")
    weights = torch.tensor([[0.5, 0, -1], [0.5, 0.5, -2]])
    expected = conv2d(image, weights[:, :, None, None])[:, 1, 1].tolist()
    assert texts(network)[:6] == ["0.5", "0", "−1", "0.5", "0.5", "−2"]
    shown = [text for text in texts(network)[6:] if not text.startswith(("x", "y"))]
    values = [numbers(text)[0] for text in shown]
    assert values == pytest.approx([0.15, 0.35, 0.55, *expected], abs=0.0051)
    assert "y₁(1, 1) = 0.15 · 0.5 + 0.35 · 0.5 + 0.55 · (−2) = −0.85." in sentence(page)


def test_one_by_one_follows_the_pointer_on_every_picture(show: Callable) -> None:
    page = show(figures.one_by_one())
    high = 120  # of a picture with its label, in units of the drawing; 100 of them are pixels
    for name, wide, left in (
        ("The photograph", 100, 0),
        ("Channels of the input", 314, 107),
        ("Channels of the output", 207, 107),
    ):
        drawing = page.locator(f".figure svg[aria-label^='{name}']")
        point(drawing, (left + 3.5 / 14 * 100) / wide, (9.5 / 14 * 100) / high)
        assert sentence(page).startswith("Pixel (9, 3) is"), name
        point(drawing, (left + 0.5 / 14 * 100) / wide, (0.5 / 14 * 100) / high, press=True)
        assert sentence(page).startswith("Pixel (0, 0) is"), name
        point(drawing, 0.2, 110 / high)  # on the label: nothing moves
        assert sentence(page).startswith("Pixel (0, 0) is"), name
