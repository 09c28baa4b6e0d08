"""What the exercises of the chapter *googlenet* expect."""

import torch
from torch.nn import functional

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.models.googlenet import INCEPTION
from cnnkit.shapes import Window, multiply_adds, receptive_fields, shared_parameters

# Exercise 1: 40 maps in; 10; 4 to 20; 2 to 6; 8.
READING = shared_parameters((1, 1), 40, 10 + 4 + 2 + 8, bias=True)
PARAMETERS = (
    READING + shared_parameters((3, 3), 4, 20, bias=True) + shared_parameters((5, 5), 2, 6, bias=True)
)
BIASES = 10 + 4 + 20 + 2 + 6 + 8

# Exercise 2: 16 channels to 32.
FIVE = shared_parameters((5, 5), 16, 32)


def _two_layers(middle: int) -> int:
    return shared_parameters((3, 3), 16, middle) + shared_parameters((3, 3), middle, 32)


def _as_one_kernel(one: torch.Tensor, three: torch.Tensor, five: torch.Tensor) -> torch.Tensor:
    return torch.cat([functional.pad(one, (2, 2, 2, 2)), functional.pad(three, (1, 1, 1, 1)), five])


def _field(F: int) -> int:
    """Of a node of block 5b, along the path through the filters of this size."""
    halve = Window(3, stride=2)
    path = [Window(7, stride=2), halve, Window(1), Window(3), halve, *[Window(F)] * 2, halve]
    return receptive_fields([*path, *[Window(F)] * 5, halve, *[Window(F)] * 2])[-1].size


def _stack(pooling_reduced: bool, filters_reduced: bool) -> list[int]:
    """Multiply-adds in millions, and maps at the end, of the nine blocks with some of their reductions."""
    C, total = 192, 0
    for name, w in INCEPTION.items():
        n = {"3": 28, "4": 14, "5": 7}[name[0]]
        if filters_reduced:
            steps = [(1, C, w.reduce_three), (3, w.reduce_three, w.three)]
            steps += [(1, C, w.reduce_five), (5, w.reduce_five, w.five)]
        else:
            steps = [(3, C, w.three), (5, C, w.five)]
        steps += [(1, C, w.one), *[(1, C, w.pool)] * pooling_reduced]
        total += sum(multiply_adds((n, n), (F, F), c, r) for F, c, r in steps)
        C = w.one + w.three + w.five + (w.pool if pooling_reduced else C)
    return [round(total / 1e6), C]


HALF_WAY = _stack(pooling_reduced=False, filters_reduced=True)

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [44, PARAMETERS],
        hint="the outputs of the four branches are concatenated; a filter has F^2 C weights and a bias",
        hints=[
            ([44, PARAMETERS - BIASES], "each filter has a bias, too"),
            ([50, PARAMETERS], "the filters before 3x3 and 5x5 hand their maps to these, not to the output"),
            ([84, PARAMETERS], "behind the pooling 8 filters of 1x1 remain of the 40 maps"),
            (
                [44, PARAMETERS - 9 * 20 * 4 - 25 * 6 * 2 + 9 * 20 * 40 + 25 * 6 * 40],
                "the 3x3 filters read 4 maps, the 5x5 filters 2",
            ),
            ([44, PARAMETERS - 328], "the 1x1 convolution behind the pooling learns, too: 40 to 8"),
            ([44, READING], "those are the 1x1 filters; 3x3 and 5x5 are still missing"),
        ],
    ),
    2: Numbers(
        [FIVE, _two_layers(32), _two_layers(16)],
        hint="a layer of F x F from C to R channels has F^2 C R weights; add the two layers",
        hints=[
            ([25, 18, 18], "times the channels: in and out of each layer"),
            ([FIVE, 2 * 9 * 16 * 32, _two_layers(16)], "the second of the two layers reads 32 channels"),
            ([FIVE, _two_layers(32), 2 * 9 * 16 * 16], "the last layer makes 32 maps"),
            ([FIVE, _two_layers(16), _two_layers(32)], "the last two are the other way round"),
            ([FIVE + 32, _two_layers(32) + 64, _two_layers(16) + 48], "without the biases, please"),
        ],
    ),
    3: Function(
        _as_one_kernel,
        cases=[
            (torch.ones(1, 1, 1, 1), 2 * torch.ones(1, 1, 3, 3), 3 * torch.ones(1, 1, 5, 5)),
            (
                torch.arange(4.0).reshape(2, 2, 1, 1),
                torch.arange(18.0).reshape(1, 2, 3, 3),
                torch.arange(50.0).reshape(1, 2, 5, 5),
            ),
        ],
        hint="frame the small kernels with zeros on all four sides (torch.nn.functional.pad), and "
        "concatenate along the axis of the filters",
    ),
    4: Numbers(
        [_field(1), _field(5)],
        hint="r grows by (F - 1) j in each layer, and j doubles in the first convolution and in each of the "
        "four poolings; there are 2, 5 and 2 blocks",
        hints=[
            ([1, _field(5)], "the stem and the poolings between the blocks look at neighbours on every path"),
            ([_field(1), _field(3)], "that is the path through the 3x3 filters; the widest has 5x5"),
            ([_field(3), _field(5)], "the widest is right; the narrowest goes through the branch of 1x1"),
            ([_field(5), _field(1)], "the narrowest first"),
            ([_field(1), 224], "the field may be larger than the image: it reaches into the padding"),
        ],
    ),
    5: Numbers(
        HALF_WAY,
        hint="as in with_reductions, but without the last 1x1; the maps that come out are those of three "
        "branches and all that came in",
        hints=[
            (_stack(True, True), "that is GoogLeNet; the last branch should have no 1x1 convolution"),
            (_stack(False, False), "that is the naive stack; the large filters should have their reductions"),
            (
                [_stack(True, True)[0], HALF_WAY[1]],
                "the maps are right; each block has to read all that the one before handed on",
            ),
            ([HALF_WAY[0], 1024], "the pooling hands on all its maps, in each of the nine blocks"),
        ],
    ),
    6: Choice(
        "input channels",
        hints={
            "filters": "which maps come out is not the problem; which weight reads which map below?",
            "rows and columns": "places stay where they are: the maps come in another order",
        },
    ),
}
