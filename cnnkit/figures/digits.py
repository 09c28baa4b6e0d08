"""A figure of a trained network: LeNet classifies what the reader draws."""

from __future__ import annotations

import base64
import importlib.resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from cnnkit import checkpoints, data
from cnnkit.figures.figure import Figure

# What LeNet's weights are called, in the order of the layers, and their shapes.
WEIGHTS = {
    "features.0.weight": (6, 1, 5, 5),
    "features.0.bias": (6,),
    "features.3.weight": (16, 6, 5, 5),
    "features.3.bias": (16,),
    "classifier.1.weight": (120, 400),
    "classifier.1.bias": (120,),
    "classifier.3.weight": (84, 120),
    "classifier.3.bias": (84,),
    "classifier.5.weight": (10, 84),
    "classifier.5.bias": (10,),
}
# Which test digits of mnist5k have a button: one of each class, and two that the stored weights get wrong.
EXAMPLES = (*range(0, 1000, 100), 759, 825)
SHOWN = 3


def digit(
    image: UInt8[Tensor, "28 28"] | UInt8[Tensor, "1 28 28"] | None = None,
    checkpoint: str | Path | None = None,
) -> Figure:
    """Draw a digit: LeNet, trained, classifies it at each stroke, with every feature map. Shows eq-softmax.

    A drawing is centred as MNIST's digits are. A node of a feature map shows its receptive field on the
    drawing. The weights go into the output as float16 numbers: nothing is loaded.

    Args:
        image: what is on the sheet at first, bytes (28, 28) or (1, 28, 28), 0 where there is no ink: such as
            an image of `cnnkit.data.mnist5k`. Without it, a 3 of its test set.
        checkpoint: of your own LeNet, as `cnnkit.train.fit` writes it, for grey images and ten classes.
            Without it, weights that come with cnnkit: 20 epochs on the training set of mnist5k.

    Raises:
        TypeError: ``image`` does not hold bytes.
        ValueError: ``image`` has another shape, or ``checkpoint`` is of another network.
        FileNotFoundError: there is no such checkpoint.

    Example:
        >>> digit()
        Figure('digit')
    """
    test = data.mnist5k().test
    examples = [[int(test.y[i]), _text(test.x[i])] for i in EXAMPLES]
    pixels = test.x[EXAMPLES[SHOWN]] if image is None else _checked(image)
    weights, normal = _network(checkpoint)
    return Figure(
        "digit",
        {
            "weights": weights,
            "mean": normal["mean"][0],
            "std": normal["std"][0],
            "examples": examples,
            "image": _text(pixels),
            "centred": True,
            "rubber": False,
            "pen": False,
            "x": 13.5,
            "y": 13.5,
            "layer": 2,
            "map": 0,
            "row": 2,
            "column": 7,
        },
        label="Draw a digit, and LeNet classifies it",
        fallback="A handwritten digit on a sheet to draw on; LeNet, which has learned 4,000 digits of MNIST, "
        "classifies what is drawn, and every feature map is on view.",
        picture=_picture(pixels.reshape(28, 28).numpy()),
        scripts=("lenet",),
        height=(49.0, 86.0),
    )


def _checked(image: Tensor) -> UInt8[Tensor, "*shape"]:
    pixels = torch.as_tensor(image).cpu()
    if pixels.dtype != torch.uint8:
        raise TypeError(f"image must hold bytes, uint8 from 0 to 255; got {pixels.dtype}")
    if pixels.shape not in ((28, 28), (1, 28, 28)):
        raise ValueError(f"image must be (28, 28) or (1, 28, 28), got {tuple(pixels.shape)}")
    return pixels


def _network(checkpoint: str | Path | None) -> tuple[str, dict[str, list[float]]]:
    """The weights of a checkpoint as text, and mean and standard deviation of the inputs."""
    found = checkpoints.read(
        Path(str(importlib.resources.files("cnnkit") / "assets" / "lenet-mnist5k.safetensors"))
        if checkpoint is None
        else checkpoint
    )
    shapes = {name: tuple(tensor.shape) for name, tensor in found.weights.items()}
    if shapes != WEIGHTS or "normal" not in found.facts:
        raise ValueError(
            "checkpoint must be of the network lenet with width 1, one channel and ten classes, as "
            f"cnnkit.train.fit writes it; {checkpoint} is of another"
        )
    numbers = torch.cat([found.weights[name].flatten() for name in WEIGHTS]).numpy().astype("<f2")
    return base64.b64encode(numbers.tobytes()).decode(), found.facts["normal"]


def _text(pixels: UInt8[Tensor, "*shape"]) -> str:
    return base64.b64encode(pixels.contiguous().numpy().tobytes()).decode()


def _picture(pixels: UInt8[np.ndarray, "28 28"], levels: int = 4) -> str:
    """A still picture of a digit: squares in a few greys."""
    greys = np.ceil(pixels / 255 * levels).astype(int)
    paths = "".join(
        f'<path fill-opacity="{grey / levels}" d="'
        + "".join(f"M{j} {i}h1v1h-1z" for i, j in np.argwhere(greys == grey))
        + '"/>'
        for grey in range(1, levels + 1)
    )
    return (
        '<svg role="img" aria-label="The digit" viewBox="0 0 28 28" width="140" height="140" '
        f'style="max-width:100%;height:auto"><g fill="currentColor">{paths}</g></svg>'
    )
