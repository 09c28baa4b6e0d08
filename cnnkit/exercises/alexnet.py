"""What the exercises of the chapter *alexnet* expect."""

import torch
from torch.nn import functional

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.reference.normalization import local_response_norm
from cnnkit.shapes import dropped_nodes, output_size, shared_parameters


# Exercise 1: F, S and P of the layers that change the size, and of the second and fifth convolution.
def _sizes(n: int) -> list[int]:
    sizes = []
    for F, S, P in ((11, 4, 0), (3, 2, 0), (5, 1, 2), (3, 2, 0), (3, 1, 1), (3, 2, 0)):
        n = output_size(n, F, stride=S, padding=P)
        sizes.append(n)
    return [*sizes, 256 * n * n]


SIZES = _sizes(99)

HALVES, FULL = (shared_parameters((3, 3), channels, 384, bias=True) for channels in (192, 384))


def _normalised(a: torch.Tensor, n: int, k: float, alpha: float, beta: float) -> torch.Tensor:
    squares = functional.pad(a**2, (n // 2, n // 2))
    return a / (k + alpha * squares.unfold(0, n, 1).sum(dim=1)) ** beta


def _at_its_word(n: int, P: int) -> list[int]:
    """Sizes behind the first convolution and the three poolings, and the rows that the floor drops."""
    sizes, dropped = [], 0
    for F, S, padding in ((11, 4, P), (3, 2, 0), (3, 2, 0), (3, 2, 0)):
        dropped += dropped_nodes(n, F, stride=S, padding=padding).nodes
        n = output_size(n, F, stride=S, padding=padding, floor=True)
        sizes.append(n)
    return [*sizes, dropped]


AT_ITS_WORD = _at_its_word(224, P=0)


def _alone(k: float | int = 2, alpha: float = 1e-4, beta: float | int = 0.75) -> list[float]:
    """What response normalisation makes of a single channel that answers."""
    outputs = []
    for strength in (1.0, 100.0, 10_000.0):
        a = torch.zeros(9, 1, 1, dtype=torch.float64)
        a[4] = strength
        outputs.append(local_response_norm(a, k=k, alpha=alpha, beta=beta)[4].item())
    return outputs


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        SIZES,
        hint="(n' - 1) S + F = n + 2 P: 11 with stride 4; poolings of 3 with stride 2; 5 with padding 2; "
        "3 with padding 1. At the end 256 maps",
        hints=[
            ([23, 11, 7, 3, 3, 1, 256], "the second convolution has a padding of 2 and keeps the size"),
            ([23, 11, 11, 5, 3, 1, 256], "convolutions 3 to 5 have a padding of 1 and keep the size"),
            ([*SIZES[:6], 384 * 4], "the paper's fifth convolution has 256 filters, the notes' 384"),
            ([*SIZES[:6], 256], "each of the 2 x 2 nodes of the 256 maps is an input"),
            (_sizes(227), "those are the sizes for an image of 227"),
            ([*SIZES[:6], 9216], "9,216 is for an image of 227: how large are the last maps here?"),
        ],
    ),
    2: Numbers(
        [HALVES, FULL],
        hint="each of the 384 filters has 9 weights for every map that it sees, and a bias",
        hints=[
            ([FULL, HALVES], "with two groups first"),
            ([HALVES - 384, FULL - 384], "with the biases, please"),
            ([FULL // 2, FULL], "the weights are halved, but every filter keeps its bias"),
            (
                [FULL // 4, FULL],
                "two groups of 192 filters that see 192 maps each: half of the weights, not a quarter",
            ),
            ([HALVES // 2, FULL], "that is one of the two groups: there are 2 of 192 filters each"),
        ],
    ),
    3: Function(
        _normalised,
        cases=[
            (torch.tensor([1.0, 2.0, 3.0, 4.0]), 3, 2.0, 0.5, 1.0),
            (torch.tensor([10.0, 200.0, 0.0, 50.0, 400.0, 30.0, 5.0]), 5, 2.0, 1e-4, 0.75),
        ],
        hint="the window of channel r goes from r - n // 2 to r + n // 2; sum the squares in it, times alpha "
        "(not divided by n), plus k, to the power beta",
    ),
    4: Numbers(
        AT_ITS_WORD,
        hint="output_size(n, F, stride=S, floor=True) and dropped_nodes(n, F, stride=S).nodes, four times; "
        "the other layers keep the size",
        hints=[
            (_at_its_word(227, P=0), "that is 227, where everything fits"),
            (
                _at_its_word(224, P=2),
                "that is with a padding of 2 in the first convolution; here it has none",
            ),
            ([*AT_ITS_WORD[:4], 1], "the poolings drop rows, too"),
            ([*AT_ITS_WORD[:4], 0], "no size fits here: at each step something is left over"),
            ([55, 27, 13, 6, 4], "round down: a window that does not fit whole is not there"),
        ],
    ),
    5: Numbers(
        [round(v, 2) for v in _alone()],
        tolerance=0.0051,
        hint="a / (2 + 1e-4 a^2)^0.75: with a single channel the sum has one term",
        hints=[
            (
                [round(v, 2) for v in _alone(alpha=2e-5)],
                "the paper's alpha is not divided by n; PyTorch's is",
            ),
            ([round(v, 2) for v in _alone(k=1)], "k is 2 in the paper; 1 is PyTorch's default"),
            ([round(v, 2) for v in _alone(beta=1)], "the denominator has the exponent 0.75"),
            ([0.5946, 59.46, 5946.04], "for large answers the sum of squares counts, too"),
        ],
    ),
    6: Choice(
        "third",
        hints={
            "second": "it has two groups: which maps does one of its filters see?",
            "fourth": "by then it has happened already",
            "fifth": "by then it has happened already; and it has two groups itself",
        },
    ),
}
