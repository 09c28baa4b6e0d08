"""What the exercises of the chapter *local-connectivity* expect."""

import torch

from cnnkit.exercises import Choice, Exercise, Function, Numbers
from cnnkit.reference.conv import conv1d_centred
from cnnkit.shapes import full_parameters, local_parameters, shared_parameters


def _layer_matrix(w: torch.Tensor, n: int) -> torch.Tensor:
    return torch.stack([conv1d_centred(unit, w) for unit in torch.eye(n)], dim=1)


X, W = torch.tensor([2.0, 1.0, 0.0, 3.0]), torch.tensor([2.0, -1.0, 1.0])
N, F = 1000, 5

EXERCISES: dict[int, Exercise] = {
    1: Numbers(
        conv1d_centred(X, W, f=torch.relu),
        hint="write the padded row 0, 2, 1, 0, 3, 0, put the filter's middle weight under each x in turn, "
        "and add the products",
        hints=[
            (conv1d_centred(X, W), "the net inputs are right, but ReLU turns the negative ones into 0"),
            (
                conv1d_centred(X, W.flip(0), f=torch.relu),
                "you flipped the filter: its left weight belongs to the left neighbour",
            ),
            (
                conv1d_centred(X, W, f=torch.relu)[1:-1],
                "with zero padding the first and the last node have an output too",
            ),
        ],
    ),
    2: Numbers(
        [full_parameters(N, N), local_parameters(N, F), shared_parameters(F)],
        hint="full: every pair of nodes; local: F for each of the n outputs; shared: F in all",
        hints=[
            (
                [full_parameters(N, N), local_parameters(N - F + 1, F), shared_parameters(F)],
                "with zero padding there are n outputs, not n - F + 1",
            ),
            (
                [full_parameters(N, N), local_parameters(N, F), N * shared_parameters(F)],
                "a shared weight is counted once, however many places use it",
            ),
        ],
    ),
    3: Function(
        _layer_matrix,
        cases=[(torch.tensor([1.0, 2.0, 3.0]), 5), (torch.tensor([1.0, 0.0, -2.0, 4.0, 5.0]), 7)],
        hint="row i holds the filter with its middle weight in column i; leave out what stands outside",
    ),
    4: Numbers(
        [1, 10],
        hint="compare the layer of the shifted row with the shifted layer, node by node, and count from 1",
        hints=[
            ([0, 9], "right places, but the book counts nodes from 1"),
            (1, "one end is there; what happens at the other?"),
            (10, "one end is there; what happens at the other?"),
        ],
        unordered=True,
    ),
    5: Choice(
        "local",
        hints={
            "shared": "one filter cannot be right in both halves: look at its error with more examples",
            "full": "it can represent the rule too, but how many weights must it find in the same examples?",
        },
    ),
}
