"""Weight decay, norm constraint, dropout and DropConnect as loops: by hand, against torch, and bad input."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.dropout import (
    dropconnect,
    dropconnect_moments,
    dropout,
    dropout_backward,
    inverted_dropout,
    norm_constraint,
    weight_decay_penalty,
    weight_decay_step,
    weight_scaling,
)
from tests.operators import random, seeds


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


Y, W = double(1, 2, 3), torch.stack([double(1, 10, 100), double(-1, 0, 2)])


# ---------------------------------------------------------------------- large weights
@pytest.mark.equation("eq-weight-decay")
def test_weight_decay_by_hand():
    w, dw = double(1, -2), double(10, 20)
    assert weight_decay_penalty(w, 0.5).item() == 1.25
    torch.testing.assert_close(weight_decay_step(w, dw, alpha=0.1, lam=0.5), double(0.95 - 1, -1.9 - 2))


@pytest.mark.equation("eq-weight-decay")
@settings(max_examples=50)
@given(
    shape=st.lists(st.integers(1, 3), max_size=3), alpha=st.floats(0.01, 1), lam=st.floats(0, 2), seed=seeds
)
def test_weight_decay_is_torchs_in_both_ways(shape, alpha, lam, seed):
    w, target = random(*shape, seed=seed), random(*shape, seed=seed + 1)

    def loss(w):
        return (w - target).pow(2).sum()

    (dw,) = torch.autograd.grad(loss(leaf := w.clone().requires_grad_()), leaf)
    new = weight_decay_step(w, dw, alpha, lam)

    leaf = w.clone().requires_grad_()
    (loss(leaf) + weight_decay_penalty(leaf, lam)).backward()
    torch.testing.assert_close(w - alpha * leaf.grad, new)

    leaf = w.clone().requires_grad_()
    optimizer = torch.optim.SGD([leaf], lr=alpha, weight_decay=lam)
    loss(leaf).backward()
    optimizer.step()
    torch.testing.assert_close(leaf.detach(), new)


@pytest.mark.equation("eq-norm-constraint")
def test_norm_constraint_by_hand():
    w = torch.stack([double(3, 4), double(0.3, 0.4), double(0, 0)])
    torch.testing.assert_close(
        norm_constraint(w, 2), torch.stack([double(1.2, 1.6), double(0.3, 0.4), double(0, 0)])
    )


@pytest.mark.equation("eq-norm-constraint")
@pytest.mark.parametrize("shape", [(5, 3), (5, 2, 3, 3)], ids=str)
def test_norm_constraint_is_torchs_renorm(shape):
    w = random(*shape) * double(0.01, 0.3, 1, 3, 10).reshape(5, *(1,) * (len(shape) - 1))
    constrained = norm_constraint(w, 1.5)
    changed = (constrained != w).flatten(1).any(1)
    assert 0 < changed.sum() < 5
    torch.testing.assert_close(constrained, torch.renorm(w, 2, 0, 1.5), rtol=1e-6, atol=0)  # which adds 1e-7


# ---------------------------------------------------------------------- dropout
@pytest.mark.equation("eq-dropout")
def test_dropout_by_hand():
    xi = double(1, 0, 1)
    assert dropout(Y, W, xi).tolist() == [301, 5]
    assert dropout(Y, W, xi, f=torch.square).tolist() == [301**2, 25]
    assert inverted_dropout(Y, W, xi, p=0.5).tolist() == [602, 10]
    assert weight_scaling(Y, W, double(0.5, 0.5, 0.5)).tolist() == [160.5, 2.5]
    assert weight_scaling(Y, W, double(1, 0, 0.5)).tolist() == [151, 2]


@pytest.mark.equation("eq-dropout")
def test_only_links_that_are_present_are_updated():
    xi, delta = double(1, 0, 1), double(1, 10)
    dy, dw = dropout_backward(delta, Y, W, xi)
    assert dy.tolist() == [1 - 10, 0, 100 + 20]
    assert dw.tolist() == [[1, 0, 3], [10, 0, 30]]
    y, w = Y.clone().requires_grad_(), W.clone().requires_grad_()
    torch.testing.assert_close((dy, dw), torch.autograd.grad(dropout(y, w, xi), (y, w), delta))


@pytest.mark.equation("eq-dropout")
@settings(max_examples=100)
@given(n=st.integers(1, 6), n_out=st.integers(1, 4), p=st.sampled_from([0.2, 0.5, 1.0]), seed=seeds)
def test_dropout_is_torchs_with_gradients(n, n_out, p, seed):
    y, w, delta = random(n, seed=seed), random(n_out, n, seed=seed + 1), random(n_out, seed=seed + 2)
    torch.manual_seed(seed)
    dropped = nn.functional.dropout(torch.ones(n, dtype=torch.float64), 1 - p)
    xi = (dropped != 0).double()
    leaves = [y.clone().requires_grad_(), w.clone().requires_grad_()]
    torch.manual_seed(seed)
    expected = torch.tanh(nn.functional.linear(nn.functional.dropout(leaves[0], 1 - p), leaves[1]))
    torch.testing.assert_close(inverted_dropout(y, w, xi, p, torch.tanh), expected)

    (eta := nn.functional.linear(xi * leaves[0], leaves[1])).backward(delta)
    torch.testing.assert_close(dropout(y, w, xi), eta)
    torch.testing.assert_close(dropout_backward(delta, y, w, xi), tuple(leaf.grad for leaf in leaves))
    torch.testing.assert_close(
        weight_scaling(y, w, torch.full((n,), p).double()), nn.functional.linear(y, p * w)
    )


@pytest.mark.equation("eq-dropout")
def test_both_conventions_have_the_means_they_say():
    n, p = 4, 0.3
    y, w = random(n), random(2, n, seed=1)
    every = torch.cartesian_prod(*[double(0, 1)] * n)
    P = torch.where(every == 1, p, 1 - p).prod(1)
    mean = sum(P_i * dropout(y, w, xi) for P_i, xi in zip(P, every, strict=True))
    torch.testing.assert_close(mean, weight_scaling(y, w, torch.full((n,), p).double()))
    mean = sum(P_i * inverted_dropout(y, w, xi, p) for P_i, xi in zip(P, every, strict=True))
    torch.testing.assert_close(mean, w @ y)


# ---------------------------------------------------------------------- DropConnect
@pytest.mark.equation("eq-dropconnect")
def test_dropconnect_by_hand():
    y = torch.stack([Y, Y])
    xi = torch.stack([torch.stack([double(1, 0, 1), double(0, 0, 1)]), torch.ones(2, 3).double()])
    assert dropconnect(y, W, xi).tolist() == [[301, 6], [321, 5]]
    assert dropconnect(y, W, xi, f=torch.neg).tolist() == [[-301, -6], [-321, -5]]
    mean, variance = dropconnect_moments(Y[None], W, 0.5)
    assert mean.tolist() == [[160.5, 2.5]]
    assert variance.tolist() == [[0.25 * (1 + 400 + 90_000), 0.25 * (1 + 36)]]


@pytest.mark.equation("eq-dropconnect")
@pytest.mark.parametrize("p", [0.0, 0.3, 0.9])
def test_the_moments_are_those_of_all_masks(p):
    y, w = random(1, 5), random(1, 5, seed=1)
    every = torch.cartesian_prod(*[double(0, 1)] * 5)
    P = torch.where(every == 1, p, 1 - p).prod(1)
    eta = dropconnect(y.expand(len(every), -1), w, every[:, None])[:, 0]
    mean = (P * eta).sum()
    variance = (P * (eta - mean) ** 2).sum()
    torch.testing.assert_close(dropconnect_moments(y, w, p), (mean.reshape(1, 1), variance.reshape(1, 1)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weight_decay_step(W, W[0], 0.1, 0.1), r"dw must have the shape of w, \(2, 3\), got \(3,\)"),
        (lambda: norm_constraint(W, 0), "c must be above 0, got 0"),
        (lambda: norm_constraint(torch.ones(()), 1), r"w must have shape \(units, ...\), got \(\)"),
        (lambda: dropout(Y[:2], W, Y), r"w of shape \(n', n\) and y of shape \(n,\) must match, got \(2, 3\) and \(2,\)"),
        (lambda: dropout(Y, Y, Y), r"must match, got \(3,\) and \(3,\)"),
        (lambda: dropout(Y, W, Y[:2]), r"xi must have the shape of y, \(3,\).*got \(2,\)"),
        (lambda: dropout_backward(Y, Y, W, Y), r"delta must have shape \(2,\).*got \(3,\)"),
        (lambda: weight_scaling(Y, W, Y[:1]), r"p must have the shape of y, \(3,\).*got \(1,\)"),
        (lambda: weight_scaling(Y, W, 2 * Y), r"p must hold probabilities between 0 and 1, got \[2.0, 4.0, 6.0\]"),
        (lambda: inverted_dropout(Y, W, Y, 0), "p must be above 0 and at most 1, got 0"),
        (lambda: inverted_dropout(Y, W, Y, 1.5), "p must be above 0 and at most 1, got 1.5"),
        (lambda: dropconnect(Y, W, W), r"y of shape \(N, n\) must match, got \(2, 3\) and \(3,\)"),
        (lambda: dropconnect(Y[None], W, W), r"xi must have shape \(1, 2, 3\).*got \(2, 3\)"),
        (lambda: dropconnect_moments(Y[None], W, -0.1), "p must be a probability between 0 and 1, got -0.1"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
