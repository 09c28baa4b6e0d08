"""Figures of windows: their numbers are those of cnnkit, and a state that cannot be is refused."""

import itertools

import in_node
import pytest
import torch

from cnnkit import figures
from cnnkit.figures.windows import LARGEST
from cnnkit.reference.conv import conv1d
from cnnkit.shapes import Window, dropped_nodes, nearest_fits, output_size, receptive_fields

SIZES = [
    {"n": n, "kernel_size": F, "stride": S, "padding": P, "dilation": D}
    for n, F, S, P, D in itertools.product((1, 2, 5, 8, 16), range(1, 8), range(1, 6), (0, 1, 4), range(1, 4))
]


def covers(sizes):
    return sizes["dilation"] * (sizes["kernel_size"] - 1) + 1 <= sizes["n"] + 2 * sizes["padding"]


def test_output_size_is_that_of_shapes():
    answers = in_node.call(["sizes"], [("sizes.outputSize", [sizes]) for sizes in SIZES])
    for sizes, (nodes, left_over) in zip(SIZES, answers, strict=True):
        if covers(sizes):
            assert nodes == output_size(**sizes, floor=True)
            assert left_over == dropped_nodes(**sizes).nodes
        else:
            assert nodes == 0


def test_nearest_fits_are_those_of_shapes():
    limits = {"n": [1, 10_000], "kernel_size": [1, 10_000], "stride": [1, 10_000], "padding": [0, 100]}
    given = [sizes for sizes in SIZES if covers(sizes)]
    answers = in_node.call(["sizes"], [("sizes.nearestFits", [sizes, limits]) for sizes in given])
    for sizes, answer in zip(given, answers, strict=True):
        expected = nearest_fits(**sizes)
        assert {name: tuple(values) for name, values in answer.items()} == vars(expected), sizes


def test_output_size_shows_what_it_is_given():
    figure = figures.output_size(n=7, kernel_size=3, stride=2, padding=1)
    assert figure.state == {"n": 7, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1, "window": 0}
    assert "4 windows fit, 0 nodes" in figure.fallback


@pytest.mark.bad_input
@pytest.mark.parametrize("name", LARGEST)
def test_sizes_without_room_are_refused(name):
    with pytest.raises(ValueError, match=rf"^{name} must be at most {LARGEST[name]}, .*; got 99$"):
        figures.output_size(**{name: 99})


@pytest.mark.bad_input
def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="kernel_size"):
        figures.output_size(n=3, kernel_size=5)
    with pytest.raises(ValueError, match="stride"):
        figures.output_size(stride=0)
    with pytest.raises(TypeError, match="n "):
        figures.output_size(n=7.5)


# ------------------------------------------------------------------------------------------ convolution
@pytest.mark.parametrize(("F", "stride", "padding"), [*itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2))])
def test_convolution_is_that_of_the_reference(F, stride, padding):
    generator = torch.Generator().manual_seed(0)
    cases = [torch.randint(-9, 10, (n + F,), generator=generator).double() for n in range(5, 10)]
    sizes = {"stride": stride, "padding": padding}
    calls = [("sliding.convolve", [case[F:].tolist(), case[:F].tolist(), sizes]) for case in cases]
    for case, y in zip(cases, in_node.call(["sizes", "sliding"], calls), strict=True):
        assert y == conv1d(case[None, F:], case[None, None, :F], **sizes)[0].tolist()


def test_products_add_up_to_the_output():
    x, w, sizes = [3, -1, 2, 5], [2, -3, 1], {"stride": 2, "padding": 1}
    calls = [("sliding.products", [x, w, i, sizes]) for i in (0, 1)]
    assert in_node.call(["sizes", "sliding"], calls) == [[0, -9, -1], [-2, -6, 5]]


def test_convolution_1d_shows_what_it_is_given():
    figure = figures.convolution_1d(x=torch.tensor([3, -1, 2, 5]), w=(2, -3, 1), stride=2, padding=1)
    assert figure.state == {"x": [3, -1, 2, 5], "w": [2, -3, 1], "stride": 2, "padding": 1, "i": 1}
    assert figure.fallback == (
        "A filter of 3 on a row of 4 nodes, at output 1. Inputs, weights and products, one below the other: "
        "the products add up to −3."
    )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"x": []}, ValueError, r"^x must have shape \(n,\) with n from 1 to 9, got \(0,\)$"),
        ({"x": [0] * 10}, ValueError, r"^x must have shape \(n,\) with n from 1 to 9, got \(10,\)$"),
        ({"x": ["a"]}, TypeError, "^x must hold numbers"),
        ({"x": [1, 2, 30]}, ValueError, "^x must hold numbers from -9 to 9; got 1 to 30$"),
        ({"w": []}, ValueError, r"^w must have shape \(n,\) with n from 1 to 5, got \(0,\)$"),
        ({"w": [1] * 6}, ValueError, r"^w must have shape \(n,\) with n from 1 to 5, got \(6,\)$"),
        ({"w": [float("nan")]}, ValueError, "^w must hold numbers from -9 to 9"),
        ({"x": [1, 2], "padding": 2}, ValueError, "^w must have at most 2 weights, .*; got 3$"),
        ({"stride": 4}, ValueError, "^stride must be at most 3"),
        ({"stride": 0}, ValueError, "^stride must be at least 1"),
        ({"padding": 3}, ValueError, "^padding must be at most 2"),
        ({"padding": 0.5}, TypeError, "^padding must be an integer"),
    ],
)
def test_rows_and_filters_that_cannot_be_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        figures.convolution_1d(**given)


