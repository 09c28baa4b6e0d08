"""The locally connected layer: by hand, against torch's layers, and what bad input says."""

import copy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.layers import LocallyConnected1d
from cnnkit.shapes import local_parameters


def test_by_hand():
    layer = LocallyConnected1d(1, 1, input_size=4, kernel_size=2, stride=2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[[1.0, 2.0], [3.0, -1.0]]]]))
        layer.bias.copy_(torch.tensor([[0.5, -0.5]]))
    # node 0: 1·1 + 2·2 + 0.5; node 1: 3·3 - 1·4 - 0.5
    assert layer(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[5.5, 4.5]]


@settings(max_examples=60)
@given(
    n=st.integers(2, 9),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    kernel_size=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    bias=st.booleans(),
)
def test_with_one_filter_everywhere_it_is_a_convolution(
    n, channels, filters, kernel_size, stride, padding, bias
):
    assume(kernel_size <= n + 2 * padding)
    conv = nn.Conv1d(channels, filters, kernel_size, stride, padding, bias=bias, dtype=torch.float64)
    layer = LocallyConnected1d(channels, filters, n, kernel_size, stride, padding, bias, dtype=torch.float64)
    layer.shared_from(conv)
    x = torch.randn(2, channels, n, dtype=torch.float64, requires_grad=True)
    y, expected = layer(x), conv(x)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(layer(x[0]), expected[0])

    delta = torch.randn_like(y)
    (gradient,) = torch.autograd.grad(y, x, delta, retain_graph=True)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected, x, delta, retain_graph=True)[0])
    y.backward(delta)
    expected.backward(delta)
    # the gradient of a shared weight is the sum over the places that share it
    torch.testing.assert_close(layer.weight.grad.sum(dim=2), conv.weight.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_low_precision_is_at_most_twice_torchs_error(dtype):
    torch.manual_seed(0)
    conv = nn.Conv1d(3, 4, 5, padding=2, dtype=torch.float64)
    layer = LocallyConnected1d(3, 4, 40, 5, padding=2, dtype=torch.float64).shared_from(conv)
    x = torch.randn(16, 3, 40, dtype=torch.float64)
    exact = conv(x)
    low_x, low_conv, low_layer = x.to(dtype), copy.deepcopy(conv).to(dtype), copy.deepcopy(layer).to(dtype)
    theirs = (low_conv(low_x) - exact).abs().max()
    ours = (low_layer(low_x) - exact).abs().max()
    assert ours <= 2 * theirs + 4 * torch.finfo(dtype).eps * exact.abs().max()


def test_gradcheck():
    layer = LocallyConnected1d(2, 2, input_size=5, kernel_size=3, padding=1, dtype=torch.float64)
    assert torch.autograd.gradcheck(layer, torch.randn(2, 2, 5, dtype=torch.float64, requires_grad=True))


@pytest.mark.equation("eq-parameters")
def test_number_of_parameters_and_state():
    layer = LocallyConnected1d(2, 3, input_size=7, kernel_size=3, padding=1)
    assert sum(p.numel() for p in layer.parameters()) == local_parameters(7, 3, 2, 3, bias=True)
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert (
        repr(layer) == "LocallyConnected1d(2, 3, input_size=7, kernel_size=3, stride=1, padding=1, bias=True)"
    )
    bound = (2 * 3) ** -0.5
    assert layer.weight.abs().max() <= bound
    assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_runs_on_the_gpu_in_bfloat16():
    layer = LocallyConnected1d(2, 3, input_size=8, kernel_size=3, device="cuda", dtype=torch.bfloat16)
    y = layer(torch.randn(4, 2, 8, device="cuda", dtype=torch.bfloat16))
    assert (y.device.type, y.dtype, y.shape) == ("cuda", torch.bfloat16, (4, 3, 6))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: LocallyConnected1d(0, 1, 5, 3), ValueError, "in_channels must be at least 1, got 0"),
        (lambda: LocallyConnected1d(1, 0, 5, 3), ValueError, "out_channels must be at least 1, got 0"),
        (lambda: LocallyConnected1d(1, 1, 2, 3), ValueError, "kernel_size=3 is wider than the padded input"),
        (lambda: LocallyConnected1d(1, 1, 5, 3, stride=0), ValueError, "stride must be at least 1, got 0"),
        (lambda: LocallyConnected1d(1, 1, 5, 3, padding=-1), ValueError, "padding must be at least 0, got -1"),
        (lambda: LocallyConnected1d(1, 1, 5.5, 3), TypeError, "must be an integer, got 5.5"),
        (
            lambda: LocallyConnected1d(2, 1, 5, 3)(torch.zeros(4, 3, 5)),
            ValueError,
            r"\(N, in_channels, input_size\) = \(N, 2, 5\).*got \(4, 3, 5\)",
        ),
        (lambda: LocallyConnected1d(2, 1, 5, 3)(torch.zeros(4, 2, 6)), ValueError, r"\(N, 2, 5\).*got \(4, 2, 6\)"),
        (lambda: LocallyConnected1d(2, 1, 5, 3)(torch.zeros(5)), ValueError, r"got \(5,\)"),
        (
            lambda: LocallyConnected1d(2, 1, 5, 3).shared_from(nn.Conv1d(3, 1, 3)),
            ValueError,
            "in_channels is 2 here but 3 in the convolution",
        ),
        (
            lambda: LocallyConnected1d(2, 1, 5, 3).shared_from(nn.Conv1d(2, 1, 3, stride=2)),
            ValueError,
            r"stride is \(1,\) here but \(2,\) in the convolution",
        ),
        (
            lambda: LocallyConnected1d(1, 1, 5, 3, padding=1).shared_from(nn.Conv1d(1, 1, 3, padding="same")),
            ValueError,
            r"padding is \(1,\) here but 'same' in the convolution",
        ),
        (
            lambda: LocallyConnected1d(2, 2, 5, 3).shared_from(nn.Conv1d(2, 2, 3, groups=2)),
            ValueError,
            "groups is 1 here but 2",
        ),
        (
            lambda: LocallyConnected1d(1, 1, 5, 3).shared_from(nn.Conv1d(1, 1, 3, dilation=2)),
            ValueError,
            r"dilation is \(1,\) here but \(2,\)",
        ),
        (
            lambda: LocallyConnected1d(1, 1, 5, 3, padding=1).shared_from(nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")),
            ValueError,
            "padding_mode is zeros here but 'circular'",
        ),
        (
            lambda: LocallyConnected1d(1, 1, 5, 3, bias=False).shared_from(nn.Conv1d(1, 1, 3)),
            ValueError,
            "the convolution has a bias, but this layer was made with bias=False",
        ),
        (lambda: LocallyConnected1d(1.5, 1, 5, 3), TypeError, "in_channels must be an integer, got 1.5"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
