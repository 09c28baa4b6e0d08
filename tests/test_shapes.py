"""Sizes, receptive fields and counts: by hand, against torch, and what bad input says."""

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch import nn

from cnnkit import shapes
from cnnkit.shapes import Window

small = st.integers(1, 12)
sizes = {"n": st.integers(1, 60), "kernel_size": small, "stride": small, "padding": st.integers(0, 8)}


def torch_size(n, kernel_size, stride, padding, dilation=1):
    x, w = torch.zeros(1, 1, n), torch.zeros(1, 1, kernel_size)
    return nn.functional.conv1d(x, w, stride=stride, padding=padding, dilation=dilation).shape[-1]


# ---------------------------------------------------------------------- the size equation
@pytest.mark.equation("eq-size")
@pytest.mark.parametrize(
    ("n", "kernel_size", "stride", "padding", "n_out"),
    [
        (9, 3, 2, 0, 4),
        (28, 5, 1, 2, 28),
        (28, 2, 2, 0, 14),
        (227, 11, 4, 0, 55),
        (225, 7, 2, 3, 113),
        (5, 5, 3, 0, 1),
    ],
)
def test_output_size_by_hand(n, kernel_size, stride, padding, n_out):
    assert shapes.output_size(n, kernel_size, stride, padding) == n_out
    assert (n_out - 1) * stride + kernel_size == n + 2 * padding


@pytest.mark.equation("eq-size-valid")
@given(n=st.integers(1, 60), kernel_size=small)
def test_valid_size(n, kernel_size):
    assume(kernel_size <= n)
    assert shapes.output_size(n, kernel_size) == n + 1 - kernel_size


@pytest.mark.equation("eq-size")
@given(**sizes, dilation=st.integers(1, 4))
def test_floor_is_what_torch_does_and_strict_is_the_equation(n, kernel_size, stride, padding, dilation):
    span = dilation * (kernel_size - 1) + 1
    assume(span <= n + 2 * padding)
    arguments = (n, kernel_size, stride, padding, dilation)
    floored = shapes.output_size(*arguments, floor=True)
    assert floored == torch_size(*arguments)

    dropped = shapes.dropped_nodes(*arguments)
    assert (floored - 1) * stride + span + dropped.nodes == n + 2 * padding
    assert dropped.inputs == max(0, dropped.nodes - padding)
    if dropped.nodes == 0:
        assert shapes.output_size(*arguments) == floored
    else:
        with pytest.raises(ValueError, match="do not fit"):
            shapes.output_size(*arguments)


@given(
    n=st.integers(4, 30), kernel_size=st.integers(1, 4), stride=st.integers(1, 4), padding=st.integers(0, 3)
)
def test_dropped_inputs_have_no_gradient(n, kernel_size, stride, padding):
    assume(stride <= kernel_size)  # otherwise inputs between the windows are unread as well
    x = torch.zeros(1, 1, n, requires_grad=True)
    nn.functional.conv1d(x, torch.ones(1, 1, kernel_size), stride=stride, padding=padding).sum().backward()
    assert (x.grad == 0).sum() == shapes.dropped_nodes(n, kernel_size, stride, padding).inputs


@given(**sizes)
@example(n=224, kernel_size=11, stride=4, padding=0)
def test_nearest_fits_are_the_nearest(n, kernel_size, stride, padding):
    assume(kernel_size <= n + 2 * padding)
    given_sizes = {"n": n, "kernel_size": kernel_size, "stride": stride, "padding": padding}
    lowest = {"n": 1, "kernel_size": 1, "stride": 1, "padding": 0}

    def fits(name, value):
        changed = given_sizes | {name: value}
        room = changed["n"] + 2 * changed["padding"] - changed["kernel_size"]
        return value >= lowest[name] and room >= 0 and room % changed["stride"] == 0

    for name, found in vars(shapes.nearest_fits(**given_sizes)).items():
        value = given_sizes[name]
        below = next((v for v in range(value, lowest[name] - 1, -1) if fits(name, v)), None)
        above = next((v for v in range(value, value + 500) if fits(name, v)), None)
        assert set(found) == {below, above} - {None}, name


def test_nearest_fits_by_hand():
    fits = shapes.nearest_fits(32, kernel_size=5, stride=2)
    assert (fits.n, fits.kernel_size, fits.stride, fits.padding) == ((31, 33), (4, 6), (1, 3), ())
    assert shapes.nearest_fits(227, kernel_size=11, stride=4).n == (227,)
    assert shapes.nearest_fits(10, kernel_size=3, stride=2, dilation=2).n == (9, 11)
    assert str(shapes.nearest_fits(224, kernel_size=11, stride=4)).startswith("n = 223 or 227; ")


