"""How many filters does a layer need, and must each see all the planes below?

Networks of three convolutional layers and a linear classifier learn the ten classes of MNIST-1D. They differ
only in the number of filters, or in the number of groups into which layers 2 and 3 fall. The recipe is the
same for all of them: Adam, step size up and down again in one cycle, a fixed number of epochs. Only the step
size is chosen for each network, as they want different ones: a fifth of the training signals is kept apart to
choose it by, and the test signals are only counted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import nn

from cnnkit.data import Examples, mnist1d

SEEDS = range(5)
SETTINGS = {
    "every_layer": [1, 2, 4, 8, 16, 32],  # M in all three layers
    "first_layer": [1, 2, 4, 8, 16, 32],  # M in the first layer, 16 in the others
    "grouped": [[16, 1], [16, 2], [16, 4], [16, 16], [32, 4]],  # [M in all three layers, groups]
    "epochs": 20,
    "step_sizes": [0.005, 0.02, 0.05],
}
SMALL = {"every_layer": [1, 8], "first_layer": [2], "grouped": [[8, 4]], "epochs": 1, "step_sizes": [0.005]}
TOLERANCE = 0.02  # training: sums in another order move a few of the signals across a boundary

KERNEL_SIZE, BATCH = 5, 100


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


def train(model: nn.Module, examples: Examples, epochs: int, step_size: float) -> None:
    """Minimise the cross-entropy in mini-batches."""
    batches = len(examples) // BATCH
    optimiser = torch.optim.Adam(model.parameters(), step_size, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, step_size, total_steps=epochs * batches)
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
    step_sizes: Sequence[float],
) -> dict[str, dict[str, list[float]]]:
    """Train every network with every step size, and keep the one that the signals kept apart prefer.

    Returns:
        For each design the accuracy on the signals to train on and to test, and the step size, in the order
        of the settings.
    """
    data = mnist1d()
    cut = len(data.train) * 4 // 5
    parts = {
        "train": Examples(data.train.x[:cut], data.train.y[:cut]),
        "choose": Examples(data.train.x[cut:], data.train.y[cut:]),
        "test": data.test,
    }
    designs = {
        "every_layer": [(M, M, 1) for M in every_layer],
        "first_layer": [(M, 16, 1) for M in first_layer],
        "grouped": [(M, M, groups) for M, groups in grouped],
    }
    sizes = {size for design in designs.values() for size in design}  # some are in two designs
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers this small gain nothing from more
    try:
        scores = {size: _best(size, parts, seed, epochs, step_sizes) for size in sizes}
    finally:
        torch.set_num_threads(threads)
    return {
        name: {what: [scores[size][what] for size in design] for what in ("train", "test", "step_size")}
        for name, design in designs.items()
    }


def _best(
    size: tuple[int, int, int],
    parts: dict[str, Examples],
    seed: int,
    epochs: int,
    step_sizes: Sequence[float],
) -> dict[str, float]:
    tried = []
    for step_size in step_sizes:
        torch.manual_seed(seed)  # a network gets the same numbers again whichever others are trained
        model = network(*size)
        train(model, parts["train"], epochs, step_size)
        found = {part: accuracy(model, examples) for part, examples in parts.items()}
        tried.append(found | {"step_size": step_size})
    return max(tried, key=lambda found: found["choose"])


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
