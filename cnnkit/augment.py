"""Augmentation of whole batches, on the device on which they lie, without a loop over the images.

Each function draws from PyTorch's random numbers of that device; each image of a batch gets draws of its own.
"""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn import functional

__all__ = ["cutout", "flip", "pad_crop"]

Images = Shaped[Tensor, "N C H W"]


def pad_crop(x: Images, padding: int) -> Images:
    """Shift each image by up to ``padding`` pixels: pad it with zeros, and cut a window of its old size.

    Args:
        x: images (N, C, H, W), of any dtype.
        padding: pixels on each side, at least 0. Each of the ``2 padding + 1`` shifts is equally likely, rows
            and columns apart.

    Raises:
        ValueError: a negative padding.

    Source: Krizhevsky, Sutskever and Hinton 2012 (section 4.1); with padding 4 the usual choice for CIFAR.
    """
    if padding < 0:
        raise ValueError(f"padding must be at least 0, got {padding}")
    if padding == 0:
        return x
    N, C, H, W = x.shape
    padded = functional.pad(x, (padding, padding, padding, padding))
    rows, columns = (
        torch.randint(2 * padding + 1, (N, 1), device=x.device) + torch.arange(length, device=x.device)
        for length in (H, W)
    )
    image = torch.arange(N, device=x.device)[:, None, None, None]
    channel = torch.arange(C, device=x.device)[:, None, None]
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def flip(x: Images) -> Images:
    """Mirror each image left to right, with probability one half.

    Args:
        x: images (N, C, H, W), of any dtype.
    """
    chosen = torch.rand(len(x), device=x.device) < 0.5
    return torch.where(chosen[:, None, None, None], x.flip(-1), x)


def cutout(x: Images, size: int) -> Images:
    """Set a square of ``size`` x ``size`` pixels of each image to zero; its centre is any pixel.

    A square at the border is cut off there, so fewer pixels may vanish. On normalised images zero is the
    mean.

    Args:
        x: images (N, C, H, W), of any dtype.
        size: side of the square in pixels, at least 0.

    Raises:
        ValueError: a negative size.

    Source: DeVries and Taylor 2017.
    """
    if size < 0:
        raise ValueError(f"size must be at least 0, got {size}")
    row, column = (
        torch.arange(length, device=x.device)
        - torch.randint(length, (len(x), 1), device=x.device)
        + size // 2
        for length in x.shape[2:]
    )
    hidden = ((row >= 0) & (row < size))[:, None, :, None] & ((column >= 0) & (column < size))[
        :, None, None, :
    ]
    return x.masked_fill(hidden, 0)
