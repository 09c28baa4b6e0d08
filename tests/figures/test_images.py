"""Figures of images: their numbers are those of cnnkit, and a state that cannot be is refused."""

import in_node
import numpy as np
import pytest
import torch

from cnnkit import figures
from cnnkit.data import photograph
from cnnkit.figures.images import MASKS
from cnnkit.reference.conv import conv1d_backward, conv2d
from cnnkit.reference.pool import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# ------------------------------------------------------------------------------------------ a mask
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1), (3, 2), (4, 0)])
def test_convolution_is_that_of_reference(name, stride, padding):
    x, w = drawn(9, 7), torch.tensor(MASKS[name], dtype=torch.float64)
    sizes = {"stride": stride, "padding": padding}
    [found] = in_node.call(["convolutions"], [("convolutions.convolve", [x.tolist(), w.tolist(), sizes])])
    expected = conv2d(x[None], w[None, None], **sizes)[0]
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected)


def test_window_and_products_are_what_the_sum_is_made_of():
    x, w = drawn(5, 6), drawn(3, 3, seed=1)
    given = [x.tolist(), 2, 0, 3, {"stride": 2, "padding": 1}]
    [window] = in_node.call(["convolutions"], [("convolutions.windowAt", given)])
    assert window == torch.nn.functional.pad(x, (1, 1, 1, 1))[4:7, 0:3].tolist()
    calls = [("convolutions.products", [window, w.tolist()])]
    [products] = in_node.call(["convolutions"], calls)
    y = conv2d(x[None], w[None, None], stride=2, padding=1)[0, 2, 0]
    assert sum(map(sum, products)) == pytest.approx(y.item())


def test_convolution_shows_what_it_is_given():
    image = torch.linspace(0, 1, 20).view(4, 5)
    mask = [[0, 0, 0], [0, 2, 0], [0, 0, 0.5]]
    figure = figures.convolution(image, mask, stride=2, padding=1)
    assert figure.state["image"] == (100 * image).round().int().tolist()
    assert figure.state["mask"] == mask
    assert (figure.state["stride"], figure.state["padding"]) == (2, 1)
    # output (1, 1) has its middle on pixel (2, 2)
    assert figure.fallback.endswith(f"y(1, 1) = {round(0.63 * 2 + 0.95 * 0.5, 2):g}.")


def test_convolution_by_default_shows_real_pixels():
    pixels = photograph("astronaut")[:, 90:114, 236:260].double().mean(dim=0) / 255
    shown = torch.tensor(figures.convolution().state["image"]) / 100
    torch.testing.assert_close(shown.double(), pixels, rtol=0, atol=0.0051)
    raw = np.asarray(photograph("camera")[0, :8, :8])
    assert figures.convolution(raw).state["image"] == (100 * (raw / 255)).round().astype(int).tolist()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"image": torch.zeros(2, 9)}, ValueError, r"^image must have 2 axes, with 3 to 28 rows"),
        ({"image": torch.zeros(1, 9, 9)}, ValueError, r"^image must have 2 axes.*shape \(1, 9, 9\)$"),
        ({"image": torch.zeros(29, 9)}, ValueError, r"^image must have .*\(29, 9\)$"),
        ({"image": []}, ValueError, r"^image must have .*\(0,\)$"),
        ({"image": torch.full((3, 3), 2.0)}, ValueError, r"^image must hold values from 0 to 1.*got 2 to 2"),
        ({"image": torch.full((3, 3), torch.nan)}, ValueError, "^image must hold values from 0 to 1"),
        ({"image": [["a"] * 3] * 3}, TypeError, "^image must hold numbers"),
        ({"mask": "no such"}, ValueError, r"^mask must be one of edge, .*; got 'no such'$"),
        ({"mask": []}, ValueError, r"^mask must have shape \(3, 3\), got \(0,\)$"),
        ({"mask": torch.zeros(5, 5)}, ValueError, r"^mask must have shape \(3, 3\), got \(5, 5\)$"),
        ({"mask": [[99] * 3] * 3}, ValueError, "^mask must hold numbers from -9 to 9"),
        ({"mask": [[True] * 3] * 3}, TypeError, "^mask must hold numbers, got bool"),
        ({"stride": 0}, ValueError, "^stride"),
        ({"stride": 5}, ValueError, "^stride must be at most 4"),
        ({"padding": 1.5}, TypeError, "^padding"),
        ({"padding": 3}, ValueError, "^padding must be at most 2"),
    ],
)
def test_convolutions_that_cannot_be_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        figures.convolution(**given)


