"""Batch normalisation of one component, one number at a time.

The lecture notes normalise every component of a vector by itself, and so their equations are for numbers:
x_1, ..., x_m is what one node is given by a mini-batch; on a feature map, what one channel is given, at all
places of all images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

Number = float | int | Float[Tensor, ""]


def composition(
    x: Any, theta_1: Any, theta_2: Any, F_1: Callable[[Any, Any], Any], F_2: Callable[[Any, Any], Any]
) -> Any:
    """Two layers, one after the other. Implements eq-composition.

    ``y = F_2(F_1(x, theta_1), theta_2)``: while the first layer learns theta_1, what the second one is given
    moves, although x does not.

    Args:
        x: the input.
        theta_1: parameters of the first layer.
        theta_2: parameters of the second layer.
        F_1: the first layer, a function of its input and its parameters.
        F_2: the second layer.

    Returns:
        The output of the second layer.
    """
    return F_2(F_1(x, theta_1), theta_2)


def normalise_training_set(
    x: Float[Tensor, "m"], S: Float[Tensor, "examples"], eps: Number = 0.0
) -> Float[Tensor, "m"]:
    """Normalise with the statistics of the whole training set. Implements eq-normalise-training-set.

    Inside a network S is what a layer makes of *all* examples: each step on a mini-batch would have to
    compute them all, and to send its error back to all of them.

    Args:
        x: the numbers to normalise.
        S: the same component of every training example.
        eps: keeps the root away from 0.

    Returns:
        x less the mean of S, divided by its standard deviation.

    Raises:
        ValueError: x or S is not a row of at least one number, or S is constant and eps is 0.
    """
    return normalise(x, *batch_statistics(S), eps)


def batch_statistics(x: Float[Tensor, "m"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean and variance of a mini-batch. Implements eq-bn-statistics.

    ``mu = 1/m sum over i of x_i`` and ``sigma^2 = 1/m sum over i of (x_i - mu)^2``.

    Args:
        x: one component of the mini-batch, shape (m,).

    Returns:
        mu and sigma^2, which is biased, as it is divided by m.

    Raises:
        ValueError: x is not a row of at least one number.
    """
    m = _check_row("x", x)
    mu, variance = x.new_zeros(()), x.new_zeros(())
    for i in range(m):
        mu += x[i] / m
    for i in range(m):
        variance += (x[i] - mu) ** 2 / m
    return mu, variance


def normalise(x: Float[Tensor, "m"], mu: Number, variance: Number, eps: Number = 1e-5) -> Float[Tensor, "m"]:
    """To mean 0 and variance 1. Implements eq-bn-normalise.

    ``x~_i = (x_i - mu) / sqrt(sigma^2 + eps)``. The variance that comes out is sigma^2 / (sigma^2 + eps): a
    little below 1.

    Args:
        x: one component of the mini-batch, shape (m,).
        mu: its mean.
        variance: its variance sigma^2.
        eps: keeps the root away from 0.

    Returns:
        x~, shape (m,).

    Raises:
        ValueError: x is not a row of at least one number, or sigma^2 + eps is not above 0.
    """
    m, s = _check_row("x", x), _root(variance, eps)
    normalised = torch.zeros_like(x)
    for i in range(m):
        normalised[i] = (x[i] - mu) / s
    return normalised


def affine(x_normalised: Float[Tensor, "m"], gamma: Number, beta: Number) -> Float[Tensor, "m"]:
    """Scale and shift. Implements eq-bn-affine.

    ``y_i = gamma x~_i + beta``.

    Args:
        x_normalised: x~, shape (m,).
        gamma: the standard deviation of what comes out.
        beta: its mean.

    Returns:
        y, shape (m,).

    Raises:
        ValueError: x_normalised is not a row of at least one number.
    """
    m = _check_row("x_normalised", x_normalised)
    y = torch.zeros_like(x_normalised)
    for i in range(m):
        y[i] = gamma * x_normalised[i] + beta
    return y


def batch_norm(x: Float[Tensor, "m"], gamma: Number, beta: Number, eps: Number = 1e-5) -> Float[Tensor, "m"]:
    """Statistics, normalise, scale and shift: what a mini-batch meets in training.

    Args:
        x: one component of the mini-batch, shape (m,).
        gamma: the scale, learnt.
        beta: the shift, learnt.
        eps: keeps the root away from 0.

    Returns:
        y, shape (m,).

    Raises:
        ValueError: x is not a row of at least one number, or sigma^2 + eps is not above 0.
    """
    return affine(normalise(x, *batch_statistics(x), eps), gamma, beta)


