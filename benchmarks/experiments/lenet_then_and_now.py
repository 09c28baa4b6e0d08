"""LeNet as in the notes, as it is built today, and steps between; and LeNet-5 as it was in 1998.

All are trained by the same number of epochs on the same batches of 4,000 digits, with a step size that rises
and falls. The largest step size is that of the kind of network, found by trying a few: sigmoids need a larger
one than ReLUs.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import torch

from cnnkit.models import create
from cnnkit.train import Recipe, fit

SEEDS = range(5)
SETTINGS = {"epochs": 6}
SMALL = {"epochs": 1}
# The losses of the first sixty steps; sums in another order, on another machine or with another number of
# threads, move them in the third digit. The accuracies after so few steps move more: they are not compared.
TOLERANCE = 0.02


class Kind(NamedTuple):
    """A network, and how it is trained."""

    model: str
    image_size: int
    options: dict[str, Any]
    optimizer: str
    step_size: float
    weight_decay: float = 0.0


def _lenet(activation: str, pool: str, optimizer: str, step_size: float) -> Kind:
    return Kind("lenet", 28, {"activation": activation, "pool": pool}, optimizer, step_size)


KINDS = {
    "sigmoid, average, SGD": _lenet("sigmoid", "average", "sgd", 0.1),
    "sigmoid, average, Adam": _lenet("sigmoid", "average", "adam", 1e-2),
    "the same, weight decay": _lenet("sigmoid", "average", "adam", 1e-2)._replace(weight_decay=1e-4),
    "sigmoid, max, Adam": _lenet("sigmoid", "max", "adam", 1e-2),
    "ReLU, average, Adam": _lenet("relu", "average", "adam", 4e-3),
    "ReLU, max, Adam": _lenet("relu", "max", "adam", 4e-3),
    "ReLU, max, SGD": _lenet("relu", "max", "sgd", 0.1),
    "LeNet-5 of 1998, Adam": Kind("lenet5_1998", 32, {}, "adam", 2e-3),
}


def train(kind: Kind, seed: int, epochs: int) -> list[dict[str, int | float]]:
    """The history of one run."""
    torch.manual_seed(seed)
    network = create(kind.model, **kind.options)
    recipe = Recipe(
        kind.model,
        epochs=epochs,
        optimizer=kind.optimizer,  # type: ignore[arg-type]
        step_size=kind.step_size,
        weight_decay=kind.weight_decay,
        image_size=kind.image_size,
        seed=seed,
    )
    return fit(recipe, network).history


def run(seed: int, epochs: int) -> dict[str, dict[str, Any]]:
    """One start of each: the loss on the training digits in each epoch, and the test accuracy."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind in KINDS.items():
        history = train(kind, seed, epochs)
        found[name] = {"losses": [record["train_loss"] for record in history]}
        if epochs > 1:
            found[name]["test"] = history[-1]["test_accuracy"]
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
