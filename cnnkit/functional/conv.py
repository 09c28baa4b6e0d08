"""Convolution as a matrix product: filters are rows, the windows of the images are columns.

A window is what a filter sees at one place. All windows, written side by side, form a matrix,

    columns[C, a, b, N, i, j] = x[N, C, i S + a d - P, j S + b d - P],

with a row for every channel C and tap (a, b), and a column for every image N and place (i, j). Convolution
ties it to the weights w and the outputs y. Each of three classes computes one of them from the other two:

- ``_Output``: ``y[N, R, i, j] = sum over C, a, b of w[R, C, a, b] columns[C, a, b, N, i, j]``;
- ``_WeightGradient``: ``dw[R, C, a, b] = sum over N, i, j of dy[N, R, i, j] columns[C, a, b, N, i, j]``;
- ``_InputGradient``: ``dcolumns[C, a, b, N, i, j] = sum over R of w[R, C, a, b] dy[N, R, i, j]``; every pixel
  adds up what its copies in the columns get.

All three are linear in each of their factors, so the backward pass of one class consists of the other two.
With G groups there are G such products, side by side. A transposed convolution is ``_InputGradient`` as a
forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from itertools import product
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cnnkit.functional.arguments import Sizes, autocast, autocast_is_on, per_axis, same_device, sum_dtype
from cnnkit.shapes import check_integer, output_size, same_padding, transposed_size


def conv1d(
    input: Float[Tensor, "*batch in_channels n"],
    weight: Float[Tensor, "out_channels group_channels F"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Float[Tensor, "*batch out_channels n_out"]:
    """Several filters over several rows, vectorised. Implements eq-conv1d-multi, eq-shared-gradient.

    It is `conv2d` over images of one row.

    Args:
        input: the layer, shape (N, M', n) or (M', n): filter (or channel), position.
        weight: the filters, shape (M, M' / groups, F).
        bias: one number a filter, shape (M,).
        stride: S, at least 1.
        padding: P, zeros on each side; or ``"valid"`` for none, or ``"same"``, which keeps n at stride 1.
        dilation: d, distance between neighbouring taps of the filter, at least 1.
        groups: equal parts of channels and filters; each filter sees the channels of its part only.

    Returns:
        The net input of the next layer, shape (N, M, n') or (M, n'); n' is rounded down, as PyTorch does.

    Raises:
        TypeError: a size is not an integer, or the tensors are not floating point or differ in dtype.
        ValueError: shapes that do not match (both are shown), or sizes that `cnnkit.shapes.output_size`
            refuses.
    """
    x, w, b = autocast(input, weight, bias)
    _check(x, w, b, groups, ("n",))
    (across,) = _axes(x, w, stride, padding, dilation)
    g = _Geometry(ONE_ROW, across, groups)
    images = x.contiguous().unsqueeze(-2)  # (N, M', 1, n)
    return _batched(images, w.unsqueeze(-2), b, g).squeeze(-2)


def conv2d(
    input: Float[Tensor, "*batch in_channels height width"],
    weight: Float[Tensor, "out_channels group_channels Fa Fb"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Float[Tensor, "*batch out_channels height_out width_out"]:
    """Filters over images, vectorised. Implements eq-conv2d-valid, eq-conv-dx, eq-conv-dw, eq-conv-db.

    Args:
        input: the images or volumes, shape (N, C, H, W) or (C, H, W).
        weight: the filters, shape (R, C / groups, Fa, Fb); in the notes Fa = Fb = F.
        bias: one number a filter, shape (R,).
        stride: S, at least 1. It, padding and dilation are one integer, or one for rows and one for columns.
        padding: P, zeros on each side; or ``"valid"`` for none, or ``"same"``, which keeps H, W at stride 1.
        dilation: d, distance between neighbouring taps of the filter, at least 1.
        groups: equal parts of channels and filters; each filter sees the channels of its part only.

    Returns:
        The net input of the next layer, shape (N, R, H', W') or (R, H', W'); sizes are rounded down, as
        PyTorch does. Images in channels-last memory format give such images.

    Raises:
        TypeError: a size is not an integer, or the tensors are not floating point or differ in dtype.
        ValueError: shapes that do not match (both are shown), or sizes that `cnnkit.shapes.output_size`
            refuses.
    """
    x, w, b = autocast(input, weight, bias)
    _check(x, w, b, groups, ("height", "width"))
    down, across = _axes(x, w, stride, padding, dilation)
    g = _Geometry(down, across, groups)
    return _batched(x, w, b, g)


def conv_transpose2d(
    input: Float[Tensor, "*batch in_channels height width"],
    weight: Float[Tensor, "in_channels group_filters Fa Fb"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Float[Tensor, "*batch out_channels height_out width_out"]:
    """A convolution's way back as a layer, vectorised: every input pixel writes a multiple of the filters.

    It is eq-conv-dx as a forward pass: the gradient of a `conv2d` with respect to its input, where ``input``
    is what arrives at the outputs. So it is computed as that gradient is, and has the same backward pass.

    Args:
        input: the images or volumes, shape (N, C, H, W) or (C, H, W).
        weight: the filters, shape (C, R / groups, Fa, Fb): those of a `conv2d` from R channels to C filters.
        bias: one number a filter, shape (R,).
        stride: S, the distance of the windows that neighbouring pixels write to, at least 1. It, padding,
            output padding and dilation are one integer, or one for rows and one for columns.
        padding: P, what is cut off on each side, at least 0.
        output_padding: rows below and columns on the right that no window has to reach; below S or d.
        groups: equal parts of channels and filters; each channel writes to the filters of its part only.
        dilation: d, distance between neighbouring taps of the filter, at least 1.

    Returns:
        The net input of the next layer, shape (N, R, H', W') or (R, H', W'), with the sizes of
        `cnnkit.shapes.transposed_size`. Images in channels-last memory format give such images.

    Raises:
        TypeError: a size is not an integer, or the tensors are not floating point or differ in dtype.
        ValueError: shapes that do not match (both are shown), or sizes that `cnnkit.shapes.transposed_size`
            refuses.
    """
    x, w, b = autocast(input, weight, bias)
    _check_transposed(x, w, b, groups)
    down, across = _transposed_axes(x, w, stride, padding, output_padding, dilation)
    g = _Geometry(down, across, groups)
    y = _InputGradient.apply(x, w, g) if x.dim() == 4 else _InputGradient.apply(x[None], w, g)[0]
    return y if b is None else y + b[:, None, None]


def _batched(x: Tensor, w: Tensor, bias: Tensor | None, g: _Geometry) -> Tensor:
    return _Output.apply(x, w, bias, g) if x.dim() == 4 else _Output.apply(x[None], w, bias, g)[0]


# ---------------------------------------------------------------------- one product, three ways
def _without_autocast(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Autocast chose the dtypes when the layer was called; a backward pass must not choose again."""

    @wraps(forward)
    def run(first: Tensor, *rest: Any) -> Tensor:
        if torch.compiler.is_compiling() or not autocast_is_on(first.device.type):
            return forward(first, *rest)
        with torch.autocast(first.device.type, enabled=False):
            return forward(first, *rest)

    return run


class _Output(torch.autograd.Function):
    """``y[N, R, i, j] = b[R] + sum over C, a, b of w[R, C, a, b] columns[C, a, b, N, i, j]``."""

    generate_vmap_rule = True

    @staticmethod
    @_without_autocast
    def forward(x: Tensor, w: Tensor, bias: Tensor | None, g: _Geometry) -> Tensor:
        factors = (x, w) if bias is None else (x, w, bias)
        y = _new_images(factors, len(x), len(w), g.down.n_out, g.across.n_out)
        y_grouped, w = y.unflatten(1, (g.groups, -1)), w.unflatten(0, (g.groups, -1))
        for N, parts in _blocks(x, g):
            windows = _windows(_pad(x[N], g), g)
            for i in parts:
                columns = windows[..., i, :].contiguous()
                y_grouped[N, ..., i, :] = torch.einsum("GRCab,GCabNij->NGRij", w, columns)
        return y if bias is None else y.add_(bias[:, None, None])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, w, _, ctx.g = inputs
        ctx.save_for_backward(x, w)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        dx = _InputGradient.apply(dy, w, ctx.g) if ctx.needs_input_grad[0] else None
        dw = _WeightGradient.apply(dy, x, ctx.g) if ctx.needs_input_grad[1] else None
        db = dy.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None
        return dx, dw, db, None


class _WeightGradient(torch.autograd.Function):
    """``dw[R, C, a, b] = sum over N, i, j of dy[N, R, i, j] columns[C, a, b, N, i, j]``."""

    generate_vmap_rule = True

    @staticmethod
    @_without_autocast
    def forward(dy: Tensor, x: Tensor, g: _Geometry) -> Tensor:
        dy, channels = dy.unflatten(1, (g.groups, -1)), x.shape[1] // g.groups
        dw = _like(dy, x).new_zeros(*dy.shape[1:3], channels, g.down.F, g.across.F, dtype=sum_dtype(x))
        for N, parts in _blocks(x, g):
            windows = _windows(_pad(x[N], g), g)
            for i in parts:
                columns = windows[..., i, :].contiguous()
                dw += torch.einsum("NGRij,GCabNij->GRCab", dy[N, ..., i, :], columns)
        return dw.flatten(0, 1).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        dy, x, ctx.g = inputs
        ctx.save_for_backward(dy, x)

    @staticmethod
    def backward(ctx: Any, ddw: Tensor) -> tuple[Tensor | None, ...]:
        dy, x = ctx.saved_tensors
        ddy = _Output.apply(x, ddw, None, ctx.g) if ctx.needs_input_grad[0] else None
        dx = _InputGradient.apply(dy, ddw, ctx.g) if ctx.needs_input_grad[1] else None
        return ddy, dx, None


class _InputGradient(torch.autograd.Function):
    """``dcolumns[C, a, b, N, i, j] = sum over R of w[R, C, a, b] dy[N, R, i, j]``, added up at each pixel."""

    generate_vmap_rule = True

    @staticmethod
    @_without_autocast
    def forward(dy: Tensor, w: Tensor, g: _Geometry) -> Tensor:
        dx = _new_images((dy, w), len(dy), w.shape[1] * g.groups, g.down.n, g.across.n)
        dx_grouped, dy = dx.unflatten(1, (g.groups, -1)), dy.unflatten(1, (g.groups, -1))
        w = w.unflatten(0, (g.groups, -1))
        for N, parts in _blocks(dx, g):
            shape = g.groups, w.shape[2], len(dy[N]), g.down.padded, g.across.padded
            pixels = _like(dy, w).new_zeros(
                shape, dtype=sum_dtype(dy)
            )  # [G, C, N, :, :], in the order of the columns
            for i in parts:
                dcolumns = torch.einsum("GRCab,NGRij->GCabNij", w, dy[N, ..., i, :])
                for a, b in product(range(g.down.F), range(g.across.F)):
                    seen = (..., g.down.seen_by(a, i), g.across.seen_by(b))
                    pixels = _add(pixels, seen, dcolumns[:, :, a, b])
            dx_grouped[N] = pixels[..., g.down.inside, g.across.inside].movedim(2, 0)
        return dx

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        dy, w, ctx.g = inputs
        ctx.save_for_backward(dy, w)

    @staticmethod
    def backward(ctx: Any, ddx: Tensor) -> tuple[Tensor | None, ...]:
        dy, w = ctx.saved_tensors
        ddy = _Output.apply(ddx, w, None, ctx.g) if ctx.needs_input_grad[0] else None
        dw = _WeightGradient.apply(dy, ddx, ctx.g) if ctx.needs_input_grad[1] else None
        return ddy, dw, None


# ---------------------------------------------------------------------- windows
class _Axis(NamedTuple):
    """How the windows lie along one axis, in the letters of the size equation."""

    n: int
    F: int
    S: int
    before: int  # zeros: P on both sides, but for padding="same" and an even filter
    after: int
    d: int
    n_out: int

    @property
    def padded(self) -> int:
        return self.before + self.n + self.after

    @property
    def inside(self) -> slice:
        """The padded axis without its padding."""
        return slice(self.before, self.before + self.n)

    def seen_by(self, tap: int, places: slice | None = None) -> slice:
        """The pixels of the padded axis that a tap of the filter sees at these places: i S + a d."""
        first, last = (0, self.n_out - 1) if places is None else (places.start, places.stop - 1)
        return slice(first * self.S + tap * self.d, last * self.S + tap * self.d + 1, self.S)


class _Geometry(NamedTuple):
    down: _Axis  # offsets a, places i
    across: _Axis  # offsets b, places j
    groups: int


ONE_ROW = _Axis(n=1, F=1, S=1, before=0, after=0, d=1, n_out=1)


def _windows(x: Tensor, g: _Geometry) -> Tensor:
    """All windows of padded images, as a view: columns[G, C, a, b, N, i, j] without a copy.

    The letters are in alphabetical order, capitals first: `torch.einsum` lines up what it sums over in that
    order, so it multiplies the columns as they lie in memory, and does not copy them once more.
    """
    channels = x.shape[1] // g.groups
    image, channel, row, pixel = x.stride()
    return x.as_strided(
        (g.groups, channels, g.down.F, g.across.F, len(x), g.down.n_out, g.across.n_out),
        (
            channels * channel,
            channel,
            row * g.down.d,
            pixel * g.across.d,
            image,
            row * g.down.S,
            pixel * g.across.S,
        ),
    )


def _pad(x: Tensor, g: _Geometry) -> Tensor:
    zeros = (g.across.before, g.across.after, g.down.before, g.down.after)
    return nn.functional.pad(x.contiguous(), zeros) if any(zeros) else x.contiguous()


def _blocks(x: Tensor, g: _Geometry) -> list[tuple[slice, list[slice]]]:
    """Cut the images into blocks, and images that are too large by themselves into rows of places.

    All windows together are F^2 times as large as the images: too much for the memory, let alone the cache.
    """
    row = x.shape[1] * g.down.F * g.across.F * g.across.n_out  # numbers in the columns of one row of places
    # On a CPU the columns stay in the cache: 4 MB of float32; from half of it to four times as much took as
    # long. On a GPU every block costs a few launches, and compiled, a part of the program: 256 MB.
    limit = 2**20 if x.device.type == "cpu" and not torch.compiler.is_compiling() else 2**26
    parts = _slices(g.down.n_out, limit // row)
    return [(N, parts) for N in _slices(len(x), limit // (row * g.down.n_out))]


def _slices(length: int, step: int) -> list[slice]:
    step = max(step, 1)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _add(total: Tensor, seen: tuple[Any, ...], part: Tensor) -> Tensor:
    """``total[seen] += part``; compiled, without changing total: a chain of such changes takes hours."""
    if torch.compiler.is_compiling():
        spread = torch.zeros_like(total)
        spread[seen] = part
        return total + spread
    total[seen] += part
    return total


def _new_images(factors: tuple[Tensor, ...], *shape: int) -> Tensor:
    """Memory for images, channels-last if one of the factors is, as in PyTorch."""
    N, C, H, W = shape
    if any([t.dim() == 4 and t.stride(1) == 1 < t.stride(3) for t in factors]):
        return _like(*factors).new_empty(N, H, W, C).permute(0, 3, 1, 2)
    return _like(*factors).new_empty(N, C, H, W)


def _like(*factors: Tensor) -> Tensor:
    """What to make new memory from: under `torch.func.vmap` it must have the axis of either factor."""
    return torch.stack([t.new_empty(()) for t in factors]).sum()


# ---------------------------------------------------------------------- arguments
def _axes(x: Tensor, w: Tensor, stride: Sizes, padding: Sizes | str, dilation: Sizes) -> list[_Axis]:
    """How the windows lie along each spatial axis of x."""
    axes = w.dim() - 2
    S, d = per_axis("stride", stride, axes), per_axis("dilation", dilation, axes)
    if not isinstance(padding, str):
        P = per_axis("padding", padding, axes, at_least=0)
        zeros = [(p, p) for p in P]
    elif padding == "valid":
        zeros = [(0, 0)] * axes
    elif padding == "same" and max(S) == 1:
        zeros = [same_padding(*sizes) for sizes in zip(w.shape[2:], d, strict=True)]
    elif padding == "same":
        raise ValueError(f"padding='same' keeps the size at stride=1 only, got stride={stride}")
    else:
        raise ValueError(f"padding must be sizes, 'valid' or 'same', got {padding!r}")
    found = []
    for n, F, s, (before, after), dilate in zip(x.shape[-axes:], w.shape[2:], S, zeros, d, strict=True):
        n_out = output_size(n + after - before, F, s, before, dilate, floor=True)
        found.append(_Axis(n, F, s, before, after, dilate, n_out))
    return found


def _transposed_axes(
    x: Tensor, w: Tensor, stride: Sizes, padding: Sizes, output_padding: Sizes, dilation: Sizes
) -> list[_Axis]:
    """How the windows lie in the images that a transposed convolution makes of x."""
    S, d = per_axis("stride", stride, 2), per_axis("dilation", dilation, 2)
    P, more = per_axis("padding", padding, 2, 0), per_axis("output_padding", output_padding, 2, 0)
    return [
        _Axis(transposed_size(n_out, F, s, p, m, dilate), F, s, p, p, dilate, n_out)
        for n_out, F, s, p, m, dilate in zip(x.shape[-2:], w.shape[2:], S, P, more, d, strict=True)
    ]


def _check(x: Tensor, w: Tensor, bias: Tensor | None, groups: int, spatial_axes: tuple[str, ...]) -> None:
    _check_kinds(x, w, bias, spatial_axes, "out_channels, in_channels / groups")
    groups = check_integer("groups", groups)
    in_channels, out_channels = x.shape[-1 - len(spatial_axes)], w.shape[0]
    if w.shape[1] * groups != in_channels:
        grouped = f" with groups={groups}" if groups > 1 else ""
        raise ValueError(
            f"weight of shape {tuple(w.shape)}{grouped} takes in_channels={w.shape[1] * groups}, but input "
            f"of shape {tuple(x.shape)} has {in_channels}"
        )
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        check_integer(name, channels)
    if out_channels % groups:
        raise ValueError(
            f"groups={groups} must divide out_channels={out_channels} of weight {tuple(w.shape)}"
        )
    _check_bias(bias, out_channels)


def _check_transposed(x: Tensor, w: Tensor, bias: Tensor | None, groups: int) -> None:
    _check_kinds(x, w, bias, ("height", "width"), "in_channels, out_channels / groups")
    groups = check_integer("groups", groups)
    in_channels, out_channels = x.shape[-3], w.shape[1] * groups
    if w.shape[0] != in_channels:
        raise ValueError(
            f"weight of shape {tuple(w.shape)} takes in_channels={w.shape[0]}, but input of shape "
            f"{tuple(x.shape)} has {in_channels}"
        )
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        check_integer(name, channels)
    if in_channels % groups:
        raise ValueError(f"groups={groups} must divide in_channels={in_channels} of weight {tuple(w.shape)}")
    _check_bias(bias, out_channels)


def _check_kinds(
    x: Tensor, w: Tensor, bias: Tensor | None, spatial_axes: tuple[str, ...], filters: str
) -> None:
    for name, tensor in (("input", x), ("weight", w), ("bias", bias)):
        if tensor is not None and not tensor.is_floating_point():
            raise TypeError(f"{name} must be a floating-point tensor, got {tensor.dtype}")
        if tensor is not None and tensor.dtype != x.dtype:
            raise TypeError(f"{name} must have input's dtype {x.dtype}, got {tensor.dtype}")
    same_device(x, weight=w, bias=bias)
    axes = len(spatial_axes)
    if x.dim() not in (1 + axes, 2 + axes):
        shape = f"in_channels, {', '.join(spatial_axes)}"
        raise ValueError(f"input must have shape (N, {shape}) or ({shape}), got {tuple(x.shape)}")
    if w.dim() != 2 + axes:
        filter_axes = "F" if axes == 1 else "Fa, Fb"
        raise ValueError(f"weight must have shape ({filters}, {filter_axes}), got {tuple(w.shape)}")


def _check_bias(bias: Tensor | None, out_channels: int) -> None:
    if bias is not None and bias.shape != (out_channels,):
        raise ValueError(
            f"bias must have shape (out_channels,) = ({out_channels},), one number a filter, "
            f"got {tuple(bias.shape)}"
        )
