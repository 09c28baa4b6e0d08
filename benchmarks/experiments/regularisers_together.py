"""Any subset of the regularisers together, and schedules of the step size.

The network, the images and the strengths are those of the experiment *regularisation-strengths*: each method
keeps one strength, which was tried there, alone. Within a seed all subsets meet the same images, the same
random labels and the same order of the batches, so that their differences can be taken seed by seed.

The schedules are compared without any regulariser, on more images and their true labels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

from torch import nn

from cnnkit import notebook
from cnnkit.recipe import Recipe, step_size

alone = notebook.experiment("regularisation-strengths")

SEEDS = range(5)
SETTINGS = {
    "images": 1000,
    "random_labels": 0.3,
    "epochs": 25,
    "batch": 50,
    "step_size": 0.05,
    "methods": {
        "decay": {"weight_decay": 0.02},
        "dropout": {"dropout": 0.5},
        "batch norm": {"batch_norm": True},
        "shifts": {"shifts": 2},
    },
    "schedules": ["constant", "step", "cosine", "one-cycle"],
    "step_sizes": [0.03, 0.1, 0.3],
    "images_for_schedules": 3000,
    "epochs_for_schedules": 6,
}
SMALL = SETTINGS | {
    "images": 300,
    "epochs": 4,
    "methods": {"decay": {"weight_decay": 0.02}, "dropout": {"dropout": 0.5}, "shifts": {"shifts": 1}},
    "schedules": ["step", "cosine"],
    "step_sizes": [0.03],
    "images_for_schedules": 400,
    "epochs_for_schedules": 4,
}
# Most of the numbers are shares of a few hundred images after some dozen steps: on another machine the last
# bits differ, and a few images between two classes may fall to the other side.
TOLERANCE = 0.1


def subsets(methods: Sequence[str]) -> list[tuple[str, ...]]:
    """All subsets: none, each, every pair, every three, all."""
    return [subset for size in range(len(methods) + 1) for subset in combinations(methods, size)]


def name(subset: Sequence[str]) -> str:
    """What a subset is called in the results."""
    return " + ".join(subset) or "none"


def schedule(kind: str, alpha: float) -> Callable[[int, int], float]:
    """The step size of each step; "step" divides it by 10 after half and after three quarters of the run."""
    if kind == "step":
        return lambda step, steps: alpha * 0.1 ** ((2 * step >= steps) + (4 * step >= 3 * steps))
    recipe = Recipe(model="small", step_size=alpha, schedule=kind)  # type: ignore[arg-type]
    return lambda step, steps: step_size(recipe, step, steps)


def run(
    seed: int,
    images: int,
    random_labels: float,
    epochs: int,
    batch: int,
    step_size: float,
    methods: Mapping[str, Mapping[str, Any]],
    schedules: Sequence[str],
    step_sizes: Sequence[float],
    images_for_schedules: int,
    epochs_for_schedules: int,
) -> dict[str, Any]:
    """Train with every subset, and with every schedule.

    Returns:
        ``random labels``: for each subset its numbers; ``clean``: the same for none, each and all;
        ``schedules``: for each schedule and each step size the accuracy on the test images after each epoch,
        and at the end on the training images.
    """
    found: dict[str, Any] = {}
    for labels, share in (("random labels", random_labels), ("clean", 0.0)):
        parts = alone.digits(seed, images, share)
        found[labels] = {}
        for subset in subsets(list(methods)):
            if labels == "clean" and 1 < len(subset) < len(methods):
                continue
            arguments = {key: value for method in subset for key, value in methods[method].items()}
            net = alone.fit(
                parts[0], seed, epochs=epochs, batch=batch, schedule=alone.cosine(step_size), **arguments
            )
            found[labels][name(subset)] = alone.judged(net, *parts)

    train, _, test = alone.digits(seed, images_for_schedules, 0.0)
    found["schedules"] = {kind: [] for kind in schedules}
    for kind in schedules:
        for alpha in step_sizes:
            tests: list[float] = []

            def watch(net: nn.Module, tests: list[float] = tests) -> None:
                tests.append(alone.accuracy(net, test))

            net = alone.fit(
                train,
                seed,
                epochs=epochs_for_schedules,
                batch=batch,
                schedule=schedule(kind, alpha),
                watch=watch,
            )
            found["schedules"][kind].append({"tests": tests, "train": alone.accuracy(net, train)})
    return found


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
