"""Vectorised convolution: against torch and the loops (values and gradients), and what bad input says."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.functional import conv as module
from cnnkit.functional import conv1d, conv2d
from cnnkit.reference import conv as reference
from tests import operators
from tests.operators import (
    assert_as_torch,
    assert_low_precision,
    assert_on_grid,
    grid,
    one_or_two,
    pair,
    random,
    value_and_gradients,
)

# Padded, with gaps between the taps and between the windows, in groups, rectangular: alone or together.
SETTINGS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (1, 3), "padding": (2, 0), "dilation": (1, 2)},
    {"groups": 2, "padding": 1, "dilation": 2},
    {"padding": "same", "groups": 4},
    {"padding": "valid", "stride": 3},
]
settings_of = pytest.mark.parametrize("how", SETTINGS, ids=str)
FILTERS = (4, 4, 2, 3)  # R, C, Fa, Fb, before groups take their part of C


def tensors(how, *, batch=2, size=(7, 8), filters=FILTERS, seed=0):
    """Input, weight and bias for these arguments."""
    R, C, *kernel_size = filters
    groups = how.get("groups", 1)
    return [
        random(batch, C, *size, seed=seed),
        random(R, C // groups, *kernel_size, seed=seed + 1) / C,
        random(R, seed=seed + 2),
    ]


def pair_of(how):
    """Ours and torch's with these arguments."""
    return (lambda *t: conv2d(*t, **how)), (lambda *t: nn.functional.conv2d(*t, **how))


@pytest.mark.equation("eq-conv2d-valid", "eq-conv-dx", "eq-conv-dw", "eq-conv-db")
def test_by_hand():
    x = torch.tensor([[[[1.0, 2.0, 0.0], [0.0, 3.0, 1.0]]]], requires_grad=True)
    w = torch.tensor([[[[1.0, -1.0], [2.0, 0.0]]]], requires_grad=True)
    b = torch.tensor([0.5], requires_grad=True)
    y = conv2d(x, w, b)
    # 1*1 - 1*2 + 2*0 + 0.5 and 1*2 - 1*0 + 2*3 + 0.5
    assert y.tolist() == [[[[-0.5, 8.5]]]]
    y.backward(torch.tensor([[[[10.0, 1.0]]]]))
    # each product of a weight and a pixel sends its output's delta, times the other factor, to both
    assert x.grad.tolist() == [[[[10, -9, -1], [20, 2, 0]]]]
    assert w.grad.tolist() == [[[[12, 20], [3, 31]]]]
    assert b.grad.tolist() == [11]


@pytest.mark.equation("eq-conv1d-multi", "eq-shared-gradient")
def test_one_row_by_hand():
    x = torch.tensor([[1.0, 2.0, 4.0, 8.0]], requires_grad=True)
    w = torch.tensor([[[1.0, 10.0]]], requires_grad=True)
    y = conv1d(x, w)
    assert y.tolist() == [[21, 42, 84]]
    y.backward(torch.tensor([[1.0, 0.0, 2.0]]))
    assert w.grad.tolist() == [[[1 + 8, 2 + 16]]]  # the sum of all updates
    assert x.grad.tolist() == [[1, 10, 2, 20]]


