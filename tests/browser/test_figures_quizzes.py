"""Quizzes: what a reader can do to them."""

from collections.abc import Callable

import pytest
from figure_page import sentence, state
from playwright.sync_api import Page
from test_pages import violations

from cnnkit import figures
from cnnkit.figures.questions import QUIZZES

pytestmark = pytest.mark.browser


def answer(page: Page, number: int, choice: int) -> str:
    """Choose an answer by a click, check it, and read what is said about it."""
    page.locator("fieldset").nth(number).locator("label").nth(choice).click()
    page.get_by_role("button", name=f"Check question {number + 1}").click()
    return verdict(page, number)


def verdict(page: Page, number: int) -> str:
    return page.locator("fieldset .verdict").nth(number).inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("part", QUIZZES)
def test_every_answer_is_marked_and_explained(show: Callable, part: str, width: int, scheme: str) -> None:
    page = show(figures.quiz(part), scheme=scheme, width=width)
    assert sentence(page) == "5 questions: choose an answer to each and check it."
    for number, question in enumerate(QUIZZES[part].questions):
        wrong = [k for k in range(len(question.choices)) if k != question.right]
        # the third question is answered rightly at once
        for choice in [question.right] if number == 2 else [*wrong, question.right]:
            why = question.choices[choice].why
            expected = f"✓ Right. {why}" if choice == question.right else f"✗ Not so. {why} Choose again."
            assert answer(page, number, choice) == expected
    assert sentence(page) == "5 of 5 questions right, 1 of them at the first attempt."
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_quiz_by_keyboard(show: Callable) -> None:
    page = show(figures.quiz("one-dimension"))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    assert state(page)["chosen"] == [1, None, None, None, None]
    assert verdict(page, 0) == ""  # nothing is marked before it is checked
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert verdict(page, 0).startswith("✗ Not so. That is a local layer")
    assert sentence(page) == "0 of 5 questions right, 0 of them at the first attempt."
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    assert verdict(page, 0) == ""
    page.keyboard.press("Enter")  # also checks, without the button
    assert verdict(page, 0).startswith("✓ Right. All 100 nodes")
    assert sentence(page) == "1 of 5 questions right, 0 of them at the first attempt."


def test_checking_needs_a_choice_and_counts_it_once(show: Callable) -> None:
    page = show(figures.quiz("one-dimension"))
    button = page.get_by_role("button", name="Check question 1")
    button.click()
    assert state(page)["checked"][0] == []
    answer(page, 0, 2)
    button.click()
    assert state(page)["checked"][0] == [2]
    # a look at a wrong answer afterwards takes nothing away
    assert answer(page, 0, 0).startswith("✗ Not so.")
    assert sentence(page) == "1 of 5 questions right, 1 of them at the first attempt."


def test_two_quizzes_have_choices_of_their_own(show: Callable) -> None:
    page = show(figures.quiz("images"), figures.quiz("learning"))
    inputs = page.locator("input[type=radio]")
    inputs.first.check()
    page.locator(".figure").nth(1).locator("input[type=radio]").nth(1).check()
    assert inputs.first.is_checked()
