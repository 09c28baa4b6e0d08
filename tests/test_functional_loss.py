"""The loss: by hand, against torch (values and gradients), where it is stable, and what bad input says."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from cnnkit.functional import cross_entropy
from tests import operators
from tests.operators import assert_as_torch, grid, random, value_and_gradients

torchs = nn.functional.cross_entropy


def classes(*shape, K, seed=0):
    return torch.randint(K, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.equation("eq-cross-entropy", "eq-softmax-gradient")
def test_by_hand():
    z = torch.tensor([0.0, math.log(2), math.log(5)], requires_grad=True)  # e^z = 1, 2, 5
    loss = cross_entropy(z, torch.tensor(1))
    torch.testing.assert_close(loss, torch.tensor(math.log(8 / 2)))
    loss.backward()
    torch.testing.assert_close(z.grad, torch.tensor([1 / 8, 2 / 8 - 1, 5 / 8]))  # p - 1[k = t]


@settings(max_examples=400)
@given(
    K=st.integers(1, 5),
    batch=st.one_of(st.none(), st.integers(1, 4)),
    places=st.lists(st.integers(1, 3), max_size=2),
    probabilities=st.booleans(),
    ignore=st.booleans(),
    weighted=st.booleans(),
    reduction=st.sampled_from(["none", "mean", "sum"]),
    label_smoothing=st.sampled_from([0.0, 0.0, 0.1, 1.0]),
    seed=operators.seeds,
)
def test_as_torch_with_gradients(
    K, batch, places, probabilities, ignore, weighted, reduction, label_smoothing, seed
):
    shape = [] if batch is None else [batch, *places]
    z = random(*shape[:1], K, *shape[1:], seed=seed)
    how = {"reduction": reduction, "label_smoothing": label_smoothing}
    if weighted:
        how["weight"] = random(K, seed=seed + 1).abs() + 0.1
    if probabilities:
        q = random(*z.shape, seed=seed + 2).softmax(1 if shape else 0)
        assert_as_torch(
            lambda z, q: cross_entropy(z, q, **how), lambda z, q: torchs(z, q, **how), [z, q], seed
        )
    else:
        t = classes(*shape, K=K, seed=seed)
        if ignore:
            how["ignore_index"] = seed % K
        assert_as_torch(lambda z: cross_entropy(z, t, **how), lambda z: torchs(z, t, **how), [z], seed)


@pytest.mark.equation("eq-softmax-gradient")
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    "how",
    [{}, {"ignore_index": 1}, {"label_smoothing": 0.2}, {"weight": torch.tensor([1.0, 2.0, 0.5]).double()}],
    ids=lambda how: "-".join(how),
)
def test_gradients_of_first_and_second_order(reduction, how):
    z, t = random(4, 3).requires_grad_(), torch.tensor([0, 2, 1, 2])
    q = random(4, 3, seed=1).softmax(1).requires_grad_()

    def by_class(z):
        return cross_entropy(z, t, reduction=reduction, **how)

    assert torch.autograd.gradcheck(by_class, z)
    assert torch.autograd.gradgradcheck(by_class, z)
    if "ignore_index" not in how:
        assert torch.autograd.gradcheck(lambda z, q: cross_entropy(z, q, reduction=reduction, **how), (z, q))
        assert torch.autograd.gradgradcheck(
            lambda z, q: cross_entropy(z, q, reduction=reduction, **how), (z, q)
        )
        q = torch.tensor([[0.0, 1.0, -1.0]]).double()  # sums to 0, and is not ignored
        assert torch.autograd.gradcheck(lambda z: cross_entropy(z, q, reduction=reduction, **how), z[:1])


@grid
@pytest.mark.parametrize("shape", [(9, 7), (3, 7, 5, 4)], ids=str)
@pytest.mark.parametrize(
    "how", [{}, {"reduction": "none"}, {"label_smoothing": 0.1, "ignore_index": 3}], ids=str
)
def test_dtypes_layouts_and_devices(dtype, layout, device, shape, how):
    t = classes(shape[0], *shape[2:], K=shape[1]).to(device)
    operators.assert_on_grid(
        lambda z: cross_entropy(z, t, **how),
        lambda z: torchs(z, t, **how),
        [3 * random(*shape)],
        dtype,
        layout,
        device,
    )
    if "ignore_index" not in how:
        q = random(*shape, seed=1).softmax(1)
        tensors = [3 * random(*shape), q]
        operators.assert_on_grid(
            lambda z, q: cross_entropy(z, q, **how),
            lambda z, q: torchs(z, q, **how),
            tensors,
            dtype,
            layout,
            device,
        )


@pytest.mark.parametrize("dtype", operators.DTYPES)
def test_autocast_is_torchs(dtype):
    z, t, w = random(6, 5, dtype=dtype), classes(6, K=5), random(5).abs().to(dtype)
    for target, how in (
        (t, {}),
        (t, {"label_smoothing": 0.1}),
        (t, {"weight": w}),
        (z.detach().softmax(1), {}),
    ):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            if dtype == torch.float64 and "weight" in how:
                continue  # torch has no loss for it
            got = value_and_gradients(lambda z: cross_entropy(z, target, **how), [z])  # noqa: B023
            expected = value_and_gradients(lambda z: torchs(z, target, **how), [z])  # noqa: B023
        for a, b in zip(got, expected, strict=True):
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b)


def test_large_scores_neither_overflow_nor_lose_the_loss():
    z = torch.tensor([[1000.0, 0.0], [-1000.0, 0.0], [0.0, 40.0]])
    t = torch.tensor([1, 0, 0])
    assert cross_entropy(z, t, reduction="none").tolist() == [1000, 1000, 40]
    assert_as_torch(lambda z: cross_entropy(z, t), lambda z: torchs(z, t), [z])


@pytest.mark.parametrize("dtype", operators.LOW_PRECISION)
def test_only_the_result_is_rounded(dtype):
    z, t = (10 * random(200, 30)).to(torch.bfloat16), classes(200, K=30)
    loss, exact = cross_entropy(z.to(dtype), t, reduction="none"), torchs(z.double(), t, reduction="none")
    assert loss.dtype == dtype
    half_a_digit = torch.finfo(dtype).eps / 2 * exact
    assert ((loss.double() - exact).abs() <= half_a_digit + 1e-5).all()


def test_forbidden_classes_have_a_score_of_minus_infinity():
    z, t = torch.tensor([[1.0, -torch.inf, 0.0], [0.5, 0.0, -torch.inf]]), torch.tensor([0, 0])
    assert_as_torch(lambda z: cross_entropy(z, t), lambda z: torchs(z, t), [z])
    q = torch.tensor([[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])  # 0 log 0 is 0, where torch has NaN
    assert cross_entropy(z, q).isfinite()
    assert torchs(z, q).isnan()


def test_scores_that_are_no_numbers_are_not_hidden():
    z, t = torch.tensor([[torch.nan, 1.0], [0.0, 1.0]]), torch.tensor([0, 1])
    for how in ({}, {"weight": torch.tensor([0.0, 1.0])}, {"ignore_index": 0}):
        got, expected = (f(z, t, reduction="none", **how) for f in (cross_entropy, torchs))
        torch.testing.assert_close(got, expected, equal_nan=True)
    assert cross_entropy(z, torch.zeros(2, 2)).isnan()
    dz = torch.func.grad(lambda z: cross_entropy(z, t, ignore_index=0))(z)
    assert dz[0].tolist() == [0, 0]  # an ignored example teaches nothing, where torch has NaN


def test_shapes_without_numbers():
    z, t = torch.zeros(2, 3), torch.tensor([0, 2])
    assert cross_entropy(z.to("meta"), t.to("meta"), reduction="none").shape == (2,)
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert cross_entropy(z, t, reduction="none").shape == (2,)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_empty_batches_and_batches_of_ignored_examples(reduction):
    for z, t in (
        (random(0, 3), torch.zeros(0, dtype=torch.long)),
        (random(0, 3), torch.zeros(0, 3, dtype=torch.float64)),
        (random(2, 3, 0), torch.zeros(2, 0, dtype=torch.long)),
        (random(2, 3), torch.full((2,), -100)),
        (random(2, 3), torch.tensor([1, 2], dtype=torch.uint8)),
    ):
        assert_as_torch(
            lambda z, t=t: cross_entropy(z, t, reduction=reduction),
            lambda z, t=t: torchs(z, t, reduction=reduction),
            [z],
        )


def test_functional_gradients():
    z, t = random(4, 3), classes(4, K=3)

    def grad(function):
        return torch.func.grad(lambda z, t: function(z, t, label_smoothing=0.1))

    torch.testing.assert_close(grad(cross_entropy)(z, t), grad(torchs)(z, t))
    hessians = [torch.func.jacrev(lambda z, f=f: grad(f)(z, t))(z) for f in (cross_entropy, torchs)]
    torch.testing.assert_close(*hessians)


@pytest.mark.parametrize("in_dims", [(0, 0), (0, None), (None, 0)], ids=str)
def test_vmap(in_dims):
    z = random(5, 4, 3) if in_dims[0] == 0 else random(4, 3)
    t = classes(5, 4, K=3) if in_dims[1] == 0 else classes(4, K=3)

    def per_example(function):
        def loss(z, t):
            return function(z, t, ignore_index=1)

        return [torch.func.vmap(f, in_dims)(z, t) for f in (loss, torch.func.grad(loss))]

    torch.testing.assert_close(per_example(cross_entropy), per_example(torchs))


@pytest.mark.compile
def test_compiles_as_a_whole():
    torch._dynamo.reset()
    for how in ({}, {"ignore_index": 1, "label_smoothing": 0.1, "reduction": "sum"}):
        compiled = torch.compile(lambda z, t: cross_entropy(z, t, **how), fullgraph=True, backend="aot_eager")  # noqa: B023
        for batch in (3, 4):
            z, t = random(batch, 3, 2), classes(batch, 2, K=3)
            assert_as_torch(lambda z: compiled(z, t), lambda z: torchs(z, t, **how), [z])  # noqa: B023


def test_torchs_loss_is_not_called():
    def run(function):
        def forward_and_backward():
            value_and_gradients(lambda z: function(z, classes(4, K=3)), [random(4, 3)])

        return operators.torchs_own(forward_and_backward)

    assert run(cross_entropy) == set()
    assert len(run(torchs)) >= 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("z", "target", "how", "error", "message"),
    [
        ((2, 3), [0, 1, 2], {}, ValueError, r"target of classes must have shape \(2,\) for input of shape \(2, 3\), got \(3,\)"),
        ((2, 3, 4), [0, 1], {}, ValueError, r"target of classes must have shape \(2, 4\) for input of shape \(2, 3, 4\), got \(2,\)"),
        ((2, 3), [0.5, 0.5], {}, ValueError, r"probabilities must have the shape of input, \(2, 3\), got \(2,\)"),
        ((2, 3), [0, 3], {}, IndexError, "target must hold classes 0 to 2: index 3 is out of bounds"),
        ((2, 3), [0, -1], {}, IndexError, "target must hold classes 0 to 2: index -1 is out of bounds"),
        ((2, 3), [0, 1], {"weight": torch.ones(2)}, ValueError, r"weight must have shape \(K,\) = \(3,\).*got \(2,\)"),
        ((2, 3), [0, 1], {"reduction": "average"}, ValueError, "reduction must be one of none, mean, sum, got 'average'"),
        ((2, 3), [0, 1], {"label_smoothing": 2}, ValueError, "label_smoothing must be between 0 and 1, got 2"),
        ((1, 2), [[0.5, 0.5]], {"ignore_index": 1}, ValueError, "ignore_index=1 needs integer targets, got torch.float32"),
        ((), [0], {}, ValueError, r"input must have shape \(K,\), \(N, K\).*got \(\)"),
        ((2, 0), [0, 1], {}, ValueError, r"input must have shape \(K,\), \(N, K\).*got \(2, 0\)"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(z, target, how, error, message):
    with pytest.raises(error, match=message):
        cross_entropy(torch.zeros(z), torch.tensor(target), **how)
    with pytest.raises((ValueError, RuntimeError, IndexError)):  # torch refuses it too
        torchs(torch.zeros(z), torch.tensor(target), **how)


@pytest.mark.bad_input
def test_several_devices():
    z, t = torch.zeros(2, 3), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="target must be on input's device cpu, got meta"):
        cross_entropy(z, t.to("meta"))
    with pytest.raises(ValueError, match="weight must be on input's device cpu, got meta"):
        cross_entropy(z, t, weight=torch.ones(3, device="meta"))


@pytest.mark.bad_input
def test_bad_types():
    with pytest.raises(TypeError, match=r"input must be a floating-point tensor, got torch\.int64"):
        cross_entropy(torch.zeros(2, 3, dtype=torch.long), torch.tensor([0, 1]))
    with pytest.raises(TypeError, match="size_average and reduce are not supported, say reduction="):
        cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), size_average=False)
