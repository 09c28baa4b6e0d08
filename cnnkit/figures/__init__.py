"""Figures that react on the page itself: no kernel, no network.

Each function returns a `cnnkit.figures.figure.Figure`, which shows itself as the last line of a cell.
"""

from cnnkit.figures.connections import connectivity
from cnnkit.figures.digits import digit
from cnnkit.figures.images import convolution, convolution_1d, one_by_one, pooling, weight_gradient
from cnnkit.figures.quizzes import quiz
from cnnkit.figures.units import batch_norm, dropout, residual_block
from cnnkit.figures.windows import output_size, receptive_field

__all__ = [
    "batch_norm",
    "connectivity",
    "convolution",
    "convolution_1d",
    "digit",
    "dropout",
    "one_by_one",
    "output_size",
    "pooling",
    "quiz",
    "receptive_field",
    "residual_block",
    "weight_gradient",
]
