"""The convolution loops: by hand, against torch (values and gradients), and what bad input says."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.reference.conv import conv1d, conv1d_centred, conv2d
from cnnkit.shapes import output_size


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.equation("eq-conv1d")
def test_one_filter_by_hand():
    x, w = torch.tensor([0.0, 0.0, 2.0, 3.0, 3.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])
    assert conv1d_centred(x, w).tolist() == [0, 2, 3, 1, -2, -3]
    assert conv1d_centred(x, w, f=torch.relu).tolist() == [0, 2, 3, 1, 0, 0]


def test_the_filter_is_not_flipped():
    # Correlation reads the impulse backwards; a convolution in the sense of signal processing would give 1, 2, 3.
    impulse = torch.tensor([0.0, 1.0, 0.0])
    assert conv1d_centred(impulse, torch.tensor([1.0, 2.0, 3.0])).tolist() == [3, 2, 1]


@pytest.mark.equation("eq-conv1d-multi")
def test_several_filters_by_hand():
    y = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])  # two rows of three nodes
    w = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 1.0]]])  # two filters of two weights a row
    # filter 0 at place 0: 1·1 + 0·2 + 0·0 + 2·1 = 3; filter 1 at place 0: 0·1 + 1·2 + 1·0 + 1·1 = 3
    assert conv1d(y, w).tolist() == [[3, 2], [3, 4]]
    assert conv1d(y, w, bias=torch.tensor([10.0, -5.0]), f=torch.relu).tolist() == [[13, 12], [0, 0]]
    assert conv1d(y, w, stride=2, padding=1).tolist() == [[0, 2], [1, 4]]


@pytest.mark.equation("eq-conv1d")
@settings(max_examples=200)
@given(n=st.integers(1, 9), q=st.integers(0, 3), seed=st.integers(0, 10_000))
def test_one_filter_is_torchs_with_gradients(n, q, seed):
    y, w, delta = random(n, seed=seed), random(2 * q + 1, seed=seed + 1), random(n, seed=seed + 2)
    ours, theirs = [(y.clone().requires_grad_(), w.clone().requires_grad_()) for _ in range(2)]
    out = conv1d_centred(*ours, f=torch.tanh)
    expected = torch.tanh(nn.functional.conv1d(theirs[0][None, None], theirs[1][None, None], padding=q)[0, 0])
    torch.testing.assert_close(out, expected)
    out.backward(delta)
    expected.backward(delta)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.equation("eq-conv1d-multi")
@settings(max_examples=200)
@given(
    n=st.integers(1, 8),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    kernel_size=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    with_bias=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_several_filters_are_torchs_with_gradients(
    n, channels, filters, kernel_size, stride, padding, with_bias, seed
):
    assume(kernel_size <= n + 2 * padding)
    tensors = [random(channels, n, seed=seed), random(filters, channels, kernel_size, seed=seed + 1)]
    tensors += [random(filters, seed=seed + 2)] if with_bias else []
    ours, theirs = [[t.clone().requires_grad_() for t in tensors] for _ in range(2)]
    out = conv1d(*ours, stride=stride, padding=padding)
    expected = nn.functional.conv1d(theirs[0][None], *theirs[1:], stride=stride, padding=padding)[0]
    assert out.shape == (filters, output_size(n, kernel_size, stride, padding, floor=True))
    torch.testing.assert_close(out, expected)
    delta = random(*out.shape, seed=seed + 3)
    out.backward(delta)
    expected.backward(delta)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.equation("eq-conv2d-valid")
def test_an_image_by_hand():
    edge = torch.tensor([[[[-1.0, 0.0, 1.0]] * 3]]).reshape(1, 1, 3, 3)
    image = torch.tensor([[[0.0, 0.0, 1.0, 1.0]] * 3])
    assert conv2d(image, edge).tolist() == [[[3, 3]]]
    assert conv2d(image, edge, bias=torch.tensor([-2.5]), stride=2, padding=1).tolist() == [
        [[-2.5, -0.5], [-2.5, -0.5]]
    ]


@pytest.mark.equation("eq-conv2d-valid")
@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.integers(1, 2),
    filters=st.integers(1, 2),
    kernel_size=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    with_bias=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_images_are_torchs_with_gradients(
    size, channels, filters, kernel_size, stride, padding, with_bias, seed
):
    assume(kernel_size <= min(size) + 2 * padding)
    tensors = [
        random(channels, *size, seed=seed),
        random(filters, channels, kernel_size, kernel_size, seed=seed + 1),
    ]
    tensors += [random(filters, seed=seed + 2)] if with_bias else []
    ours, theirs = [[t.clone().requires_grad_() for t in tensors] for _ in range(2)]
    out = conv2d(*ours, stride=stride, padding=padding)
    expected = nn.functional.conv2d(theirs[0][None], *theirs[1:], stride=stride, padding=padding)[0]
    torch.testing.assert_close(out, expected)
    delta = random(*out.shape, seed=seed + 3)
    out.backward(delta)
    expected.backward(delta)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_one_filter_is_a_case_of_several():
    y, w = random(9), random(5, seed=1)
    torch.testing.assert_close(conv1d(y[None], w[None, None], padding=2)[0], conv1d_centred(y, w))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_loops_run_on_the_gpu():
    y, w = random(2, 7).cuda(), random(3, 2, 3).cuda()
    out = conv1d(y, w, stride=2, padding=1)
    assert out.device.type == "cuda"
    torch.testing.assert_close(out.cpu(), conv1d(y.cpu(), w.cpu(), stride=2, padding=1))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: conv1d_centred(torch.zeros(5), torch.zeros(4)), ValueError, "w must have an odd number of weights.*got 4"),
        (lambda: conv1d_centred(torch.zeros(1, 5), torch.zeros(3)), ValueError, r"y must have the one dimension.*\(1, 5\)"),
        (lambda: conv1d_centred(torch.zeros(5), torch.zeros(1, 3)), ValueError, r"w must have the one dimension.*\(1, 3\)"),
        (lambda: conv1d(torch.zeros(5), torch.zeros(1, 1, 3)), ValueError, r"y must have shape \(in_channels, n\), got \(5,\)"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(3)), ValueError, r"w must have shape.*got \(3,\)"),
        (
            lambda: conv1d(torch.zeros(2, 5), torch.zeros(4, 3, 3)),
            ValueError,
            r"w of shape \(4, 3, 3\) takes in_channels=3, but y of shape \(2, 5\) has 2",
        ),
        (
            lambda: conv1d(torch.zeros(2, 5), torch.zeros(4, 2, 3), bias=torch.zeros(2)),
            ValueError,
            r"bias must have shape \(out_channels,\) = \(4,\).*got \(2,\)",
        ),
        (lambda: conv2d(torch.zeros(5, 5), torch.zeros(1, 1, 3, 3)), ValueError, r"y must have shape \(in_channels, height, width\), got \(5, 5\)"),
        (lambda: conv2d(torch.zeros(1, 5, 5), torch.zeros(1, 1, 3, 2)), ValueError, r"w must have shape \(out_channels, in_channels, F, F\), got \(1, 1, 3, 2\)"),
        (lambda: conv2d(torch.zeros(1, 5, 2), torch.zeros(1, 1, 3, 3)), ValueError, "kernel_size=3 is wider than the padded input"),
        (lambda: conv1d(torch.zeros(1, 2), torch.zeros(1, 1, 3)), ValueError, "kernel_size=3 is wider than the padded input"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(1, 1, 3), stride=0), ValueError, "stride must be at least 1, got 0"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(1, 1, 3), padding=-1), ValueError, "padding must be at least 0, got -1"),
        (lambda: conv1d(torch.zeros(1, 5), torch.zeros(1, 1, 3), stride=1.5), TypeError, "stride must be an integer, got 1.5"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
