"""Find a hidden filter from noisy examples with a full, a local and a shared layer.

A row x of n random numbers goes through a hidden filter (zero-padded, so n numbers come out), noise is added,
and each kind of layer is fitted to the examples by least squares. There is no training loop: the minimum is
computed in closed form, and where many layers fit equally well, the one with the smallest weights is taken.
The error is measured on new rows, against outputs without noise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from torch import Tensor

SEEDS = range(20)
SETTINGS = {
    "n": 40,
    "kernel_size": 3,
    "noise": 0.3,
    "examples": [2, 5, 10, 20, 40, 80, 160, 320, 640],
    "tests": 500,
}
SMALL = {"n": 12, "kernel_size": 3, "noise": 0.3, "examples": [4, 64], "tests": 50}
TOLERANCE = 1e-6  # closed form in float64: only the order of sums differs between machines


def windows(x: Tensor, kernel_size: int) -> Tensor:
    """What each node of the next layer sees: (N, n) -> (N, n, F), with zeros outside the row."""
    q = (kernel_size - 1) // 2
    return torch.nn.functional.pad(x, (q, q)).unfold(1, kernel_size, 1)


def least_squares(x: Tensor, y: Tensor) -> Tensor:
    """The weights w with the smallest |x w - y|, and the smallest |w| among these."""
    return torch.linalg.lstsq(x, y, driver="gelsd").solution


def fit_full(x: Tensor, y: Tensor, kernel_size: int) -> Tensor:
    """Every output sees all inputs: n * n weights, as the matrix (n, n) that takes x to y."""
    return least_squares(x, y).T


def fit_local(x: Tensor, y: Tensor, kernel_size: int) -> Tensor:
    """Every output sees its window with weights of its own: n * F of them."""
    seen = windows(x, kernel_size)
    filters = [least_squares(seen[:, i], y[:, i : i + 1])[:, 0] for i in range(x.shape[1])]
    return as_matrix(torch.stack(filters))


def fit_shared(x: Tensor, y: Tensor, kernel_size: int) -> Tensor:
    """Every output sees its window with the same F weights: all windows of all examples are one long list."""
    seen = windows(x, kernel_size)
    w = least_squares(seen.reshape(-1, kernel_size), y.reshape(-1, 1))[:, 0]
    return as_matrix(w.expand(x.shape[1], kernel_size))


def as_matrix(filters: Tensor) -> Tensor:
    """The layer whose node i has the filter ``filters[i]``, shape (n, F), as a matrix (n, n)."""
    n, kernel_size = filters.shape
    q = (kernel_size - 1) // 2
    matrix = filters.new_zeros(n, n + 2 * q)
    for i in range(n):
        matrix[i, i : i + kernel_size] = filters[i]
    return matrix[:, q : n + q]


FITS = {"full": fit_full, "local": fit_local, "shared": fit_shared}


def run(
    seed: int, n: int, kernel_size: int, noise: float, examples: Sequence[int], tests: int
) -> dict[str, dict[str, list[float]]]:
    """One hidden filter: the mean squared error of each kind of layer, per number of examples.

    Returns:
        ``everywhere``: rows whose events are anywhere, in the examples and in the test.
        ``elsewhere``: examples with events in the left half only, tested on events in the right half.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    w = draw(kernel_size)
    w /= w.norm()  # so an output has variance 1, and an error of 1 is that of answering 0
    hidden = as_matrix(w.expand(n, kernel_size))
    x, x_test, noises = draw(max(examples), n), draw(tests, n), noise * draw(max(examples), n)
    left = (torch.arange(n) < n // 2).double()
    margin = (kernel_size - 1) // 2
    right_half = slice(n // 2 + margin, None)  # outputs whose whole window lies in the right half

    def errors(x: Tensor, x_test: Tensor, outputs: slice) -> dict[str, list[float]]:
        y, target = x @ hidden.T + noises, x_test @ hidden.T
        found: dict[str, list[float]] = {kind: [] for kind in FITS}
        for number in examples:
            for kind, fit in FITS.items():
                predicted = x_test @ fit(x[:number], y[:number], kernel_size).T
                found[kind].append((predicted - target)[:, outputs].square().mean().item())
        return found

    return {
        "everywhere": errors(x, x_test, slice(None)),
        "elsewhere": errors(x * left, x_test * (1 - left), right_half),
    }


if __name__ == "__main__":
    from benchmarks.record import store

    store(sys.modules[__name__])
