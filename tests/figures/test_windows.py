"""Figures of windows: their numbers are those of cnnkit, and a state that cannot be is refused."""

import itertools

import in_node
import pytest

from cnnkit import figures
from cnnkit.figures.windows import LARGEST
from cnnkit.shapes import dropped_nodes, nearest_fits, output_size

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