@settings(max_examples=200)
@given(
    batch=st.one_of(st.none(), st.integers(0, 3)),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 3),
    kernel_size=one_or_two(st.integers(1, 4)),
    stride=one_or_two(st.integers(1, 5)),
    padding=st.one_of(st.sampled_from(["same", "valid"]), one_or_two(st.integers(0, 3))),
    dilation=one_or_two(st.integers(1, 2)),
    bias=st.booleans(),
    seed=operators.seeds,
)
def test_as_torch_with_gradients(
    batch, size, channels, groups, kernel_size, stride, padding, dilation, bias, seed
):
    stride = 1 if padding == "same" else stride
    P = (0, 0) if padding == "valid" else (9, 9) if padding == "same" else pair(padding)
    for n, F, p, d in zip(size, pair(kernel_size), P, pair(dilation), strict=True):
        assume((F - 1) * d + 1 <= n + 2 * p)
    C, R = (groups * c for c in channels)
    x = random(*([] if batch is None else [batch]), C, *size, seed=seed)
    w = random(R, C // groups, *pair(kernel_size), seed=seed + 1)
    given_tensors = [x, w, random(R, seed=seed + 2)] if bias else [x, w]
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    assert_as_torch(*pair_of(how), given_tensors, seed)


@settings(max_examples=200)
@given(
    batch=st.one_of(st.none(), st.integers(0, 3)),
    n=st.integers(1, 9),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 3),
    kernel_size=st.integers(1, 5),
    stride=st.integers(1, 6),
    padding=st.one_of(st.sampled_from(["same", "valid"]), st.integers(0, 3)),
    dilation=st.integers(1, 3),
    bias=st.booleans(),
    seed=operators.seeds,
)
def test_one_row_as_torch_with_gradients(
    batch, n, channels, groups, kernel_size, stride, padding, dilation, bias, seed
):
    stride = 1 if padding == "same" else stride
    P = 0 if padding == "valid" else 12 if padding == "same" else padding
    assume((kernel_size - 1) * dilation + 1 <= n + 2 * P)
    C, R = (groups * c for c in channels)
    x = random(*([] if batch is None else [batch]), C, n, seed=seed)
    w = random(R, C // groups, kernel_size, seed=seed + 1)
    given_tensors = [x, w, random(R, seed=seed + 2)] if bias else [x, w]
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    assert_as_torch(
        lambda *t: conv1d(*t, **how), lambda *t: nn.functional.conv1d(*t, **how), given_tensors, seed
    )


@settings(max_examples=30, deadline=None)
@given(
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 2),
    seed=operators.seeds,
)
def test_as_the_loops(stride, padding, dilation, groups, seed):
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w, b = tensors(how, size=(4, 5), filters=(2, 2, 2, 3), seed=seed)
    y = conv2d(x, w, b, **how)
    delta = random(*y.shape, seed=seed)
    leaves = [t.requires_grad_() for t in (x, w, b)]
    dx, dw, db = torch.autograd.grad(conv2d(*leaves, **how), leaves, delta)
    with torch.no_grad():
        torch.testing.assert_close(y[0].detach(), reference.conv2d(x[0], w, b, **how))
        backward = [
            reference.conv2d_backward(d, example, w, **how) for d, example in zip(delta, x, strict=True)
        ]
    by_loops = [list(parts) for parts in zip(*backward, strict=True)]
    torch.testing.assert_close(dx, torch.stack(by_loops[0]))
    torch.testing.assert_close(dw, sum(by_loops[1]))
    torch.testing.assert_close(db, sum(by_loops[2]))


# ---------------------------------------------------------------------- edges of the range
@pytest.mark.parametrize(
    ("size", "kernel_size", "how"),
    [
        pytest.param((1, 1), (1, 1), {}, id="1x1 input"),
        pytest.param((3, 4), (5, 6), {"padding": 1}, id="kernel equal to the padded input"),
        pytest.param((7, 7), (2, 2), {"stride": 5}, id="stride larger than the kernel"),
        pytest.param(
            (2, 9), (1, 4), {"padding": (0, 3), "dilation": (1, 4)}, id="kernel wider than the input"
        ),
    ],
)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_edges(size, kernel_size, how, batch):
    ours, torchs = pair_of(how)
    assert_as_torch(ours, torchs, tensors(how, batch=batch, size=size, filters=(4, 4, *kernel_size)))


@pytest.mark.parametrize("how", [{}, {"stride": 2, "padding": 1}, {"groups": 2}], ids=str)
def test_many_blocks_are_one_result(how, monkeypatch):
    # images are cut into blocks whose windows fit the cache: with a small limit, into single rows of places
    given_tensors = tensors(how, batch=3, size=(6, 7))
    whole = value_and_gradients(pair_of(how)[0], given_tensors)
    monkeypatch.setattr(module, "_slices", lambda length, step: [slice(i, i + 1) for i in range(length)])
    for a, b in zip(whole, value_and_gradients(pair_of(how)[0], given_tensors), strict=True):
        torch.testing.assert_close(a, b)


# ---------------------------------------------------------------------- gradients
@settings_of
def test_gradients_of_first_and_second_order(how):
    leaves = [t.requires_grad_() for t in tensors(how, size=(4, 5))]
    assert torch.autograd.gradcheck(lambda *t: conv2d(*t, **how), leaves)
    assert torch.autograd.gradgradcheck(lambda *t: conv2d(*t, **how), leaves)


