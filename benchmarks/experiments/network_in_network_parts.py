"""Take Network in Network apart: the 1x1 convolutions, and the average in place of a fully connected head.

Small nets on digits of 14 by 14 pixels, trained with the digits as they are. "without" leaves the 1x1
convolutions out; "wider" leaves them out, too, and spends their parameters on more filters. The head
"average" has a map for each class and takes its mean; "full" vectorises the last maps and classifies them
with a fully connected layer. Batch norm behind each convolution lets few epochs suffice. Tested on the test
digits and on the same digits moved by two pixels.
"""

from __future__ import annotations

import itertools
import sys

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k

SEEDS = range(5)
SETTINGS = {"train": 4000, "tests": 1000, "epochs": 4, "filters": 24, "wider": 26, "shift": 2}
SMALL = {"train": 2000, "tests": 1000, "epochs": 3, "filters": 8, "wider": 9, "shift": 2}
# A hundred steps of training: sums in another order, on another machine or with another number of threads
# turn the answer for some of 1,000 digits. The counts are exact.
TOLERANCE = 0.1

BODIES = ("with 1x1", "without", "wider")
HEADS = ("average", "full")


class Mean(nn.Module):
    """The mean of each map: (N, K, height, width) to (N, K)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the means."""
        return x.mean(dim=(2, 3))


def network(filters: int, one_by_one: bool, head: str) -> nn.Sequential:
    """Three convolutions for digits of 14 by 14 pixels, each with two of size 1x1 behind it or none.

    The last 1x1 convolution of the third block belongs to the head.
    """
    layers: list[nn.Module] = []  # (N, 1, 14, 14)
    channels = 1
    for block, F in enumerate((5, 5, 3)):
        if block:
            layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))  # 14 to 7 to 3
        behind = (2 if block < 2 else 1) if one_by_one else 0
        for size in (F, *[1] * behind):
            convolution = nn.Conv2d(channels, filters, size, padding=size // 2, bias=False)
            layers += [convolution, nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
    if head == "average":
        layers += [nn.Conv2d(filters, 10, 1), Mean()]
    else:
        layers += [nn.Flatten(), nn.Linear(filters * 3 * 3, 10)]
    return nn.Sequential(*layers)


def digits(train: int, tests: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every k-th digit, as they are sorted by class, halved, all pixels together with mean 0, variance 1."""
    data = mnist5k()
    x, y = data.train.x[:: 4000 // train], data.train.y[:: 4000 // train]
    x_test, y_test = data.test.x[:: 1000 // tests], data.test.y[:: 1000 // tests]
    x, x_test = (nn.functional.avg_pool2d(images.float(), 2) for images in (x, x_test))
    mean, std = x.mean(), x.std()
    return (x - mean) / std, y, (x_test - mean) / std, y_test


def fit(net: nn.Module, x: Tensor, y: Tensor, epochs: int, batch: int = 64) -> None:
    """Train by Adam, with a step size that rises and falls."""
    steps = len(x) // batch * epochs
    optimiser = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    for _ in range(epochs):
        for examples in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[examples]), y[examples]).backward()
            optimiser.step()
            schedule.step()


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of right answers."""
    net.eval()
    return (net(x).argmax(1) == y).double().mean().item()


def moved(x: Tensor, shift: int) -> list[Tensor]:
    """The images moved up, down, left and right; a digit has an empty margin, so nothing is lost."""
    return [x.roll(by, dims=axis) for by, axis in itertools.product((-shift, shift), (2, 3))]


def run(
    seed: int, train: int, tests: int, epochs: int, filters: int, wider: int, shift: int
) -> dict[str, dict[str, dict[str, float]]]:
    """One start of each net: its parameters, and its accuracy on the test digits as they are and moved."""
    x, y, x_test, y_test = digits(train, tests)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for body, head in itertools.product(BODIES, HEADS):
        torch.manual_seed(seed)
        net = network(wider if body == "wider" else filters, body == "with 1x1", head)
        fit(net, x, y, epochs)
        found.setdefault(body, {})[head] = {
            "parameters": sum(p.numel() for p in net.parameters()),
            "test": accuracy(net, x_test, y_test),
            "moved": sum(accuracy(net, images, y_test) for images in moved(x_test, shift)) / 4,
        }
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
