"""What dropout averages: every sub-network, one by one.

A unit with n inputs that may be dropped is 2^n units; a network is 2 to the number of its nodes that may be
dropped. Here all of them are computed, weighted by their probabilities P_i, and compared with the one pass
that stands for them. S_i is the net input of a unit in sub-network i, O_i its output. p is the probability
that a node is *kept*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Activation = Callable[[Tensor], Tensor]
MOST_NODES = 20  # a million sub-networks


class SubNetworks(NamedTuple):
    """All sub-networks of a network: what each of them computes, and how probable it is."""

    P: Float[Tensor, "masks"]
    eta: list[Float[Tensor, "masks nodes"]]  # for each layer the net inputs, in each sub-network
    y: list[Float[Tensor, "masks nodes"]]  # and the outputs


# ---------------------------------------------------------------------- all masks
def all_masks(n: int) -> Float[Tensor, "masks n"]:
    """Each way to drop or keep n nodes.

    Args:
        n: how many nodes may be dropped, 0 to 20.

    Returns:
        Zeros and ones in float64, shape (2^n, n), the binary numbers in order; all dropped comes first.

    Raises:
        ValueError: n is below 0 or above 20.
    """
    if not 0 <= n <= MOST_NODES:
        raise ValueError(f"n must be between 0 and {MOST_NODES}, as there are 2^n masks; got {n}")
    numbers = torch.arange(2**n)
    bits = [numbers >> (n - 1 - j) & 1 for j in range(n)]
    return torch.stack(bits, dim=1).double() if bits else torch.zeros(1, 0, dtype=torch.float64)


def mask_probabilities(masks: Float[Tensor, "masks n"], p: Float[Tensor, "n"]) -> Float[Tensor, "masks"]:
    """How probable each mask is, if node j is kept with probability p_j, independently of the others.

    ``P_i = product over j of p_j where xi_j = 1, and of 1 - p_j where xi_j = 0``.

    Args:
        masks: the xi of each sub-network, shape (masks, n).
        p: the probabilities, shape (n,).

    Returns:
        P, shape (masks,); for `all_masks` they sum to 1.

    Raises:
        ValueError: there is not one probability for each node, or one is outside [0, 1].
    """
    if p.shape != masks.shape[1:]:
        raise ValueError(
            f"p must have shape {tuple(masks.shape[1:])}, one probability a node of masks of shape "
            f"{tuple(masks.shape)}; got {tuple(p.shape)}"
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p must hold probabilities between 0 and 1, got {p.tolist()}")
    return torch.where(masks == 1, p, 1 - p).prod(dim=1)


def net_inputs(
    masks: Float[Tensor, "masks n"], w: Float[Tensor, "n"], y: Float[Tensor, "n"], b: float | int = 0
) -> Float[Tensor, "masks"]:
    """The net input of one unit in each of its sub-networks: ``S_i = sum over j of w_j xi_j y_j + b``.

    Args:
        masks: the xi of each sub-network, shape (masks, n).
        w: the unit's weights, shape (n,).
        y: its inputs, shape (n,).
        b: its bias, which is never dropped.

    Returns:
        S, shape (masks,).

    Raises:
        ValueError: shapes that do not match (all are shown).
    """
    if not w.shape == y.shape == masks.shape[1:]:
        raise ValueError(
            "masks of shape (masks, n), w and y of shape (n,) must match, got "
            f"{tuple(masks.shape)}, {tuple(w.shape)} and {tuple(y.shape)}"
        )
    return masks @ (w * y) + b


# ---------------------------------------------------------------------- means of one unit
def logistic(
    s: Float[Tensor, "*shape"], c: float | int = 1.0, beta: float | int = 1.0
) -> Float[Tensor, "*shape"]:
    """The logistic function. Implements eq-logistic.

    ``f(s) = 1 / (1 + c e^(-beta s))``, between 0 and 1.

    Args:
        s: net inputs, of any shape.
        c: above 0; 1 for the sigmoid.
        beta: the slope.

    Returns:
        The outputs, of the same shape.

    Raises:
        ValueError: c is not above 0.
    """
    return torch.sigmoid(beta * s - _log_c(c))


def log_geometric_means(
    S: Float[Tensor, "masks"], P: Float[Tensor, "masks"], c: float | int = 1.0, beta: float | int = 1.0
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Logarithms of both geometric means of a logistic unit's outputs. Implements eq-geometric-means.

    ``G = product over i of O_i^P_i`` and ``G' = product over i of (1 - O_i)^P_i`` with ``O_i = f(S_i)``. They
    are sums of logarithms here, which are computed from the net inputs: for weights around 20 an output is
    rounded to 1, and ``1 - O_i`` to 0, but ``log(1 - O_i)`` is near ``-S_i``.

    Args:
        S: the unit's net input in each sub-network, shape (masks,).
        P: the probabilities of the sub-networks, shape (masks,).
        c: as in `logistic`.
        beta: as in `logistic`.

    Returns:
        log G and log G'.

    Raises:
        ValueError: S and P differ in shape, P does not sum to 1, or c is not above 0.
    """
    _check_weights(S, P)
    z = beta * S - _log_c(c)  # O = 1 / (1 + e^-z)
    zero = torch.zeros_like(z)
    return -(P * torch.logaddexp(zero, -z)).sum(), -(P * torch.logaddexp(zero, z)).sum()


