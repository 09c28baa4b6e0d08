"""What all models share: how wide they are, what images they take, and what their first weights are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnkit.shapes import check_integer


def scaled(channels: int, width: float | int, multiple_of: int = 1) -> int:
    """Channels times the width of a model, rounded to a multiple, at least that multiple.

    Args:
        channels: filters or units, as in the paper.
        width: what to multiply them with; 1 is the paper's model.
        multiple_of: the number of groups that share the filters.

    Raises:
        ValueError: width is no finite number above 0.

    Example:
        >>> scaled(96, 1 / 8), scaled(6, 0.01)
        (12, 1)
    """
    if isinstance(width, str) or not 0 < width < float("inf"):
        raise ValueError(f"width must be a finite number above 0, got {width!r}")
    return multiple_of * max(1, round(channels * width / multiple_of))


def check_sizes(**sizes: int) -> None:
    """Check the arguments that count something.

    Raises:
        TypeError: one is no integer.
        ValueError: one is below 1.
    """
    for name, size in sizes.items():
        check_integer(name, size)


def check_choice(name: str, value: str | int, known: Collection[str | int]) -> None:
    """Check an argument that is one of a few.

    Raises:
        ValueError: it is none of them; the message lists them.
    """
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}, got {value!r}")


@torch.no_grad()
def he_initialisation(model: nn.Module, last: Collection[nn.Module]) -> None:
    """Draw the weights before every ReLU from He's normal distribution, and set the biases to 0.

    Their variance is 2 / (inputs of a node), which keeps the size of the maps from layer to layer, also where
    the number of filters falls, as before an inception block's larger filters. The last layers, which no ReLU
    follows, keep PyTorch's distribution, and so do batch norm layers.

    Args:
        model: all its convolutions and linear layers are meant.
        last: the layers to leave out.

    Source:
        He et al. 2015, equation 10.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer not in last:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


# ---------------------------------------------------------------------- image sizes
def size_after(layers: nn.Module, image_size: int, prefix: str = "") -> int:
    """Height and width of the maps behind all convolutions and poolings of a chain, for square images.

    Layers are taken in the order in which the model names them. Branches fit in as long as each keeps the
    size, as those of inception blocks do; side by side, other convolutions would be taken for a chain.

    Args:
        layers: such as the ``features`` of a network.
        image_size: height and width of the images.
        prefix: what the chain is called in its network, for the message.

    Raises:
        ValueError: the image is too small; the message names the layer where the size equation runs out.

    Example:
        >>> size_after(nn.Sequential(nn.Conv2d(3, 6, 5), nn.MaxPool2d(2)), 28)
        12
    """
    try:
        return _last_size(layers, image_size, prefix)
    except _TooSmallError as error:
        fits = smallest_image(layers)
        raise ValueError(
            f"images with {image_size} pixels on a side are too small, {fits} are the least: {error}"
        ) from None


def smallest_image(layers: nn.Module) -> int:
    """Height and width of the smallest square image that `size_after` does not refuse."""
    n = 1
    while True:
        try:
            _last_size(layers, n, "")
        except _TooSmallError:
            n += 1
        else:
            return n


class _TooSmallError(ValueError):
    pass


def _last_size(layers: nn.Module, n: int, prefix: str) -> int:
    for name, layer in layers.named_modules(prefix=prefix):
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)):
            F, S, P = (_side(size) for size in (layer.kernel_size, layer.stride, layer.padding))
            hangs_over = (S - 1) * getattr(layer, "ceil_mode", False)
            n_out = (n + 2 * P - F + hangs_over) // S + 1
            if n_out < 1:
                raise _TooSmallError(
                    f"layer {name!r} ({type(layer).__name__}) is given n={n}, and no n' of at least 1 solves "
                    f"(n' - 1) * stride + kernel_size = n + 2 * padding with kernel_size={F}, stride={S}, "
                    f"padding={P}"
                )
            n = n_out
    return n


def _side(size: Any) -> int:
    return size[0] if isinstance(size, tuple) else size


@dataclass(frozen=True)
class ImageCheck:
    """A hook, called before a network's ``forward``, that says in words what is wrong with the input.

    As a hook it stays out of ``forward``: that remains what the network computes, and `torch.fx` can follow.

    Attributes:
        in_channels: channels that the images must have.
        image_size: the only height and width that fit; None if several do.
        smallest: the least height and width.
        multiple_of: what must divide height and width.
    """

    in_channels: int
    image_size: int | None = None
    smallest: int = 1
    multiple_of: int = 1

    def __call__(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check the images.

        Raises:
            ValueError: they have not the shape (N, in_channels, height, width), or not a size that fits.
        """
        x, size = args[0] if args else kwargs.get("x"), self.image_size
        if not isinstance(
            x, Tensor
        ):  # what `torch.fx` sends through, or nothing: forward says what is missing
            return
        if x.dim() == 4 and min(x.shape[2:]) < self.smallest:
            size_after(model, min(x.shape[2:]))
        if x.dim() != 4 or x.shape[1] != self.in_channels or (size and x.shape[2:] != (size, size)):
            sizes = "height, width" if size is None else f"{size}, {size}"
            raise ValueError(f"x must have shape (N, {self.in_channels}, {sizes}), got {tuple(x.shape)}")
        if x.shape[2] % self.multiple_of or x.shape[3] % self.multiple_of:
            raise ValueError(
                f"height and width of x must be multiples of {self.multiple_of}, got shape {tuple(x.shape)}"
            )
