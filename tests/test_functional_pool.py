"""Vectorised pooling: against torch and the loops (values and gradients), and what bad input says."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from cnnkit.functional import avg_pool2d, max_pool2d
from cnnkit.reference import pool as reference
from tests import operators
from tests.operators import assert_as_torch, grid, one_or_two, pair, random, value_and_gradients

PAIRS = [
    pytest.param(max_pool2d, nn.functional.max_pool2d, id="max"),
    pytest.param(avg_pool2d, nn.functional.avg_pool2d, id="average"),
]
both = pytest.mark.parametrize(("ours", "torchs"), PAIRS)

# Overlapping, padded, with gaps between the windows, rounded up, rectangular: everything at once or alone.
SETTINGS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0), "ceil_mode": True},
    {"kernel_size": 1, "stride": 3},
]
settings_of = pytest.mark.parametrize("how", SETTINGS, ids=str)


@pytest.mark.equation("eq-pool-max", "eq-pool-max-gradient")
def test_max_by_hand():
    y = torch.tensor([[[1.0, 2.0, 0.0], [3.0, 4.0, 8.0], [0.0, -4.0, 4.0]]], requires_grad=True)
    pooled = max_pool2d(y, 2, stride=1)
    assert pooled.tolist() == [[[4, 8], [4, 8]]]
    pooled.backward(torch.tensor([[[1.0, 10.0], [100.0, 1000.0]]]))
    assert y.grad.tolist() == [[[0, 0, 0], [0, 101, 1010], [0, 0, 0]]]


@pytest.mark.equation("eq-pool-average", "eq-pool-average-gradient")
def test_average_by_hand():
    y = torch.tensor([[[1.0, 2.0, 0.0], [3.0, 4.0, 8.0], [0.0, -4.0, 4.0]]], requires_grad=True)
    pooled = avg_pool2d(y, 2, stride=1)
    assert pooled.tolist() == [[[2.5, 3.5], [0.75, 3]]]
    pooled.backward(torch.tensor([[[4.0, 8.0], [16.0, 32.0]]]))
    assert y.grad.tolist() == [[[1, 3, 2], [5, 15, 10], [4, 12, 8]]]


@both
@settings(max_examples=200)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    batch=st.one_of(st.none(), st.integers(0, 2)),
    channels=st.integers(1, 3),
    kernel_size=one_or_two(st.integers(1, 4)),
    stride=st.one_of(st.none(), one_or_two(st.integers(1, 5))),
    padding=one_or_two(st.integers(0, 2)),
    dilation=one_or_two(st.integers(1, 2)),
    ceil_mode=st.booleans(),
    count_include_pad=st.booleans(),
    divisor_override=st.sampled_from([None, None, 1, 7, -2]),
    few_values=st.booleans(),
    seed=operators.seeds,
)
def test_as_torch_with_gradients(
    ours,
    torchs,
    size,
    batch,
    channels,
    kernel_size,
    stride,
    padding,
    dilation,
    ceil_mode,
    few_values,
    seed,
    **how,
):
    dilation = dilation if ours is max_pool2d else 1
    for n, F, P, d in zip(size, *map(pair, (kernel_size, padding, dilation)), strict=True):
        assume(P <= F // 2 and (F - 1) * d + 1 <= n + 2 * P)
        # where dilation steps over the whole image, torch names a maximum outside of it
        assume(any(0 <= k * d - P < n for k in range(F)))
    how = {"dilation": dilation} if ours is max_pool2d else how
    how |= {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    x = random(*([] if batch is None else [batch]), channels, *size, seed=seed)
    x = x.round() if few_values else x  # ties
    assert_as_torch(lambda x: ours(x, **how), lambda x: torchs(x, **how), [x], seed)
    if ours is max_pool2d:
        assert torch.equal(*(pool(x, **how, return_indices=True)[1] for pool in (ours, torchs)))


@both
@settings(max_examples=50)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    kernel_size=st.integers(1, 3),
    stride=st.one_of(st.none(), st.integers(1, 3)),
    padding=st.integers(0, 1),
    seed=operators.seeds,
)
def test_as_the_loops(ours, torchs, size, kernel_size, stride, padding, seed):
    assume(padding <= kernel_size // 2 and kernel_size <= min(size) + 2 * padding)
    loops = reference.max_pool2d if ours is max_pool2d else reference.avg_pool2d
    how = (kernel_size, stride, padding)
    assert_as_torch(lambda x: ours(x, *how), lambda x: loops(x, *how), [random(2, *size, seed=seed)], seed)


@both
@settings_of
def test_gradients_of_first_and_second_order(ours, torchs, how):
    x = random(2, 1, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ours(x, **how), x)
    assert torch.autograd.gradgradcheck(lambda x: ours(x, **how), x)


def test_gradients_of_max_only_and_average_only_arguments():
    x = random(1, 2, 6, 5).requires_grad_()
    for pool in (
        lambda x: max_pool2d(x, 2, 1, 1, dilation=2),
        lambda x: avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False),
        lambda x: avg_pool2d(x, 2, divisor_override=3),
    ):
        assert torch.autograd.gradcheck(pool, x)
        assert torch.autograd.gradgradcheck(pool, x)


@both
def test_third_order_is_torchs(ours, torchs):
    def third(pool):
        x = random(1, 1, 4, 4).requires_grad_()
        y = pool(x, 3, 1, 1).pow(4).sum()
        for _ in range(3):
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            y = g.pow(2).sum()
        return g

    torch.testing.assert_close(third(ours), third(torchs))


@both
@grid
@settings_of
def test_dtypes_layouts_and_devices(ours, torchs, dtype, layout, device, how):
    operators.assert_on_grid(
        lambda x: ours(x, **how), lambda x: torchs(x, **how), [random(3, 5, 6, 7)], dtype, layout, device
    )


@pytest.mark.parametrize("dtype", operators.LOW_PRECISION)
def test_long_sums_keep_their_digits(dtype):
    def mean(pool):
        return lambda x: pool(x, (600, 2))

    x = random(2, 3, 600, 4) / 9 + 0.4  # a sum in bfloat16 would stop growing at 128
    operators.assert_low_precision(mean(avg_pool2d), mean(nn.functional.avg_pool2d), [x], dtype)
    # a node that is the maximum of all 33 x 33 windows gets the error of each of them
    x = torch.zeros(1, 33, 33, dtype=dtype)
    x[0, 16, 16] = 1
    _, dx = value_and_gradients(lambda x: max_pool2d(x, 33, 1, 16).sum(), [x])
    _, one = value_and_gradients(lambda x: x[0, 16, 16], [x])
    total = 33 * 33 * one[0, 16, 16].item()
    assert abs(dx[0, 16, 16].item() - total) <= torch.finfo(dtype).eps * abs(total)


@both
def test_gradients_have_the_layout_of_the_input(ours, torchs):
    for layout, memory_format in (
        (torch.Tensor.contiguous, torch.contiguous_format),
        (operators.channels_last, torch.channels_last),
    ):
        x = layout(random(2, 3, 6, 6))
        for pool in (ours, torchs):
            y, dx = value_and_gradients(lambda x, pool=pool: pool(x, 3, 2), [x], layout=layout)
            assert y.is_contiguous(memory_format=memory_format)
            assert dx.is_contiguous(memory_format=memory_format)


@pytest.mark.parametrize("dtype", operators.DTYPES)
def test_max_is_exact_in_every_precision(dtype):
    x = random(2, 2, 300, 3).to(dtype)
    # 300 taps: more than a bfloat16 can number
    assert torch.equal(max_pool2d(x, (300, 3)), nn.functional.max_pool2d(x, (300, 3)))
    assert value_and_gradients(lambda x: max_pool2d(x, (300, 3)), [x])[1].count_nonzero() == 4


@both
@pytest.mark.parametrize(
    ("shape", "how"),
    [
        ((0, 2, 4, 4), {"kernel_size": 2}),
        ((2, 3, 1, 1), {"kernel_size": 1}),
        ((2, 3, 1, 1), {"kernel_size": 3, "padding": 1}),
        ((2, 3, 4, 3), {"kernel_size": (6, 5), "padding": 1}),
        ((2, 3, 7, 8), {"kernel_size": 2, "stride": 4}),
        ((2, 3, 2, 2), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
        ((3, 5, 4), {"kernel_size": [2], "stride": (2,)}),
    ],
    ids=["empty batch", "1x1", "1x1 padded", "kernel is padded input", "gaps", "kernel wider, ceil", "lists"],
)
def test_edge_cases(ours, torchs, shape, how):
    assert_as_torch(lambda x: ours(x, **how), lambda x: torchs(x, **how), [random(*shape)])


@pytest.mark.parametrize("F", [2**15, 40_000])
@pytest.mark.parametrize("axis", [-2, -1])
def test_windows_of_more_taps_than_16_bits_count(F, axis):
    x = torch.zeros(1, 1, F).movedim(-1, axis).requires_grad_()
    with torch.no_grad():
        x[0, -1, -1] = 1
    y, index = max_pool2d(x, tuple(x.shape[-2:]), return_indices=True)
    assert (y.item(), index.item()) == (1, F - 1)
    y.sum().backward()
    assert x.grad[0, -1, -1] == 1


def test_ties_go_to_the_first_in_row_order():
    x = torch.zeros(1, 3, 3, requires_grad=True)
    y, places = max_pool2d(x, 2, stride=1, return_indices=True)
    assert places.tolist() == [[[0, 1], [3, 4]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]


@pytest.mark.parametrize(
    "how",
    [
        {"kernel_size": (2, 4), "stride": 1},
        {"kernel_size": 2, "padding": 1},
        {"kernel_size": 3, "stride": 1, "padding": 1},
    ],
    ids=str,
)
def test_not_a_number_and_infinities_are_torchs(how):
    inf, nan = torch.inf, torch.nan
    x = torch.tensor([[[1, nan, 2, nan, -inf], [nan, 0, inf, 3, -inf], [-inf, -inf, nan, inf, -inf]]])
    x = torch.stack([x, torch.full_like(x, -inf)])  # where all is -inf, the padding still does not win
    expected = nn.functional.max_pool2d(x, **how, return_indices=True)
    for a, b in zip(max_pool2d(x, **how, return_indices=True), expected, strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)
    assert_as_torch(lambda x: max_pool2d(x, **how), lambda x: nn.functional.max_pool2d(x, **how), [x])
    assert_as_torch(lambda x: avg_pool2d(x, **how), lambda x: nn.functional.avg_pool2d(x, **how), [x])


def test_an_infinite_error_stays_with_the_maximum():
    x = torch.tensor([[[1.0, 2.0], [4.0, 3.0]]], requires_grad=True)
    max_pool2d(x, 2).backward(torch.tensor([[[torch.inf]]]))
    assert x.grad.tolist() == [[[0, 0], [torch.inf, 0]]]


@both
def test_autocast_leaves_the_precision_as_it_is(ours, torchs):
    for dtype in operators.DTYPES:
        x = random(1, 2, 4, 4, dtype=dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y, expected = (
                value_and_gradients(lambda x: ours(x, 2), [x]),
                value_and_gradients(lambda x: torchs(x, 2), [x]),
            )
        for a, b in zip(y, expected, strict=True):
            assert a.dtype == b.dtype
            torch.testing.assert_close(a, b)


@both
def test_functional_gradients(ours, torchs):
    x = random(3, 2, 5, 5)

    def grad(pool):
        return torch.func.grad(lambda x: pool(x, 3, 2, 1).pow(3).sum())

    torch.testing.assert_close(grad(ours)(x), grad(torchs)(x))
    per_example = torch.func.vmap(grad(ours))(x)
    torch.testing.assert_close(per_example, grad(torchs)(x))
    torch.testing.assert_close(
        *(torch.func.grad(lambda x, pool=pool: grad(pool)(x).pow(2).sum())(x) for pool in (ours, torchs))
    )


@pytest.mark.compile
@both
def test_compiles_as_a_whole(ours, torchs):
    torch._dynamo.reset()
    compiled = torch.compile(lambda x: ours(x, 2, 1, 1, ceil_mode=True), fullgraph=True, backend="aot_eager")
    for batch in (2, 3):  # the second size makes the compiled code a function of the size
        assert_as_torch(compiled, lambda x: torchs(x, 2, 1, 1, ceil_mode=True), [random(batch, 2, 4, 4)])


@both
def test_none_of_torchs_poolings_is_called(ours, torchs):
    def run(pool):
        def forward_and_backward():
            for how in ({"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1, "ceil_mode": True}):
                value_and_gradients(lambda x, how=how: pool(x, **how), [random(2, 3, 6, 6)])

        return operators.torchs_own(forward_and_backward)

    assert run(ours) == set()
    assert len(run(torchs)) == 2  # forward and backward: the recorder sees them


@pytest.mark.bad_input
@both
@pytest.mark.parametrize(
    ("x", "how", "error", "message"),
    [
        ((1, 4, 4), {"kernel_size": 9}, ValueError, "kernel_size=9 is wider than the padded input"),
        ((1, 4, 4), {"kernel_size": (2, 5)}, ValueError, "kernel_size=5 is wider than the padded input"),
        ((1, 4, 4), {"kernel_size": 0}, ValueError, "kernel_size must be at least 1, got 0"),
        ((1, 4, 4), {"kernel_size": 2, "stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ((1, 4, 4), {"kernel_size": 2, "padding": -1}, ValueError, "padding must be at least 0, got -1"),
        ((1, 4, 4), {"kernel_size": 3, "padding": 2}, ValueError, "padding must be at most half of kernel_size=3.*got 2"),
        ((1, 4, 4), {"kernel_size": 1.5}, TypeError, "kernel_size must be an integer, got 1.5"),
        ((1, 4, 4), {"kernel_size": (2, 2, 2)}, ValueError, r"kernel_size must be one integer or 2 of them, got \(2, 2, 2\)"),
        ((4, 4), {"kernel_size": 2}, ValueError, r"input must have shape \(N, channels, height, width\).*got \(4, 4\)"),
        ((1, 0, 4), {"kernel_size": 2}, ValueError, "n must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(ours, torchs, x, how, error, message):
    with pytest.raises(error, match=message):
        ours(torch.zeros(x), **how)
    with pytest.raises((ValueError, RuntimeError, TypeError, IndexError)):  # torch refuses it too
        torchs(torch.zeros(x), **how)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: max_pool2d(torch.ones(1, 4, 4, dtype=torch.long), 2), TypeError, "input must be a floating-point tensor, got torch.int64"),
        (lambda: avg_pool2d(torch.ones(1, 4, 4, dtype=torch.uint8), 2), TypeError, "input must be a floating-point tensor, got torch.uint8"),
        (lambda: max_pool2d(torch.ones(1, 4, 4), 2, padding=2, dilation=2), ValueError, "half of kernel_size=2 with dilation=2, which spans 3 nodes"),
        (lambda: max_pool2d(torch.ones(1, 4, 4), 2, dilation=0), ValueError, "dilation must be at least 1, got 0"),
        (lambda: avg_pool2d(torch.ones(1, 4, 4), 2, divisor_override=0), ValueError, "divisor_override must not be 0"),
    ],
)  # fmt: skip
def test_bad_input_of_one_kind(call, error, message):
    with pytest.raises(error, match=message):
        call()
