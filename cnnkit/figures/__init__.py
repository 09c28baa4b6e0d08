"""Figures that react on the page itself: no kernel, no network.

Each function returns a `cnnkit.figures.figure.Figure`, which shows itself as the last line of a cell.
"""

from cnnkit.figures.images import convolution, one_by_one, pooling, weight_gradient
from cnnkit.figures.windows import output_size

__all__ = ["convolution", "one_by_one", "output_size", "pooling", "weight_gradient"]
