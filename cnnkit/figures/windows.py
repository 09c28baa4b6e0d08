"""Figures of windows that slide over a row: sizes and receptive fields."""

from __future__ import annotations

from collections.abc import Sequence

from cnnkit.figures.figure import Figure, grid
from cnnkit.shapes import Window, check_integer, dropped_nodes, receptive_fields
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


def receptive_field(
    n: int = 12,
    layers: Sequence[Window] = (Window(3, padding=1), Window(2, stride=2), Window(3, padding=1)),
    layer: int | None = None,
    node: int | None = None,
) -> Figure:
    """What a node sees in every layer below it, and the recurrence's numbers. Shows eq-receptive-field.

    The reader clicks a node anywhere, and adds, removes and changes layers.

    Args:
        n: nodes of the input, 1 to 16.
        layers: the stack, 1 to 4 convolutions or poolings, the one next to the input first: kernel_size 1 to
            5, stride 1 to 3, dilation 1 to 3, and no more padding than keeps the size at stride 1. By default
            a convolution, a pooling and a convolution.
        layer: of the chosen node, 0 for the input; by default the last layer.
        node: the chosen one, counted from 0; by default the one in the middle.

    Raises:
        TypeError: a size is not an integer, or layers holds something else than windows.
        ValueError: a size is out of range, a filter is wider than the padded row below it, or there is no
            such layer or node.

    Example:
        >>> receptive_field(n=9, layers=[Window(3), Window(3)], node=2)
        Figure('receptive-field')
    """
    at_most("n", check_integer("n", n), LARGEST["n"])
    if not 1 <= len(layers) <= 4:
        raise ValueError(f"layers must hold 1 to 4 windows, got {len(layers)}")
    nodes = [n]
    for below, window in enumerate(layers):
        if not isinstance(window, Window):
            raise TypeError(f"layers[{below}] must be a Window, got {window!r}")
        same = window.dilation * (window.kernel_size - 1) // 2
        for name, most in {"kernel_size": 5, "stride": 3, "dilation": 3, "padding": same}.items():
            at_most(f"layers[{below}].{name}", getattr(window, name), most)
        try:
            nodes.append(size_of_output(nodes[below], **vars(window), floor=True))
        except ValueError as error:
            raise ValueError(f"layers[{below}]: {error}") from None
    layer = len(layers) if layer is None else check_integer("layer", layer, at_least=0)
    if layer > len(layers):
        raise ValueError(f"layer must be at most {len(layers)}, the number of layers; got {layer}")
    node = nodes[layer] // 2 if node is None else check_integer("node", node, at_least=0)
    if node >= nodes[layer]:
        raise ValueError(f"node must be below {nodes[layer]}, the nodes of layer {layer}; got {node}")

    field = receptive_fields(layers)[layer]
    seen = field.inputs(node)
    return Figure(
        "receptive-field",
        {"n": n, "layers": [dict(vars(window)) for window in layers], "layer": layer, "node": node},
        label="The receptive field of a node in a stack of layers",
        fallback=f"The field of node {node} of layer {layer} reaches from {seen[0]} to {seen[-1]} in an "
        f"input of {n} nodes, which are counted from 0. All nodes, with the input at the bottom:",
        picture=grid([list(range(count)) for count in reversed(nodes)], side=20),
        scripts=("sizes", "fields"),
        height=(26, 46),
    )


def at_most(name: str, value: int, most: int) -> None:
    """Check that a figure has room for a size.

    Raises:
        ValueError: it has not.
    """
    if value > most:
        raise ValueError(f"{name} must be at most {most}, or the drawing has no room; got {value}")
