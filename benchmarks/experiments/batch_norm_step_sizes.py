"""Train a small net for equal epochs at many step sizes: plain, rescaled once, and with batch norm.

Plain SGD, no momentum, a constant step size, so that nothing else makes up for a step that is too small or
too large. "normalised once" is the plain net with weights and biases that are rescaled before training, so
that on the first batch every layer gives mean 0 and variance 1 a channel. "batch norm, noisy" multiplies each
channel by a random number and adds another one, behind every batch norm layer, both drawn anew at every step
of training: what the next layer is given then moves at every step (after Santurkar et al. 2018).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k

SEEDS = range(5)
SETTINGS = {
    "train": 4000,
    "tests": 1000,
    "epochs": 4,
    "steps": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0],
    "noise": 0.5,
}
SMALL = {"train": 800, "tests": 1000, "epochs": 1, "steps": [0.1], "noise": 0.5}
# Twelve steps of training: sums in another order, on another machine, may turn the answer for a few of 1,000
# digits. The numbers are shares of such digits, from 0.1 to 0.9.
TOLERANCE = 0.1

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU}
KINDS = ("plain", "normalised once", "batch norm", "batch norm, noisy")


class Noise(nn.Module):
    """In training, each channel times 1 + noise * u, plus noise * v; u and v are normal, new at each call."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise

    def forward(self, x: Tensor) -> Tensor:
        """Move the distribution of every channel."""
        if not self.training:
            return x
        u, v = torch.randn(2, x.shape[1], *(1,) * (x.dim() - 2))
        return x * (1 + self.noise * u) + self.noise * v


def network(activation: str, kind: str, noise: float = 0.0) -> nn.Sequential:
    """Two convolutions and two hidden linear layers for digits of 14 by 14 pixels.

    With batch norm, it stands between each of these layers and its activation.
    """
    f = ACTIVATIONS[activation]

    def norm(layer: nn.Module) -> list[nn.Module]:
        return {"batch norm": [layer], "batch norm, noisy": [layer, Noise(noise)]}.get(kind, [])

    return nn.Sequential(  # (N, 1, 14, 14)
        nn.Conv2d(1, 6, 5, padding=2),  # (N, 6, 14, 14)
        *norm(nn.BatchNorm2d(6)),
        f(),
        nn.MaxPool2d(2),  # (N, 6, 7, 7)
        nn.Conv2d(6, 16, 3, padding=1),  # (N, 16, 7, 7)
        *norm(nn.BatchNorm2d(16)),
        f(),
        nn.MaxPool2d(2),  # (N, 16, 3, 3)
        nn.Flatten(),
        nn.Linear(144, 60),
        *norm(nn.BatchNorm1d(60)),
        f(),
        nn.Linear(60, 60),
        *norm(nn.BatchNorm1d(60)),
        f(),
        nn.Linear(60, 10),
    )


@torch.no_grad()
def normalise_once(net: nn.Sequential, x: Tensor) -> None:
    """Rescale weights and biases so that on this batch each layer but the last gives mean 0, variance 1."""
    for layer in net[:-1]:
        y = layer(x)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert layer.bias is not None
            channels_first = y.transpose(0, 1).flatten(1)
            std, mean = torch.std_mean(channels_first, dim=1, correction=0)
            layer.bias.sub_(mean).div_(std)
            layer.weight.div_(std.reshape(-1, *(1,) * (layer.weight.dim() - 1)))
            y = layer(x)
        x = y


def digits(train: int, tests: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every k-th digit, as they are sorted by class, halved, all pixels together with mean 0, variance 1."""
    data = mnist5k()
    x, y = data.train.x[:: 4000 // train], data.train.y[:: 4000 // train]
    x_test, y_test = data.test.x[:: 1000 // tests], data.test.y[:: 1000 // tests]
    x, x_test = (nn.functional.avg_pool2d(images.float(), 2) for images in (x, x_test))
    mean, std = x.mean(), x.std()
    return (x - mean) / std, y, (x_test - mean) / std, y_test


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of right answers, with the running statistics."""
    net.eval()
    with torch.no_grad():
        right = (net(x).argmax(1) == y).double().mean().item()
    net.train()
    return right


def fit(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    x_test: Tensor,
    y_test: Tensor,
    epochs: int,
    step: float,
    batch: int = 64,
) -> list[float]:
    """Train by plain SGD.

    Returns:
        The test accuracy after each epoch.
    """
    optimiser = torch.optim.SGD(net.parameters(), lr=step)
    found = []
    for _ in range(epochs):
        for examples in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[examples]), y[examples]).backward()
            optimiser.step()
        found.append(accuracy(net, x_test, y_test))
    return found


def run(
    seed: int, train: int, tests: int, epochs: int, steps: Sequence[float], noise: float
) -> dict[str, dict[str, list[list[float]]]]:
    """One start: for each activation and kind, for each step size, the accuracy after each epoch.

    A loss that is no longer a number gives the accuracy of guessing.
    """
    data = digits(train, tests)
    found: dict[str, dict[str, list[list[float]]]] = {}
    for activation in ACTIVATIONS:
        found[activation] = {}
        for kind in KINDS:
            found[activation][kind] = []
            for step in steps:
                torch.manual_seed(
                    seed
                )  # the same weights at the start, the same batches where no noise is drawn
                net = network(activation, kind, noise)
                if kind == "normalised once":
                    normalise_once(net, data[0][torch.randperm(train)[:256]])
                found[activation][kind].append(fit(net, *data, epochs, step))
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
