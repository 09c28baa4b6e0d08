"""Our layers against torch's, the locally connected layer by hand, and what bad input says."""

import copy
import inspect
import io
from functools import partial

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit import functional, layers
from cnnkit.layers import DropConnect, LocallyConnected1d
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
    ("ConvTranspose2d", ((2, 3, 3), {}), (2, 6, 7)),
    ("ConvTranspose2d", ((2, 3, 2), {"stride": 2, "bias": False}), (2, 6, 7)),
    (
        "ConvTranspose2d",
        ((2, 4, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "output_padding": (0, 1), "dilation": (1, 2), "groups": 2}),
        (2, 6, 7),
    ),
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
    ("BatchNorm1d", ((4,), {}), (4,)),
    ("BatchNorm1d", ((4,), {"affine": False, "eps": 0.1}), (4, 5)),
    ("BatchNorm2d", ((2,), {}), (2, 6, 7)),
    ("BatchNorm2d", ((2,), {"bias": False, "momentum": None, "track_running_stats": False}), (2, 6, 7)),
    ("Dropout", ((0.0,), {}), (2, 6)),
    ("Dropout1d", ((0.0,), {}), (2, 6)),
    ("Dropout2d", ((0.0,), {}), (2, 6, 7)),
]  # fmt: skip
NEED_A_BATCH = ("BatchNorm1d", "BatchNorm2d", "Dropout2d")


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
    for x in (random(3, *shape), *([] if name in NEED_A_BATCH else [random(*shape, seed=1)])):
        x.requires_grad_()
        assert_as_torch(ours, torchs, [x])
        for layer in made:
            layer.zero_grad()
            layer(x).pow(2).sum().backward()
        for a, b in zip(ours.parameters(), torchs.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("dilation", [1, 2])
def test_the_size_that_a_stride_has_made_smaller_is_given_back(dilation):
    how = {"kernel_size": 3, "stride": 3, "padding": 1, "dilation": dilation}
    down = nn.Conv2d(2, 3, **how, dtype=torch.float64)
    ours, torchs = (library.ConvTranspose2d(3, 2, **how, dtype=torch.float64) for library in (layers, nn))
    ours.load_state_dict(torchs.state_dict())
    for height, width in ((7, 8), (8, 9), (9, 10)):
        x = random(2, 2, height, width)
        for wanted in (x.shape, x.shape[-2:], [height, width]):
            both = [partial(layer, output_size=wanted) for layer in (ours, torchs)]
            assert_as_torch(*both, [down(x).detach()])
            assert both[0](down(x)).shape == x.shape
        assert ours(down(x[0]), output_size=x[0].shape).shape == x[0].shape


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


BATCH_NORMS = [
    {},
    {"momentum": 0.5, "eps": 0.1},
    {"momentum": None},
    {"affine": False},
    {"track_running_stats": False},
    {"momentum": None, "affine": False, "track_running_stats": False},
]


@pytest.mark.parametrize("how", BATCH_NORMS, ids=str)
@pytest.mark.parametrize(
    ("name", "shape"), [("BatchNorm1d", (5, 3)), ("BatchNorm1d", (4, 3, 2)), ("BatchNorm2d", (2, 3, 4, 2))]
)
def test_batch_norm_keeps_torchs_statistics(name, shape, how):
    ours, torchs = (getattr(library, name)(3, **how, dtype=torch.float64) for library in (layers, nn))
    for step in range(8):
        for layer in (ours, torchs):
            layer.train(step not in (2, 5, 7))  # at test time nothing moves, and the running ones are used
        assert_as_torch(ours, torchs, [3 * random(*shape, seed=step) + step])
        torch.testing.assert_close(ours.state_dict(), torchs.state_dict())
    if how.get("track_running_stats", True):
        assert ours.num_batches_tracked == 5
    other = layers.BatchNorm2d(3, **how, dtype=torch.float64)
    other.load_state_dict(torchs.state_dict())
    x = random(2, 3, 2, 2)
    torch.testing.assert_close(other.eval()(x), nn.functional.batch_norm(
        x, torchs.running_mean, torchs.running_var, torchs.weight, torchs.bias, torchs.running_mean is None, eps=torchs.eps
    ))  # fmt: skip


def test_a_frozen_batch_norm_in_a_model_that_learns():
    ours, torchs = (
        layers.BatchNorm1d(3, dtype=torch.float64).eval(),
        nn.BatchNorm1d(3, dtype=torch.float64).eval(),
    )
    for layer in (ours, torchs):
        layer.track_running_stats = False
    assert_as_torch(ours, torchs, [random(4, 3)])
    for layer in (ours, torchs):
        layer.train()
    assert_as_torch(ours, torchs, [random(4, 3)])
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())


