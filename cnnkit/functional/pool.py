"""Pooling, one axis at a time, with its own backward pass.

The maximum of a square is the largest of its rows' maxima, and its sum is the sum of its rows' sums. So both
poolings go over the columns, then over the rows: 2F steps instead of F^2, each on all windows at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, overload

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cnnkit.functional.arguments import Sizes, per_axis, sum_dtype
from cnnkit.shapes import check_integer, output_size

ROWS, COLUMNS = -2, -1  # the axes of an image, (..., height, width)


class _Windows(NamedTuple):
    """How the windows lie on one axis, in the letters of the size equation."""

    n: int
    F: int
    S: int
    P: int
    dilation: int
    n_out: int

    @property
    def reach(self) -> int:
        """Nodes from the start of the padded row to the last tap of the last window."""
        return (self.n_out - 1) * self.S + (self.F - 1) * self.dilation + 1


# ---------------------------------------------------------------------- max pooling
@overload
def max_pool2d(
    input: Float[Tensor, "*batch channels height width"],
    kernel_size: Sizes,
    stride: Sizes | None = ...,
    padding: Sizes = ...,
    dilation: Sizes = ...,
    ceil_mode: bool = ...,
    return_indices: Literal[False] = ...,
) -> Float[Tensor, "*batch channels height_out width_out"]: ...
@overload
def max_pool2d(
    input: Float[Tensor, "*batch channels height width"],
    kernel_size: Sizes,
    stride: Sizes | None = ...,
    padding: Sizes = ...,
    dilation: Sizes = ...,
    ceil_mode: bool = ...,
    return_indices: bool = ...,
) -> Any: ...
def max_pool2d(
    input: Float[Tensor, "*batch channels height width"],
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> (
    Float[Tensor, "*batch channels height_out width_out"]
    | tuple[
        Float[Tensor, "*batch channels height_out width_out"],
        Int[Tensor, "*batch channels height_out width_out"],
    ]
):
    """The largest value of each window. Implements eq-pool-max, eq-pool-max-gradient.

    Args:
        input: shape (N, C, H, W) or (C, H, W), floating point; every channel is pooled by itself.
        kernel_size: F, one integer or one for rows and one for columns, as in all that follow.
        stride: S; by default F, windows side by side.
        padding: P on each side, at most half the window; it is minus infinity, so that it never wins.
        dilation: distance of neighbouring taps of a window.
        ceil_mode: round n' up: keep a last window that reaches over the end but starts inside.
        return_indices: return where each maximum was, too.

    Returns:
        The maxima, shape (N, C, H', W') or (C, H', W'); with ``return_indices`` also the place of each in its
        plane, ``row * W + column``. Of equal values the first in row order is the maximum, and gets the
        gradient; NaN is larger than any number.

    Raises:
        TypeError: a size is not an integer, or input is not floating point.
        ValueError: input has another number of dimensions, the padding is more than half the window, or
            sizes that `cnnkit.shapes.output_size` refuses.
    """
    rows, columns = _windows(input, kernel_size, stride, padding, dilation, ceil_mode)
    x = _pad(input, rows, columns, -torch.inf)
    by_column, column_taps = _MaxAlong.apply(x, COLUMNS, columns)
    y, row_taps = _MaxAlong.apply(by_column, ROWS, rows)
    if not return_indices:
        return y
    row = _positions(row_taps, ROWS, rows)
    column = _positions(column_taps, COLUMNS, columns).gather(ROWS, row)
    return y, (row - rows.P) * columns.n + column - columns.P


class _MaxAlong(torch.autograd.Function):
    """The largest value of each window along one axis, and the number of its tap."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, axis: int, windows: _Windows) -> tuple[Tensor, Tensor]:
        taps = _taps(x, axis, windows)
        y = next(taps).clone()
        # A window that starts in the padding, and holds nothing but -inf, has its first real node as maximum.
        first = -((_starts(x, windows) - windows.P) // windows.dilation)
        tap_number = torch.int16 if windows.F <= 2**15 else torch.int32
        winner = _along(first.clamp(0).to(tap_number), axis).expand(y.shape).clone()
        for k, tap in enumerate(taps, start=1):
            better = (tap > y) | tap.isnan()  # so the first of equals stays
            winner = torch.maximum(winner, better.to(tap_number) * k)
            y.clamp_min_(tap)  # the larger of both, in place, or NaN
        return y, winner

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, ctx.axis, ctx.windows = inputs
        ctx.shape = x.shape
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, delta: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        (winner,) = ctx.saved_tensors
        position = _positions(winner, ctx.axis, ctx.windows)
        # Windows overlap: a node adds up the errors of all those that it won.
        dx = _zeros(delta, ctx.shape).scatter_add_(ctx.axis, position, delta.to(sum_dtype(delta)))
        return dx.to(delta.dtype), None, None


def _positions(winner: Tensor, axis: int, windows: _Windows) -> Tensor:
    """Where on the padded axis each window's winner is: i S + k d."""
    return winner.long().mul_(windows.dilation).add_(_along(_starts(winner, windows), axis))


# ---------------------------------------------------------------------- average pooling
def avg_pool2d(
    input: Float[Tensor, "*batch channels height width"],
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float[Tensor, "*batch channels height_out width_out"]:
    """The mean of each window. Implements eq-pool-average, eq-pool-average-gradient.

    Args:
        input: shape (N, C, H, W) or (C, H, W), floating point; every channel is pooled by itself.
        kernel_size: F, one integer or one for rows and one for columns, as in all that follow.
        stride: S; by default F, windows side by side.
        padding: zeros on each side, at most half the window.
        ceil_mode: round n' up: keep a last window that reaches over the end but starts inside. What lies
            beyond the padding is never counted.
        count_include_pad: divide by the size of the window, as the zeros count; else by its real nodes.
        divisor_override: divide by this instead.

    Returns:
        The means, shape (N, C, H', W') or (C, H', W').

    Raises:
        TypeError: a size is not an integer, or input is not floating point.
        ValueError: input has another number of dimensions, the padding is more than half the window,
            divisor_override is 0, or sizes that `cnnkit.shapes.output_size` refuses.
    """
    rows, columns = _windows(input, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None:
        if divisor_override == 0:
            raise ValueError("divisor_override must not be 0")
        check_integer("divisor_override", abs(divisor_override))
    x = _pad(input, rows, columns, 0.0)
    return _AvgPool.apply(x, rows, columns, count_include_pad, divisor_override)


class _AvgPool(torch.autograd.Function):
    """The sum of each window, divided by its count."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, rows: _Windows, columns: _Windows, *divisor: Any) -> Tensor:
        total = _sum_along(_sum_along(x.to(sum_dtype(x)), COLUMNS, columns), ROWS, rows)
        return (total / _count(total, rows, columns, *divisor)).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.how = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        return _AvgPoolGradient.apply(delta, ctx.shape, *ctx.how), None, None, None, None


class _AvgPoolGradient(torch.autograd.Function):
    """Each window gives all its nodes an equal share of its error; its own gradient is the pooling again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        delta: Tensor, shape: tuple[int, ...], rows: _Windows, columns: _Windows, *divisor: Any
    ) -> Tensor:
        share = delta.to(sum_dtype(delta)) / _count(delta, rows, columns, *divisor)
        by_column = _spread_along(share, (*delta.shape[:-2], shape[-2], delta.shape[-1]), ROWS, rows)
        return _spread_along(by_column, shape, COLUMNS, columns).to(delta.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, _, *ctx.how = inputs

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> tuple[Tensor | None, ...]:
        return _AvgPool.apply(ddx, *ctx.how), None, None, None, None, None


def _sum_along(x: Tensor, axis: int, windows: _Windows) -> Tensor:
    taps = _taps(x, axis, windows)
    total = next(taps).clone()
    for tap in taps:
        total += tap
    return total


def _spread_along(share: Tensor, shape: tuple[int, ...], axis: int, windows: _Windows) -> Tensor:
    dx = _zeros(share, shape)
    for place in _taps(dx, axis, windows):
        place += share
    return dx


def _count(
    like: Tensor, rows: _Windows, columns: _Windows, include_pad: bool, override: int | None
) -> Tensor | int:
    """What to divide each window's sum by: an integer, or shape (H', W') where the windows differ."""
    if override is not None:
        return override
    counts = []
    for windows in (rows, columns):
        start, end = (-windows.P, windows.n + windows.P) if include_pad else (0, windows.n)
        starts = [i * windows.S - windows.P for i in range(windows.n_out)]
        counts.append([min(s + windows.F, end) - max(s, start) for s in starts])
    if [len(set(count)) for count in counts] == [1, 1]:
        return counts[0][0] * counts[1][0]
    by_row, by_column = counts
    return torch.tensor(by_row, device=like.device)[:, None] * torch.tensor(by_column, device=like.device)


# ---------------------------------------------------------------------- windows
def _taps(x: Tensor, axis: int, windows: _Windows) -> Iterator[Tensor]:
    """For k = 0..F-1 the k-th node of all windows, a view of shape (..., n', ...)."""
    places: list[Any] = [..., slice(None), slice(None)]
    for k in range(windows.F):
        start = k * windows.dilation
        places[axis] = slice(start, start + (windows.n_out - 1) * windows.S + 1, windows.S)
        yield x[tuple(places)]


def _starts(like: Tensor, windows: _Windows) -> Tensor:
    """Where on the padded axis the windows start: 0, S, 2S, ..."""
    return torch.arange(windows.n_out, device=like.device) * windows.S


def _along(row: Tensor, axis: int) -> Tensor:
    """Lay a row of numbers along an axis of an image, to be broadcast over the others."""
    return row[(..., *(None,) * (-axis - 1))]


def _windows(
    x: Tensor, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> tuple[_Windows, _Windows]:
    if x.dim() not in (3, 4):
        raise ValueError(
            f"input must have shape (N, channels, height, width) or the same without N, got {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise TypeError(f"input must be a floating-point tensor, got {x.dtype}")
    Fs = per_axis("kernel_size", kernel_size, 2)
    Ss = Fs if stride is None else per_axis("stride", stride, 2)
    Ps, dilations = per_axis("padding", padding, 2, at_least=0), per_axis("dilation", dilation, 2)
    rows, columns = zip(x.shape[-2:], Fs, Ss, Ps, dilations, strict=True)
    return _windows_along(*rows, ceil_mode), _windows_along(*columns, ceil_mode)


def _windows_along(n: int, F: int, S: int, P: int, dilation: int, ceil_mode: bool) -> _Windows:
    span = (F - 1) * dilation + 1
    if span // 2 < P:
        dilated = f" with dilation={dilation}, which spans {span} nodes" if dilation > 1 else ""
        raise ValueError(
            f"padding must be at most half of kernel_size={F}{dilated}, or a window could hold nothing but "
            f"padding; got {P}"
        )
    n_out = -((span - n - 2 * P) // S) + 1 if ceil_mode else 0
    if ceil_mode and (n_out - 1) * S >= n + P:
        n_out -= 1  # the last window would start behind the last node
    if n_out < 1:
        n_out = output_size(n, F, S, P, dilation, floor=True)
    return _Windows(n, F, S, P, dilation, n_out)


def _pad(x: Tensor, rows: _Windows, columns: _Windows, fill: float) -> Tensor:
    """Pad first, as far as the last window reaches, so that no window is a special case."""
    sides = [side for axis in (columns, rows) for side in (axis.P, max(0, axis.reach - axis.n - axis.P))]
    return nn.functional.pad(x, sides, value=fill) if any(sides) else x


def _zeros(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Zeros to add numbers up in; channels last in memory if those of ``like`` are."""
    *batch, C, H, W = shape
    dtype = sum_dtype(like)
    if like.stride(-3) < like.stride(-1):
        return like.new_zeros(*batch, H, W, C, dtype=dtype).movedim(-1, -3)
    return like.new_zeros(shape, dtype=dtype)
