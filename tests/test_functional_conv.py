"""Vectorised convolution: against torch and the loops (values and gradients), and what bad input says."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.functional import conv as module
from cnnkit.functional import conv1d, conv2d, conv_transpose2d
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

OPERATORS = {
    "conv2d": (conv2d, nn.functional.conv2d),
    "conv_transpose2d": (conv_transpose2d, nn.functional.conv_transpose2d),
}
each_operator = pytest.mark.parametrize("name", OPERATORS)
# Padded, with gaps between the taps and between the windows, in groups, rectangular: alone or together.
SETTINGS = [
    ("conv2d", {}),
    ("conv2d", {"stride": 2, "padding": 1}),
    ("conv2d", {"stride": (1, 3), "padding": (2, 0), "dilation": (1, 2)}),
    ("conv2d", {"groups": 2, "padding": 1, "dilation": 2}),
    ("conv2d", {"padding": "same", "groups": 4}),
    ("conv2d", {"padding": "valid", "stride": 3}),
    ("conv_transpose2d", {}),
    ("conv_transpose2d", {"stride": 2, "padding": 1, "output_padding": 1}),
    (
        "conv_transpose2d",
        {"stride": (1, 3), "padding": (2, 0), "output_padding": (0, 2), "dilation": (1, 2)},
    ),
    ("conv_transpose2d", {"groups": 2, "padding": 1, "dilation": 2, "output_padding": (1, 0)}),
    ("conv_transpose2d", {"groups": 4, "stride": 3}),
]
settings_of = pytest.mark.parametrize(("name", "how"), SETTINGS, ids=str)
FILTERS = (4, 4, 2, 3)  # R, C, Fa, Fb, before groups take their part of C, or transposed, of R


def tensors(how, *, name="conv2d", batch=2, size=(7, 8), filters=FILTERS, seed=0):
    """Input, weight and bias for these arguments."""
    R, C, *kernel_size = filters
    groups = how.get("groups", 1)
    channels = (R, C // groups) if name == "conv2d" else (C, R // groups)
    return [
        random(batch, C, *size, seed=seed),
        random(*channels, *kernel_size, seed=seed + 1) / C,
        random(R, seed=seed + 2),
    ]


def pair_of(how, name="conv2d"):
    """Ours and torch's with these arguments."""
    ours, torchs = OPERATORS[name]
    return (lambda *t: ours(*t, **how)), (lambda *t: torchs(*t, **how))


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


def test_transposed_by_hand():
    x = torch.tensor([[[[1.0, 2.0]]]], requires_grad=True)
    w = torch.tensor([[[[5.0, -1.0], [0.0, 3.0]]]], requires_grad=True)
    b = torch.tensor([0.5], requires_grad=True)
    y = conv_transpose2d(x, w, b)
    # both pixels write their multiple of the filter; in the middle column they add up
    assert y.tolist() == [[[[5.5, -1 + 10 + 0.5, -1.5], [0.5, 3.5, 6.5]]]]
    y.backward(torch.tensor([[[[10.0, 1.0, 3.0], [0.0, 2.0, 0.0]]]]))
    # each product of a weight and a pixel sends its output's delta, times the other factor, to both
    assert x.grad.tolist() == [[[[50 - 1 + 6, 5 - 3]]]]
    assert w.grad.tolist() == [[[[10 + 2, 1 + 6], [4, 2]]]]
    assert b.grad.tolist() == [16]


@settings(max_examples=200)
@given(
    batch=st.one_of(st.none(), st.integers(0, 3)),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 3),
    kernel_size=one_or_two(st.integers(1, 4)),
    stride=one_or_two(st.integers(1, 5)),
    padding=one_or_two(st.integers(0, 3)),
    output_padding=one_or_two(st.integers(0, 4)),
    dilation=one_or_two(st.integers(1, 3)),
    bias=st.booleans(),
    seed=operators.seeds,
)
def test_transposed_as_torch_with_gradients(
    batch, size, channels, groups, kernel_size, stride, padding, output_padding, dilation, bias, seed
):
    how = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    for n, F, S, P, more, d in zip(size, *map(pair, [kernel_size, *how.values()]), strict=True):
        assume(more < max(S, d))
        assume((n - 1) * S + (F - 1) * d + 1 + more > 2 * P)
    C, R = (groups * c for c in channels)
    x = random(*([] if batch is None else [batch]), C, *size, seed=seed)
    w = random(C, R // groups, *pair(kernel_size), seed=seed + 1)
    given_tensors = [x, w, random(R, seed=seed + 2)] if bias else [x, w]
    assert_as_torch(*pair_of(how | {"groups": groups}, "conv_transpose2d"), given_tensors, seed)


@each_operator
@settings(max_examples=30, deadline=None)
@given(
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 2),
    seed=operators.seeds,
)
def test_as_the_loops(name, stride, padding, dilation, groups, seed):
    ours, _ = OPERATORS[name]
    forward, loops = getattr(reference, name), getattr(reference, f"{name}_backward")
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w, b = tensors(how, name=name, size=(4, 5), filters=(2, 2, 2, 3), seed=seed)
    y = ours(x, w, b, **how)
    delta = random(*y.shape, seed=seed)
    leaves = [t.requires_grad_() for t in (x, w, b)]
    dx, dw, db = torch.autograd.grad(ours(*leaves, **how), leaves, delta)
    with torch.no_grad():
        torch.testing.assert_close(y[0].detach(), forward(x[0], w, b, **how))
        backward = [loops(d, example, w, **how) for d, example in zip(delta, x, strict=True)]
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


