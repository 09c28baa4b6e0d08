"""The networks of the lecture notes in plain `torch.nn`, one paper a file, and a table of them by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from cnnkit.models.lenet import LeNet

__all__ = ["MODELS", "Network", "create"]


class Network(NamedTuple):
    """An entry of the table of models.

    Attributes:
        build: the class or function that makes the model; takes ``num_classes`` and ``in_channels``.
        image_size: height and width of the images that its paper trains on.
    """

    build: Callable[..., nn.Module]
    image_size: int


MODELS: dict[str, Network] = {
    "lenet": Network(LeNet, image_size=28),
}


def create(name: str, num_classes: int = 10, in_channels: int = 1, **options: Any) -> nn.Module:
    """Make a network by its name.

    Args:
        name: one of ``MODELS``.
        num_classes: size of the last layer.
        in_channels: channels of the images.
        options: what else the network takes, such as LeNet's ``activation``.

    Raises:
        ValueError: there is no network of this name; the message lists near names.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(name, MODELS)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {name!r}.{meant}")
    return MODELS[name].build(num_classes=num_classes, in_channels=in_channels, **options)
