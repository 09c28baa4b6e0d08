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


def test_dropout_draws_no_mask_twice(show: Callable) -> None:
    page = show(figures.dropout(samples=10_000))
    page.evaluate("""() => {
      const { averaging } = cnnFigures, { sample } = averaging;
      globalThis.drawn = [];
      averaging.sample = (...given) => {
        drawn.push(given[4] - (given[5]?.drawn ?? 0));
        return sample(...given);
      };
    }""")
    press(page.get_by_role("application"), "ArrowDown", "ArrowDown", "ArrowUp")
    assert page.evaluate("drawn") == []
    page.get_by_role("button", name="Draw 100", exact=True).click()
    assert page.evaluate("drawn") == [100]
    assert "Mean of 10,100 masks: " in sentence(page)
    # another probability, or a new beginning, starts from the first mask again, as Python would
    page.get_by_role("button", name="Start again").click()
    page.get_by_role("button", name="Draw 100", exact=True).click()
    assert sentence(page) == sentence(show(figures.dropout(samples=101)))
    slide(page, "hidden units: p =", 0.7)
    page.get_by_role("button", name="Draw 100", exact=True).click()
    assert sentence(page) == sentence(show(figures.dropout(p_hidden=0.7, samples=101)))


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
    assert sentence(page) == (
        "Training: the mini-batch has μ = 1 and σ² ≈ 2.67. Point 0: x̃ = (−1 − 1) / √(2.67 + ε) ≈ −1.225, "
        "y = γ x̃ + β = 1 · (−1.225) + 0 ≈ −1.22."
    )
    assert test.inner_text() == (
        "Test: x̃ = (−1 − 0) / √(4 + ε) ≈ −0.5, y = γ x̃ + β = 1 · (−0.5) + 0 ≈ −0.5, "
        "whatever the other points are."
    )

    # another point moves: this one's output changes in training and stays at test time
    press(drawing, "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp")
    assert state(page)["x"] == [-1, 1, 3.2]
    assert "μ ≈ 1.07 and σ² ≈ 2.94. Point 0: x̃ = (−1 − 1.07)" in sentence(page)
    assert "1 · (−0.5) + 0 ≈ −0.5, whatever" in test.inner_text()

    slide(page, "γ", -2)
    slide(page, "β", 1)
    assert "y = γ x̃ + β = (−2) · (−0.5) + 1 ≈ 2, whatever" in test.inner_text()
    assert "y = γ x̃ + β = (−2) · (−1.205) + 1 ≈ 3.41." in sentence(page)


@pytest.mark.parametrize("width", [1280, 375])
def test_the_lines_of_batch_norm_stay_where_they_are(show: Callable, width: int) -> None:
    page = show(figures.batch_norm(), width=width)
    drawing, places = page.get_by_role("application"), set()
    before = page.locator(".figure").bounding_box()["height"]
    for gamma in (1, -2.75):
        slide(page, "γ", gamma)
        for key in ("Home", "ArrowRight", "End"):
            press(drawing, key)
            places.add(drawing.bounding_box()["y"])
    assert len(places) == 1
    assert page.locator(".figure").bounding_box()["height"] == before, "the room that is kept is enough"


def test_points_of_batch_norm_are_dragged(show: Callable) -> None:
    page = show(figures.batch_norm([-1.0, 1.0, 3.0]))
    drawing = page.get_by_role("application")
    box = drawing.bounding_box()

    def at(value: float, y: int = 38) -> tuple[float, float]:
        scale = box["width"] / 320
        return box["x"] + (12 + (value + 6) / 12 * 296) * scale, box["y"] + y * scale

    page.mouse.move(*at(1))
    page.mouse.down()
    page.mouse.move(*at(-2.5), steps=4)
    page.mouse.up()
    assert state(page)["x"] == [-1, -2.5, 3]
    press(drawing, "Home")
    assert state(page)["x"] == [-1, -6, 3]

    # in the other lines a click chooses the point that is there, and moves none: at test time point 2 is at 1.5
    page.mouse.click(*at(1.4, y=260))
    assert state(page)["point"] == 2
    assert state(page)["x"] == [-1, -6, 3]
    page.mouse.click(*at(-1.4, y=112))  # (−6 + 4/3) / √(41/3 + …): point 1 is the lowest in training
    assert state(page)["point"] == 1


