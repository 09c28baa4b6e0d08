"""What the exercises of the chapter *one-by-one-convolution* expect."""

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.shapes import multiply_adds

# Exercise 2: 192 maps of 28 by 28, 32 filters of 5 by 5, directly or through 16 channels.
N = (28, 28)
DIRECT = multiply_adds(N, (5, 5), 192, 32)
REDUCE, FILTERS = multiply_adds(N, (1, 1), 192, 16), multiply_adds(N, (5, 5), 16, 32)


def _one_by_one(y: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.einsum("rc,chw->rhw", w, y) + bias[:, None, None]


def _largest_bottleneck(F: int) -> int:
    """The largest B that saves multiply-adds from 256 channels to 256."""
    return max(B for B in range(1, 257) if 2 * 256 * B + F**2 * B**2 < F**2 * 256**2)


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [1, 0, 1, 0],
        hint="at each pixel: the sum of three products, plus the bias, then the ReLU",
        hints=[
            ([1, -1, 1, -2], "the ReLU is still missing"),
            ([1, -1, 1, 0], "one of the first two is below 0, and the ReLU comes last"),
            ([0, 1, 0, 0], "the biases are added before the ReLU"),
            ([1, 0, 0, 0], "where all channels are 0 the biases are left"),
            ([1, 1, 1, 0], "the second filter's bias of -2 is added before the ReLU"),
            ([1, 1, 0, 0], "each filter adds its bias at every pixel"),
        ],
    ),
    2: Numbers(
        [DIRECT, REDUCE + FILTERS],
        hint="multiply-adds are weights times places, and there are 28 x 28 places; with the 1x1 convolution "
        "two layers have to be added",
        hints=[
            ([DIRECT, FILTERS], "the 1x1 convolution, 192 channels to 16, works too"),
            (
                [DIRECT // 784, (REDUCE + FILTERS) // 784],
                "those are the weights; each works at 28 x 28 places",
            ),
            (
                [DIRECT, REDUCE],
                "those are the 1x1 convolution's alone; the 5x5 filters follow on 16 channels",
            ),
            ([28 * 28 * 25 * 32, REDUCE + FILTERS], "each 5x5 filter looks at all 192 channels"),
            (
                [multiply_adds((24, 24), (5, 5), 192, 32), REDUCE + multiply_adds((24, 24), (5, 5), 16, 32)],
                "with a padding of 2 the maps stay at 28 x 28",
            ),
            ([REDUCE + FILTERS, DIRECT], "it is the other way round"),
        ],
    ),
    3: Function(
        _one_by_one,
        cases=[
            (
                torch.tensor([[[1.0, 2.0], [0.0, 1.0]], [[3.0, 0.0], [1.0, -1.0]]]),
                torch.tensor([[1.0, -1.0], [0.0, 2.0], [0.5, 0.5]]),
                torch.tensor([0.0, 1.0, -1.0]),
            ),
            (
                torch.arange(24.0).reshape(4, 2, 3),
                torch.tensor([[1.0, 0.0, 0.0, -1.0], [0.5, 0.5, 0.5, 0.5]]),
                torch.tensor([10.0, -2.0]),
            ),
        ],
        hint="w @ y.flatten(1) has a row for each filter and a column for each pixel; add a bias to each "
        "row, then give the pixels their rows and columns back",
        tolerance=1e-4,
    ),
    4: Numbers(
        [1, 1, 1, 0, 1],
        hint="which of them compare or combine a pixel with its neighbours?",
        hints=[
            ([1, 1, 0, 0, 1], "batch norm's mean and variance are over all places, in any order"),
            ([1, 1, 1, 0, 0], "a mean over all places does not depend on their order"),
            ([1, 1, 0, 0, 0], "a mean or a variance over all places does not depend on their order"),
            ([1, 1, 1, 1, 1], "one of them looks at neighbours, which are others after shuffling"),
            ([0, 0, 0, 1, 0], "it is the other way round: 1 stands for those that commute"),
            ([1, 0, 0, 0, 0], "what is done to each number by itself commutes as well, and so does a mean"),
        ],
    ),
    5: Numbers(
        [_largest_bottleneck(3), _largest_bottleneck(5)],
        hint="compare 2 * 256 B + F^2 B^2 with F^2 * 256^2, for each B up to 256",
        hints=[
            (
                [_largest_bottleneck(3) + 1, _largest_bottleneck(5) + 1],
                "those are the first that save nothing; the largest that save are wanted",
            ),
            ([242, 250], "there are two 1x1 convolutions: down, and up again"),
            ([255, 255], "the two 1x1 convolutions have to be counted, too"),
            ([_largest_bottleneck(5), _largest_bottleneck(3)], "first with 3 x 3, then with 5 x 5"),
            ([64, 64], "that is a usual choice; at what B is nothing saved any more?"),
        ],
    ),
    6: Choice(
        "fewer",
        hints={
            "more": "both are linear: write the two layers as matrices and multiply them",
            "the same": "can the product of a 64 x 16 and a 16 x 64 matrix be the identity?",
        },
    ),
}
