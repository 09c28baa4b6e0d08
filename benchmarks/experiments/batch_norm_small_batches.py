"""One pass over the digits in batches of 2, 4, 8, ...: a net of linear layers, plain and with batch norm.

In linear layers each node has as many values as the batch has examples, so small batches are really small.
Each net may choose the best of a few step sizes for each batch size, by test accuracy, which flatters both.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k

SEEDS = range(5)
SETTINGS = {"train": 4000, "tests": 1000, "batches": [2, 4, 8, 16, 32, 64], "steps": [0.01, 0.03, 0.1, 0.3]}
SMALL = {"train": 400, "tests": 1000, "batches": [4, 16], "steps": [0.1]}
# A hundred steps of training: sums in another order, on another machine, may turn the answer for some of
# 1,000 digits. The numbers are shares of such digits, from 0.1 to 1.
TOLERANCE = 0.1

KINDS = ("plain", "batch norm")


def network(kind: str, hidden: int = 64) -> nn.Sequential:
    """Two hidden layers with ReLU, for digits of 14 by 14 pixels."""
    norms = [[nn.BatchNorm1d(hidden)] if kind == "batch norm" else [] for _ in range(2)]
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(196, hidden),
        *norms[0],
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        *norms[1],
        nn.ReLU(),
        nn.Linear(hidden, 10),
    )


def digits(train: int, tests: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every k-th digit, as they are sorted by class, halved, all pixels together with mean 0, variance 1."""
    data = mnist5k()
    x, y = data.train.x[:: 4000 // train], data.train.y[:: 4000 // train]
    x_test, y_test = data.test.x[:: 1000 // tests], data.test.y[:: 1000 // tests]
    x, x_test = (nn.functional.avg_pool2d(images.float(), 2) for images in (x, x_test))
    mean, std = x.mean(), x.std()
    return (x - mean) / std, y, (x_test - mean) / std, y_test


def run(
    seed: int, train: int, tests: int, batches: Sequence[int], steps: Sequence[float]
) -> dict[str, list[list[float]]]:
    """One start: for each kind of net, for each batch size, the test accuracy at each step size."""
    x, y, x_test, y_test = digits(train, tests)
    found: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        for batch in batches:
            found[kind].append([])
            for step in steps:
                torch.manual_seed(seed)  # the same weights at the start
                net = network(kind)
                optimiser = torch.optim.SGD(net.parameters(), lr=step)
                for examples in torch.randperm(train)[: train // batch * batch].split(batch):
                    optimiser.zero_grad()
                    nn.functional.cross_entropy(net(x[examples]), y[examples]).backward()
                    optimiser.step()
                net.eval()
                with torch.no_grad():
                    found[kind][-1].append((net(x_test).argmax(1) == y_test).double().mean().item())
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
