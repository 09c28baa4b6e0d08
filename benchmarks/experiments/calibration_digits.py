"""How sure the networks are, how often they are right, and how sure they are of what is no digit at all.

500 of the training digits are held out: the temperature is fitted on them, and the test digits judge it. The
images that are no digits as in training: garments, digits with black and white exchanged, and noise.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cnnkit.data import Dataset, Examples, fashion_mnist_2000, mnist5k
from cnnkit.explain import calibration_error, reliability, temperature
from cnnkit.recipe import Recipe
from cnnkit.train import fit, predict

SEEDS = range(5)
SETTINGS = {
    "every": 1,
    "networks": {
        "LeNet": {"model": "lenet", "epochs": 6},
        "LeNet, trained longer": {"model": "lenet", "epochs": 20},
        "LeNet, an eighth of the digits": {"model": "lenet", "epochs": 40, "every": 8},
        "ResNet": {"model": "resnet20", "width": 1 / 2, "epochs": 6},
    },
    "bins": 15,
    "draws": 200,
    "precision": "float32",
}
# Double precision: a few steps later another machine's sums still give the same probabilities.
SMALL = SETTINGS | {
    "every": 10,
    "networks": {
        "LeNet": {"model": "lenet", "epochs": 2},
        "ResNet": {"model": "resnet20", "width": 1 / 8, "epochs": 1},
    },
    "draws": 2,
    "precision": "float64",
}
TOLERANCE = 1e-6

SURE = 0.9


def digits(every: int) -> tuple[Dataset, Examples]:
    """Every so many of the digits, and the eighth of the training set that is held out."""
    whole = mnist5k()
    held_out = torch.arange(len(whole.train)) % 8 == 0
    train, held, test = (
        Examples(x[::every], y[::every])
        for x, y in (
            (whole.train.x[~held_out], whole.train.y[~held_out]),
            (whole.train.x[held_out], whole.train.y[held_out]),
            (whole.test.x, whole.test.y),
        )
    )
    return dataclasses.replace(whole, train=train, test=test), held


def run(
    seed: int,
    every: int,
    networks: Mapping[str, Mapping[str, Any]],
    bins: int,
    draws: int,
    precision: Any,
) -> dict[str, dict[str, Any]]:
    """For each network, as trained and with its temperature: its calibration, and what it is sure of."""
    data, held = digits(every)
    garments = fashion_mnist_2000().test.x[::every]
    generator = torch.Generator().manual_seed(seed)
    strangers = {
        "garments": garments,
        "inverted digits": 255 - data.test.x,
        "noise": torch.randint(256, data.test.x.shape, generator=generator, dtype=torch.uint8),
    }
    found: dict[str, dict[str, Any]] = {}
    for name, network in networks.items():
        options = dict(network)
        part = slice(None, None, options.pop("every", 1))
        few = dataclasses.replace(data, train=Examples(data.train.x[part], data.train.y[part]))
        recipe = Recipe(**options, precision=precision, seed=seed)
        trained = fit(recipe, dataset=few, device="cpu")
        z = {"test digits": predict(trained, data.test.x)}
        z |= {what: predict(trained, x) for what, x in strangers.items()}
        T = temperature(predict(trained, held.x), held.y)
        found[name] = {
            "temperature": T,
            "accuracy": (z["test digits"].argmax(1) == data.test.y).double().mean().item(),
            "as trained": judged(z, data.test.y, bins, draws, generator),
            "with temperature": judged(
                {what: each / T for what, each in z.items()}, data.test.y, bins, draws, generator
            ),
        }
    return found


def judged(
    z: dict[str, Tensor], y: Tensor, bins: int, draws: int, generator: torch.Generator
) -> dict[str, Any]:
    """Calibration on the test digits, and confidence on them and on the rest.

    Returns:
        ``error``: the expected calibration error. ``by chance``: the mean error of labels that are drawn from
        the network's own probabilities, for which it is calibrated: what is left is due to the number of
        images. ``loss``: the cross-entropy. ``bins``: confidence, accuracy and number of examples of those
        that are not empty.
        ``confidence`` and ``sure``: for each set of images, the mean, and the share above 0.9. ``AUROC``: how
        likely a test digit has a higher confidence than one of the other images.
    """
    logits = z["test digits"].double()
    p = logits.softmax(1)
    drawn = [torch.multinomial(p, 1, generator=generator).flatten() for _ in range(draws)]
    confidence = {what: each.double().softmax(1).amax(1) for what, each in z.items()}
    own = confidence["test digits"]
    table = reliability(logits, y, bins=bins)
    filled = table.examples > 0
    return {
        "error": calibration_error(logits, y, bins=bins),
        "by chance": sum(calibration_error(logits, each, bins=bins) for each in drawn) / draws,
        "loss": torch.nn.functional.cross_entropy(logits, y).item(),
        "bins": {part: column[filled].tolist() for part, column in table._asdict().items()},
        "confidence": {what: each.mean().item() for what, each in confidence.items()},
        "sure": {what: (each > SURE).double().mean().item() for what, each in confidence.items()},
        "AUROC": {what: auroc(own, each) for what, each in confidence.items() if what != "test digits"},
    }


def auroc(high: Tensor, low: Tensor) -> float:
    """The probability that a number of the first kind is larger than one of the second; ties count half."""
    larger, equal = high[:, None] > low, high[:, None] == low
    return (larger.double() + equal.double() / 2).mean().item()


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
