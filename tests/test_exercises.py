"""`check` accepts right answers of any kind, and says what to look at for the others."""

import re
from importlib import import_module

import nbformat
import numpy as np
import pytest
import torch
import yaml

from book.tools.execute_notebooks import ROOT
from cnnkit.exercises import Choice, Function, Numbers, chapters, checker
from cnnkit.exercises.local_connectivity import EXERCISES as LOCAL


def exercises_of(chapter):
    return import_module(f"cnnkit.exercises.{chapter.replace('-', '_')}").EXERCISES


SIZES = Numbers([1, 2], hint="think again", hints=[([2, 1], "other way round"), ([1], "one is missing")])


@pytest.mark.parametrize(
    "answer", [[1, 2], (1, 2.0), np.array([[1, 2]]), torch.tensor([[[1, 2]]], dtype=torch.bfloat16), torch.tensor([1, 2]), [torch.tensor(1), np.float32(2)], torch.tensor([1.0, 2.0], requires_grad=True)]
)  # fmt: skip
def test_a_right_array_of_any_kind_is_right(answer):
    assert SIZES.judge(answer) is None


@pytest.mark.parametrize("answer", [3, 3.0, np.int64(3), np.array(3), [3], torch.tensor(3), True + 2])
def test_a_right_number_of_any_kind_is_right(answer):
    assert Numbers(3, hint="").judge(answer) is None


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ([1, 3], "think again"),
        ([2, 1], "other way round"),
        ([1], "one is missing"),
        ([1, 2, 3], "think again"),
        (7, "expected 2 numbers, got one number"),
        ([[1, 2], [3, 4]], "expected 2 numbers, got an array of shape (2, 2)"),
        ("1, 2", "expected 2 numbers, but found '1, 2' of type str"),
        ([1, "2"], "expected 2 numbers, but found '2' of type str"),
        ({"a": 1}, "expected 2 numbers, but found {'a': 1} of type dict"),
        ([1, float("nan")], "think again"),
    ],
)
def test_a_wrong_array_says_what_to_look_at(answer, verdict):
    assert SIZES.judge(answer) == verdict


@pytest.mark.parametrize("answer", [[2, 1], {1, 2}, torch.tensor([[2], [1]])])
def test_order_counts_only_where_it_matters(answer):
    assert Numbers([1, 2], hint="no", unordered=True).judge(answer) is None
    assert Numbers([1, 2], hint="no", unordered=True).judge([1, 3]) == "no"


def test_tolerance():
    assert Numbers(0.5, hint="no", tolerance=0.01).judge(0.509) is None
    assert Numbers(0.5, hint="no", tolerance=0.01).judge(0.52) == "no"
    assert Numbers(0.5, hint="no").judge(0.5000001) == "no"


def test_choice():
    exercise = Choice("local", hints={"full": "too many weights"})
    assert exercise.judge(" Local ") is None
    assert exercise.judge("full") == "too many weights"
    assert exercise.judge("conv") == exercise.judge(3) == "answer one of 'full', 'local'"


def test_function():
    exercise = Function(lambda n: n + 1, cases=[(1,), (5,)], hint="count both ends")
    assert exercise.judge(lambda n: torch.tensor(n + 1)) is None
    assert exercise.judge(lambda n: 2) == "for the arguments 5: count both ends"
    assert (
        exercise.judge(lambda n: n / 0)
        == "for the arguments 1 your function raises ZeroDivisionError: division by zero"
    )
    assert (
        exercise.judge(lambda n: None)
        == "for the arguments 1 your function returns nothing: is a return missing?"
    )
    assert (
        exercise.judge(lambda n: "2") == "for the arguments 1: expected one number, but found '2' of type str"
    )
    assert exercise.judge(3) == "expected a function (without calling it), got int"


def test_a_function_that_changes_its_arguments_spoils_nothing():
    exercise = Function(lambda w: w + 1, cases=[(torch.ones(2),)], hint="no")
    assert exercise.judge(lambda w: w.zero_()) == "for the arguments tensor([1., 1.]): no"
    assert exercise.judge(lambda w: w + 1) is None


def test_check_prints_one_line(capsys):
    check = checker("local-connectivity")
    check(1, ...)
    check(1, None)
    check(1, [0, ..., 5, 0])
    check(3, lambda w, n: ...)
    check(3, lambda w, n: 1 / 0)
    check(1, [0, 3, 5, 0])
    check(1, [0, 3, 5, -3])
    check(2, [1_000_000, 5_000, 5_000])
    assert capsys.readouterr().out.splitlines() == [
        "Exercise 1: waiting. Put your answer in place of the dots and run the cell.",
        "Exercise 1: waiting. Put your answer in place of the dots and run the cell.",
        "Exercise 1: waiting. Put your answer in place of the dots and run the cell.",
        "Exercise 3: waiting. Put your answer in place of the dots and run the cell.",
        "Exercise 3: not yet. For the arguments tensor([1., 2., 3.]), 5 your function raises ZeroDivisionError: division by zero.",
        "Exercise 1: right.",
        "Exercise 1: not yet. Write the padded row 0, 2, 1, 0, 3, 0, put the filter's middle weight under each x in "
        "turn, and add the products.",
        "Exercise 2: not yet. A shared weight is counted once, however many places use it.",
    ]


