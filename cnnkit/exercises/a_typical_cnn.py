"""What the exercises of the chapter *a-typical-cnn* expect."""

import torch

from cnnkit.exercises import Exercise, Function, Numbers
from cnnkit.shapes import full_parameters, multiply_adds, output_size, shared_parameters

# Exercise 2: 3 planes of 32 by 32, 16 filters of 3 by 3 with padding 1, pooling by 2, ten classes.
N = output_size(32, 3, padding=1)
HALF = output_size(N, 2, stride=2)
CONV = shared_parameters((3, 3), 3, 16, bias=True), multiply_adds((N, N), (3, 3), 3, 16)
DENSE = full_parameters((HALF, HALF), 10, in_channels=16)
FULL = DENSE + 10, DENSE


def _channels_first(weight: torch.Tensor, R: int, n: int) -> torch.Tensor:
    """Columns from the order (row, column, filter) to (filter, row, column)."""
    return weight.reshape(-1, n, n, R).permute(0, 3, 1, 2).reshape(-1, R * n * n)


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [(2 * 5 + 1) * 5 + 3, 6, 1, 2],
        hint="a plane has 25 numbers and a row 5: count what comes before, everything from 0",
        hints=[
            ([59, 6, 1, 2], "everything is counted from 0: how many numbers come before this one?"),
            ([58, 7, 2, 3], "the first is right; going back, r, i and j are counted from 0 as well"),
            ([59, 7, 2, 3], "r, i, j and u are all counted from 0"),
            ([66, 6, 1, 2], "the row comes before the column: i full rows, then j numbers"),
            ([66, 6, 2, 1], "the row comes before the column: i full rows, then j numbers"),
            ([58, 6, 2, 1], "7 numbers into the plane: one full row of 5 and 2 more, so which is i?"),
            ([(1 * 5 + 3) * 16 + 2, 6, 1, 2], "that is the order with the channels last"),
            ([(1 * 5 + 3) * 16 + 2, 13, 1, 4], "that is the order with the channels last"),
        ],
    ),
    2: Numbers(
        [*CONV, *FULL],
        hint="a filter has 3 x 3 weights for each of 3 planes and stands at 32 x 32 places; the vector after "
        "the pooling has 16 x 16 x 16 numbers",
        hints=[
            ([CONV[0] - 16, CONV[1], FULL[1], FULL[1]], "the biases are parameters too"),
            ([3 * 3 * 16 + 16, 1024 * 3 * 3 * 16, *FULL], "each filter looks at all three planes"),
            (
                [CONV[0], 30 * 30 * 432, shared_parameters((15, 15), 16, 10, bias=True), 15 * 15 * 160],
                "with one zero on each side the planes stay at 32",
            ),
            (
                [*CONV, 32 * 32 * 160 + 10, 32 * 32 * 160],
                "the convolution is right; the pooling comes before the vector",
            ),
            ([*CONV, FULL[0], FULL[0]], "a bias is added, not multiplied: it costs no multiply-add"),
            ([CONV[0], CONV[0] - 16, *FULL], "each weight of a filter works at 32 x 32 places"),
            (
                [CONV[0], CONV[1], FULL[0], FULL[1] * HALF * HALF],
                "a weight of a fully connected layer works once",
            ),
        ],
    ),
    3: Function(
        _channels_first,
        cases=[
            (torch.arange(8.0).reshape(1, 8), 2, 2),
            (torch.arange(24.0).reshape(2, 12), 3, 2),
            (torch.arange(18.0).reshape(1, 18), 2, 3),
        ],
        hint="column (i n + j) R + r has to become column (r n + i) n + j: take the columns apart into axes "
        "(rows, columns, filters), move the filters to the front, and put them together again",
    ),
    4: Numbers(
        [0, 25],
        hint="compare slider and crop at each of the 5 x 5 places, and count those with a difference above "
        "1e-6",
        hints=[
            ([0, 0], "on a black image the second layer's input is not zero: what did the biases make?"),
            ([25, 25], "zeros around a black image are just more of the same image"),
            ([0, 16], "the places at the border differ as well: each has neighbours on some side"),
            ([0, 9], "the places at the border differ as well: each has neighbours on some side"),
            ([25, 0], "it is the other way round"),
            ([0, 24], "that one place differs as well: it has neighbours on some side"),
        ],
    ),
    5: Numbers(
        [1, 1, 2, 2, 4],
        hint="how many pixels lie between two neighbouring nodes of the layer that a window reads? With the "
        "strides of 2 that was the jump; without them the dilation has to make it",
        hints=[
            ([1, 1, 1, 1, 1], "the windows above a pooling have to reach as far as before"),
            (
                [1, 2, 2, 4, 4],
                "a pooling's own window still takes neighbours; its stride spreads the layers above it",
            ),
            ([1, 1, 2, 2, 2], "strides multiply: after the second pooling the jump was 4"),
            ([1, 1, 2, 1, 4], "the second pooling, too, stands above a stride of 2"),
            ([1, 1, 2, 2, 3], "strides multiply: after the second pooling the jump was 4"),
            ([1, 1, 3, 3, 5], "a step over the jump of 2 is a dilation of 2"),
        ],
    ),
    6: Numbers(
        [1, 4, 4],
        hint="does the shape of a filter depend on n? How many places are there? How long is the vector?",
        hints=[
            ([4, 4, 4], "a filter has the same weights on an image of any size"),
            ([1, 2, 4], "twice as many rows and twice as many columns of places"),
            ([1, 2, 2], "twice as many rows and twice as many columns"),
            ([1, 4, 2], "the vector holds the whole volume: twice as many rows and columns"),
            ([1, 4, 1], "this layer has a weight for every number of the volume below"),
            ([4, 4, 1], "it is the other way round: which of the two layers knows the size?"),
            ([1, 1, 1], "the layers are the same, but the volumes are not"),
            ([1, 1, 4], "the filters are the same, but they stand at more places"),
            ([1, 4, 16], "16 would be the weights of a full layer between two volumes that both grow"),
        ],
    ),
}
