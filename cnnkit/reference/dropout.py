"""Weight decay, the norm constraint, dropout and DropConnect, one number at a time.

As in the lecture notes p is the probability that a node or a weight is *kept*. The random numbers xi come
from outside, so that these functions are functions.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cnnkit.reference.conv import Activation, identity


# ---------------------------------------------------------------------- large weights
def weight_decay_penalty(w: Float[Tensor, "*shape"], lam: float | int) -> Float[Tensor, ""]:
    """What large weights add to the loss. Implements eq-weight-decay.

    ``lambda / 2 ||w||^2``, and ``||w||^2`` is the sum of the squares of all weights. Its gradient is lambda
    w.

    Args:
        w: the weights, of any shape.
        lam: lambda, the strength.

    Returns:
        The penalty, a tensor with one number.
    """
    total = w.new_zeros(())
    for weight in w.flatten():
        total += weight**2
    return lam / 2 * total


def weight_decay_step(
    w: Float[Tensor, "*shape"], dw: Float[Tensor, "*shape"], alpha: float | int, lam: float | int
) -> Float[Tensor, "*shape"]:
    """A step of gradient descent with weight decay. Implements eq-weight-decay.

    ``w <- (1 - alpha lambda) w - alpha dL/dw``: first each weight shrinks, then it learns. It is the plain
    step for the loss with `weight_decay_penalty`. With momentum or Adam the two are different: a penalty then
    goes through their averages, a decay does not.

    Args:
        w: the weights, of any shape.
        dw: the gradient of the loss without penalty, of the same shape.
        alpha: the step size.
        lam: lambda, the strength.

    Returns:
        The weights after the step.

    Raises:
        ValueError: w and dw differ in shape.
    """
    if w.shape != dw.shape:
        raise ValueError(f"dw must have the shape of w, {tuple(w.shape)}, got {tuple(dw.shape)}")
    new = torch.zeros_like(w).flatten()
    for k, (weight, gradient) in enumerate(zip(w.flatten(), dw.flatten(), strict=True)):
        new[k] = (1 - alpha * lam) * weight - alpha * gradient
    return new.reshape(w.shape)


def norm_constraint(w: Float[Tensor, "units *incoming"], c: float | int) -> Float[Tensor, "units *incoming"]:
    """No unit's weight vector longer than c. Implements eq-norm-constraint.

    ``w_r <- w_r min(1, c / ||w_r||_2)`` after each step, over all incoming weights of unit or filter r.

    Args:
        w: the weights, shape (units, ...), for instance (out_features, in_features) or (M, M', F, F).
        c: the longest norm allowed, above 0.

    Returns:
        The weights within the constraint.

    Raises:
        ValueError: c is not above 0, or w has no axis of units.
    """
    if not c > 0:
        raise ValueError(f"c must be above 0, got {c}")
    if w.dim() == 0:
        raise ValueError("w must have shape (units, ...), got ()")
    constrained = w.clone()
    for r in range(len(w)):
        squares = w.new_zeros(())
        for weight in w[r].flatten():
            squares += weight**2
        norm = squares**0.5
        if norm > c:
            constrained[r] = w[r] * (c / norm)
    return constrained


# ---------------------------------------------------------------------- dropout
def dropout(
    y: Float[Tensor, "n"],
    w: Float[Tensor, "n_out n"],
    xi: Float[Tensor, "n"],
    f: Activation = identity,
) -> Float[Tensor, "n_out"]:
    """A layer whose inputs are dropped or present. Implements eq-dropout.

    ``y'_j = f(sum over i of w_ij xi_i y_i)``, where xi_i is 1 with probability p and else 0.

    Args:
        y: outputs of the layer before, shape (n,).
        w: the weights, shape (n', n), as PyTorch stores them: the notes' w_ij, from i to j, is ``w[j, i]``.
        xi: 1 for each node that is present, 0 for each that is dropped, shape (n,).
        f: the activation, applied to all net inputs at once.

    Returns:
        The outputs of the layer, shape (n',).

    Raises:
        ValueError: shapes that do not match (both are shown).
    """
    _check_layer(y, w, xi=xi)
    eta = y.new_zeros(len(w))
    for j in range(len(w)):
        for i in range(len(y)):
            eta[j] += w[j, i] * xi[i] * y[i]
    return f(eta)


def dropout_backward(
    delta: Float[Tensor, "n_out"],
    y: Float[Tensor, "n"],
    w: Float[Tensor, "n_out n"],
    xi: Float[Tensor, "n"],
) -> tuple[Float[Tensor, "n"], Float[Tensor, "n_out n"]]:
    """What `dropout` sends back: only the links that are present are updated. Implements eq-dropout.

    - ``dL/dw_ij = delta_j xi_i y_i``,
    - ``dL/dy_i = xi_i sum over j of delta_j w_ij``.

    Args:
        delta: dL/d eta, the gradient with respect to the net inputs, shape (n',).
        y: as in `dropout`.
        w: as in `dropout`.
        xi: as in `dropout`.

    Returns:
        dL/dy, shape (n,), and dL/dw, shape (n', n). Whatever was dropped has 0 there.

    Raises:
        ValueError: shapes that do not match (both are shown).
    """
    _check_layer(y, w, xi=xi)
    if delta.shape != w.shape[:1]:
        raise ValueError(f"delta must have shape ({len(w)},), one number a node, got {tuple(delta.shape)}")
    dy, dw = torch.zeros_like(y), torch.zeros_like(w)
    for j in range(len(w)):
        for i in range(len(y)):
            dw[j, i] = delta[j] * xi[i] * y[i]
            dy[i] += delta[j] * xi[i] * w[j, i]
    return dy, dw


def weight_scaling(
    y: Float[Tensor, "n"],
    w: Float[Tensor, "n_out n"],
    p: Float[Tensor, "n"],
    f: Activation = identity,
) -> Float[Tensor, "n_out"]:
    """The layer at test time: all nodes present, weights scaled by p. Implements eq-dropout.

    ``y'_j = f(sum over i of p_i w_ij y_i)``: the net input is the mean of `dropout`'s.

    Args:
        y: as in `dropout`.
        w: as in `dropout`.
        p: the probability that each node was kept in training, shape (n,).
        f: the activation, applied to all net inputs at once.

    Returns:
        The outputs of the layer, shape (n',).

    Raises:
        ValueError: shapes that do not match (both are shown), or a p outside [0, 1].

    Source:
        Srivastava et al. 2014, section 4; the notes do not say what happens at test time.
    """
    _check_layer(y, w, p=p)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p must hold probabilities between 0 and 1, got {p.tolist()}")
    eta = y.new_zeros(len(w))
    for j in range(len(w)):
        for i in range(len(y)):
            eta[j] += p[i] * w[j, i] * y[i]
    return f(eta)


def inverted_dropout(
    y: Float[Tensor, "n"],
    w: Float[Tensor, "n_out n"],
    xi: Float[Tensor, "n"],
    p: float | int,
    f: Activation = identity,
) -> Float[Tensor, "n_out"]:
    """PyTorch's form of `dropout`: divide by p in training, do nothing at test time. Implements eq-dropout.

    ``y'_j = f(sum over i of w_ij (xi_i / p) y_i)``, with mean ``sum over i of w_ij y_i`` in f.

    Args:
        y: as in `dropout`.
        w: as in `dropout`.
        xi: as in `dropout`.
        p: the probability that a node is kept, above 0; PyTorch's p is 1 less this one.
        f: the activation, applied to all net inputs at once.

    Returns:
        The outputs of the layer, shape (n',).

    Raises:
        ValueError: shapes that do not match (both are shown), or p is not above 0 and at most 1.
    """
    if not 0 < p <= 1:
        raise ValueError(f"p must be above 0 and at most 1, got {p}")
    return dropout(y, w, xi / p, f)


# ---------------------------------------------------------------------- DropConnect
def dropconnect(
    y: Float[Tensor, "examples n"],
    w: Float[Tensor, "n_out n"],
    xi: Float[Tensor, "examples n_out n"],
    f: Activation = identity,
) -> Float[Tensor, "examples n_out"]:
    """A layer whose weights are dropped or present, for each example anew. Implements eq-dropconnect.

    ``y'_j = f(sum over i of xi_ij w_ij y_i)``.

    Args:
        y: outputs of the layer before, shape (N, n).
        w: the weights, shape (n', n): the notes' w_ij is ``w[j, i]``.
        xi: 1 for each weight that is present, 0 for each that is dropped, shape (N, n', n).
        f: the activation, applied to all net inputs at once.

    Returns:
        The outputs of the layer, shape (N, n').

    Raises:
        ValueError: shapes that do not match (both are shown).
    """
    _check_examples(y, w)
    if xi.shape != (len(y), *w.shape):
        raise ValueError(
            f"xi must have shape {(len(y), *w.shape)}, one number an example and weight, got "
            f"{tuple(xi.shape)}"
        )
    N, n = y.shape
    eta = y.new_zeros(N, len(w))
    for example in range(N):
        for j in range(len(w)):
            for i in range(n):
                eta[example, j] += xi[example, j, i] * w[j, i] * y[example, i]
    return f(eta)


def dropconnect_moments(
    y: Float[Tensor, "examples n"], w: Float[Tensor, "n_out n"], p: float | int
) -> tuple[Float[Tensor, "examples n_out"], Float[Tensor, "examples n_out"]]:
    """Mean and variance of `dropconnect`'s net inputs over all masks. Implements eq-dropconnect.

    ``E eta_j = p sum over i of w_ij y_i`` and ``Var eta_j = p (1 - p) sum over i of w_ij^2 y_i^2``.

    Args:
        y: as in `dropconnect`.
        w: as in `dropconnect`.
        p: the probability that a weight is kept.

    Returns:
        Mean and variance, both of shape (N, n').

    Raises:
        ValueError: shapes that do not match (both are shown), or p is outside [0, 1].

    Source:
        Wan et al. 2013, section 3.2, who draw the net input from a Gaussian with these two at test time.
    """
    _check_examples(y, w)
    if not 0 <= p <= 1:
        raise ValueError(f"p must be a probability between 0 and 1, got {p}")
    N, n = y.shape
    mean, variance = y.new_zeros(N, len(w)), y.new_zeros(N, len(w))
    for example in range(N):
        for j in range(len(w)):
            for i in range(n):
                mean[example, j] += p * w[j, i] * y[example, i]
                variance[example, j] += p * (1 - p) * w[j, i] ** 2 * y[example, i] ** 2
    return mean, variance


def _check_layer(y: Tensor, w: Tensor, **per_node: Tensor) -> None:
    if w.dim() != 2 or y.shape != w.shape[1:]:
        raise ValueError(
            f"w of shape (n', n) and y of shape (n,) must match, got {tuple(w.shape)} and {tuple(y.shape)}"
        )
    for name, numbers in per_node.items():
        if numbers.shape != y.shape:
            raise ValueError(
                f"{name} must have the shape of y, {tuple(y.shape)}, one number a node; got "
                f"{tuple(numbers.shape)}"
            )


def _check_examples(y: Tensor, w: Tensor) -> None:
    if w.dim() != 2 or y.dim() != 2 or y.shape[1:] != w.shape[1:]:
        raise ValueError(
            f"w of shape (n', n) and y of shape (N, n) must match, got {tuple(w.shape)} and {tuple(y.shape)}"
        )
