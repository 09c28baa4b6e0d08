"""GoogLeNet: inception blocks, in which filters of several sizes look at the same maps side by side.

Source: Szegedy et al., "Going deeper with convolutions" (2015), table 1 and figure 3. With
``variant="torchvision"`` it is the network of torchvision, which adds batch norm, and has three differences
that its authors call a known bug or do not mention: 3x3 in place of 5x5 filters, a last pooling of 2x2, and
no local response normalisation.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
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


class Widths(NamedTuple):
    """Filters in an inception block, in the order of the paper's table.

    Attributes:
        one: 1x1 filters.
        reduce_three: 1x1 filters before those of 3x3.
        three: 3x3 filters.
        reduce_five: 1x1 filters before those of 5x5.
        five: 5x5 filters.
        pool: 1x1 filters behind the pooling.
    """

    one: int
    reduce_three: int
    three: int
    reduce_five: int
    five: int
    pool: int


# Table 1 of the paper.
INCEPTION = {
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}


class Variant(NamedTuple):
    """What the paper's network and torchvision's do not have in common.

    Attributes:
        five: size of the filters that the paper calls 5x5.
        last_pool: size of the pooling before block 5a.
        batch_norm: between each convolution, then without a bias, and its ReLU.
        local_response_norm: before and behind the second and third convolution.
    """

    five: int
    last_pool: int
    batch_norm: bool
    local_response_norm: bool


VARIANTS = {
    "paper": Variant(five=5, last_pool=3, batch_norm=False, local_response_norm=True),
    "torchvision": Variant(five=3, last_pool=2, batch_norm=True, local_response_norm=False),
}


class Convolution(nn.Module):
    """A convolution that keeps the size, at stride 1, and its ReLU; between them, if wanted, batch norm."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=not batch_norm
        )
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001) if batch_norm else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Float[Tensor, "N M height width"]) -> Float[Tensor, "N R height_out width_out"]:
        """Return the maps."""
        return self.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches over the same maps, their outputs one behind the other. Implements eq-inception.

    ``y = [F1(x), F3(F1(x)), F5(F1(x)), F1(pool(x))]``, concatenated over the channels: F1, F3 and F5 are
    convolutions of 1x1, 3x3 and 5x5, each with weights of its own, each followed by ReLU. All keep the size.

    Args:
        in_channels: maps that come in.
        widths: filters of each branch.
        five: size of the largest filters.
        batch_norm: normalise behind each convolution.

    Shape:
        Input (N, in_channels, height, width); output (N, one + three + five + pool, height, width).
    """

    def __init__(self, in_channels: int, widths: Widths, five: int = 5, batch_norm: bool = False) -> None:
        super().__init__()
        w, bn = widths, batch_norm
        self.branch1 = Convolution(in_channels, w.one, 1, batch_norm=bn)
        self.branch2 = nn.Sequential(
            Convolution(in_channels, w.reduce_three, 1, batch_norm=bn),
            Convolution(w.reduce_three, w.three, 3, batch_norm=bn),
        )
        self.branch3 = nn.Sequential(
            Convolution(in_channels, w.reduce_five, 1, batch_norm=bn),
            Convolution(w.reduce_five, w.five, five, batch_norm=bn),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            Convolution(in_channels, w.pool, 1, batch_norm=bn),
        )
        self.out_channels = w.one + w.three + w.five + w.pool

    def forward(self, x: Float[Tensor, "N M height width"]) -> Float[Tensor, "N R height width"]:
        """Return the maps of all branches."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class AuxiliaryHead(nn.Module):
    """A classifier on maps in the middle of the network, which gives the layers before it a gradient.

    Args:
        in_channels: maps that come in.
        num_classes: size of the output.
        width: what to multiply the numbers of filters and of units with.
        variant: whose details.

    Shape:
        Input (N, in_channels, 14, 14); output (N, num_classes): logits.
    """

    def __init__(self, in_channels: int, num_classes: int, width: float | int, variant: Variant) -> None:
        super().__init__()
        # (N, in_channels, 4, 4) both
        self.pool: nn.Module = nn.AdaptiveAvgPool2d(4) if variant.batch_norm else nn.AvgPool2d(5, stride=3)
        channels, units = scaled(128, width), scaled(1024, width)
        self.conv = Convolution(in_channels, channels, 1, batch_norm=variant.batch_norm)
        self.fc1 = nn.Linear(channels * 4 * 4, units)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(units, num_classes)

    def forward(self, x: Float[Tensor, "N M 14 14"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits."""
        x = self.conv(self.pool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class Logits(NamedTuple):
    """What the network returns in training, if it has auxiliary heads.

    The paper's loss is that of ``logits`` plus 0.3 times those of the two others.

    Attributes:
        logits: of the network's end.
        aux2: of the head behind block 4d.
        aux1: of the head behind block 4a.
    """

    logits: Tensor
    aux2: Tensor
    aux1: Tensor


class GoogLeNet(nn.Module):
    """GoogLeNet: 6,998,552 parameters for 1,000 classes, without the auxiliary heads.

    The first weights are He's; the paper does not say which it had.

    Args:
        num_classes: size of the last layer.
        in_channels: 1 for grey images, 3 for colour.
        width: what to multiply the numbers of filters with.
        auxiliary_heads: two classifiers in the middle, in training only; the images must then be 224x224.
            `cnnkit.train.fit` trains without them.
        variant: ``"paper"``; or ``"torchvision"``, whose trained weights torchvision offers (6,624,904
            parameters without the heads). These expect images normalised with mean 0.5 and deviation 0.5 in
            each channel, as torchvision's ``transform_input`` makes them.
        dropout: the probability of dropping a node before the last layer; torchvision has 0.2.

    Shape:
        Input (N, in_channels, height, width), of any size that is not too small; output (N, num_classes):
        logits. In training with auxiliary heads `Logits`.

    Raises:
        TypeError: a number is not an integer.
        ValueError: an unknown variant, a number below 1, or (in ``forward``) an input of another shape or one
            too small (the message names the layer where it runs out).

    Example:
        >>> small = GoogLeNet(num_classes=10, in_channels=1, width=1 / 8)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float | int = 1,
        auxiliary_heads: bool = False,
        variant: str = "paper",
        dropout: float | int = 0.4,
    ) -> None:
        super().__init__()
        check_choice("variant", variant, VARIANTS)
        check_sizes(num_classes=num_classes, in_channels=in_channels)
        chosen = VARIANTS[variant]
        bn = chosen.batch_norm
        self.auxiliary_heads = auxiliary_heads

        def response_norm() -> nn.Module:
            # the paper gives no numbers: AlexNet's, but for k; PyTorch divides alpha by the 5 channels
            norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=1)
            return norm if chosen.local_response_norm else nn.Identity()

        c1, c2, channels = scaled(64, width), scaled(64, width), scaled(192, width)

        def inception(block: str) -> Inception:
            nonlocal channels
            widths = Widths(*(scaled(filters, width) for filters in INCEPTION[block]))
            made = Inception(channels, widths, chosen.five, bn)
            channels = made.out_channels
            return made

        # sizes of width 1; (N, 3, 224, 224)
        self.conv1 = Convolution(in_channels, c1, 7, stride=2, batch_norm=bn)  # (N, 64, 112, 112)
        self.maxpool1 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)  # (N, 64, 56, 56)
        self.norm1 = response_norm()
        self.conv2 = Convolution(c1, c2, 1, batch_norm=bn)  # (N, 64, 56, 56)
        self.conv3 = Convolution(c2, channels, 3, batch_norm=bn)  # (N, 192, 56, 56)
        self.norm2 = response_norm()
        self.maxpool2 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)  # (N, 192, 28, 28)
        self.inception3a = inception("3a")  # (N, 256, 28, 28)
        self.inception3b = inception("3b")  # (N, 480, 28, 28)
        self.maxpool3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)  # (N, 480, 14, 14)
        self.inception4a = inception("4a")  # (N, 512, 14, 14)
        after_4a = channels
        self.inception4b = inception("4b")
        self.inception4c = inception("4c")
        self.inception4d = inception("4d")  # (N, 528, 14, 14)
        after_4d = channels
        self.inception4e = inception("4e")  # (N, 832, 14, 14)
        self.maxpool4 = nn.MaxPool2d(chosen.last_pool, stride=2, ceil_mode=True)  # (N, 832, 7, 7)
        self.inception5a = inception("5a")
        self.inception5b = inception("5b")  # (N, 1024, 7, 7)
        smallest = smallest_image(self)
        self.avgpool = nn.AdaptiveAvgPool2d(1)  # (N, 1024, 1, 1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        last = [self.fc]
        if auxiliary_heads:
            self.aux1 = AuxiliaryHead(after_4a, num_classes, width, chosen)
            self.aux2 = AuxiliaryHead(after_4d, num_classes, width, chosen)
            last += [self.aux1.fc2, self.aux2.fc2]
        he_initialisation(self, last)
        size = 224 if auxiliary_heads else None
        self.register_forward_pre_hook(ImageCheck(in_channels, size, smallest), with_kwargs=True)

    def forward(
        self, x: Float[Tensor, "N in_channels height width"]
    ) -> Float[Tensor, "N num_classes"] | Logits:
        """Return the logits of a batch of images; in training those of the auxiliary heads, too."""
        x = self.norm1(self.maxpool1(self.conv1(x)))
        x = self.maxpool2(self.norm2(self.conv3(self.conv2(x))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        after_4a = self.inception4a(x)
        after_4d = self.inception4d(self.inception4c(self.inception4b(after_4a)))
        x = self.maxpool4(self.inception4e(after_4d))
        x = self.inception5b(self.inception5a(x))
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.auxiliary_heads and self.training:
            return Logits(logits, self.aux2(after_4d), self.aux1(after_4a))
        return logits
