"""Batch normalisation: by hand, against torch (values, gradients and buffers), and what bad input says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.functional import batch_norm, batch_statistics
from cnnkit.reference import batchnorm as reference
from tests import operators
from tests.operators import assert_as_torch, grid, random, value_and_gradients

torchs = nn.functional.batch_norm
modes = pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])


def buffers(C, seed=0, dtype=torch.float64):
    return random(C, seed=seed + 3, dtype=dtype), random(C, seed=seed + 4).square().add(0.1).to(dtype)


def affine(C, seed=0):
    return [1 + random(C, seed=seed + 1), random(C, seed=seed + 2)]


def with_buffers(function, C, training, **how):
    """The function of input, weight and bias that is given fresh buffers at each call."""

    def call(x, *weight_and_bias):
        mean, var = (b.to(x.device, torch.promote_types(x.dtype, torch.float32)) for b in buffers(C))
        return function(x, mean, var, *weight_and_bias, training=training, **how)

    return call


@pytest.mark.equation(
    "eq-bn-statistics", "eq-bn-normalise", "eq-bn-affine", "eq-bn-dx", "eq-bn-dgamma", "eq-bn-dbeta"
)
def test_by_hand():
    # mu = 3, sigma^2 = 5, eps = 4: s = 3, x-hat = -1, -1/3, 1/3, 1
    x = torch.tensor([[0.0], [2.0], [4.0], [6.0]], dtype=torch.float64, requires_grad=True)
    gamma, beta = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (6.0, 1.0))
    mean, var = torch.tensor([1.0]).double(), torch.tensor([2.0]).double()
    assert [t.tolist() for t in batch_statistics(x)] == [[3], [5]]
    y = batch_norm(x, mean, var, gamma, beta, training=True, momentum=0.5, eps=4)
    torch.testing.assert_close(y.flatten(), torch.tensor([-5.0, -1, 3, 7]).double())
    torch.testing.assert_close(
        (mean, var), (torch.tensor([2.0]).double(), torch.tensor([1 + 10 / 3]).double())
    )
    y.backward(torch.tensor([[1.0], [0.0], [0.0], [0.0]]).double())
    # sum g = 1, sum g x-hat = -1: dx_i = 6 / (4 * 3) * (4 g_i - 1 + x-hat_i)
    torch.testing.assert_close(x.grad.flatten(), torch.tensor([1.0, -2 / 3, -1 / 3, 0]).double())
    torch.testing.assert_close((gamma.grad.item(), beta.grad.item()), (-1.0, 1.0))


@pytest.mark.equation("eq-bn-inference")
def test_by_hand_at_test_time():
    x, mean, var = torch.tensor([[7.0]]), torch.tensor([1.0]), torch.tensor([5.0])
    gamma, beta = torch.tensor([6.0]), torch.tensor([1.0])
    assert batch_norm(x, mean, var, gamma, beta, eps=4).tolist() == [[13]]  # 6 / 3 * (7 - 1) + 1
    assert (mean.item(), var.item()) == (1, 5)


@settings(max_examples=400)
@given(
    N=st.integers(1, 4),
    C=st.integers(1, 4),
    space=st.lists(st.integers(1, 4), max_size=3),
    training=st.booleans(),
    tracked=st.booleans(),
    weight=st.booleans(),
    bias=st.booleans(),
    momentum=st.sampled_from([0.0, 0.1, 0.7, 1.0]),
    eps=st.sampled_from([1e-5, 1e-3, 1.0]),
    scale=st.sampled_from([1e-2, 1.0, 100.0]),
    seed=operators.seeds,
)
def test_as_torch_with_gradients_and_buffers(
    N, C, space, training, tracked, weight, bias, momentum, eps, scale, seed
):
    if training and N * torch.Size(space).numel() == 1:
        N = 2
    tracked = tracked or not training
    x = scale * random(N, C, *space, seed=seed) + 3
    given_tensors = [t for t, wanted in zip(affine(C, seed), (weight, bias), strict=True) if wanted]
    after = []

    def run(function):
        def call(x, *rest):
            mean_and_var = buffers(C, seed) if tracked else (None, None)
            rest = list(rest)
            gamma, beta = (rest.pop(0) if wanted else None for wanted in (weight, bias))
            y = function(x, *mean_and_var, gamma, beta, training, momentum, eps)
            after.append(mean_and_var)
            return y

        return call

    assert_as_torch(run(batch_norm), run(torchs), [x, *given_tensors], seed)
    torch.testing.assert_close(*after)
    if tracked and training and momentum:
        assert not torch.equal(after[0][0], buffers(C, seed)[0])


@settings(max_examples=50)
@given(
    N=st.integers(2, 5),
    C=st.integers(1, 3),
    space=st.lists(st.integers(1, 3), max_size=2),
    seed=operators.seeds,
)
def test_as_the_loops(N, C, space, seed):
    x, (gamma, beta) = random(N, C, *space, seed=seed), affine(C, seed)

    def loops(x, gamma, beta):
        channels = x.movedim(1, 0).flatten(1)
        rows = [
            reference.batch_norm(row, g, b, 1e-3) for row, g, b in zip(channels, gamma, beta, strict=True)
        ]
        return torch.stack(rows).reshape(C, N, *space).movedim(0, 1)

    def ours(x, gamma, beta):
        return batch_norm(x, None, None, gamma, beta, training=True, eps=1e-3)

    assert_as_torch(ours, loops, [x, gamma, beta], seed)


@modes
@pytest.mark.parametrize("shape", [(4, 2), (2, 2, 3), (2, 2, 2, 3)], ids=str)
def test_gradients_of_first_and_second_order(training, shape):
    tensors = [t.requires_grad_() for t in (random(*shape), *affine(2))]
    ours = with_buffers(batch_norm, 2, training)
    assert torch.autograd.gradcheck(ours, tensors)
    assert torch.autograd.gradgradcheck(ours, tensors)
    assert torch.autograd.gradgradcheck(ours, tensors[:1])


def formula(x, mean, var, gamma, beta, training, eps=1e-5):
    """As written, for autograd: torch's own batch norm has no third derivatives."""
    if training:
        mean, var = x.mean((0, 2), keepdim=True), x.var((0, 2), correction=0, keepdim=True)
    else:
        mean, var = mean[:, None], var[:, None]
    return gamma[:, None] * (x - mean) / (var + eps).sqrt() + beta[:, None]


