"""Halve LeNet's planes in four ways and shift the digits that it is tested on.

The four networks have the same parameters and start from the same weights. They differ only in how a plane
is halved: by the maximum of 2 by 2 values, by their average, by a convolution with stride 2, or by maxima
that are blurred before every second one is kept. They are trained on digits where MNIST has them, without
shifts, and tested on digits moved by 0, 1, 2, ... pixels.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k
from cnnkit.models.lenet import LeNet

SEEDS = range(8)
SETTINGS = {"train": 4000, "tests": 1000, "epochs": 8, "shifts": [0, 1, 2, 3, 4]}
SMALL = {"train": 800, "tests": 200, "epochs": 1, "shifts": [0, 2]}
# Twelve steps of training: sums in another order, on another machine, may turn the answer for a digit or two
# of 200. The numbers are shares of such digits, from 0.1 to 1.
TOLERANCE = 0.1

HALVINGS = ("max", "average", "stride", "blurred max")


def blurred_max() -> nn.Sequential:
    """A maximum at every place, then every second value of its average with weights 1 2 1 (Zhang 2019).

    Averaging twice over two values weights three of them by 1 2 1.
    """
    return nn.Sequential(
        nn.MaxPool2d(kernel_size=2, stride=1, padding=1),  # n + 1
        nn.AvgPool2d(kernel_size=2, stride=1),  # n
        nn.AvgPool2d(kernel_size=2, stride=2),  # n / 2
    )


def lenet(halving: str) -> LeNet:
    """LeNet with ReLU whose planes go from 28 to 14 and from 10 to 5 in one of four ways."""
    net = LeNet(pool="average" if halving == "average" else "max")
    for convolution, pool in ((0, 2), (3, 5)):
        if halving == "stride":
            layer = net.features[convolution]
            assert isinstance(layer, nn.Conv2d)
            layer.stride = (2, 2)
            net.features[pool] = nn.Identity()
        if halving == "blurred max":
            net.features[pool] = blurred_max()
    return net


def fit(net: nn.Module, x: Tensor, y: Tensor, epochs: int, batch: int = 64) -> None:
    """Train by Adam with a step that rises and falls once."""
    steps = epochs * (len(x) // batch)
    optimiser = torch.optim.Adam(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=steps)
    for _ in range(epochs):
        for examples in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[examples]), y[examples]).backward()
            optimiser.step()
            schedule.step()


def moved(x: Tensor, places: int) -> list[Tensor]:
    """The images moved right, left, down and up; zeros come in."""
    n = x.shape[-1]
    padded = nn.functional.pad(x, (places,) * 4)
    first = [(0, 1), (2, 1), (1, 0), (1, 2)]  # in units of places
    return [padded[..., a * places :, b * places :][..., :n, :n] for b, a in first]


def run(
    seed: int, train: int, tests: int, epochs: int, shifts: Sequence[int]
) -> dict[str, dict[str, list[float]]]:
    """One start: for each way to halve, two shares of the test digits per shift.

    Returns:
        ``right``: classified correctly, mean over the four directions of the shift.
        ``changed``: whose answer is another than without the shift, right or wrong, mean over directions.
    """
    data = mnist5k()
    # Every k-th image, as the images are sorted by class.
    x, y = data.train.x[:: 4000 // train].float() / 255, data.train.y[:: 4000 // train]
    x_test, y_test = data.test.x[:: 1000 // tests].float() / 255, data.test.y[:: 1000 // tests]
    found: dict[str, dict[str, list[float]]] = {}
    for halving in HALVINGS:
        torch.manual_seed(seed)  # the same weights at the start, the same batches
        net = lenet(halving)
        fit(net, x, y, epochs)
        with torch.no_grad():
            unmoved = net(x_test).argmax(1)
            answers = [[net(image).argmax(1) for image in moved(x_test, places)] for places in shifts]
        found[halving] = {
            "right": [_share(places, y_test) for places in answers],
            "changed": [_share(places, unmoved, equal=False) for places in answers],
        }
    return found


def _share(answers: Sequence[Tensor], expected: Tensor, equal: bool = True) -> float:
    """The share of answers, over all directions, that are as expected (or are not)."""
    return ((torch.stack(list(answers)) == expected) == equal).double().mean().item()


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
