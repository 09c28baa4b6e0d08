"""What the exercises of the chapter *weight-decay* expect."""

from math import ceil, log

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.reference.dropout import norm_constraint, weight_decay_step

W = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
GRADIENT = torch.tensor([0.2, 0.0, -1.0], dtype=torch.float64)
ALPHA, LAMBDA = 0.5, 0.2


def _step(factor: float, sign: int = -1) -> torch.Tensor:
    return factor * W + sign * ALPHA * GRADIENT


HALVED = ceil(log(0.5) / log(1 - 0.05 * 0.02))


def _filters(seed: int, shape: tuple[int, ...], scale: float) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# Written in full, so that a message that shows a case stays short.
ONE_CHANNEL = torch.tensor([[[[3.0, 0.0], [0.0, 4.0]]], [[[0.6, 0.0], [0.0, 0.8]]]])
TWO_CHANNELS = torch.tensor([[[[2.0]], [[2.0]]], [[[0.5]], [[0.0]]]])
WITH_ZEROS = torch.tensor([[[[0.0, 0.0]]], [[[6.0, 8.0]]]])

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        weight_decay_step(W, GRADIENT, ALPHA, LAMBDA),
        hint="each weight times 1 - alpha lambda, minus alpha times its gradient",
        hints=[
            (_step(1.0), "that is the step without decay"),
            (_step(1 - LAMBDA), "the factor is 1 - alpha lambda: the step size belongs to the decay, too"),
            (_step(1 - ALPHA * LAMBDA, sign=1), "a step goes against the gradient: minus alpha dL/dw"),
            (_step(1 + ALPHA * LAMBDA), "the penalty makes weights smaller: the factor is below 1"),
            (
                (1 - ALPHA * LAMBDA) * (W - ALPHA * GRADIENT),
                "only the old weight shrinks, not the step: (1 - alpha lambda) w, then minus alpha dL/dw",
            ),
        ],
        tolerance=1e-5,
    ),
    2: Numbers(
        HALVED,
        hint="each step leaves the factor 1 - alpha lambda = 0.999: for which n is 0.999^n below one half?",
        hints=[
            (HALVED - 1, "at that step it is still a little above one half"),
            (500, "it does not lose 0.001 of its first size in each step, but of its present one"),
            (501, "it does not lose 0.001 of its first size in each step, but of its present one"),
            (35, "the factor is 1 - alpha lambda, not 1 - lambda"),
            (14, "the factor is 1 - alpha lambda, not 1 - alpha"),
            (log(2) / 0.001, "close; count whole steps with the factor 0.999"),
        ],
    ),
    3: Function(
        norm_constraint,
        cases=[
            (ONE_CHANNEL, 2.5),
            (TWO_CHANNELS, 1.0),
            (WITH_ZEROS, 5.0),
            (_filters(0, (2, 2, 2, 2), 1.0), 3.0),
        ],
        hint="one norm for each filter, over its channels and places; the factor is min(1, c / norm), so "
        "filters shorter than c, and those of zeros, stay as they are",
    ),
    4: Numbers(
        1.0,
        hint="alpha lambda, the fraction that a weight loses in a step, has to stay the same",
        hints=[
            (0.02, "with her smaller step size the same lambda decays 50 times less"),
            (0.02 / 50, "the other way round: her step size is smaller, so her lambda must be larger"),
            (50.0, "by this factor; and what is it times 0.02?"),
        ],
        tolerance=1e-9,
    ),
    5: Numbers(
        0,
        hint="none should change: multiply weights and biases of net[0], divide only the weights of net[3], "
        "and compare the answers (argmax), not the scores",
        hints=[
            (1000, "give the number of answers that change, not of those that stay"),
        ],
    ),
    6: Choice(
        "small",
        hints={
            "large": "Adam divides the gradient, with lambda w in it, by the usual size of the gradients",
            "same": "so it is under AdamW; where does Adam put lambda w, and what does it do to it?",
        },
    ),
}
