"""Quizzes: five questions a part, one right answer each, and every answer explained."""

import re
from pathlib import Path

import pytest
import torch
import yaml

from cnnkit import figures
from cnnkit.figures.questions import QUIZZES
from cnnkit.models import create
from cnnkit.reference.loss import cross_entropy, cross_entropy_backward
from cnnkit.shapes import Window, output_size, receptive_fields, shared_parameters
from cnnkit.summary import summary

ROOT = Path(__file__).resolve().parents[2]
every_quiz = pytest.mark.parametrize("part", QUIZZES)


def test_every_part_has_a_quiz():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = {part["caption"] for part in contents["parts"]} | {"A caution"}
    assert {quiz.part for quiz in QUIZZES.values()} == parts - {"Reference"}
    assert all(key == quiz.part.lower().replace(" ", "-") for key, quiz in QUIZZES.items())


@every_quiz
def test_questions_are_whole(part):
    questions = QUIZZES[part].questions
    assert len({question.text for question in questions}) == 5
    for question in questions:
        assert len({choice.text for choice in question.choices}) == len(question.choices)
        assert len(question.choices) in (3, 4)
        assert 0 <= question.right < len(question.choices)
        assert question.text.endswith("?")
        for choice in question.choices:
            sentences = re.findall(r"[.?!:](?=\s|$)", choice.why)
            assert choice.why.endswith("."), choice
            assert 1 <= len(sentences) <= 4, choice


@every_quiz
def test_right_answers_are_not_always_in_the_same_place(part):
    places = [question.right for question in QUIZZES[part].questions]
    assert len(set(places)) >= 3
    assert all(places.count(place) <= 2 for place in places)


@every_quiz
def test_quiz_lists_its_questions_for_readers_without_javascript(part):
    figure = figures.quiz(part)
    assert [question["text"] for question in figure.state["questions"]] == [
        question.text for question in QUIZZES[part].questions
    ]
    assert QUIZZES[part].part in figure.fallback
    assert figure.picture.count("<li>") == 5


# ----------------------------------------------------------------------------- answers that can be computed
def right_answer(part, number):
    question = QUIZZES[part].questions[number - 1]
    return question.choices[question.right]


def test_sizes_and_counts_are_those_of_shapes():
    assert right_answer("one-dimension", 1).text == str(shared_parameters(5))
    nodes = output_size(8, kernel_size=3, stride=2, floor=True)
    assert right_answer("one-dimension", 3).text.startswith(f"It gives {nodes} nodes")
    assert right_answer("one-dimension", 4).text == str(receptive_fields([Window(3)] * 3)[-1].size)
    weights = torch.nn.Conv2d(3, 16, 5).weight
    assert right_answer("images", 1).text == str(len(weights))
    assert right_answer("images", 2).text == f"{weights.numel():,}"


def test_losses_and_gradients_are_those_of_the_equations():
    loss = cross_entropy(torch.zeros(10), 3).item()
    assert right_answer("learning", 2).text == f"ln 10, about {loss:.2f}"
    gradient = cross_entropy_backward(torch.tensor([0.1, 0.3, 0.6]).log(), 1).tolist()
    shown = ", ".join(f"{value:.1f}" for value in gradient)
    assert right_answer("learning", 3).text.replace("−", "-") == f"({shown})"


def test_costs_of_networks_are_counted():
    with torch.device("meta"):
        alexnet, googlenet = (
            summary(create(name, num_classes=1000, in_channels=3), (3, size, size))
            for name, size in (("alexnet", 227), ("googlenet", 224))
        )
    question = QUIZZES["architectures"].questions[4].text
    assert f"about {alexnet.parameters / 1e6:.0f} million" in question
    assert f"about {googlenet.parameters / 1e6:.0f} million" in question
    costs = (
        f"{googlenet.multiply_adds / 1e9:.1f} billion multiply-adds against {alexnet.multiply_adds / 1e9:.1f}"
    )
    assert costs in right_answer("architectures", 5).why


@pytest.mark.bad_input
def test_parts_without_a_quiz_are_refused():
    with pytest.raises(ValueError, match=r"^part must be one of one-dimension, .*, a-caution, got 'two'$"):
        figures.quiz("two")
