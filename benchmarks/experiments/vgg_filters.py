"""Two convolutions of 3x3 in a block, or one of 5x5 with the same receptive field.

Small nets on digits of 28 by 28 pixels: three blocks, each closed by a pooling that halves the maps, and a
linear layer. A block has one convolution of 3x3, two of 3x3, or one of 5x5 with the same number of filters;
"5x5, wider" has more filters, so that its multiply-adds are those of "two 3x3" (about).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from cnnkit.models.images import he_initialisation
from cnnkit.summary import summary
from cnnkit.train import Recipe, fit

SEEDS = range(5)
SETTINGS = {"epochs": 4, "filters": [8, 16, 32], "step_size": 4e-3}
SMALL = {"epochs": 1, "filters": [8, 16, 32], "step_size": 4e-3}
# The losses of the first sixty steps; sums in another order, on another machine or with another number of
# threads, move them in the third digit. The accuracies after so few steps move more: they are not compared.
TOLERANCE = 0.03

# Sizes of the filters of a block.
KINDS = {"one 3x3": (3,), "two 3x3": (3, 3), "one 5x5": (5,), "5x5, wider": (5,)}


def network(sizes: Sequence[int], filters: Sequence[int]) -> nn.Sequential:
    """Three blocks and a linear layer, for digits of 28 by 28."""
    layers: list[nn.Module] = []
    channels = 1
    for number in filters:
        for F in sizes:
            layers += [nn.Conv2d(channels, number, F, padding=F // 2), nn.ReLU()]
            channels = number
        layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(9 * channels, 10))
    he_initialisation(model, last=[model[-1]])
    return model


def multiply_adds(model: nn.Module) -> int:
    """Of one digit."""
    return summary(model, (1, 28, 28)).multiply_adds


def wider(filters: Sequence[int], budget: int) -> tuple[int, ...]:
    """As many filters of 5x5, in the same proportions, as come nearest to the budget."""
    choices = [tuple(number * k // filters[0] for number in filters) for k in range(1, 3 * filters[0])]
    return min(choices, key=lambda numbers: abs(multiply_adds(network((5,), numbers)) - budget))


def run(seed: int, epochs: int, filters: Sequence[int], step_size: float) -> dict[str, dict[str, Any]]:
    """One start of each kind: what it costs, loss on the training digits in each epoch, test accuracy."""
    found = {}
    budget = multiply_adds(network((3, 3), filters))
    for kind, sizes in KINDS.items():
        numbers = wider(filters, budget) if kind == "5x5, wider" else tuple(filters)
        torch.manual_seed(seed)
        model = network(sizes, numbers)
        table = summary(model, (1, 28, 28))
        recipe = Recipe("lenet", epochs=epochs, step_size=step_size, seed=seed)  # "lenet" has no effect
        history = fit(recipe, model).history
        found[kind] = {
            "filters": list(numbers),
            "parameters": table.parameters,
            "multiply_adds": table.multiply_adds,
            "losses": [record["train_loss"] for record in history],
        }
        if epochs > 1:
            found[kind]["test"] = history[-1]["test_accuracy"]
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
