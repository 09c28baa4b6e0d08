"""What the exercises of the chapter *lenet* expect."""

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.shapes import Window, output_size, receptive_fields, shared_parameters

TOTAL = 61_706


def _sizes(padding: int) -> list[int]:
    """Behind both convolutions and both poolings, and the inputs of the first fully connected layer."""
    n, sizes = 28, []
    for F, S, P in ((5, 1, padding), (2, 2, 0), (5, 1, 0), (2, 2, 0)):
        n = output_size(n, F, stride=S, padding=P)
        sizes.append(n)
    return [*sizes, 16 * n * n]


SIZES = _sizes(padding=0)

GREY, COLOUR = (shared_parameters((5, 5), channels, 6, bias=True) for channels in (1, 3))


def _subsample(y: torch.Tensor, weight: float, bias: float) -> torch.Tensor:
    total = y[::2, ::2] + y[::2, 1::2] + y[1::2, ::2] + y[1::2, 1::2]
    return 1.7159 * torch.tanh(2 / 3 * (weight * total + bias))


def _rows(padding: int) -> list[int]:
    """First and last row that nodes 0 and 4 of the last maps see."""
    stack = [Window(5, padding=padding), Window(2, stride=2), Window(5), Window(2, stride=2)]
    field = receptive_fields(stack)[-1]
    return [
        edge
        for node in (0, 4)
        for edge in (field.start + node * field.jump, field.start + node * field.jump + field.size - 1)
    ]


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        SIZES,
        hint="(n' - 1) S + F = n + 2 P with P = 0, four times; then 16 maps, each with all its nodes",
        hints=[
            (_sizes(padding=2), "that is with the padding of 2 in the first convolution"),
            ([*SIZES[:4], 16], "each of the 4 x 4 nodes of the 16 maps is an input"),
            ([*SIZES[:4], 16 * 4], "a map of 4 by 4 has 16 nodes, and there are 16 maps"),
            ([24, 12, 12, 6, 16 * 36], "the second convolution has no padding either"),
            ([*SIZES[:4], 6 * 16], "the second convolution has 16 filters, so there are 16 maps"),
        ],
    ),
    2: Numbers(
        [COLOUR, TOTAL - GREY + COLOUR],
        hint="a filter has 5 * 5 * 3 weights and a bias; do the sizes of the later maps change?",
        hints=[
            ([GREY, TOTAL], "each filter looks at all three channels"),
            ([3 * GREY, TOTAL + 2 * GREY], "one bias a filter, not one for each channel of it"),
            ([450, TOTAL - GREY + 450], "each filter has a bias, too"),
            (
                [COLOUR, TOTAL - GREY + COLOUR + 120 * 16 * (36 - 25)],
                "32 - 5 + 1 = 28: the later maps are as large as before, and so is the vector",
            ),
            ([COLOUR, TOTAL], "the whole network has grown by what its first layer has grown"),
        ],
    ),
    3: Function(
        _subsample,
        cases=[
            (torch.ones(2, 2), 0.25, 0.0),
            (torch.arange(16.0).reshape(4, 4) / 10, 0.5, -1.0),
        ],
        hint="weight times the sum of the four nodes, not their mean; plus the bias; the activation last",
    ),
    4: Numbers(
        5,
        hint="create some of them and count: sum(p.numel() for p in LeNet(width=w).parameters())",
        hints=[
            (17, "the weights of most layers grow as the square of the width"),
            (16, "the weights of most layers grow as the square of the width"),
            (4, "close: 972,554 parameters"),
            (6, "that has more than a million, but it is not the smallest"),
        ],
    ),
    5: Numbers(
        _rows(padding=2),
        hint="receptive_fields([Window(5, padding=2), ...])[-1] has start, size and jump: node i sees the "
        "rows from start + i * jump on",
        hints=[
            (_rows(padding=0), "mind the padding of the first convolution: it moves the first field up"),
            ([0, 13, 14, 27], "count the rows in the padding, too: all fields have 16 rows"),
            ([-2, 14, 14, 30], "a field of 16 rows that begins at -2 ends at 13"),
            ([-2, 13, 2, 17], "neighbouring nodes are a jump of 4 pixels apart, not 1"),
        ],
    ),
    6: Choice(
        "full",
        hints={
            "partial": "can it use a map that its table does not give to a filter?",
            "neither": "which weights would make the one network compute what the other does?",
        },
    ),
}
