"""Exercises that answer: ``check(number, answer)`` says "right", or what to look at.

Each chapter has a file here, ``cnnkit/exercises/<chapter with underscores>.py``, with its ``EXERCISES``:
a dictionary from the exercise's number to what it expects.
"""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from typing import Any

import numpy as np
import torch

Value = int | float | Sequence[Any] | np.ndarray | torch.Tensor


@dataclass(frozen=True)
class Numbers:
    """An exercise whose answer is a number or an array of numbers.

    Attributes:
        expected: the right answer; only its values and its shape count, not its type, nor axes of length 1.
        hint: what to look at when the answer is wrong and no other hint fits.
        hints: for each classical wrong answer, what to look at.
        tolerance: allowed absolute difference; 0 for integers, counts and exact arithmetic.
        unordered: the answer is a set of numbers, given in any order.
    """

    expected: Value
    hint: str
    hints: Sequence[tuple[Value, str]] = ()
    tolerance: float = 0.0
    unordered: bool = False

    def judge(self, answer: Any) -> str | None:
        """Return None for a right answer, else what to look at."""
        expected = _numbers(self.expected)
        try:
            given = _numbers(answer)
        except (TypeError, ValueError) as error:
            return f"expected {_kind(expected)}, but found {error}"
        if self._same(given, self.expected):
            return None
        for wrong, look_at in self.hints:
            if self._same(given, wrong):
                return look_at
        # A row of another length gets the hint too: the number of answers would give too much away.
        comparable = given.ndim == expected.ndim == 1 or given.shape == expected.shape
        return self.hint if comparable else f"expected {_kind(expected)}, got {_kind(given)}"

    def _same(self, given: np.ndarray, value: Value) -> bool:
        known = _numbers(value)
        if self.unordered and given.ndim == known.ndim == 1:
            given, known = np.sort(given), np.sort(known)
        return given.shape == known.shape and bool(np.all(np.abs(given - known) <= self.tolerance))


@dataclass(frozen=True)
class Choice:
    """An exercise whose answer is one of a few words; capitals do not count.

    Attributes:
        expected: the right word.
        hints: for each other word that can be chosen, what to look at.
    """

    expected: str
    hints: Mapping[str, str]

    def judge(self, answer: Any) -> str | None:
        """Return None for a right answer, else what to look at."""
        given = answer.strip().lower() if isinstance(answer, str) else answer
        if given == self.expected:
            return None
        words = sorted((self.expected, *self.hints))
        return self.hints.get(given) if given in words else f"answer one of {', '.join(map(repr, words))}"


@dataclass(frozen=True)
class Function:
    """An exercise whose answer is a function: it is called on each case and its values are compared.

    Attributes:
        expected: a right function.
        cases: the arguments of each call.
        hint: what to look at when a value is wrong.
        tolerance: allowed absolute difference.
    """

    expected: Callable[..., Value]
    cases: Sequence[tuple[Any, ...]]
    hint: str
    tolerance: float = field(default=1e-6)

    def judge(self, answer: Any) -> str | None:
        """Return None for a right answer, else what to look at."""
        if not callable(answer):
            return f"expected a function (without calling it), got {type(answer).__name__}"
        for arguments in self.cases:
            call = f"for the arguments {', '.join(map(repr, arguments))}"
            expected = self.expected(*arguments)
            try:
                given = answer(*copy.deepcopy(arguments))  # a copy: the function may change what it gets
            except Exception as error:
                return f"{call} your function raises {type(error).__name__}: {error}"
            if given is None:
                return f"{call} your function returns nothing: is a return missing?"
            verdict = Numbers(expected, self.hint, tolerance=self.tolerance).judge(given)
            if verdict is not None:
                return f"{call}: {verdict}"
        return None


Exercise = Numbers | Choice | Function


def checker(chapter: str) -> Callable[[int, Any], None]:
    """Return the ``check(number, answer)`` of a chapter.

    ``check`` prints one line: that the answer is right, what to look at, or that the exercise waits for an
    answer (an ellipsis ``...`` or None). It accepts numbers of any kind: int, float, list, NumPy array,
    tensor on any device.

    Args:
        chapter: the chapter's page, such as ``"local-connectivity"``.

    Raises:
        ValueError: no chapter of this name has exercises, or (from ``check``) it has none of this number.
    """
    exercises = _exercises(chapter)

    def check(number: int, answer: Any) -> None:
        if number not in exercises:
            known = ", ".join(map(str, exercises))
            raise ValueError(f"number must be one of {known} in the chapter {chapter!r}, got {number!r}")
        if _waiting(exercises[number], answer):
            print(f"Exercise {number}: waiting. Put your answer in place of the dots and run the cell.")
            return
        verdict = exercises[number].judge(answer)
        print(
            f"Exercise {number}: right."
            if verdict is None
            else f"Exercise {number}: not yet. {_sentence(verdict)}"
        )

    return check


def chapters() -> list[str]:
    """The chapters that have exercises here."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def _exercises(chapter: str) -> Mapping[int, Exercise]:
    if chapter not in chapters():
        raise ValueError(f"chapter must be one of {', '.join(chapters())}, got {chapter!r}")
    return importlib.import_module(f"{__name__}.{chapter.replace('-', '_')}").EXERCISES


def _waiting(exercise: Exercise, answer: Any) -> bool:
    """Whether the dots are still there: as the answer, or as what a function to be written returns."""
    if isinstance(exercise, Function) and callable(answer):
        try:
            return answer(*copy.deepcopy(exercise.cases[0])) is Ellipsis
        except Exception:
            return False
    if isinstance(answer, list | tuple):
        return any(part is None or part is Ellipsis for part in answer)
    return answer is None or answer is Ellipsis


def _numbers(value: Any) -> np.ndarray:
    """Any kind of numbers as float64, without axes of length 1; TypeError or ValueError for anything else."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().to_dense().double()
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        value = [_numbers(v) for v in value]
    elif not isinstance(value, Number | np.ndarray):
        raise TypeError(f"{value!r} of type {type(value).__name__}")
    return np.asarray(value, dtype=np.float64).squeeze()


def _kind(numbers: np.ndarray) -> str:
    if numbers.ndim < 2:
        return f"{numbers.size} numbers" if numbers.ndim else "one number"
    return f"an array of shape {numbers.shape}"


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."