def test_gradients_of_one_row():
    leaves = [random(2, 2, 6).requires_grad_(), random(4, 1, 3, seed=1).requires_grad_()]
    assert torch.autograd.gradcheck(lambda *t: conv1d(*t, stride=2, padding=1, groups=2), leaves)
    assert torch.autograd.gradgradcheck(lambda *t: conv1d(*t, stride=2, padding=1, groups=2), leaves)


@pytest.mark.parametrize("wanted", [[0], [1], [2], [0, 2], [1, 2]], ids=str)
def test_only_what_is_asked_for(wanted):
    given_tensors = tensors({})
    for k in wanted:
        given_tensors[k].requires_grad_()
    leaves = [given_tensors[k] for k in wanted]
    ours, torchs = (torch.autograd.grad(f(*given_tensors).pow(2).sum(), leaves) for f in pair_of({}))
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b)


@settings_of
def test_functional_gradient(how):
    x, w, b = tensors(how)

    def loss(conv):
        return lambda x, w, b: conv(x, w, b, **how).sin().sum()

    ours, torchs = (
        torch.func.grad(loss(conv), argnums=(0, 1, 2))(x, w, b) for conv in (conv2d, nn.functional.conv2d)
    )
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b)


# ---------------------------------------------------------------------- dtypes, layouts, devices, compilers
@grid
@settings_of
def test_on_every_dtype_layout_and_device(dtype, layout, device, how):
    assert_on_grid(*pair_of(how), tensors(how), dtype, layout, device)


@pytest.mark.parametrize("dtype", operators.LOW_PRECISION, ids=str)
def test_low_precision_of_a_real_layer(dtype):
    how = {"padding": 1}
    assert_low_precision(*pair_of(how), tensors(how, size=(16, 16), filters=(32, 32, 3, 3)), dtype)


def test_many_blocks_and_taps_add_up_in_float32(monkeypatch):
    # bfloat16 counts up to 256 and no further: 256 + 1 is rounded to 256
    def ones(*shape):
        return torch.ones(shape, dtype=torch.bfloat16, requires_grad=True)

    monkeypatch.setattr(module, "_slices", lambda length, step: [slice(i, i + 1) for i in range(length)])
    x, w = ones(400, 1, 1, 1), ones(1, 1, 1, 1)
    conv2d(x, w).sum().backward()
    assert w.grad.item() == 400  # one from each image, each a block of its own
    x, w = ones(1, 1, 39, 39), ones(1, 1, 20, 20)
    conv2d(x, w).sum().backward()
    assert x.grad[0, 0, 19, 19].item() == 400  # one from each tap, in the middle that all of them see


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_chooses_the_dtype_as_torch_does(dtype):
    x, w, b = (t.float().requires_grad_() for t in tensors({}))
    exact = conv2d(x.double(), w.double(), b.double())
    with torch.autocast("cpu", dtype):
        y, expected = conv2d(x, w, b), nn.functional.conv2d(x, w, b)
    assert y.dtype == expected.dtype == dtype
    operators.assert_as_accurate_as_torch(y.detach(), expected.detach(), exact.detach())
    for gradient in torch.autograd.grad(y.float().sum(), [x, w, b]):
        assert gradient.dtype == torch.float32


