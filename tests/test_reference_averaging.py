"""What dropout averages: identities over all sub-networks, to 1e-12, and what bad input says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnkit.reference import dropout as loops
from cnnkit.reference.averaging import (
    all_masks,
    dropout_mean,
    expectation,
    expected_input,
    log_geometric_means,
    logistic,
    mask_probabilities,
    net_inputs,
    nwgm,
    nwgm_softmax,
    sub_networks,
    weight_scaling,
)
from tests.operators import random, seeds

EXACT = {"rtol": 0, "atol": 1e-12}


def double(*values):
    return torch.tensor(values, dtype=torch.float64)


def probabilities(*shape, seed):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ---------------------------------------------------------------------- masks
def test_masks_by_hand():
    assert all_masks(2).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert all_masks(0).shape == (1, 0)
    P = mask_probabilities(all_masks(2), double(0.25, 0.5))
    assert P.tolist() == [0.375, 0.375, 0.125, 0.125]
    assert mask_probabilities(all_masks(0), double()).tolist() == [1]


@pytest.mark.parametrize("n", [1, 5, 12])
def test_all_masks_are_there_once(n):
    masks = all_masks(n)
    assert masks.shape == (2**n, n)
    assert len({tuple(mask) for mask in masks.tolist()}) == 2**n
    p = probabilities(n, seed=n)
    P = mask_probabilities(masks, p)
    torch.testing.assert_close(P.sum(), double(1)[0])
    torch.testing.assert_close(expectation(masks, P), p)  # E xi = p


# ---------------------------------------------------------------------- one unit
@pytest.mark.equation("eq-logistic")
def test_logistic_by_hand():
    torch.testing.assert_close(logistic(double(0, math.log(3))), double(1 / 2, 3 / 4))
    torch.testing.assert_close(logistic(double(0.5), c=3, beta=math.log(9)), double(1 / 2))
    s = random(7)
    torch.testing.assert_close(logistic(s, 2.5, 0.7), 1 / (1 + 2.5 * torch.exp(-0.7 * s)))


@pytest.mark.equation("eq-geometric-means", "eq-nwgm")
def test_means_by_hand():
    # outputs 1/2 and 4/5, half the time each
    S, P = double(0, math.log(4)), double(0.5, 0.5)
    log_G, log_G_prime = log_geometric_means(S, P)
    assert math.exp(log_G) == pytest.approx(math.sqrt(2 / 5))
    assert math.exp(log_G_prime) == pytest.approx(math.sqrt(1 / 10))
    assert nwgm(S, P).item() == pytest.approx(2 / 3)  # = f(log 2)
    assert expectation(logistic(S), P).item() == pytest.approx(0.65)


@pytest.mark.equation("eq-geometric-means")
def test_geometric_means_are_the_plain_products_where_these_hold():
    S, P = random(6), double(0.1, 0.2, 0.3, 0.1, 0.1, 0.2)
    O = logistic(S, 1.5, 0.8)  # noqa: E741
    log_G, log_G_prime = log_geometric_means(S, P, 1.5, 0.8)
    torch.testing.assert_close(log_G.exp(), (O**P).prod())
    torch.testing.assert_close(log_G_prime.exp(), ((1 - O) ** P).prod())


@pytest.mark.equation("eq-geometric-means", "eq-nwgm")
def test_large_weights_leave_the_means_their_digits():
    y, w, p = torch.ones(12).double(), 20 * random(12), probabilities(12, seed=1)
    masks = all_masks(12)
    S, P = net_inputs(masks, w, y), mask_probabilities(masks, p)
    O = logistic(S)  # noqa: E741
    G, G_prime = (O**P).prod(), ((1 - O) ** P).prod()
    E_S = expected_input(w, y, p)
    assert not torch.isclose(G / (G + G_prime), logistic(E_S), **EXACT)  # the products give up
    torch.testing.assert_close(nwgm(S, P), logistic(E_S), **EXACT)


@pytest.mark.equation("eq-nwgm", "eq-expected-input")
@settings(max_examples=100)
@given(
    n=st.integers(1, 12),
    b=st.floats(-3, 3),
    c=st.sampled_from([0.5, 1.0, 3.0]),
    beta=st.sampled_from([0.3, 1.0, 2.0]),
    size=st.sampled_from([1.0, 5.0, 20.0]),
    seed=seeds,
)
def test_nwgm_of_a_unit_is_the_output_for_its_mean_input(n, b, c, beta, size, seed):
    w, y, p = size * random(n, seed=seed), random(n, seed=seed + 1), probabilities(n, seed=seed)
    masks = all_masks(n)
    S, P = net_inputs(masks, w, y, b), mask_probabilities(masks, p)
    E_S = expectation(S, P)
    torch.testing.assert_close(expected_input(w, y, p, b), E_S, rtol=1e-13, atol=1e-12)
    torch.testing.assert_close(nwgm(S, P, c, beta), logistic(E_S, c, beta), **EXACT)


@pytest.mark.equation("eq-nwgm")
def test_nwgm_needs_no_independence():
    S, P = 3 * random(9), probabilities(9, seed=2)
    P = P / P.sum()
    torch.testing.assert_close(nwgm(S, P), logistic((P * S).sum()), **EXACT)
    assert abs(nwgm(S, P) - expectation(logistic(S), P)) > 1e-3  # the arithmetic mean is another one


@pytest.mark.equation("eq-nwgm")
@pytest.mark.parametrize("n", [1, 4, 10])
@pytest.mark.parametrize("K", [2, 5])
def test_softmax_too(n, K):
    W, y, b, p = 4 * random(K, n), random(n, seed=1), random(K, seed=2), probabilities(n, seed=3)
    masks = all_masks(n)
    P = mask_probabilities(masks, p)
    Z = (masks * y) @ W.T + b
    torch.testing.assert_close(nwgm_softmax(Z, P), torch.softmax(W @ (p * y) + b, 0), **EXACT)


@pytest.mark.equation("eq-nwgm")
def test_softmax_of_two_classes_is_the_logistic_unit():
    S, P = random(6), torch.full((6,), 1 / 6).double()
    Z = torch.stack([S, torch.zeros(6).double()], dim=1)
    torch.testing.assert_close(nwgm_softmax(Z, P)[0], nwgm(S, P), **EXACT)


# ---------------------------------------------------------------------- a network
def network(*sizes, seed=0, size=2.0):
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [size * random(*shape, seed=seed + i) for i, shape in enumerate(shapes)]
    biases = [random(n, seed=seed + 10 + i) for i, (n, _) in enumerate(shapes)]
    p = [probabilities(n, seed=seed + 20 + i) for i, (_, n) in enumerate(shapes)]
    return random(sizes[0], seed=seed + 30), weights, biases, p


@pytest.mark.equation("eq-dropout-mean", "eq-nwgm")
@pytest.mark.parametrize("sizes", [(3, 2), (3, 4, 2), (2, 3, 3, 2), (2, 3, 2, 3, 1)], ids=str)
def test_both_identities_hold_at_every_depth(sizes):
    x, weights, biases, p = network(*sizes)
    P, etas, ys = sub_networks(x, weights, biases, p)
    assert len(P) == 2 ** sum(sizes[:-1])
    mean_y = x
    for W, b, kept, eta, y in zip(weights, biases, p, etas, ys, strict=True):
        mean_eta = expectation(eta, P)
        torch.testing.assert_close(dropout_mean(W, kept, mean_y, b), mean_eta, **EXACT)
        for j in range(len(W)):
            torch.testing.assert_close(nwgm(eta[:, j], P), logistic(mean_eta[j]), **EXACT)
        mean_y = expectation(y, P)


def test_the_only_approximation_is_the_mean_of_the_outputs():
    x, weights, biases, p = network(3, 4, 3, 2)
    P, etas, ys = sub_networks(x, weights, biases, p)
    scaled = weight_scaling(x, weights, biases, p)
    torch.testing.assert_close(
        scaled[0], logistic(expectation(etas[0], P)), **EXACT
    )  # nothing approximated yet
    assert all((y - expectation(exact, P)).abs().max() > 1e-3 for y, exact in zip(scaled, ys, strict=True))
    # where nothing is dropped, or all is linear, nothing is approximated
    kept = [torch.ones_like(k) for k in p]
    P, _, ys = sub_networks(x, weights, biases, kept)
    assert P.tolist() == [1]
    torch.testing.assert_close(ys[-1][0], weight_scaling(x, weights, biases, kept)[-1])
    P, _, ys = sub_networks(x, weights, biases, p, f=lambda eta: eta)
    torch.testing.assert_close(
        expectation(ys[-1], P), weight_scaling(x, weights, biases, p, f=lambda eta: eta)[-1]
    )


def test_for_relu_the_mean_is_at_least_the_output_for_the_mean_input():
    x, weights, biases, p = network(4, 5)
    P, etas, ys = sub_networks(x, weights, biases, p, f=torch.relu)
    difference = expectation(ys[0], P) - torch.relu(expectation(etas[0], P))
    assert (difference > -1e-15).all()  # Jensen
    assert difference.max() > 1e-2


@pytest.mark.equation("eq-dropout-mean")
def test_dropout_mean_by_hand():
    W = torch.stack([double(1, 2), double(0, -4)])
    assert dropout_mean(W, double(0.5, 0.25), double(4, 8)).tolist() == [6, -8]
    assert dropout_mean(W, double(0.5, 0.25), double(4, 8), double(1, 2)).tolist() == [7, -6]


@pytest.mark.equation("eq-expected-input")
def test_expected_input_by_hand():
    assert expected_input(double(1, 2), double(4, 8), double(0.5, 0.25), 1).item() == 7


def test_sub_networks_are_the_loops_of_dropout():
    x, weights, biases, p = network(2, 3, 2)
    P, etas, ys = sub_networks(x, weights, biases, p)
    for i, xi in enumerate(all_masks(5)):
        first = logistic(loops.dropout(x, weights[0], xi[:2]) + biases[0])
        torch.testing.assert_close(ys[0][i], first)
        torch.testing.assert_close(etas[1][i], loops.dropout(first, weights[1], xi[2:]) + biases[1])
    torch.testing.assert_close(P, mask_probabilities(all_masks(5), torch.cat(p)))


def test_nodes_that_are_always_there_make_no_sub_networks():
    x, weights, biases, p = network(3, 2, 1)
    p[0] = double(1, 0.5, 1)
    result = sub_networks(x, weights, biases, p)
    assert len(result.P) == 2**3
    full = [torch.full_like(k, 1 - 1e-15) if (k == 1).all() else torch.where(k == 1, 1 - 1e-15, k) for k in p]
    every = sub_networks(x, weights, biases, full)
    torch.testing.assert_close(expectation(result.y[-1], result.P), expectation(every.y[-1], every.P))


def test_in_single_precision():
    x, weights, biases, p = network(2, 3, 1)
    P, etas, _ = sub_networks(x.float(), *([t.float() for t in ts] for ts in (weights, biases, p)))
    assert P.dtype == etas[-1].dtype == torch.float32
    torch.testing.assert_close(nwgm(etas[-1][:, 0], P), logistic(expectation(etas[-1], P))[0])


# ---------------------------------------------------------------------- bad input
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: all_masks(21), r"n must be between 0 and 20, as there are 2\^n masks; got 21"),
        (lambda: all_masks(-1), "got -1"),
        (lambda: mask_probabilities(all_masks(2), double(0.5)), r"p must have shape \(2,\).*masks of shape \(4, 2\); got \(1,\)"),
        (lambda: mask_probabilities(all_masks(2), double(0.5, 1.1)), r"p must hold probabilities between 0 and 1, got \[0.5, 1.1\]"),
        (lambda: net_inputs(all_masks(2), double(1, 2, 3), double(1, 2)), r"must match, got \(4, 2\), \(3,\) and \(2,\)"),
        (lambda: logistic(double(1), c=0), "c must be above 0, got 0"),
        (lambda: nwgm(double(1, 2), double(1)), r"one probability P for each sub-network, got shapes \(1,\) and \(2,\)"),
        (lambda: nwgm(double(1, 2), double(1, 1)), "P must sum to 1, got 2.0"),
        (lambda: nwgm_softmax(torch.ones(3, 2).double(), double(0.5, 0.5)), r"got shapes \(2,\) and \(3, 2\)"),
        (lambda: expected_input(double(1, 2), double(1), double(1, 1)), r"w, y and p must have one shape \(n,\), got \(2,\), \(1,\) and \(2,\)"),
        (lambda: dropout_mean(torch.ones(2, 3), torch.ones(2), torch.ones(3)), r"must match, got \(2, 3\), \(2,\) and \(3,\)"),
        (lambda: sub_networks(double(1), [], [], []), "one entry a layer, got 0, 0 and 0 of them"),
        (lambda: weight_scaling(double(1), [torch.ones(2, 1)], [], [double(1)]), "got 1, 0 and 1 of them"),
        (lambda: sub_networks(double(1), [torch.ones(2, 1), torch.ones(1, 3)], [torch.ones(2), torch.ones(1)], [torch.ones(1), torch.ones(3)]),
         r"layer 1 is given 2 nodes: weights must have shape \(n', 2\), biases \(n',\) and p \(2,\), got \(1, 3\), \(1,\) and \(3,\)"),
        (lambda: sub_networks(torch.ones(21), [torch.ones(1, 21)], [torch.ones(1)], [torch.full((21,), 0.5)]), "n must be between 0 and 20.*got 21"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
