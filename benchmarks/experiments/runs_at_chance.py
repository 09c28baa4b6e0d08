"""What keeps deep networks without batch norm from staying at chance: first weights, optimizer, schedule.

Narrow networks on the 1,600 garments that come with cnnkit. ``ours`` is the recipe of the comparison, in
batches of 64. The other ways change its first weights, its schedule, or its optimiser: ``SGD`` is without
momentum and with a constant step size of its own. ``SGD, Xavier`` is the classical recipe of Dive into Deep
Learning, with first weights by Xavier Glorot's uniform distribution.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from cnnkit.models import create
from cnnkit.train import Diverged, Recipe, fit

SEEDS = range(5)
# Network -> its width, the images' size, and the step size that Dive into Deep Learning takes for SGD.
NETWORKS = {
    "alexnet": [1 / 8, 67, 0.01],
    "vgg11": [1 / 8, 32, 0.05],
    "network_in_network": [3 / 16, 28, 0.1],
    "googlenet": [1 / 8, 64, 0.1],
}
SETTINGS: dict[str, Any] = {"epochs": 10, "networks": NETWORKS}
SMALL: dict[str, Any] = {"epochs": 1, "networks": {"vgg11": NETWORKS["vgg11"]}}
# The losses of some tens of steps; sums in another order, on another machine or with another number of
# threads, move them in the third digit.
TOLERANCE = 0.05

ADAM = {"optimizer": "adam", "step_size": 2e-3, "schedule": "one-cycle"}
SGD = {"optimizer": "sgd", "momentum": 0.0, "schedule": "constant"}
# Way -> its first weights and what it changes in the recipe.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("He", ADAM),
    "PyTorch's first weights": ("PyTorch", ADAM),
    "Xavier's first weights": ("Xavier", ADAM),
    "constant step size": ("He", ADAM | {"schedule": "constant"}),
    "SGD": ("He", SGD),
    "SGD, PyTorch": ("PyTorch", SGD),
    "SGD, Xavier": ("Xavier", SGD),
}


def initialise(model: nn.Module, first: str) -> None:
    """Draw the first weights anew, unless they are to be He's, which the model has."""
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and first != "He":
            layer.reset_parameters()
            if first == "Xavier":
                nn.init.xavier_uniform_(layer.weight)


def run(seed: int, epochs: int, networks: dict[str, list[float]]) -> dict[str, dict[str, dict[str, Any]]]:
    """One start of each network in each way: the loss in each epoch, or whether it became infinite."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, (width, image_size, sgd_step) in networks.items():
        for way, (first, changed) in WAYS.items():
            torch.manual_seed(seed)
            model = create(name, 10, 1, int(image_size), width=width)
            initialise(model, first)
            settings = {"step_size": sgd_step} | changed
            recipe = Recipe(
                name,
                width=width,
                data="fashion_mnist_2000",
                image_size=int(image_size),
                epochs=epochs,
                seed=seed,
                **settings,
            )
            try:
                history = fit(recipe, model).history
            except Diverged:
                found.setdefault(name, {})[way] = {"diverged": True}
                continue
            found.setdefault(name, {})[way] = {
                "diverged": False,
                "losses": [record["train_loss"] for record in history],
            }
            if epochs > 1:
                found[name][way]["test"] = history[-1]["test_accuracy"]
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