def test_a_backward_pass_inside_autocast_keeps_its_precision():
    leaves = [t.float().requires_grad_() for t in tensors({})]
    y = conv2d(*leaves)
    expected = torch.autograd.grad(y.sum(), leaves, retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(y.sum(), leaves)
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=str)
def test_vectorised_over_examples_or_networks(axes):
    x, w = random(3, 2, 4, 5, 5), random(3, 4, 4, 2, 2, seed=1)
    given_tensors = [t if axis == 0 else t[0] for t, axis in zip((x, w), axes, strict=True)]

    def gradients(conv):
        def gradient(x, w):
            return torch.func.grad(lambda x, w: conv(x, w, stride=2, padding=1).sin().sum(), (0, 1))(x, w)

        return torch.func.vmap(gradient, axes)(*given_tensors)

    for a, b in zip(gradients(conv2d), gradients(nn.functional.conv2d), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.compile
@settings_of
def test_compiles_to_one_graph(how):
    torch._dynamo.reset()
    given_tensors = [t.float() for t in tensors(how)]
    compiled = torch.compile(lambda *t: conv2d(*t, **how), fullgraph=True, backend="aot_eager")
    eager = value_and_gradients(pair_of(how)[0], given_tensors)
    for a, b in zip(value_and_gradients(compiled, given_tensors), eager, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.compile
def test_compiles_to_machine_code():
    torch._dynamo.reset()
    how = {"stride": 2, "padding": 1}
    given_tensors = [t.float() for t in tensors(how)]
    compiled = torch.compile(lambda *t: conv2d(*t, **how), fullgraph=True)
    eager = value_and_gradients(pair_of(how)[0], given_tensors)
    for a, b in zip(value_and_gradients(compiled, given_tensors), eager, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@settings_of
def test_no_convolution_of_torch_is_called(how):
    def both_orders():
        leaves = [t.requires_grad_() for t in tensors(how)]
        gradients = torch.autograd.grad(conv2d(*leaves, **how).pow(2).sum(), leaves, create_graph=True)
        torch.autograd.grad(sum(g.pow(2).sum() for g in gradients), leaves)

    assert operators.torchs_own(both_orders) == set()
    with_torch = operators.torchs_own(lambda: nn.functional.conv2d(*tensors(how), **how))
    assert with_torch  # the listener hears a convolution when there is one


# ---------------------------------------------------------------------- bad input
X, W = torch.zeros(2, 4, 7, 7), torch.zeros(6, 4, 3, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X[0, 0], W), r"input must have shape \(N, in_channels, height, width\).*got \(7, 7\)"),
        ((X, W[0]), r"weight must have shape .*got \(4, 3, 3\)"),
        (
            (X, W[:, :3]),
            r"weight of shape \(6, 3, 3, 3\) takes in_channels=3, but input of shape \(2, 4, 7, 7\) has 4",
        ),
        ((X, W, torch.zeros(4)), r"bias must have shape \(out_channels,\) = \(6,\).*got \(4,\)"),
        ((X, W, None, 0), "stride must be at least 1, got 0"),
        ((X, W, None, (1, 2, 3)), r"stride must be one integer or 2 of them, got \(1, 2, 3\)"),
        ((X, W, None, 1, -1), "padding must be at least 0, got -1"),
        ((X, W, None, 1, "full"), "padding must be .*'valid' or 'same', got 'full'"),
        ((X, W, None, 2, "same"), "padding='same' .*stride=1.*got stride=2"),
        ((X, W, None, 1, 0, 4), "kernel_size=3 with dilation=4 spans 9 nodes"),
        ((X, W, None, 1, 0, 1, 3), r"groups=3 takes in_channels=12, but input of shape \(2, 4, 7, 7\) has 4"),
        ((X, W[:5, :2], None, 1, 0, 1, 2), "groups=2 must divide out_channels=5"),
        ((X[:, :, :2], W), "kernel_size=3 is wider than the padded input"),
        ((X, W.to("meta")), "weight must be on input's device cpu, got meta"),
    ],
)
def test_bad_values_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv2d(*arguments)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X.long(), W.long()), "input must be a floating-point tensor, got torch.int64"),
        ((X, W.double()), "weight must have input's dtype torch.float32, got torch.float64"),
        ((X, W, None, 1.5), "stride must be an integer, got 1.5"),
        ((X, W, None, 1, 0, 1, 2.0), "groups must be an integer, got 2.0"),
    ],
)
def test_bad_types_are_named(arguments, message):
    with pytest.raises(TypeError, match=message):
        conv2d(*arguments)


@pytest.mark.bad_input
def test_one_row_has_its_own_messages():
    with pytest.raises(ValueError, match=r"input must have shape \(N, in_channels, n\)"):
        conv1d(torch.zeros(1, 2, 3, 4), torch.zeros(2, 2, 3))
    with pytest.raises(
        ValueError, match=r"weight of shape \(2, 3, 2\) takes in_channels=3, but input of shape"
    ):
        conv1d(torch.zeros(2, 8), torch.zeros(2, 3, 2))
