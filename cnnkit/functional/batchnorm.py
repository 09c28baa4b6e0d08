"""Batch normalisation, with its own backward pass.

Input and statistics are saved, x-hat is not: the backward pass computes it again from the input, and so it
can itself be differentiated, x-hat's dependence on the input included.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.functional.arguments import same_device, sum_dtype


def batch_norm(
    input: Float[Tensor, "N channels *space"],
    running_mean: Float[Tensor, "channels"] | None,
    running_var: Float[Tensor, "channels"] | None,
    weight: Float[Tensor, "channels"] | None = None,
    bias: Float[Tensor, "channels"] | None = None,
    training: bool = False,
    momentum: float | int = 0.1,
    eps: float | int = 1e-5,
) -> Float[Tensor, "N channels *space"]:
    """Normalise each channel, then scale and shift it. Implements eq-bn-normalise, eq-bn-affine.

    ``y = gamma (x - mu) / sqrt(sigma^2 + eps) + beta``. In training mu and sigma^2 are those of the batch,
    over all m = N H W nodes of the channel. At test time they are the running ones, and constants. Implements
    eq-bn-inference, eq-bn-dx, eq-bn-dgamma, eq-bn-dbeta.

    Args:
        input: shape (N, C), (N, C, L), (N, C, H, W) or with more axes, floating point.
        running_mean: shape (C,); in training it moves towards the batch's mean, in place. None: keep none.
        running_var: the same for the variance, which is stored *unbiased*, the sum divided by m - 1, although
            the batch is normalised with the biased one, divided by m.
        weight: gamma, shape (C,); None for 1.
        bias: beta, shape (C,); None for 0.
        training: normalise with the batch's own statistics.
        momentum: how far the running statistics move: ``(1 - momentum) * old + momentum * new``.
        eps: keeps the root away from 0.

    Returns:
        The normalised input, of the same shape and dtype.

    Raises:
        TypeError: input is not floating point, or another tensor has neither its dtype nor, for 16 bits,
            float32.
        ValueError: shapes that do not match (both are shown), a single value per channel in training, one
            running statistic without the other, none at test time, a bad eps, or tensors on different
            devices.
    """
    per_channel = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    _check(input, per_channel, training, eps)
    C, wide = input.shape[1], sum_dtype(input)
    gamma = input.new_ones(C, dtype=wide) if weight is None else weight
    beta = input.new_zeros(C, dtype=wide) if bias is None else bias
    if not training:
        return _Inference.apply(input, gamma, beta, running_mean, running_var, eps)
    y, mu, variance = _BatchNorm.apply(input, gamma, beta, eps)
    m = _values_per_channel(input)
    if running_mean is not None and running_var is not None and m > 0:
        with torch.no_grad():
            _move(running_mean, mu, momentum)
            _move(running_var, variance * (m / (m - 1)), momentum)
    return y


def batch_statistics(
    input: Float[Tensor, "N channels *space"],
) -> tuple[Float[Tensor, "channels"], Float[Tensor, "channels"]]:
    """Mean and biased variance of each channel. Implements eq-bn-statistics.

    The variance is the mean of the squared distances from the mean, in two passes: the mean of the squares
    less the square of the mean would lose its digits where the mean is large.

    Args:
        input: shape (N, C), (N, C, L), (N, C, H, W) or with more axes, floating point.

    Returns:
        mu and sigma^2, both of shape (C,); for 16-bit inputs in float32.

    Raises:
        TypeError: input is not floating point.
        ValueError: input has no channel axis.
    """
    _check_input(input)
    x = input.to(sum_dtype(input))
    mu = x.mean(_all_but_channels(x))
    return mu, (x - _over_space(mu, x)).square().mean(_all_but_channels(x))


class _BatchNorm(torch.autograd.Function):
    """Normalise with the batch's own statistics, and return them."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, gamma: Tensor, beta: Tensor, eps: float | int) -> tuple[Tensor, Tensor, Tensor]:
        mu, variance = batch_statistics(x)
        return _normalise(x, gamma, beta, mu, variance, eps), mu, variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, gamma, beta, ctx.eps = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(x, gamma, beta)

    @staticmethod
    def backward(ctx: Any, delta: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, gamma, beta = ctx.saved_tensors
        mu, variance = batch_statistics(x)
        g = delta.to(mu.dtype)
        s = (variance + ctx.eps).sqrt()
        x_hat = (x - _over_space(mu, x)) / _over_space(s, x)
        axes = _all_but_channels(x)
        dx = None
        if ctx.needs_input_grad[0]:
            # x_i moves mu and sigma as well: the two means are what that takes back. (All divided by m.)
            dx = g - g.mean(axes, keepdim=True) - x_hat * (g * x_hat).mean(axes, keepdim=True)
            dx = (_over_space(gamma / s, x) * dx).to(x.dtype)
        return dx, (g * x_hat).sum(axes).to(gamma.dtype), g.sum(axes).to(beta.dtype), None


class _Inference(torch.autograd.Function):
    """Normalise with given statistics: each node by itself."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, gamma: Tensor, beta: Tensor, mu: Tensor, variance: Tensor, eps: float | int
    ) -> Tensor:
        return _normalise(x, gamma, beta, mu, variance, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.eps = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        x, gamma, beta, mu, variance = ctx.saved_tensors
        wide = sum_dtype(x)
        g, s = delta.to(wide), (variance.to(wide) + ctx.eps).sqrt()
        x_hat = (x - _over_space(mu.to(wide), x)) / _over_space(s, x)
        axes = _all_but_channels(x)
        dx = (_over_space(gamma / s, x) * g).to(x.dtype)
        return dx, (g * x_hat).sum(axes).to(gamma.dtype), g.sum(axes).to(beta.dtype), None, None, None


def _normalise(
    x: Tensor, gamma: Tensor, beta: Tensor, mu: Tensor, variance: Tensor, eps: float | int
) -> Tensor:
    """``gamma (x - mu) / s + beta``, computed in float32 at least."""
    wide = sum_dtype(x)
    scale = gamma.to(wide) / (variance.to(wide) + eps).sqrt()
    centred = x - _over_space(mu.to(wide), x)  # first: where mu is large, scale x and shift differ by little
    return torch.addcmul(_over_space(beta.to(wide), x), centred, _over_space(scale, x)).to(x.dtype)


def _move(running: Tensor, new: Tensor, momentum: float | int) -> None:
    running.copy_((1 - momentum) * running.to(new.dtype) + momentum * new)


def _values_per_channel(x: Tensor) -> int:
    return x.shape[0] * math.prod(x.shape[2:])


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]


def _over_space(per_channel: Tensor, x: Tensor) -> Tensor:
    """Lay one number a channel along axis 1 of x, to be broadcast over the others."""
    return per_channel.reshape(-1, *(1,) * (x.dim() - 2))


def _check_input(x: Tensor) -> None:
    if x.dim() < 2:
        raise ValueError(
            f"input must have shape (N, C), (N, C, L), (N, C, H, W) or more axes, got {tuple(x.shape)}"
        )
    if not x.is_floating_point():
        raise TypeError(f"input must be a floating-point tensor, got {x.dtype}")


def _check(x: Tensor, per_channel: dict[str, Tensor | None], training: bool, eps: float | int) -> None:
    _check_input(x)
    same_device(x, **per_channel)
    C = x.shape[1]
    for name, tensor in per_channel.items():
        if tensor is None:
            continue
        if tensor.shape != (C,):
            raise ValueError(
                f"{name} must have shape ({C},), one number a channel of input of shape {tuple(x.shape)}; "
                f"got {tuple(tensor.shape)}"
            )
        if tensor.dtype not in (x.dtype, sum_dtype(x)):
            either = "" if sum_dtype(x) == x.dtype else f" or {sum_dtype(x)}"
            raise TypeError(f"{name} must have input's dtype {x.dtype}{either}, got {tensor.dtype}")
    given = [per_channel[name] is not None for name in ("running_mean", "running_var")]
    if any(given) and not all(given):
        raise ValueError("running_mean and running_var must both be given, or neither")
    if not training and not all(given):
        raise ValueError("running_mean and running_var must be given at test time (training=False)")
    if training and _values_per_channel(x) == 1:
        raise ValueError(
            "input must have more than 1 value per channel in training, or the variance is always 0; got "
            f"shape {tuple(x.shape)}"
        )
    if eps < 0 or (training and eps == 0):
        above = "positive in training" if training else "at least 0"
        raise ValueError(f"eps must be {above}, got {eps}")
