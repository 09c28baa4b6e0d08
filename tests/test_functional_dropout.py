"""Dropout of nodes, channels and weights: by hand, against torch, by exact bounds, and what bad input says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from torch import nn

from cnnkit.functional import (
    dropconnect,
    dropconnect_moments,
    dropout,
    dropout1d,
    dropout2d,
    dropout_keep,
    linear,
)
from cnnkit.reference import dropout as reference
from tests import operators
from tests.operators import assert_as_torch, grid, random, value_and_gradients

PAIRS = [
    pytest.param(dropout, nn.functional.dropout, (3, 4, 5, 6), id="nodes"),
    pytest.param(dropout1d, nn.functional.dropout1d, (3, 4, 5), id="channels of rows"),
    pytest.param(dropout2d, nn.functional.dropout2d, (3, 4, 5, 6), id="channels"),
]
all_three = pytest.mark.parametrize(("ours", "torchs", "shape"), PAIRS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def with_global_seed(function, seed, *how, **more):
    def call(*tensors):
        torch.manual_seed(seed)
        return function(*tensors, *how, **more)

    return call


def assert_binomial(successes, n, p):
    """The number lies where all but one in a million of its draws lie, by the exact distribution."""
    low, high = binom.interval(1 - 1e-6, n, p)
    assert low <= successes <= high, (successes, low, high)


# ---------------------------------------------------------------------- nodes and channels
@pytest.mark.equation("eq-dropout")
def test_by_hand():
    y = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], requires_grad=True)
    xi = torch.ones(6, dtype=torch.bool).bernoulli_(0.5, generator=seeded(1))
    assert 0 < xi.sum() < 6
    kept = dropout_keep(y, 0.5, generator=seeded(1))
    assert kept.tolist() == [v if present else 0 for v, present in zip([1, 2, 3, 4, 5, 6], xi, strict=True)]
    inverted = dropout(y, 0.5, generator=seeded(1))
    assert torch.equal(inverted, 2 * kept)
    assert dropout_keep(y, 0.25, training=False).tolist() == [0.25, 0.5, 0.75, 1, 1.25, 1.5]
    assert dropout(y, 0.25, training=False) is y
    inverted.sum().backward()
    assert torch.equal(y.grad, 2.0 * xi)


@all_three
@settings(max_examples=250)
@given(
    sizes=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    p=st.sampled_from([0.0, 0.1, 0.5, 0.8, 1.0]),
    training=st.booleans(),
    inplace=st.booleans(),
    seed=operators.seeds,
)
def test_as_torch_with_gradients(ours, torchs, shape, sizes, p, training, inplace, seed):
    x = random(*sizes[: len(shape)], seed=seed)
    how = (p, training, inplace)

    def of_a_copy(function):  # a leaf must not be overwritten
        return with_global_seed(lambda x: function(x.clone(), *how), seed)

    assert_as_torch(of_a_copy(ours), of_a_copy(torchs), [x], seed)


@all_three
def test_in_place(ours, torchs, shape):
    x = random(*shape)
    y = with_global_seed(ours, 0, 0.5, True, True)(x)
    assert y is x
    assert torch.equal(y, with_global_seed(ours, 0, 0.5)(random(*shape)))


@pytest.mark.equation("eq-dropout")
@settings(max_examples=60)
@given(n=st.integers(1, 6), n_out=st.integers(1, 4), p=st.sampled_from([0.3, 0.5, 0.9]), seed=operators.seeds)
def test_as_the_loops(n, n_out, p, seed):
    y, w = random(n, seed=seed), random(n_out, n, seed=seed + 1)
    xi = torch.empty(n).bernoulli_(p, generator=seeded(seed)).double()

    def layer(form):
        return lambda y, w: torch.tanh(linear(form(y), w))

    def loops(form, *how):
        return lambda y, w: form(y, w, *how, torch.tanh)

    pairs = [
        (lambda y: dropout_keep(y, p, generator=seeded(seed)), loops(reference.dropout, xi)),
        (lambda y: dropout(y, 1 - p, generator=seeded(seed)), loops(reference.inverted_dropout, xi, p)),
        (
            lambda y: dropout_keep(y, p, training=False),
            loops(reference.weight_scaling, torch.full((n,), p).double()),
        ),
    ]
    for form, expected in pairs:
        assert_as_torch(layer(form), expected, [y, w], seed)


@all_three
@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_gradients_of_first_and_second_order(ours, torchs, shape, p):
    x = random(*shape).requires_grad_()
    functions = [lambda x: ours(x, p, generator=seeded())]
    if ours is dropout:
        functions += [lambda x, t=t: dropout_keep(x, p, t, generator=seeded()) for t in (True, False)]
    for function in functions:
        assert torch.autograd.gradcheck(function, x)
        assert torch.autograd.gradgradcheck(lambda x, f=function: f(x).square(), x)


@all_three
@grid
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_dtypes_layouts_and_devices(ours, torchs, shape, dtype, layout, device, training):
    if device == "cuda":  # torch's fused kernel draws other numbers there
        x = layout(random(*shape).to(device, dtype))
        y = with_global_seed(ours, 0, 0.3, training)(x)
        torch.testing.assert_close(y, torch.where(y == 0, 0, x / 0.7 if training else x))
        return
    operators.assert_on_grid(
        with_global_seed(ours, 0, 0.3, training), with_global_seed(torchs, 0, 0.3, training), [random(*shape)], dtype, layout, device
    )  # fmt: skip


@all_three
def test_autocast_leaves_the_precision_as_it_is(ours, torchs, shape):
    for dtype in operators.DTYPES:
        x = random(*shape, dtype=dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = value_and_gradients(lambda x: ours(x, 0.5, generator=seeded()), [x])
        assert [t.dtype for t in y] == [dtype, dtype]


@all_three
@pytest.mark.parametrize("p", [0.1, 0.5, 0.97])
def test_as_many_as_p_says(ours, torchs, shape, p):
    N, C = 50, 200
    x = torch.ones(N, C, *(5,) * (len(shape) - 2))
    y = ours(x, p, generator=seeded(7))
    kept = y != 0
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 1 / (1 - p)))
    if ours is not dropout:
        per_channel = kept.flatten(2)
        assert torch.equal(per_channel.all(2), per_channel.any(2))
        kept = per_channel.all(2)
    assert_binomial(kept.sum().item(), kept.numel(), 1 - p)
    # independently: two neighbours stay together as often as (1 - p)^2 says
    both = kept.reshape(-1, 2).all(1)
    assert_binomial(both.sum().item(), both.numel(), (1 - p) ** 2)


def test_the_notes_p_is_the_other_one():
    x = torch.ones(10_000)
    for p in (0.2, 0.9):
        assert_binomial(dropout_keep(x, p, generator=seeded(3)).sum().item(), len(x), p)
        assert_binomial((dropout(x, p, generator=seeded(3)) != 0).sum().item(), len(x), 1 - p)


def test_unbatched_rows():
    y = dropout1d(torch.ones(6, 4), 0.5, generator=seeded())
    assert torch.equal(y, y[:, :1].expand(6, 4))
    assert 0 < (y[:, 0] != 0).sum() < 6


@all_three
def test_functional_gradients(ours, torchs, shape):
    x = random(*shape)

    def grad(function):
        return torch.func.grad(lambda x: with_global_seed(function, 0, 0.5)(x).pow(3).sum())

    torch.testing.assert_close(grad(ours)(x), grad(torchs)(x))


def test_another_mask_for_each_example_under_vmap():
    def grad(x):
        return torch.func.grad(lambda x: dropout(x, 0.5).sum())(x)

    torch.manual_seed(0)
    per_example = torch.func.vmap(grad, randomness="different")(torch.ones(20, 10))
    assert set(per_example.flatten().tolist()) == {0, 2}
    assert len({tuple(row) for row in per_example.tolist()}) > 1


@pytest.mark.compile
@all_three
def test_compiles_as_a_whole(ours, torchs, shape):
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: ours(x, 0.5), fullgraph=True, backend="aot_eager")
    for N in (shape[0], shape[0] + 1):
        x = random(N, *shape[1:])
        assert_as_torch(with_global_seed(compiled, 0), with_global_seed(torchs, 0, 0.5), [x])


# ---------------------------------------------------------------------- DropConnect
def masks(shape, p_keep, seed=0):
    return torch.empty(shape, dtype=torch.bool).bernoulli_(p_keep, generator=seeded(seed)).double()


@pytest.mark.equation("eq-dropconnect")
def test_dropconnect_by_hand():
    y, w, b = (
        torch.tensor([[1.0, 2.0], [1.0, 2.0]]),
        torch.tensor([[3.0, 4.0], [5.0, 6.0]]),
        torch.tensor([0.5, 0.0]),
    )
    xi = masks((2, 2, 2), 0.5)
    assert not torch.equal(xi[0], xi[1])  # each example has its own
    expected = [[3 * a[0][0] + 8 * a[0][1] + 0.5, 5 * a[1][0] + 12 * a[1][1]] for a in xi.tolist()]
    assert dropconnect(y, w, b, 0.5, generator=seeded()).tolist() == expected
    assert dropconnect(y, w, b, 0.25, training=False).tolist() == [[3.25, 4.25]] * 2
    mean, variance = dropconnect_moments(y[0], w, b, 0.25)
    assert mean.tolist() == [3.25, 4.25]
    assert variance.tolist() == [0.1875 * (9 + 64), 0.1875 * (25 + 144)]


@settings(max_examples=200)
@given(
    leading=st.lists(st.integers(0, 3), max_size=2),
    n=st.integers(1, 5),
    n_out=st.integers(1, 4),
    bias=st.booleans(),
    p_keep=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    seed=operators.seeds,
)
def test_dropconnect_is_the_formula_with_gradients(leading, n, n_out, bias, p_keep, seed):
    tensors = [random(*leading, n, seed=seed), random(n_out, n, seed=seed + 1)]
    tensors += [random(n_out, seed=seed + 2)] if bias else []
    N = torch.Size(leading).numel()
    xi = masks((N, n_out, n), p_keep, seed)

    def formula(y, w, b=0):
        return torch.einsum("noi,oi,ni->no", xi, w, y.reshape(N, n)).reshape(*leading, n_out) + b

    def ours(y, w, b=None):
        return dropconnect(y, w, b, p_keep, generator=seeded(seed))

    assert_as_torch(ours, formula, tensors, seed)
    assert_as_torch(
        lambda y, w, b=None: dropconnect(y, w, b, p_keep, training=False),
        lambda y, w, b=None: nn.functional.linear(y, p_keep * w, b),
        tensors,
        seed,
    )
    if len(leading) == 1:
        torch.testing.assert_close(ours(*tensors[:2]), reference.dropconnect(*tensors[:2], xi))
        ours_and_loops = (f(*tensors[:2], p_keep=p_keep) if f is dropconnect_moments else f(*tensors[:2], p_keep)
                          for f in (dropconnect_moments, reference.dropconnect_moments))  # fmt: skip
        torch.testing.assert_close(*ours_and_loops)


@pytest.mark.equation("eq-dropconnect")
@pytest.mark.parametrize("p", [0.3, 0.5, 0.8])
def test_the_moments_are_those_of_all_masks(p):
    n = 6
    y, w = random(n), random(1, n, seed=1)
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0]).double()] * n)
    P = torch.where(every == 1, p, 1 - p).prod(1)
    eta = (every * w * y).sum(1)
    mean = (P * eta).sum()
    variance = (P * (eta - mean) ** 2).sum()
    torch.testing.assert_close(dropconnect_moments(y, w, p_keep=p), (mean[None], variance[None]))


def test_dropconnect_keeps_as_many_as_p_says():
    N, n_out, n = 40, 20, 30
    eta = dropconnect(torch.ones(N, n), torch.ones(n_out, n), p_keep=0.3, generator=seeded(5))
    assert_binomial(eta.sum().item(), N * n_out * n, 0.3)


def test_dropconnect_gradients_of_first_and_second_order():
    tensors = [t.requires_grad_() for t in (random(2, 3, 4), random(3, 4, seed=1), random(3, seed=2))]
    for training in (True, False):

        def ours(y, w, b, training=training):
            return dropconnect(y, w, b, 0.5, training, generator=seeded())

        assert torch.autograd.gradcheck(ours, tensors)
        assert torch.autograd.gradgradcheck(ours, tensors)


@grid
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_dropconnect_dtypes_layouts_and_devices(dtype, layout, device, training):
    xi = masks((7, 50, 60), 0.5).to(device)

    def ours(y, w, b):
        generator = torch.Generator(y.device).manual_seed(0)
        return dropconnect(y, w, b, 0.5 if device == "cpu" else 1.0, training, generator=generator)

    def theirs(y, w, b):
        if not training:
            return nn.functional.linear(y, w * 0.5 if device == "cpu" else w, b)
        mask = xi if device == "cpu" else torch.ones_like(xi)
        return torch.einsum("noi,ni->no", mask.to(w.dtype) * w, y) + b

    tensors = [random(7, 60), random(50, 60, seed=1), random(50, seed=2)]
    operators.assert_on_grid(ours, theirs, tensors, dtype, layout, device)


@pytest.mark.parametrize("dtype", operators.LOW_PRECISION)
def test_dropconnect_adds_up_many_updates(dtype):
    # 2,000 examples update each weight: in bfloat16 the sum would stop growing at 256
    tensors = [torch.ones(2000, 3), torch.ones(2, 3)]
    _, _, dw = value_and_gradients(
        lambda y, w: dropconnect(y, w, p_keep=1.0).sum(), [t.to(dtype) for t in tensors]
    )
    _, one = value_and_gradients(lambda y: y.sum(), [torch.ones(1, dtype=dtype)])
    torch.testing.assert_close(dw, (2000 * one.double()).to(dtype).expand(2, 3))


def test_dropconnect_under_autocast_is_as_linear():
    tensors = [random(4, 30, dtype=torch.float32), random(20, 30, seed=1).float(), random(20, seed=2).float()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = [
            value_and_gradients(f, tensors)
            for f in (
                lambda y, w, b: dropconnect(y, w, b, 1.0),
                linear,
                lambda y, w, b: dropconnect(y, w, b, 0.5, False),
            )
        ]
    for result in results:
        assert [t.dtype for t in result] == [torch.bfloat16] + [torch.float32] * 3


@pytest.mark.compile
def test_dropconnect_compiles_as_a_whole():
    torch._dynamo.reset()
    compiled = torch.compile(dropconnect, fullgraph=True, backend="aot_eager")
    tensors = [random(3, 4), random(5, 4, seed=1), random(5, seed=2)]
    assert_as_torch(with_global_seed(compiled, 0), with_global_seed(dropconnect, 0), tensors)


# ---------------------------------------------------------------------- bad input
ones = torch.ones


@pytest.mark.bad_input
@all_three
@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_is_no_probability(ours, torchs, shape, p):
    for training in (True, False):
        with pytest.raises(ValueError, match=f"p must be a probability between 0 and 1, got {p}"):
            ours(ones(shape), p, training)
    if p == p:
        with pytest.raises(ValueError, match="between 0 and 1"):
            torchs(ones(shape), p)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dropout(ones(3).long()), TypeError, "input must be a floating-point tensor, got torch.int64"),
        (lambda: dropout_keep(ones(3).long(), 0.5), TypeError, "y must be a floating-point tensor, got torch.int64"),
        (lambda: dropout_keep(ones(3), 1.1), ValueError, "p_keep must be a probability between 0 and 1, got 1.1"),
        (lambda: dropout1d(ones(3)), ValueError, r"input must have shape \(N, C, L\) or \(C, L\), got \(3,\)"),
        (lambda: dropout1d(ones(2, 3, 4, 5)), ValueError, r"got \(2, 3, 4, 5\)"),
        (lambda: dropout2d(ones(2, 3, 4)), ValueError, r"input must have shape \(N, C, H, W\), or use dropout1d.*got \(2, 3, 4\)"),
        (lambda: dropconnect(ones(2, 3), ones(4, 3), p_keep=-1), ValueError, "p_keep must be a probability.*got -1"),
        (lambda: dropconnect(ones(2, 5), ones(4, 3)), ValueError, r"weight of shape \(4, 3\) takes in_features=3, but input has shape \(2, 5\)"),
        (lambda: dropconnect(ones(()), ones(4, 3)), ValueError, r"but input has shape \(\)"),
        (lambda: dropconnect(ones(3), ones(3)), ValueError, r"weight must have shape \(out_features, in_features\), got \(3,\)"),
        (lambda: dropconnect(ones(2, 3), ones(4, 3), ones(3)), ValueError, r"bias must have shape \(4,\).*got \(3,\)"),
        (lambda: dropconnect(ones(2, 3).long(), ones(4, 3)), TypeError, "input must be a floating-point tensor"),
        (lambda: dropconnect(ones(2, 3), ones(4, 3).double()), TypeError, "weight must have input's dtype torch.float32, got torch.float64"),
        (lambda: dropconnect(ones(2, 3), ones(4, 3), ones(4).double()), TypeError, "bias must have input's dtype torch.float32"),
        (lambda: dropconnect(ones(2, 3), ones(4, 3, device="meta")), ValueError, "weight must be on input's device cpu, got meta"),
        (lambda: dropconnect_moments(ones(2, 3), ones(4, 3), p_keep=2), ValueError, "p_keep must be a probability.*got 2"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
