"""Network in Network: 1x1 convolutions behind each convolution, and no fully connected layer at all.

Source: Lin, Chen and Yan, "Network in network" (2014): the network for CIFAR-10. The paper gives no numbers
of filters; these are those of the model that its authors published for Caffe. Unlike there, both poolings
take the maximum, as the paper says, and no ReLU follows the last layer. The network for ImageNet is not in
the paper, but in that collection, too.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from cnnkit.models.images import (
    ImageCheck,
    check_choice,
    check_sizes,
    he_initialisation,
    scaled,
    smallest_image,
)


class Block(NamedTuple):
    """A convolution and the two of size 1x1 behind it, as a multilayer perceptron at every place.

    Attributes:
        filters: of the three; None stands for the number of classes.
        kernel_size: F of the first.
        stride: S of the first.
        padding: P of the first.
    """

    filters: tuple[int | None, int | None, int | None]
    kernel_size: int
    stride: int
    padding: int


VARIANTS = {
    "paper": (
        Block((192, 160, 96), kernel_size=5, stride=1, padding=2),
        Block((192, 192, 192), kernel_size=5, stride=1, padding=2),
        Block((192, 192, None), kernel_size=3, stride=1, padding=1),
    ),
    "imagenet": (
        Block((96, 96, 96), kernel_size=11, stride=4, padding=0),
        Block((256, 256, 256), kernel_size=5, stride=1, padding=2),
        Block((384, 384, 384), kernel_size=3, stride=1, padding=1),
        Block((1024, 1024, None), kernel_size=3, stride=1, padding=1),
    ),
}


class NetworkInNetwork(nn.Module):
    """Network in Network: 966,986 parameters for colour images of 32x32 pixels and ten classes.

    The last block has a filter for each class; the mean of its map over all places is the class's logit.

    Args:
        num_classes: size of the output.
        in_channels: 1 for grey images, 3 for colour.
        width: what to multiply the numbers of filters with.
        variant: ``"paper"``, or ``"imagenet"`` for images of 224x224 (7,595,176 parameters for 1,000
            classes).
        dropout: the probability of dropping a node between blocks; in ``"imagenet"`` before the last only.

    Shape:
        Input (N, in_channels, height, width), of any size that is not too small; output (N, num_classes):
        logits.

    Raises:
        TypeError: a number is not an integer.
        ValueError: an unknown variant, a number below 1, or (in ``forward``) an input of another shape or one
            too small (the message names the layer where it runs out).

    Example:
        >>> small = NetworkInNetwork(num_classes=10, in_channels=1, width=1 / 4)
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 3,
        width: float | int = 1,
        variant: str = "paper",
        dropout: float | int = 0.5,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        check_sizes(num_classes=num_classes, in_channels=in_channels)
        blocks = VARIANTS[variant]
        layers: list[nn.Module] = []  # (N, 3, 32, 32)
        before = in_channels
        for number, block in enumerate(blocks):
            if number > 0:
                layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
                if variant == "paper" or number == len(blocks) - 1:
                    layers.append(nn.Dropout(dropout))
            sizes = ((block.kernel_size, block.stride, block.padding), (1, 1, 0), (1, 1, 0))
            for filters, (F, S, P) in zip(block.filters, sizes, strict=True):
                channels = num_classes if filters is None else scaled(filters, width)
                layers += [nn.Conv2d(before, channels, F, stride=S, padding=P), nn.ReLU(inplace=True)]
                before = channels
        layers.pop()  # a logit may be negative
        self.features = nn.Sequential(*layers)  # (N, num_classes, 8, 8)
        self.pool = nn.AdaptiveAvgPool2d(1)  # (N, num_classes, 1, 1)
        he_initialisation(self, [self.features[-1]])
        self.register_forward_pre_hook(
            ImageCheck(in_channels, smallest=smallest_image(self.features)), with_kwargs=True
        )

    def forward(self, x: Float[Tensor, "N in_channels height width"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits of a batch of images."""
        return self.pool(self.features(x)).flatten(1)
