"""What the exercises of the chapter *convolution-2d* expect."""

import torch

from cnnkit.exercises import Exercise, Function, Numbers
from cnnkit.reference.conv import conv2d, relu
from cnnkit.shapes import output_size, shared_parameters

Y = torch.tensor([[[1.0, 0, 2], [3, 1, 0], [0, 2, 1]], [[0, 1, 1], [2, 0, 1], [1, 1, 0]]])
W = torch.tensor([[[[1.0, -1], [0, 2]], [[0, 1], [-1, 0]]]])
SUMS = conv2d(Y, W)

HEIGHT, WIDTH = (output_size(n, kernel_size=4, stride=2, padding=1) for n in (480, 640))
PARAMETERS = shared_parameters((4, 4), in_channels=3, out_channels=32, bias=True)


def _of_two_channels(height: int, width: int) -> torch.Tensor:
    return torch.arange(2.0 * height * width).reshape(2, height, width) % 5 - 1


EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        relu(SUMS),
        hint="lay each slice on its own channel at (0, 0), (0, 1), (1, 0) and (1, 1), add all eight "
        "products, and only then apply the ReLU",
        hints=[
            (SUMS, "those are the sums; the ReLU makes a negative one zero"),
            (
                relu(conv2d(Y, W.flip(2, 3))),
                "that is the filter turned by 180 degrees: here it is not flipped",
            ),
            (relu(conv2d(Y[:1], W[:, :1])), "that is channel 0 alone; a filter has a slice for each channel"),
            (
                sum(relu(conv2d(Y[c : c + 1], W[:, c : c + 1])) for c in range(2)),
                "first add over the channels, then apply the ReLU",
            ),
            (relu(SUMS).mT, "rows and columns are exchanged"),
        ],
    ),
    2: Numbers(
        [32, HEIGHT, WIDTH, PARAMETERS],
        hint="solve (n' - 1) S + F = n + 2 P once for 480 and once for 640; a filter has a slice for each "
        "of the three colours",
        hints=[
            ([32, WIDTH, HEIGHT, PARAMETERS], "rows first: the photograph has 480 of them"),
            ([32, HEIGHT, WIDTH, PARAMETERS - 32], "the weights are right; each filter also has a bias"),
            ([32, HEIGHT, WIDTH, PARAMETERS - 31], "each of the 32 filters has a bias"),
            ([32, HEIGHT, WIDTH, PARAMETERS - 29], "each of the 32 filters has a bias, whatever the colours"),
            (
                [32, HEIGHT, WIDTH, 32 * 16 + 32],
                "every filter has 4 by 4 weights for each of the three colours",
            ),
            (
                [32, HEIGHT, WIDTH, 32 * 16],
                "a slice for each of the three colours, and a bias for each filter",
            ),
            ([3, HEIGHT, WIDTH, PARAMETERS], "one plane a filter: how many channels come out?"),
            (
                [96, HEIGHT, WIDTH, PARAMETERS],
                "the answers of the three slices are added: one plane a filter",
            ),
            ([32, HEIGHT - 1, WIDTH - 1, PARAMETERS], "P zeros are added on each side, so 2 P in all"),
        ],
    ),
    3: Function(
        conv2d,
        cases=[
            (_of_two_channels(3, 4), torch.arange(24.0).reshape(3, 2, 2, 2) % 7 - 3),
            (_of_two_channels(4, 3), torch.arange(18.0).reshape(1, 2, 3, 3) % 4 - 1),
        ],
        hint="for the offset (a, b) take y[:, a : a + rows, b : b + columns] with rows = H - F + 1 and "
        "columns = W - F + 1",
    ),
    4: Numbers(
        [5 * 7, 7, 1, 2 * 7, 2],
        hint="first the strides of the image [channel, row, column]: how far is the next channel, the next "
        "row, the next column?",
        hints=[
            ([35, 7, 1, 7, 1], "that is S = 1: from window to window it is two rows or two columns"),
            ([35, 14, 2, 7, 1], "S moves the window, not the taps within it (those are a dilation of 2)"),
            ([35, 14, 2, 14, 2], "S moves the window, not the taps within it"),
            ([35, 7, 1, 21, 3], "the window moves by S = 2, whatever its size"),
            ([14, 2, 35, 7, 1], "the right numbers in another order; the axes are [c, a, b, i, j]"),
            ([1, 21, 3, 42, 6], "those are the strides with the channels last, [row, column, channel]"),
            ([35, 5, 1, 10, 2], "a row holds as many numbers as there are columns: 7"),
        ],
    ),
    5: Numbers(
        1,
        hint="the axes are 0, filter; 1, channel below; 2, row of the mask; 3, column of the mask",
        hints=[
            (0, "that changes the order of the four planes; each of them still confuses red and blue"),
            (2, "that turns the masks upside down"),
            (3, "that exchanges left and right: is redder to the right still positive?"),
        ],
    ),
    6: Numbers(
        [9, 1, 25, 1],
        hint="how many pixels has a window, and for how many pixels is there one window?",
        hints=[
            ([3, 1, 5, 1], "windows overlap along rows and along columns"),
            ([9, 9, 25, 1], "with S = 3 there is a window for every third row and column only"),
            ([9, 3, 25, 1], "the stride thins out the windows in both directions"),
            ([1, 1, 1, 1], "that is the view, which copies nothing; the matrix is written out"),
        ],
    ),
}
