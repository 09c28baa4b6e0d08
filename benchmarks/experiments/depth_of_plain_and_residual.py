"""Plain and residual networks of growing depth, all trained with the same budget.

The networks of He et al. (2016) for CIFAR-10, half as wide, on digits of 14 by 14 pixels: 6 n + 2 layers, all
with batch norm, as plain networks and with shortcuts that have no parameters (kind A), so that both have the
same number of parameters. The budget is the same for all: the same 2,000 digits, in the same order, equally
many steps of plain SGD of the same size. Then the deepest plain network once more with three times as many
epochs, and with a smaller and larger steps: is it a matter of time, or of the step size?

Errors are taken behind the last step, with the statistics of the whole training set in batch norm: running
averages lag behind when steps are large, and would add an error of their own.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor, nn

from cnnkit.data import mnist5k
from cnnkit.models.images import he_initialisation
from cnnkit.models.resnet import PLANS, BasicBlock, ResNet

SEEDS = range(5)
SETTINGS = {
    "depths": [8, 20, 32, 44],
    "train": 2000,
    "tests": 1000,
    "batch": 32,
    "step": 0.1,
    "epochs": 4,
    "long_epochs": 12,
    "other_steps": [0.03, 0.3, 1.0],
}
SMALL = {
    "depths": [8, 14],
    "train": 400,
    "tests": 500,
    "batch": 32,
    "step": 0.05,
    "epochs": 2,
    "long_epochs": 3,
    "other_steps": [0.02],
}
# Some 30 steps of training: sums in another order, on another machine or with another number of threads, turn
# the answer for some of the digits. Norms of gradients are taken before the first step.
TOLERANCE = 0.1

KINDS = {"plain": "none", "residual": "A"}


def network(depth: int, kind: str, filters: int = 8) -> nn.Module:
    """A network of 6 n + 2 layers for ten classes of grey images."""
    if depth in PLANS:
        return ResNet(depth, num_classes=10, in_channels=1, width=filters / 16, shortcut=KINDS[kind])
    n = (depth - 2) // 6
    layers: list[nn.Module] = [
        nn.Conv2d(1, filters, 3, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    ]
    before = filters
    for stage in range(3):
        for i in range(n):
            planes, stride = filters * 2**stage, 2 if i == 0 and stage > 0 else 1
            layers.append(BasicBlock(before, planes, stride, KINDS[kind]))
            before = planes
    head = nn.Linear(before, 10)
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    he_initialisation(net, [head])
    return net


def digits(train: int, tests: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Every k-th digit, as they are sorted by class, halved, all pixels together with mean 0, variance 1."""
    data = mnist5k()
    x, y = data.train.x[:: 4000 // train], data.train.y[:: 4000 // train]
    x_test, y_test = data.test.x[:: 1000 // tests], data.test.y[:: 1000 // tests]
    x, x_test = (nn.functional.avg_pool2d(images.float(), 2) for images in (x, x_test))
    mean, std = x.mean(), x.std()
    return (x - mean) / std, y, (x_test - mean) / std, y_test


def blocks(net: nn.Module) -> list[nn.Module]:
    """Its blocks, in order."""
    return [module for module in net.modules() if isinstance(module, BasicBlock)]


def gradient_norms(net: nn.Module, x: Tensor, y: Tensor) -> list[float]:
    """How long the gradient of the loss is, for what each block is given and for what the last one makes."""
    seen: list[Tensor] = []
    parts = blocks(net)
    handles = [part.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for part in parts]
    handles.append(parts[-1].register_forward_hook(lambda _, inputs, output: seen.append(output)))
    loss = nn.functional.cross_entropy(net(x), y)
    gradients = torch.autograd.grad(loss, seen)
    for handle in handles:
        handle.remove()
    return [gradient.norm().item() for gradient in gradients]


def fit(net: nn.Module, x: Tensor, y: Tensor, epochs: int, step: float, batch: int) -> list[float]:
    """Train by plain SGD; return the mean loss of each epoch."""
    optimiser = torch.optim.SGD(net.parameters(), lr=step)
    curve = []
    for _ in range(epochs):
        losses = []
        for examples in torch.randperm(len(x))[: len(x) // batch * batch].split(batch):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(net(x[examples]), y[examples])
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        curve.append(torch.stack(losses).mean().item())
    return curve


@torch.no_grad()
def use_statistics_of(net: nn.Module, x: Tensor) -> None:
    """Give batch norm the statistics of all of x."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # an average over the passes, of which there is one
    net.train()
    net(x)
    net.eval()


@torch.no_grad()
def error(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of wrong answers."""
    return (net(x).argmax(1) != y).double().mean().item()


def train_and_judge(
    depth: int,
    kind: str,
    seed: int,
    data: tuple[Tensor, Tensor, Tensor, Tensor],
    epochs: int,
    step: float,
    batch: int,
) -> dict[str, object]:
    """One network: parameters, norms of gradients at the start, losses, errors."""
    x, y, x_test, y_test = data
    torch.manual_seed(seed)
    net = network(depth, kind)
    norms = gradient_norms(net, x[:: len(x) // 200], y[:: len(x) // 200])
    torch.manual_seed(1000 + seed)  # so that the order of the digits does not depend on the depth
    losses = fit(net, x, y, epochs, step, batch)
    use_statistics_of(net, x)
    return {
        "parameters": sum(p.numel() for p in net.parameters()),
        "gradient_norms": norms,
        "losses": losses,
        "train": error(net, x, y),
        "test": error(net, x_test, y_test),
    }


def run(
    seed: int,
    depths: list[int],
    train: int,
    tests: int,
    batch: int,
    step: float,
    epochs: int,
    long_epochs: int,
    other_steps: list[float],
) -> dict[str, object]:
    """One start of every network, by kind and depth; then the deepest plain one with other budgets."""
    data, deepest = digits(train, tests), max(depths)
    equal = {
        kind: {str(depth): train_and_judge(depth, kind, seed, data, epochs, step, batch) for depth in depths}
        for kind in KINDS
    }
    longer = train_and_judge(deepest, "plain", seed, data, long_epochs, step, batch)
    others = {
        str(other): train_and_judge(deepest, "plain", seed, data, epochs, other, batch)
        for other in other_steps
    }
    return {"equal budget": equal, "longer": longer, "other steps": others}


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
