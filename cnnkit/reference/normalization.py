"""Normalisation across channels, one number at a time."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.shapes import check_integer


def local_response_norm(
    a: Float[Tensor, "channels height width"],
    n: int = 5,
    k: float | int = 2,
    alpha: float | int = 1e-4,
    beta: float | int = 0.75,
) -> Float[Tensor, "channels height width"]:
    """Divide each node by what its neighbours in other channels do at the same place. Implements eq-lrn.

    ``b_r = a_r / (k + alpha sum over the n channels r' around r of a_r'^2)^beta``, at each place of the image
    by itself. At the first and the last channels the sum has fewer terms. The defaults are the paper's.

    PyTorch divides alpha by n: the paper's is ``torch.nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)``.

    Args:
        a: the layer behind its activation, shape (C, H, W): channel, row, column.
        n: how many channels are summed, r itself among them: n // 2 before r and (n - 1) // 2 behind it, as
            many on both sides if n is odd.
        k: keeps the denominator away from 0.
        alpha: how much the neighbours count.
        beta: the exponent.

    Returns:
        b, shape (C, H, W).

    Raises:
        TypeError: n is not an integer, or a is not floating point.
        ValueError: a has another number of dimensions, or n is below 1.

    Source:
        Krizhevsky et al. 2012, section 3.3.
    """
    if a.dim() != 3:
        raise ValueError(f"a must have shape (channels, height, width), got {tuple(a.shape)}")
    if not a.is_floating_point():
        raise TypeError(f"a must be a floating-point tensor, got {a.dtype}")
    n = check_integer("n", n)
    C, H, W = a.shape
    b = torch.zeros_like(a)
    for r in range(C):
        for i in range(H):
            for j in range(W):
                total = a.new_zeros(())
                for near in range(max(0, r - n // 2), min(C - 1, r + (n - 1) // 2) + 1):
                    total += a[near, i, j] ** 2
                b[r, i, j] = a[r, i, j] / (k + alpha * total) ** beta
    return b
