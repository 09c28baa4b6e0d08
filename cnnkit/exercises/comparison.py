"""What the exercises of the chapter *comparison* expect."""

import math

from cnnkit.exercises import Choice, Exercise, Function, Numbers

# Exercise 1: standard errors of an accuracy of .85.
ERRORS = [math.sqrt(0.85 * 0.15 / n) for n in (10_000, 1_000)]

# Exercise 2: runs that are lost with a probability of 7 in 74.
KEPT = 67 / 74
NONE_OF_FIVE, ENOUGH = KEPT**5, math.ceil(math.log(0.05) / math.log(KEPT))

# Exercise 3: ResNet-20 of half its width, a batch of 128; megabytes of 10^6 bytes.
MAPS, WEIGHTS = 128 * 583e3 / 1e6, 4 * 4 * 67_906 / 1e6


def _undominated(costs: list[float], scores: list[float]) -> list[int]:
    """Indices of those that no other equals or beats in both, and beats in one."""
    pairs = list(zip(costs, scores, strict=True))
    return [
        i
        for i, (cost, score) in enumerate(pairs)
        if not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in pairs)
    ]


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        ERRORS,
        tolerance=1e-4,
        hint="the square root of a (1 - a) / n",
        hints=[
            ([error**2 for error in ERRORS], "that is the variance: take its root"),
            ([math.sqrt(0.85 / n) for n in (10_000, 1_000)], "a (1 - a), not a: at a = 1 nothing is left"),
            ([100 * error for error in ERRORS], "as a share, not in percent"),
            (ERRORS[::-1], "10,000 images first"),
        ],
    ),
    2: Numbers(
        [NONE_OF_FIVE, ENOUGH],
        tolerance=5e-3,
        hint="a run is kept with probability 67/74, and the runs are independent",
        hints=[
            ([1 - NONE_OF_FIVE, ENOUGH], "that is the probability to see at least one lost run"),
            ([1 - 5 * 7 / 74, ENOUGH], "two runs can both be lost: multiply the probabilities to be kept"),
            ([NONE_OF_FIVE, ENOUGH - 1], "with so many it is still a little above 5 %"),
        ],
    ),
    3: Numbers(
        [MAPS, WEIGHTS],
        tolerance=0.05,
        hint="128 images; and each parameter has its value, its gradient and Adam's two averages",
        hints=[
            ([MAPS, WEIGHTS / 4], "beside the parameter there are its gradient and Adam's two averages"),
            ([MAPS, WEIGHTS / 2], "the gradient is there, Adam's two averages are not"),
            ([MAPS, 3 * WEIGHTS / 4], "four numbers for each parameter"),
            ([MAPS / 128, WEIGHTS], "that is one image; the batch has 128"),
            ([4 * MAPS, WEIGHTS], "583 kB are bytes already"),
        ],
    ),
    4: Function(
        _undominated,
        cases=[
            ([1.0, 2.0, 3.0], [0.8, 0.9, 0.7]),
            ([3.0, 1.0, 2.0], [0.9, 0.8, 0.85]),
            ([2.0, 1.0, 2.0], [0.8, 0.8, 0.9]),
            ([1.0, 1.0], [0.8, 0.8]),
        ],
        hint="i is dominated if some j has costs[j] <= costs[i] and scores[j] >= scores[i], one of "
        "them strictly: two equal networks do not dominate each other",
    ),
    5: Choice(
        "more epochs",
        hints={
            "more seeds": "they make the mean more exact, of runs that all stop too early",
            "more test images": "they judge the same half-trained networks more exactly",
        },
    ),
}
