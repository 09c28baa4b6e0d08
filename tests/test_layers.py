"""Our layers against torch's, the locally connected layer by hand, and what bad input says."""

import copy
import inspect
import io

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit import layers
from cnnkit.layers import LocallyConnected1d
from cnnkit.shapes import local_parameters
from tests.operators import assert_as_torch, random

# name, arguments, shape of one example
DROP_IN = [
    ("Conv1d", ((2, 3, 3), {}), (2, 8)),
    ("Conv1d", ((2, 4, 4), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}), (2, 9)),
    ("Conv1d", ((2, 3, 4), {"padding": "same", "padding_mode": "circular"}), (2, 8)),
    ("Conv2d", ((2, 3, 3), {}), (2, 6, 7)),
    ("Conv2d", ((2, 4, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}), (2, 6, 7)),
    ("Conv2d", ((2, 3, 5), {"padding": "valid", "bias": False}), (2, 6, 7)),
    ("Conv2d", ((2, 3, (2, 3)), {"padding": "same", "dilation": 2}), (2, 6, 7)),
    ("Conv2d", ((2, 3, (3, 2)), {"padding": (2, 1), "stride": 2, "padding_mode": "reflect"}), (2, 6, 7)),
    ("Conv2d", ((2, 3, (2, 3)), {"padding": "same", "padding_mode": "replicate"}), (2, 6, 7)),
    ("Conv2d", ((2, 3, 3), {"padding": "valid", "padding_mode": "circular"}), (2, 6, 7)),
    ("MaxPool2d", ((2,), {}), (2, 6, 7)),
    ("MaxPool2d", (((3, 2),), {"stride": (2, 1), "padding": 1, "dilation": (1, 2), "ceil_mode": True}), (2, 6, 7)),
    ("AvgPool2d", ((2,), {}), (2, 6, 7)),
    ("AvgPool2d", (((3, 2),), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}), (2, 6, 7)),
    ("AvgPool2d", ((2,), {"divisor_override": 3}), (2, 6, 7)),
    ("AdaptiveAvgPool2d", ((1,), {}), (2, 6, 7)),
    ("AdaptiveAvgPool2d", (((3, None),), {}), (2, 6, 7)),
    ("AdaptiveAvgPool2d", (((None, 7),), {}), (2, 6, 7)),
    ("AdaptiveAvgPool2d", (([1, 1],), {}), (2, 6, 7)),
    ("Linear", ((4, 3), {}), (4,)),
    ("Linear", ((4, 3), {"bias": False}), (5, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "shape"), DROP_IN, ids=lambda value: str(value))
def test_drop_in(name, arguments, shape):
    made = []
    for library in (layers, nn):
        torch.manual_seed(0)
        made.append(getattr(library, name)(*arguments[0], **arguments[1]))
    ours, torchs = made
    assert type(ours).__module__ == "cnnkit.layers"
    assert isinstance(ours, type(torchs))
    assert inspect.signature(type(ours)) == inspect.signature(type(torchs))
    assert repr(ours) == repr(torchs)
    assert list(ours.state_dict()) == list(torchs.state_dict())
    for a, b in zip(ours.parameters(), torchs.parameters(), strict=True):
        assert torch.equal(a, b)

    ours, torchs = ours.double(), torchs.double()
    for x in (random(3, *shape), random(*shape, seed=1)):
        x.requires_grad_()
        assert_as_torch(ours, torchs, [x])
        for layer in made:
            layer.zero_grad()
            layer(x).pow(2).sum().backward()
        for a, b in zip(ours.parameters(), torchs.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad)


def test_indices_of_the_maxima():
    x = random(2, 3, 6, 7)
    how = {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}
    for a, b in zip(layers.MaxPool2d(**how)(x), nn.MaxPool2d(**how)(x), strict=True):
        torch.testing.assert_close(a, b)


def test_checkpoints_are_exchanged_with_torchs():
    ours, torchs = layers.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3)
    ours.load_state_dict(torchs.state_dict())
    x = random(1, 2, 5, 5, dtype=torch.float32)
    torch.testing.assert_close(ours(x), torchs(x))
    file = io.BytesIO()
    torch.save(ours, file)
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=False)(x), ours(x))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Conv2d(2, 3, 3)(torch.zeros(1, 4, 5, 5)), r"weight.*\(3, 2, 3, 3\).*input.*\(1, 4, 5, 5\)"),
        (lambda: layers.Conv1d(2, 3, 3)(torch.zeros(1, 4, 5)), r"weight.*\(3, 2, 3\).*input.*\(1, 4, 5\)"),
        (lambda: layers.Conv2d(2, 3, 3)(torch.zeros(1, 2, 2, 5)), "kernel_size=3 is wider than the padded input"),
        (lambda: layers.Linear(4, 2)(torch.zeros(3, 5)), r"weight of shape \(2, 4\).*input of shape \(3, 5\)"),
        (lambda: layers.MaxPool2d(2, padding=2)(torch.zeros(1, 4, 4)), "padding must be at most half of kernel_size=2.*got 2"),
        (lambda: layers.AvgPool2d(2, stride=0)(torch.zeros(1, 4, 4)), "stride must be at least 1, got 0"),
        (lambda: layers.AdaptiveAvgPool2d(3)(torch.zeros(1, 6, 7)), r"output_size=3 must divide.*got input of shape \(1, 6, 7\)"),
        (lambda: layers.AdaptiveAvgPool2d(0)(torch.zeros(1, 6, 7)), "output_size must be at least 1, got 0"),
        (lambda: layers.AdaptiveAvgPool2d((2,))(torch.zeros(1, 6, 6)), r"output_size must be one integer or 2 of them, got \(2,\)"),
    ],
)  # fmt: skip
def test_bad_input_of_the_layers(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------------- LocallyConnected1d


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
