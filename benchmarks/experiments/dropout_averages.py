"""What dropout averages on MNIST: the ensemble of all sub-networks, its geometric mean, and one pass.

Fully connected networks are trained on MNIST 5k with dropout of their hidden nodes (PyTorch's form) and then
asked for the classes of the test images in three ways:

- ``ensemble``: the mean of the probabilities that the sub-networks give;
- ``NWGM``: their normalised geometric mean, which is the softmax of the mean scores;
- ``one pass``: weight scaling, which in PyTorch's form is the network in eval mode.

Small networks have few enough hidden nodes to go through every sub-network. Of large ones random sub-networks
are drawn.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k

SEEDS = range(6)
SETTINGS = {
    "train": 4000,
    "tests": 1000,
    "nets": {
        "1 layer of 14": [14],
        "2 layers of 7": [7, 7],
        "1 layer of 256": [256],
        "3 layers of 256": [256, 256, 256],
    },
    "epochs": 20,
    "p_keep": 0.5,
    "p_keep_small": 0.8,
    "samples": [1, 3, 10, 30, 100, 300],
}
SMALL = {
    "train": 400,
    "tests": 1000,
    "nets": {"2 layers of 4": [4, 4], "1 layer of 32": [32]},
    "epochs": 6,
    "p_keep": 0.5,
    "p_keep_small": 0.8,
    "samples": [1, 4],
}
# 48 steps of training: in another order of sums, on another machine, a few of the 1,000 test digits may get
# another answer or fall into another bin. The numbers are shares of these digits, from 0.03 on, mean losses
# and mean distances.
TOLERANCE = 0.1

MOST_NODES = 14  # of a network whose sub-networks are all visited


def network(hidden: Sequence[int], p_keep: float) -> nn.Sequential:
    """Fully connected layers with ReLU, and dropout after each but the last."""
    layers: list[nn.Module] = [nn.Flatten()]
    n = 784
    for nodes in hidden:
        layers += [nn.Linear(n, nodes), nn.ReLU(), nn.Dropout(1 - p_keep)]
        n = nodes
    return nn.Sequential(*layers, nn.Linear(n, 10))


def fit(net: nn.Module, x: Tensor, y: Tensor, epochs: int, batch: int = 50) -> None:
    """Train by Adam with a step that rises and falls once."""
    steps = epochs * math.ceil(len(x) / batch)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    net.train()
    for _ in range(epochs):
        for examples in torch.randperm(len(x)).split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(x[examples]), y[examples]).backward()
            optimiser.step()
            schedule.step()
    net.eval()


def every_mask(n: int) -> Tensor:
    """All ways to drop or keep n nodes, shape (2^n, n)."""
    return (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).float()


def sub_networks(net: nn.Sequential, x: Tensor, p_keep: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Every sub-network, a few at a time: probabilities P (masks,), scores (masks, N, 10)."""
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]

    def deeper(y: Tensor, P: Tensor, layer: int) -> Iterator[tuple[Tensor, Tensor]]:
        masks = every_mask(y.shape[-1])
        kept = masks.sum(dim=1)
        prob = p_keep**kept * (1 - p_keep) ** (masks.shape[1] - kept)
        for part, p in zip(masks.split(128), prob.split(128), strict=True):
            scores = linear[layer](part[:, None] / p_keep * y)  # (masks, N, nodes)
            if layer + 1 == len(linear):
                yield P * p, scores
                continue
            for one, p_one in zip(scores.relu(), p, strict=True):
                yield from deeper(one, P * p_one, layer + 1)

    yield from deeper(linear[0](x.flatten(1)).relu(), torch.tensor(1.0), 1)


def random_sub_networks(net: nn.Sequential, x: Tensor, number: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Sub-networks drawn one after the other, each the same for all images; each counts 1."""
    for _ in range(number):
        y = x.flatten(1)
        for layer in net[1:]:
            if isinstance(layer, nn.Dropout):
                y = y * torch.empty(y.shape[1]).bernoulli_(1 - layer.p) / (1 - layer.p)
            else:
                y = layer(y)
        yield torch.ones(1), y[None]


def judge(log_p: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy, mean log-loss, and calibration error in ten bins, from logarithms of probabilities."""
    confidence, answer = log_p.exp().max(dim=1)
    right = (answer == y).double()
    bins = (confidence * 10).long().clamp_max(9)
    error = sum(
        abs((right - confidence)[bins == b].sum().item()) for b in range(10)
    )  # share of the bin times the distance of its mean confidence from its accuracy
    return {
        "accuracy": right.mean().item(),
        "loss": nn.functional.nll_loss(log_p, y).item(),
        "calibration": error / len(y),
        "confidence": confidence.mean().item(),
    }


@torch.no_grad()
def average(
    net: nn.Sequential, x: Tensor, y: Tensor, p_keep: float, samples: Sequence[int]
) -> dict[str, Any]:
    """Judge a trained network in the three ways, and say how far these are apart."""
    log_one = net(x).log_softmax(dim=1)
    hidden = [layer.out_features for layer in net[:-1] if isinstance(layer, nn.Linear)]
    exact = sum(hidden) <= MOST_NODES
    visit = sub_networks(net, x, p_keep) if exact else random_sub_networks(net, x, max(samples))
    weight, arithmetic, geometric = 0.0, torch.zeros(len(x), 10).double(), torch.zeros(len(x), 10).double()
    by_samples = []
    singles: list[float] = []
    for count, (P, scores) in enumerate(visit, start=1):
        log_p = scores.log_softmax(dim=2).double()
        weight += P.sum().item()
        arithmetic += torch.tensordot(P.double(), log_p.exp(), dims=1)
        geometric += torch.tensordot(P.double(), log_p, dims=1)
        singles.append((P * (scores.argmax(2) == y).float().mean(1)).sum().item())
        if not exact and count in samples:
            by_samples.append(judge((arithmetic / weight).log(), y))
    log_mean = (arithmetic / weight).log()
    log_nwgm = (geometric / weight).log_softmax(dim=1)
    distance = (log_mean.exp() - log_one.exp()).abs().sum(1) / 2
    return {
        "one pass": judge(log_one.double(), y),
        "NWGM": judge(log_nwgm, y),
        "ensemble": judge(log_mean, y),
        "single": sum(singles) / weight,
        "ensemble to one pass": distance.mean().item(),
        "NWGM to one pass": ((log_nwgm.exp() - log_one.exp()).abs().sum(1) / 2).mean().item(),
        "NWGM to ensemble": ((log_nwgm.exp() - log_mean.exp()).abs().sum(1) / 2).mean().item(),
        "by samples": by_samples,
    }


def run(
    seed: int,
    train: int,
    tests: int,
    nets: dict[str, Sequence[int]],
    epochs: int,
    p_keep: float,
    p_keep_small: float,
    samples: Sequence[int],
) -> dict[str, dict[str, Any]]:
    """One start of each network: what `average` finds."""
    data = mnist5k()
    # Every k-th image, as the images are sorted by class.
    x, y = data.train.x[:: 4000 // train].float() / 255, data.train.y[:: 4000 // train]
    x_test, y_test = data.test.x[:: 1000 // tests].float() / 255, data.test.y[:: 1000 // tests]
    found = {}
    for name, hidden in nets.items():
        torch.manual_seed(seed)
        p = p_keep_small if sum(hidden) <= MOST_NODES else p_keep
        net = network(hidden, p)
        fit(net, x, y, epochs)
        found[name] = average(net, x_test, y_test, p, samples)
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
