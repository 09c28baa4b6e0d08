"""Dropout of nodes, of channels and of weights.

The lecture notes give the probability that a node is *kept*, PyTorch that it is *dropped*. Here p is
PyTorch's, in functions with PyTorch's names, and p_keep is the notes'.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.functional.arguments import autocast, same_device, sum_dtype
from cnnkit.functional.linear import linear


def dropout(
    input: Float[Tensor, "*shape"],
    p: float | int = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """PyTorch's form: drop each node with probability p in training. Implements eq-dropout.

    Those that stay are divided by 1 - p (inverted dropout). So the expected value is the input, and nothing
    is left to do at test time.

    Args:
        input: the outputs of a layer, of any shape.
        p: the probability of *dropping* a node, between 0 and 1.
        training: drop nodes; else return the input as it is.
        inplace: overwrite the input.
        generator: where the random numbers come from; by default, as PyTorch's, from the global one. On the
            CPU the same seed drops the same nodes as PyTorch does.

    Returns:
        The input with zeros in it, of the same shape and dtype.

    Raises:
        TypeError: input is not floating point.
        ValueError: p is outside [0, 1].
    """
    return _inverted(input, p, training, inplace, generator, input.shape)


def dropout1d(
    input: Float[Tensor, "*batch channels n"],
    p: float | int = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch channels n"]:
    """Drop whole channels of rows, as `dropout` drops nodes.

    Neighbours on a feature map say nearly the same: to drop one of them takes little away.

    Args:
        input: shape (N, C, L) or (C, L).
        p: the probability of dropping a channel.
        training: as in `dropout`.
        inplace: as in `dropout`.
        generator: as in `dropout`.

    Returns:
        The input with channels of zeros in it, of the same shape and dtype.

    Raises:
        TypeError: input is not floating point.
        ValueError: p is outside [0, 1], or input has another number of dimensions.
    """
    if input.dim() not in (2, 3):
        raise ValueError(f"input must have shape (N, C, L) or (C, L), got {tuple(input.shape)}")
    return _inverted(input, p, training, inplace, generator, (*input.shape[:-1], 1))


def dropout2d(
    input: Float[Tensor, "N channels height width"],
    p: float | int = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "N channels height width"]:
    """Drop whole channels of images, as `dropout` drops nodes.

    Args:
        input: shape (N, C, H, W). PyTorch takes three axes as (N, C, L), with a warning: use `dropout1d`.
        p: the probability of dropping a channel.
        training: as in `dropout`.
        inplace: as in `dropout`.
        generator: as in `dropout`.

    Returns:
        The input with channels of zeros in it, of the same shape and dtype.

    Raises:
        TypeError: input is not floating point.
        ValueError: p is outside [0, 1], or input has another number of dimensions.
    """
    if input.dim() != 4:
        raise ValueError(
            f"input must have shape (N, C, H, W), or use dropout1d for (N, C, L); got {tuple(input.shape)}"
        )
    return _inverted(input, p, training, inplace, generator, (*input.shape[:2], 1, 1))


def dropout_keep(
    y: Float[Tensor, "*shape"],
    p_keep: float | int,
    training: bool = True,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*shape"]:
    """The notes' form: keep each node with probability p. Implements eq-dropout.

    In training the next layer sees ``xi y``, with xi 1 with probability p and else 0. At test time it sees
    ``p y``, which is the same as weights scaled by p.

    Args:
        y: the outputs of a layer, of any shape.
        p_keep: p, the probability of *keeping* a node, between 0 and 1.
        training: drop nodes; else scale them.
        generator: where the random numbers come from; by default from the global one.

    Returns:
        What the next layer sees, of the same shape and dtype.

    Raises:
        TypeError: y is not floating point.
        ValueError: p_keep is outside [0, 1].
    """
    check_probability("p_keep", p_keep)
    _check_float("y", y)
    if not training:
        return y * p_keep
    return _Drop.apply(y, _present(y, p_keep, y.shape, generator), 1.0)


def dropconnect(
    input: Float[Tensor, "*batch in_features"],
    weight: Float[Tensor, "out_features in_features"],
    bias: Float[Tensor, "out_features"] | None = None,
    p_keep: float | int = 0.5,
    training: bool = True,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch out_features"]:
    """A linear layer that keeps each weight with probability p. Implements eq-dropconnect.

    ``eta_j = sum over i of xi_ij w_ij y_i + b_j`` in training, with a mask of its own for each example; at
    test time the mean, ``sum over i of p w_ij y_i + b_j``. The notes' form: nothing is divided by p.

    Args:
        input: y, shape (..., in_features).
        weight: shape (out_features, in_features); the notes' w_ij is ``weight[j, i]``.
        bias: shape (out_features,); it is always there.
        p_keep: p, the probability of *keeping* a weight, between 0 and 1.
        training: drop weights; else scale them.
        generator: where the random numbers come from; by default from the global one.

    Returns:
        The net input of the next layer, shape (..., out_features).

    Raises:
        TypeError: input is not floating point, or the tensors differ in dtype.
        ValueError: p_keep is outside [0, 1], shapes that do not match (both are shown), or tensors on
            different devices.
    """
    _check_dropconnect(input, weight, bias, p_keep)
    if not training:
        return linear(input, weight * p_keep, bias)
    y, w, b = autocast(input, weight, bias)
    for name, tensor in (("weight", w), ("bias", b)):
        if tensor is not None and tensor.dtype != y.dtype:
            raise TypeError(f"{name} must have input's dtype {y.dtype}, got {tensor.dtype}")
    rows = input.shape[:-1]
    examples = y.reshape(rows.numel(), y.shape[-1])
    present = _present(examples, p_keep, (len(examples), *w.shape), generator)
    eta = _DropConnect.apply(examples, w, present).reshape(*rows, len(w))
    return eta if b is None else eta + b


def dropconnect_moments(
    input: Float[Tensor, "*batch in_features"],
    weight: Float[Tensor, "out_features in_features"],
    bias: Float[Tensor, "out_features"] | None = None,
    p_keep: float | int = 0.5,
) -> tuple[Float[Tensor, "*batch out_features"], Float[Tensor, "*batch out_features"]]:
    """Mean and variance of `dropconnect`'s net input over all masks. Implements eq-dropconnect.

    ``E eta_j = sum over i of p w_ij y_i + b_j`` and ``Var eta_j = p (1 - p) sum over i of w_ij^2 y_i^2``. As
    a sum of many independent terms eta is nearly Gaussian, with these two numbers.

    Args:
        input: y, shape (..., in_features).
        weight: shape (out_features, in_features).
        bias: shape (out_features,).
        p_keep: p, the probability of *keeping* a weight, between 0 and 1.

    Returns:
        Mean and variance, both of shape (..., out_features).

    Raises:
        TypeError: input is not floating point, or the tensors differ in dtype.
        ValueError: as in `dropconnect`.

    Source:
        Wan et al. 2013, section 3.2.
    """
    mean = dropconnect(input, weight, bias, p_keep, training=False)
    return mean, p_keep * (1 - p_keep) * linear(input.square(), weight.square())


def check_probability(name: str, p: float | int) -> None:
    """Refuse what is no probability.

    Args:
        name: the argument's name, for the message.
        p: its value.

    Raises:
        ValueError: p is outside [0, 1], or NaN.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"{name} must be a probability between 0 and 1, got {p}")


