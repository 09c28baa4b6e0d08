"""Pooling, one window at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.shapes import output_size


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


def _check(y: Tensor, axes: tuple[str, ...], kernel_size: int, padding: int) -> None:
    if y.dim() != len(axes):
        raise ValueError(f"y must have shape ({', '.join(axes)}), got {tuple(y.shape)}")
    if padding > kernel_size / 2:
        raise ValueError(
            f"padding must be at most half of kernel_size={kernel_size}, or a window could hold nothing but "
            f"padding; got {padding}"
        )
