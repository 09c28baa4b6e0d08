"""What the exercises of the chapter *receptive-fields* expect."""

import torch

from cnnkit.data import photograph
from cnnkit.exercises import Exercise, Function, Numbers
from cnnkit.reference.conv import conv1d
from cnnkit.shapes import Window, receptive_fields

WIDTHS = (3, 5, 5)
NODE = 12


def _first_and_last(padded: bool) -> list[int]:
    layers = [Window(F, padding=F // 2 if padded else 0) for F in WIDTHS]
    seen = receptive_fields(layers)[-1].inputs(NODE)
    return [seen[0], seen[-1]]


def _layers_for_every_node(n: int, kernel_size: int) -> int:
    layers: list[Window] = []
    while receptive_fields(layers)[-1].inputs(0)[-1] < n - 1:
        layers.append(Window(kernel_size, padding=kernel_size // 2))
    return len(layers)


def _compose(w1: torch.Tensor, w2: torch.Tensor) -> torch.Tensor:
    """The layers' answer to a single 1, read backwards: see the chapter."""
    poke = torch.zeros(1, 2 * (len(w1) + len(w2)) - 3)
    poke[0, poke.shape[1] // 2] = 1
    return conv1d(conv1d(poke, w1[None, None]), w2[None, None])[0].flip(0)


def _row(*values: int) -> torch.Tensor:
    return torch.tensor([list(values)], dtype=torch.float64)


EDGES = conv1d(photograph("camera")[0, 170].double()[None], _row(-1, 0, 1)[None])[0]
SUMS, SUMS_OF_RISES = (windows.unfold(0, 3, 1).sum(dim=1) for windows in (EDGES, EDGES.relu()))

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [field.size for field in receptive_fields([Window(F) for F in WIDTHS])[1:]],
        hint="a node sees what its first neighbour sees, and one input more for each of the other F - 1",
        hints=[
            ([3, 8, 13], "neighbouring nodes overlap: a filter of F adds F - 1 new inputs, not F"),
            ([3, 15, 75], "the fields of neighbours overlap: they add, they do not multiply"),
            (
                [3, 5, 5],
                "those are the widths of the filters; what does a node see through all layers below?",
            ),
            ([2, 6, 10], "the input itself sees one input, itself: r_0 = 1"),
            ([5, 9, 11], "the layer next to the input comes first: its filter has 3 weights"),
        ],
    ),
    2: Numbers(
        _first_and_last(padded=False) + _first_and_last(padded=True),
        hint="the field has 11 inputs; without padding node i begins at input i, with padding input i "
        "is its middle",
        hints=[
            ([12, 23, 7, 18], "12 to 23 would be 12 inputs; the field has 11"),
            (_first_and_last(padded=False) * 2, "padding moves the field: the start is -(1 + 2 + 2)"),
            (
                _first_and_last(padded=True) * 2,
                "without padding node 0 begins at input 0, and node 12 at input 12",
            ),
            (
                _first_and_last(padded=True) + _first_and_last(padded=False),
                "right numbers, the other way round: first without padding, then with",
            ),
        ],
    ),
    3: Function(
        _layers_for_every_node,
        cases=[(40, 3), (40, 5), (41, 5), (512, 9), (3, 3), (2, 7)],
        hint="which node has the furthest to look? A padded field reaches q inputs further with each layer",
    ),
    4: Function(
        _compose,
        cases=[
            (torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([1.0, 2.0, 3.0])),
            (torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0, 5.0, -1.0])),
        ],
        hint="the product of weight a of one and weight b of the other looks a + b places to the right",
    ),
    5: Numbers(
        (SUMS == SUMS_OF_RISES).sum(),
        hint="compare the 508 answers one by one; in whole numbers equal means equal",
        hints=[
            (
                (SUMS.relu() == SUMS_OF_RISES).sum(),
                "the ReLU stands between the layers; the composed filter has none behind it either",
            ),
            ((EDGES >= 0).sum(), "those are the places where layer 1 is not cut off; count those of layer 2"),
            ((SUMS_OF_RISES != SUMS).sum(), "those are the places where they differ"),
        ],
    ),
    6: Numbers(
        [400, 4],
        hint="sigma is the root of L (F² - 1) / 12, the field is 1 + L (F - 1)",
        hints=[
            ([200, 2], "twice the layers make the full field twice as large; sigma grows with the root of L"),
            ([400, 2], "sigma is twice as large, but how large is the full field of 400 layers?"),
            ([141, 1], "you took the root of 2; the root of the factor has to be 2"),
        ],
    ),
}
