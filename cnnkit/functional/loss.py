"""Softmax and cross-entropy in one step, with the gradient p - y."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from cnnkit.functional.arguments import autocast_is_on, same_device

REDUCTIONS = ("none", "mean", "sum")


def cross_entropy(
    input: Float[Tensor, "..."],
    target: Shaped[Tensor, "..."],
    weight: Float[Tensor, "classes"] | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float | int = 0.0,
) -> Float[Tensor, "..."]:
    """The loss of a classifier, from its scores. Implements eq-cross-entropy, eq-softmax-gradient.

    ``L = sum over k of q_k (log(sum over j of e^(z_j)) - z_k)``, where q is 1 for the target class and 0 for
    the others. No softmax is computed on the way to the loss: a small probability would be rounded to 0, and
    0 has no logarithm.

    Args:
        input: the scores z (logits), shape (K,), (N, K) or (N, K, d1, ...).
        target: integer classes, shape (), (N,) or (N, d1, ...); or probabilities q, of the shape of input.
        weight: one factor a class, shape (K,).
        size_average: PyTorch's old name for a reduction: not supported.
        ignore_index: examples of this class count nothing (for integer classes only).
        reduce: PyTorch's old name for a reduction: not supported.
        reduction: ``"none"``, ``"sum"`` or ``"mean"``: the sum divided by the number of examples, for integer
            classes by the sum of their weights.
        label_smoothing: this part of each target, between 0 and 1, is spread evenly over all classes.

    Returns:
        One number; with ``reduction="none"`` one for each example, of the shape of integer targets.

    Raises:
        TypeError: input is not floating point, or an argument that is not supported is given.
        ValueError: shapes that do not match (both are shown), an unknown reduction, label_smoothing outside
            [0, 1], ignore_index with probabilities, or tensors on different devices.
        IndexError: a target is no class (checked on the CPU; a GPU would have to wait for the answer).
    """
    if size_average is not None or reduce is not None:
        raise TypeError("size_average and reduce are not supported, say reduction='none', 'mean' or 'sum'")
    _check(input, target, weight, ignore_index, reduction, label_smoothing)
    if autocast_is_on(input.device.type) and input.dtype != torch.float64:
        input = input.float()  # torch.autocast takes losses in 32 bits
    axis = 1 if input.dim() > 1 else 0
    K, dtype = input.shape[axis], input.dtype
    wide = torch.promote_types(dtype, torch.float32)  # 16 bits are too few to add up in
    w = None if weight is None else weight.to(wide).reshape(K, *(1,) * (input.dim() - axis - 1))

    if target.is_floating_point():
        dtype, wide = torch.promote_types(dtype, target.dtype), torch.promote_types(wide, target.dtype)
        q = target.to(wide)
        counted: Tensor | int = input.numel() // K
        somewhere = q.new_ones(())
    else:
        known = (target != ignore_index).unsqueeze(axis)
        classes = target.long().unsqueeze(axis) * known  # an ignored one may be no class: take 0
        somewhere = known.to(wide)
        try:
            q = torch.zeros_like(input, dtype=wide).scatter(axis, classes, somewhere)
        except RuntimeError as error:
            if "out of bounds" not in str(error):
                raise
            raise IndexError(f"target must hold classes 0 to {K - 1}: {error}") from None
        counted = (q if w is None else q * w).sum()
    if label_smoothing:
        q = (1 - label_smoothing) * q + label_smoothing / K * somewhere
    losses = _CrossEntropy.apply(input, q if w is None else q * w, axis)
    if not target.is_floating_point():
        losses = losses.masked_fill(target == ignore_index, 0)  # even where its scores are no numbers
    if reduction != "none":
        losses = losses.sum() / (counted if reduction == "mean" else 1)
    return losses.to(dtype)


class _CrossEntropy(torch.autograd.Function):
    """``sum over k of q_k (log(sum over j of e^(z_j)) - z_k)`` along one axis, in the precision of q."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, q: Tensor, axis: int) -> Tensor:
        surprise = _surprise(z.to(q.dtype), axis)
        return (q * surprise).masked_fill((q == 0) & surprise.isinf(), 0).sum(axis)  # 0 times infinity is 0

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        z, q, ctx.axis = inputs
        ctx.save_for_backward(z, q)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        z, q = ctx.saved_tensors
        delta = delta.unsqueeze(ctx.axis)
        surprise = _surprise(z.to(q.dtype), ctx.axis)
        p = torch.exp(-surprise)
        total = q.sum(ctx.axis, keepdim=True)  # 1, but for weights
        ignored = (q == 0).all(ctx.axis, keepdim=True)
        dz = (delta * (p * total - q)).masked_fill(ignored, 0)  # p - 1[k = t]
        return dz.to(z.dtype), delta * surprise if ctx.needs_input_grad[1] else None, None


def _surprise(z: Tensor, axis: int) -> Tensor:
    """-log p of each class; the largest score is subtracted first, so that no exponential overflows."""
    z = z - z.amax(axis, keepdim=True).detach()
    return z.exp().sum(axis, keepdim=True).log() - z


def _check(
    z: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> None:
    if not z.is_floating_point():
        raise TypeError(f"input must be a floating-point tensor, got {z.dtype}")
    same_device(z, target=target, weight=weight)
    if z.dim() == 0 or z.shape[min(1, z.dim() - 1)] == 0:
        raise ValueError(f"input must have shape (K,), (N, K) or (N, K, d1, ...), got {tuple(z.shape)}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1, got {label_smoothing}")
    K = z.shape[min(1, z.dim() - 1)]
    if weight is not None and weight.shape != (K,):
        raise ValueError(
            f"weight must have shape (K,) = ({K},), one number a class of input of shape {tuple(z.shape)}; "
            f"got {tuple(weight.shape)}"
        )
    if target.is_floating_point():
        if target.shape != z.shape:
            raise ValueError(
                f"target of probabilities must have the shape of input, {tuple(z.shape)}, "
                f"got {tuple(target.shape)}"
            )
        if ignore_index >= 0:
            raise ValueError(f"ignore_index={ignore_index} needs integer targets, got {target.dtype}")
        return
    expected = z.shape[:1] + z.shape[2:] if z.dim() > 1 else torch.Size()
    if target.shape != expected:
        raise ValueError(
            f"target of classes must have shape {tuple(expected)} for input of shape {tuple(z.shape)}, "
            f"got {tuple(target.shape)}"
        )
