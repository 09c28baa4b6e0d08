"""Pooling: by hand, against torch (values and gradients), and what bad input says."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.pool import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d

PAIRS = {
    1: [(max_pool1d, nn.functional.max_pool1d), (avg_pool1d, nn.functional.avg_pool1d)],
    2: [(max_pool2d, nn.functional.max_pool2d), (avg_pool2d, nn.functional.avg_pool2d)],
}


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


@pytest.mark.equation("eq-pool-max", "eq-pool-average")
@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("kind", [0, 1], ids=["max", "average"])
@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    channels=st.integers(1, 2),
    kernel_size=st.integers(1, 4),
    stride=st.one_of(st.none(), st.integers(1, 3)),
    padding=st.integers(0, 2),
    seed=st.integers(0, 10_000),
)
def test_as_torch_with_gradients(dimensions, kind, size, channels, kernel_size, stride, padding, seed):
    size = size[:dimensions]
    assume(padding <= kernel_size // 2)
    assume(kernel_size <= min(size) + 2 * padding)
    ours, theirs = PAIRS[dimensions][kind]
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(channels, *size, generator=generator, dtype=torch.float64)
    a, b = y.clone().requires_grad_(), y.clone().requires_grad_()
    out, expected = ours(a, kernel_size, stride, padding), theirs(b[None], kernel_size, stride, padding)[0]
    torch.testing.assert_close(out, expected)
    delta = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    out.backward(delta)
    expected.backward(delta)
    torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loops_run_on_the_gpu():
    y = torch.randn(2, 5, 6)
    torch.testing.assert_close(max_pool2d(y.cuda(), 3, 2, 1).cpu(), max_pool2d(y, 3, 2, 1))


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
    ],
)
def test_bad_input_names_the_argument(pool, arguments, error, message):
    y = torch.zeros((1, 4) if "1d" in pool.__name__ else (1, 4, 4))
    with pytest.raises(error, match=message):
        pool(y, **arguments)
    with pytest.raises(ValueError, match=r"y must have shape \(channels, .*\), got \(4,\)"):
        pool(torch.zeros(4), 2)