@pytest.mark.parametrize(
    ("size", "kernel_size", "how"),
    [
        pytest.param((1, 1), (1, 1), {}, id="1x1 input"),
        pytest.param((1, 1), (3, 3), {"padding": 1}, id="a single pixel is left"),
        pytest.param((3, 4), (2, 2), {"stride": 5, "output_padding": 4}, id="gaps between the windows"),
        pytest.param((2, 3), (1, 1), {"stride": 3, "padding": 1}, id="windows in what is cut off"),
        pytest.param((3, 3), (2, 3), {"dilation": 4, "output_padding": 3}, id="more than a stride is added"),
    ],
)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_transposed_edges(size, kernel_size, how, batch):
    filters = (4, 4, *kernel_size)
    given_tensors = tensors(how, name="conv_transpose2d", batch=batch, size=size, filters=filters)
    assert_as_torch(*pair_of(how, "conv_transpose2d"), given_tensors)


@each_operator
@pytest.mark.parametrize("how", [{}, {"stride": 2, "padding": 1}, {"groups": 2}], ids=str)
def test_many_blocks_are_one_result(how, name, monkeypatch):
    # images are cut into blocks whose windows fit the cache: with a small limit, into single rows of places
    given_tensors, (ours, _) = tensors(how, name=name, batch=3, size=(6, 7)), pair_of(how, name)
    whole = value_and_gradients(ours, given_tensors)
    monkeypatch.setattr(module, "_slices", lambda length, step: [slice(i, i + 1) for i in range(length)])
    for a, b in zip(whole, value_and_gradients(ours, given_tensors), strict=True):
        torch.testing.assert_close(a, b)


# ---------------------------------------------------------------------- gradients
@settings_of
def test_gradients_of_first_and_second_order(name, how):
    size = {"conv2d": (4, 5), "conv_transpose2d": (4, 3)}[name]
    leaves = [t.requires_grad_() for t in tensors(how, name=name, size=size)]
    ours, _ = pair_of(how, name)
    assert torch.autograd.gradcheck(ours, leaves)
    assert torch.autograd.gradgradcheck(ours, leaves)


def test_gradients_of_one_row():
    leaves = [random(2, 2, 6).requires_grad_(), random(4, 1, 3, seed=1).requires_grad_()]
    assert torch.autograd.gradcheck(lambda *t: conv1d(*t, stride=2, padding=1, groups=2), leaves)
    assert torch.autograd.gradgradcheck(lambda *t: conv1d(*t, stride=2, padding=1, groups=2), leaves)


@each_operator
@pytest.mark.parametrize("wanted", [[0], [1], [2], [0, 2], [1, 2]], ids=str)
def test_only_what_is_asked_for(wanted, name):
    given_tensors = tensors({}, name=name)
    for k in wanted:
        given_tensors[k].requires_grad_()
    leaves = [given_tensors[k] for k in wanted]
    ours, torchs = (torch.autograd.grad(f(*given_tensors).pow(2).sum(), leaves) for f in pair_of({}, name))
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b)


@settings_of
def test_functional_gradient(name, how):
    x, w, b = tensors(how, name=name)

    def loss(conv):
        return lambda x, w, b: conv(x, w, b).sin().sum()

    ours, torchs = (torch.func.grad(loss(conv), argnums=(0, 1, 2))(x, w, b) for conv in pair_of(how, name))
    for a, b in zip(ours, torchs, strict=True):
        torch.testing.assert_close(a, b)


# ---------------------------------------------------------------------- dtypes, layouts, devices, compilers
@grid
@settings_of
def test_on_every_dtype_layout_and_device(dtype, layout, device, name, how):
    assert_on_grid(*pair_of(how, name), tensors(how, name=name), dtype, layout, device)


@each_operator
@pytest.mark.parametrize("dtype", operators.LOW_PRECISION, ids=str)
def test_low_precision_of_a_real_layer(dtype, name):
    how = {"padding": 1}
    given_tensors = tensors(how, name=name, size=(16, 16), filters=(32, 32, 3, 3))
    assert_low_precision(*pair_of(how, name), given_tensors, dtype)


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
    y = conv_transpose2d(ones(1, 1, 20, 20), ones(1, 1, 20, 20))
    assert y[0, 0, 19, 19].item() == 400