# ------------------------------------------------------------------------------------------ a shared weight
@pytest.mark.parametrize(
    ("n", "F", "stride", "padding", "nodes"),
    [(6, 3, 1, 1, 6), (7, 2, 2, 0, 3), (5, 3, 3, 2, 3), (1, 1, 1, 0, 1)],
)
def test_shared_gradient_is_that_of_reference(n, F, stride, padding, nodes):
    x, delta = drawn(n), drawn(nodes, seed=1)
    sizes = {"kernel_size": F, "stride": stride, "padding": padding}
    calls = [("sharedGradient.contributions", [x.tolist(), delta.tolist(), sizes])]
    [rows] = in_node.call(["shared-gradient"], calls)
    [sums] = in_node.call(["shared-gradient"], [("sharedGradient.sums", [rows])])
    _, expected, _ = conv1d_backward(delta[None], x[None], torch.zeros(1, 1, F).double(), stride, padding)
    torch.testing.assert_close(torch.tensor(sums, dtype=torch.float64), expected[0, 0])
    for i, row in enumerate(rows):  # the gradient of this position's error alone
        alone = torch.zeros_like(delta)
        alone[i] = delta[i]
        _, expected, _ = conv1d_backward(alone[None], x[None], torch.zeros(1, 1, F).double(), stride, padding)
        torch.testing.assert_close(torch.tensor(row, dtype=torch.float64), expected[0, 0])


def test_weight_gradient_shows_what_it_is_given():
    figure = figures.weight_gradient(x=[1, 2, 3, -4.5], delta=[0, 2], kernel_size=2, stride=2, padding=0)
    assert figure.state["x"] == [1, 2, 3, -4.5]
    assert figure.state["delta"] == [0, 2]
    assert figure.state["i"] == 1, "the first error that is not 0"
    assert figure.fallback.endswith("The columns add up to the gradient: 6, −9.")
    assert figures.weight_gradient().fallback.endswith("−4, −8, −7."), "as in the chapter"
    assert figures.weight_gradient([1], [0]).state["i"] == 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"x": []}, ValueError, r"^x must have shape \(n,\) with n from 1 to 7, got \(0,\)$"),
        ({"x": range(8)}, ValueError, r"^x must have .*got \(8,\)$"),
        ({"x": [[1.0]]}, ValueError, r"^x must have .*got \(1, 1\)$"),
        ({"x": ["1"]}, TypeError, "^x must hold numbers"),
        ({"x": [1, 2, 3, 4, 5, 99]}, ValueError, "^x must hold numbers from -9 to 9; got 1 to 99$"),
        ({"delta": [1, 2]}, ValueError, r"^delta must have shape \(6,\), got \(2,\)$"),
        ({"x": [1], "padding": 0}, ValueError, "kernel_size"),
        ({"kernel_size": 4}, ValueError, "^kernel_size must be at most 3"),
        ({"stride": 0}, ValueError, "^stride"),
        ({"padding": 3}, ValueError, "^padding must be at most 2"),
    ],
)
def test_weight_gradients_that_cannot_be_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        figures.weight_gradient(**given)


# ------------------------------------------------------------------------------------------ pooling
@pytest.mark.parametrize("pool", ["max", "average"])
@pytest.mark.parametrize(("F", "S"), [(1, 1), (2, 2), (3, 2), (3, 1), (2, 3), (4, 4)])
@pytest.mark.parametrize("ties", [False, True])
def test_pooling_is_that_of_reference(pool, F, S, ties):
    x = drawn(6, 5).round() if ties else drawn(6, 5)
    forward, backward = {
        "max": (max_pool2d, max_pool2d_backward),
        "average": (avg_pool2d, avg_pool2d_backward),
    }[pool]
    y = forward(x[None], F, S)
    delta = drawn(*y.shape, seed=1)
    sizes = {"kernel_size": F, "stride": S, "pool": pool}
    calls = [
        ("poolings.sizeOf", [x.tolist(), sizes]),
        ("poolings.forward", [x.tolist(), sizes]),
        ("poolings.backward", [delta[0].tolist(), x.tolist(), sizes]),
    ]
    size, values, gradient = in_node.call(["sizes", "poolings"], calls)
    assert tuple(size) == y.shape[1:]
    torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), y[0])
    expected = backward(delta, x[None], F, S)[0]
    torch.testing.assert_close(torch.tensor(gradient, dtype=torch.float64), expected)


