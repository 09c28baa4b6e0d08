"""Softmax and cross-entropy: by hand, against torch, far from zero, and what bad input says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.loss import cross_entropy, cross_entropy_backward, softmax

SCORES = st.lists(st.floats(-50, 50), min_size=1, max_size=6)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.equation("eq-softmax")
def test_probabilities_by_hand():
    z = double([0.0, math.log(2), math.log(3)])  # 1, 2 and 3 of 6
    torch.testing.assert_close(softmax(z), double([1 / 6, 2 / 6, 3 / 6]))
    torch.testing.assert_close(softmax(z + 700), softmax(z))
    assert softmax(torch.tensor([-3.0])).tolist() == [1]


@pytest.mark.equation("eq-cross-entropy")
def test_loss_by_hand():
    z = double([0.0, math.log(2), math.log(3)])
    for t, p in enumerate([1 / 6, 2 / 6, 3 / 6]):
        assert cross_entropy(z, t).item() == pytest.approx(-math.log(p), rel=1e-15)
    assert cross_entropy(torch.zeros(10), 4).item() == pytest.approx(math.log(10))  # a guess among ten
    assert cross_entropy(torch.tensor([-3.0]), 0).item() == 0


@pytest.mark.equation("eq-softmax-gradient")
def test_gradient_by_hand():
    z = double([0.0, math.log(2), math.log(3)])
    torch.testing.assert_close(cross_entropy_backward(z, 1), double([1 / 6, 2 / 6 - 1, 3 / 6]))
    assert cross_entropy_backward(torch.tensor([-3.0]), 0).tolist() == [0]


@pytest.mark.equation("eq-softmax")
@settings(max_examples=200)
@given(scores=SCORES, seed=st.integers(0, 10_000))
def test_softmax_is_torchs_with_gradient(scores, seed):
    z, expected_z = double(scores).requires_grad_(), double(scores).requires_grad_()
    p, expected = softmax(z), torch.softmax(expected_z, dim=0)
    torch.testing.assert_close(p, expected)
    delta = torch.randn(len(z), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    p.backward(delta)
    expected.backward(delta)
    torch.testing.assert_close(z.grad, expected_z.grad)


@pytest.mark.equation("eq-cross-entropy", "eq-softmax-gradient")
@settings(max_examples=200)
@given(scores=SCORES, data=st.data())
def test_loss_is_torchs_with_gradient(scores, data):
    t = data.draw(st.integers(0, len(scores) - 1))
    z, expected_z = double(scores).requires_grad_(), double(scores).requires_grad_()
    loss, expected = cross_entropy(z, t), nn.functional.cross_entropy(expected_z[None], torch.tensor([t]))
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(z.grad, expected_z.grad)
    torch.testing.assert_close(cross_entropy_backward(double(scores), t), expected_z.grad)


@pytest.mark.equation("eq-softmax", "eq-cross-entropy", "eq-softmax-gradient")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "scores", [[1e4, 0.0, -1e4], [-1e4, -1e4, -2e4], [0.0, 1e30, 0.0], [-torch.inf, 0.0, 1.0]]
)
def test_scores_far_from_zero(scores, dtype):
    z = torch.tensor(scores, dtype=dtype)
    assert not (z.exp() / z.exp().sum()).isfinite().all() or z.isinf().any()  # the plain formula gives up
    assert softmax(z).isfinite().all()
    torch.testing.assert_close(softmax(z), torch.softmax(z, dim=0))
    for t in range(3):
        expected_z = z.clone().requires_grad_()
        expected = nn.functional.cross_entropy(expected_z[None], torch.tensor([t]))
        torch.testing.assert_close(cross_entropy(z, t), expected)
        expected.backward()
        torch.testing.assert_close(cross_entropy_backward(z, t), expected_z.grad)


@pytest.mark.equation("eq-softmax-gradient")
def test_the_mean_over_a_batch_divides_by_its_size():
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)
    targets = [0, 2, 2, 1]
    nn.functional.cross_entropy(z, torch.tensor(targets)).backward()
    for row, gradient, t in zip(z.detach(), z.grad, targets, strict=True):
        torch.testing.assert_close(cross_entropy_backward(row, t) / 4, gradient)


def test_the_scores_stay_as_they_are():
    z = torch.tensor([1.0, 2.0, 3.0])
    softmax(z), cross_entropy(z, 0), cross_entropy_backward(z, 0)
    assert z.tolist() == [1, 2, 3]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_loss_runs_on_the_gpu():
    z = torch.tensor([1.0, 2.0, 3.0])
    for f in (cross_entropy, cross_entropy_backward):
        assert f(z.cuda(), 1).device.type == "cuda"
        torch.testing.assert_close(f(z.cuda(), 1).cpu(), f(z, 1))


@pytest.mark.bad_input
@pytest.mark.parametrize("f", [cross_entropy, cross_entropy_backward])
@pytest.mark.parametrize(
    ("t", "error", "got"),
    [
        (10, ValueError, "got 10"),
        (-1, ValueError, "got -1"),
        (1.0, TypeError, "got 1.0 of type float, not an integer"),
        ("3", TypeError, "got '3' of type str, not an integer"),
        (torch.tensor([1, 2]), TypeError, r"got tensor\(\[1, 2\]\) of type Tensor, not an integer"),
    ],
)
def test_a_target_that_is_no_class(f, t, error, got):
    expected = f"t must be the number of one of the 10 classes that z has scores for, 0 to 9; {got}"
    with pytest.raises(error, match=expected):
        f(torch.zeros(10), t)


@pytest.mark.bad_input
@pytest.mark.parametrize("shape", [(), (2, 3), (0,)])
def test_scores_of_another_shape(shape):
    for call in (softmax, lambda z: cross_entropy(z, 0), lambda z: cross_entropy_backward(z, 0)):
        with pytest.raises(ValueError, match=r"z must have shape \(classes,\).*got \("):
            call(torch.zeros(shape))
