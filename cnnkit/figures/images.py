"""Figures of rows and images of numbers: filters, masks, pooling, and what backpropagation adds up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cnnkit.data import photograph
from cnnkit.figures.figure import Figure, grid
from cnnkit.figures.windows import at_most
from cnnkit.reference.pool import avg_pool2d, max_pool2d
from cnnkit.shapes import check_integer, output_size

Numbers = Tensor | np.ndarray | Sequence[Any]

# The masks of the chapter on features, by name.
MASKS = {
    "edge": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "edge, turned": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "Sobel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "Laplace": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "blur": [[1 / 9] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
}
LARGEST_NUMBER = 9  # what the fields of a figure take


def convolution(
    image: Numbers | None = None, mask: str | Numbers = "edge", stride: int = 1, padding: int = 0
) -> Figure:
    """A mask on a photograph: the window, the nine products and their sum. Shows eq-conv2d-valid.

    The reader moves the window on the input or on the output, and chooses or edits the mask.

    Args:
        image: grey values, shape (H, W), 3 to 28 rows and columns: from 0 (black) to 1 (white), or of dtype
            uint8, from 0 to 255. They are rounded to two decimals, so that the sums can be checked by hand.
            By default an eye, 24 by 24 pixels of the photograph ``astronaut``.
        mask: nine weights, shape (3, 3), from -9 to 9, or the name of a mask: ``edge``, ``edge, turned``,
            ``Sobel``, ``Laplace``, ``blur``, ``sharpen``.
        stride: S, 1 to 4.
        padding: P, zeros on each side, 0 to 2.

    Raises:
        TypeError: image or mask holds no numbers, or stride or padding is not an integer.
        ValueError: shapes or values out of range, or a name that is no mask's.

    Example:
        >>> convolution(mask="blur", stride=2)
        Figure('mask')
    """
    if image is None:
        eye = photograph("astronaut")[:, 90:114, 236:260]
        image = eye.double().mean(dim=0).numpy() / 255
    pixels = _pixels("image", image, axes=2, least=3, most=28)
    if isinstance(mask, str):
        if mask not in MASKS:
            raise ValueError(f"mask must be one of {', '.join(MASKS)}, or nine weights; got {mask!r}")
        what, weights = f"mask {mask!r}", np.array(MASKS[mask], dtype=float)
    else:
        what, weights = "mask", _numbers("mask", mask, shape=(3, 3))
    at_most("stride", check_integer("stride", stride), 4)
    at_most("padding", check_integer("padding", padding, at_least=0), 2)

    height, width = ((n + 2 * padding - 3) // stride + 1 for n in pixels.shape)
    i, j = height // 2, width // 2
    window = np.pad(pixels, padding)[i * stride : i * stride + 3, j * stride : j * stride + 3]
    products = window * weights
    rows = [
        [*map(_text, window[a]), None, *map(_text, weights[a]), None, *map(_text, products[a])]
        for a in range(3)
    ]
    return Figure(
        "mask",
        {
            "image": _hundredths(pixels),
            "mask": weights.tolist(),
            "stride": stride,
            "padding": padding,
            "i": i,
            "j": j,
            "masks": MASKS,
        },
        label="A mask on a photograph",
        fallback=f"The {what} lies on nine pixels of an image of {pixels.shape[0]} by {pixels.shape[1]}. "
        f"Pixels, weights and products: the products add up to y({i}, {j}) = {_text(products.sum())}.",
        picture=grid(rows, side=32),
        scripts=("convolutions", "number-grid", "pixels", "equals"),
        height=(41, 80),
    )


def convolution_1d(
    x: Numbers = (1, 1, 1, 4, 4, 4, 2, 0, 0),
    w: Numbers = (-1, 0, 1),
    stride: int = 1,
    padding: int = 0,
) -> Figure:
    """A filter moved along a row: each product and the sum. Shows eq-conv1d, without the activation.

    Nodes and weights count from 0: ``y_i = sum over k of w_k x_u`` with ``u = i S + k - P``. The reader moves
    the filter and edits inputs and weights.

    Args:
        x: the row, shape (n,), 1 to 9 nodes from -9 to 9.
        w: the weights, shape (F,), 1 to 5 of them from -9 to 9, and no more than there are nodes.
        stride: S, 1 to 3.
        padding: P, zeros on each side, 0 to 2.

    Raises:
        TypeError: x or w holds no numbers, or a size is not an integer.
        ValueError: a value or a size is out of range, or the filter is wider than the row.

    Example:
        >>> convolution_1d(x=[0, 0, 2, 2], w=[-1, 1])
        Figure('convolution-1d')
    """
    row, weights = _row("x", x, most=9), _row("w", w, most=5)
    if len(weights) > len(row):
        raise ValueError(
            f"w must have at most {len(row)} weights, as many as x has nodes; got {len(weights)}"
        )
    at_most("stride", check_integer("stride", stride), 3)
    at_most("padding", check_integer("padding", padding, at_least=0), 2)

    i = output_size(len(row), len(weights), stride, padding, floor=True) // 2
    window = np.pad(row, padding)[i * stride : i * stride + len(weights)]
    products = window * weights
    return Figure(
        "convolution-1d",
        {"x": row.tolist(), "w": weights.tolist(), "stride": stride, "padding": padding, "i": i},
        label="A filter on a row",
        fallback=f"A filter of {len(weights)} on a row of {len(row)} nodes, at output {i}. Inputs, weights "
        f"and products, one below the other: the products add up to {_text(products.sum())}.",
        picture=grid([[*map(_text, numbers)] for numbers in (window, weights, products)], side=36),
        scripts=("sizes", "sliding", "number-grid", "equals"),
        height=(28, 45),
    )


def weight_gradient(
    x: Numbers = (0, 0, 2, 3, 3, 1),
    delta: Numbers = (0, 1, -1, -2, 0, 0),
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 1,
) -> Figure:
    """The gradient of a shared weight, position by position. Shows eq-shared-gradient.

    Each position adds its error times the input under the weight: ``dL/dw_k = sum over i of delta_i x_u``
    with ``u = i S + k - P``. By default the example of the chapter on backpropagation.

    Args:
        x: the layer below, shape (n,), 1 to 7 nodes from -9 to 9.
        delta: dL/d eta, the errors, shape (n',), from -9 to 9.
        kernel_size: F, 1 to 3.
        stride: S, 1 to 3.
        padding: P, zeros on each side, 0 to 2.

    Raises:
        TypeError: x or delta holds no numbers, or a size is not an integer.
        ValueError: a value or a size is out of range, the filter is wider than the padded row, or delta has
            not one error for each position.

    Example:
        >>> weight_gradient(x=[1, 2, 3], delta=[1, -1], kernel_size=2, padding=0)
        Figure('weight-gradient')
    """
    below = _row("x", x, most=7)
    at_most("kernel_size", check_integer("kernel_size", kernel_size), 3)
    at_most("stride", check_integer("stride", stride), 3)
    at_most("padding", check_integer("padding", padding, at_least=0), 2)
    nodes = output_size(len(below), kernel_size, stride, padding, floor=True)
    errors = _numbers("delta", delta, shape=(nodes,))

    padded = np.pad(below, padding)
    rows = [errors[i] * padded[i * stride : i * stride + kernel_size] for i in range(nodes)]
    gradient = ", ".join(map(_text, np.sum(rows, axis=0)))
    return Figure(
        "weight-gradient",
        {
            "x": below.tolist(),
            "delta": errors.tolist(),
            "kernel_size": kernel_size,
            "stride": stride,
            "padding": padding,
            "i": int(np.flatnonzero(errors)[0]) if errors.any() else 0,
        },
        label="The gradient of a shared weight",
        fallback=f"One row for each of the {nodes} positions: what its error adds to the gradients of the "
        f"{kernel_size} weights. The columns add up to the gradient: {gradient}.",
        picture=grid([[*map(_text, row)] for row in rows], side=32),
        scripts=("shared-gradient", "number-grid", "equals"),
        height=(27, 53),
    )


def pooling(
    x: Numbers = ((1, 3, 0, 2), (5, 5, -4, 2), (0, 2, 6, 1), (2, -1, 1, 6)),
    pool: str = "max",
    kernel_size: int = 2,
    stride: int | None = None,
) -> Figure:
    """Pooling there and back: the values of the windows, and where their errors go. Shows eq-pool-max.

    The reader edits the plane and chooses the kind of pooling, the window and the stride. Forward it shows
    eq-pool-max or eq-pool-average, backward eq-pool-max-gradient or eq-pool-average-gradient: of equal maxima
    the first in row order gets the error. The errors are F^2 times 1, 2, 3, ... in row order, which shows
    whose went where.

    Args:
        x: the plane, shape (H, W), 1 to 5 rows and columns, numbers from -9 to 9.
        pool: ``max`` or ``average``.
        kernel_size: F, 1 to 4.
        stride: S, 1 to 4; by default F, windows side by side.

    Raises:
        TypeError: x holds no numbers, or a size is not an integer.
        ValueError: a value or a size is out of range, the window is larger than the plane, or pool is
            neither kind.

    Example:
        >>> pooling([[1, 2, 3], [4, 5, 6], [7, 8, 9]], pool="average", stride=1)
        Figure('pooling')
    """
    shape = _array("x", x).shape
    if len(shape) != 2 or not all(1 <= n <= 5 for n in shape):
        raise ValueError(f"x must have shape (H, W), with 1 to 5 rows and columns; got {shape}")
    plane = _numbers("x", x, shape)
    if pool not in ("max", "average"):
        raise ValueError(f"pool must be 'max' or 'average', got {pool!r}")
    at_most("kernel_size", check_integer("kernel_size", kernel_size), 4)
    stride = kernel_size if stride is None else stride
    at_most("stride", check_integer("stride", stride), 4)
    height, width = (output_size(n, kernel_size, stride, floor=True) for n in shape)

    pooled = (max_pool2d if pool == "max" else avg_pool2d)(torch.tensor(plane)[None], kernel_size, stride)[0]
    rows = [[_text(value) for value in row] for row in pooled.tolist()]
    corner = plane[:kernel_size, :kernel_size]
    u, v = np.unravel_index(corner.argmax(), corner.shape)
    return Figure(
        "pooling",
        {
            "x": plane.tolist(),
            "pool": pool,
            "kernel_size": kernel_size,
            "stride": stride,
            "i": 0,
            "j": 0,
            "u": int(u),
            "v": int(v),
        },
        label="Pooling and its gradient",
        fallback=f"The {'largest value' if pool == 'max' else 'mean'} of each window of {kernel_size} by "
        f"{kernel_size}, with stride {stride}: {height} by {width} values.",
        picture=grid(rows, side=36),
        scripts=("sizes", "poolings", "equals"),
        height=(24, 46),
    )


def one_by_one(image: Numbers | None = None, weights: Numbers = ((0.3, 0.6, 0.1), (1, 0, -1))) -> Figure:
    """A 1x1 convolution of a photograph: each pixel's channels mixed to others. Shows eq-conv2d.

    The reader edits the weights and goes from pixel to pixel; the weights are the same at every one.

    Args:
        image: red, green and blue, shape (3, H, W), 1 to 16 rows and columns: from 0 to 1, or of dtype uint8,
            from 0 to 255. They are rounded to two decimals, so that the sums can be checked by hand. By
            default 14 by 14 pixels of the photograph ``astronaut``, where the suit meets a badge.
        weights: W, shape (R, 3), a row for each of 1 to 3 filters, from -9 to 9. By default a filter that
            makes the picture grey, and one that finds more red than blue.

    Raises:
        TypeError: image or weights holds no numbers.
        ValueError: shapes or values out of range.

    Example:
        >>> one_by_one(weights=[[0, 0, 1], [0, 1, 0], [1, 0, 0]])
        Figure('one-by-one')
    """
    if image is None:
        image = photograph("astronaut")[:, 346:360, 168:182].numpy()
    pixels = _pixels("image", image, axes=3, least=1, most=16)
    if len(pixels) != 3:
        raise ValueError(f"image must have 3 channels, got shape {pixels.shape}")
    shape = _array("weights", weights).shape
    if len(shape) != 2 or not 1 <= shape[0] <= 3 or shape[1] != 3:
        raise ValueError(f"weights must have shape (R, 3) with R from 1 to 3, got {shape}")
    filters = _numbers("weights", weights, shape)

    i, j = (n // 2 for n in pixels.shape[1:])
    mixed = filters @ pixels[:, i, j]
    return Figure(
        "one-by-one",
        {"image": _hundredths(pixels), "weights": filters.tolist(), "i": i, "j": j},
        label="A 1x1 convolution of a photograph",
        fallback=f"Pixel ({i}, {j}) has the channels {', '.join(map(_text, pixels[:, i, j]))}. The weights, "
        f"one row for each filter, mix them to {', '.join(map(_text, mixed))}, as they do at every pixel.",
        picture=grid([[*map(_text, row)] for row in filters], side=36),
        scripts=("mixing", "number-grid", "pixels", "equals"),
        height=(28, 58),
    )


def _hundredths(pixels: np.ndarray) -> list[Any]:
    """Pixels as a figure's state holds them: whole numbers take fewer bytes."""
    return (100 * pixels).round().astype(int).tolist()


def _text(value: float) -> str:
    """A number as the figures write it."""
    return f"{round(float(value), 2) + 0.0:g}".replace("-", "−")


def _array(name: str, values: Numbers) -> np.ndarray:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold numbers, got {array.dtype}")
    return array


def _numbers(name: str, values: Numbers, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of a figure's fields.

    Raises:
        TypeError: they are no numbers.
        ValueError: they have another shape, or the fields do not take them.
    """
    array = _array(name, values).astype(float)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if not (np.abs(array) <= LARGEST_NUMBER).all():
        got = f"{array.min():g} to {array.max():g}"
        raise ValueError(f"{name} must hold numbers from {-LARGEST_NUMBER} to {LARGEST_NUMBER}; got {got}")
    return array


def _row(name: str, values: Numbers, most: int) -> np.ndarray:
    """Numbers of a row of fields, 1 to ``most`` of them.

    Raises:
        TypeError: they are no numbers.
        ValueError: there are none or too many, or the fields do not take them.
    """
    shape = _array(name, values).shape
    if len(shape) != 1 or not 1 <= shape[0] <= most:
        raise ValueError(f"{name} must have shape (n,) with n from 1 to {most}, got {shape}")
    return _numbers(name, values, shape)


def _pixels(name: str, values: Numbers, axes: int, least: int, most: int) -> np.ndarray:
    """Grey values or colours from 0 to 1, rounded to two decimals; the last two axes are rows and columns.

    Raises:
        TypeError: they are no numbers.
        ValueError: there are too few or too many, or they are out of range.
    """
    array = _array(name, values)
    array = array / 255 if array.dtype == np.uint8 else array.astype(float)
    if array.ndim != axes or not all(least <= size <= most for size in array.shape[-2:]):
        raise ValueError(
            f"{name} must have {axes} axes, with {least} to {most} rows and columns; got shape {array.shape}"
        )
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(
            f"{name} must hold values from 0 to 1, or be of dtype uint8; got {array.min():g} to "
            f"{array.max():g}"
        )
    return array.round(2)
