"""A LeNet learns 1,000 digits by heart: with true labels, random ones, and nothing to see.

Labels are drawn once and stay. "shuffled pixels" moves the pixels of all digits, those of the test too, in
one random way; "noise" shows random pixels with random labels. Weight decay and dropout are tried on random
labels, too. (After Zhang et al. 2017.)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cnnkit.data import Dataset, Examples, mnist5k
from cnnkit.models.lenet import LeNet
from cnnkit.recipe import Recipe
from cnnkit.train import evaluate, fit

SEEDS = range(5)
SETTINGS = {
    "images": 1000,
    "tests": 500,
    "epochs": 50,
    "step_size": 2e-3,
    "precision": "float32",
    "kinds": {
        "true labels": {},
        "random labels": {"labels": "random"},
        "shuffled pixels": {"pixels": "shuffled"},
        "noise": {"labels": "random", "pixels": "noise"},
        "random labels, weight decay": {"labels": "random", "weight_decay": 1e-3},
        "true labels, dropout": {"dropout": 0.25},
        "random labels, dropout": {"labels": "random", "dropout": 0.25},
    },
}
# Double precision: a few steps later another machine's sums still give every digit the same answer.
SMALL = SETTINGS | {
    "images": 200,
    "tests": 100,
    "epochs": 2,
    "precision": "float64",
    "kinds": {
        "noise": {"labels": "random", "pixels": "noise"},
        "shuffled pixels": {"pixels": "shuffled", "weight_decay": 1e-3, "dropout": 0.25},
    },
}
TOLERANCE = 1e-6


def digits(
    whole: Dataset, seed: int, images: int, tests: int, labels: str = "true", pixels: str = "true"
) -> Dataset:
    """Some of the digits, with labels and pixels as asked for; the labels of the test digits are true."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(whole.train), generator=generator)[:images]
    x, y = whole.train.x[chosen], whole.train.y[chosen]
    skip = len(whole.test) // tests
    x_test, y_test = whole.test.x[::skip], whole.test.y[::skip]
    if labels == "random":
        y = torch.randint(len(whole.classes), y.shape, generator=generator)
    if pixels == "noise":
        x = torch.randint(256, x.shape, generator=generator, dtype=torch.uint8)
    if pixels == "shuffled":
        order = torch.randperm(x[0].numel(), generator=generator)

        def shuffled(x: Tensor) -> Tensor:
            return x.flatten(1)[:, order].view_as(x)

        x, x_test = shuffled(x), shuffled(x_test)
    return Dataset(whole.name, Examples(x, y), Examples(x_test, y_test), whole.classes)


def network(seed: int, dropout: float) -> LeNet:
    """LeNet, with dropout before each of the linear layers if it is above 0."""
    torch.manual_seed(seed)
    net = LeNet()
    if dropout:
        layers: list[nn.Module] = []
        for layer in net.classifier:
            layers += [nn.Dropout(dropout), layer] if isinstance(layer, nn.Linear) else [layer]
        net.classifier = nn.Sequential(*layers)
    return net


def run(
    seed: int,
    images: int,
    tests: int,
    epochs: int,
    step_size: float,
    precision: Any,
    kinds: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Train one LeNet of each kind.

    Returns:
        ``epochs``: the share of right answers on the training images in each epoch, each image as its batch
        came. ``train`` and ``test``: the shares at the end, and ``train_loss``.
    """
    whole = mnist5k()
    found: dict[str, dict[str, Any]] = {}
    for name, kind in kinds.items():
        data = digits(whole, seed, images, tests, kind.get("labels", "true"), kind.get("pixels", "true"))
        recipe = Recipe(
            "lenet",
            epochs=epochs,
            step_size=step_size,
            weight_decay=kind.get("weight_decay", 0.0),
            precision=precision,
            seed=seed,
        )
        trained = fit(recipe, network(seed, kind.get("dropout", 0.0)), data, device="cpu")
        at_the_end = evaluate(trained, data.train)
        found[name] = {
            "epochs": [record["train_accuracy"] for record in trained.history],
            "train": at_the_end["accuracy"],
            "train_loss": at_the_end["loss"],
            "test": trained.history[-1]["test_accuracy"],
        }
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