@pytest.mark.equation("eq-size")
@given(n_out=st.integers(2, 20), kernel_size=small, stride=small, padding=st.integers(0, 8))
def test_solve_size_finds_each_letter(n_out, kernel_size, stride, padding):
    n = (n_out - 1) * stride + kernel_size - 2 * padding
    assume(n >= 1)
    equation = {"n": n, "n_out": n_out, "kernel_size": kernel_size, "stride": stride, "padding": padding}
    for name, value in equation.items():
        others = {k: v for k, v in equation.items() if k != name}
        assert shapes.solve_size(**others) == value, name


@pytest.mark.parametrize(
    ("kernel_size", "expected"), [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 2)), (5, (2, 2))]
)
def test_same_padding_by_hand(kernel_size, expected):
    assert shapes.same_padding(kernel_size) == expected


@given(n=st.integers(1, 20), kernel_size=st.integers(1, 7), dilation=st.integers(1, 3))
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_same_padding_is_torchs(n, kernel_size, dilation):
    x, w = torch.randn(1, 1, n), torch.randn(1, 1, kernel_size)
    padded = nn.functional.pad(x, shapes.same_padding(kernel_size, dilation))
    ours = nn.functional.conv1d(padded, w, dilation=dilation)
    torch.testing.assert_close(ours, nn.functional.conv1d(x, w, padding="same", dilation=dilation))


@given(**sizes, dilation=st.integers(1, 3), extra=st.integers(0, 11))
def test_transposed_size_is_torchs(n, kernel_size, stride, padding, dilation, extra):
    assume(extra < max(stride, dilation))
    assume((n - 1) * stride + dilation * (kernel_size - 1) + 1 + extra > 2 * padding)
    arguments = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation}
    y = nn.functional.conv_transpose1d(torch.zeros(1, 1, n), torch.zeros(1, 1, kernel_size), **arguments)
    assert shapes.transposed_size(n, kernel_size, **arguments) == y.shape[-1]


@given(**sizes)
def test_transposed_size_undoes_output_size(n, kernel_size, stride, padding):
    assume(kernel_size <= n + 2 * padding)
    n_out = shapes.output_size(n, kernel_size, stride, padding, floor=True)
    dropped = shapes.dropped_nodes(n, kernel_size, stride, padding).nodes
    assert shapes.transposed_size(n_out, kernel_size, stride, padding, output_padding=dropped) == n


# ---------------------------------------------------------------------- receptive fields
@pytest.mark.equation("eq-receptive-field")
def test_receptive_fields_by_hand():
    # Two 3-point filters see 5 inputs; pooling by 2 doubles the jump; a padded, dilated filter then reaches 4 jumps.
    stack = [Window(3), Window(3), Window(2, stride=2), Window(3, padding=2, dilation=2)]
    assert shapes.receptive_fields(stack) == [(1, 1, 0), (3, 1, 0), (5, 1, 0), (6, 2, 0), (14, 2, -4)]
    assert list(shapes.receptive_fields(stack)[2].inputs(1)) == [1, 2, 3, 4, 5]


windows = st.builds(
    Window,
    kernel_size=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
)


@pytest.mark.equation("eq-receptive-field")
@given(stack=st.lists(windows, min_size=1, max_size=3), node=st.integers(0, 5))
def test_receptive_fields_are_where_the_gradient_is(stack, node):
    n = 80
    x = torch.zeros(1, 1, n, requires_grad=True)
    y = x
    for layer in stack:
        y = nn.functional.conv1d(
            y, torch.ones(1, 1, layer.kernel_size), None, layer.stride, layer.padding, layer.dilation
        )
    assume(node < y.shape[-1])
    y[0, 0, node].backward()
    seen = x.grad[0, 0].nonzero().flatten().tolist()
    field = shapes.receptive_fields(stack)[-1].inputs(node)
    inside = [i for i in field if 0 <= i < n]
    # Padding can hide an end of the field; where none is involved both ends are reached exactly.
    assert set(seen) <= set(inside)
    if all(layer.padding == 0 for layer in stack):
        assert (seen[0], seen[-1]) == (inside[0], inside[-1])


# ---------------------------------------------------------------------- counting
@pytest.mark.equation("eq-parameters")
def test_parameters_by_hand():
    assert shapes.full_parameters(7, 7) == 49
    assert shapes.local_parameters(7, 3) == 21
    assert shapes.local_parameters(shapes.output_size(7, 3), 3) == (7 - 3 + 1) * 3
    assert shapes.shared_parameters(3) == 3
    assert shapes.shared_parameters(3, in_channels=2, out_channels=4) == 4 * 2 * 3
    assert shapes.multiply_adds((5, 6), (3, 3), in_channels=2, out_channels=4) == 5 * 6 * 9 * 2 * 4


