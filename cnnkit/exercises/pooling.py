"""What the exercises of the chapter *pooling* expect."""

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.reference.pool import avg_pool1d, avg_pool2d, max_pool1d
from cnnkit.shapes import Window, receptive_fields

X = torch.tensor([[-2.0, -1.0, -3.0, 4.0, 0.0]])
MAXIMA, AVERAGES = max_pool1d(X, 3, stride=2, padding=1)[0], avg_pool1d(X, 3, stride=2, padding=1)[0]
VGG = [Window(3), Window(3), Window(2, stride=2)] * 2


def _average_of_four(plane: torch.Tensor) -> torch.Tensor:
    return avg_pool2d(plane[None], 2)[0]


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        torch.stack([MAXIMA, AVERAGES]),
        hint="write the padded row, let windows of 3 begin at its places 0, 2 and 4, and reduce each of them",
        hints=[
            ([[0, 4, 4], AVERAGES], "max pooling pads with minus infinity: no zero can win over -2 and -1"),
            ([MAXIMA, [-1.5, 0, 2]], "PyTorch counts the padding: each sum is divided by F = 3"),
            (
                [[0, 4, 4], [-1.5, 0, 2]],
                "it is the other way round: the average counts its zeros, the maximum must not see any",
            ),
            ([MAXIMA, [-3, 0, 4]], "the maxima are right; those are sums, so divide by F"),
        ],
        tolerance=0.005,
    ),
    2: Numbers(
        receptive_fields(VGG)[-1][:2],
        hint="go layer by layer: r grows by (F - 1) j with the jump j before the layer, then j grows by the "
        "factor S",
        hints=[
            ([11, 4], "after a pooling each step of a filter is j inputs long, not one"),
            ([16, 2], "the field is right; both poolings multiply the jump"),
            ([19, 4], "the step of a pooling is the jump before it; its own stride counts only above"),
            ([14, 4], "the second pooling, too, sees two nodes, and adds to the field"),
            ([14, 2], "that is the node below the second pooling"),
            ([4, 16], "both are right, in the other order: [r, j]"),
        ],
    ),
    3: Function(
        _average_of_four,
        cases=[
            (torch.arange(16.0).reshape(4, 4),),
            (torch.tensor([[1.0, 2.0, -1.0, 4.0], [0.0, 5.0, 3.0, 2.0]]),),
        ],
        hint="add the four slices that begin at (0, 0), (0, 1), (1, 0) and (1, 1), and divide by 4",
    ),
    4: Numbers(
        [6, 12],
        hint="what is the jump of a stack with strides 2 and 3?",
        hints=[
            ([2, 4, 6, 8, 10, 12], "whole steps of the convolution; are they whole steps of the pooling?"),
            ([3, 6, 9, 12], "the pooling's stride is 3 steps of the convolution: how many inputs?"),
            ([5, 10], "strides multiply, they do not add"),
            ([6], "does the next multiple of the jump change anything?"),
            ([12], "is there a smaller one?"),
        ],
        unordered=True,
    ),
    5: Choice(
        "max",
        hints={
            "average": "try the two values -1 and 1, in both orders",
            "both": "try the two values -1 and 1 with the average, in both orders",
            "neither": "can the ReLU change which value of a window is the largest?",
        },
    ),
    6: Numbers(
        [1, 3, 9],
        hint="three inputs, then three groups of three side by side, then three groups of nine: count the "
        "inputs seen, and look for holes",
        hints=[
            ([1, 2, 4], "no holes, 15 inputs, but many of them by several paths: more is possible"),
            ([1, 3, 3], "no holes, but the third layer's steps could be longer"),
            ([1, 3, 10], "27 inputs seen, but there is a hole between two groups of nine"),
            ([1, 4, 16], "with dilation 4 there is a hole between two groups of three"),
            ([9, 3, 1], "the right ones; give the smallest first"),
            ([1, 1, 1], "no holes, but seven inputs are far from the most"),
        ],
    ),
}
