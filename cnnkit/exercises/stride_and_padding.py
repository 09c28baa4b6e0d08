"""What the exercises of the chapter *stride-and-padding* expect."""

from cnnkit.exercises import Exercise, Function, Numbers
from cnnkit.shapes import dropped_nodes, output_size

LENET = [(28, 5, 1, 2), (28, 2, 2, 0), (14, 5, 1, 0), (10, 2, 2, 0)]


def _size_or_none(n: int, kernel_size: int, stride: int, padding: int) -> int:
    try:
        return output_size(n, kernel_size, stride, padding)
    except ValueError:
        return 0


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [output_size(*layer) for layer in LENET],
        hint="put n, F, S and P of each row into (n' - 1) S + F = n + 2P; each n' is the n of the next row",
        hints=[
            ([24, 12, 8, 4], "the first layer has P = 2 on each side: 28 + 4 = 32 nodes to slide over"),
            ([26, 13, 9, 4], "P counts the zeros on one side; there are 2P in all"),
            ([27, 12, 7, 2], "n' - 1 is the number of steps; there is one window more than steps"),
        ],
    ),
    2: Numbers(
        output_size(50, 7, stride=3, padding=1),
        hint="how many steps of 3 does a window of 7 have on 50 + 2 nodes?",
        tolerance=0.01,
        hints=[
            (15, "15 is the number of steps; the window also stands at its first place"),
            (44 / 3 + 1, "50 + 2P is 52: P counts the zeros on each side, not in all"),
            (43 / 3 + 1, "that is without padding; here P = 1"),
        ],
    ),
    3: Numbers(
        [-1, -1, 1, 1],
        hint="for each layer look at 224 - F + 2P: which P makes it a multiple of S, if any does?",
        hints=[
            ([-1, -1, -1, -1], "the last two do not fit without padding; try P = 1"),
            ([1.5, -1, 1, 1], "that would be 227, but P zeros stand on both sides: P is a whole number"),
            ([3, -1, 1, 1], "224 + 3 = 227 fits, but P zeros stand on both sides, and 224 + 6 does not"),
            ([3, 3, 1, 1], "those are paddings that programs use, and then they round down; does it fit?"),
            ([-1, 3, 1, 1], "ResNet uses P = 3 there and rounds down: 223 is odd, S = 2 leaves a zero over"),
            ([-1, -1, 1, -1], "for S = 3: 217 + 2P; which even number makes a multiple of 3 of it?"),
        ],
    ),
    4: Function(
        _size_or_none,
        cases=[(28, 5, 1, 2), (32, 5, 2, 0), (33, 5, 2, 0), (3, 5, 1, 0), (3, 5, 1, 1), (224, 11, 4, 0)],
        hint="solve the equation for n', and return 0 where the division leaves a remainder or the window "
        "does not fit",
    ),
    5: Numbers(
        [dropped_nodes(n, 3, stride=2, padding=1).inputs for n in (7, 8)],
        hint="count the nodes of the padded row behind the last window: how many of them are inputs?",
        hints=[
            (
                [dropped_nodes(n, 3, stride=2, padding=1).nodes for n in (7, 8)],
                "those are nodes of the padded row; is the last one an input or a zero?",
            )
        ],
    ),
    6: Numbers(
        [
            n
            for n in range(3, 21)
            if _size_or_none(n, 3, 2, 0) and _size_or_none(_size_or_none(n, 3, 2, 0), 3, 2, 0)
        ],
        hint="for one layer n must be odd; the n' that comes out must be odd and at least 3 again",
        hints=[
            (
                [3, 7, 11, 15, 19],
                "from n = 3 the first layer leaves one node, and a filter of 3 does not fit on it",
            ),
            (list(range(3, 20, 2)), "these fit the first layer; does its n' fit the second?"),
            (list(range(5, 20, 2)), "these fit the first layer; does its n' fit the second?"),
        ],
        unordered=True,
    ),
}
