"""One recipe, ten seeds, ten accuracies; and two changes of the recipe that may or may not improve it.

A seed decides the first weights and the order of the batches, nothing else: images, recipe and test digits
are the same. Beside each accuracy are kept the test digits that the network got wrong, and what it said, so
that any two runs can be compared digit by digit.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from cnnkit.data import Dataset, Examples, mnist5k
from cnnkit.recipe import Recipe
from cnnkit.train import fit, predict

SEEDS = range(10)
SETTINGS = {
    "every": 1,
    "epochs": 6,
    "changes": {
        "as it is": {},
        "larger steps": {"step_size": 5e-3},
        "label smoothing": {"label_smoothing": 0.1},
    },
    "precision": "float32",
}
# Double precision: a few steps later another machine's sums still give every test digit the same answer.
SMALL = SETTINGS | {"every": 5, "epochs": 1, "precision": "float64"}
TOLERANCE = 1e-6


def digits(every: int) -> Dataset:
    """Every so many of the digits, in the training and in the test set."""
    whole = mnist5k()
    train, test = (Examples(part.x[::every], part.y[::every]) for part in (whole.train, whole.test))
    return dataclasses.replace(whole, train=train, test=test)


def run(
    seed: int, every: int, epochs: int, changes: Mapping[str, Mapping[str, Any]], precision: str
) -> dict[str, dict[str, Any]]:
    """Train a LeNet by the recipe, once for each change of it.

    Returns:
        For each change the accuracy on the test digits, the places of the ``wrong`` ones, and the ``answers``
        there.
    """
    data = digits(every)
    found: dict[str, dict[str, Any]] = {}
    for name, change in changes.items():
        recipe = Recipe("lenet", epochs=epochs, seed=seed, precision=precision, **change)  # type: ignore[arg-type]
        answers = predict(fit(recipe, dataset=data, device="cpu"), data.test.x).argmax(1)
        wrong = (answers != data.test.y).nonzero().flatten()
        found[name] = {
            "accuracy": 1 - len(wrong) / len(answers),
            "wrong": wrong.tolist(),
            "answers": answers[wrong].tolist(),
        }
    return found


def disagreements(runs: Sequence[Mapping[str, Sequence[int]]]) -> list[int]:
    """For each pair of runs, on how many test digits they do not say the same."""
    found = []
    for one, other in combinations(runs, 2):
        said, heard = (dict(zip(each["wrong"], each["answers"], strict=True)) for each in (one, other))
        found.append(sum(said.get(digit) != heard.get(digit) for digit in said.keys() | heard.keys()))
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
