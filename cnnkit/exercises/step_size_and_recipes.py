"""What the exercises of the chapter *step-size-and-recipes* expect."""

from math import cos, pi, sqrt

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.recipe import Recipe, step_size

ALPHA_0, T = 0.2, 600
COSINE = Recipe(model="lenet", step_size=ALPHA_0, schedule="cosine")
DONE = (0, 200, 300, 400)

DIFFERENCES = (0.02, 0.01, 0.03, 0.01, 0.03)
MEAN = sum(DIFFERENCES) / 5
SQUARES = sum((d - MEAN) ** 2 for d in DIFFERENCES)


def _warm_cosine(alpha_0: float, t: int, T: int) -> float:
    warm = T / 10
    if t < warm:
        return alpha_0 * t / warm
    return alpha_0 / 2 * (1 + cos(pi * (t - warm) / (T - warm)))


def _distance(plan: list[float]) -> float:
    v = 100.0
    for alpha in plan:
        v = (1 - alpha) ** 2 * v + alpha**2
    return sqrt(v)


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        [step_size(COSINE, t, T) for t in DONE],
        hint="alpha_0 / 2 times 1 + cos(pi t / T), and t / T is 0, 1/3, 1/2, 2/3",
        hints=[
            ([ALPHA_0 * (1 - t / T) for t in DONE], "that is a straight line; take the cosine of pi t / T"),
            (
                [ALPHA_0 * cos(pi * t / T) for t in DONE],
                "a step size is never negative: 1 + cos, then halved",
            ),
            ([ALPHA_0 * (1 + cos(pi * t / T)) for t in DONE], "halve it: alpha_0 is the largest step size"),
            (
                [ALPHA_0 * cos(pi * t / T / 2) for t in DONE],
                "half a period: the cosine goes from 1 to -1, not to 0",
            ),
            ([0.0, 0.05, 0.1, 0.15], "it falls: the largest step size comes first"),
        ],
        tolerance=1e-6,
    ),
    2: Numbers(
        0.2,
        hint="v in the end is alpha / (2 - alpha), and the distance is its root: set v = 1/9",
        hints=[
            (0.5, "the distance is the root of v: it is v that has to be 1/9, not 1/3"),
            (2 / 9, "nearly: alpha / 2 is the rule for small steps; solve alpha / (2 - alpha) = 1/9 exactly"),
            (2 / 8, "alpha = v (2 - alpha): bring both alphas to one side, alpha (1 + v) = 2 v"),
        ],
        tolerance=0.002,
    ),
    3: Function(
        _warm_cosine,
        cases=[
            (0.1, 0, 100),
            (0.1, 5, 100),
            (0.1, 10, 100),
            (0.1, 55, 100),
            (0.1, 100, 100),
            (2.0, 37, 200),
            (2.0, 199, 200),
        ],
        hint="before T/10: alpha_0 t / (T/10); after it the cosine counts anew, with t - T/10 steps done of "
        "T - T/10",
    ),
    4: Numbers(
        [MEAN, sqrt(SQUARES / 20)],
        hint="take the five differences first; the standard error is the root of the sum of their squared "
        "distances from the mean, divided by n (n - 1) = 20",
        hints=[
            ([MEAN, sqrt(SQUARES / 4)], "that is the spread of one difference; the mean of five varies less"),
            (
                [MEAN, sqrt(SQUARES / 25)],
                "divide by n (n - 1), not by n^2: the mean is taken from the same five",
            ),
            ([MEAN, sqrt(SQUARES / 5)], "that is the spread of one difference, and with n for n - 1"),
            ([MEAN, SQUARES / 20], "the error is the root of that"),
            ([MEAN, 0.0241], "that treats the two rows as unrelated; subtract within each seed first"),
            ([-MEAN, sqrt(SQUARES / 20)], "with the method minus without it"),
        ],
        tolerance=0.0002,
    ),
    5: Numbers(
        _distance([0.5] * 100 + [0.05] * 100),
        hint="distances(...) takes a list with one step size for each step; its last number counts",
        hints=[
            (_distance([0.5] * 100), "that is after 100 steps of size 0.5; the small ones come last"),
            (_distance([0.05] * 100), "that leaves out the first 100 steps"),
            (_distance([0.5] * 100 + [0.05] * 100) ** 2, "that is E[w^2]; the distance is its root"),
        ],
        tolerance=0.002,
    ),
    6: Choice(
        "high",
        hints={
            "low": "32 numbers, each with some luck: which kind of luck does the largest one have?",
            "right": "for one subset, fixed before, yes; but this one was picked because it looked best",
        },
    ),
}
