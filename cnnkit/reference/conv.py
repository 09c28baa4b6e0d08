"""Convolution, one number at a time.

Like the lecture notes and like PyTorch, these functions do not flip the filter: in signal processing
the operation is called cross-correlation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.shapes import output_size

Activation = Callable[[Tensor], Tensor]


def identity(net_input: Tensor) -> Tensor:
    """Return the net input as it is: the activation of a linear node."""
    return net_input


def conv1d_centred(
    y: Float[Tensor, "n"], w: Float[Tensor, "F"], f: Activation = identity
) -> Float[Tensor, "n"]:
    """One filter slides over one row: the notes' first convolutional layer. Implements eq-conv1d.

    ``y'_i = f(sum over k = -q..q of w_k y_{i+k})``, where y is 0 outside the row.

    Args:
        y: the row, shape (n,).
        w: the filter, shape (F,) with F = 2q + 1; the weight with offset k is ``w[q + k]``.
        f: the activation, applied to all net inputs at once.

    Returns:
        The next row, shape (n,).

    Raises:
        ValueError: y or w is not a row, or F is even, so that no tap is the middle one.
    """
    _check_row_and_filter(y, w)
    n, q = len(y), (len(w) - 1) // 2
    padded = _pad(y, q)  # node i of y is node i + q of padded
    eta = y.new_zeros(n)
    for i in range(n):
        for k in range(-q, q + 1):
            eta[i] += w[q + k] * padded[i + k + q]
    return f(eta)


def conv1d(
    y: Float[Tensor, "in_channels n"],
    w: Float[Tensor, "out_channels in_channels F"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: int = 1,
    padding: int = 0,
    f: Activation = identity,
) -> Float[Tensor, "out_channels n_out"]:
    """Several filters over several rows, with stride and padding. Implements eq-conv1d-multi, eq-size.

    ``y'[m, i] = f(b[m] + sum over m' and k = 0..F-1 of w[m, m', k] y[m', i S + k - P])``, where y is 0
    outside its rows. With S = 1 and P = q = (F - 1) / 2 these are the notes' centred offsets -q..q.

    Args:
        y: the layer, shape (M', n): filter (or channel), position.
        w: the weights, shape (M, M', F), as PyTorch stores them; the notes' weight with offset k is
            ``w[m, m', q + k]``.
        bias: one number a filter, shape (M,).
        stride: S, at least 1.
        padding: P, zeros on each side, at least 0.
        f: the activation, applied to all net inputs at once.

    Returns:
        The next layer, shape (M, n'); n' is rounded down where (n' - 1) S + F = n + 2 P has no integer
        solution, as PyTorch does.

    Raises:
        TypeError: stride or padding is not an integer.
        ValueError: shapes that do not match (both are shown), or sizes that
            `cnnkit.shapes.output_size` refuses.
    """
    _check_conv(y, w, bias, spatial_axes=("n",))
    M, M_in, F = w.shape
    n_out = output_size(y.shape[1], F, stride, padding, floor=True)
    padded = _pad(y, padding)
    eta = y.new_zeros(M, n_out)
    for m in range(M):
        for i in range(n_out):
            for m_in in range(M_in):
                for k in range(F):
                    eta[m, i] += w[m, m_in, k] * padded[m_in, i * stride + k]
            if bias is not None:
                eta[m, i] += bias[m]
    return f(eta)


def conv2d(
    y: Float[Tensor, "in_channels height width"],
    w: Float[Tensor, "out_channels in_channels F F"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: int = 1,
    padding: int = 0,
    f: Activation = identity,
) -> Float[Tensor, "out_channels height_out width_out"]:
    """Several square filters over an image or a volume. Implements eq-conv2d-valid.

    ``y'[r, i, j] = f(b[r] + sum over c and a, b = 0..F-1 of w[r, c, a, b] y[c, i S + a - P, j S + b - P])``,
    where y is 0 outside the image.

    Args:
        y: the layer, shape (C, H, W): filter (or channel), row, column.
        w: the weights, shape (R, C, F, F), as PyTorch stores them.
        bias: one number a filter, shape (R,).
        stride: S, at least 1, for rows and columns alike.
        padding: P, zeros on each of the four sides, at least 0.
        f: the activation, applied to all net inputs at once.

    Returns:
        The next layer, shape (R, H', W'), sizes rounded down as PyTorch does.

    Raises:
        TypeError: stride or padding is not an integer.
        ValueError: shapes that do not match (both are shown), or sizes that
            `cnnkit.shapes.output_size` refuses.
    """
    _check_conv(y, w, bias, spatial_axes=("height", "width"))
    R, C, F, _ = w.shape
    height, width = (output_size(n, F, stride, padding, floor=True) for n in y.shape[1:])
    padded = _pad(_pad(y, padding).mT, padding).mT
    eta = y.new_zeros(R, height, width)
    for r in range(R):
        for i in range(height):
            for j in range(width):
                for c in range(C):
                    for a in range(F):
                        for b in range(F):
                            eta[r, i, j] += w[r, c, a, b] * padded[c, i * stride + a, j * stride + b]
                if bias is not None:
                    eta[r, i, j] += bias[r]
    return f(eta)


def _pad(y: Tensor, padding: int) -> Tensor:
    """Put ``padding`` zeros on each side of the last axis."""
    zeros = y.new_zeros(*y.shape[:-1], padding)
    return torch.cat([zeros, y, zeros], dim=-1)


def _check_row_and_filter(y: Tensor, w: Tensor) -> None:
    for name, row in (("y", y), ("w", w)):
        if row.dim() != 1:
            raise ValueError(f"{name} must have the one dimension (nodes,), got shape {tuple(row.shape)}")
    if len(w) % 2 == 0:
        raise ValueError(f"w must have an odd number of weights, F = 2q + 1, to be centred; got {len(w)}")


def _check_conv(y: Tensor, w: Tensor, bias: Tensor | None, spatial_axes: tuple[str, ...]) -> None:
    if y.dim() != 1 + len(spatial_axes):
        raise ValueError(f"y must have shape (in_channels, {', '.join(spatial_axes)}), got {tuple(y.shape)}")
    if w.dim() != 2 + len(spatial_axes) or len(set(w.shape[2:])) != 1:
        filter_axes = ", ".join("F" for _ in spatial_axes)
        raise ValueError(
            f"w must have shape (out_channels, in_channels, {filter_axes}), got {tuple(w.shape)}"
        )
    if w.shape[1] != y.shape[0]:
        raise ValueError(
            f"w of shape {tuple(w.shape)} takes in_channels={w.shape[1]}, but y of shape {tuple(y.shape)} "
            f"has {y.shape[0]}"
        )
    if bias is not None and bias.shape != w.shape[:1]:
        raise ValueError(
            f"bias must have shape (out_channels,) = ({w.shape[0]},), one number a filter, "
            f"got {tuple(bias.shape)}"
        )
