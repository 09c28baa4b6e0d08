"""Batch normalisation as loops: by hand, against torch and autograd, and what bad input says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.batchnorm import (
    affine,
    batch_norm,
    batch_norm_backward,
    batch_statistics,
    composition,
    fold,
    identity_parameters,
    inference_scale_and_shift,
    normalise,
    normalise_training_set,
    population_statistics,
)
from tests.operators import needs_gpu, random, seeds


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


X = double(0.0, 2, 4, 6)  # mu = 3, sigma^2 = 5; with eps = 4 the root is 3


@pytest.mark.equation("eq-bn-statistics")
def test_statistics_by_hand():
    assert [t.item() for t in batch_statistics(X)] == [3, 5]
    assert [t.item() for t in batch_statistics(double(7))] == [7, 0]


@pytest.mark.equation("eq-bn-normalise", "eq-bn-affine")
def test_forward_by_hand():
    x_normalised = normalise(X, 3, 5, eps=4)
    torch.testing.assert_close(x_normalised, double(-1, -1 / 3, 1 / 3, 1))
    torch.testing.assert_close(affine(x_normalised, 6, 1), double(-5, -1, 3, 7))
    torch.testing.assert_close(batch_norm(X, 6, 1, eps=4), double(-5, -1, 3, 7))


@pytest.mark.equation("eq-bn-dx", "eq-bn-dgamma", "eq-bn-dbeta")
def test_backward_by_hand():
    # sum g = 1 and sum g x~ = -1: dx_i = 6 / (4 * 3) * (4 g_i - 1 + x~_i)
    dx, dgamma, dbeta = batch_norm_backward(double(1, 0, 0, 0), X, 6, eps=4)
    torch.testing.assert_close(dx, double(1, -2 / 3, -1 / 3, 0))
    torch.testing.assert_close((dgamma.item(), dbeta.item()), (-1.0, 1.0))


@pytest.mark.equation(
    "eq-bn-statistics", "eq-bn-normalise", "eq-bn-affine", "eq-bn-dx", "eq-bn-dgamma", "eq-bn-dbeta"
)
@settings(max_examples=200)
@given(m=st.integers(2, 9), eps=st.sampled_from([1e-5, 0.1, 1.0]), seed=seeds)
def test_as_torch_with_gradients(m, eps, seed):
    x, gamma, beta, g = (
        random(*shape, seed=seed + i).requires_grad_() for i, shape in enumerate([(m,), (), (), (m,)])
    )
    mu, variance = batch_statistics(x)
    torch.testing.assert_close((mu, variance), (x.mean(), x.var(correction=0)))
    y = batch_norm(x, gamma, beta, eps)
    expected = nn.functional.batch_norm(x[:, None], None, None, gamma[None], beta[None], True, eps=eps)[:, 0]
    torch.testing.assert_close(y, expected)
    gradients = torch.autograd.grad(expected, (x, gamma, beta), g)
    torch.testing.assert_close(batch_norm_backward(g, x, gamma, eps), gradients)
    torch.testing.assert_close(torch.autograd.grad(y, (x, gamma, beta), g), gradients)


@pytest.mark.equation("eq-bn-dx")
def test_nothing_moves_the_whole_batch():
    dx, *_ = batch_norm_backward(random(7), random(7, seed=1), 1.5)
    assert abs(dx.sum().item()) < 1e-14


@pytest.mark.equation("eq-bn-identity")
def test_scale_and_shift_that_undo_it_on_this_batch_only():
    x, other = random(6), random(6, seed=1)
    gamma, beta = identity_parameters(X, eps=4)
    assert (gamma.item(), beta.item()) == (3, 3)
    gamma, beta = identity_parameters(x)
    torch.testing.assert_close(batch_norm(x, gamma, beta), x)
    assert (batch_norm(other, gamma, beta) - other).abs().max() > 0.1
    g = random(6, seed=2)
    assert (batch_norm_backward(g, x, gamma)[0] - g).abs().max() > 0.1  # forward only


@pytest.mark.equation("eq-normalise-training-set")
def test_the_training_set_normalises_its_parts():
    S = double(1, 3, 5, 7, 9, 11)  # mean 6, variance 35 / 3
    torch.testing.assert_close(normalise_training_set(S[:2], S), double(-5, -3) / (35 / 3) ** 0.5)
    whole = normalise_training_set(S, S)
    torch.testing.assert_close((whole.mean(), whole.var(correction=0)), (double(0)[0], double(1)[0]))
    # the gradient depends on all examples, those outside the mini-batch included
    S.requires_grad_()
    normalise_training_set(S[:2], S).pow(2).sum().backward()
    assert (S.grad != 0).all()


@pytest.mark.equation("eq-composition")
def test_the_input_of_the_second_layer_moves():
    x, theta_2 = double(1, 2), double(3, 4)

    def scale(x, theta):
        return theta * x

    def weigh(x, theta):
        return (theta * x).sum()

    assert composition(x, 1, theta_2, scale, weigh).item() == 11
    assert composition(x, 2, theta_2, scale, weigh).item() == 22


@pytest.mark.equation("eq-bn-population")
def test_population_by_hand():
    mean, variance = population_statistics(torch.stack([double(0, 2), double(1, 7)]))
    assert (mean.item(), variance.item()) == (2.5, 2 / 1 * (1 + 9) / 2)


@pytest.mark.equation("eq-bn-population")
@settings(max_examples=50)
@given(B=st.integers(1, 5), m=st.integers(2, 6), seed=seeds)
def test_population_is_torchs_cumulative_average(B, m, seed):
    batches = random(B, m, seed=seed)
    layer = nn.BatchNorm1d(1, momentum=None, dtype=torch.float64)
    for x in batches:
        layer(x[:, None])
    torch.testing.assert_close(population_statistics(batches), (layer.running_mean[0], layer.running_var[0]))


@pytest.mark.equation("eq-bn-inference")
@settings(max_examples=50)
@given(seed=seeds, eps=st.sampled_from([1e-5, 1.0]))
def test_inference_is_torchs(seed, eps):
    gamma, beta, mu = random(3, seed=seed)
    variance = random(seed=seed + 1).square()
    x = random(5, 1, seed=seed + 2)
    a, b = inference_scale_and_shift(gamma, beta, mu, variance, eps)
    expected = nn.functional.batch_norm(x, mu[None], variance[None], gamma[None], beta[None], eps=eps)
    torch.testing.assert_close(a * x + b, expected)


@pytest.mark.equation("eq-bn-inference")
def test_inference_by_hand():
    assert inference_scale_and_shift(6, 1, 2, 5, eps=4) == (2, -3)


@pytest.mark.equation("eq-bn-fold")
def test_fold_by_hand():
    w, b = fold(
        double(1, -1)[:, None], double(5, 0), double(6, 1), double(1, 2), double(2, 0), double(5, 0), eps=4
    )
    torch.testing.assert_close((w, b), (double(2, -0.5)[:, None], double(7, 2)))


@pytest.mark.equation("eq-bn-fold")
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (4, 3, 2, 3)], ids=str)
def test_a_folded_layer_computes_both(shape):
    w = random(*shape)
    b, gamma, beta, mu = random(4, 4, seed=1)
    variance = random(4, seed=2).square()
    layer = {2: nn.functional.linear, 3: nn.functional.conv1d, 4: nn.functional.conv2d}[len(shape)]
    x = random(5, 3, *(6,) * (len(shape) - 2), seed=3)
    expected = nn.functional.batch_norm(layer(x, w, b), mu, variance, gamma, beta)
    torch.testing.assert_close(layer(x, *fold(w, b, gamma, beta, mu, variance)), expected)


def test_what_is_given_stays_as_it_is():
    x, g = X.clone(), X.clone()
    batch_norm(x, 2, 1), batch_norm_backward(g, x, 2), identity_parameters(x)
    assert torch.equal(x, X)
    assert torch.equal(g, X)


@pytest.mark.gpu
@needs_gpu
def test_runs_on_the_gpu():
    for a, b in zip(batch_norm_backward(X.cuda(), X.cuda(), 2), batch_norm_backward(X, X, 2), strict=True):
        torch.testing.assert_close(a.cpu(), b)


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(), (0,), (2, 3)])
def test_what_is_no_row(shape):
    x = torch.ones(shape)
    for call in (
        lambda: batch_statistics(x),
        lambda: normalise(x, 0, 1),
        lambda: batch_norm(x, 1, 0),
        lambda: batch_norm_backward(x, x, 1),
        lambda: identity_parameters(x),
    ):
        with pytest.raises(ValueError, match=r"x must have shape \(m,\) with m at least 1, got \("):
            call()
    with pytest.raises(ValueError, match=r"x_normalised must have shape \(m,\)"):
        affine(x, 1, 0)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: normalise(X, 0, 0, eps=0), r"variance \+ eps must be above 0, got 0.0 \+ 0.0"),
        (lambda: normalise(X, 0, -1), "got -1.0 "),
        (lambda: normalise_training_set(X, torch.ones(3)), "variance . eps must be above 0"),
        (lambda: batch_norm_backward(X[:3], X, 1), r"g must have the shape of x, \(4,\), got \(3,\)"),
        (lambda: population_statistics(X), r"batches must have shape \(batches, m\).*got \(4,\)"),
        (lambda: population_statistics(torch.ones(3, 1)), r"at least 2 numbers, got \(3, 1\)"),
        (lambda: population_statistics(torch.ones(0, 4)), r"got \(0, 4\)"),
        (lambda: fold(torch.ones(2, 3), *[torch.ones(2)] * 3, torch.ones(3), torch.ones(2)), r"mu must have shape \(2,\).*w of shape \(2, 3\); got \(3,\)"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
