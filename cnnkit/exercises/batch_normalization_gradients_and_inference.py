"""What the exercises of the chapter *batch-normalization-gradients-and-inference* expect."""

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.reference.batchnorm import batch_norm_backward, fold, population_statistics

X = torch.tensor([1.0, 1.0, 5.0, 5.0], dtype=torch.float64)
G = torch.tensor([1.0, 3.0, 2.0, 6.0], dtype=torch.float64)
SENT_BACK, _, _ = batch_norm_backward(G, X, 4.0, eps=0)
BATCHES = torch.tensor([[1.0, 2.0, 3.0], [4.0, 6.0, 8.0]], dtype=torch.float64)


def _fold_linear(
    w: torch.Tensor,
    b: torch.Tensor,
    gamma: torch.Tensor,
    beta: torch.Tensor,
    mu: torch.Tensor,
    variance: torch.Tensor,
    eps: float,
) -> torch.Tensor:
    w_folded, b_folded = fold(w, b, gamma, beta, mu, variance, eps)
    return torch.cat([w_folded, b_folded[:, None]], dim=1)


def _batches_until_near(start: float = 1.0, variance: float = 0.04, momentum: float = 0.1) -> int:
    running, number = start, 0
    while abs(running - variance) > 0.05 * variance:
        running, number = (1 - momentum) * running + momentum * variance, number + 1
    return number


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        SENT_BACK,
        hint="mean, deviation and normalised x first; then the two sums, of g and of g times normalised x; "
        "then the equation for each of the four",
        hints=[
            (SENT_BACK / 2, "the factor is gamma / (m s): gamma is 4, and s is 2"),
            (4 * SENT_BACK, "divide by m"),
            (2 * SENT_BACK, "divide by s, the deviation, too"),
            ([2, 6, 4, 12], "that is the first path only: the mean and the variance depend on x, too"),
            ([-4, 0, -2, 6], "the third path is missing, through the variance"),
            ([4, 8, 2, 10], "the second path is missing, through the mean"),
        ],
        tolerance=0.005,
    ),
    2: Numbers(
        [0, 0],
        hint="what are the two normalised values, and what do they become if x changes a little? Or: what "
        "does a straight line leave of two points?",
        hints=[
            ([3, -8], "that is what came in; what do the mean and the variance take away?"),
            ([5.5, -5.5], "the mean of g is gone; what does the variance take away?"),
            ([-5.5, 5.5], "the mean of g is gone, but it has changed its sign; and the variance?"),
        ],
        tolerance=1e-6,
    ),
    3: Function(
        _fold_linear,
        cases=[
            (
                torch.tensor([[1.0, -2.0], [0.5, 3.0], [0.0, 1.0]]),
                torch.tensor([1.0, 0.0, -1.0]),
                torch.tensor([6.0, 1.0, -2.0]),
                torch.tensor([5.0, 0.0, 1.0]),
                torch.tensor([3.0, -1.0, 0.5]),
                torch.tensor([3.5, 0.5, 8.5]),
                0.5,
            ),
            (
                torch.tensor([[2.0]]),
                torch.tensor([1.0]),
                torch.tensor([2.0]),
                torch.tensor([3.0]),
                torch.tensor([4.0]),
                torch.tensor([9.0]),
                1e-5,
            ),
        ],
        hint="a = gamma / root of (variance + eps), one number a row; rows of w times a; beta + a (b - mu)",
        tolerance=1e-4,
    ),
    4: Numbers(
        torch.stack(population_statistics(BATCHES)),
        hint="mean and biased variance of each batch, the average of each, the variance times m / (m - 1)",
        hints=[
            ([4, 5 / 3], "the factor m / (m - 1) is missing"),
            ([4, 17 / 3], "that is the variance of all six numbers; take it batch by batch, then correct it"),
            ([4, 6.8], "that is the variance of all six numbers; take it batch by batch, then correct it"),
            ([4, 2], "m is the size of a batch, 3, not the number of values, 6"),
            ([4, 10 / 3], "m is the size of a batch, 3, not the number of batches"),
            ([4, 3.75], "corrected twice: the variances of the batches are to be divided by m"),
            ([4, 5], "that is the sum of the two corrected variances; take the average"),
            ([2.5, 4], "the right ones, in the other order: [mean, variance]"),
        ],
        tolerance=0.005,
    ),
    5: Numbers(
        _batches_until_near(),
        hint="let it run: new = 0.9 old + 0.1 · 0.04, from 1 on, until it is at most 0.002 away from 0.04",
        hints=[
            (_batches_until_near(momentum=0.9), "momentum 0.1 is the weight of the new value, in PyTorch"),
            (_batches_until_near() - 1, "count the batches, beginning with 1"),
            (_batches_until_near() + 1, "is it not near enough one batch earlier?"),
            (29, "within 5 % of 0.04 is 0.002, not 0.05"),
        ],
    ),
    6: Choice(
        "border",
        hints={
            "nowhere": "what does a filter's weight get from a padding node, before and after folding?",
            "everywhere": "take a window without padding: is there any difference?",
        },
    ),
}
