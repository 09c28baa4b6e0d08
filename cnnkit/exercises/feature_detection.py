"""What the exercises of the chapter *feature-detection* expect."""

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.reference.conv import conv2d

EDGE = torch.tensor([[-1.0, 0.0, 1.0]]).expand(3, 3)
PATCH = torch.tensor([[1.0, 1.0, 5.0, 4.0], [1.0, 2.0, 5.0, 5.0], [1.0, 3.0, 4.0, 5.0]])
SKY = 0.8
SUMS = [0, 0, 1, 1]  # of the weights: edge, Laplace, blur, sharpen


def _slide(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return conv2d(image[None], mask[None, None])[0, 0]


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        _slide(PATCH, EDGE),
        hint="lay the mask on the left three columns, then on the right three; each time, sum of the right "
        "column minus sum of the left one",
        hints=[
            (
                -_slide(PATCH, EDGE),
                "the sign: the weight 1 is on the right, so a rise is positive",
            ),
            (
                _slide(PATCH[1:2].expand(3, 4), EDGE) / 3,
                "that is the middle row alone; the mask has three",
            ),
            (_slide(PATCH, EDGE) / 3, "that is the mean of the three rows; the mask adds them"),
            (_slide(PATCH, EDGE).flip(0), "right answers in the wrong order: the left place comes first"),
        ],
        tolerance=0.005,
    ),
    2: Numbers(
        [SKY * total for total in SUMS],
        hint="where all pixels are equal, the answer is that grey value times the sum of the weights",
        hints=[
            (SUMS, "those are the sums of the weights; the answer is 0.8 times the sum"),
            ([0, 0, SKY, 5 * SKY], "the sharpening mask also has four weights of -1 around its 5"),
            ([0, -4 * SKY, SKY, SKY], "the Laplace mask also has four weights of 1 around its -4"),
            ([0, 0, 9 * SKY, SKY], "the nine weights of the blur are one ninth each"),
        ],
        tolerance=1e-4,
    ),
    3: Function(
        torch.minimum,
        cases=[
            (torch.tensor([0.0, 1.0, 2.0, 0.5]), torch.tensor([3.0, 1.0, 0.5, 0.0])),
            (torch.tensor([0.25, 4.0]), torch.tensor([0.75, 0.0])),
        ],
        hint="where a is larger than b, take away what it has more, else nothing: which ReLU is that?",
    ),
    4: Numbers(
        3,
        hint="check three things: the sign of the first mask, the side on which the top edge lies, and the "
        "threshold of 1.2",
        hints=[
            (
                2,
                "print your places: (8, 8) and (8, 30) are still upper left corners; others are lower ones",
            ),
            (
                0,
                "two changes are needed together: the sign of the first mask of layer 1, and the arms of the "
                "second mask of layer 2, which have to be mirrored left and right",
            ),
            (1, "the side still runs down from the corner: mirror the second mask, not the first"),
            (5, "is the ReLU between the layers missing?"),
            (4, "by eye there are four, but does the net input at the dim square reach the threshold?"),
        ],
    ),
    5: Choice(
        "hog",
        hints={
            "pixels": "a pixel of 0.2 becomes 0.8",
            "masks": "the same edges are found, but a rise becomes a fall: in which plane is it now?",
        },
    ),
    6: Choice(
        "pixels",
        hints={
            "masks": "a mask compares neighbouring pixels: what have neighbours in common after the shuffle?",
            "hog": "what is the direction of an edge in an image whose pixels have been shuffled?",
        },
    ),
}