# ------------------------------------------------------------------------------------------ receptive fields
STACKS = [
    [Window(3)],
    [Window(3, padding=1), Window(2, stride=2), Window(3, padding=1)],
    [Window(5, stride=2, padding=2), Window(3, stride=2, padding=1), Window(2, stride=2)],
    [Window(3, padding=2, dilation=2), Window(1, stride=2), Window(3, padding=1), Window(2)],
    [Window(2, dilation=3), Window(3, stride=3, padding=1)],
]


def plain(layers):
    return [vars(window) for window in layers]


@pytest.mark.parametrize("layers", STACKS)
def test_fields_are_those_of_shapes(layers):
    [found] = in_node.call(["sizes", "fields"], [("fields.fields", [plain(layers)])])
    assert [tuple(field) for field in found] == receptive_fields(layers)


@pytest.mark.parametrize("layers", STACKS)
def test_a_node_sees_what_its_gradient_reaches(layers):
    n = 13
    rows = [torch.ones(1, n, dtype=torch.float64, requires_grad=True)]
    for window in layers:
        sizes = {**vars(window)}
        weights = torch.ones(1, 1, sizes.pop("kernel_size"), dtype=torch.float64)
        rows.append(conv1d(rows[-1], weights, **sizes))
    [nodes] = in_node.call(["sizes", "fields"], [("fields.nodes", [n, plain(layers)])])
    assert nodes == [row.shape[1] for row in rows]
    chosen = [(layer, i) for layer, count in enumerate(nodes) for i in range(count)]
    calls = [("fields.seen", [n, plain(layers), layer, i]) for layer, i in chosen]
    for (layer, i), seen in zip(chosen, in_node.call(["sizes", "fields"], calls), strict=True):
        for below in range(layer + 1):
            [gradient] = torch.autograd.grad(rows[layer][0, i], rows[below], retain_graph=True)
            assert seen[below] == gradient[0].nonzero()[:, 0].tolist(), (layer, i, below)


def test_nodes_end_before_a_filter_that_does_not_fit():
    layers = plain([Window(3), Window(5), Window(1)])
    [nodes] = in_node.call(["sizes", "fields"], [("fields.nodes", [6, layers])])
    assert nodes == [6, 4]


def test_receptive_field_shows_what_it_is_given():
    figure = figures.receptive_field(9, [Window(3), Window(3, stride=2, padding=1)], layer=1, node=2)
    assert figure.state["layers"][1] == {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 1}
    assert (figure.state["n"], figure.state["layer"], figure.state["node"]) == (9, 1, 2)
    assert figure.fallback.startswith("The field of node 2 of layer 1 reaches from 2 to 4 in an input of 9 ")
    last = figures.receptive_field(9, [Window(3), Window(3, stride=2, padding=1)])
    assert (last.state["layer"], last.state["node"]) == (2, 2)
    assert last.fallback.startswith("The field of node 2 of layer 2 reaches from 3 to 7 ")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"n": 17}, ValueError, "^n must be at most 16, .*; got 17$"),
        ({"n": "9"}, TypeError, "^n must be an integer"),
        ({"layers": []}, ValueError, "^layers must hold 1 to 4 windows, got 0$"),
        ({"layers": [Window(1)] * 5}, ValueError, "^layers must hold 1 to 4 windows, got 5$"),
        ({"layers": [Window(3), 3]}, TypeError, r"^layers\[1\] must be a Window, got 3$"),
        ({"layers": [Window(6)]}, ValueError, r"^layers\[0\].kernel_size must be at most 5"),
        ({"layers": [Window(3, stride=4)]}, ValueError, r"^layers\[0\].stride must be at most 3"),
        ({"layers": [Window(3, dilation=4)]}, ValueError, r"^layers\[0\].dilation must be at most 3"),
        ({"layers": [Window(3, padding=2)]}, ValueError, r"^layers\[0\].padding must be at most 1"),
        ({"n": 6, "layers": [Window(3), Window(5)]}, ValueError, r"^layers\[1\]: kernel_size=5 is wider"),
        ({"layer": 4}, ValueError, "^layer must be at most 3, the number of layers; got 4$"),
        ({"layer": -1}, ValueError, "^layer must be at least 0"),
        ({"node": 6}, ValueError, "^node must be below 6, the nodes of layer 3; got 6$"),
        ({"node": 1.5}, TypeError, "^node must be an integer"),
    ],
)
def test_stacks_that_cannot_be_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        figures.receptive_field(**given)
