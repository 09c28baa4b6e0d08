"""Quizzes that mark themselves: a few questions at the end of each part of the book."""

from __future__ import annotations

import html

from cnnkit.figures.figure import Figure
from cnnkit.figures.questions import QUIZZES


def quiz(part: str = "one-dimension") -> Figure:
    """Five questions about a part of the book; each answer is explained, the wrong ones too.

    Args:
        part: ``"one-dimension"``, ``"images"``, ``"learning"``, ``"regularisation"``, ``"architectures"`` or
            ``"a-caution"``.

    Raises:
        ValueError: there is no such part.

    Example:
        >>> quiz("images")
        Figure('quiz')
    """
    if part not in QUIZZES:
        raise ValueError(f"part must be one of {', '.join(QUIZZES)}, got {part!r}")
    found = QUIZZES[part]
    questions = [
        {
            "text": question.text,
            "right": question.right,
            "choices": [[choice.text, choice.why] for choice in question.choices],
        }
        for question in found.questions
    ]
    return Figure(
        "quiz",
        {"questions": questions, "chosen": [None] * len(questions), "checked": [[]] * len(questions)},
        label=f"Quiz: {found.part}",
        fallback=f"{len(questions)} questions about the part “{found.part}”, each with three or four answers "
        "to choose from.",
        picture="<ol>"
        + "".join(f"<li>{html.escape(question.text)}</li>" for question in found.questions)
        + "</ol>",
        height=(61, 85),
    )
