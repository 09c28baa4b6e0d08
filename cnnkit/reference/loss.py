"""Softmax and cross-entropy of one example."""

from __future__ import annotations

import operator

import torch
from jaxtyping import Float
from torch import Tensor


def softmax(z: Float[Tensor, "classes"]) -> Float[Tensor, "classes"]:
    """Scores as probabilities. Implements eq-softmax.

    ``p_k = exp(z_k) / sum over j of exp(z_j)``. A number subtracted from all scores cancels in this
    fraction. Subtracting the largest leaves no exponent above 0, so nothing overflows, and one of them at 0,
    so the sum is at least 1.

    Args:
        z: the scores, shape (K,), one a class.

    Returns:
        The probabilities, shape (K,). None is negative, and their sum is 1.

    Raises:
        ValueError: z has another number of dimensions, or no class.
    """
    _check_scores(z)
    M, K = z.max(), len(z)
    total = z.new_zeros(())
    for j in range(K):
        total += torch.exp(z[j] - M)
    p = torch.zeros_like(z)
    for k in range(K):
        p[k] = torch.exp(z[k] - M) / total
    return p


def cross_entropy(z: Float[Tensor, "classes"], t: int) -> Float[Tensor, ""]:
    """What it costs to give these scores when the class is t. Implements eq-cross-entropy.

    ``L = -log p_t = -z_t + log(sum over k of exp(z_k))``, in natural logarithms. As in `softmax` the largest
    score is subtracted from all first, which leaves L as it is. The probability itself is never computed: it
    can be too small for a float where its logarithm is not.

    Args:
        z: the scores, shape (K,), one a class.
        t: the target, the number of the right class: 0 to K - 1.

    Returns:
        L, a tensor with one number, at least 0.

    Raises:
        TypeError: t is not an integer.
        ValueError: there is no class t, or z has another number of dimensions, or no class.
    """
    _check_scores(z)
    t = _check_target(t, len(z))
    M = z.max()
    total = z.new_zeros(())
    for k in range(len(z)):
        total += torch.exp(z[k] - M)
    return -(z[t] - M) + torch.log(total)


def cross_entropy_backward(z: Float[Tensor, "classes"], t: int) -> Float[Tensor, "classes"]:
    """The gradient of `cross_entropy` with respect to the scores. Implements eq-softmax-gradient.

    ``dL/dz_k = p_k - 1[k = t]`` with ``p = softmax(z)``: what the network says, less what it should say.

    Args:
        z: the scores, shape (K,), one a class.
        t: the target, the number of the right class: 0 to K - 1.

    Returns:
        dL/dz, shape (K,). For the mean over a batch of m examples divide by m.

    Raises:
        TypeError: t is not an integer.
        ValueError: there is no class t, or z has another number of dimensions, or no class.
    """
    dz = softmax(z)
    dz[_check_target(t, len(z))] -= 1
    return dz


def _check_scores(z: Tensor) -> None:
    if z.dim() != 1 or len(z) == 0:
        raise ValueError(f"z must have shape (classes,) with at least one class, got {tuple(z.shape)}")


def _check_target(t: int, classes: int) -> int:
    expected = (
        f"t must be the number of one of the {classes} classes that z has scores for, 0 to {classes - 1}"
    )
    try:
        t = operator.index(t)
    except TypeError:
        raise TypeError(f"{expected}; got {t!r} of type {type(t).__name__}, not an integer") from None
    if not 0 <= t < classes:
        raise ValueError(f"{expected}; got {t}")
    return t
