"""Figures of windows that slide over a row: sizes."""

from __future__ import annotations

from cnnkit.figures.figure import Figure, grid
from cnnkit.shapes import check_integer, dropped_nodes
from cnnkit.shapes import output_size as size_of_output

# The largest values that the drawing has room for.
LARGEST = {"n": 16, "kernel_size": 7, "stride": 5, "padding": 4, "dilation": 3}


def output_size(
    n: int = 9, kernel_size: int = 3, stride: int = 2, padding: int = 0, dilation: int = 1
) -> Figure:
    """The size equation, live: the windows of a filter over a padded row. Shows eq-size.

    Sizes that do not fit are shown as such, with the nearest ones that do as buttons.

    Args:
        n: nodes of the row, 1 to 16.
        kernel_size: F, 1 to 7.
        stride: S, 1 to 5.
        padding: P, zeros on each side, 0 to 4.
        dilation: distance between neighbouring taps, 1 to 3.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: one is out of range, or the filter is wider than the padded row.

    Example:
        >>> output_size(n=7, kernel_size=3)
        Figure('output-size')
    """
    state = {"n": n, "kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    for name, value in state.items():
        at_most(name, check_integer(name, value, at_least=0 if name == "padding" else 1), LARGEST[name])
    nodes = size_of_output(**state, floor=True)
    left_over = dropped_nodes(**state).nodes
    row = [0] * padding + list(range(n)) + [0] * padding
    return Figure(
        "output-size",
        state | {"window": 0},
        label="The size equation with its windows",
        fallback=f"A filter of {kernel_size} slides over {n} nodes with stride {stride} and {padding} zeros "
        f"on each side: {nodes} windows fit, {left_over} nodes of the padded row are left over.",
        picture=grid([row]),
        scripts=("sizes", "equals"),
        height=(24, 32),
    )


def at_most(name: str, value: int, most: int) -> None:
    """Check that a figure has room for a size.

    Raises:
        ValueError: it has not.
    """
    if value > most:
        raise ValueError(f"{name} must be at most {most}, or the drawing has no room; got {value}")
