"""What the exercises of the chapter *a-caution* expect."""

import math
from collections.abc import Sequence

from cnnkit.exercises import Choice, Exercise, Function, Numbers

# Exercise 1: a linear score, its margin, and a step of the fast gradient sign method.
W, X, EPSILON = (2.0, -1.0, 0.5, -0.5), (0.6, 0.2, 0.4, 0.8), 0.1
MARGIN = sum(w * x for w, x in zip(W, X, strict=True))
ONE_NORM, TWO_NORM = sum(map(abs, W)), math.sqrt(sum(w * w for w in W))

# Exercise 2: how often only the new network was right, only the old one, and of how many.
NEW, OLD, TESTS = 16, 13, 1000
GAIN = (NEW - OLD) / TESTS
ERROR = math.sqrt(((NEW + OLD) / TESTS - GAIN**2) / TESTS)
NEEDED = TESTS * (2 * ERROR / GAIN) ** 2 / 1000  # in thousands


def _calibration_error(confidence: Sequence[float], right: Sequence[int], bins: int) -> float:
    error = 0.0
    for b in range(bins):
        inside = [k for k, p in enumerate(confidence) if b / bins < p <= (b + 1) / bins]
        error += abs(sum(right[k] - confidence[k] for k in inside))
    return error / len(confidence)


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [MARGIN, MARGIN - EPSILON * ONE_NORM, MARGIN / ONE_NORM],
        hint="each input moves by epsilon against the sign of its weight, so the score falls by epsilon "
        "times the sum of the absolute weights",
        hints=[
            (
                [MARGIN, MARGIN - EPSILON * sum(W), MARGIN / sum(W)],
                "where a weight is negative the input moves up, and the score falls all the same: add "
                "absolute values",
            ),
            (
                [MARGIN, MARGIN + EPSILON * ONE_NORM, MARGIN / ONE_NORM],
                "the step is meant to lower the score",
            ),
            (
                [MARGIN, MARGIN - EPSILON * TWO_NORM, MARGIN / TWO_NORM],
                "this is a step along the gradient with the length epsilon; here every input may move by "
                "epsilon",
            ),
            (
                [MARGIN, MARGIN - EPSILON * TWO_NORM**2, MARGIN / TWO_NORM**2],
                "the step is along the sign of the weights, not along the weights",
            ),
            (
                [MARGIN, MARGIN - EPSILON * ONE_NORM, MARGIN],
                "an epsilon of 1 would take the sum of the absolute weights from the score",
            ),
        ],
        tolerance=0.002,
    ),
    2: Numbers(
        [100 * GAIN, 100 * ERROR, NEEDED],
        hint="a digit counts +1, -1 or 0; take the variance of that number, and divide it by how many digits "
        "there are",
        hints=[
            (
                [100 * GAIN, 100 * ERROR, NEEDED / 4],
                "for two standard errors the number of digits grows by two squared",
            ),
            (
                [100 * GAIN, 100 * math.sqrt(NEW - OLD) / TESTS, 2000 * (NEW - OLD) / (NEW - OLD) ** 2],
                "the digits that only one of them gets right do not cancel in the error: they add",
            ),
            ([NEW - OLD, math.sqrt(NEW + OLD), NEEDED], "in points, that is in per cent of the 1,000 digits"),
            (
                [100 * GAIN, 100 * ERROR, 1000 * NEEDED],
                "give the number of test digits in thousands",
            ),
        ],
        tolerance=0.06,
    ),
    3: Function(
        _calibration_error,
        cases=[
            ([0.55, 0.58, 0.95, 0.92, 0.83], [1, 0, 1, 1, 1], 10),
            ([0.3, 0.6, 0.7, 0.99], [1, 1, 0, 1], 2),
            ([0.97, 0.99, 0.62], [1, 1, 0], 15),
        ],
        hint="in each bin take the distance of mean confidence and share of right answers, and weight it by "
        "the bin's share of all examples",
    ),
    4: Numbers(
        [0, 1, 5, 8],
        hint="flip both axes, ask the network, and take the share of right answers of each class",
        hints=[
            ([0, 1, 8], "there is a fourth: take what the network answers, not what you would draw"),
            ([0, 1, 6, 8, 9], "a 6 upside down is answered as a 9, and its label stays 6"),
            ([0, 1, 6, 8], "a 6 upside down is answered as a 9, and its label stays 6"),
            ([6, 9], "these two are exchanged, which is the network's best answer, but not their label"),
        ],
        unordered=True,
    ),
    5: Numbers(
        [0, 0, 1, 1, 0, 1],
        hint="try it: divide the logits of the test digits by 2 and compare, item by item",
        hints=[
            (
                [0, 0, 1, 1, 0, 0],
                "with two classes the order of the images stays; with ten it depends on all other logits: "
                "compare the order of the confidences before and after",
            ),
            ([0, 0, 1, 0, 0, 1], "the cross-entropy is minus the log of a probability, and those change"),
            ([0, 0, 1, 1, 1, 1], "dividing by a positive number keeps the order of ten logits"),
            ([1, 1, 1, 1, 0, 1], "the largest logit stays the largest, so the answers stay"),
            ([0, 1, 1, 1, 0, 1], "where no answer changes, the accuracy cannot"),
        ],
    ),
    6: Choice(
        "image",
        hints={
            "network": "what the network had learnt is gone, and the maps are still there",
            "labels": "the network with new weights has never met a label",
        },
    ),
}
