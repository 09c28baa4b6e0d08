"""FCN: VGG-16 whose fully connected layers are convolutions, so that it gives logits for every pixel.

Source: Long, Shelhamer and Darrell, "Fully convolutional networks for semantic segmentation" (2015). Their
network pads the image by 100 pixels and crops the result; here the convolution that replaces the first fully
connected layer is padded instead, and sizes agree without cropping. There the last enlargement stays
bilinear; here it learns, too (86,016 of the weights below), and the coarsest scores do not start at 0.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cnnkit.models.images import ImageCheck, check_choice, check_sizes, he_initialisation, scaled
from cnnkit.models.vgg import BLOCKS, FILTERS, convolutions

STRIDES = (32, 16, 8)


class FCN(nn.Module):
    """A fully convolutional network: 134,432,597 parameters at stride 32 for 21 classes.

    The maps of classes are coarse, a node for 32x32 pixels; transposed convolutions enlarge them. At stride
    16 and 8 the finer maps before the last two poolings are scored, too, and added.

    Args:
        num_classes: classes of a pixel, the background among them.
        in_channels: 1 for grey images, 3 for colour.
        width: what to multiply the numbers of filters with.
        stride: 32, 16 or 8: pixels between neighbouring nodes of the maps that the last transposed
            convolution enlarges.
        dropout: the probability of dropping a node behind each of the two widest convolutions.

    Shape:
        Input (N, in_channels, height, width), both multiples of 32; output (N, num_classes, height, width):
        logits.

    Raises:
        TypeError: a number is not an integer.
        ValueError: an unknown stride, a number below 1, or (in ``forward``) an input of another shape.

    Example:
        >>> small = FCN(num_classes=2, in_channels=1, width=1 / 8)
    """

    def __init__(
        self,
        num_classes: int = 21,
        in_channels: int = 3,
        width: float | int = 1,
        stride: int = 32,
        dropout: float | int = 0.5,
    ) -> None:
        super().__init__()
        check_sizes(num_classes=num_classes, in_channels=in_channels)
        check_choice("stride", stride, STRIDES)
        _, _, c3, c4, c5 = filters = [scaled(number, width) for number in FILTERS["paper"]]
        units = scaled(4096, width)
        layers = convolutions(in_channels, BLOCKS[16], filters)
        pools = [i for i, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
        # sizes of width 1, for images of 224x224 pixels
        self.to_pool3 = nn.Sequential(*layers[: pools[2] + 1])  # (N, 256, 28, 28)
        self.to_pool4 = nn.Sequential(*layers[pools[2] + 1 : pools[3] + 1])  # (N, 512, 14, 14)
        self.to_pool5 = nn.Sequential(*layers[pools[3] + 1 :])  # (N, 512, 7, 7)
        self.head = nn.Sequential(
            nn.Conv2d(c5, units, kernel_size=7, padding=3),  # (N, 4096, 7, 7)
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(units, units, kernel_size=1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.score = nn.Conv2d(units, num_classes, kernel_size=1)  # (N, 21, 7, 7)
        self.stride = stride
        if stride <= 16:
            self.enlarge_to_pool4 = enlarging(num_classes, 2)  # (N, 21, 14, 14)
            self.score_pool4 = nn.Conv2d(c4, num_classes, kernel_size=1)
        if stride == 8:
            self.enlarge_to_pool3 = enlarging(num_classes, 2)  # (N, 21, 28, 28)
            self.score_pool3 = nn.Conv2d(c3, num_classes, kernel_size=1)
        self.enlarge = enlarging(num_classes, stride)  # (N, 21, 224, 224)
        he_initialisation(self, [self.score])
        for name in ("score_pool4", "score_pool3"):
            if hasattr(self, name):  # so that the finer network starts as the coarser one
                nn.init.zeros_(getattr(self, name).weight)
        self.register_forward_pre_hook(ImageCheck(in_channels, smallest=32, multiple_of=32), with_kwargs=True)

    def forward(
        self, x: Float[Tensor, "N in_channels height width"]
    ) -> Float[Tensor, "N num_classes height width"]:
        """Return the logits of every pixel."""
        at_8 = self.to_pool3(x)
        at_16 = self.to_pool4(at_8)
        y = self.score(self.head(self.to_pool5(at_16)))
        if self.stride <= 16:
            y = self.enlarge_to_pool4(y) + self.score_pool4(at_16)
        if self.stride == 8:
            y = self.enlarge_to_pool3(y) + self.score_pool3(at_8)
        return self.enlarge(y)


@torch.no_grad()
def enlarging(channels: int, times: int) -> nn.ConvTranspose2d:
    """A transposed convolution that enlarges maps; its first weights are those of bilinear interpolation.

    Args:
        channels: of the maps; each is enlarged by itself.
        times: by how much height and width grow; even.

    Example:
        >>> enlarging(1, 2).weight[0, 0, 0].tolist()
        [0.0625, 0.1875, 0.1875, 0.0625]
    """
    F = 2 * times
    layer = nn.ConvTranspose2d(
        channels, channels, F, stride=times, padding=times // 2, groups=channels, bias=False
    )
    tent = 1 - (torch.arange(F) - (F - 1) / 2).abs() / times
    layer.weight[:] = tent.outer(tent)
    return layer
