"""Change the test digits in ways that leave them legible, and count the answers that are still right.

A LeNet, a small ResNet with about as many parameters, and a LeNet that saw shifted digits in training, all by
one recipe. Each change has a strength; the first strength of each changes nothing.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cnnkit.data import Dataset, Examples, mnist5k
from cnnkit.recipe import Recipe
from cnnkit.train import Trained, fit, predict

SEEDS = range(5)
SETTINGS = {
    "every": 1,
    "epochs": 6,
    "width": 1 / 2,
    "precision": "float32",
    "strengths": {
        "shift": [0, 1, 2, 3, 4, 5, 6],
        "rotation": [0, 10, 20, 30, 45, 60, 90],
        "noise": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
        "blur": [0.0, 0.5, 1.0, 1.5, 2.0, 3.0],
        "contrast": [1.0, 0.8, 0.6, 0.4, 0.2, 0.1],
        "darker": [1.0, 0.8, 0.6, 0.4, 0.2, 0.1],
        "inversion": [0.0, 1.0],
        "grey patch, corner": [0, 2, 4, 6, 8, 10],
        "white patch, corner": [0, 2, 4, 6, 8, 10],
        "noise patch, corner": [0, 2, 4, 6, 8, 10],
        "grey patch, centre": [0, 2, 4, 6, 8, 10],
        "white patch, centre": [0, 2, 4, 6, 8, 10],
        "noise patch, centre": [0, 2, 4, 6, 8, 10],
    },
}
# Double precision: a few steps later another machine's sums still give every test digit the same answer.
SMALL = SETTINGS | {
    "every": 10,
    "epochs": 1,
    "width": 1 / 8,
    "precision": "float64",
    "strengths": {"shift": [0, 2], "rotation": [30], "blur": [1.0], "noise patch, corner": [6]},
}
TOLERANCE = 1e-6

KINDS: dict[str, dict[str, Any]] = {
    "LeNet": {"model": "lenet"},
    "ResNet": {"model": "resnet20"},
    "LeNet, trained with shifts": {"model": "lenet", "pad_crop": 2},
}


# ---------------------------------------------------------------------- the networks
def digits(every: int) -> Dataset:
    """Every so many of the digits, in the training and in the test set."""
    whole = mnist5k()
    train, test = (Examples(part.x[::every], part.y[::every]) for part in (whole.train, whole.test))
    return dataclasses.replace(whole, train=train, test=test)


def train(kind: str, seed: int, data: Dataset, epochs: int, width: float, precision: str) -> Trained:
    """A network of this kind, trained. The width is the ResNet's."""
    recipe = Recipe(
        **{"width": width if kind == "ResNet" else 1.0} | KINDS[kind],
        epochs=epochs,
        precision=precision,  # type: ignore[arg-type]
        seed=seed,
    )
    return fit(recipe, dataset=data, device="cpu")


# ---------------------------------------------------------------------- the changes
# Each takes images (N, 1, H, W) of values in [0, 1] and a strength, and gives one or more such batches.
def shift(x: Tensor, places: int) -> list[Tensor]:
    """Right, left, down and up; black comes in."""
    n = x.shape[-1]
    padded = functional.pad(x, (places,) * 4)
    corners = [(1, 0), (1, 2), (0, 1), (2, 1)]  # of the window: row and column, in units of places
    return [padded[..., a * places :, b * places :][..., :n, :n] for a, b in corners]


def rotation(x: Tensor, degrees: float) -> list[Tensor]:
    """About the centre, to the left and to the right; bilinear."""

    def turned(angle: float) -> Tensor:
        c, s = math.cos(angle), math.sin(angle)
        matrix = torch.tensor([[c, -s, 0.0], [s, c, 0.0]]).expand(len(x), 2, 3)
        grid = functional.affine_grid(matrix, list(x.shape), align_corners=False)
        return functional.grid_sample(x, grid, align_corners=False)

    return [turned(sign * math.radians(degrees)) for sign in (1, -1)]


def noise(x: Tensor, std: float) -> list[Tensor]:
    """Normal noise on every pixel, clipped to [0, 1]."""
    return [(x + std * torch.randn(x.shape)).clamp(0, 1)]


def blur(x: Tensor, sigma: float) -> list[Tensor]:
    """A Gaussian filter of this standard deviation in pixels, first along rows, then along columns."""
    if sigma == 0:
        return [x]
    places = torch.arange(-9, 10) / sigma
    weights = (-places.square() / 2).exp()
    weights = (weights / weights.sum()).view(1, 1, 1, -1)
    return [functional.conv2d(functional.conv2d(x, weights, padding=(0, 9)), weights.mT, padding=(9, 0))]


def contrast(x: Tensor, factor: float) -> list[Tensor]:
    """All values nearer to mid-grey."""
    return [0.5 + factor * (x - 0.5)]


def darker(x: Tensor, factor: float) -> list[Tensor]:
    """All values nearer to black."""
    return [factor * x]


def inversion(x: Tensor, share: float) -> list[Tensor]:
    """Black ink on white paper, for a share of 1."""
    return [(1 - share) * x + share * (1 - x)]


def patch(x: Tensor, size: int, fill: str, place: str) -> list[Tensor]:
    """A square on top of the digit, in the lower right corner or in the centre."""
    begin = x.shape[-1] - size if place == "corner" else (x.shape[-1] - size) // 2
    square = (..., slice(begin, begin + size), slice(begin, begin + size))
    x = x.clone()
    x[square] = torch.rand(x[square].shape) if fill == "noise" else {"grey": 0.5, "white": 1.0}[fill]
    return [x]


CHANGES: dict[str, Callable[[Tensor, Any], list[Tensor]]] = {
    "shift": shift,
    "rotation": rotation,
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
    "darker": darker,
    "inversion": inversion,
    **{
        f"{fill} patch, {place}": partial(patch, fill=fill, place=place)
        for fill in ("grey", "white", "noise")
        for place in ("corner", "centre")
    },
}


# ---------------------------------------------------------------------- the experiment
def run(
    seed: int,
    every: int,
    epochs: int,
    width: float,
    precision: str,
    strengths: Mapping[str, Sequence[float]],
) -> dict[str, dict[str, list[float]]]:
    """For each network, change and strength: the share of test digits that are answered correctly.

    Shifts and rotations are judged in all their directions together.
    """
    data = digits(every)
    x, y = data.test.x / 255, data.test.y
    found: dict[str, dict[str, list[float]]] = {}
    for kind in KINDS:
        trained = train(kind, seed, data, epochs, width, precision)
        torch.manual_seed(seed)  # every network meets the same noise
        found[kind] = {
            name: [accuracy(trained, CHANGES[name](x, strength), y) for strength in strengths[name]]
            for name in strengths
        }
    return found


def accuracy(trained: Trained, batches: Sequence[Tensor], y: Tensor) -> float:
    """The share of right answers over all batches."""
    right = [predict(trained, x).argmax(1) == y for x in batches]
    return torch.cat(right).double().mean().item()


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