@pytest.mark.parametrize("chapter", chapters())
def test_every_hint_is_for_a_wrong_answer(chapter):
    exercises = exercises_of(chapter)
    assert list(exercises) == list(range(1, len(exercises) + 1))
    assert 4 <= len(exercises) <= 6
    for exercise in exercises.values():
        if isinstance(exercise, Numbers):
            assert exercise.judge(exercise.expected) is None
            for wrong, look_at in exercise.hints:
                assert exercise.judge(wrong) == look_at
        elif isinstance(exercise, Choice):
            assert exercise.expected not in exercise.hints
        else:
            assert exercise.judge(exercise.expected) is None


def test_the_classical_wrong_answers_get_their_own_hint():
    assert "flipped" in LOCAL[1].judge([0, 1, 7, 0])
    assert "ReLU" in LOCAL[1].judge([-1, 3, 5, -3])


def exercise_problems(notebook, numbers):
    """What a chapter's exercises lack: a waiting check, hints, a folded solution, or one that is right."""
    parts, titles = {}, []
    for cell in notebook.cells:
        for text in (
            re.split(r"^(?=#{2,3} )", cell.source, flags=re.M) if cell.cell_type == "markdown" else []
        ):
            if text.startswith("#"):
                titles.append(re.match(r"### Exercise (\d+) \(.+\)$", text, re.M))
            if titles and titles[-1]:
                part = parts.setdefault(int(titles[-1][1]), {"folded": [], "said": [], "hidden": []})
                part["folded"] += re.findall(r"^<summary>(.*)</summary>", text, re.M)
        if cell.cell_type == "code" and titles and titles[-1]:
            part = parts[int(titles[-1][1])]
            said = "".join(output.get("text", "") for output in cell.outputs)
            hidden = cell.metadata.get("jupyter", {}).get("source_hidden", False)
            part["hidden" if hidden else "said"].append(said)
    problems = [] if list(parts) == list(numbers) else [f"exercises {list(parts)}, checks {list(numbers)}"]
    for number, part in parts.items():
        if part["folded"] not in (["Hint", "Solution"], ["Hint", "Second hint", "Solution"]):
            problems.append(f"exercise {number}: folded are {part['folded']}")
        if not any(said.startswith(f"Exercise {number}: waiting") for said in part["said"]):
            problems.append(f"exercise {number}: no check waits for an answer")
        if not any(f"Exercise {number}: right." in said for said in part["hidden"]):
            problems.append(f"exercise {number}: no hidden solution that its check calls right")
    return problems


@pytest.mark.parametrize("chapter", chapters())
def test_every_exercise_has_a_check_hints_and_a_solution(chapter):
    notebook = nbformat.read(ROOT / f"book/{chapter}.ipynb", as_version=4)
    assert exercise_problems(notebook, exercises_of(chapter)) == []


def test_every_chapter_has_exercises():
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    pages = [
        page["file"].removeprefix("book/")
        for part in parts
        if part["caption"] != "Reference"
        for page in part["chapters"]
    ]
    assert sorted(pages) == chapters()


def test_an_incomplete_exercise_is_found():
    def notebook(*, folded="Hint Solution", waiting="Exercise 1: waiting", solved="Exercise 1: right.", n=1):
        folds = "".join(f"<summary>{name}</summary>\n" for name in folded.split())
        code = nbformat.v4.new_code_cell
        return nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_markdown_cell(f"## Exercises\n\n### Exercise {n} (by hand)\n\nHow many?"),
                code(outputs=[nbformat.v4.new_output("stream", text=waiting)]),
                nbformat.v4.new_markdown_cell(folds),
                code(
                    outputs=[nbformat.v4.new_output("stream", text=solved)],
                    metadata={"jupyter": {"source_hidden": True}},
                ),
                nbformat.v4.new_markdown_cell("## What to keep"),
                code(outputs=[]),
            ]
        )

    assert exercise_problems(notebook(), [1]) == []
    assert exercise_problems(notebook(folded="Solution"), [1]) == ["exercise 1: folded are ['Solution']"]
    assert exercise_problems(notebook(waiting=""), [1]) == ["exercise 1: no check waits for an answer"]
    assert "no hidden solution" in exercise_problems(notebook(solved="Exercise 1: not yet."), [1])[0]
    assert exercise_problems(notebook(), [1, 2]) == ["exercises [1], checks [1, 2]"]


@pytest.mark.bad_input
def test_unknown_chapter_and_number_list_the_known_ones():
    with pytest.raises(ValueError, match=r"chapter must be one of .*stride-and-padding.*got 'pooling!'"):
        checker("pooling!")
    with pytest.raises(
        ValueError, match=r"number must be one of 1, 2, .* in the chapter 'stride-and-padding', got 99"
    ):
        checker("stride-and-padding")(99, 1)
