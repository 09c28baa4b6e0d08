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
