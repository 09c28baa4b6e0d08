"""AlexNet: the network of 2012, five convolutions and three fully connected layers.

Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks"
(2012). Two networks that differ from it go by the same name: that of the lecture notes, and the one that
torchvision has, after Krizhevsky, "One weird trick for parallelizing convolutional neural networks" (2014),
where the fourth convolution has 384 filters; in the code published with it, and in torchvision, it has 256.
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
    size_after,
    smallest_image,
)


class Variant(NamedTuple):
    """What the three networks called AlexNet do not have in common.

    Attributes:
        filters: of the five convolutions.
        image_size: height and width of the images.
        padding: of the first convolution, on each side.
        groups: parts of channels and filters in convolutions 2, 4 and 5, which see their own part only.
        local_response_norm: behind the first two convolutions.
        dropout_before: of the first two fully connected layers what comes in is dropped, not what goes out.
    """

    filters: tuple[int, int, int, int, int]
    image_size: int
    padding: int
    groups: int
    local_response_norm: bool
    dropout_before: bool


VARIANTS = {
    # The paper says 224, which fits no padding at stride 4; its volumes are those of 227.
    "paper": Variant(
        (96, 256, 384, 384, 256), 227, padding=0, groups=2, local_response_norm=True, dropout_before=False
    ),
    "notes": Variant(
        (96, 256, 384, 384, 384), 224, padding=2, groups=1, local_response_norm=False, dropout_before=False
    ),
    "torchvision": Variant(
        (64, 192, 384, 256, 256), 224, padding=2, groups=1, local_response_norm=False, dropout_before=True
    ),
}


class AlexNet(nn.Module):
    """AlexNet: 60,965,224 parameters in the paper's form, for images of 227x227 pixels and 1,000 classes.

    The first weights are He's, not the paper's, with which a network that is made narrower does not start.

    Args:
        num_classes: size of the last layer.
        in_channels: 1 for grey images, 3 for colour.
        width: what to multiply the numbers of filters and of units with.
        image_size: height and width of the images; if not given, the variant's. 67 is the least that fits
            the size equation everywhere.
        variant: ``"paper"``; ``"notes"``, with 384 filters in the last convolution (81,695,208 parameters);
            or ``"torchvision"``, the network whose trained weights torchvision offers (61,100,840).
        groups: 2 splits convolutions 2, 4 and 5 as the paper did for two GPUs, 1 does not (62,378,344
            parameters); if not given, the variant's.
        local_response_norm: normalise across channels behind the first two convolutions; if not given, the
            variant's.
        dropout: the probability of dropping a unit of the two hidden fully connected layers; with
            ``"torchvision"`` of those before them.

    Shape:
        Input (N, in_channels, image_size, image_size); output (N, num_classes): logits.

    Raises:
        TypeError: a number is not an integer.
        ValueError: an unknown variant, a number below 1, other groups than 1 and 2, an image
            too small for the network (the message names the layer where it runs out), or (in
            ``forward``) an input of another shape.

    Example:
        >>> small = AlexNet(num_classes=10, in_channels=1, width=1 / 8, image_size=67, groups=1)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float | int = 1,
        image_size: int | None = None,
        variant: str = "paper",
        groups: int | None = None,
        local_response_norm: bool | None = None,
        dropout: float | int = 0.5,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        chosen = VARIANTS[variant]
        image_size = chosen.image_size if image_size is None else image_size
        g = chosen.groups if groups is None else groups
        check_choice("groups", g, (1, 2))
        check_sizes(num_classes=num_classes, in_channels=in_channels, image_size=image_size)
        normalise = chosen.local_response_norm if local_response_norm is None else local_response_norm
        c1, c2, c3, c4, c5 = (scaled(filters, width, multiple_of=g) for filters in chosen.filters)
        units = scaled(4096, width)

        def response_norm() -> list[nn.Module]:
            # PyTorch divides alpha by the 5 channels, the paper, with alpha = 1e-4, does not
            return [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)] if normalise else []

        # sizes of the paper's variant and width
        self.features = nn.Sequential(  # (N, 3, 227, 227)
            nn.Conv2d(in_channels, c1, kernel_size=11, stride=4, padding=chosen.padding),  # (N, 96, 55, 55)
            nn.ReLU(inplace=True),
            *response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 27, 27)
            nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=g),  # (N, 256, 27, 27)
            nn.ReLU(inplace=True),
            *response_norm(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 13, 13)
            nn.Conv2d(c2, c3, kernel_size=3, padding=1),  # (N, 384, 13, 13): sees both groups
            nn.ReLU(inplace=True),
            nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=g),  # (N, 384, 13, 13)
            nn.ReLU(inplace=True),
            nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=g),  # (N, 256, 13, 13)
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 6, 6)
        )
        n = size_after(self.features, image_size, prefix="features")
        full1 = [nn.Linear(c5 * n * n, units), nn.ReLU(inplace=True)]
        full2 = [nn.Linear(units, units), nn.ReLU(inplace=True)]
        drop1, drop2 = nn.Dropout(dropout), nn.Dropout(dropout)
        hidden = [drop1, *full1, drop2, *full2] if chosen.dropout_before else [*full1, drop1, *full2, drop2]
        self.classifier = nn.Sequential(*hidden, nn.Linear(units, num_classes))
        he_initialisation(self, [self.classifier[-1]])
        self.register_forward_pre_hook(
            ImageCheck(in_channels, image_size, smallest_image(self.features)), with_kwargs=True
        )

    def forward(self, x: Float[Tensor, "N in_channels height width"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits of a batch of images."""
        return self.classifier(self.features(x).flatten(1))