# ----------------------------------------------------------------------------- residual_block
# the filters copy, so F(x) = f(x) and, in front of the branch, too
COPY = {"w1": [0, 1, 0], "w2": [0, 1, 0]}


@in_both_schemes
def test_residual_block(show: Callable, scheme: str) -> None:
    given = figures.residual_block([2, -1, 0.5], w1=[0, 1, 0], w2=[1, -2, 0], alpha=0.5)
    page = show(given, scheme=scheme)
    drawing, work = page.get_by_role("application"), page.locator(".work")
    assert page.locator(".equation").inner_text() == "y = f(α F(x) + x), F(x) = W₂ f(W₁ x)"
    assert sentence(page) == (
        "Node 0: x + α F(x) = 2 + 0.5 · (−4) = 0 before the ReLU, y = f(0) = 0 behind it. "
        "From α = 0 to α = 1, y slides from f(x) = 2 to f(F(x) + x) = 0."
    )
    assert "F(x) = 1 · 0 + (−2) · 2 + 0 · 0 = −4," in work.inner_text()

    press(drawing, "ArrowRight")
    assert sentence(page).startswith("Node 1: x + α F(x) = −1 + 0.5 · 2 = 0 before")
    slide(page, "α =", 0.25)
    assert sentence(page).startswith(
        "Node 1: x + α F(x) = −1 + 0.25 · 2 = −0.5 before the ReLU, y = f(−0.5) = 0"
    )
    press(drawing, "ArrowUp", "ArrowUp", "ArrowUp", "ArrowDown")
    assert state(page)["x"] == [2, -0.8, 0.5]
    press(drawing, "End")
    assert "F(x) = 1 · 0 + (−2) · 0.5 + 0 · 0 = −1, " in work.inner_text()
    press(drawing, "Home", "ArrowLeft")
    assert state(page)["node"] == 0, "the first node is the first"


@in_both_schemes
def test_the_place_of_the_relu_decides_what_a_block_without_branch_returns(
    show: Callable, scheme: str
) -> None:
    page = show(figures.residual_block([-2, 1, 3], alpha=0, **COPY), scheme=scheme)
    work, order = page.locator(".work"), page.get_by_label("ReLU")
    assert "y slides from f(x) = 0 to f(F(x) + x) = 0." in sentence(page)
    assert work.inner_text().startswith("y differs from x at 1 of the 3 nodes.")

    order.select_option("in front of the branch")
    assert page.locator(".equation").inner_text() == "y = α F(x) + x, F(x) = W₂ f(W₁ f(x))"
    assert sentence(page).startswith("Node 0: x + α F(x) = −2 + 0 · 0 = −2, and that is y: no ReLU follows.")
    assert work.inner_text().startswith("y differs from x at 0 of the 3 nodes.")

    order.select_option("behind the addition")
    page.get_by_role("button", name="Set negative x to 0").click()
    assert state(page)["x"] == [0, 1, 3]
    assert work.inner_text().startswith("y differs from x at 0 of the 3 nodes.")


def test_bars_and_alpha_of_a_residual_block_are_dragged(show: Callable) -> None:
    page = show(figures.residual_block([1, 1, 1], alpha=1, **COPY))
    rows, plot = page.get_by_role("application"), page.get_by_role("img", name="Outputs of the nodes")
    box = rows.bounding_box()

    def at(node: int, value: float, row: int = 50) -> tuple[float, float]:
        scale = box["width"] / 330
        return box["x"] + (24 + (node + 0.5) * 82) * scale, box["y"] + (row - 12 * value) * scale

    page.mouse.move(*at(1, 1))
    page.mouse.down()
    page.mouse.move(*at(1, -2), steps=4)
    # far below the row it is the least value that there is, and the next node keeps its own
    page.mouse.move(*at(2, -9), steps=4)
    page.mouse.up()
    assert state(page)["x"] == [1, -3, 1]
    assert sentence(page).startswith("Node 1: x + α F(x) = −3 + 1 · 0 = −3 before the ReLU")

    # a click in a lower row chooses a node and changes none
    page.mouse.click(*at(2, 0, row=374))
    assert state(page)["x"] == [1, -3, 1]
    assert sentence(page).startswith("Node 2: x + α F(x) = 1 + 1 · 1 = 2 before the ReLU, y = f(2) = 2")

    box = plot.bounding_box()
    page.mouse.click(box["x"] + (34 + 0.2 * 262) * box["width"] / 310, box["y"] + 50)
    assert state(page)["alpha"] == pytest.approx(0.2)
    assert sentence(page).startswith(
        "Node 2: x + α F(x) = 1 + 0.2 · 1 = 1.2 before the ReLU, y = f(1.2) = 1.2"
    )