def identity_parameters(
    x: Float[Tensor, "m"], eps: Number = 1e-5
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Scale and shift that undo the normalisation. Implements eq-bn-identity.

    ``gamma = sqrt(sigma^2 + eps)`` and ``beta = mu``. They give back x on this mini-batch only; and only
    forward: the gradient with respect to x is still that of `batch_norm_backward`.

    Args:
        x: one component of the mini-batch, shape (m,).
        eps: as in `batch_norm`.

    Returns:
        gamma and beta.

    Raises:
        ValueError: x is not a row of at least one number, or sigma^2 + eps is not above 0.
    """
    mu, variance = batch_statistics(x)
    return _root(variance, eps), mu


def batch_norm_backward(
    g: Float[Tensor, "m"], x: Float[Tensor, "m"], gamma: Number, eps: Number = 1e-5
) -> tuple[Float[Tensor, "m"], Float[Tensor, ""], Float[Tensor, ""]]:
    """What `batch_norm` sends back. Implements eq-bn-dx, eq-bn-dgamma, eq-bn-dbeta.

    With ``s = sqrt(sigma^2 + eps)``:

    - ``dx_i = gamma / (m s) (m g_i - sum over j of g_j - x~_i sum over j of g_j x~_j)``,
    - ``dgamma = sum over i of g_i x~_i``,
    - ``dbeta = sum over i of g_i``.

    x_i reaches the loss in three ways: through its own x~_i, through mu and through sigma^2. These are the
    three terms. What is sent back sums to 0: to move the whole batch changes nothing.

    Args:
        g: dL/dy, shape (m,).
        x: what `batch_norm` was given.
        gamma: the scale that it was given.
        eps: as in `batch_norm`.

    Returns:
        dL/dx, dL/dgamma and dL/dbeta.

    Raises:
        ValueError: g has another shape than x, x is not a row of at least one number, or sigma^2 + eps is not
            above 0.
    """
    m = _check_row("x", x)
    if g.shape != x.shape:
        raise ValueError(f"g must have the shape of x, {tuple(x.shape)}, got {tuple(g.shape)}")
    mu, variance = batch_statistics(x)
    x_normalised, s = normalise(x, mu, variance, eps), _root(variance, eps)
    dgamma, dbeta = x.new_zeros(()), x.new_zeros(())
    for i in range(m):
        dgamma += g[i] * x_normalised[i]
        dbeta += g[i]
    dx = torch.zeros_like(x)
    for i in range(m):
        dx[i] = gamma / (m * s) * (m * g[i] - dbeta - x_normalised[i] * dgamma)
    return dx, dgamma, dbeta


def population_statistics(
    batches: Float[Tensor, "batches m"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean and variance of the population, from many mini-batches. Implements eq-bn-population.

    ``mu = E[mu_B]`` and ``sigma^2 = m / (m - 1) E[sigma_B^2]``: a mini-batch is nearer to its own mean than
    to the population's, and so its variance is too small, by the factor (m - 1) / m on average.

    Args:
        batches: one component of each mini-batch, shape (batches, m), all of the same size m.

    Returns:
        mu and sigma^2.

    Raises:
        ValueError: batches has another number of dimensions, none of them, or batches of fewer than 2.
    """
    if batches.dim() != 2 or len(batches) == 0 or batches.shape[1] < 2:
        raise ValueError(
            "batches must have shape (batches, m) with at least one mini-batch of at least 2 numbers, got "
            f"{tuple(batches.shape)}"
        )
    B, m = batches.shape
    mean, variance = batches.new_zeros(()), batches.new_zeros(())
    for x in batches:
        mu, sigma_squared = batch_statistics(x)
        mean += mu / B
        variance += m / (m - 1) * sigma_squared / B
    return mean, variance


def inference_scale_and_shift(
    gamma: Number, beta: Number, mu: Number, variance: Number, eps: Number = 1e-5
) -> tuple[Any, Any]:
    """Batch normalisation at test time, an affine function. Implements eq-bn-inference.

    ``y = a x + b`` with ``a = gamma / sqrt(sigma^2 + eps)`` and ``b = beta - a mu``, constants all of them.

    Args:
        gamma: the scale, learnt.
        beta: the shift, learnt.
        mu: the population's mean.
        variance: the population's variance sigma^2.
        eps: as in training.

    Returns:
        a and b.

    Raises:
        ValueError: sigma^2 + eps is not above 0.
    """
    a = gamma / _root(variance, eps)
    return a, beta - a * mu


def fold(
    w: Float[Tensor, "filters *incoming"],
    b: Float[Tensor, "filters"],
    gamma: Float[Tensor, "filters"],
    beta: Float[Tensor, "filters"],
    mu: Float[Tensor, "filters"],
    variance: Float[Tensor, "filters"],
    eps: Number = 1e-5,
) -> tuple[Float[Tensor, "filters *incoming"], Float[Tensor, "filters"]]:
    """The layer before, with the normalisation in its weights. Implements eq-bn-fold.

    ``W'_r = a_r W_r`` and ``b'_r = beta_r + a_r (b_r - mu_r)`` with
    ``a_r = gamma_r / sqrt(sigma_r^2 + eps)``, for each filter or output node r: an affine function of what is
    linear in W and b.

    Args:
        w: weights of the convolution or the linear layer, shape (M, ...).
        b: its biases, shape (M,); zeros where it has none.
        gamma: one scale a filter, shape (M,).
        beta: one shift a filter, shape (M,).
        mu: the population's means, shape (M,).
        variance: the population's variances, shape (M,).
        eps: as in training.

    Returns:
        W' and b', of the shapes of w and b.

    Raises:
        ValueError: there is not one of each number for each filter, or sigma^2 + eps is not above 0.
    """
    for name, numbers in (("b", b), ("gamma", gamma), ("beta", beta), ("mu", mu), ("variance", variance)):
        if numbers.shape != w.shape[:1]:
            raise ValueError(
                f"{name} must have shape ({len(w)},), one number a filter of w of shape {tuple(w.shape)}; "
                f"got {tuple(numbers.shape)}"
            )
    w_folded, b_folded = torch.zeros_like(w), torch.zeros_like(b)
    for r in range(len(w)):
        a, _ = inference_scale_and_shift(gamma[r], beta[r], mu[r], variance[r], eps)
        w_folded[r] = a * w[r]
        b_folded[r] = beta[r] + a * (b[r] - mu[r])
    return w_folded, b_folded


def _check_row(name: str, x: Tensor) -> int:
    if x.dim() != 1 or len(x) == 0:
        raise ValueError(f"{name} must have shape (m,) with m at least 1, got {tuple(x.shape)}")
    return len(x)


def _root(variance: Number, eps: Number) -> Any:
    if not variance + eps > 0:
        raise ValueError(f"variance + eps must be above 0, got {float(variance)} + {float(eps)}")
    return (variance + eps) ** 0.5
