"""Figures of nodes and their outputs: what a reader can do to them."""

from collections.abc import Callable

import pytest
from figure_page import numbers, press, sentence, slide, state

from cnnkit import figures

pytestmark = pytest.mark.browser
in_both_schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


# ----------------------------------------------------------------------------- dropout
@in_both_schemes
def test_dropout(show: Callable, scheme: str) -> None:
    page = show(figures.dropout(p_input=0.8, p_hidden=0.5), scheme=scheme)
    assert "Mean of 1 mask: " in sentence(page)

    page.get_by_role("button", name="Draw 1,000").click()
    page.get_by_role("button", name="Draw 100", exact=True).click()
    page.get_by_role("button", name="Draw a mask").click()
    assert "Mean of 1,102 masks: " in sentence(page)
    _, _, mean, error, _, everything, scaled = numbers(sentence(page).replace(",", ""))
    assert abs(mean - everything) < 5 * error
    assert abs(scaled - everything) < 0.01

    # all masks are the same where nothing is dropped, and then the means agree
    slide(page, "inputs: p =", 1)
    slide(page, "hidden units: p =", 1)
    assert "Mean of 1 mask: " in sentence(page)
    last, _, mean, _, everything, scaled = numbers(sentence(page))
    assert last == mean == everything == scaled

    page.get_by_role("button", name="Draw 100", exact=True).click()
    page.get_by_role("button", name="Start again").click()
    assert "Mean of 1 mask: " in sentence(page)


@in_both_schemes
def test_dropout_shows_the_means_of_the_chosen_unit(show: Callable, scheme: str) -> None:
    page = show(figures.dropout(p_hidden=0.3), scheme=scheme)
    drawing, line = page.get_by_role("application"), page.locator(".equation")
    for unit in ("hidden unit 0", "hidden unit 1", "hidden unit 2", "hidden unit 3", "the output unit"):
        text = line.inner_text()
        assert text.startswith(f"For {unit}, {8 if 'hidden' in unit else 16} sub-networks: ")
        G, rest, nwgm, scaled, mean = numbers(text.partition("sub-networks")[2])
        assert nwgm == scaled != mean
        assert nwgm == pytest.approx(G / (G + rest), abs=2e-4)
        press(drawing, "ArrowDown")
    assert state(page)["unit"] == 4, "the last unit is the last"
    press(drawing, "Home")
    assert state(page)["unit"] == 0

    box = drawing.bounding_box()
    scale = box["width"] / 300
    page.mouse.click(box["x"] + 266 * scale, box["y"] + 118 * scale)
    assert line.inner_text().startswith("For the output unit, 16 sub-networks: ")


# ----------------------------------------------------------------------------- batch_norm
@in_both_schemes
def test_batch_norm(show: Callable, scheme: str) -> None:
    page = show(figures.batch_norm([-1.0, 1.0, 3.0], running_mean=0, running_var=4), scheme=scheme)
    drawing, test = page.get_by_role("application"), page.locator(".equation")
    # mean 1, variance 8/3
    assert "mean 1 and variance 2.67. Point 0: (−1 − 1) / √(2.67 + ε) · 1 + 0 = −1.22." in sentence(page)
    assert test.inner_text() == "Test: (−1 − 0) / √(4 + ε) · 1 + 0 = −0.5, whatever the other points are."

    # another point moves: this one's output changes in training and stays at test time
    press(drawing, "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp")
    assert state(page)["x"] == [-1, 1, 3.2]
    assert "mean 1.07 and variance 2.94. Point 0: (−1 − 1.07)" in sentence(page)
    assert test.inner_text().startswith("Test: (−1 − 0) / √(4 + ε) · 1 + 0 = −0.5,")

    slide(page, "γ", -2)
    slide(page, "β", 1)
    assert test.inner_text().startswith("Test: (−1 − 0) / √(4 + ε) · (−2) + 1 = 2,")


def test_points_of_batch_norm_are_dragged(show: Callable) -> None:
    page = show(figures.batch_norm([-1.0, 1.0, 3.0]))
    drawing = page.get_by_role("application")
    box = drawing.bounding_box()

    def at(value: float) -> tuple[float, float]:
        return box["x"] + box["width"] * (12 + (value + 6) / 12 * 376) / 400, box["y"] + box[
            "height"
        ] * 52 / 234

    page.mouse.move(*at(1))
    page.mouse.down()
    page.mouse.move(*at(-2.5), steps=4)
    page.mouse.up()
    assert state(page)["x"] == [-1, -2.5, 3]
    press(drawing, "Home")
    assert state(page)["x"] == [-1, -6, 3]
