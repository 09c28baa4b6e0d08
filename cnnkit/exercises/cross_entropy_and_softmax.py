"""What the exercises of the chapter *cross-entropy-and-softmax* expect."""

import math

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.reference.loss import cross_entropy, cross_entropy_backward, softmax

Z = torch.tensor([2.0, 1.0, 5.0]).log()
P = softmax(Z)
GRADIENT = cross_entropy_backward(Z, 0)
ENTROPY = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)


def _certain(classes: int) -> float:
    """The loss of probabilities that are right and certain, taken for scores."""
    scores = torch.zeros(classes)
    scores[0] = 1
    return cross_entropy(scores, 0).item()


def _log_sum_exp(z: torch.Tensor) -> torch.Tensor:
    return z.max() + (z - z.max()).exp().sum().log()


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        GRADIENT,
        hint="the exponential of a logarithm is the number itself; divide by the sum, then subtract y",
        hints=[
            (P, "those are the probabilities; at the right class subtract 1"),
            (-GRADIENT, "that is the direction of a step, y - p; the gradient is p - y"),
            (cross_entropy_backward(Z, 1), "the right class is number 0, the first one"),
            (
                cross_entropy_backward(Z, 2),
                "the right class is the one with the label, not with the largest score",
            ),
            ([-4, 0, 0], "that is the derivative with respect to the probabilities; go on to the scores"),
            (GRADIENT / 3, "this is one example: divide by the number of examples, not of classes"),
        ],
        tolerance=0.0005,
    ),
    2: Numbers(
        2 * math.log(2),
        hint="take the natural logarithm of each probability, then the mean over the batch, then the sign",
        hints=[
            (8 * math.log(2), "that is the sum over the batch; PyTorch reports the mean"),
            (2, "that is in bits; PyTorch takes the natural logarithm"),
            (2 * math.log10(2), "the logarithm is the natural one, not the decimal one"),
            (-math.log(9 / 32), "first the logarithms, then their mean"),
            (-2 * math.log(2), "a loss is larger for worse answers: mind the sign"),
            (1 / 4, "the network might as well give 1/4 to every right class; what does that cost?"),
        ],
        tolerance=0.001,
    ),
    3: Function(
        _log_sum_exp,
        cases=[
            (torch.tensor([0.0, 0.0]),),
            (torch.tensor([1000.0, 999.0, 990.0]),),
            (torch.tensor([-1000.0, -1000.0]),),
            (torch.tensor([-3.0, 120.0, -200.0]),),
        ],
        hint="subtract the largest score before the exponential, and add it again after the logarithm",
        tolerance=1e-4,
    ),
    4: Numbers(
        _certain(1000),
        hint="give the right class 1 and the others 0, and pass this row to cross_entropy in place of scores",
        hints=[
            (0, "that would be its loss if the probabilities were taken for what they are"),
            (math.log(1000), "that is what a network pays that knows nothing"),
            (_certain(10), "that is for ten classes; here there are 1,000"),
            (_certain(999), "the right class and 999 others, so 1,000 in all"),
        ],
        tolerance=0.0005,
    ),
    5: Numbers(
        [math.log(9), ENTROPY],
        hint="the gradient is p - y for these targets, too: where is it 0, and what is the loss there?",
        hints=[
            ([9, ENTROPY], "the ratio of the probabilities is 9; the scores differ by its logarithm"),
            ([-math.log(9), ENTROPY], "score 0 should be the larger one"),
            ([math.log(9), -math.log(0.9)], "the loss has two terms, one for each class that got votes"),
            ([math.log(9), ENTROPY / math.log(2)], "that loss is in bits; take the natural logarithm"),
            ([math.log(9), 0], "with p = y the gradient is 0, not the loss: both logarithms are below 0"),
            ([ENTROPY, math.log(9)], "both are right, in the other order: [difference, loss]"),
            ([0, math.log(2)], "that is where both classes get one half"),
        ],
        tolerance=0.005,
    ),
    6: Choice(
        "all",
        hints={
            "fewer": "what do the probabilities do if the same number is subtracted from all ten scores?",
            "none with p_9 > 1/2": "the nine other scores may be negative: what is p_9 if all are -10?",
        },
    ),
}
