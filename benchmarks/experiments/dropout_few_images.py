"""Train on 500 digits with dropout in different places, and look at the hidden units.

A convolutional network with one fully connected hidden layer learns from 500 images, far fewer than it has
parameters. All networks of one seed start from the same weights and see the same batches; they differ in what
is dropped in training: nothing, inputs and outputs of the hidden layer ("nodes"), or channels of the feature
maps and the hidden layer's outputs ("channels").
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k

SEEDS = range(6)
SETTINGS = {"train": 500, "tests": 1000, "epochs": 60, "hidden": 256, "p_keep": 0.5}
SMALL = {"train": 100, "tests": 200, "epochs": 4, "hidden": 32, "p_keep": 0.5}
# Eight steps of training, so the networks know little yet. Sums in another order, on another machine, may
# turn the answer for a digit or two of 200; the numbers are shares of right answers from 0.14 on.
TOLERANCE = 0.1

DROPS = ("nothing", "nodes", "channels")


def network(drops: str, hidden: int = 256, p_keep: float = 0.5) -> nn.Sequential:
    """Two convolutions, a fully connected hidden layer and ten scores; p_keep is the probability to keep.

    Where the feature maps lose channels, fewer of them are dropped (half of the share).
    """
    p = 1 - p_keep  # PyTorch's
    channels = nn.Dropout2d(p / 2) if drops == "channels" else nn.Identity()
    inputs = nn.Dropout(p) if drops == "nodes" else nn.Identity()
    outputs = nn.Identity() if drops == "nothing" else nn.Dropout(p)
    return nn.Sequential(  # (N, 1, 28, 28)
        nn.Conv2d(1, 16, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 14, 14)
        channels,
        nn.Conv2d(16, 32, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 32, 7, 7)
        channels,
        nn.Flatten(),  # (N, 1568)
        inputs,
        nn.Linear(32 * 7 * 7, hidden),
        nn.ReLU(),
        outputs,
        nn.Linear(hidden, 10),
    )


def fit(net: nn.Module, x: Tensor, y: Tensor, epochs: int, batch: int = 50) -> None:
    """Train by Adam, in batches of a random order."""
    order = torch.Generator().manual_seed(torch.initial_seed())  # the same, whatever dropout draws
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    net.train()
    for _ in range(epochs):
        for examples in torch.randperm(len(x), generator=order).split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[examples]), y[examples]).backward()
            optimiser.step()
    net.eval()


def correlation(y: Tensor) -> float:
    """Mean absolute correlation of all pairs of hidden units, from their outputs (examples, units)."""
    y = y[:, y.std(dim=0) > 1e-6].double()  # a unit that says the same of all has no correlation
    pairs = torch.corrcoef(y.T)
    n = len(pairs)
    return ((pairs.abs().sum() - n) / (n * (n - 1))).item()


@torch.no_grad()
def measure(net: nn.Sequential, x: Tensor, y: Tensor) -> dict[str, float]:
    """How good a trained network is, and what its hidden units are like, on images it has not seen."""
    hidden = net[:-2](x)
    scores = net[-1](hidden)
    present = torch.rand(20, *hidden.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    halved = torch.stack([net[-1](hidden * mask * 2) for mask in present])
    return {
        "accuracy": (scores.argmax(1) == y).double().mean().item(),
        "loss": nn.functional.cross_entropy(scores, y).item(),
        "correlation": correlation(hidden),
        "accuracy of halves": (halved.argmax(2) == y).double().mean().item(),
    }


def digits(train: int, tests: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every k-th image of the training and of the test set, as the images are sorted by class."""
    data, images = mnist5k(), []
    for examples, number in ((data.train, train), (data.test, tests)):
        k = len(examples) // number
        images += [examples.x[::k].float() / 255, examples.y[::k]]
    return images[0], images[1], images[2], images[3]


def run(
    seed: int, train: int, tests: int, epochs: int, hidden: int, p_keep: float
) -> dict[str, dict[str, float]]:
    """One start: for each way to drop, what `measure` finds, and how well the training images are learnt."""
    x, y, x_test, y_test = digits(train, tests)
    found = {}
    for drops in DROPS:
        torch.manual_seed(seed)
        net = network(drops, hidden, p_keep)
        fit(net, x, y, epochs)
        found[drops] = measure(net, x_test, y_test)
        with torch.no_grad():
            scores = net(x)
        found[drops]["training loss"] = nn.functional.cross_entropy(scores, y).item()
        found[drops]["training accuracy"] = (scores.argmax(1) == y).double().mean().item()
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