@pytest.mark.compile
def test_batch_norm_compiles_as_a_whole():
    torch._dynamo.reset()
    ours, torchs = layers.BatchNorm2d(3, dtype=torch.float64), nn.BatchNorm2d(3, dtype=torch.float64)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    for training in (True, False):
        ours.train(training), torchs.train(training)
        assert_as_torch(compiled, torchs, [random(2, 3, 4, 4)])
    torch.testing.assert_close(ours.state_dict(), torchs.state_dict())


@pytest.mark.parametrize(
    ("name", "shape"), [("Dropout", (4, 5)), ("Dropout1d", (3, 4, 5)), ("Dropout2d", (3, 4, 5, 6))]
)
def test_dropout_layers_drop_what_torchs_drop(name, shape):
    x = random(*shape)
    for arguments in ((), (0.2,), (1.0,), (0.5, True)):
        ours, torchs = getattr(layers, name)(*arguments), getattr(nn, name)(*arguments)
        results = []
        for layer in (ours, torchs):
            torch.manual_seed(0)
            results.append(layer(x.clone()))
        torch.testing.assert_close(*results)
        assert (results[0] == 0).any()
        assert torch.equal(ours.eval()(x), x)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Conv2d(2, 3, 3)(torch.zeros(1, 4, 5, 5)), r"weight.*\(3, 2, 3, 3\).*input.*\(1, 4, 5, 5\)"),
        (lambda: layers.Conv1d(2, 3, 3)(torch.zeros(1, 4, 5)), r"weight.*\(3, 2, 3\).*input.*\(1, 4, 5\)"),
        (lambda: layers.Conv2d(2, 3, 3)(torch.zeros(1, 2, 2, 5)), "kernel_size=3 is wider than the padded input"),
        (lambda: layers.ConvTranspose2d(2, 3, 3)(torch.zeros(1, 4, 5, 5)), r"weight.*\(2, 3, 3, 3\).*input.*\(1, 4, 5, 5\)"),
        (lambda: layers.ConvTranspose2d(2, 3, 3)(torch.zeros(2, 5)), r"input must have shape \(N, in_channels, height, width\)"),
        (lambda: layers.ConvTranspose2d(2, 3, 3, output_padding=1)(torch.zeros(1, 2, 5, 5)), "output_padding must be below stride=1"),
        (lambda: layers.ConvTranspose2d(2, 3, 3, stride=2)(torch.zeros(1, 2, 5, 5), [11, 13]), r"output size of \[11, 13\], but valid sizes"),
        (lambda: layers.ConvTranspose2d(2, 3, 3)(torch.zeros(1, 2, 5, 5), [7]), "output_size must have 2 or 4 elements"),
        (lambda: layers.ConvTranspose2d(2, 3, 3, padding_mode="reflect"), 'Only "zeros" padding mode is supported'),
        (lambda: layers.Linear(4, 2)(torch.zeros(3, 5)), r"weight of shape \(2, 4\).*input of shape \(3, 5\)"),
        (lambda: layers.MaxPool2d(2, padding=2)(torch.zeros(1, 4, 4)), "padding must be at most half of kernel_size=2.*got 2"),
        (lambda: layers.AvgPool2d(2, stride=0)(torch.zeros(1, 4, 4)), "stride must be at least 1, got 0"),
        (lambda: layers.AdaptiveAvgPool2d(3)(torch.zeros(1, 6, 7)), r"output_size=3 must divide.*got input of shape \(1, 6, 7\)"),
        (lambda: layers.AdaptiveAvgPool2d(0)(torch.zeros(1, 6, 7)), "output_size must be at least 1, got 0"),
        (lambda: layers.AdaptiveAvgPool2d((2,))(torch.zeros(1, 6, 6)), r"output_size must be one integer or 2 of them, got \(2,\)"),
        (lambda: layers.BatchNorm1d(3)(torch.zeros(1, 3)), r"more than 1 value per channel in training.*got shape \(1, 3\)"),
        (lambda: layers.BatchNorm2d(3)(torch.zeros(2, 4, 5, 5)), r"running_mean must have shape \(4,\).*input of shape \(2, 4, 5, 5\); got \(3,\)"),
        (lambda: layers.BatchNorm2d(3, track_running_stats=False)(torch.zeros(2, 4, 5, 5)), r"weight must have shape \(4,\).*got \(3,\)"),
        (lambda: layers.BatchNorm2d(3)(torch.zeros(2, 3, 5)), "expected 4D input"),
        (lambda: layers.BatchNorm1d(3)(torch.zeros(2, 3, 5, 5)), "expected 2D or 3D input"),
        (lambda: layers.Dropout(1.5), "dropout probability has to be between 0 and 1, but got 1.5"),
        (lambda: layers.Dropout2d(-1), "dropout probability has to be between 0 and 1, but got -1"),
        (lambda: layers.Dropout2d()(torch.zeros(2, 3, 4)), r"input must have shape \(N, C, H, W\).*got \(2, 3, 4\)"),
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


