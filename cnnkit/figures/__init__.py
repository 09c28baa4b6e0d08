"""Figures that react on the page itself: no kernel, no network.

Each function returns a `cnnkit.figures.figure.Figure`, which shows itself as the last line of a cell.
"""

from cnnkit.figures.images import convolution, pooling, weight_gradient
from cnnkit.figures.windows import output_size

__all__ = ["convolution", "output_size", "pooling", "weight_gradient"]