@in_both_schemes
def test_the_filters_of_a_residual_block_are_edited(show: Callable, scheme: str) -> None:
    page = show(figures.residual_block([2, -1, 0.5], w1=[0, 1, 0], w2=[1, -2, 0], alpha=0.5), scheme=scheme)
    page.get_by_label("W1, weight 1").fill("-0.75")
    page.get_by_label("W2, weight 0").fill("0.375")
    w1, w2 = [0, 1, -0.75], [1, 0.375, 0]
    assert (state(page)["w1"], state(page)["w2"]) == (w1, w2)
    # W1 makes (2.75, -1.375, 0.5) of x, and the ReLU (2.75, 0, 0.5)
    assert sentence(page).startswith("Node 0: x + α F(x) = 2 + 0.5 · 1.0313 ≈ 2.5156 before the ReLU")
    assert "F(x) = 1 · 0 + 0.375 · 2.75 + 0 · 0 ≈ 1.0313," in page.locator(".work").inner_text()
    press(page.get_by_role("application"), "ArrowRight")
    assert sentence(page).startswith("Node 1: x + α F(x) = −1 + 0.5 · 2.75 = 0.375 before the ReLU")

    field = page.get_by_label("W2, weight 0")
    field.fill("")
    assert state(page)["w2"] == w2
    field.fill("5")
    field.press("Tab")
    assert state(page)["w2"] == [1, 2, 0], "the largest weight"
    assert field.input_value() == "2"


@pytest.mark.parametrize("width", [1280, 375])
def test_the_drawing_of_a_residual_block_stays_where_it_is(show: Callable, width: int) -> None:
    page = show(figures.residual_block(), width=width)
    drawing = page.get_by_role("application")
    before, places = page.locator(".figure").bounding_box()["height"], set()
    for alpha in (0, 0.35, 1):
        slide(page, "α =", alpha)
        for node in range(8):
            places.add(drawing.bounding_box()["y"])
            press(drawing, "ArrowRight" if node < 7 else "Home")
    assert len(places) == 1
    assert page.locator(".figure").bounding_box()["height"] == before, "the room that is kept is enough"


# ----------------------------------------------------------------------------- touch
@pytest.mark.parametrize(
    ("make", "start", "end", "expected"),
    [
        # a bar of the first row goes down with a finger, a point of the first line to the right
        (figures.residual_block, (162 / 330, 50 / 416), (162 / 330, 74 / 416), {"node": 4, "x": -2}),
        (figures.batch_norm, (12 / 320 + 0.25 * 296 / 320, 38 / 282), (0.5, 38 / 282), {"point": 0, "x": 0}),
    ],
)
def test_a_finger_drags_what_can_be_dragged(
    show: Callable, make: Callable, start: tuple, end: tuple, expected: dict
) -> None:
    page = show(make(), width=375)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.get_by_role("application").scroll_into_view_if_needed()
    box, before = page.get_by_role("application").bounding_box(), page.evaluate("scrollY")
    for kind, share in [("touchStart", 0), *(("touchMove", step / 5) for step in range(1, 6))]:
        x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
        finger = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [finger]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    name, chosen = next(iter(expected.items()))
    assert state(page)[name] == chosen
    assert abs(state(page)["x"][chosen] - expected["x"]) < 0.5, "the browser holds the last move back"
    assert page.evaluate("scrollY") == before, "the page stays"