def nwgm(
    S: Float[Tensor, "masks"], P: Float[Tensor, "masks"], c: float | int = 1.0, beta: float | int = 1.0
) -> Float[Tensor, ""]:
    """The normalised weighted geometric mean of a logistic unit's outputs. Implements eq-nwgm.

    ``NWGM = G / (G + G')``, computed as it is defined, from all sub-networks. It equals f(E S), the output
    for the mean net input: exactly, whatever the S_i and the P_i are.

    Args:
        S: as in `log_geometric_means`.
        P: as in `log_geometric_means`.
        c: as in `logistic`.
        beta: as in `logistic`.

    Returns:
        NWGM, a tensor with one number.

    Raises:
        ValueError: as in `log_geometric_means`.

    Source:
        Baldi & Sadowski 2013, section 3.
    """
    log_G, log_G_prime = log_geometric_means(S, P, c, beta)
    return 1 / (1 + torch.exp(log_G_prime - log_G))


def nwgm_softmax(Z: Float[Tensor, "masks classes"], P: Float[Tensor, "masks"]) -> Float[Tensor, "classes"]:
    """The same mean for softmax outputs: normalised geometric means. Implements eq-nwgm.

    ``G_k = product over i of (p_k in sub-network i)^P_i``, divided by the sum of all G_k. It equals the
    softmax of the mean scores E Z.

    Args:
        Z: the scores in each sub-network, shape (masks, K).
        P: the probabilities of the sub-networks, shape (masks,).

    Returns:
        One probability a class, shape (K,).

    Raises:
        ValueError: Z and P have not the same number of sub-networks, or P does not sum to 1.
    """
    _check_weights(Z, P)
    log_p = Z - torch.logsumexp(Z, dim=1, keepdim=True)
    log_G = expectation(log_p, P)
    return torch.exp(log_G - torch.logsumexp(log_G, dim=0))


def expectation(values: Float[Tensor, "masks *shape"], P: Float[Tensor, "masks"]) -> Float[Tensor, "*shape"]:
    """The arithmetic mean over the sub-networks: ``E v = sum over i of P_i v_i``.

    Args:
        values: what each sub-network computes, shape (masks, ...).
        P: the probabilities of the sub-networks, shape (masks,).

    Returns:
        The mean, shape (...).

    Raises:
        ValueError: there is not one value for each sub-network, or P does not sum to 1.
    """
    _check_weights(values, P)
    return torch.tensordot(P, values, dims=1)


def expected_input(
    w: Float[Tensor, "n"], y: Float[Tensor, "n"], p: Float[Tensor, "n"], b: float | int = 0
) -> Float[Tensor, ""]:
    """The mean net input of one unit, without any sub-network. Implements eq-expected-input.

    ``sum over i of P_i S_i = sum over j of w_j p_j y_j + b``.

    Args:
        w: the unit's weights, shape (n,).
        y: its inputs, shape (n,).
        p: the probability that each of them is kept, shape (n,).
        b: its bias.

    Returns:
        E S, a tensor with one number.

    Raises:
        ValueError: shapes that do not match (all are shown).
    """
    if not w.shape == y.shape == p.shape or w.dim() != 1:
        raise ValueError(
            f"w, y and p must have one shape (n,), got {tuple(w.shape)}, {tuple(y.shape)} and "
            f"{tuple(p.shape)}"
        )
    total = w.new_zeros(()) + b
    for j in range(len(w)):
        total += w[j] * p[j] * y[j]
    return total


