"""VGG: blocks of 3x3 convolutions, each block closed by a pooling that halves the maps.

Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition" (2015),
configurations A, B, D and E of its table 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from cnnkit.models.images import (
    ImageCheck,
    check_choice,
    check_sizes,
    he_initialisation,
    scaled,
    size_after,
    smallest_image,
)

# Layers that learn -> convolutions in each of the five blocks.
BLOCKS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
# Filters of each block. In the notes every block doubles them; the paper stops at 512.
FILTERS = {
    "paper": (64, 128, 256, 512, 512),
    "notes": (64, 128, 256, 512, 1024),
}


def convolutions(
    in_channels: int, blocks: Sequence[int], filters: Sequence[int], batch_norm: bool = False
) -> list[nn.Module]:
    """The blocks of a VGG network, layer by layer.

    Args:
        in_channels: channels of the images.
        blocks: how many convolutions each block has.
        filters: how many filters each of them has.
        batch_norm: normalise between each convolution and its ReLU.
    """
    layers: list[nn.Module] = []
    before = in_channels
    for number, channels in zip(blocks, filters, strict=True):
        for _ in range(number):
            layers.append(nn.Conv2d(before, channels, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU(inplace=True))
            before = channels
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return layers


class VGG(nn.Module):
    """VGG with 11, 13, 16 or 19 layers that learn: 132,863,336 parameters at depth 11 and 1,000 classes.

    The first weights are He's; the paper trained the shallow networks first and put their layers into the
    deep ones.

    Args:
        depth: 11, 13, 16 or 19.
        num_classes: size of the last layer.
        in_channels: 1 for grey images, 3 for colour.
        width: what to multiply the numbers of filters and of units with.
        image_size: height and width of the images, at least 32.
        batch_norm: normalise behind each convolution, as one does since 2015.
        variant: ``"paper"``, or ``"notes"``: 1,024 filters in the last block (245,061,992 parameters at depth
            11).
        dropout: the probability of dropping a unit of the two hidden fully connected layers.

    Shape:
        Input (N, in_channels, image_size, image_size); output (N, num_classes): logits.

    Raises:
        TypeError: a number is not an integer.
        ValueError: an unknown depth or variant, a number below 1, an image too small for the network (the
            message names the layer where it runs out), or (in ``forward``) an input of another shape.

    Example:
        >>> small = VGG(11, num_classes=10, in_channels=1, width=1 / 8, image_size=32)
    """

    def __init__(
        self,
        depth: int = 16,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float | int = 1,
        image_size: int = 224,
        batch_norm: bool = False,
        variant: str = "paper",
        dropout: float | int = 0.5,
    ) -> None:
        super().__init__()
        check_choice("depth", depth, BLOCKS)
        check_choice("variant", variant, FILTERS)
        check_sizes(num_classes=num_classes, in_channels=in_channels, image_size=image_size)
        filters = [scaled(number, width) for number in FILTERS[variant]]
        units = scaled(4096, width)
        # (N, 3, 224, 224) to (N, 512, 7, 7)
        self.features = nn.Sequential(*convolutions(in_channels, BLOCKS[depth], filters, batch_norm))
        n = size_after(self.features, image_size, prefix="features")
        self.classifier = nn.Sequential(
            nn.Linear(filters[-1] * n * n, units),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(units, units),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(units, num_classes),
        )
        he_initialisation(self, [self.classifier[-1]])
        self.register_forward_pre_hook(
            ImageCheck(in_channels, image_size, smallest_image(self.features)), with_kwargs=True
        )

    def forward(self, x: Float[Tensor, "N in_channels height width"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits of a batch of images."""
        return self.classifier(self.features(x).flatten(1))
