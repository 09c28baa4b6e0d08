"""From a data set to the batches that a model sees: order, normalisation, augmentation, all on the device.

A set that fits lives on the device as it came, in bytes; a batch is a gather and a few operations there, and
the host never waits for one. Sets that do not fit are read from files while the model computes
(`cnnkit.image_folder`). Both give the same thing: batches of uint8 images on the device.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn import functional

from cnnkit import augment, image_folder
from cnnkit.data import Examples
from cnnkit.image_folder import ImageFiles

__all__ = ["Normalization", "batches", "normalization", "prepare", "seed_of", "shuffled"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def seed_of(*what: int | str) -> int:
    """A seed for one purpose, such as ``seed_of(recipe.seed, "order", epoch)``: 63 bits, the same everywhere.

    What is drawn in step 1,000 thus does not depend on what was drawn before it. A run that is resumed there,
    on whatever machine, needs no stored state of a generator.
    """
    digest = hashlib.blake2b(repr(what).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def shuffled(n: int, seed: int) -> Int64[Tensor, " n"]:
    """The numbers 0 to n-1 in an order that the seed alone decides: the same on every process and device."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Normalization:
    """Mean and standard deviation of each channel, of values in [0, 1] where the data are bytes."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def normalization(examples: Examples | ImageFiles) -> Normalization:
    """Mean and standard deviation of each channel over all examples and places.

    For image files, which would all have to be decoded, they are ImageNet's. A channel that is constant gets
    the standard deviation 1.

    Args:
        examples: the training set. The test set must be normalised by the same numbers.
    """
    if isinstance(examples, ImageFiles):
        return Normalization(IMAGENET_MEAN, IMAGENET_STD)
    channels = examples.x.transpose(0, 1).flatten(1).cpu()
    if channels.dtype == torch.uint8:  # counts of the 256 values: exact, and no copy of the set as floats
        values = torch.arange(256, dtype=torch.float64) / 255
        weights = torch.stack([torch.bincount(channel, minlength=256) for channel in channels]).double()
    else:
        values, weights = channels.double(), torch.ones(channels.shape, dtype=torch.float64)
    weights /= weights.sum(dim=1, keepdim=True)
    mean = (weights * values).sum(dim=1)
    std = (weights * (values - mean[:, None]) ** 2).sum(dim=1).sqrt()
    constant = (channels == channels[:, :1]).all(dim=1)  # its std need not be exactly zero
    return Normalization(tuple(mean.tolist()), tuple(torch.where(constant, 1.0, std).tolist()))


def batches(
    examples: Examples | ImageFiles,
    chunks: Sequence[Int64[Tensor, " _"]],
    *,
    device: torch.device,
    image_size: int | None = None,
    workers: int = 2,
    crop_seed: int | None = None,
) -> Iterator[tuple[Shaped[Tensor, "n *example"], Int64[Tensor, " n"]]]:
    """The examples of each chunk of indices, on the device.

    Args:
        examples: a set in memory, already on ``device``, or image files.
        chunks: indices of the examples of each batch, on the device of the examples; a chunk may be empty.
        device: where the batches are wanted.
        image_size: height and width to which image files are decoded; sets in memory are resized by
            `prepare`.
        workers: processes that decode image files.
        crop_seed: cut image files at random (training) instead of in the middle.

    Returns:
        An iterator over pairs of inputs as the set has them, images as bytes, and labels, int64.
    """
    if isinstance(examples, ImageFiles):
        yield from image_folder.batches(
            examples,
            chunks,
            image_size=image_size or 224,
            device=device,
            workers=workers,
            crop_seed=crop_seed,
        )
    else:
        for indices in chunks:
            yield examples.x[indices], examples.y[indices]


def prepare(
    x: Shaped[Tensor, "n C *size"],
    normal: Normalization,
    *,
    dtype: torch.dtype = torch.float32,
    image_size: int | None = None,
    pad_crop: int = 0,
    flip: bool = False,
    cutout: int = 0,
) -> Float[Tensor, "n C *new_size"]:
    """From a batch as the set has it to what the model sees: resized, augmented, normalised.

    Args:
        x: images as bytes (n, C, H, W), or any floats (n, C, ...).
        normal: what `normalization` returned for the training set.
        dtype: of the result.
        image_size: height and width to resize to (bilinear, antialiased).
        pad_crop: see `cnnkit.augment.pad_crop`; the border is black.
        flip: see `cnnkit.augment.flip`.
        cutout: see `cnnkit.augment.cutout`; the square has the mean colour.

    Raises:
        ValueError: other channels than the training set had.
    """
    if x.shape[1] != len(normal.mean):
        raise ValueError(
            f"x must have {len(normal.mean)} channels, as the training set had; got {x.shape[1]}"
        )
    scale = 255.0 if x.dtype == torch.uint8 else 1.0
    x = x.to(dtype) / scale
    if image_size is not None and x.shape[2:] != (image_size, image_size):
        x = functional.interpolate(x, size=(image_size, image_size), mode="bilinear", antialias=True)
    if pad_crop:
        x = augment.pad_crop(x, pad_crop)
    if flip:
        x = augment.flip(x)
    x = (x - _per_channel(normal.mean, x.dim(), dtype, x.device)) / _per_channel(
        normal.std, x.dim(), dtype, x.device
    )
    return augment.cutout(x, cutout) if cutout else x


@functools.lru_cache(maxsize=32)
def _per_channel(values: tuple[float, ...], dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The values as a tensor (C, 1, ...), kept: to make one for each batch, the host would wait."""
    with torch.inference_mode(False):  # who needs gradients later gets the same tensor
        return torch.tensor(values, dtype=dtype, device=device).view(-1, *(1,) * (dim - 2))