def test_pooling_shows_what_it_is_given():
    x = [[1, 2, 3], [4, 5, 6], [7, 8, -9]]
    figure = figures.pooling(x, "average", kernel_size=2, stride=1)
    expected = {"x": x, "pool": "average", "kernel_size": 2, "stride": 1, "i": 0, "j": 0, "u": 1, "v": 1}
    assert figure.state == expected
    assert "mean of each window of 2 by 2, with stride 1: 2 by 2 values" in figure.fallback
    assert figures.pooling(kernel_size=3).state["stride"] == 3
    assert figures.pooling().state["u"] == 1, "the node that gets the first error"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"x": []}, ValueError, r"^x must have shape \(H, W\), with 1 to 5 rows and columns; got \(0,\)$"),
        ({"x": torch.zeros(6, 3)}, ValueError, r"^x must have .*\(6, 3\)$"),
        ({"x": [["a"]]}, TypeError, "^x must hold numbers"),
        ({"x": [[torch.nan] * 2] * 2}, ValueError, "^x must hold numbers from -9 to 9"),
        ({"pool": "mean"}, ValueError, "^pool must be 'max' or 'average', got 'mean'$"),
        ({"x": [[1, 2, 3]]}, ValueError, "kernel_size"),
        ({"kernel_size": 5}, ValueError, "^kernel_size must be at most 4"),
        ({"stride": 0}, ValueError, "^stride"),
        ({"stride": 5}, ValueError, "^stride must be at most 4"),
    ],
)
def test_poolings_that_cannot_be_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        figures.pooling(**given)


# ------------------------------------------------------------------------------------------ one by one
@pytest.mark.parametrize("filters", [1, 2, 3])
def test_mixing_is_the_convolution_of_reference(filters):
    x, w = drawn(3, 4, 5), drawn(filters, 3, seed=1)
    [found] = in_node.call(["mixing"], [("mixing.mix", [x.tolist(), w.tolist()])])
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), conv2d(x, w[:, :, None, None]))


def test_one_by_one_shows_what_it_is_given():
    image = torch.linspace(0, 1, 12).view(3, 2, 2)
    figure = figures.one_by_one(image, [[1, 0, 2.5]])
    assert figure.state["image"] == (100 * image).round().int().tolist()
    assert figure.state["weights"] == [[1, 0, 2.5]]
    assert figure.fallback.startswith("Pixel (1, 1) has the channels 0.27, 0.64, 1. ")
    assert f"mix them to {round(0.27 + 2.5, 2):g}, " in figure.fallback
    pixels = photograph("astronaut")[:, 346:360, 168:182]
    shown = torch.tensor(figures.one_by_one().state["image"]) / 100
    torch.testing.assert_close(shown, pixels / 255, rtol=0, atol=0.0051)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"image": torch.zeros(4, 4)}, ValueError, r"^image must have 3 axes, with 1 to 16 rows"),
        ({"image": torch.zeros(2, 4, 4)}, ValueError, r"^image must have 3 channels, got shape \(2, 4, 4\)$"),
        ({"image": torch.zeros(3, 4, 17)}, ValueError, r"^image must have .*\(3, 4, 17\)$"),
        ({"image": -torch.ones(3, 4, 4)}, ValueError, r"^image must hold values from 0 to 1.*got -1 to -1"),
        ({"weights": []}, ValueError, r"^weights must have shape \(R, 3\) with R from 1 to 3, got \(0,\)$"),
        ({"weights": torch.zeros(4, 3)}, ValueError, r"^weights must have .*\(4, 3\)$"),
        ({"weights": torch.zeros(2, 2)}, ValueError, r"^weights must have .*\(2, 2\)$"),
        ({"weights": [["a", "b", "c"]]}, TypeError, "^weights must hold numbers"),
        ({"weights": [[1, 2, 10]]}, ValueError, "^weights must hold numbers from -9 to 9; got 1 to 10$"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        figures.one_by_one(**given)