class _Drop(torch.autograd.Function):
    """Multiply by mask and scale. What was dropped gets no error, and so its links are not updated."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, present: Tensor, scale: float | int) -> Tensor:
        return y * present * scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, present, ctx.scale = inputs
        ctx.save_for_backward(present)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        (present,) = ctx.saved_tensors
        return _Drop.apply(delta, present, ctx.scale), None, None


class _DropConnect(torch.autograd.Function):
    """``eta_nj = sum over i of xi_nji w_ji y_ni``, for y (N, in), w (out, in) and xi (N, out, in)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y: Tensor, w: Tensor, present: Tensor) -> Tensor:
        return ((w * present) @ y.unsqueeze(-1)).squeeze(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        y, w, present = ctx.saved_tensors
        to_y, to_w, _ = ctx.needs_input_grad
        dy = dw = None
        if to_y:
            dy = ((w * present).mT @ delta.unsqueeze(-1)).squeeze(-1)
        if to_w:
            updates = present * (
                delta.unsqueeze(-1) * y.unsqueeze(-2)
            )  # each example's own, of its own links
            dw = updates.sum(dim=0, dtype=sum_dtype(updates)).to(w.dtype)
        return dy, dw, None


def _inverted(
    x: Tensor,
    p: float | int,
    training: bool,
    inplace: bool,
    generator: torch.Generator | None,
    mask_shape: tuple[int, ...],
) -> Tensor:
    check_probability("p", p)
    _check_float("input", x)
    if not training or p == 0:
        return x
    present = _present(x, 1 - p, mask_shape, generator)
    scale = 1 / (1 - p) if p < 1 else 1.0  # where nothing is left there is nothing to scale
    return x.mul_(present).mul_(scale) if inplace else _Drop.apply(x, present, scale)


def _present(
    like: Tensor, p_keep: float | int, shape: tuple[int, ...], generator: torch.Generator | None
) -> Tensor:
    """xi: True with probability p_keep, independently."""
    if like.shape == shape:
        mask = torch.empty_like(like, dtype=torch.bool)  # filled in the order of memory, as PyTorch does
    else:
        mask = like.new_empty(shape, dtype=torch.bool)
    return mask.bernoulli_(p_keep, generator=generator)


def _check_float(name: str, x: Tensor) -> None:
    if not x.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor, got {x.dtype}")


def _check_dropconnect(y: Tensor, w: Tensor, b: Tensor | None, p_keep: float | int) -> None:
    check_probability("p_keep", p_keep)
    _check_float("input", y)
    same_device(y, weight=w, bias=b)
    if w.dim() != 2:
        raise ValueError(f"weight must have shape (out_features, in_features), got {tuple(w.shape)}")
    if y.dim() == 0 or y.shape[-1] != w.shape[1]:
        raise ValueError(
            f"weight of shape {tuple(w.shape)} takes in_features={w.shape[1]}, but input has shape "
            f"{tuple(y.shape)}"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(
            f"bias must have shape ({len(w)},), one number an output node of weight of shape "
            f"{tuple(w.shape)}; got {tuple(b.shape)}"
        )
