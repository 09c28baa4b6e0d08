"""The networks of the lecture notes in plain `torch.nn`, one paper a file, and a table of them by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from cnnkit.models.alexnet import AlexNet
from cnnkit.models.fcn import FCN
from cnnkit.models.googlenet import GoogLeNet
from cnnkit.models.lenet import LeNet, LeNet5
from cnnkit.models.network_in_network import NetworkInNetwork
from cnnkit.models.resnet import ResNet
from cnnkit.models.vgg import VGG

__all__ = ["MODELS", "Network", "create", "find"]


class Network(NamedTuple):
    """An entry of the table of models.

    Attributes:
        build: the class or function that makes the model; takes ``num_classes`` and ``in_channels``.
        image_size: height and width of the images that its paper trains on.
        takes_image_size: whether it is built for one size of images, and takes ``image_size``.
        per_pixel: whether its logits are those of every pixel instead of an image's.
        num_classes: of the paper's data.
        in_channels: of the paper's images.
    """

    build: Callable[..., nn.Module]
    image_size: int
    takes_image_size: bool = False
    per_pixel: bool = False
    num_classes: int = 1000
    in_channels: int = 3


MODELS: dict[str, Network] = {
    "lenet": Network(LeNet, 28, num_classes=10, in_channels=1),
    "lenet5_1998": Network(LeNet5, 32, num_classes=10, in_channels=1),
    "alexnet": Network(AlexNet, 227, takes_image_size=True),
    "alexnet_notes": Network(partial(AlexNet, variant="notes"), 224, takes_image_size=True),
    "vgg11": Network(partial(VGG, 11), 224, takes_image_size=True),
    "vgg13": Network(partial(VGG, 13), 224, takes_image_size=True),
    "vgg16": Network(partial(VGG, 16), 224, takes_image_size=True),
    "vgg19": Network(partial(VGG, 19), 224, takes_image_size=True),
    "vgg11_bn": Network(partial(VGG, 11, batch_norm=True), 224, takes_image_size=True),
    "vgg13_bn": Network(partial(VGG, 13, batch_norm=True), 224, takes_image_size=True),
    "vgg16_bn": Network(partial(VGG, 16, batch_norm=True), 224, takes_image_size=True),
    "vgg19_bn": Network(partial(VGG, 19, batch_norm=True), 224, takes_image_size=True),
    "vgg11_notes": Network(partial(VGG, 11, variant="notes"), 224, takes_image_size=True),
    "network_in_network": Network(NetworkInNetwork, 32, num_classes=10),
    "network_in_network_imagenet": Network(partial(NetworkInNetwork, variant="imagenet"), 224),
    "googlenet": Network(GoogLeNet, 224),
    "resnet18": Network(partial(ResNet, 18), 224),
    "resnet34": Network(partial(ResNet, 34), 224),
    "resnet50": Network(partial(ResNet, 50), 224),
    "resnet101": Network(partial(ResNet, 101), 224),
    "resnet152": Network(partial(ResNet, 152), 224),
    "resnet20": Network(partial(ResNet, 20), 32, num_classes=10),
    "resnet32": Network(partial(ResNet, 32), 32, num_classes=10),
    "resnet44": Network(partial(ResNet, 44), 32, num_classes=10),
    "resnet56": Network(partial(ResNet, 56), 32, num_classes=10),
    "resnet110": Network(partial(ResNet, 110), 32, num_classes=10),
    "fcn32s": Network(partial(FCN, stride=32), 224, per_pixel=True, num_classes=21),
    "fcn16s": Network(partial(FCN, stride=16), 224, per_pixel=True, num_classes=21),
    "fcn8s": Network(partial(FCN, stride=8), 224, per_pixel=True, num_classes=21),
}


def find(name: str) -> Network:
    """The entry of this name.

    Raises:
        ValueError: there is no network of this name; the message lists near names.
    """
    if name not in MODELS:
        near = difflib.get_close_matches(str(name).lower().replace("-", ""), MODELS, cutoff=0.5)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {name!r}.{meant}")
    return MODELS[name]


def create(
    name: str, num_classes: int = 10, in_channels: int = 1, image_size: int | None = None, **options: Any
) -> nn.Module:
    """Make a network by its name.

    Args:
        name: one of ``MODELS``.
        num_classes: size of the last layer; ten, as the book's data sets have, unless you say otherwise.
        in_channels: channels of the images; 1, unless you say otherwise.
        image_size: height and width of the images, for networks that are built for one; if not given, the
            paper's.
        options: what else the network takes, such as ``width`` or LeNet's ``activation``.

    Raises:
        ValueError: there is no network of this name; the message lists near names.
    """
    network = find(name)
    if image_size is not None and network.takes_image_size:
        options["image_size"] = image_size
    return network.build(num_classes=num_classes, in_channels=in_channels, **options)
