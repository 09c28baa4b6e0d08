"""Convolution, one number at a time.

Like the lecture notes and like PyTorch, these functions do not flip the filter: in signal processing
the operation is called cross-correlation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.shapes import check_integer, output_size, transposed_size

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
    w: Float[Tensor, "out_channels group_channels F"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    f: Activation = identity,
) -> Float[Tensor, "out_channels n_out"]:
    """Several filters over several rows, with stride and padding. Implements eq-conv1d-multi, eq-size.

    ``y'[m, i] = f(b[m] + sum over m' and k = 0..F-1 of w[m, m', k] y[m', i S + k d - P])``, where y is 0
    outside its rows and d is the dilation, 1 in the notes. With S = 1 and P = q = (F - 1) / 2 these are the
    notes' centred offsets -q..q. With G groups the sum is over the M'/G rows of filter m's own group.

    Args:
        y: the layer, shape (M', n): filter (or channel), position.
        w: the weights, shape (M, M'/G, F), as PyTorch stores them; the notes' weight with offset k is
            ``w[m, m', q + k]``.
        bias: one number a filter, shape (M,).
        stride: S, at least 1.
        padding: P, zeros on each side, at least 0.
        dilation: d, distance between neighbouring taps of the filter, at least 1.
        groups: G; rows and filters fall into G equal parts, and each filter sees the rows of its part only.
        f: the activation, applied to all net inputs at once.

    Returns:
        The next layer, shape (M, n'); n' is rounded down where (n' - 1) S + F = n + 2 P has no integer
        solution, as PyTorch does (a dilated filter spans (F - 1) d + 1 nodes, which stands for F there).

    Raises:
        TypeError: stride, padding, dilation or groups is not an integer.
        ValueError: shapes that do not match (both are shown), groups that do not divide both numbers of
            channels, or sizes that `cnnkit.shapes.output_size` refuses.
    """
    _check_conv(y, w, bias, groups, spatial_axes=("n",))
    M, M_in, F = w.shape
    n_out = output_size(y.shape[1], F, stride, padding, dilation, floor=True)
    padded = _pad(y, padding)
    eta = y.new_zeros(M, n_out)
    for m in range(M):
        first = m // (M // groups) * M_in  # of the M_in rows that filter m sees
        for i in range(n_out):
            for m_in in range(M_in):
                for k in range(F):
                    eta[m, i] += w[m, m_in, k] * padded[first + m_in, i * stride + k * dilation]
            if bias is not None:
                eta[m, i] += bias[m]
    return f(eta)


def conv1d_backward(
    delta: Float[Tensor, "out_channels n_out"],
    y: Float[Tensor, "in_channels n"],
    w: Float[Tensor, "out_channels group_channels F"],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[
    Float[Tensor, "in_channels n"],
    Float[Tensor, "out_channels group_channels F"],
    Float[Tensor, "out_channels"],
]:
    """What `conv1d` sends back: the sum of all updates of a shared weight. Implements eq-shared-gradient.

    ``dL/dw_k = sum over i of delta_i y_{i+k}`` for one filter on one row, where ``delta_i = dL/d eta_i``. The
    loops are those of `conv1d`: each product w y that it added to the net input ``eta[m, i]`` sends
    ``delta[m, i] y`` to its weight and ``delta[m, i] w`` to its node. A weight is in one product for each
    place i, a node in one for each window that holds it, and what arrives is added up:

    - ``dL/dw[m, m', k] = sum over i of delta[m, i] y[m', i S + k d - P]``,
    - ``dL/dy[m', u] = sum over m and all pairs (i, k) with i S + k d - P = u of delta[m, i] w[m, m', k]``,
    - ``dL/db[m] = sum over i of delta[m, i]``,

    where filter m and row m' are of the same group, and the m' of ``w[m, m', k]`` counts the rows within it.
    What is sent to the padding is dropped.

    Args:
        delta: dL/d eta, shape (M, n'). It is the gradient with respect to the *net input*: where the layer
            has an activation, multiply by its derivative first.
        y: the layer that `conv1d` was given, shape (M', n).
        w: the weights that it was given, shape (M, M'/G, F).
        stride: S, as in the forward pass.
        padding: P, as in the forward pass.
        dilation: d, as in the forward pass.
        groups: G, as in the forward pass.

    Returns:
        ``(dy, dw, db)``, the gradients with respect to y, w and the bias, with their shapes.

    Raises:
        TypeError: stride, padding, dilation or groups is not an integer.
        ValueError: delta has not the shape of the output, or what `conv1d` refuses.
    """
    _check_conv(y, w, None, groups, spatial_axes=("n",))
    M, M_in, F = w.shape
    n, n_out = y.shape[1], output_size(y.shape[1], F, stride, padding, dilation, floor=True)
    _check_delta(delta, (M, n_out))
    padded = _pad(y, padding)  # node p of padded is node p - P of y
    d_padded, dw, db = torch.zeros_like(padded), torch.zeros_like(w), w.new_zeros(M)
    for m in range(M):
        first = m // (M // groups) * M_in  # of the M_in rows that filter m sees
        for i in range(n_out):
            for m_in in range(M_in):
                for k in range(F):
                    p = i * stride + k * dilation
                    dw[m, m_in, k] += delta[m, i] * padded[first + m_in, p]
                    d_padded[first + m_in, p] += delta[m, i] * w[m, m_in, k]
            db[m] += delta[m, i]
    return d_padded[:, padding : padding + n], dw, db


def conv2d_centred(
    y: Float[Tensor, "in_channels height width"],
    w: Float[Tensor, "out_channels in_channels F F"],
    f: Activation = identity,
) -> Float[Tensor, "out_channels height width"]:
    """Square filters over a volume, centred offsets: the notes' convolutional layer. Implements eq-conv2d.

    ``y'_r(i, j) = f(sum over c and a, b = -q..q of y_c(i + a, j + b) W_r(a, b; c))``, where y is 0
    outside the image.

    Args:
        y: the layer, shape (C, H, W): filter (or channel), row, column.
        w: the weights, shape (R, C, F, F) with F = 2q + 1; the notes' W_r(a, b; c) is
            ``w[r, c, q + a, q + b]``.
        f: the activation, applied to all net inputs at once; the notes take `relu`.

    Returns:
        The next layer, shape (R, H, W).

    Raises:
        ValueError: shapes that do not match (both are shown), the filters are not square, or F is even, so
            that no tap is the middle one.
    """
    _check_conv(y, w, None, groups=1, spatial_axes=("height", "width"))
    _check_centred(w)
    R, C, F, _ = w.shape
    _, height, width = y.shape
    q = (F - 1) // 2
    padded = _pad(_pad(y, q).mT, q).mT  # node (i, j) of y is node (i + q, j + q) of padded
    eta = y.new_zeros(R, height, width)
    for r in range(R):
        for i in range(height):
            for j in range(width):
                for c in range(C):
                    for a in range(-q, q + 1):
                        for b in range(-q, q + 1):
                            eta[r, i, j] += padded[c, i + a + q, j + b + q] * w[r, c, q + a, q + b]
    return f(eta)


def conv2d(
    y: Float[Tensor, "in_channels height width"],
    w: Float[Tensor, "out_channels group_channels Fa Fb"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
    f: Activation = identity,
) -> Float[Tensor, "out_channels height_out width_out"]:
    """Several filters over an image or a volume. Implements eq-conv2d-valid.

    ``y'[r, i, j] = f(b[r] + sum over c and a, b = 0..F-1 of w[r, c, a, b] y[c, u, v])`` with
    ``u = i S + a d - P`` and ``v = j S + b d - P``, where y is 0 outside the image and d is the dilation, 1
    in the notes. With G groups the sum is over the C/G channels of filter r's own group.

    Args:
        y: the layer, shape (C, H, W): filter (or channel), row, column.
        w: the weights, shape (R, C/G, Fa, Fb), as PyTorch stores them; in the notes Fa = Fb = F.
        bias: one number a filter, shape (R,).
        stride: S, at least 1, for rows and columns alike.
        padding: P, zeros on each of the four sides, at least 0.
        dilation: d, distance between neighbouring taps of the filter, for rows and columns alike, at least 1.
        groups: G; channels and filters fall into G equal parts, and each filter sees the channels of its part
            only.
        f: the activation, applied to all net inputs at once.

    Returns:
        The next layer, shape (R, H', W'), sizes rounded down as PyTorch does.

    Raises:
        TypeError: stride, padding, dilation or groups is not an integer.
        ValueError: shapes that do not match (both are shown), groups that do not divide both numbers of
            channels, or sizes that `cnnkit.shapes.output_size` refuses.
    """
    _check_conv(y, w, bias, groups, spatial_axes=("height", "width"))
    R, C, Fa, Fb = w.shape
    height = output_size(y.shape[1], Fa, stride, padding, dilation, floor=True)
    width = output_size(y.shape[2], Fb, stride, padding, dilation, floor=True)
    padded = _pad(_pad(y, padding).mT, padding).mT
    eta = y.new_zeros(R, height, width)
    for r in range(R):
        first = r // (R // groups) * C  # of the C channels that filter r sees
        for i in range(height):
            for j in range(width):
                for c in range(C):
                    for a in range(Fa):
                        for b in range(Fb):
                            u, v = i * stride + a * dilation, j * stride + b * dilation
                            eta[r, i, j] += w[r, c, a, b] * padded[first + c, u, v]
                if bias is not None:
                    eta[r, i, j] += bias[r]
    return f(eta)


def conv1x1(
    y: Float[Tensor, "in_channels height width"], w: Float[Tensor, "out_channels in_channels"]
) -> Float[Tensor, "out_channels height width"]:
    """Filters of one node: at each place the channels are mixed, by the same weights. Implements eq-conv1x1.

    ``y'_r(i, j) = sum over c of y_c(i, j) W_r(c)``: a fully connected layer over the channels, applied at
    every place (i, j). It is `conv2d` with F = 1.

    Args:
        y: the layer, shape (C, H, W): filter (or channel), row, column.
        w: the weights, shape (R, C); the notes' W_r(c) is ``w[r, c]``.

    Returns:
        The next layer, shape (R, H, W).

    Raises:
        TypeError: a tensor is not of a floating-point type, or the two are not of the same.
        ValueError: shapes that do not match (both are shown).
    """
    if w.dim() != 2:
        raise ValueError(f"w must have shape (out_channels, in_channels), got {tuple(w.shape)}")
    _check_conv(y, w[:, :, None, None], None, groups=1, spatial_axes=("height", "width"))
    R, C = w.shape
    _, height, width = y.shape
    eta = y.new_zeros(R, height, width)
    for r in range(R):
        for i in range(height):
            for j in range(width):
                for c in range(C):
                    eta[r, i, j] += y[c, i, j] * w[r, c]
    return eta


def conv2d_backward(
    delta: Float[Tensor, "out_channels height_out width_out"],
    y: Float[Tensor, "in_channels height width"],
    w: Float[Tensor, "out_channels group_channels Fa Fb"],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[
    Float[Tensor, "in_channels height width"],
    Float[Tensor, "out_channels group_channels Fa Fb"],
    Float[Tensor, "out_channels"],
]:
    """What `conv2d` sends back to input, weights, bias. Implements eq-conv-dx, eq-conv-dw, eq-conv-db.

    The loops are those of `conv2d`: each product w y that it added to the net input ``eta[r, i, j]`` sends
    ``delta[r, i, j] y`` to its weight and ``delta[r, i, j] w`` to its node, where ``delta = dL/d eta``. What
    arrives is added up. With S = d = 1 and P = 0 that gives

    - ``dL/dw[r, c, a, b] = sum over i, j of delta[r, i, j] y[c, i + a, j + b]``,
    - ``dL/dy[c, u, v] = sum over r, a, b of delta[r, u - a, v - b] w[r, c, a, b]``, delta being 0 outside:
      the minus signs flip the filter,
    - ``dL/db[r] = sum over i, j of delta[r, i, j]``.

    In general ``y[c, i S + a d - P, j S + b d - P]`` takes the place of ``y[c, i + a, j + b]`` in the first,
    and the second sums ``delta[r, i, j] w[r, c, a, b]`` over all i, j, a, b with ``i S + a d - P = u`` and
    ``j S + b d - P = v``: the windows that hold the node. With groups, filter r and channel c are of the same
    group, and the c of ``w[r, c, a, b]`` counts the channels within it. What is sent to the padding is
    dropped.

    Args:
        delta: dL/d eta, shape (R, H', W'). It is the gradient with respect to the *net input*: where the
            layer has an activation, multiply by its derivative first.
        y: the layer that `conv2d` was given, shape (C, H, W).
        w: the weights that it was given, shape (R, C/G, Fa, Fb).
        stride: S, as in the forward pass.
        padding: P, as in the forward pass.
        dilation: d, as in the forward pass.
        groups: G, as in the forward pass.

    Returns:
        ``(dy, dw, db)``, the gradients with respect to y, w and the bias, with their shapes.

    Raises:
        TypeError: stride, padding, dilation or groups is not an integer.
        ValueError: delta has not the shape of the output, or what `conv2d` refuses.
    """
    _check_conv(y, w, None, groups, spatial_axes=("height", "width"))
    R, C, Fa, Fb = w.shape
    _, H, W = y.shape
    height = output_size(H, Fa, stride, padding, dilation, floor=True)
    width = output_size(W, Fb, stride, padding, dilation, floor=True)
    _check_delta(delta, (R, height, width))
    padded = _pad(_pad(y, padding).mT, padding).mT  # node (u, v) of padded is node (u - P, v - P) of y
    d_padded, dw, db = torch.zeros_like(padded), torch.zeros_like(w), w.new_zeros(R)
    for r in range(R):
        first = r // (R // groups) * C  # of the C channels that filter r sees
        for i in range(height):
            for j in range(width):
                for c in range(C):
                    for a in range(Fa):
                        for b in range(Fb):
                            u, v = i * stride + a * dilation, j * stride + b * dilation
                            dw[r, c, a, b] += delta[r, i, j] * padded[first + c, u, v]
                            d_padded[first + c, u, v] += delta[r, i, j] * w[r, c, a, b]
                db[r] += delta[r, i, j]
    return d_padded[:, padding : padding + H, padding : padding + W], dw, db


def conv_transpose2d(
    y: Float[Tensor, "in_channels height width"],
    w: Float[Tensor, "in_channels group_filters Fa Fb"],
    bias: Float[Tensor, "out_channels"] | None = None,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
    f: Activation = identity,
) -> Float[Tensor, "out_channels height_out width_out"]:
    """The way back of a convolution as a layer: what was a window's output writes into the window.

    Every node (i, j) of every input channel adds its multiple of a filter to the window of outputs that it
    would have been computed from, had a convolution gone the other way:

    ``y'[r, u, v] = f(b[r] + sum over c and all i, j, a, b with i S + a d - P = u and j S + b d - P = v of
    w[c, r, a, b] y[c, i, j])``.

    That is eq-conv-dx as a forward pass: ``conv_transpose2d(delta, w)`` is the gradient with respect to its
    input that `conv2d` with the same weights sends back. It is not the inverse of a convolution: the sizes
    are undone, the numbers are not.

    Args:
        y: the layer, shape (C, H, W): channel, row, column.
        w: the weights, shape (C, R/G, Fa, Fb), as PyTorch stores them: those of a `conv2d` from R channels to
            C filters.
        bias: one number a filter, shape (R,).
        stride: S, the distance of neighbouring windows, at least 1.
        padding: P, what is cut off on each of the four sides, at least 0.
        output_padding: rows below and columns on the right that no window has to reach; below S or d.
        groups: G; channels and filters fall into G equal parts, and each channel adds to the filters of its
            part only.
        dilation: d, distance between neighbouring taps of the filter, at least 1.
        f: the activation, applied to all net inputs at once.

    Returns:
        The next layer, shape (R, H', W'), with the sizes of `cnnkit.shapes.transposed_size`.

    Raises:
        TypeError: a size is not an integer, or the tensors are not floating point or differ in dtype.
        ValueError: shapes that do not match (both are shown), groups that do not divide the number of
            channels, or sizes that `cnnkit.shapes.transposed_size` refuses.

    Source:
        Dumoulin and Visin 2016, chapter 4.
    """
    _check_conv_transpose(y, w, bias, groups)
    C, R, Fa, Fb = w.shape
    _, H, W = y.shape
    height = transposed_size(H, Fa, stride, padding, output_padding, dilation)
    width = transposed_size(W, Fb, stride, padding, output_padding, dilation)
    padded = y.new_zeros(R * groups, height + 2 * padding, width + 2 * padding)
    for c in range(C):
        first = c // (C // groups) * R  # of the R filters that channel c adds to
        for i in range(H):
            for j in range(W):
                for r in range(R):
                    for a in range(Fa):
                        for b in range(Fb):
                            u, v = i * stride + a * dilation, j * stride + b * dilation
                            padded[first + r, u, v] += w[c, r, a, b] * y[c, i, j]
    eta = padded[:, padding : padding + height, padding : padding + width]
    if bias is not None:
        for r in range(R * groups):
            eta[r] += bias[r]
    return f(eta)


def conv_transpose2d_backward(
    delta: Float[Tensor, "out_channels height_out width_out"],
    y: Float[Tensor, "in_channels height width"],
    w: Float[Tensor, "in_channels group_filters Fa Fb"],
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> tuple[
    Float[Tensor, "in_channels height width"],
    Float[Tensor, "in_channels group_filters Fa Fb"],
    Float[Tensor, "out_channels"],
]:
    """What `conv_transpose2d` sends back to input, weights and bias.

    The loops are those of `conv_transpose2d`: each product w y that it added to the net input
    ``eta[r, u, v]`` sends ``delta[r, u, v] y`` to its weight and ``delta[r, u, v] w`` to its node, where
    ``delta = dL/d eta``. What arrives is added up; from what was cut off comes nothing. So dy is a
    convolution, `conv2d` of delta with the same weights: the way back of the way back.

    Args:
        delta: dL/d eta, shape (R, H', W'). It is the gradient with respect to the *net input*: where the
            layer has an activation, multiply by its derivative first.
        y: the layer that `conv_transpose2d` was given, shape (C, H, W).
        w: the weights that it was given, shape (C, R/G, Fa, Fb).
        stride: S, as in the forward pass.
        padding: P, as in the forward pass.
        output_padding: as in the forward pass.
        groups: G, as in the forward pass.
        dilation: d, as in the forward pass.

    Returns:
        ``(dy, dw, db)``, the gradients with respect to y, w and the bias, with their shapes.

    Raises:
        TypeError: a size is not an integer, or the tensors are not floating point or differ in dtype.
        ValueError: delta has not the shape of the output, or what `conv_transpose2d` refuses.
    """
    _check_conv_transpose(y, w, None, groups)
    C, R, Fa, Fb = w.shape
    _, H, W = y.shape
    height = transposed_size(H, Fa, stride, padding, output_padding, dilation)
    width = transposed_size(W, Fb, stride, padding, output_padding, dilation)
    _check_delta(delta, (R * groups, height, width))
    padded = _pad(_pad(delta, padding).mT, padding).mT
    dy, dw, db = torch.zeros_like(y), torch.zeros_like(w), w.new_zeros(R * groups)
    for c in range(C):
        first = c // (C // groups) * R  # of the R filters that channel c adds to
        for i in range(H):
            for j in range(W):
                for r in range(R):
                    for a in range(Fa):
                        for b in range(Fb):
                            u, v = i * stride + a * dilation, j * stride + b * dilation
                            dw[c, r, a, b] += padded[first + r, u, v] * y[c, i, j]
                            dy[c, i, j] += padded[first + r, u, v] * w[c, r, a, b]
    for r in range(R * groups):
        for u in range(height):
            for v in range(width):
                db[r] += delta[r, u, v]
    return dy, dw, db


def relu(y: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The rectified layer, ``max{0, y}`` of each number. Implements eq-conv2d-relu.

    The derivative is 1 above 0 and 0 below; at 0, where there is none, it is 0, as in PyTorch.
    """
    return torch.where(y <= 0, 0.0, y)


def vectorise(y: Float[Tensor, "channels height width"]) -> Float[Tensor, "nodes"]:
    """A volume as one vector, for the first fully connected layer. Implements eq-vectorise.

    Node (i, j) of filter r becomes node ``u = (r H + i) W + j`` of the vector, for the notes' square images
    ``u = (r n + i) n + j``: filter by filter, row by row.

    Args:
        y: the last volume, shape (C, H, W): filter, row, column.

    Returns:
        The same numbers, shape (C H W,); the order is that of `torch.flatten`.

    Raises:
        ValueError: y has another number of dimensions.
    """
    if y.dim() != 3:
        raise ValueError(f"y must have shape (channels, height, width), got {tuple(y.shape)}")
    C, H, W = y.shape
    vector = y.new_zeros(C * H * W)
    for r in range(C):
        for i in range(H):
            for j in range(W):
                vector[(r * H + i) * W + j] = y[r, i, j]
    return vector


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
    _check_dtypes(y, w)


def _check_conv(
    y: Tensor, w: Tensor, bias: Tensor | None, groups: int, spatial_axes: tuple[str, ...]
) -> None:
    if y.dim() != 1 + len(spatial_axes):
        raise ValueError(f"y must have shape (in_channels, {', '.join(spatial_axes)}), got {tuple(y.shape)}")
    if w.dim() != 2 + len(spatial_axes):
        filter_axes = "F" if len(spatial_axes) == 1 else "Fa, Fb"
        raise ValueError(
            f"w must have shape (out_channels, in_channels / groups, {filter_axes}), got {tuple(w.shape)}"
        )
    groups = check_integer("groups", groups)
    for name, channels in (("in_channels", y.shape[0]), ("out_channels", w.shape[0])):
        if channels % groups:
            raise ValueError(
                f"groups={groups} must divide {name}={channels}; y has shape {tuple(y.shape)}, "
                f"w {tuple(w.shape)}"
            )
    if w.shape[1] * groups != y.shape[0]:
        grouped = f" with groups={groups}" if groups > 1 else ""
        raise ValueError(
            f"w of shape {tuple(w.shape)}{grouped} takes in_channels={w.shape[1] * groups}, but y of shape "
            f"{tuple(y.shape)} has {y.shape[0]}"
        )
    if bias is not None and bias.shape != w.shape[:1]:
        raise ValueError(
            f"bias must have shape (out_channels,) = ({w.shape[0]},), one number a filter, "
            f"got {tuple(bias.shape)}"
        )
    _check_dtypes(y, w, bias)


def _check_conv_transpose(y: Tensor, w: Tensor, bias: Tensor | None, groups: int) -> None:
    if y.dim() != 3:
        raise ValueError(f"y must have shape (in_channels, height, width), got {tuple(y.shape)}")
    if w.dim() != 4:
        raise ValueError(
            f"w must have shape (in_channels, out_channels / groups, Fa, Fb), got {tuple(w.shape)}"
        )
    if w.shape[0] != y.shape[0]:
        raise ValueError(
            f"w of shape {tuple(w.shape)} takes in_channels={w.shape[0]}, but y of shape {tuple(y.shape)} "
            f"has {y.shape[0]}"
        )
    groups = check_integer("groups", groups)
    if w.shape[0] % groups:
        raise ValueError(f"groups={groups} must divide in_channels={w.shape[0]} of w {tuple(w.shape)}")
    if bias is not None and bias.shape != (w.shape[1] * groups,):
        raise ValueError(
            f"bias must have shape (out_channels,) = ({w.shape[1] * groups},), one number a filter, "
            f"got {tuple(bias.shape)}"
        )
    _check_dtypes(y, w, bias)


def _check_dtypes(y: Tensor, w: Tensor, bias: Tensor | None = None) -> None:
    if not y.is_floating_point():
        raise TypeError(f"y must be a floating-point tensor, got {y.dtype}")
    for name, tensor in (("w", w), ("bias", bias)):
        if tensor is not None and tensor.dtype != y.dtype:
            raise TypeError(f"{name} must have y's dtype {y.dtype}, got {tensor.dtype}")


def _check_centred(w: Tensor) -> None:
    if w.shape[2] != w.shape[3] or w.shape[2] % 2 == 0:
        raise ValueError(
            "w must have shape (out_channels, in_channels, F, F) with an odd F = 2q + 1 to be centred; "
            f"got {tuple(w.shape)}"
        )


def _check_delta(delta: Tensor, shape: tuple[int, ...]) -> None:
    if delta.shape != shape:
        raise ValueError(f"delta must have the shape of the output, {shape}, got {tuple(delta.shape)}")
