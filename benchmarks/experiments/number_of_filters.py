"""How many filters does a layer need, and must each see all the planes below?

Networks of three convolutional layers and a linear classifier learn the ten classes of MNIST-1D. They differ
only in the number of filters, or in the number of groups into which layers 2 and 3 fall. The recipe is the
same for all of them: Adam, step size up and down again in one cycle, a fixed number of epochs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import nn

from cnnkit.data import Dataset, Examples, mnist1d

SEEDS = range(5)
SETTINGS = {
    "every_layer": [1, 2, 4, 8, 16, 32],  # M in all three layers
    "first_layer": [1, 2, 4, 8, 16, 32],  # M in the first layer, 16 in the others
    "grouped": [[16, 1], [16, 2], [16, 4], [16, 16], [32, 4]],  # [M in all three layers, groups]
    "epochs": 10,
}
SMALL = {"every_layer": [1, 8], "first_layer": [2], "grouped": [[8, 4]], "epochs": 1}
TOLERANCE = 0.02  # training: sums in another order move a few of the 5,000 signals across a boundary

KERNEL_SIZE, BATCH, STEP_SIZE = 5, 100, 5e-3


def network(first: int, others: int, groups: int = 1) -> nn.Sequential:
    """Three convolutional layers that keep the 40 places, and one number a class from all their outputs."""
    same = KERNEL_SIZE // 2
    return nn.Sequential(
        nn.Conv1d(1, first, KERNEL_SIZE, padding=same),
        nn.ReLU(),
        nn.Conv1d(first, others, KERNEL_SIZE, padding=same, groups=groups),
        nn.ReLU(),
        nn.Conv1d(others, others, KERNEL_SIZE, padding=same, groups=groups),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(40 * others, 10),
    )


def train(model: nn.Module, examples: Examples, epochs: int) -> None:
    """Minimise the cross-entropy in mini-batches."""
    batches = len(examples) // BATCH
    optimiser = torch.optim.Adam(model.parameters(), lr=STEP_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, STEP_SIZE, total_steps=epochs * batches)
    for _ in range(epochs):
        for batch in torch.randperm(len(examples)).split(BATCH):
            loss = nn.functional.cross_entropy(model(examples.x[batch]), examples.y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, examples: Examples) -> float:
    """The part of the examples that get their own class."""
    return (model(examples.x).argmax(dim=1) == examples.y).double().mean().item()


def run(
    seed: int,
    every_layer: Sequence[int],
    first_layer: Sequence[int],
    grouped: Sequence[Sequence[int]],
    epochs: int,
) -> dict[str, dict[str, list[float]]]:
    """Train every network once: accuracy on training and test set, in the order of the settings."""
    data = mnist1d()
    designs = {
        "every_layer": [(M, M, 1) for M in every_layer],
        "first_layer": [(M, 16, 1) for M in first_layer],
        "grouped": [(M, M, groups) for M, groups in grouped],
    }
    sizes = {size for design in designs.values() for size in design}  # some are in two designs
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers this small gain nothing from more
    try:
        scores = {size: _score(size, data, seed, epochs) for size in sizes}
    finally:
        torch.set_num_threads(threads)
    return {
        name: {part: [scores[size][part] for size in design] for part in ("train", "test")}
        for name, design in designs.items()
    }


def _score(size: tuple[int, int, int], data: Dataset, seed: int, epochs: int) -> dict[str, float]:
    torch.manual_seed(seed)  # a network gets the same numbers again whichever others are trained
    model = network(*size)
    train(model, data.train, epochs)
    return {"train": accuracy(model, data.train), "test": accuracy(model, data.test)}


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
