"""Figures of the weights between two rows of nodes."""

from __future__ import annotations

from typing import Literal

from cnnkit.figures.figure import Figure, grid
from cnnkit.shapes import (
    check_integer,
    full_parameters,
    local_parameters,
    multiply_adds,
    output_size,
    shared_parameters,
)

# What the drawing has room for; the least n is the widest filter, which so always fits.
NODES = (5, 10)
FILTERS = (1, 3, 5)


def connectivity(
    connectivity: Literal["full", "local", "shared"] = "local",
    n: int = 7,
    kernel_size: int = 3,
    zeros: bool = True,
) -> Figure:
    """Two rows of nodes and what joins them: full, local or shared weights, counted. Shows eq-parameters.

    Args:
        connectivity: ``"full"`` (every pair), ``"local"`` (a window each) or ``"shared"`` (a window each, and
            all with the same weights).
        n: nodes of the lower row, 5 to 10.
        kernel_size: F, nodes of a window: 1, 3 or 5, so that it has a middle. A full layer has no window.
        zeros: add (F - 1)/2 zeros at each end, so that the upper row has n nodes too; else it has n - F + 1.

    Raises:
        TypeError: a size is not an integer.
        ValueError: an unknown connectivity, or a size out of range.

    Example:
        >>> connectivity("shared", n=9, kernel_size=5)
        Figure('connectivity')
    """
    if connectivity not in ("full", "local", "shared"):
        raise ValueError(f"connectivity must be 'full', 'local' or 'shared', got {connectivity!r}")
    if not NODES[0] <= check_integer("n", n) <= NODES[1]:
        raise ValueError(f"n must be from {NODES[0]} to {NODES[1]}, what the drawing has room for; got {n}")
    if check_integer("kernel_size", kernel_size) not in FILTERS:
        raise ValueError(f"kernel_size must be 1, 3 or 5, so that a window has a middle; got {kernel_size}")
    n_out = output_size(n, kernel_size, padding=kernel_size // 2 if zeros else 0)
    weights, joined = {
        "full": (full_parameters(n, n), full_parameters(n, n)),
        "local": (local_parameters(n_out, kernel_size), multiply_adds(n_out, kernel_size)),
        "shared": (shared_parameters(kernel_size), multiply_adds(n_out, kernel_size)),
    }[connectivity]
    return Figure(
        "connectivity",
        {
            "connectivity": connectivity,
            "n": n,
            "kernel_size": kernel_size,
            "zeros": bool(zeros),
            "node": (n if connectivity == "full" else n_out) // 2,
        },
        label="Two rows of nodes and the weights between them",
        fallback=f"The connections between two rows of nodes are {connectivity}: {joined} connections with "
        f"{weights} different weights. The lower row has {n} nodes.",
        picture=grid([list(range(1, n + 1))]),
        scripts=("connections",),
        height=(28, 36),
    )