@each_operator
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_autocast_chooses_the_dtype_as_torch_does(dtype, name):
    ours, torchs = OPERATORS[name]
    x, w, b = (t.float().requires_grad_() for t in tensors({}, name=name))
    exact = ours(x.double(), w.double(), b.double())
    with torch.autocast("cpu", dtype):
        y, expected = ours(x, w, b), torchs(x, w, b)
    assert y.dtype == expected.dtype == dtype
    operators.assert_as_accurate_as_torch(y.detach(), expected.detach(), exact.detach())
    for gradient in torch.autograd.grad(y.float().sum(), [x, w, b]):
        assert gradient.dtype == torch.float32


@each_operator
def test_a_backward_pass_inside_autocast_keeps_its_precision(name):
    leaves = [t.float().requires_grad_() for t in tensors({}, name=name)]
    y = OPERATORS[name][0](*leaves)
    expected = torch.autograd.grad(y.sum(), leaves, retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(y.sum(), leaves)
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a, b)


@each_operator
@pytest.mark.parametrize("axes", [(0, None, None), (None, 0, None), (None, None, 0), (0, 0, 0)], ids=str)
def test_vectorised_over_examples_or_networks(axes, name):
    x, w, b = random(3, 2, 4, 5, 5), random(3, 4, 4, 2, 2, seed=1), random(3, 4, seed=2)
    given_tensors = [t if axis == 0 else t[0] for t, axis in zip((x, w, b), axes, strict=True)]

    def gradients(conv):
        def gradient(*tensors):
            return torch.func.grad(lambda *t: conv(*t, stride=2, padding=1).sin().sum(), (0, 1, 2))(*tensors)

        return torch.func.vmap(gradient, axes)(*given_tensors)

    for found, expected in zip(*map(gradients, OPERATORS[name]), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.compile
@settings_of
def test_compiles_to_one_graph(name, how):
    torch._dynamo.reset()
    given_tensors, (ours, _) = [t.float() for t in tensors(how, name=name)], pair_of(how, name)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    eager = value_and_gradients(ours, given_tensors)
    for a, b in zip(value_and_gradients(compiled, given_tensors), eager, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.compile
@each_operator
def test_compiles_to_machine_code(name):
    torch._dynamo.reset()
    how = {"stride": 2, "padding": 1}
    given_tensors, (ours, _) = [t.float() for t in tensors(how, name=name)], pair_of(how, name)
    compiled = torch.compile(ours, fullgraph=True)
    eager = value_and_gradients(ours, given_tensors)
    for a, b in zip(value_and_gradients(compiled, given_tensors), eager, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@settings_of
def test_no_convolution_of_torch_is_called(name, how):
    ours, torchs = pair_of(how, name)

    def both_orders():
        leaves = [t.requires_grad_() for t in tensors(how, name=name)]
        gradients = torch.autograd.grad(ours(*leaves).pow(2).sum(), leaves, create_graph=True)
        torch.autograd.grad(sum(g.pow(2).sum() for g in gradients), leaves)

    assert operators.torchs_own(both_orders) == set()
    with_torch = operators.torchs_own(lambda: torchs(*tensors(how, name=name)))
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


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((X[0, 0], W), ValueError, r"input must have shape \(N, in_channels, height, width\).*got \(7, 7\)"),
        (
            (X, W[0]),
            ValueError,
            r"weight must have shape \(in_channels, out_channels / groups, Fa, Fb\), got",
        ),
        (
            (X, W),
            ValueError,
            r"weight of shape \(6, 4, 3, 3\) takes in_channels=6, but input of shape \(2, 4,",
        ),
        ((X, W[:4, :0]), ValueError, "out_channels must be at least 1, got 0"),
        ((X, W[:4], None, 1, 0, 0, 3), ValueError, "groups=3 must divide in_channels=4 of weight"),
        ((X, W[:4], torch.zeros(4), 1, 0, 0, 2), ValueError, r"bias must have .* = \(8,\).*got \(4,\)"),
        (
            (X, W[:4], None, (1, 2, 3)),
            ValueError,
            r"stride must be one integer or 2 of them, got \(1, 2, 3\)",
        ),
        ((X, W[:4], None, 1, 5), ValueError, "padding=5 cuts 10 nodes off the 9 that .* nothing is left"),
        ((X, W[:4], None, 2, 0, (1, 2)), ValueError, "output_padding must be below stride=2 or dilation=1"),
        ((X, W[:4], None, 2, 0, -1), ValueError, "output_padding must be at least 0, got -1"),
        ((X[:, :, :0], W[:4]), ValueError, "n must be at least 1, got 0"),
        ((X, W[:4].to("meta")), ValueError, "weight must be on input's device cpu, got meta"),
        ((X, W[:4], None, 1, "same"), TypeError, "padding must be an integer, got 'same'"),
        ((X, W[:4], None, 1, 0, 0, 2.0), TypeError, "groups must be an integer, got 2.0"),
        ((X.long(), W[:4].long()), TypeError, "input must be a floating-point tensor, got torch.int64"),
        ((X, W[:4].double()), TypeError, "weight must have input's dtype torch.float32, got torch.float64"),
    ],
)
def test_transposed_has_its_own_messages(arguments, error, message):
    with pytest.raises(error, match=message):
        conv_transpose2d(*arguments)
