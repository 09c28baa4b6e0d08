"""The fully connected layer: one matrix product forward, two backward."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.functional.arguments import autocast, same_device


def linear(
    input: Float[Tensor, "*batch in_features"],
    weight: Float[Tensor, "*out_features in_features"],
    bias: Float[Tensor, "*out_features"] | None = None,
) -> Float[Tensor, "*batch *out_features"]:
    """Every output node sees every input node: ``y = x W^T + b``.

    Args:
        input: shape (..., in_features), with any number of leading axes.
        weight: shape (out_features, in_features); or (in_features,), a single output node without axis.
        bias: shape (out_features,), or () for a single output node.

    Returns:
        The net input of the next layer, shape (..., out_features).

    Raises:
        TypeError: input is not floating point, or the tensors differ in dtype.
        ValueError: shapes that do not match (both are shown), or tensors on different devices.
    """
    if not input.is_floating_point():
        raise TypeError(f"input must be a floating-point tensor, got {input.dtype}")
    same_device(input, weight=weight, bias=bias)
    if weight.dim() not in (1, 2):
        raise ValueError(
            f"weight must have shape (out_features, in_features) or (in_features,), got {tuple(weight.shape)}"
        )
    if input.dim() == 0 or input.shape[-1] != weight.shape[-1]:
        has = f"has {input.shape[-1]}" if input.dim() else "has no axis"
        raise ValueError(
            f"weight of shape {tuple(weight.shape)} takes in_features={weight.shape[-1]}, but input of shape "
            f"{tuple(input.shape)} {has}"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise ValueError(
            f"bias must have shape {tuple(weight.shape[:-1])}, one number an output node of weight of shape "
            f"{tuple(weight.shape)}; got {tuple(bias.shape)}"
        )
    x, w, b = autocast(input, weight, bias)
    if x.dtype != w.dtype or (b is not None and b.dtype != w.dtype):
        given = f"input of {x.dtype} and weight of {w.dtype}" + (
            "" if b is None else f" and bias of {b.dtype}"
        )
        raise TypeError(f"{given} must have one dtype")
    rows, nodes = input.shape[:-1], weight.shape[:-1]
    y = _Linear.apply(
        x.reshape(rows.numel(), x.shape[-1]),
        w.reshape(nodes.numel(), w.shape[-1]),
        None if b is None else b.reshape(nodes.numel()),
    )
    return y.reshape(rows + nodes)


class _Linear(torch.autograd.Function):
    """``y = x W^T + b`` for x of shape (N, in), W (out, in) and b (out,)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        return x @ w.mT if b is None else torch.addmm(b, x, w.mT)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, w, _ = inputs
        ctx.save_for_backward(x, w)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        to_x, to_w, to_b = ctx.needs_input_grad
        return (
            delta @ w if to_x else None,  # an input node: what its outputs were wrong by, times their weights
            delta.mT @ x if to_w else None,  # a weight is shared by all examples: the sum of all updates
            delta.sum(dim=0) if to_b else None,
        )