@modes
def test_gradients_of_third_order(training):
    def third(function):
        x = random(3, 2, 4).requires_grad_()
        y = with_buffers(function, 2, training)(x, *affine(2)).pow(3).sum()
        for _ in range(3):
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            y = g.sin().sum()
        return g

    torch.testing.assert_close(third(batch_norm), third(formula))


@modes
@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2)])
def test_only_the_wanted_gradients(training, wanted):
    def run(function):
        tensors = [random(3, 4, 5), *affine(4)]
        leaves = [tensors[i].requires_grad_() for i in wanted]
        return torch.autograd.grad(with_buffers(function, 4, training)(*tensors).pow(3).sum(), leaves)

    torch.testing.assert_close(run(batch_norm), run(torchs))


@grid
@modes
@pytest.mark.parametrize("shape", [(40, 6), (8, 6, 9), (5, 6, 7, 8)], ids=str)
def test_dtypes_layouts_and_devices(dtype, layout, device, training, shape):
    # With weight and bias in float32, as torch wants them beside buffers in float32.
    ours, theirs = (with_buffers(function, 6, training) for function in (batch_norm, torchs))

    def of_x(function):
        weight_and_bias = [t.to(device, torch.promote_types(dtype, torch.float32)) for t in affine(6)]
        return lambda x: function(
            x, *(t.to(torch.promote_types(x.dtype, torch.float32)) for t in weight_and_bias)
        )

    x = 3 * random(*shape) + 2
    operators.assert_on_grid(of_x(ours), of_x(theirs), [x], dtype, layout, device)

    def without_buffers(function):
        return lambda x, *rest: function(x, None, None, *rest, training=True)

    if training:
        operators.assert_on_grid(
            without_buffers(batch_norm), without_buffers(torchs), [x, *affine(6)], dtype, layout, device
        )


