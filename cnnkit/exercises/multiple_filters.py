"""What the exercises of the chapter *multiple-filters* expect."""

import math

import torch

from cnnkit.exercises import Exercise, Function, Numbers
from cnnkit.reference.conv import conv1d, conv1d_centred
from cnnkit.shapes import shared_parameters


def _layer(y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return conv1d(y, w, padding=w.shape[2] // 2)


def _random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(seed)).float()


PLANES = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])
FILTER = torch.tensor([[2.0, -4.0, 0.0], [0.0, 2.0, 1.0]])
NET_INPUT = _layer(PLANES, FILTER[None])[0]
M, M_IN, F = 32, 16, 5
WEIGHTS = shared_parameters(F, in_channels=M_IN, out_channels=M)

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        torch.relu(NET_INPUT),
        hint="pad each plane with a zero on either side, put its own row of weights under it, "
        "add the products of both planes, and only then apply the ReLU",
        hints=[
            (NET_INPUT, "the net inputs are right, but ReLU turns the negative ones into 0"),
            (
                sum(conv1d_centred(y, w, f=torch.relu) for y, w in zip(PLANES, FILTER, strict=True)),
                "the activation comes once, after the sum over both planes, not once for each plane",
            ),
            (
                torch.relu(_layer(PLANES, FILTER.flip(1)[None])[0]),
                "you flipped the filter: its left weight belongs to the left neighbour",
            ),
            (
                torch.relu(_layer(PLANES, FILTER.flip(0)[None])[0]),
                "each plane has its own weights: the first row of w belongs to the first plane",
            ),
            (
                torch.stack(
                    [conv1d_centred(y, w, f=torch.relu) for y, w in zip(PLANES, FILTER, strict=True)]
                ),
                "one filter has one output plane: add what it finds in the two planes below",
            ),
        ],
    ),
    2: Numbers(
        [WEIGHTS, M, WEIGHTS],
        hint="each of the M filters has F weights for each of the M' planes below, and one bias",
        hints=[
            (
                [M * F, M, M * F],
                "every filter looks at all 16 planes, with weights of its own for each",
            ),
            ([WEIGHTS, M_IN, WEIGHTS], "a bias belongs to a filter of this layer, not to a plane below"),
            ([WEIGHTS, M, 2 * WEIGHTS], "the weights are shared by all places: longer rows need no more"),
            ([WEIGHTS, 100 * M, WEIGHTS], "a filter's bias is shared by all places of its plane, too"),
        ],
    ),
    3: Function(
        _layer,
        cases=[
            (_random(0, 1, 4), _random(1, 1, 1, 3)),
            (_random(2, 2, 5), _random(3, 3, 2, 3)),
            (_random(4, 3, 7), _random(5, 2, 3, 5)),
        ],
        hint="output plane m is a sum over the planes below: one-filter layers with the weights w[m, m_in]",
    ),
    4: Numbers(
        5,
        hint="count the stretches of places where the first filter's plane is above zero",
        hints=[
            (6, "six coins lie on the row, but does the filter answer to each of them? Look at the last one"),
            (10, "that is coins and gaps together; the coins are in the first plane"),
        ],
    ),
    5: Numbers(
        [2, 4],
        hint="follow the connections down: which middle planes does plane 1 see, and what do these see?",
        hints=[
            ([2, 2], "in the second case the two middle planes that it sees come from different groups"),
            ([4, 4], "in the first case its whole group sees only planes 1 and 2 of the layer below"),
            ([4, 2], "right numbers, but the other way round: it is the new order that mixes the groups"),
        ],
    ),
    6: Numbers(
        math.factorial(3) * math.factorial(4),
        hint="in how many orders can each layer's filters stand? The two choices are independent",
        hints=[
            (
                math.factorial(3) + math.factorial(4),
                "every order of the one goes with each of the other",
            ),
            (math.factorial(7), "a filter stays in its layer: the seven cannot be mixed"),
            (3 * 4, "three filters can stand in more than three orders"),
            (math.factorial(4), "the first layer's filters can be reordered, too"),
            (math.factorial(3), "the second layer's filters can be reordered, too"),
        ],
    ),
}
