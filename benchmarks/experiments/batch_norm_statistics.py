"""After so many steps of training, the same net with three kinds of statistics: batch, running, population.

The running averages lag behind the weights, most of all early, when the weights move fast and the averages
still remember the values that they began with. The population's statistics are computed when asked for, with
the weights as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k
from cnnkit.regularisation import population_statistics

SEEDS = range(5)
SETTINGS = {"train": 4000, "tests": 1000, "looks": [5, 10, 20, 40, 80, 160, 320], "step": 0.3, "batch": 64}
SMALL = {"train": 800, "tests": 1000, "looks": [10], "step": 0.3, "batch": 64}
# Ten steps of training: sums in another order, on another machine, may turn the answer for some of 1,000
# digits. The numbers are shares of such digits, from 0.1 to 1.
TOLERANCE = 0.1

KINDS = ("batch", "running", "population")


def network() -> nn.Sequential:
    """Two convolutions and two linear layers, with batch norm, for digits of 14 by 14 pixels."""
    return nn.Sequential(  # (N, 1, 14, 14)
        nn.Conv2d(1, 6, 5, padding=2),  # (N, 6, 14, 14)
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 6, 7, 7)
        nn.Conv2d(6, 16, 3, padding=1),  # (N, 16, 7, 7)
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 3, 3)
        nn.Flatten(),
        nn.Linear(144, 60),
        nn.BatchNorm1d(60),
        nn.ReLU(),
        nn.Linear(60, 10),
    )


def digits(train: int, tests: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every k-th digit, as they are sorted by class, halved, all pixels together with mean 0, variance 1."""
    data = mnist5k()
    x, y = data.train.x[:: 4000 // train], data.train.y[:: 4000 // train]
    x_test, y_test = data.test.x[:: 1000 // tests], data.test.y[:: 1000 // tests]
    x, x_test = (nn.functional.avg_pool2d(images.float(), 2) for images in (x, x_test))
    mean, std = x.mean(), x.std()
    return (x - mean) / std, y, (x_test - mean) / std, y_test


@torch.no_grad()
def accuracies(net: nn.Sequential, x: Tensor, x_test: Tensor, y_test: Tensor, batch: int) -> dict[str, float]:
    """The share of right answers with each kind of statistics; the net is in eval mode before and after."""
    right = {"running": (net(x_test).argmax(1) == y_test).double().mean().item()}
    order = torch.randperm(len(x))[: len(x) // batch * batch]
    ours = population_statistics(net, [x[examples] for examples in order.split(batch)])
    right["population"] = (ours(x_test).argmax(1) == y_test).double().mean().item()
    for layer in ours:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.train()
    order = torch.randperm(len(x_test))
    answers = [ours(x_test[examples]).argmax(1) for examples in order.chunk(len(x_test) // batch)]
    right["batch"] = (torch.cat(answers) == y_test[order]).double().mean().item()
    return {kind: right[kind] for kind in KINDS}


def run(
    seed: int, train: int, tests: int, looks: Sequence[int], step: float, batch: int
) -> dict[str, list[float]]:
    """One start: for each kind of statistics, the test accuracy after so many steps as ``looks`` says."""
    x, y, x_test, y_test = digits(train, tests)
    torch.manual_seed(seed)
    net = network()
    optimiser = torch.optim.SGD(net.parameters(), lr=step)
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(1, max(looks) + 1):
        examples = torch.randperm(train)[:batch]
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x[examples]), y[examples]).backward()
        optimiser.step()
        if number in looks:
            right = accuracies(net.eval(), x, x_test, y_test, batch)
            net.train()
            for kind in KINDS:
                found[kind].append(right[kind])
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
