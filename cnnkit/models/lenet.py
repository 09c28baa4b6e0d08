"""LeNet: two convolutions, each pooled, then three fully connected layers.

Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition" (1998),
in the modern reading of the lecture notes: a 28x28 image, padded by 2, instead of the paper's 32x32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cnnkit.models.images import ImageCheck, check_choice, check_sizes, scaled, smallest_image

Activation = Literal["relu", "sigmoid"]
Pool = Literal["max", "average"]

ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
POOLS: dict[Pool, type[nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


class LeNet(nn.Module):
    """LeNet for images of 28x28 pixels: 61,706 parameters for one input channel and ten classes.

    Args:
        num_classes: size of the last layer.
        in_channels: 1 for grey images, 3 for colour.
        width: what to multiply the numbers of filters and of units with.
        activation: ``"relu"``, today's usual choice, or ``"sigmoid"``, the notes'.
        pool: ``"max"``, today's usual choice, or ``"average"``, the notes'.

    Shape:
        Input (N, in_channels, 28, 28); output (N, num_classes): logits, no softmax.

    Raises:
        ValueError: an unknown activation or pool, a number below 1, or (in ``forward``) an input of
            another shape.

    Example:
        >>> notes_lenet = LeNet(activation="sigmoid", pool="average")
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        width: float | int = 1,
        activation: Activation = "relu",
        pool: Pool = "max",
    ) -> None:
        super().__init__()
        check_sizes(num_classes=num_classes, in_channels=in_channels)
        check_choice("activation", activation, ACTIVATIONS)
        check_choice("pool", pool, POOLS)
        f, pooling = ACTIVATIONS[activation], POOLS[pool]
        c1, c2, f1, f2 = (scaled(number, width) for number in (6, 16, 120, 84))
        # sizes of width 1
        self.features = nn.Sequential(  # (N, in_channels, 28, 28)
            nn.Conv2d(in_channels, c1, kernel_size=5, padding=2),  # (N, 6, 28, 28)
            f(),
            pooling(kernel_size=2, stride=2),  # (N, 6, 14, 14)
            nn.Conv2d(c1, c2, kernel_size=5),  # (N, 16, 10, 10)
            f(),
            pooling(kernel_size=2, stride=2),  # (N, 16, 5, 5)
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),  # (N, 400)
            nn.Linear(c2 * 5 * 5, f1),
            f(),
            nn.Linear(f1, f2),
            f(),
            nn.Linear(f2, num_classes),
        )
        self.register_forward_pre_hook(
            ImageCheck(in_channels, 28, smallest_image(self.features)), with_kwargs=True
        )

    def forward(self, x: Float[Tensor, "N in_channels 28 28"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits of a batch of images."""
        return self.classifier(self.features(x))


# ---------------------------------------------------------------------- as in 1998
# Table 1 of the paper: which of the six maps of S2 each of the sixteen maps of C3 sees.
SEES = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


class ScaledTanh(nn.Module):
    """``1.7159 tanh(2 x / 3)``: f(1) is 1 and f(-1) is -1, where the curvature is largest."""

    def __init__(self) -> None:
        super().__init__()
        self.tanh = nn.Tanh()

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Apply it to each number."""
        return 1.7159 * self.tanh(2 / 3 * x)


class Subsampling(nn.Module):
    """The sum of each 2x2 window, times a weight and plus a bias that the map learns.

    Args:
        channels: maps.

    Shape:
        Input (N, channels, 2 n, 2 n); output (N, channels, n, n).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.AvgPool2d(2)
        self.weight = nn.Parameter(torch.full((channels, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Float[Tensor, "N channels height width"]) -> Float[Tensor, "N channels h w"]:
        """Shrink the maps."""
        return 4 * self.mean(x) * self.weight + self.bias


class PartialConvolution(nn.Module):
    """Convolution layer C3: each filter sees some of the maps only. Not "full in the filter dimension".

    Args:
        sees: the maps, for each filter.
        kernel_size: F.

    Shape:
        Input (N, maps, height, width); output (N, len(sees), height - F + 1, width - F + 1).
    """

    def __init__(self, sees: Sequence[Sequence[int]], kernel_size: int) -> None:
        super().__init__()
        self.sees = sees
        self.filters = nn.ModuleList(nn.Conv2d(len(maps), 1, kernel_size) for maps in sees)

    def forward(self, x: Float[Tensor, "N M height width"]) -> Float[Tensor, "N R h w"]:
        """Slide each filter over its maps."""
        parts = [conv(x[:, list(maps)]) for conv, maps in zip(self.filters, self.sees, strict=True)]
        return torch.cat(parts, dim=1)


class LeNet5(nn.Module):
    """LeNet-5 as it was in 1998: 60,000 parameters that learn, for grey images of 32x32 pixels.

    Where the network of the notes has sums of windows that learn nothing, full connections between maps, and
    a linear last layer, this one has `Subsampling`, the connections of the paper's table 1, and a unit for
    each class whose output is the squared distance to a code of +-1: here with a minus sign, so that the
    right class has the largest logit. The codes do not learn. The paper draws them as images of the
    characters; here they are random, which the paper names as another choice.

    Args:
        num_classes: number of codes.
        in_channels: 1 for grey images, 3 for colour.
        width: 1; the connections of the paper's table fit no other number of filters.

    Shape:
        Input (N, in_channels, 32, 32), in the paper with a background of -0.1 and ink of 1.175; output
        (N, num_classes): logits, none above 0.

    Raises:
        TypeError: a number is not an integer.
        ValueError: a number below 1, another width, or (in ``forward``) an input of another shape.
    """

    codes: Tensor

    def __init__(self, num_classes: int = 10, in_channels: int = 1, width: float | int = 1) -> None:
        super().__init__()
        check_sizes(num_classes=num_classes, in_channels=in_channels)
        if width != 1:
            raise ValueError(f"width must be 1 for LeNet-5 of 1998, got {width}")
        self.features = nn.Sequential(  # (N, in_channels, 32, 32)
            nn.Conv2d(in_channels, 6, kernel_size=5),  # C1: (N, 6, 28, 28)
            ScaledTanh(),
            Subsampling(6),  # S2: (N, 6, 14, 14)
            ScaledTanh(),
            PartialConvolution(SEES, kernel_size=5),  # C3: (N, 16, 10, 10)
            ScaledTanh(),
            Subsampling(16),  # S4: (N, 16, 5, 5)
            ScaledTanh(),
            nn.Conv2d(16, 120, kernel_size=5),  # C5: (N, 120, 1, 1)
            ScaledTanh(),
            nn.Flatten(),
            nn.Linear(120, 84),  # F6: (N, 84)
            ScaledTanh(),
        )
        codes = torch.randint(
            2, (num_classes, 84), generator=torch.Generator().manual_seed(1998), device="cpu"
        )
        self.register_buffer("codes", (2.0 * codes - 1).to(torch.get_default_device()))
        self.register_forward_pre_hook(ImageCheck(in_channels, image_size=32), with_kwargs=True)

    def forward(self, x: Float[Tensor, "N in_channels 32 32"]) -> Float[Tensor, "N num_classes"]:
        """Return the logits of a batch of images: minus the squared distances to the codes."""
        distances = self.features(x)[:, None] - self.codes  # (N, num_classes, 84)
        return -distances.square().sum(dim=2)
