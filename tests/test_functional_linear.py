"""The fully connected layer: by hand, against torch (values and gradients), and what bad input says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.functional import linear
from tests import operators
from tests.operators import assert_as_torch, grid, random, value_and_gradients

torchs = nn.functional.linear


def test_by_hand():
    x, w, b = torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 4.0], [0.0, -1.0]]), torch.tensor([0.5, 0.0])
    y, dx, dw, db = value_and_gradients(linear, [x, w, b])
    assert y.tolist() == [11.5, -2]
    (d0, d1) = db.tolist()  # the error itself
    assert dw.tolist() == [[d0, 2 * d0], [d1, 2 * d1]]
    torch.testing.assert_close(dx, torch.tensor([3 * d0, 4 * d0 - d1]))


@settings(max_examples=200)
@given(
    leading=st.lists(st.integers(0, 3), max_size=3),
    in_features=st.integers(0, 5),
    out_features=st.one_of(st.none(), st.integers(1, 5)),
    bias=st.booleans(),
    seed=operators.seeds,
)
def test_as_torch_with_gradients(leading, in_features, out_features, bias, seed):
    out = [] if out_features is None else [out_features]
    tensors = [random(*leading, in_features, seed=seed), random(*out, in_features, seed=seed + 1)]
    if bias and (out or not leading):  # torch has no bias for one output node and several examples
        tensors.append(random(*out, seed=seed + 2))
    assert_as_torch(linear, torchs, tensors, seed)


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_of_first_and_second_order(bias):
    tensors = [random(2, 3, 4), random(5, 4, seed=1), *([random(5, seed=2)] if bias else [])]
    leaves = [t.requires_grad_() for t in tensors]
    assert torch.autograd.gradcheck(linear, leaves)
    assert torch.autograd.gradgradcheck(linear, leaves)


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2)])
def test_only_the_wanted_gradients(wanted):
    def run(function):
        tensors = [random(3, 4), random(5, 4, seed=1), random(5, seed=2)]
        leaves = [tensors[i].requires_grad_() for i in wanted]
        return torch.autograd.grad(function(*tensors).pow(2).sum(), leaves)

    torch.testing.assert_close(run(linear), run(torchs))


@grid
@pytest.mark.parametrize("leading", [(7,), (2, 3, 5)], ids=str)
def test_dtypes_layouts_and_devices(dtype, layout, device, leading):
    tensors = [random(*leading, 60), random(50, 60, seed=1), random(50, seed=2)]
    operators.assert_on_grid(linear, torchs, tensors, dtype, layout, device)
    operators.assert_on_grid(linear, torchs, tensors[:2], dtype, layout, device)


@pytest.mark.parametrize(
    "dtypes", [(d, d) for d in operators.DTYPES] + [(torch.bfloat16, torch.float32)], ids=str
)
def test_autocast_is_torchs(dtypes):
    x, w, b = random(4, 30, dtype=dtypes[0]), random(20, 30, dtype=dtypes[1]), random(20, dtype=dtypes[1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got, expected = value_and_gradients(linear, [x, w, b]), value_and_gradients(torchs, [x, w, b])
    exact = value_and_gradients(torchs, [t.double() for t in (x, w, b)])
    assert got[0].dtype == (torch.float64 if dtypes[0] == torch.float64 else torch.bfloat16)
    low = torch.finfo(got[0].dtype).eps
    for a, e, y in zip(got, expected, exact, strict=True):
        assert a.dtype == e.dtype
        assert (a - y).abs().max() <= 2 * (e - y).abs().max() + 4 * low * y.abs().max()


def test_functional_gradients():
    x, w, b = random(3, 4), random(5, 4, seed=1), random(5, seed=2)

    def grads(function):
        return torch.func.grad(lambda x, w, b: function(x, w, b).pow(3).sum(), argnums=(0, 1, 2))

    torch.testing.assert_close(grads(linear)(x, w, b), grads(torchs)(x, w, b))
    per_example = [torch.func.vmap(grads(f), in_dims=(0, None, None))(x, w, b) for f in (linear, torchs)]
    torch.testing.assert_close(*per_example)


@pytest.mark.compile
def test_compiles_as_a_whole():
    torch._dynamo.reset()
    compiled = torch.compile(linear, fullgraph=True, backend="aot_eager")
    for batch in (2, 3):
        assert_as_torch(compiled, torchs, [random(batch, 4), random(5, 4, seed=1), random(5, seed=2)])


def test_torchs_linear_is_not_called():
    def run(function):
        tensors = [random(3, 2, 4), random(5, 4, seed=1), random(5, seed=2)]
        return operators.operators_called(lambda: value_and_gradients(function, tensors))

    assert operators.torchs_own(lambda: run(linear)) == set()
    assert "addmm" in run(linear)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("x", "w", "b", "message"),
    [
        ((2, 4), (3, 5), None, r"weight of shape \(3, 5\) takes in_features=5, but input of shape \(2, 4\) has 4"),
        ((), (3, 5), None, r"weight of shape \(3, 5\) takes in_features=5, but input of shape \(\) has no axis"),
        ((2, 4), (3, 4), (4,), r"bias must have shape \(3,\).*weight of shape \(3, 4\); got \(4,\)"),
        ((2, 4), (3, 4, 1), None, r"weight must have shape \(out_features, in_features\).*got \(3, 4, 1\)"),
    ],
)  # fmt: skip
def test_bad_input_shows_both_shapes(x, w, b, message):
    tensors = [torch.zeros(shape) for shape in (x, w, b) if shape is not None]
    with pytest.raises(ValueError, match=message):
        linear(*tensors)
    with pytest.raises(RuntimeError):  # torch refuses it too
        torchs(*tensors)


def test_shapes_without_numbers():
    x, w, b = (torch.ones(shape, device="meta") for shape in ((2, 3), (4, 3), (4,)))
    y = linear(x, w, b)
    assert y.shape == (2, 4)
    assert y.is_meta


@pytest.mark.bad_input
def test_several_devices():
    x, w, b = torch.ones(2, 3), torch.ones(4, 3), torch.ones(4)
    with pytest.raises(ValueError, match="weight must be on input's device cpu, got meta"):
        linear(x, w.to("meta"), b)
    with pytest.raises(ValueError, match="bias must be on input's device cpu, got meta"):
        linear(x, w, b.to("meta"))


@pytest.mark.bad_input
def test_bad_dtypes():
    with pytest.raises(TypeError, match=r"input must be a floating-point tensor, got torch\.int64"):
        linear(torch.ones(2, 3, dtype=torch.long), torch.ones(4, 3, dtype=torch.long))
    with pytest.raises(
        TypeError, match=r"input of torch.float32 and weight of torch.float64 must have one dtype"
    ):
        linear(torch.ones(2, 3), torch.ones(4, 3, dtype=torch.double))