@modes
def test_weights_in_float32_for_an_input_in_bfloat16(training):
    x, (gamma, beta) = random(8, 6, 5, dtype=torch.bfloat16), [t.float() for t in affine(6)]
    results = [
        value_and_gradients(with_buffers(function, 6, training), [x.to(dtype), gamma.to(wide), beta.to(wide)])
        for function, dtype, wide in (
            (batch_norm, torch.bfloat16, torch.float32),
            (torchs, torch.bfloat16, torch.float32),
            (torchs, torch.float64, torch.float64),
        )
    ]
    operators.assert_as_accurate_as_torch(*results)


@pytest.mark.parametrize("dtype", operators.LOW_PRECISION)
def test_a_large_mean_leaves_the_variance_its_digits(dtype):
    x = (random(64, 3, 8, 8) + 300).to(dtype)
    results = []
    for function, kind in ((batch_norm, dtype), (torchs, dtype), (torchs, torch.float64)):
        mean_and_var = [b.to(torch.promote_types(kind, torch.float32)) for b in buffers(3)]
        y = function(x.to(kind), *mean_and_var, training=True, momentum=1.0)
        results.append([y, *mean_and_var])
    operators.assert_as_accurate_as_torch(*results)


@pytest.mark.parametrize("dtype", operators.DTYPES)
def test_autocast_leaves_the_precision_as_it_is(dtype):
    x = random(4, 3, 5, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = value_and_gradients(lambda x: batch_norm(x, None, None, training=True), [x])
    expected = value_and_gradients(lambda x: batch_norm(x, None, None, training=True), [x])
    assert [t.dtype for t in y] == [dtype] * 2
    torch.testing.assert_close(y, expected)


@modes
def test_functional_gradients(training):
    x, (gamma, beta) = random(3, 4, 2, 5), affine(2)

    def grad(function):
        call = with_buffers(function, 2, training)
        return torch.func.grad(lambda *tensors: call(*tensors).pow(3).sum(), argnums=(0, 1, 2))

    torch.testing.assert_close(grad(batch_norm)(x[0], gamma, beta), grad(torchs)(x[0], gamma, beta))

    buffers_or_none = (None, None) if training else buffers(2)

    def stateless(function):
        def loss(x, gamma):
            return function(x, *buffers_or_none, gamma, training=training).pow(3).sum()

        return torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)), in_dims=(0, None))(x, gamma)

    torch.testing.assert_close(stateless(batch_norm), stateless(torchs))


@pytest.mark.compile
@modes
def test_compiles_as_a_whole(training):
    torch._dynamo.reset()

    def run(function, x):
        mean_and_var = buffers(2)
        leaves = [t.requires_grad_() for t in (x.clone(), *affine(2))]
        y = function(leaves[0], *mean_and_var, *leaves[1:], training=training)
        return [y.detach(), *torch.autograd.grad(y.pow(3).sum(), leaves), *mean_and_var]

    compiled = torch.compile(batch_norm, fullgraph=True, backend="aot_eager")
    for N in (2, 3):  # the second size makes the compiled code a function of the size
        x = random(N, 2, 4, 4)
        torch.testing.assert_close(run(compiled, x), run(torchs, x))


@modes
@pytest.mark.parametrize("shape", [(0, 3, 4, 4), (2, 3, 0), (0, 3)], ids=str)
def test_empty_inputs(training, shape):
    C = shape[1]
    after = []
    for function in (batch_norm, torchs):
        mean, var = buffers(C)
        y = function(torch.ones(shape).double(), mean, var, *affine(C), training=training)
        after.append((y, mean, var))
    torch.testing.assert_close(*after)


def test_constant_channels_and_what_is_not_a_number():
    x = torch.ones(4, 3, 2).double()
    x[:, 1] = random(4, 2)
    x[0, 2, 0] = torch.nan
    assert_as_torch(
        lambda x: batch_norm(x, None, None, training=True),
        lambda x: torchs(x, None, None, training=True),
        [x],
    )


def test_gradients_have_the_layout_of_the_input():
    for layout, memory_format in (
        (torch.Tensor.contiguous, torch.contiguous_format),
        (operators.channels_last, torch.channels_last),
    ):
        x = layout(random(2, 3, 6, 6))
        for training in (True, False):
            y, dx = value_and_gradients(with_buffers(batch_norm, 3, training), [x], layout=layout)
            assert y.is_contiguous(memory_format=memory_format)
            assert dx.is_contiguous(memory_format=memory_format)


