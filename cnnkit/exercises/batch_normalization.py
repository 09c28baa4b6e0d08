"""What the exercises of the chapter *batch-normalization* expect."""

import torch

from cnnkit.exercises import Exercise, Function, Numbers
from cnnkit.functional.batchnorm import batch_norm
from cnnkit.reference.batchnorm import batch_norm as one_component
from cnnkit.reference.batchnorm import batch_norm_backward, identity_parameters

X = torch.tensor([4.0, 6.0, 7.0, 8.0, 10.0], dtype=torch.float64)
GAMMA, _ = identity_parameters(X, eps=0)
FIRST = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
SENT_BACK, _, _ = batch_norm_backward(FIRST, X, GAMMA, eps=0)


def _normalise_maps(x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, eps: float) -> torch.Tensor:
    return batch_norm(x, None, None, gamma, beta, training=True, eps=eps)


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        one_component(X, gamma=3.0, beta=1.0, eps=0),
        hint="mean, distances from it, mean of their squares, its root; divide the distances by the root; "
        "then times 3, plus 1",
        hints=[
            ([-1.5, -0.5, 0, 0.5, 1.5], "that is the normalised x: gamma and beta are missing"),
            ([-4.5, -1.5, 0, 1.5, 4.5], "beta is missing"),
            ([-0.5, 0.5, 1, 1.5, 2.5], "gamma is missing"),
            ([-1.25, 0.25, 1, 1.75, 3.25], "divide by the deviation, the root of the variance"),
            (
                [-3.0249, -0.3416, 1, 2.3416, 5.0249],
                "that divides the squares by m - 1 = 4; a batch is normalised with the biased variance, by m",
            ),
            ([-8, -2, 1, 4, 10], "subtract the mean, and divide by the deviation, too"),
        ],
        tolerance=0.005,
    ),
    2: Numbers(
        [32 * 10 * 10, 2 * 16],
        hint="one mean a channel: how many values has a channel, over all images and all places? And what is "
        "learned for each channel?",
        hints=[
            ([32, 32], "the parameters are right; the places of a map share their mean, too"),
            ([100, 32], "the parameters are right; the mean is over all images of the batch"),
            ([51_200, 32], "the parameters are right; each channel has a mean of its own"),
            ([51_200, 2], "each channel has a mean of its own, and its own gamma and beta"),
            ([3200, 16], "the values are right; there are two parameters a channel"),
            ([3200, 2], "the values are right; two parameters for each channel"),
            ([3200, 64], "the values are right; mean and variance are computed, not learned"),
            ([3200, 3200], "gamma and beta belong to a channel, not to a place"),
            ([32, 3200], "the right ones, in the other order: [values, parameters]"),
        ],
    ),
    3: Function(
        _normalise_maps,
        cases=[
            (
                torch.tensor([[[[0.0, 2.0]], [[4.0, 4.0]]], [[[2.0, 4.0]], [[0.0, 8.0]]]]),
                torch.tensor([1.0, 3.0]),
                torch.tensor([0.0, -1.0]),
                0.5,
            ),
            (torch.arange(12.0).reshape(2, 1, 2, 3) ** 2, torch.tensor([2.0]), torch.tensor([0.5]), 1e-5),
        ],
        hint="means over the axes 0, 2 and 3 with keepdim=True, the variance divided by m (and epsilon under "
        "the root); reshape gamma and beta to (C, 1, 1)",
        tolerance=1e-4,
    ),
    4: Numbers(
        SENT_BACK,
        hint="make x a leaf that requires a gradient, compute mean and variance from it, take gamma and beta "
        "as fixed numbers, and differentiate y[0]",
        hints=[
            (FIRST, "that is what an identity sends back; here the mean and the deviation depend on x, too"),
            (
                [0.8, -0.2, -0.2, -0.2, -0.2],
                "that lets the mean depend on x, but not the variance: compute it from the leaf as well",
            ),
            (
                SENT_BACK / 2,
                "is gamma the deviation, 2, or did it stay 1?",
            ),
            (
                [0.313, -0.313, -0.1789, -0.0447, 0.2236],
                "that is with the variance divided by m - 1: use correction=0",
            ),
        ],
        tolerance=0.005,
    ),
    5: Numbers(
        0,
        hint="what does the normalisation do to a channel whose values are all moved by the same amount?",
        hints=[
            (1, "the bias adds to every value; what is subtracted right after it?"),
        ],
        tolerance=1e-9,
    ),
    6: Numbers(
        8,
        hint="compute the normalised values of two numbers a and b with a > b, by hand",
        hints=[
            (2, "two values in one node; the layer has three nodes"),
            (6, "each combination of the nodes' values can occur: multiply, do not add"),
            (9, "can a node give 0, if no two values are equal?"),
            (27, "can a node give 0, if no two values are equal?"),
            (4, "which node takes its value from the others'? They are independent"),
            (1, "the two examples of a batch get different vectors"),
        ],
    ),
}
