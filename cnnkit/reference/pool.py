"""Pooling, one window at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.shapes import check_integer, output_size


def max_pool1d(
    y: Float[Tensor, "channels n"], kernel_size: int, stride: int | None = None, padding: int = 0
) -> Float[Tensor, "channels n_out"]:
    """The largest value of each window. Implements eq-pool-max.

    ``y'[m, i] = max over k = 0..F-1 of y[m, i S + k - P]``, where the padding is minus infinity, so that it
    never wins.

    Args:
        y: the layer, shape (M, n); every channel is pooled by itself.
        kernel_size: F, at least 1.
        stride: S, at least 1; by default F, windows side by side.
        padding: P, on each side, at most F / 2.

    Returns:
        The next layer, shape (M, n'), n' rounded down as PyTorch does.

    Raises:
        TypeError: a size is not an integer.
        ValueError: y has another number of dimensions, the padding is more than half the window, or sizes
            that `cnnkit.shapes.output_size` refuses.
    """
    return _pool1d(y, kernel_size, stride, padding, fill=-torch.inf, reduce=torch.amax)


def avg_pool1d(
    y: Float[Tensor, "channels n"], kernel_size: int, stride: int | None = None, padding: int = 0
) -> Float[Tensor, "channels n_out"]:
    """The mean of each window. Implements eq-pool-average.

    ``y'[m, i] = 1/F * sum over k = 0..F-1 of y[m, i S + k - P]``, where the padding is zero and counts: the
    sum is divided by F also where the window reaches over an end, as PyTorch does by default.

    Args, Returns and Raises are those of `max_pool1d`.
    """
    return _pool1d(y, kernel_size, stride, padding, fill=0.0, reduce=torch.mean)


def max_pool2d(
    y: Float[Tensor, "channels height width"], kernel_size: int, stride: int | None = None, padding: int = 0
) -> Float[Tensor, "channels height_out width_out"]:
    """The largest value of each square window R_ij. Implements eq-pool-max.

    Args:
        y: the layer, shape (C, H, W); every channel is pooled by itself.
        kernel_size: F, the window has F rows and F columns.
        stride: S, at least 1; by default F, windows side by side.
        padding: P, on each side, at most F / 2; it is minus infinity, so that it never wins.

    Returns:
        The next layer, shape (C, H', W'), sizes rounded down as PyTorch does.

    Raises:
        TypeError: a size is not an integer.
        ValueError: y has another number of dimensions, the padding is more than half the window, or sizes
            that `cnnkit.shapes.output_size` refuses.
    """
    return _pool2d(y, kernel_size, stride, padding, fill=-torch.inf, reduce=torch.amax)


def avg_pool2d(
    y: Float[Tensor, "channels height width"], kernel_size: int, stride: int | None = None, padding: int = 0
) -> Float[Tensor, "channels height_out width_out"]:
    """The mean of each square window R_ij; padding is zero and counts. Implements eq-pool-average.

    Args, Returns and Raises are those of `max_pool2d`.
    """
    return _pool2d(y, kernel_size, stride, padding, fill=0.0, reduce=torch.mean)


def max_pool1d_backward(
    delta: Float[Tensor, "channels n_out"],
    y: Float[Tensor, "channels n"],
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
) -> Float[Tensor, "channels n"]:
    """What `max_pool1d` sends back: a window's error goes to its maximum. Implements eq-pool-max-gradient.

    ``dL/dy[m, u] = sum of delta[m, i] over the windows i whose maximum is node u``. Args, ties and Raises are
    those of `max_pool2d_backward`, with delta of shape (M, n') and y of shape (M, n).

    Returns:
        dL/dy, shape (M, n).
    """
    F, S, P = kernel_size, kernel_size if stride is None else stride, padding
    _check(y, ("channels", "n"), F, P)
    n, n_out = y.shape[1], output_size(y.shape[1], F, S, P, floor=True)
    _check_delta(delta, (len(y), n_out))
    dy = torch.zeros_like(y)
    for m in range(len(y)):
        for i in range(n_out):
            u = _first_maximum(y[m], _inside(i * S - P, F, n))
            dy[m, u] += delta[m, i]
    return dy


def avg_pool1d_backward(
    delta: Float[Tensor, "channels n_out"],
    y: Float[Tensor, "channels n"],
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
) -> Float[Tensor, "channels n"]:
    """What `avg_pool1d` sends back: a window's error is spread evenly. Implements eq-pool-average-gradient.

    ``dL/dy[m, u] = 1/F * sum of delta[m, i] over the windows i that hold node u``: the notes' equation for
    one dimension, where a window has F nodes instead of F^2. Args and Raises are those of
    `avg_pool2d_backward`, with delta of shape (M, n') and y of shape (M, n).

    Returns:
        dL/dy, shape (M, n).
    """
    F, S, P = kernel_size, kernel_size if stride is None else stride, padding
    _check(y, ("channels", "n"), F, P)
    n, n_out = y.shape[1], output_size(y.shape[1], F, S, P, floor=True)
    _check_delta(delta, (len(y), n_out))
    d_padded = _pad(torch.zeros_like(y), P, 0.0)
    for m in range(len(y)):
        for i in range(n_out):
            d_padded[m, i * S : i * S + F] += delta[m, i] / F
    return d_padded[:, P : P + n]


def max_pool2d_backward(
    delta: Float[Tensor, "channels height_out width_out"],
    y: Float[Tensor, "channels height width"],
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
) -> Float[Tensor, "channels height width"]:
    """What `max_pool2d` sends back: a window's error goes to its maximum. Implements eq-pool-max-gradient.

    ``dL/dy[c, u, v] = sum of delta[c, i, j] over the windows R_ij whose maximum is node (u, v)``. Where
    windows overlap, a node can be the maximum of several and gets all their errors, added up. All other nodes
    get 0.

    Of equal values in a window the first in row order gets the error. NaN counts as larger than any number,
    and of several NaN the last gets the error. Both are PyTorch's choice. (Autograd through `max_pool2d`
    would share the error among equal values instead.)

    Args:
        delta: the gradient with respect to the output, shape (C, H', W').
        y: the layer that was pooled, shape (C, H, W).
        kernel_size: F, as in the forward pass.
        stride: S, as in the forward pass; by default F.
        padding: P, as in the forward pass.

    Returns:
        dL/dy, shape (C, H, W).

    Raises:
        TypeError: a size is not an integer.
        ValueError: delta has not the shape of the output, or what `max_pool2d` refuses.
    """
    F, S, P = kernel_size, kernel_size if stride is None else stride, padding
    _check(y, ("channels", "height", "width"), F, P)
    channels, H, W = y.shape
    height, width = (output_size(n, F, S, P, floor=True) for n in (H, W))
    _check_delta(delta, (channels, height, width))
    dy = torch.zeros_like(y)
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                rows, columns = _inside(i * S - P, F, H), _inside(j * S - P, F, W)
                u, v = _first_maximum(y[c], product(rows, columns))
                dy[c, u, v] += delta[c, i, j]
    return dy


def avg_pool2d_backward(
    delta: Float[Tensor, "channels height_out width_out"],
    y: Float[Tensor, "channels height width"],
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
) -> Float[Tensor, "channels height width"]:
    """What `avg_pool2d` sends back: a window's error is spread evenly. Implements eq-pool-average-gradient.

    ``dL/dy[c, u, v] = F^-2 * sum of delta[c, i, j] over the windows R_ij that hold node (u, v)``. The padding
    counts, so every node of a window gets an F^2-th of its error, and the padding's part is dropped.

    Args:
        delta: the gradient with respect to the output, shape (C, H', W').
        y: the layer that was pooled, shape (C, H, W); only its shape matters.
        kernel_size: F, as in the forward pass.
        stride: S, as in the forward pass; by default F.
        padding: P, as in the forward pass.

    Returns:
        dL/dy, shape (C, H, W).

    Raises:
        TypeError: a size is not an integer.
        ValueError: delta has not the shape of the output, or what `avg_pool2d` refuses.
    """
    F, S, P = kernel_size, kernel_size if stride is None else stride, padding
    _check(y, ("channels", "height", "width"), F, P)
    channels, H, W = y.shape
    height, width = (output_size(n, F, S, P, floor=True) for n in (H, W))
    _check_delta(delta, (channels, height, width))
    d_padded = _pad(_pad(torch.zeros_like(y), P, 0.0).mT, P, 0.0).mT
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                d_padded[c, i * S : i * S + F, j * S : j * S + F] += delta[c, i, j] / F**2
    return d_padded[:, P : P + H, P : P + W]


Reduce = Callable[[Tensor], Tensor]


def _pool1d(y: Tensor, F: int, stride: int | None, P: int, fill: float, reduce: Reduce) -> Tensor:
    _check(y, ("channels", "n"), F, P)
    S = F if stride is None else stride
    n_out = output_size(y.shape[1], F, S, P, floor=True)
    padded = _pad(y, P, fill)
    pooled = y.new_zeros(len(y), n_out)
    for m in range(len(y)):
        for i in range(n_out):
            pooled[m, i] = reduce(padded[m, i * S : i * S + F])
    return pooled


def _pool2d(y: Tensor, F: int, stride: int | None, P: int, fill: float, reduce: Reduce) -> Tensor:
    _check(y, ("channels", "height", "width"), F, P)
    S = F if stride is None else stride
    height, width = (output_size(n, F, S, P, floor=True) for n in y.shape[1:])
    padded = _pad(_pad(y, P, fill).mT, P, fill).mT
    pooled = y.new_zeros(len(y), height, width)
    for c in range(len(y)):
        for i in range(height):
            for j in range(width):
                pooled[c, i, j] = reduce(padded[c, i * S : i * S + F, j * S : j * S + F])
    return pooled


def _pad(y: Tensor, padding: int, fill: float) -> Tensor:
    """Put ``padding`` times the value ``fill`` on each side of the last axis."""
    side = y.new_full((*y.shape[:-1], padding), fill)
    return torch.cat([side, y, side], dim=-1)


Place = TypeVar("Place", int, tuple[int, int])


def _inside(first: int, F: int, n: int) -> range:
    """The places of a window that begins at ``first``, without those in the padding: they never win."""
    return range(max(first, 0), min(first + F, n))


def _first_maximum(y: Tensor, window: Iterable[Place]) -> Place:
    """Where the largest value of a window stands: of equal values the first, of NaN the last."""
    places = iter(window)
    best = next(places)
    for place in places:
        if y[place] > y[best] or y[place].isnan():
            best = place
    return best


def _check(y: Tensor, axes: tuple[str, ...], kernel_size: int, padding: int) -> None:
    if y.dim() != len(axes):
        raise ValueError(f"y must have shape ({', '.join(axes)}), got {tuple(y.shape)}")
    if not y.is_floating_point():
        raise TypeError(f"y must be a floating-point tensor, got {y.dtype}")
    kernel_size, padding = check_integer("kernel_size", kernel_size), check_integer("padding", padding, 0)
    if padding > kernel_size / 2:
        raise ValueError(
            f"padding must be at most half of kernel_size={kernel_size}, or a window could hold nothing but "
            f"padding; got {padding}"
        )


def _check_delta(delta: Tensor, shape: tuple[int, ...]) -> None:
    if delta.shape != shape:
        raise ValueError(f"delta must have the shape of the output, {shape}, got {tuple(delta.shape)}")
