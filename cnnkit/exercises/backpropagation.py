"""What the exercises of the chapter *backpropagation* expect."""

import torch

from cnnkit.exercises import Exercise, Function, Numbers
from cnnkit.reference.conv import conv1d_backward, conv2d_backward
from cnnkit.reference.pool import max_pool1d_backward

ROW = torch.tensor([[1.0, 2.0, 0.0, -1.0, 3.0]])
_, SHARED, _ = conv1d_backward(torch.tensor([[2.0, -1.0, 1.0]]), ROW, torch.zeros(1, 1, 3))
STRIDED, _, _ = conv1d_backward(
    torch.tensor([[1.0, -2.0]]), torch.zeros(1, 5), torch.tensor([[[2.0, -1.0, 3.0]]]), stride=2
)
NET_INPUTS = torch.tensor([[1.0, 3, 3, -2, -1, -5, -4, 2, 1]])
ERRORS = torch.tensor([[1.0, 2, 3, 4]])


def _plane_gradient(delta: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    Fa, Fb = w.shape
    plane = delta.new_zeros(1, delta.shape[0] + Fa - 1, delta.shape[1] + Fb - 1)
    return conv2d_backward(delta[None], plane, w[None, None])[0][0]


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        SHARED,
        hint="for each weight go through nodes 2, 3 and 4: error of the node times the input that this "
        "weight sees from there; then add the three products",
        hints=[
            ([4, 3, 0], "those are the right sums in the order w_+1, w_0, w_-1; w_-1 looks to the left"),
            ([0, 1, 4 / 3], "that is the mean over the places; the update is the sum"),
            ([4, 3, 2], "the errors have signs"),
            ([0, -3, -4], "that is the direction of the update; the gradient has the other sign"),
            ([2, 4, 0], "that is the update from node 2 alone; the weights are used at three nodes"),
        ],
        tolerance=0.005,
    ),
    2: Numbers(
        STRIDED,
        hint="each error puts a copy of the filter, times itself, on its own window; the second window "
        "begins two places after the first",
        hints=[
            (
                [3, -1, -4, 2, -4],
                "each error stamps the filter as it is; only who looks up from an input sees it flipped",
            ),
            ([2, -1, 3, 2, -6], "the middle input is in both windows: it gets the sum"),
            ([2, -1, -4, 2, -6], "the middle input is in both windows: it gets the sum"),
            ([2, -5, 5, -6], "the windows lie two places apart, so there are five inputs"),
        ],
    ),
    3: Function(
        _plane_gradient,
        cases=[
            (torch.tensor([[1.0, -1.0], [2.0, 0.0]]), torch.tensor([[1.0, 2.0], [3.0, -1.0]])),
            (torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])),
        ],
        hint="weight (a, b) sends w[a, b] times the whole plane of errors to the inputs from row a and "
        "column b on; the result has F - 1 more rows and columns than delta",
    ),
    4: Numbers(
        max_pool1d_backward(ERRORS, NET_INPUTS.relu(), 3, 2) * (NET_INPUTS > 0),
        hint="take the ReLU's outputs, hand each window's error to the node of its maximum, then multiply by "
        "the ReLU's derivative",
        hints=[
            (
                max_pool1d_backward(ERRORS, NET_INPUTS.relu(), 3, 2),
                "so far right for the outputs of the ReLU; what becomes of the 3 where the net input is "
                "negative?",
            ),
            ([0, 0, 3, 0, 0, 0, 0, 4, 0], "of equal values the first one gets the error"),
            ([0, 1, 3, 0, 0, 0, 0, 4, 0], "the third window's error is 3; does it arrive anywhere?"),
            (
                [0, 1, 2, 0, 1, 1, 1, 4, 0],
                "nobody shares; and where the net input is negative nothing goes back",
            ),
            ([0, 0.5, 2.5, 0, 0, 0, 0, 4, 0], "nobody shares: the first of equal values gets all"),
            ([0, 1, 2, 0, 0, 0, 3, 4, 0], "of equal values the first one gets the error; and then the ReLU?"),
            ([3, 3, 0, 2], "those are the maxima; the question is what goes back to the nine nodes"),
        ],
        tolerance=0.005,
    ),
    5: Numbers(
        [8, 6],
        hint="compute the error for all fifteen steps with both formulas and look for the smallest",
        hints=[
            ([6, 8], "the right ones, in the other order: [one-sided, central]"),
            ([15, 15], "a smaller step is not always better: the difference is rounded"),
            ([1, 1], "a step of 0.1 is too large for either formula"),
            ([1e-8, 1e-6], "give k, not the step"),
            ([-8, -6], "the step is 10 to the power of minus k: give k"),
        ],
    ),
    6: Numbers(
        1,
        hint="which filter could be the first to differ, and what would have to differ in its gradient?",
        hints=[
            (6, "what makes the gradient of one filter differ from that of another?"),
            (0, "there are six filters; how many of them differ from each other?"),
        ],
    ),
}