@pytest.mark.equation("eq-parameters")
@given(n=st.integers(3, 9), channels=st.integers(1, 3), filters=st.integers(1, 3), bias=st.booleans())
def test_parameters_are_torchs(n, channels, filters, bias):
    def count(layer):
        return sum(p.numel() for p in layer.parameters())

    full = nn.Linear(channels * n, filters * n, bias=bias)
    assert shapes.full_parameters(n, n, channels, filters, bias=bias) == count(full)
    shared = nn.Conv2d(channels, filters, (3, 2), bias=bias)
    assert shapes.shared_parameters((3, 2), channels, filters, bias=bias) == count(shared)
    grouped = nn.Conv1d(2 * channels, 2 * filters, 3, groups=2, bias=bias)
    assert shapes.shared_parameters(3, 2 * channels, 2 * filters, groups=2, bias=bias) == count(grouped)


def test_multiply_adds_are_what_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        nn.Conv2d(4, 6, (3, 2), groups=2, bias=False)(torch.zeros(1, 4, 9, 8))
    assert 2 * shapes.multiply_adds((7, 7), (3, 2), 4, 6, groups=2) == counter.get_total_flops()


# ---------------------------------------------------------------------- bad input
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: shapes.output_size(3, 5), ValueError, r"kernel_size=5 is wider than the padded input.*3 \+ 0 = 3.*padding >= 1"),
        (lambda: shapes.output_size(4, 3, dilation=2), ValueError, "kernel_size=3 with dilation=2 spans 5 nodes"),
        (lambda: shapes.output_size(5, 3, stride=0), ValueError, "stride must be at least 1, got 0"),
        (lambda: shapes.output_size(5, 3, padding=-1), ValueError, "padding must be at least 0, got -1"),
        (lambda: shapes.output_size(0, 1), ValueError, "n must be at least 1, got 0"),
        (lambda: shapes.output_size(5, 0), ValueError, "kernel_size must be at least 1, got 0"),
        (lambda: shapes.output_size(5, 3, dilation=0), ValueError, "dilation must be at least 1, got 0"),
        (lambda: shapes.output_size(5.0, 3), TypeError, r"n must be an integer, got 5\.0 of type float"),
        (lambda: shapes.output_size(5, "3"), TypeError, "kernel_size must be an integer, got '3' of type str"),
        (
            lambda: shapes.output_size(32, 5, 2),
            ValueError,
            "n=32, kernel_size=5, stride=2, padding=0 do not fit.*1 node .*n = 31 or 33.*floor=True",
        ),
        (lambda: shapes.output_size(32, 5, 4, dilation=3), ValueError, "dilation=3 do not fit.*3 nodes"),
        (lambda: shapes.solve_size(n=5, kernel_size=3), TypeError, r"give four of.*missing are \['n_out', 'stride', 'padding'\]"),
        (lambda: shapes.solve_size(n=5, n_out=5, kernel_size=1, stride=1, padding=0), TypeError, "missing are none"),
        (
            lambda: shapes.solve_size(n=224, n_out=55, kernel_size=11, stride=4),
            ValueError,
            "no padding solves .*n=224, n_out=55, kernel_size=11, stride=4: it would be 3/2",
        ),
        (lambda: shapes.solve_size(n=9, n_out=3, kernel_size=3, stride=1), ValueError, "no padding solves .*it would be -2$"),
        (lambda: shapes.solve_size(n=3, n_out=1, kernel_size=3, padding=0), ValueError, "n_out=1 leaves the stride open"),
        (lambda: shapes.solve_size(n=10, n_out=1, kernel_size=3, padding=0), ValueError, "no stride solves .*n=10, n_out=1"),
        (lambda: shapes.full_parameters((), 3), ValueError, "n must have one number an axis, got none"),
        (lambda: shapes.solve_size(n=3, n_out=0, kernel_size=3, padding=0), ValueError, "n_out must be at least 1, got 0"),
        (lambda: shapes.same_padding(0), ValueError, "kernel_size must be at least 1"),
        (
            lambda: shapes.transposed_size(4, 3, output_padding=1),
            ValueError,
            "output_padding must be below stride=1 or dilation=1, got 1",
        ),
        (lambda: shapes.transposed_size(1, 2, padding=1), ValueError, "padding=1 cuts 2 nodes off the 2.*nothing is left"),
        (lambda: Window(3, stride=0), ValueError, "stride must be at least 1, got 0"),
        (lambda: Window(1.5), TypeError, "kernel_size must be an integer"),
        (lambda: shapes.full_parameters((4, 0), 3), ValueError, "n must be at least 1, got 0"),
        (lambda: shapes.local_parameters(4, 2.0), TypeError, "kernel_size must be an integer"),
        (lambda: shapes.shared_parameters(3, 3, 4, groups=2), ValueError, "groups=2 must divide in_channels=3"),
        (lambda: shapes.multiply_adds(3, 3, 4, 3, groups=2), ValueError, "groups=2 must divide out_channels=3"),
        (lambda: shapes.shared_parameters(3, groups=0), ValueError, "groups must be at least 1, got 0"),
    ],
)  # fmt: skip
def test_bad_input_names_the_argument(call, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        call()