# ---------------------------------------------------------------------- a whole network
def sub_networks(
    x: Float[Tensor, "inputs"],
    weights: Sequence[Float[Tensor, "_ _"]],
    biases: Sequence[Float[Tensor, "_"]],
    p: Sequence[Float[Tensor, "_"]],
    f: Activation = logistic,
) -> SubNetworks:
    """Every sub-network of a fully connected network, for one example.

    Layer l computes ``eta_j = sum over i of w_ij xi_i y_i + b_j`` and ``y_j = f(eta_j)`` from the layer
    before. The nodes of the last layer are never dropped.

    Args:
        x: the input, shape (n_0,).
        weights: for each layer shape (n_l, n_{l-1}), as PyTorch stores them: the notes' w_ij is ``[j, i]``.
        biases: for each layer shape (n_l,).
        p: for each layer the probability that each of its *inputs* is kept, shape (n_{l-1},). A node that is
            always kept (p = 1) makes no further sub-networks.
        f: the activation, applied to all net inputs of a layer at once.

    Returns:
        P, and for each layer eta and y in each of the sub-networks.

    Raises:
        ValueError: shapes that do not match (all are shown), a p outside [0, 1], or more than 20 nodes that
            may be dropped.
    """
    _check_network(x, weights, biases, p)
    probabilities = torch.cat(list(p))
    may_drop = probabilities < 1
    dropped_or_kept = all_masks(int(may_drop.sum())).to(x)
    P = mask_probabilities(dropped_or_kept, probabilities[may_drop])
    xi = x.new_ones(len(P), len(probabilities))
    xi[:, may_drop] = dropped_or_kept
    y = x.expand(len(P), -1)
    result = SubNetworks(P, [], [])
    for W, b, mask in zip(weights, biases, xi.split([len(kept) for kept in p], dim=1), strict=True):
        eta = (mask * y) @ W.mT + b
        y = f(eta)
        result.eta.append(eta)
        result.y.append(y)
    return result


def dropout_mean(
    w: Float[Tensor, "n_out n"],
    p: Float[Tensor, "n"],
    mean_y: Float[Tensor, "n"],
    b: Float[Tensor, "n_out"] | None = None,
) -> Float[Tensor, "n_out"]:
    """The mean net inputs of a layer, from the mean outputs of the layer before. Implements eq-dropout-mean.

    ``E[eta_j] = sum over i of w_ij p_i E[y_i] + b_j``. It is exact: whether a node is dropped does not depend
    on what it computes.

    Args:
        w: the weights, shape (n', n): the notes' w_ij is ``w[j, i]``.
        p: the probability that each node of the layer before is kept, shape (n,).
        mean_y: E[y], the true mean of its outputs, shape (n,).
        b: biases, shape (n',).

    Returns:
        E[eta], shape (n',).

    Raises:
        ValueError: shapes that do not match (all are shown).
    """
    if w.dim() != 2 or not p.shape == mean_y.shape == w.shape[1:]:
        raise ValueError(
            "w of shape (n', n), p and mean_y of shape (n,) must match, got "
            f"{tuple(w.shape)}, {tuple(p.shape)} and {tuple(mean_y.shape)}"
        )
    eta = w.new_zeros(len(w)) if b is None else b.clone()
    for j in range(len(w)):
        for i in range(len(p)):
            eta[j] += w[j, i] * p[i] * mean_y[i]
    return eta


def weight_scaling(
    x: Float[Tensor, "inputs"],
    weights: Sequence[Float[Tensor, "_ _"]],
    biases: Sequence[Float[Tensor, "_"]],
    p: Sequence[Float[Tensor, "_"]],
    f: Activation = logistic,
) -> list[Float[Tensor, "_"]]:
    """One pass in place of all sub-networks: every node present, weights scaled by p.

    It takes ``f(E eta)`` of a layer, which is its NWGM, for its mean E[y], layer after layer: the only
    approximation there is.

    Args:
        x: as in `sub_networks`.
        weights: as in `sub_networks`.
        biases: as in `sub_networks`.
        p: as in `sub_networks`.
        f: as in `sub_networks`.

    Returns:
        The outputs of each layer, shape (n_l,).

    Raises:
        ValueError: shapes that do not match (all are shown).
    """
    _check_network(x, weights, biases, p)
    y, outputs = x, []
    for W, b, kept in zip(weights, biases, p, strict=True):
        y = f(dropout_mean(W, kept, y, b))
        outputs.append(y)
    return outputs


def _log_c(c: float | int) -> float:
    if not c > 0:
        raise ValueError(f"c must be above 0, got {c}")
    return math.log(c)


def _check_weights(values: Tensor, P: Tensor) -> None:
    if P.dim() != 1 or values.shape[:1] != P.shape:
        raise ValueError(
            "there must be one probability P for each sub-network, got shapes "
            f"{tuple(P.shape)} and {tuple(values.shape)}"
        )
    if abs(P.sum().item() - 1) > 1e-5:
        raise ValueError(f"P must sum to 1, got {P.sum().item()}")


def _check_network(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor], p: Sequence[Tensor]
) -> None:
    if not 0 < len(weights) == len(biases) == len(p):
        raise ValueError(
            "weights, biases and p must have one entry a layer, got "
            f"{len(weights)}, {len(biases)} and {len(p)} of them"
        )
    n = len(x)
    for layer, (W, b, kept) in enumerate(zip(weights, biases, p, strict=True)):
        if W.dim() != 2 or W.shape[1] != n or b.shape != W.shape[:1] or kept.shape != (n,):
            raise ValueError(
                f"layer {layer} is given {n} nodes: weights must have shape (n', {n}), biases (n',) and p "
                f"({n},), got {tuple(W.shape)}, {tuple(b.shape)} and {tuple(kept.shape)}"
            )
        n = len(W)