@pytest.mark.equation("eq-bn-identity")
def test_gamma_and_beta_that_undo_it_do_not_undo_its_gradient():
    x = random(5, 3, 2, 2)
    mu, variance = batch_statistics(x)
    gamma, beta = (variance + 1e-5).sqrt(), mu
    y, dx, *_ = value_and_gradients(
        lambda x, gamma, beta: batch_norm(x, None, None, gamma, beta, training=True), [x, gamma, beta]
    )
    torch.testing.assert_close(y, x)
    # whatever arrives, no error leaves towards the batch's mean
    torch.testing.assert_close(dx.sum((0, 2, 3)), torch.zeros(3).double(), atol=1e-12, rtol=0)


def test_torchs_batch_norm_is_not_called():
    def run(function):
        tensors = [random(3, 2, 4), *affine(2)]
        called = set()
        for training in (True, False):
            call = with_buffers(function, 2, training)
            called |= operators.operators_called(lambda call=call: value_and_gradients(call, tensors))
        return {name for name in called if "batch_norm" in name}

    assert run(batch_norm) == set()
    assert run(torchs)


def test_shapes_without_numbers():
    x, mean, var = (torch.ones(shape, device="meta") for shape in ((2, 3, 4), (3,), (3,)))
    for training in (True, False):
        y = batch_norm(x, mean, var, training=training)
        assert y.shape == x.shape
        assert y.is_meta


ones = torch.ones


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f(ones(1, 3), None, None, training=True), ValueError, r"more than 1 value per channel in training.*got shape \(1, 3\)"),
        (lambda f: f(ones(1, 3, 1, 1), None, None, training=True), ValueError, r"more than 1 value per channel.*\(1, 3, 1, 1\)"),
        (lambda f: f(ones(4), None, None, training=True), ValueError, r"input must have shape \(N, C\).*got \(4,\)"),
        (lambda f: f(ones(2, 3).long(), None, None, training=True), TypeError, "input must be a floating-point tensor, got torch.int64"),
        (lambda f: f(ones(2, 3), ones(4), ones(4)), ValueError, r"running_mean must have shape \(3,\).*input of shape \(2, 3\); got \(4,\)"),
        (lambda f: f(ones(2, 3), ones(3), ones(2)), ValueError, r"running_var must have shape \(3,\).*got \(2,\)"),
        (lambda f: f(ones(2, 3), ones(3), ones(3), ones(2)), ValueError, r"weight must have shape \(3,\).*got \(2,\)"),
        (lambda f: f(ones(2, 3), ones(3), ones(3), None, ones(1)), ValueError, r"bias must have shape \(3,\).*got \(1,\)"),
        (lambda f: f(ones(2, 3), None, None), ValueError, r"running_mean and running_var must be given at test time"),
        (lambda f: f(ones(2, 3), ones(3), None, training=True), ValueError, "must both be given, or neither"),
        (lambda f: f(ones(2, 3), None, None, training=True, eps=0.0), ValueError, "eps must be positive in training, got 0"),
        (lambda f: f(ones(2, 3), ones(3), ones(3), eps=-1e-5), ValueError, "eps must be at least 0, got -1e-05"),
        (lambda f: f(ones(2, 3).double(), ones(3), ones(3)), TypeError, "running_mean must have input's dtype torch.float64, got torch.float32"),
        (lambda f: f(ones(2, 3), None, None, ones(3).bfloat16(), ones(3).bfloat16(), True), TypeError, "weight must have input's dtype torch.float32, got torch.bfloat16"),
        (lambda f: f(ones(2, 3).bfloat16(), ones(3).double(), ones(3)), TypeError, "running_mean must have input's dtype torch.bfloat16 or torch.float32, got torch.float64"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(batch_norm)
    with pytest.raises(
        (ValueError, RuntimeError, TypeError, IndexError, NotImplementedError)
    ):  # torch refuses it too
        call(torchs)


@pytest.mark.bad_input
def test_several_devices():
    with pytest.raises(ValueError, match="weight must be on input's device cpu, got meta"):
        batch_norm(ones(2, 3), None, None, ones(3, device="meta"), training=True)
