"""What the exercises of the chapter *resnet* expect."""

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.models.resnet import PLANS
from cnnkit.shapes import shared_parameters

# Exercise 1: x, the branch, and what comes out of three kinds of block.
X, BRANCH = [2.0, 1.0, 0.0, 3.0], [-3.0, 1.0, 0.5, -1.0]
SUM = [x + branch for x, branch in zip(X, BRANCH, strict=True)]


def _relu(values: list[float]) -> list[float]:
    return [max(0.0, value) for value in values]


# Exercise 2: 16 channels to 32, stride 2.
THREE, SECOND, NORM = shared_parameters((3, 3), 16, 32), shared_parameters((3, 3), 32, 32), 2 * 32
BLOCK = THREE + SECOND + 2 * NORM
SHORTCUT = shared_parameters((1, 1), 16, 32) + NORM


def _shortcut_a(x: torch.Tensor, filters: int) -> torch.Tensor:
    y = torch.zeros(filters, *x[0, ::2, ::2].shape)
    y[: len(x)] = x[:, ::2, ::2]
    return y


def _blocks(depth: int, first_stage: int) -> int:
    """How many blocks have the identity as their shortcut, if so many blocks of the first stage lack it."""
    blocks = PLANS[depth].blocks
    return sum(blocks) - (len(blocks) - 1) - first_stage


# Exercise 5: the gradient through 54 blocks with empty branches.
FACTORS = (0.5, 0.9, 1.0, 1.1)
PASSED = [factor**54 for factor in FACTORS]

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [_relu(SUM), SUM, _relu(BRANCH)],
        hint="add place by place; then only the first and the last kind of block end in a ReLU",
        hints=[
            ([SUM, SUM, _relu(BRANCH)], "the block of the first paper has a ReLU behind the addition"),
            ([_relu(SUM), _relu(SUM), _relu(BRANCH)], "in the pre-activation block nothing follows the sum"),
            ([_relu(SUM), SUM, BRANCH], "the plain block ends in a ReLU, too"),
            (
                [
                    [x + max(0.0, b) for x, b in zip(X, BRANCH, strict=True)],
                    SUM,
                    _relu(BRANCH),
                ],
                "in the first block the ReLU stands behind the addition, not behind the branch",
            ),
            ([_relu(SUM), SUM, _relu(SUM)], "the plain block does not add x"),
        ],
        tolerance=1e-9,
    ),
    2: Numbers(
        [6 * 9 + 2, BLOCK, BLOCK + SHORTCUT],
        hint="three stages of n blocks of two convolutions, the first convolution and the linear layer; a "
        "batch norm has two numbers a channel, and no convolution here has a bias",
        hints=[
            ([6 * 9, BLOCK, BLOCK + SHORTCUT], "the first convolution and the linear layer count, too"),
            ([3 * 9 + 2, BLOCK, BLOCK + SHORTCUT], "each block has two convolutions"),
            (
                [56, THREE + SECOND, THREE + SECOND + SHORTCUT - NORM],
                "batch norm learns a scale and a shift for each channel",
            ),
            ([56, BLOCK, BLOCK + SHORTCUT - NORM], "the shortcut has a batch norm of its own"),
            (
                [56, 2 * SECOND + 2 * NORM, 2 * SECOND + 2 * NORM + SHORTCUT],
                "the first of the two convolutions reads 16 channels",
            ),
            (
                [56, BLOCK + 64, BLOCK + 64 + SHORTCUT + 32],
                "no biases: batch norm behind the convolution would take them out again",
            ),
            ([56, BLOCK, BLOCK + 9 * 16 * 32 + NORM], "the filters of the shortcut are 1 by 1"),
        ],
    ),
    3: Function(
        _shortcut_a,
        cases=[
            (torch.arange(32.0).reshape(2, 4, 4), 4),
            (torch.arange(50.0).reshape(2, 5, 5) - 20, 3),
            (torch.arange(9.0).reshape(1, 3, 3), 1),
        ],
        hint="take the pixels 0, 2, 4, ... of rows and columns, and put maps of zeros behind the last map",
    ),
    4: Numbers(
        [_blocks(18, 0), _blocks(34, 0), _blocks(50, 1)],
        hint="empty the branch of every block, give it a volume that is nowhere negative, and compare; or "
        "count the blocks in which neither the size nor the number of maps changes",
        hints=[
            ([8, 16, 16], "those are all blocks; in some of them sizes change"),
            ([3, 3, 3], "those are blocks that cannot; asked is how many can"),
            ([_blocks(18, 0), _blocks(34, 0), _blocks(50, 0)], "look at the first block of ResNet-50"),
            ([3, 3, 4], "those are the blocks that cannot; asked is how many can"),
        ],
    ),
    5: Numbers(
        PASSED,
        hint="54 blocks multiply the gradient by the factor 54 times",
        hints=[
            ([54 * factor for factor in FACTORS], "one block after the other: the factors multiply"),
            (
                [(1 + factor) ** 54 for factor in FACTORS],
                "the branches are empty: nothing is added to the shortcut",
            ),
            (PASSED[::-1], "in the order of the factors, please"),
            ([factor**55 for factor in FACTORS], "that is one block too many"),
        ],
        tolerance=1e-3,
    ),
    6: Choice(
        "optimisation",
        hints={
            "overfitting": "then only the test error would be high; what about the training error?",
            "capacity": "the deep plain network contains the shallow one, as you have seen",
        },
    ),
}
