"""A small AlexNet without one of its parts at a time.

An eighth of the paper's width, digits of 67 by 67 pixels. What is left out, or replaced: the ReLU (by tanh),
local response normalisation, the two groups, dropout. All start from weights of He's distribution, have the
same recipe, and see the same batches.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from cnnkit.models import create
from cnnkit.summary import summary
from cnnkit.train import Recipe, fit

SEEDS = range(5)
SETTINGS = {"epochs": 4, "width": 1 / 8, "step_size": 2e-3}
SMALL = {"epochs": 1, "width": 1 / 16, "step_size": 2e-3}
# The losses of the first sixty steps; sums in another order, on another machine or with another number of
# threads, move them in the third digit. The accuracies after so few steps move more: they are not compared.
TOLERANCE = 0.03

KINDS: dict[str, dict[str, Any]] = {
    "AlexNet": {},
    "tanh for ReLU": {},
    "no response normalisation": {"local_response_norm": False},
    "no groups": {"groups": 1},
    "no dropout": {"dropout": 0.0},
}


def network(kind: str, width: float) -> nn.Module:
    """The network, with new weights."""
    model = create("alexnet", 10, 1, 67, width=width, **KINDS[kind])
    if kind == "tanh for ReLU":
        for part in model.children():
            for name, layer in part.named_children():
                if isinstance(layer, nn.ReLU):
                    setattr(part, name, nn.Tanh())
    return model


def run(seed: int, epochs: int, width: float, step_size: float) -> dict[str, dict[str, Any]]:
    """One start of each: parameters, loss on the training digits in each epoch, and test accuracies."""
    found: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        torch.manual_seed(seed)
        model = network(kind, width)
        parameters = summary(model, (1, 67, 67)).parameters
        recipe = Recipe("alexnet", width=width, epochs=epochs, step_size=step_size, image_size=67, seed=seed)
        history = fit(recipe, model).history
        found[kind] = {
            "parameters": parameters,
            "losses": [record["train_loss"] for record in history],
        }
        if epochs > 1:
            found[kind] |= {
                "train": history[-1]["train_accuracy"],
                "test": history[-1]["test_accuracy"],
            }
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
