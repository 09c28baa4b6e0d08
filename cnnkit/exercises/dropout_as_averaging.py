"""What the exercises of the chapter *dropout-as-averaging* expect."""

import math

from cnnkit.exercises import Choice, Exercise, Function, Numbers


def _nwgm(outputs: list[float], probabilities: list[float]) -> float:
    log_odds = sum(P * math.log(y / (1 - y)) for y, P in zip(outputs, probabilities, strict=True))
    return 1 / (1 + math.exp(-log_odds))


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [math.sqrt(0.45), math.sqrt(0.05), 0.75, 0.7],
        hint="G is the product of the square roots of 0.9 and 0.5, G' that of the square roots of 0.1 and "
        "0.5; NWGM is G / (G + G')",
        hints=[
            ([0.45, 0.05, 0.9, 0.7], "each factor has its probability, one half, as a power"),
            (
                [math.sqrt(0.45), 1 - math.sqrt(0.45), math.sqrt(0.45), 0.7],
                "G' is not 1 - G: it is the geometric mean of the complements; that is why one normalises",
            ),
            ([math.sqrt(0.45), math.sqrt(0.05), 0.7, 0.75], "the right numbers, the last two exchanged"),
            ([math.sqrt(0.45), math.sqrt(0.05), 3, 0.7], "those are the odds, G / G'; divide by G + G'"),
            ([math.sqrt(0.45), math.sqrt(0.05), math.sqrt(0.45), 0.7], "divide G by G + G'"),
        ],
        tolerance=0.002,
    ),
    2: Numbers(
        [0, 0.5],
        hint="multiply each product of weight and input by its probability, add them and the bias; then f",
        hints=[
            ([1.9, 1 / (1 + math.exp(-1.9))], "that is the net input with all nodes present"),
            ([-0.9, 1 / (1 + math.exp(0.9))], "the bias is missing"),
            ([0, 0], "f(0) of the logistic function is not 0"),
            ([0.5, 0], "the right numbers in the other order"),
        ],
        tolerance=0.002,
    ),
    3: Function(
        _nwgm,
        cases=[
            ([0.9, 0.5], [0.5, 0.5]),
            ([0.2, 0.7, 0.6, 0.99], [0.1, 0.2, 0.3, 0.4]),
            ([0.001, 0.3], [0.25, 0.75]),
        ],
        hint="compute G, the product of the outputs to the power of their probabilities, the same for 1 - "
        "outputs, and divide G by the sum of the two",
    ),
    4: Numbers(
        [1, 0, 0, 0],
        hint="look at the largest value of errors(3, 4, 0.5, f=...)[0] for each of the four",
        hints=[
            ([1, 1, 0, 0], "ReLU is two straight lines, and the sub-networks do not all lie on the same one"),
            ([0, 0, 0, 1], "for logistic nodes the NWGM is exact, not the mean; and the identity?"),
            ([1, 0, 0, 1], "for logistic nodes the NWGM is exact, not the mean"),
            ([0, 0, 0, 0], "a difference of 1e-16 is rounding: call what is below 1e-12 exact"),
            ([0, 1, 1, 1], "1 stands for exact"),
            ([1, 1, 1, 1], "run it for ReLU, and look at the differences"),
        ],
    ),
    5: Numbers(
        [0.5, 0],
        hint="there are two sub-networks, with the input and without it; the bias is in both",
        hints=[
            ([0, 0.5], "the right numbers in the other order"),
            ([0, 0], "that is the mean net input; first apply the ReLU in each sub-network, then average"),
            ([0.5, 0.5], "one pass: scale the weight, add the bias, then the ReLU"),
            ([0.5, 1], "one pass scales the weight by p"),
            ([1, 0], "without its input the node gives 0, and that happens half of the time"),
            ([0.5, 0.25], "the bias is not scaled: it is never dropped"),
        ],
        tolerance=0.002,
    ),
    6: Choice(
        "dropout-mean",
        hints={
            "nwgm": "its derivation never asks where the probabilities of the sub-networks come from",
            "expected-input": "for given inputs the mean of a sum is the sum of means, independent or not",
        },
    ),
}
