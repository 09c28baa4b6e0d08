"""What the exercises of the chapter *vgg* expect."""

from collections.abc import Sequence

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.shapes import dropped_nodes, output_size, shared_parameters

# Exercise 1: four layers of 3 by 3, 64 maps in and out.
SMALL, LARGE = 4 * shared_parameters((3, 3), 64, 64), shared_parameters((9, 9), 64, 64)

# Exercise 2: the third block of VGG-16.
FIRST, OTHER = (shared_parameters((3, 3), channels, 256, bias=True) for channels in (128, 256))
THIRD = FIRST + 2 * OTHER


def _parameters(blocks: Sequence[int], filters: Sequence[int]) -> int:
    channels, total = 3, 0
    for number, R in zip(blocks, filters, strict=True):
        for _ in range(number):
            total += shared_parameters((3, 3), channels, R, bias=True)
            channels = R
    return total


def _halvings(n: int) -> list[int]:
    """Sizes behind five poolings, and at how many of them a row is left over."""
    sizes, left_over = [], 0
    for _ in range(5):
        left_over += dropped_nodes(n, 2, stride=2).nodes > 0
        n = output_size(n, 2, stride=2, floor=True)
        sizes.append(n)
    return [*sizes, left_over]


HALVINGS = _halvings(100)

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [9, SMALL, LARGE],
        hint="each layer of 3 by 3 adds 2 to the field; a layer has F^2 * 64 * 64 weights",
        hints=[
            ([12, SMALL, shared_parameters((12, 12), 64, 64)], "neighbouring windows overlap: 3, then 3 + 2"),
            ([81, SMALL, LARGE], "the field is 9 by 9: one number is meant, the nodes a side"),
            ([9, SMALL // 4, LARGE], "four layers, not one"),
            ([9, 36, 81], "times the maps in and the maps out of each layer"),
            ([9, SMALL + 4 * 64, LARGE + 64], "without the biases, please"),
            ([9, 36 * 64, 81 * 64], "each of the 64 filters sees all of the 64 maps"),
        ],
    ),
    2: Numbers(
        [56, THIRD],
        hint="two poolings lie before the block; its first convolution reads 128 maps, the others 256",
        hints=[
            ([28, THIRD], "before the pooling of this block, not behind it"),
            ([112, THIRD], "two blocks come before, each with a pooling"),
            ([56, 3 * OTHER], "the first convolution of the block reads 128 maps"),
            ([56, 3 * FIRST], "the second and third convolution read 256 maps"),
            ([56, THIRD - 3 * 256], "with the biases, please: one a filter"),
            ([56, FIRST + OTHER], "VGG-16 has three convolutions in this block"),
        ],
    ),
    3: Function(
        _parameters,
        cases=[
            ((1,), (8,)),
            ((1, 2), (4, 8)),
            ((1, 1, 2, 2, 2), (64, 128, 256, 512, 512)),
        ],
        hint="R filters with 9 weights for each map below and a bias; the maps below are 3 at first, then "
        "the filters of the convolution before, which may be in the block before",
    ),
    4: Numbers(
        [6, 24, 36, 24, 6],
        tolerance=1e-6,
        hint="what comes out where the input is a single 1? In each direction (1, 2, 1) is applied twice",
        hints=[
            ([1, 4, 6, 4, 1], "that is the first row, or one direction; the middle row is larger"),
            ([0, 4, 16, 4, 0], "the filters slide over each other; their weights are not just squared"),
            ([2, 4, 8, 4, 2], "not the sum of the two filters: one is applied to what the other makes"),
            ([4, 16, 24, 16, 4], "that is the row beside the middle one"),
        ],
    ),
    5: Numbers(
        HALVINGS,
        hint="output_size(n, 2, stride=2, floor=True), five times; dropped_nodes says whether a row is left",
        hints=[
            ([50, 25, 13, 7, 4, 1], "PyTorch rounds down: a window that does not fit whole is not there"),
            ([*HALVINGS[:5], 0], "25 is odd"),
            ([*HALVINGS[:5], 2], "6 and 12 are even"),
            (_halvings(96), "that is 96, which fits everywhere; a row is dropped for 100"),
            (_halvings(224), "that is 224; the images here have 100 pixels a side"),
        ],
    ),
    6: Choice(
        "fully connected",
        hints={
            "first block": "it does much of the arithmetic, but how many weights has it?",
            "last block": "it has many weights for a convolution; look at what comes behind it",
        },
    ),
}