# ---------------------------------------------------------------------- DropConnect


def relu_of_a_gaussian(mean, variance):
    """E max(0, eta), in closed form."""
    deviation = variance.sqrt()
    normal = torch.distributions.Normal(0.0, 1.0)
    z = mean / deviation
    return mean * normal.cdf(z) + deviation * normal.log_prob(z).exp()


@pytest.mark.equation("eq-dropconnect")
def test_dropconnect_is_the_functional_one_with_an_activation():
    layer, x = DropConnect(4, 3, p_keep=0.3, activation=torch.tanh, dtype=torch.float64), random(5, 4)
    results = []
    for call in (layer, lambda x: torch.tanh(functional.dropconnect(x, layer.weight, layer.bias, 0.3))):
        torch.manual_seed(0)
        results.append(call(x))
    torch.testing.assert_close(*results)
    mean = nn.functional.linear(x, 0.3 * layer.weight, layer.bias)
    torch.testing.assert_close(layer.eval()(x), torch.tanh(mean))
    layer.activation = None
    torch.testing.assert_close(layer(x), mean)


def test_dropconnect_averages_over_a_gaussian():
    torch.manual_seed(0)
    how = {"p_keep": 0.5, "inference": "gaussian", "samples": 4000, "dtype": torch.float64}
    layer, x = DropConnect(20, 6, activation=torch.relu, **how).eval(), random(3, 20)
    mean, variance = functional.dropconnect_moments(x, layer.weight, layer.bias, 0.5)
    exact = relu_of_a_gaussian(mean, variance)
    six_errors = 6 * variance.sqrt() / 4000**0.5  # relu's spread is at most its input's
    assert ((layer(x) - exact).abs() < six_errors).all()
    assert ((torch.relu(mean) - exact).abs() > six_errors).any()  # the mean's way is another one
    # and it is the better one: the true mean over many masks
    layer.train()
    true = torch.stack([layer(x) for _ in range(4000)]).mean(0)
    assert (exact - true).abs().mean() < (torch.relu(mean) - true).abs().mean() / 2


def test_dropconnect_keeps_torchs_state_and_learns():
    torch.manual_seed(0)
    layer = DropConnect(4, 2, p_keep=0.5)
    torch.manual_seed(0)
    linear = nn.Linear(4, 2)
    torch.testing.assert_close(layer.state_dict(), linear.state_dict())
    layer.load_state_dict(linear.state_dict())
    assert repr(layer) == "DropConnect(in_features=4, out_features=2, bias=True, p_keep=0.5)"
    layer = DropConnect(4, 2, False, 0.5, inference="gaussian", samples=3).eval()
    assert repr(layer).endswith("bias=False, p_keep=0.5, inference='gaussian', samples=3)")
    x = torch.zeros(2, 4, requires_grad=True)  # where the variance is 0
    layer(x).sum().backward()
    assert x.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_dropconnect_in_low_precision(training):
    layer = DropConnect(4, 2, inference="gaussian", samples=3, dtype=torch.bfloat16).train(training)
    y = layer(random(3, 4, dtype=torch.bfloat16))
    assert (y.dtype, y.shape) == (torch.bfloat16, (3, 2))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: DropConnect(4, 2, p_keep=1.5), ValueError, "p_keep must be a probability between 0 and 1, got 1.5"),
        (lambda: DropConnect(4, 2, inference="median"), ValueError, "inference must be 'mean' or 'gaussian', got 'median'"),
        (lambda: DropConnect(4, 2, samples=0), ValueError, "samples must be at least 1, got 0"),
        (lambda: DropConnect(0, 2), ValueError, "in_features must be at least 1, got 0"),
        (lambda: DropConnect(4, 2.5), TypeError, "out_features must be an integer, got 2.5"),
        (lambda: DropConnect(4, 2)(torch.zeros(3, 5)), ValueError, r"weight of shape \(2, 4\) takes in_features=4, but input has shape \(3, 5\)"),
    ],
)  # fmt: skip
def test_bad_input_of_dropconnect(call, error, message):
    with pytest.raises(error, match=message):
        call()
