"""Filters of one size or of several, side by side, for the same number of multiply-adds.

Small nets on digits of 14 by 14 pixels: a convolution, a block, a pooling, a block, the mean of each map and
a linear layer. Both blocks make the same number of maps in each net. "inception" has the four branches of
GoogLeNet. "1x1", "3x3" and "5x5" have one branch, 1x1 filters and behind them filters of one size, as many
1x1 filters as make the multiply-adds those of "inception" (about). "naive" has the four branches without the
1x1 filters before them, as many filters as those multiply-adds allow, and a 1x1 convolution behind it that
makes the number of maps the same.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k
from cnnkit.models.googlenet import Convolution, Inception, Widths
from cnnkit.summary import summary

SEEDS = range(5)
SETTINGS = {"train": 4000, "tests": 1000, "epochs": 3, "stem": 16, "scale": 8}
SMALL = {"train": 2000, "tests": 1000, "epochs": 3, "stem": 8, "scale": 4}
# A hundred steps of training: sums in another order, on another machine or with another number of threads
# turn the answer for some of 1,000 digits. The counts are exact.
TOLERANCE = 0.1

KINDS = ("inception", "1x1", "3x3", "5x5", "naive")


def widths(scale: int) -> Widths:
    """Filters in about the proportions of GoogLeNet's block 3a: 64, 96 to 128, 16 to 32, and 32."""
    return Widths(2 * scale, 3 * scale, 4 * scale, scale // 2, scale, scale)


def multiply_adds_of_a_place(w: Widths, channels: int) -> int:
    """Of an inception block, at one place of the maps."""
    return (
        channels * (w.one + w.reduce_three + w.reduce_five + w.pool)
        + 9 * w.reduce_three * w.three
        + 25 * w.reduce_five * w.five
    )


class Naive(nn.Module):
    """1x1, 3x3 and 5x5 filters and a pooling side by side on all channels, and a 1x1 convolution behind."""

    def __init__(self, channels: int, filters: tuple[int, int, int], out_channels: int) -> None:
        super().__init__()
        sizes = (1, 3, 5)
        self.branches = nn.ModuleList(
            Convolution(channels, n, F, batch_norm=True) for n, F in zip(filters, sizes, strict=True)
        )
        self.pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.mix = Convolution(channels + sum(filters), out_channels, 1, batch_norm=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps."""
        return self.mix(torch.cat([*(branch(x) for branch in self.branches), self.pool(x)], dim=1))


def block(kind: str, channels: int, scale: int) -> nn.Module:
    """A block that makes 8 * scale maps."""
    w = widths(scale)
    out_channels, budget = 8 * scale, multiply_adds_of_a_place(w, channels)
    if kind == "inception":
        return Inception(channels, w, batch_norm=True)
    if kind == "naive":  # filters 2 : 4 : 1, as those of the inception block
        mix = channels * out_channels
        unit = (budget - mix) / (channels * (2 + 9 * 4 + 25) + 7 * out_channels)
        one, three, five = (max(1, round(part * unit)) for part in (2, 4, 1))
        return Naive(channels, (one, three, five), out_channels)
    F = int(kind[0])
    reduced = max(1, round(budget / (channels + F**2 * out_channels)))
    return nn.Sequential(
        Convolution(channels, reduced, 1, batch_norm=True),
        Convolution(reduced, out_channels, F, batch_norm=True),
    )


def network(kind: str, stem: int, scale: int) -> nn.Sequential:
    """Two blocks of a kind; the second has twice the filters."""
    return nn.Sequential(  # (N, 1, 14, 14)
        Convolution(1, stem, 3, batch_norm=True),
        block(kind, stem, scale),  # (N, 8 scale, 14, 14)
        nn.MaxPool2d(3, stride=2, ceil_mode=True),  # (N, 8 scale, 7, 7)
        block(kind, 8 * scale, 2 * scale),  # (N, 16 scale, 7, 7)
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16 * scale, 10),
    )


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
    optimiser = torch.optim.Adam(net.parameters())
    steps = len(x) // batch * epochs
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


def run(seed: int, train: int, tests: int, epochs: int, stem: int, scale: int) -> dict[str, dict[str, float]]:
    """One start of each net: its parameters, its multiply-adds, its test accuracy."""
    x, y, x_test, y_test = digits(train, tests)
    found = {}
    for kind in KINDS:
        torch.manual_seed(seed)
        net = network(kind, stem, scale)
        table = summary(net, (1, 14, 14))
        fit(net, x, y, epochs)
        found[kind] = {
            "parameters": table.parameters,
            "multiply_adds": table.multiply_adds,
            "test": accuracy(net, x_test, y_test),
        }
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
