"""One linear classifier on features made by hand, drawn at random, and learned.

Handwritten digits (MNIST, 5,000 images; every fifth is a test image) are turned into features in five ways,
and scikit-learn's linear support vector machine has to tell the ten digits apart from them:

- ``pixels``: the 784 grey values;
- ``masks``: the edge mask of the notes in eight directions, ReLU, the largest answer in each 4x4 block;
- ``HOG``: histograms of oriented gradients (Dalal and Triggs 2005) in cells of 4x4 pixels;
- ``random``: 16 filters of 5x5 as a network has them before training, ReLU, the largest answer in each block;
- ``learned``: the same 16 filters after the network has been trained, and nothing else changed.

``network`` is the accuracy of that small network itself. Only training images choose the classifier's C: it
is tried on a fifth of them, with features learned from the other four fifths. Then features and classifier
are learned again from all of them, and the test images are looked at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from skimage.feature import hog
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC
from torch import Tensor, nn

from cnnkit.data import mnist5k

SEEDS = range(8)
SETTINGS = {"examples": [100, 400, 4000], "steps": 400, "costs": [1e-4, 1e-3, 1e-2, 1e-1]}
SMALL = {"examples": [100], "steps": 20, "costs": [1e-2]}
# Sums in float32 differ between machines, so a test image at the border between two digits may change sides:
# some accuracy of about 700 images in 1,000 by a few, the share on which two kinds differ (about 100) too.
TOLERANCE = 0.05

Features = Callable[[Tensor], np.ndarray]  # images (N, 1, 28, 28) -> (N, features)
KINDS = ("pixels", "masks", "HOG", "random", "learned")
BLOCK = 4


def compass_masks() -> Tensor:
    """The notes' edge mask and its seven turns by 45 degrees: shape (8, 1, 3, 3)."""
    border = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]  # clockwise around the middle
    values = [-1.0, 0.0, 1.0, 1.0, 1.0, 0.0, -1.0, -1.0]
    masks = torch.zeros(8, 1, 3, 3)
    for turn in range(8):
        for k, (row, column) in enumerate(border):
            masks[turn, 0, row, column] = values[(k - turn) % 8]
    return masks


def small_network() -> nn.Sequential:
    """Two convolutional layers and a linear one; the first has 16 filters of 5x5."""
    return nn.Sequential(  # (N, 1, 28, 28)
        nn.Conv2d(1, 16, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 14, 14)
        nn.Conv2d(16, 32, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 32, 5, 5)
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 10),
    )


def train(network: nn.Module, x: Tensor, y: Tensor, steps: int, generator: torch.Generator) -> None:
    """Fit a network to its images by Adam, in batches of 64 drawn at random."""
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(x), (64,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimiser.step()
        schedule.step()


def pixels(x: Tensor) -> np.ndarray:
    """The image itself: 784 numbers."""
    return x.flatten(1).numpy()


def hog_features(x: Tensor) -> np.ndarray:
    """Nine directions, cells of 4x4 pixels, blocks of 2x2 cells: 36 blocks of 36 numbers."""
    return np.stack([hog(image[0].numpy(), 9, (BLOCK, BLOCK), (2, 2)) for image in x])


def filter_features(filters: Tensor, bias: Tensor | None = None) -> Features:
    """Slide filters over an image, ReLU, keep the largest answer in each block: 49 numbers a filter."""
    filters = filters.detach().clone()
    bias = None if bias is None else bias.detach().clone()

    def features(x: Tensor) -> np.ndarray:
        planes = nn.functional.conv2d(x, filters, bias, padding=filters.shape[-1] // 2)
        return nn.functional.max_pool2d(planes.relu(), BLOCK).flatten(1).numpy()

    return features


def all_features(x: Tensor, y: Tensor, steps: int, seed: int) -> tuple[dict[str, Features], nn.Module]:
    """The five ways from image to features, the last one learned from the images x; and the network."""
    torch.manual_seed(seed)
    network = small_network()
    first = network[0]
    assert isinstance(first, nn.Conv2d)
    features: dict[str, Features] = {
        "pixels": pixels,
        "masks": filter_features(compass_masks()),
        "HOG": hog_features,
        "random": filter_features(first.weight, first.bias),
    }
    train(network, x, y, steps, torch.Generator().manual_seed(seed))
    features["learned"] = filter_features(first.weight, first.bias)
    return features, network


def classifier(features: np.ndarray, y: Tensor, cost: float) -> LinearSVC:
    """A weight for each feature and digit; the digit with the largest weighted sum wins."""
    return LinearSVC(C=cost, max_iter=10_000, random_state=0).fit(features, y.numpy())


def right(machine: LinearSVC, features: np.ndarray, y: Tensor) -> np.ndarray:
    """Which images are told correctly."""
    return machine.predict(features) == y.numpy()


def run(
    seed: int, examples: Sequence[int], steps: int, costs: Sequence[float]
) -> dict[str, dict[str, list[float]]]:
    """One draw of training images, validation images and first weights.

    Returns:
        ``accuracy``: on the test images, per kind of features, one number for each number of examples.
        ``cost``: the C that was chosen.
        ``differ``: for each two kinds, on what share of the test images exactly one of them is right.
    """
    data = mnist5k()
    x_pool, y_pool = data.train.x.float() / 255, data.train.y
    x_test, y_test = data.test.x.float() / 255, data.test.y
    found: dict[str, Any] = {"accuracy": {}, "cost": {}, "differ": {}}

    def note(what: str, name: str, value: float) -> None:
        found[what].setdefault(name, []).append(value)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # layers this small gain nothing from more
    try:
        for number in examples:
            order = np.random.RandomState(seed).permutation(len(y_pool))
            chosen = stratified(y_pool, order, number)
            x, y = x_pool[chosen], y_pool[chosen]
            fitting, validating = train_test_split(
                np.arange(number), test_size=0.2, stratify=y, random_state=seed
            )
            tried, _ = all_features(x[fitting], y[fitting], steps, seed)
            final, network = all_features(x, y, steps, seed)
            correct = {}
            for kind in KINDS:
                seen = tried[kind](x[fitting])
                scale = seen.std()  # one number for all features, so that one C means the same for each kind
                unseen = tried[kind](x[validating]) / scale
                scores = [
                    right(classifier(seen / scale, y[fitting], cost), unseen, y[validating]).mean()
                    for cost in costs
                ]
                cost = costs[int(np.argmax(scores))]
                machine = classifier(final[kind](x) / scale, y, cost)
                correct[kind] = right(machine, final[kind](x_test) / scale, y_test)
                note("cost", kind, cost)
            with torch.no_grad():
                correct["network"] = (network(x_test).argmax(1) == y_test).numpy()
            for kind, hits in correct.items():
                note("accuracy", kind, float(hits.mean()))
            for first, second in (("HOG", "learned"), ("random", "learned"), ("masks", "random")):
                note("differ", f"{first}, {second}", float((correct[first] != correct[second]).mean()))
    finally:
        torch.set_num_threads(threads)
    return found


def stratified(y: Tensor, order: np.ndarray, number: int) -> np.ndarray:
    """The first images of an order, as many of each digit."""
    labels = y.numpy()[order]
    each = [order[labels == digit][: number // 10] for digit in range(10)]
    return np.concatenate(each)


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
