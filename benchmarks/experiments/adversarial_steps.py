"""Change every pixel by at most epsilon so that a network errs, and show the result to other networks, too.

Two LeNets that differ in the seed, and a small ResNet with about as many parameters. The steps are made on
the first LeNet and on the ResNet, by FGSM and by PGD. To compare: the same epsilon, with signs drawn at
random.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cnnkit.data import Dataset, Examples, mnist5k
from cnnkit.explain import Pixels, fgsm, pgd
from cnnkit.recipe import Recipe
from cnnkit.train import fit

SEEDS = range(5)
SETTINGS = {
    "every": 1,
    "tests": 500,
    "epochs": 6,
    "width": 1 / 2,
    "precision": "float32",
    "epsilons": [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3],
    "steps": 10,
}
# Double precision: a few steps later another machine's sums still give every test digit the same answer.
SMALL = SETTINGS | {
    "every": 10,
    "tests": 100,
    "epochs": 1,
    "width": 1 / 8,
    "precision": "float64",
    "epsilons": [0.0, 0.1],
    "steps": 3,
}
TOLERANCE = 1e-6

NETWORKS = ("LeNet", "another LeNet", "ResNet")
SOURCES = ("LeNet", "ResNet")


def train(name: str, seed: int, data: Dataset, epochs: int, width: float, precision: Any) -> nn.Module:
    """A network of this name, trained, for pixels from 0 to 1."""
    recipe = Recipe(
        "resnet20" if name == "ResNet" else "lenet",
        width=width if name == "ResNet" else 1.0,
        epochs=epochs,
        precision=precision,
        seed=seed + 100 if name == "another LeNet" else seed,
    )
    trained = fit(recipe, dataset=data, device="cpu")
    return Pixels(trained.model, trained.normal.mean, trained.normal.std).eval()


def run(
    seed: int,
    every: int,
    tests: int,
    epochs: int,
    width: float,
    precision: str,
    epsilons: Sequence[float],
    steps: int,
) -> dict[str, Any]:
    """Accuracies on the changed test digits, one for each epsilon.

    Returns:
        ``FGSM`` and ``PGD``: for each network that the steps are made on, and each that is shown the result.
        ``random signs``: for each network.
    """
    whole = mnist5k()
    data = dataclasses.replace(whole, train=Examples(whole.train.x[::every], whole.train.y[::every]))
    skip = len(whole.test) // tests
    x, y = whole.test.x[::skip] / 255, whole.test.y[::skip]
    if precision == "float64":
        x = x.double()
    nets = {name: train(name, seed, data, epochs, width, precision) for name in NETWORKS}
    generator = torch.Generator().manual_seed(seed)
    signs = 2 * torch.randint(2, x.shape, generator=generator) - 1

    def by_pgd(net: nn.Module, epsilon: float) -> Tensor:
        # steps that could reach the border two and a half times over, from a random start
        return pgd(net, x, y, epsilon, 2.5 * epsilon / steps, steps, generator)

    def by_fgsm(net: nn.Module, epsilon: float) -> Tensor:
        return fgsm(net, x, y, epsilon)

    methods: dict[str, Callable[[nn.Module, float], Tensor]] = {"FGSM": by_fgsm, "PGD": by_pgd}
    found: dict[str, Any] = {"random signs": {name: [] for name in NETWORKS}}
    for epsilon in epsilons:
        for name in NETWORKS:
            found["random signs"][name].append(accuracy(nets[name], (x + epsilon * signs).clamp(0, 1), y))
    for method, change in methods.items():
        found[method] = {source: {name: [] for name in NETWORKS} for source in SOURCES}
        for source in SOURCES:
            for epsilon in epsilons:
                changed = change(nets[source], epsilon)
                for name in NETWORKS:
                    found[method][source][name].append(accuracy(nets[name], changed, y))
    return found


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """The share of right answers."""
    return (net(x).argmax(1) == y).double().mean().item()


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
