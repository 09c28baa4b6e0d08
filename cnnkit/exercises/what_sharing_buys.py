"""What the exercises of the chapter *what-sharing-buys* expect."""

from math import sqrt

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.shapes import (
    Window,
    full_parameters,
    local_parameters,
    receptive_fields,
    shared_parameters,
)

N, CLASSES = 40, 10
M, F = 8, 3  # of exercise 1


def _linear_head(channels: int, n: int = N, *, bias: bool = True) -> int:
    return full_parameters(n, CLASSES, in_channels=channels, bias=False) + bias * CLASSES


def _layers(*, bias: bool) -> list[int]:
    return [
        full_parameters(N, N, out_channels=M, bias=bias),
        local_parameters(N, F, out_channels=M, bias=bias),
        shared_parameters(F, out_channels=M, bias=bias),
    ]


def _networks(*, bias: bool) -> list[int]:
    heads = [_linear_head(M, bias=bias)] * 3 + [_linear_head(M, 1, bias=bias)]
    layers = _layers(bias=bias)
    return [layer + head for layer, head in zip([*layers, layers[-1]], heads, strict=True)]


def _count(connectivity: str, depth: int, channels: int, kernel_size: int, n: int) -> int:
    total = _linear_head(channels, n)
    for in_channels in (1, *[channels] * (depth - 1)):
        total += {
            "full": full_parameters(n, n, in_channels, channels, bias=True),
            "local": local_parameters(n, kernel_size, in_channels, channels, bias=True),
            "shared": shared_parameters(kernel_size, in_channels, channels, bias=True),
        }[connectivity]
    return total


def _sees(depth: int, kernel_size: int = 3) -> int:
    return receptive_fields([Window(kernel_size)] * depth)[-1].size


ON_A_RING = 'are all three layers built with `layers["shared, on a ring"]`?'
DEPTH = next(depth for depth in range(1, 20) if _sees(depth) >= 10)

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        _networks(bias=True),
        hint="count the layer and the head apart: weights of the layer as in the first chapter, times M, one "
        "bias for each node, in the shared layer for each filter; a linear head has (nodes it sees + 1) * 10",
        hints=[
            (_networks(bias=False), "these are the weights; each output also learns one bias"),
            (
                [*_layers(bias=True), _layers(bias=True)[-1]],
                "that is the hidden layer alone; the classifier on top has weights too",
            ),
            (
                [*_networks(bias=True)[:3], _networks(bias=True)[2]],
                "after global pooling the head sees one number a row, not 40",
            ),
            (
                [
                    *_networks(bias=True)[:2],
                    *(total + (N - 1) * M for total in _networks(bias=True)[2:]),
                ],
                "in the shared layer the bias is shared too: one a filter",
            ),
        ],
    ),
    2: Numbers(
        [1 / CLASSES, sqrt(0.1 * 0.9 / 1000)],
        hint="one of ten answers is right; the standard error is sqrt(a (1 - a) / 1000)",
        hints=[
            ([0.1, 0.09 / 1000], "the error is the square root of that"),
            ([0.1, 0.3], "that is the spread of a single answer; the mean of 1,000 has a smaller one"),
            ([10, 0.95], "as shares of 1, please, not in per cent"),
            ([0.5, 0.0158], "there are ten classes, not two"),
        ],
        tolerance=0.0006,
    ),
    3: Function(
        _count,
        cases=[
            ("full", 1, 16, 5, 40),
            ("local", 1, 16, 5, 40),
            ("shared", 1, 16, 5, 40),
            ("full", 3, 16, 5, 40),
            ("local", 3, 16, 5, 40),
            ("shared", 3, 16, 5, 40),
            ("shared", 2, 8, 3, 28),
        ],
        hint="the first layer has one row below it, each further one `channels` rows; count one bias for "
        "each output node, in the shared layer for each filter; the head adds (channels * n + 1) * 10",
    ),
    4: Numbers(
        DEPTH,
        hint="each further layer with F = 3 adds 2 nodes to what a node sees",
        hints=[
            (DEPTH - 1, "that sees 9 nodes; the widest digits are 10"),
            (DEPTH - 2, "add up r = 1 + 2 + 2 + ... once more: a layer with F = 3 adds 2 nodes, not 3"),
            (DEPTH + 1, "one layer fewer is enough: r starts at 1, not at 0"),
        ],
    ),
    5: Numbers(
        0.0,
        hint=f"on a ring not one answer changes; if some of yours do, {ON_A_RING}",
        hints=[
            (1.0, "give the difference of the two accuracies, not whether they are equal"),
            # 0.014 to 0.046: without the ring the loss differs from start to start
            *((k / 1000, f"so much the zero-padded network loses; {ON_A_RING}") for k in range(15, 48, 3)),
        ],
        tolerance=0.0015,
    ),
    6: Choice(
        "pooled",
        hints={
            "full": "it has a weight for every place: can it not tell left from right?",
            "local": "each of its places has filters of its own: can the head not tell them apart?",
            "shared": "its filters are the same everywhere, but what does its linear head see?",
        },
    ),
}
