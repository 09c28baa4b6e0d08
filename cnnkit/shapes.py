"""Sizes of layers in integers: nothing here touches a tensor.

The letters are those of the lecture notes: ``n`` nodes in, ``n'`` nodes out, filter width ``F``
(``kernel_size``), stride ``S`` and ``P`` zeros of padding *on each side*. Every function works on one
spatial axis; call it once an axis for images, whose axes obey the same equation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

Sizes = int | Sequence[int]


# ---------------------------------------------------------------------- the size equation
def output_size(
    n: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1, *, floor: bool = False
) -> int:
    """The number n' of nodes in the next layer. Implements eq-size, eq-size-valid.

    Solves ``(n' - 1) S + F = n + 2 P`` for n'. All quantities are integers, so for some sizes there is
    no solution: then this raises, unless ``floor`` says to do as PyTorch does, which is to drop the
    nodes at the end of the padded row that no whole window reaches (`dropped_nodes` counts them).

    Args:
        n: nodes in the layer, at least 1.
        kernel_size: F, at least 1.
        stride: S, at least 1.
        padding: P, zeros on each side, at least 0.
        dilation: distance between neighbouring taps of the filter, at least 1.
        floor: round n' down where the equation has no integer solution.

    Returns:
        n', at least 1.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is too small, the filter is wider than the padded input, or no integer n'
            solves the equation (the message lists the nearest values that do).

    Example:
        >>> output_size(28, kernel_size=5)
        24
        >>> output_size(32, kernel_size=5, stride=2, floor=True)
        14
    """
    steps, left_over = _steps(n, kernel_size, stride, padding, dilation)
    if left_over and not floor:
        given = f"n={n}, kernel_size={kernel_size}, stride={stride}, padding={padding}"
        given += f", dilation={dilation}" if dilation != 1 else ""
        raise ValueError(
            f"{given} do not fit: no integer n' solves (n' - 1) * stride + kernel_size = n + 2 * padding, "
            f"{_count(left_over, 'node')} of the padded row would be left over. "
            f"What fits, changing one of them: {nearest_fits(n, kernel_size, stride, padding, dilation)}. "
            "Or pass floor=True to drop what is left over, as PyTorch does."
        )
    return steps + 1


def dropped_nodes(n: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Dropped:
    """How much of the row the floor drops: what lies behind the last whole window.

    Takes the arguments of `output_size` and raises its errors, but for sizes that do not fit.

    Returns:
        ``(nodes, inputs)``: nodes of the padded row behind the last window, and how many of these
        are inputs rather than padding. Both are 0 where the size equation holds.

    Example:
        >>> dropped_nodes(32, kernel_size=5, stride=2)
        Dropped(nodes=1, inputs=1)
        >>> dropped_nodes(224, kernel_size=7, stride=2, padding=3)
        Dropped(nodes=1, inputs=0)
    """
    _, left_over = _steps(n, kernel_size, stride, padding, dilation)
    return Dropped(nodes=left_over, inputs=max(0, left_over - padding))


class Dropped(NamedTuple):
    """What the floor drops; see `dropped_nodes`."""

    nodes: int
    inputs: int


def nearest_fits(n: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Fits:
    """The values nearest to the given ones for which the size equation holds, changing one at a time.

    Takes the arguments of `output_size` and raises its errors, but for sizes that do not fit.

    Returns:
        For each of n, kernel_size, stride and padding the nearest value below and the nearest above
        (fewer where there is none: if n + F is odd, no padding helps an even stride). A value that
        fits already is its own nearest.

    Example:
        >>> print(nearest_fits(224, kernel_size=11, stride=4))
        n = 223 or 227; kernel_size = 8 or 12; stride = 3 or 71; padding: none fits
    """
    given = {"n": n, "kernel_size": kernel_size, "stride": stride, "padding": padding}
    _steps(**given, dilation=dilation)

    def fits(name: str, value: int) -> bool:
        changed = given | {name: value}
        if changed["n"] + 2 * changed["padding"] < _span(changed["kernel_size"], dilation):
            return False
        return _steps(**changed, dilation=dilation)[1] == 0

    # What is left over repeats with period `stride` in n, kernel_size and padding.
    reach = {name: stride for name in given} | {"stride": stride + n + 2 * padding}
    smallest = {"n": 1, "kernel_size": 1, "stride": 1, "padding": 0}
    found = {}
    for name, value in given.items():
        below = range(value, max(smallest[name], value - reach[name]) - 1, -1)
        above = range(value, value + reach[name] + 1)
        nearest = (next((v for v in side if fits(name, v)), None) for side in (below, above))
        found[name] = tuple(dict.fromkeys(v for v in nearest if v is not None))
    return Fits(**found)


@dataclass(frozen=True)
class Fits:
    """The nearest values that satisfy the size equation; see `nearest_fits`."""

    n: tuple[int, ...]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]

    def __str__(self) -> str:
        """One line: ``n = 31 or 33; kernel_size = 4 or 6; stride = 1 or 3; padding: none fits``."""
        return "; ".join(
            f"{name} = {' or '.join(map(str, values))}" if values else f"{name}: none fits"
            for name, values in vars(self).items()
        )


def solve_size(
    *,
    n: int | None = None,
    n_out: int | None = None,
    kernel_size: int | None = None,
    stride: int | None = None,
    padding: int | None = None,
) -> int:
    """Solve ``(n' - 1) S + F = n + 2 P`` for the one letter that is not given. Implements eq-size.

    Args:
        n: nodes in the layer.
        n_out: n', nodes in the next layer.
        kernel_size: F, the filter's width.
        stride: S, the distance of two windows.
        padding: P, on each side.

    Returns:
        The missing one, an integer.

    Raises:
        TypeError: not exactly four of the five are given, or one is not an integer.
        ValueError: no admissible integer solves the equation, or the stride is asked for and every one does
            (a single window that covers the padded row).

    Example:
        >>> solve_size(n=28, n_out=28, kernel_size=5, stride=1)  # what padding keeps the size?
        2
    """
    given = {"n": n, "n_out": n_out, "kernel_size": kernel_size, "stride": stride, "padding": padding}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) != 1:
        raise TypeError(
            f"give four of n, n_out, kernel_size, stride, padding; missing are {missing or 'none'}"
        )
    name = missing[0]
    N, N_out, F, S, P = (
        0 if v is None else check_integer(k, v, 0 if k == "padding" else 1) for k, v in given.items()
    )
    if name == "stride" and N_out == 1 and N + 2 * P == F:
        raise ValueError(
            "n_out=1 leaves the stride open: with a single window, every stride solves the equation"
        )
    numerator, denominator = {
        "n": ((N_out - 1) * S + F - 2 * P, 1),
        "n_out": (N + 2 * P - F + S, S),
        "kernel_size": (N + 2 * P - (N_out - 1) * S, 1),
        "stride": (N + 2 * P - F, N_out - 1) if N_out > 1 else (0, 1),  # one window: no stride helps
        "padding": ((N_out - 1) * S + F - N, 2),
    }[name]
    value, remainder = divmod(numerator, denominator)
    if remainder or value < (0 if name == "padding" else 1):
        known = ", ".join(f"{k}={v}" for k, v in given.items() if v is not None)
        exact = f"{numerator}/{denominator}" if remainder else f"{value}"
        raise ValueError(
            f"no {name} solves (n_out - 1) * stride + kernel_size = n + 2 * padding for {known}: "
            f"it would be {exact}"
        )
    return value


def same_padding(kernel_size: int, dilation: int = 1) -> tuple[int, int]:
    """The zeros (left, right) that keep n' = n at stride 1.

    An odd filter F = 2q + 1 needs q on each side. An even one cannot be centred: PyTorch's
    ``padding="same"`` then puts the odd zero on the right, and so does this.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is below 1.

    Example:
        >>> same_padding(5), same_padding(4)
        ((2, 2), (1, 2))
    """
    total = _span(kernel_size, dilation) - 1
    return total // 2, total - total // 2


def transposed_size(
    n: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """The nodes after a transposed convolution: the size equation read from n' to n.

    ``(n - 1) S + d (F - 1) + 1 - 2 P + output_padding``. Where the floor dropped nodes on the way
    down, ``output_padding`` says how many to give back.

    Args:
        n: nodes in the layer, at least 1.
        kernel_size: F, at least 1.
        stride: S, at least 1.
        padding: P, the padding of the convolution that is undone, at least 0.
        output_padding: nodes added at the end; less than the stride or the dilation.
        dilation: d, at least 1.

    Raises:
        TypeError: an argument is not an integer.
        ValueError: an argument is too small, output_padding is too large, or no node would be left.

    Example:
        >>> transposed_size(14, kernel_size=5, stride=2, output_padding=1)
        32
    """
    n, stride, padding = (
        check_integer("n", n),
        check_integer("stride", stride),
        check_integer("padding", padding, 0),
    )
    span = _span(kernel_size, dilation)
    output_padding = check_integer("output_padding", output_padding, 0)
    if output_padding >= max(stride, dilation):
        raise ValueError(
            f"output_padding must be below stride={stride} or dilation={dilation}, got {output_padding}"
        )
    size = (n - 1) * stride + span - 2 * padding + output_padding
    if size < 1:
        raise ValueError(
            f"padding={padding} cuts {2 * padding} nodes off the {size + 2 * padding} "
            f"that n={n}, kernel_size={kernel_size}, stride={stride} give: nothing is left"
        )
    return size


# ---------------------------------------------------------------------- receptive fields
@dataclass(frozen=True)
class Window:
    """What a layer does to one spatial axis: a convolution or a pooling of this size.

    Attributes:
        kernel_size: F, at least 1.
        stride: S, at least 1.
        padding: P, on each side, at least 0.
        dilation: distance between neighbouring taps, at least 1.

    Raises:
        TypeError: an attribute is not an integer.
        ValueError: an attribute is too small.
    """

    kernel_size: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_integer(name, value, 0 if name == "padding" else 1)


class ReceptiveField(NamedTuple):
    """What a node sees in the input: node i sees the inputs ``start + i * jump`` up to ``+ size - 1``.

    Attributes:
        size: r, inputs from the first to the last one seen (with dilation some between may be unseen).
        jump: j, by how many inputs the field moves from one node to the next.
        start: s, the first input that node 0 sees; negative where it sees padding.
    """

    size: int
    jump: int
    start: int

    def inputs(self, i: int) -> range:
        """The inputs that node i sees, padding included as indices below 0 or beyond the row."""
        first = self.start + i * self.jump
        return range(first, first + self.size)


def receptive_fields(layers: Sequence[Window]) -> list[ReceptiveField]:
    """The receptive field of a node in every layer of a stack. Implements eq-receptive-field.

    ``r_l = r_{l-1} + (F_l - 1) d_l j_{l-1}``, ``s_l = s_{l-1} - P_l j_{l-1}``, ``j_l = j_{l-1} S_l``,
    from ``r_0 = j_0 = 1`` and ``s_0 = 0``.

    Args:
        layers: the stack, the layer next to the input first.

    Returns:
        One field a layer; the field of the input itself (size 1, jump 1, start 0) comes first.

    Example:
        >>> receptive_fields([Window(3), Window(3)])[-1]
        ReceptiveField(size=5, jump=1, start=0)
    """
    size, jump, start = 1, 1, 0
    fields = [ReceptiveField(size, jump, start)]
    for layer in layers:
        size += (layer.kernel_size - 1) * layer.dilation * jump
        start -= layer.padding * jump
        jump *= layer.stride
        fields.append(ReceptiveField(size, jump, start))
    return fields


# ---------------------------------------------------------------------- counting
def full_parameters(
    n: Sizes, n_out: Sizes, in_channels: int = 1, out_channels: int = 1, *, bias: bool = False
) -> int:
    """Weights of a fully connected layer: one for every pair of nodes. Implements eq-parameters.

    ``n * n'`` in one dimension, which is n^2 where the layers have the same size. It is also the number of
    multiply-adds of the layer.

    Args:
        n: nodes in the layer; one number an axis.
        n_out: nodes in the next layer; one number an axis.
        in_channels: M', filters of the layer.
        out_channels: M, filters of the next layer.
        bias: count one bias an output node too.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is below 1.
    """
    outputs = _product("n_out", n_out) * check_integer("out_channels", out_channels)
    return outputs * (_product("n", n) * check_integer("in_channels", in_channels) + bias)


def local_parameters(
    n_out: Sizes, kernel_size: Sizes, in_channels: int = 1, out_channels: int = 1, *, bias: bool = False
) -> int:
    """Weights of a locally connected layer: F for every output node. Implements eq-parameters.

    ``n' F`` in one dimension: ``n F`` where zero padding keeps n' = n, ``(n - F + 1) F`` without padding.

    Args:
        n_out: nodes in the next layer; one number an axis.
        kernel_size: F; one number an axis.
        in_channels: M', filters of the layer.
        out_channels: M, filters of the next layer.
        bias: count one bias an output node too.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is below 1.
    """
    outputs = _product("n_out", n_out) * check_integer("out_channels", out_channels)
    return outputs * (_product("kernel_size", kernel_size) * check_integer("in_channels", in_channels) + bias)


def shared_parameters(
    kernel_size: Sizes, in_channels: int = 1, out_channels: int = 1, *, groups: int = 1, bias: bool = False
) -> int:
    """Weights of a convolutional layer: F, whatever the number of nodes. Implements eq-parameters.

    ``M M' F`` with M filters over M' of the layer before; groups connect each filter to M'/groups of these.

    Args:
        kernel_size: F; one number an axis.
        in_channels: M', filters of the layer; a multiple of groups.
        out_channels: M, filters of the next layer; a multiple of groups.
        groups: parts into which the filters fall.
        bias: count one bias a filter too.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is below 1, or groups does not divide both numbers of channels.
    """
    in_channels, out_channels = (
        check_integer("in_channels", in_channels),
        check_integer("out_channels", out_channels),
    )
    groups = check_integer("groups", groups)
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            raise ValueError(f"groups={groups} must divide {name}={channels}")
    return out_channels * (_product("kernel_size", kernel_size) * (in_channels // groups) + bias)


def multiply_adds(
    n_out: Sizes, kernel_size: Sizes, in_channels: int = 1, out_channels: int = 1, *, groups: int = 1
) -> int:
    """Multiply-adds of one example through a convolutional or locally connected layer.

    Every output node costs F M'/groups of them, whether or not its weights are shared: sharing saves
    parameters, not arithmetic. One multiply-add is counted as two FLOPs by most tools.

    Args:
        n_out: nodes in the next layer; one number an axis.
        kernel_size: F; one number an axis.
        in_channels: M', filters of the layer.
        out_channels: M, filters of the next layer.
        groups: parts into which the filters fall.

    Raises:
        TypeError: a size is not an integer.
        ValueError: a size is below 1, or groups does not divide both numbers of channels.
    """
    return _product("n_out", n_out) * shared_parameters(kernel_size, in_channels, out_channels, groups=groups)


# ---------------------------------------------------------------------- checks
def _steps(n: int, kernel_size: int, stride: int, padding: int, dilation: int) -> tuple[int, int]:
    """Whole steps that the window can take after its first place, and the nodes left over."""
    n, span = check_integer("n", n), _span(kernel_size, dilation)
    stride, padding = check_integer("stride", stride), check_integer("padding", padding, 0)
    padded = n + 2 * padding
    if span > padded:
        dilated = f" with dilation={dilation} spans {span} nodes, which" if dilation > 1 else ""
        raise ValueError(
            f"kernel_size={kernel_size}{dilated} is wider than the padded input, n + 2 * padding = {n} + "
            f"{2 * padding} = {padded}: take a smaller kernel_size, or padding >= {-(-(span - n) // 2)}"
        )
    return divmod(padded - span, stride)


def _span(kernel_size: int, dilation: int) -> int:
    """Nodes from a filter's first tap to its last."""
    return (check_integer("kernel_size", kernel_size) - 1) * check_integer("dilation", dilation) + 1


def check_integer(name: str, value: int, at_least: int = 1) -> int:
    """Return a size as a Python int, or say which argument is not one.

    Args:
        name: the argument's name, for the message.
        value: a whole number of any integer type.
        at_least: the smallest one allowed.

    Raises:
        TypeError: it is not an integer.
        ValueError: it is too small.
    """
    try:
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r} of type {type(value).__name__}") from None
    if whole < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {value}")
    return whole


def _product(name: str, sizes: Sizes) -> int:
    axes = tuple(sizes) if isinstance(sizes, Sequence) else (sizes,)
    if not axes:
        raise ValueError(f"{name} must have one number an axis, got none")
    return math.prod(check_integer(name, size) for size in axes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
