"""Pooling, forward and backward: by hand, against torch, and what bad input says."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.pool import (
    avg_pool1d,
    avg_pool1d_backward,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool1d,
    max_pool1d_backward,
    max_pool2d,
    max_pool2d_backward,
)

OURS = {
    1: [(max_pool1d, max_pool1d_backward), (avg_pool1d, avg_pool1d_backward)],
    2: [(max_pool2d, max_pool2d_backward), (avg_pool2d, avg_pool2d_backward)],
}
TORCHS = {
    1: [nn.functional.max_pool1d, nn.functional.avg_pool1d],
    2: [nn.functional.max_pool2d, nn.functional.avg_pool2d],
}


def assert_as_torch(dimensions, kind, y, *sizes, autograd=True):
    """Values, the gradient of our backward loops and that of autograd through our forward loops."""
    forward, backward = OURS[dimensions][kind]
    a, b = y.clone().requires_grad_(), y.clone().requires_grad_()
    out, expected = forward(a, *sizes), TORCHS[dimensions][kind](b[None], *sizes)[0]
    torch.testing.assert_close(out, expected, equal_nan=True)
    delta = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    expected.backward(delta)
    torch.testing.assert_close(backward(delta, y, *sizes), b.grad)
    if autograd:
        out.backward(delta)
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.equation("eq-pool-max", "eq-pool-average")
def test_one_row_by_hand():
    y = torch.tensor([[1.0, 3.0, -2.0, 0.0, 5.0]])
    assert max_pool1d(y, 2).tolist() == [[3, 0]]  # the fifth node is left over
    assert avg_pool1d(y, 2).tolist() == [[2, -1]]
    assert max_pool1d(y, 3, stride=2).tolist() == [[3, 5]]  # windows overlap in one node
    assert max_pool1d(-y.abs(), 2, padding=1).tolist() == [[-1, -2, 0]]  # the padding never wins
    assert avg_pool1d(y, 2, padding=1).tolist() == [[0.5, 0.5, 2.5]]  # its zeros count


@pytest.mark.equation("eq-pool-max", "eq-pool-average")
def test_an_image_by_hand():
    y = torch.tensor([[[1.0, 2.0, 0.0], [3.0, 4.0, 8.0], [0.0, -4.0, 4.0]]])
    assert max_pool2d(y, 2, stride=1).tolist() == [[[4, 8], [4, 8]]]
    assert avg_pool2d(y, 2, stride=1).tolist() == [[[2.5, 3.5], [0.75, 3]]]
    assert max_pool2d(y, 2).tolist() == [[[4]]]


@pytest.mark.equation("eq-pool-max-gradient", "eq-pool-average-gradient")
def test_one_rows_gradient_by_hand():
    y, delta = torch.tensor([[1.0, 3.0, -2.0, 0.0, 5.0]]), torch.tensor([[1.0, 10.0]])
    assert max_pool1d_backward(delta, y, 2).tolist() == [[0, 1, 0, 10, 0]]  # the fifth node is left over
    assert avg_pool1d_backward(delta, y, 2).tolist() == [[0.5, 0.5, 5, 5, 0]]
    # Windows of three, one step apart, overlap: the 3 wins two of them.
    delta = torch.tensor([[1.0, 10.0, 100.0]])
    assert max_pool1d_backward(delta, y, 3, stride=1).tolist() == [[0, 11, 0, 0, 100]]
    assert avg_pool1d_backward(3 * delta, y, 3, stride=1).tolist() == [[1, 11, 111, 110, 100]]
    # The first window is one zero of padding and the 1: the padding never wins, but it has its half of a mean.
    assert max_pool1d_backward(delta, -y.abs(), 2, padding=1).tolist() == [[1, 0, 10, 100, 0]]
    assert avg_pool1d_backward(delta, y, 2, padding=1).tolist() == [[0.5, 5, 5, 50, 50]]


@pytest.mark.equation("eq-pool-max-gradient", "eq-pool-average-gradient")
def test_an_images_gradient_by_hand():
    y = torch.tensor([[[1.0, 2.0, 0.0], [3.0, 4.0, 8.0], [0.0, -4.0, 4.0]]])
    delta = torch.tensor([[[1.0, 10.0], [100.0, 1000.0]]])
    expected = [[[0, 0, 0], [0, 101, 1010], [0, 0, 0]]]  # the 4 wins two windows and the 8 two
    assert max_pool2d_backward(delta, y, 2, stride=1).tolist() == expected
    expected = [[[1, 11, 10], [101, 1111, 1010], [100, 1100, 1000]]]
    assert avg_pool2d_backward(4 * delta, y, 2, stride=1).tolist() == expected


@pytest.mark.equation("eq-pool-max-gradient")
def test_equal_values_by_hand():
    y, delta = torch.zeros(1, 2, 4), torch.tensor([[[1.0, 10.0]]])
    assert max_pool2d_backward(delta, y, 2).tolist() == [[[1, 0, 10, 0], [0, 0, 0, 0]]]
    y[0, 0, 0], y[0, 1, 2] = -1, 1  # the first window's first zero is now above right
    assert max_pool2d_backward(delta, y, 2).tolist() == [[[0, 1, 0, 0], [0, 0, 10, 0]]]
    assert max_pool1d_backward(delta[0], torch.ones(1, 4), 2).tolist() == [[1, 0, 10, 0]]


@pytest.mark.equation("eq-pool-max", "eq-pool-average", "eq-pool-max-gradient", "eq-pool-average-gradient")
@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("kind", [0, 1], ids=["max", "average"])
@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    channels=st.integers(1, 2),
    kernel_size=st.integers(1, 4),
    stride=st.one_of(st.none(), st.integers(1, 5)),
    padding=st.integers(0, 2),
    seed=st.integers(0, 10_000),
)
def test_as_torch_with_gradients(dimensions, kind, size, channels, kernel_size, stride, padding, seed):
    size = size[:dimensions]
    assume(padding <= kernel_size // 2)
    assume(kernel_size <= min(size) + 2 * padding)
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(channels, *size, generator=generator, dtype=torch.float64)
    assert_as_torch(dimensions, kind, y, kernel_size, stride, padding)


@pytest.mark.equation("eq-pool-max", "eq-pool-max-gradient")
@pytest.mark.parametrize("dimensions", [1, 2])
@settings(max_examples=200)
@given(
    values=st.lists(st.sampled_from([0.0, 1.0, 2.0, -torch.inf, torch.nan]), min_size=20, max_size=20),
    kernel_size=st.integers(2, 4),
    stride=st.integers(1, 4),
    padding=st.integers(0, 2),
)
def test_equal_values_infinities_and_nan_are_as_in_torch(dimensions, values, kernel_size, stride, padding):
    assume(padding <= kernel_size // 2)
    y = torch.tensor(values, dtype=torch.float64).reshape(1, *[(20,), (4, 5)][dimensions - 1])
    # Autograd through the forward loops shares an error among equal values; the backward loops do not.
    assert_as_torch(dimensions, 0, y, kernel_size, stride, padding, autograd=False)


@pytest.mark.equation("eq-pool-max", "eq-pool-average", "eq-pool-max-gradient", "eq-pool-average-gradient")
@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("kind", [0, 1], ids=["max", "average"])
@pytest.mark.parametrize(
    ("n", "sizes"),
    [(1, (1,)), (1, (3, 1, 1)), (4, (4,)), (3, (5, 2, 1)), (5, (2, 4, 1)), (5, (1, 3))],
    ids=["one node", "one node, padded", "one window", "one padded window", "gaps, padded", "gaps"],
)
def test_extreme_sizes(dimensions, kind, n, sizes):
    y = torch.randn(2, *[n] * dimensions, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert_as_torch(dimensions, kind, y, *sizes)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loops_run_on_the_gpu():
    y = torch.randn(2, 5, 6)
    torch.testing.assert_close(max_pool2d(y.cuda(), 3, 2, 1).cpu(), max_pool2d(y, 3, 2, 1))
    delta = torch.randn(2, 3, 3)
    for backward in (max_pool2d_backward, avg_pool2d_backward):
        torch.testing.assert_close(
            backward(delta.cuda(), y.cuda(), 3, 2, 1).cpu(), backward(delta, y, 3, 2, 1)
        )


@pytest.mark.bad_input
@pytest.mark.parametrize("pool", [max_pool1d, avg_pool1d, max_pool2d, avg_pool2d])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kernel_size": 9}, ValueError, "kernel_size=9 is wider than the padded input"),
        ({"kernel_size": 2, "stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"kernel_size": 2, "padding": -1}, ValueError, "padding must be at least 0, got -1"),
        (
            {"kernel_size": 3, "padding": 2},
            ValueError,
            "padding must be at most half of kernel_size=3.*got 2",
        ),
        ({"kernel_size": 1.5}, TypeError, "kernel_size must be an integer, got 1.5"),
        ({"kernel_size": "2"}, TypeError, "kernel_size must be an integer, got '2'"),
        ({"kernel_size": None}, TypeError, "kernel_size must be an integer, got None"),
        ({"kernel_size": -1}, ValueError, "kernel_size must be at least 1, got -1"),
        ({"kernel_size": 2, "padding": "1"}, TypeError, "padding must be an integer, got '1'"),
    ],
)
def test_bad_input_names_the_argument(pool, arguments, error, message):
    y = torch.zeros((1, 4) if "1d" in pool.__name__ else (1, 4, 4))
    with pytest.raises(error, match=message):
        pool(y, **arguments)
    with pytest.raises(ValueError, match=r"y must have shape \(channels, .*\), got \(4,\)"):
        pool(torch.zeros(4), 2)
    backward = {forward: backward for pairs in OURS.values() for forward, backward in pairs}[pool]
    delta = torch.zeros((1, 2) if "1d" in pool.__name__ else (1, 2, 2))
    with pytest.raises(error, match=message):
        backward(delta, y, **arguments)
    with pytest.raises(ValueError, match=r"y must have shape \(channels, .*\), got \(4,\)"):
        backward(delta, torch.zeros(4), 2)
    with pytest.raises(TypeError, match=r"y must be a floating-point tensor, got torch\.int64"):
        pool(y.long(), 2)
    with pytest.raises(TypeError, match=r"y must be a floating-point tensor, got torch\.int64"):
        backward(delta, y.long(), 2)


@pytest.mark.bad_input
@pytest.mark.parametrize("backward", [max_pool1d_backward, avg_pool1d_backward])
def test_a_rows_error_of_another_shape(backward):
    with pytest.raises(ValueError, match=r"delta must have the shape of the output, \(1, 2\), got \(1, 4\)"):
        backward(torch.zeros(1, 4), torch.zeros(1, 4), 2)


@pytest.mark.bad_input
@pytest.mark.parametrize("backward", [max_pool2d_backward, avg_pool2d_backward])
def test_an_images_error_of_another_shape(backward):
    with pytest.raises(
        ValueError, match=r"delta must have the shape of the output, \(1, 2, 3\), got \(2, 3\)"
    ):
        backward(torch.zeros(2, 3), torch.zeros(1, 4, 6), 2)
